//! What follows from a failure: another attempt, a wait, a refresh, or the end.

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Map, Value};

use super::classify::Refusal;
use super::context;
use super::model::{GateScope, Outcome, Output, Tick, WaitReason};
use super::progress::Part;
use super::rate_limit;
use super::stepper::{RefreshCause, Stepper, steps};
use super::trace::{Entry, Mark};
use crate::definitions::{Authorization, LimitScope, RequestPlan, Step};
use crate::lifecycle::{Class, Failure, ReasonCode};

/// Answers of one step that ask to wait, at most; so that a policy without pauses ends too.
const MAX_RATE_LIMITED: u32 = 100;

impl Stepper {
    /// Goes on after a failed attempt of a request.
    pub(super) fn react(&mut self, step: &Step, request: &RequestPlan, refusal: Refusal, tick: Tick) -> Output {
        let Refusal { failure, retry_after, .. } = refusal;
        let passed_ms = self.sent_at_ms.map_or(0, |sent_at_ms| tick.active_ms.saturating_sub(sent_at_ms));
        self.note(step, Mark::Error, tick, Some(&failure), None);
        self.last = Some(failure.clone());
        match failure.class {
            Class::Permanent => self.give_up_or_walk(step, failure, tick),
            Class::OutcomeUnknown if step.probe.is_some() => {
                self.begin_probe(step, Duration::from_millis(passed_ms), tick)
            }
            Class::OutcomeUnknown => self.fail(failure),
            Class::Unauthorized => self.unauthorized(step, request, failure, tick),
            Class::RateLimited => self.rate_limited(step, request, failure, retry_after, tick),
            Class::Transient => self.transient(step, failure, retry_after, tick),
        }
    }

    /// Ends the run, or lets it go on where the definition says so.
    fn give_up_or_walk(&mut self, step: &Step, failure: Failure, tick: Tick) -> Output {
        self.give_up(step, failure).unwrap_or_else(|| self.walk(tick))
    }

    /// A 401: a new token if there can be one, once. A refused credential ends the run, whatever the step says; a
    /// refusal of nothing that was brought is like any other.
    fn unauthorized(&mut self, step: &Step, request: &RequestPlan, failure: Failure, tick: Tick) -> Output {
        if matches!(request.authorization, Authorization::None) {
            return self.give_up_or_walk(step, failure, tick);
        }
        if self.start.refreshable && !self.progress.step.tries().replayed {
            // The old request is refused for certain, and the next one is another.
            self.dirty |= !self.is_probing() && self.progress.intent.take().is_some();
            self.refresh_cause = RefreshCause::Refusal;
            return Output::Refresh;
        }
        if !self.start.refreshable && self.start.proven {
            return self.refused(Failure { code: ReasonCode::CredentialRefused, ..failure });
        }
        self.fail(failure)
    }

    /// A wait that the provider asked for costs no attempt; the waits of a step are bounded together.
    fn rate_limited(
        &mut self,
        step: &Step,
        request: &RequestPlan,
        failure: Failure,
        retry_after: Option<Duration>,
        tick: Tick,
    ) -> Output {
        let limit = self.start.limits.wait;
        let tries = self.progress.step.tries();
        let waited = Duration::from_millis(tries.rate_limited_ms);
        tries.rate_limited += 1;
        let answers = tries.rate_limited;
        // At least half of the backoff's ceiling, so that `Retry-After: 0` is not an invitation to hammer.
        let ceiling = Duration::from_millis(self.start.retry.ceiling_ms(answers));
        // Runs that were limited together do not come back together.
        let untold =
            || rate_limit::UNTOLD + (rate_limit::UNTOLD / 10).mul_f64(f64::from(tick.jitter) / f64::from(u32::MAX));
        let after = retry_after.unwrap_or_else(untold).max(ceiling / 2).min(limit);
        if answers > MAX_RATE_LIMITED || waited + after > limit || self.remaining().is_zero() {
            return self.give_up_or_walk(step, failure, tick);
        }
        self.progress.step.tries().rate_limited_ms += after.as_millis() as u64;
        self.forget_refused(step);
        let install = request.rate_limit.as_ref().is_some_and(|plan| plan.scope == LimitScope::Install);
        let gate = install.then_some(GateScope::Install);
        self.refresh_next = false;
        Output::Wait { reason: WaitReason::RateLimited, after, gate }
    }

    /// The request that was to go out did not, and had no effect: its intent is withdrawn and it is rendered again.
    pub(super) fn gated(&mut self, after: Duration) -> Output {
        let had_intent = self.progress.intent.is_some();
        self.withdraw();
        self.dirty |= had_intent && self.progress.intent.is_none();
        let tries = self.progress.step.tries();
        tries.attempts = tries.attempts.saturating_sub(1);
        self.sent_at_ms = None;
        self.wait(WaitReason::Gated, after.min(self.start.limits.wait))
    }

    pub(super) fn transient(
        &mut self,
        step: &Step,
        failure: Failure,
        retry_after: Option<Duration>,
        tick: Tick,
    ) -> Output {
        let tries = self.progress.step.tries();
        tries.failures += 1;
        let pause = self.start.retry.pause_after(tries.failures, tick.jitter);
        let Some(pause) = pause.filter(|_| !self.remaining().is_zero()) else {
            return self.give_up_or_walk(step, failure, tick);
        };
        self.forget_refused(step);
        // A `Retry-After` only lengthens the pause: zero would be five requests at once.
        self.wait(WaitReason::Backoff, retry_after.map_or(pause, |asked| asked.max(pause)).min(self.start.limits.wait))
    }

    /// An intent whose request certainly had no effect is none any more. Where the provider honours the key the bytes
    /// are kept: the next attempt sends the same.
    fn forget_refused(&mut self, step: &Step) {
        if step.idempotency_header.is_none() && !self.is_probing() {
            self.dirty |= self.progress.intent.take().is_some();
        }
    }

    pub(super) fn wait(&mut self, reason: WaitReason, after: Duration) -> Output {
        self.refresh_next = reason == WaitReason::RefreshBackoff;
        Output::Wait { reason, after, gate: None }
    }

    /// Asks for a new token before the present one expires.
    pub(super) const fn renew(&mut self) -> Output {
        self.refresh_cause = RefreshCause::Expiry;
        Output::Refresh
    }

    /// Goes on with a new token: the step is rendered again.
    pub(super) fn refreshed(&mut self, mut context: Map<String, Value>, tick: Tick) -> Output {
        self.note_refresh(None, tick);
        // Durable before the next request, or a successor would lay the older token over the new one.
        self.dirty |= context::forget_token(&mut self.progress.writes);
        self.scope = None;
        context::lay(&mut context, &self.progress.writes);
        self.context = Arc::new(context);
        let tries = self.progress.step.tries();
        tries.refresh_failures = 0;
        match self.refresh_cause {
            RefreshCause::Expiry => tries.renewed = true,
            RefreshCause::Refusal => tries.replayed = true,
        }
        self.walk(tick)
    }

    pub(super) fn not_refreshed(&mut self, failure: Failure, tick: Tick) -> Output {
        self.note_refresh(Some(&failure), tick);
        match failure.class {
            Class::Unauthorized => self.refused(failure),
            Class::Permanent | Class::OutcomeUnknown => self.fail(failure),
            Class::Transient | Class::RateLimited => {
                let tries = self.progress.step.tries();
                tries.refresh_failures += 1;
                match self.start.retry.pause_after(tries.refresh_failures, tick.jitter) {
                    Some(pause) if !self.remaining().is_zero() => {
                        self.last = Some(failure);
                        self.wait(WaitReason::RefreshBackoff, pause.min(self.start.limits.wait))
                    }
                    _ => self.fail(failure),
                }
            }
        }
    }

    /// Tells of a refresh for its own sake, and of one within a step if it failed: the attempt of that step says only why
    /// there had to be a new token, if there was one at all.
    fn note_refresh(&mut self, failure: Option<&Failure>, tick: Tick) {
        let begun_ms = self.sent_at_ms.take().unwrap_or(tick.active_ms);
        if failure.is_none() && self.progress.part != Part::Refresh {
            return;
        }
        let step = steps(&self.start.plan, self).get(self.progress.index);
        let name = step.and_then(|step| step.name.clone());
        let attempt = self.progress.step.tries().refresh_failures + 1;
        self.progress.trace.push(Entry {
            phase: self.progress.part,
            index: self.progress.index,
            kind: "refresh".into(),
            name,
            item: self.progress.step.item(),
            page: self.progress.step.page(),
            attempt,
            status: if failure.is_some() { Mark::Error } else { Mark::Success },
            duration_ms: tick.active_ms.saturating_sub(begun_ms),
            http_status: failure.and_then(|failure| failure.http_status),
            result: None,
            class: failure.map(|failure| failure.class),
            error: failure.map(|failure| failure.message.clone()),
            continued: false,
            why: None,
        });
    }

    fn refused(&self, failure: Failure) -> Output {
        if self.is_probing() {
            return self.fail(failure);
        }
        Output::Done(Outcome::CredentialRefused { phase: self.phase(), step: self.label(), failure })
    }

    /// The end of a phase that used up its time: the last failure says more than the clock.
    pub(super) fn out_of_time(&self) -> Output {
        let failure = self.last.clone().unwrap_or_else(|| {
            let seconds = self.start.limits.phase.as_secs();
            let message = format!("the phase spent its {seconds} s with the provider before it came to its end");
            Failure::permanent(ReasonCode::DeadlineExceeded, message)
        });
        self.fail(failure)
    }
}
