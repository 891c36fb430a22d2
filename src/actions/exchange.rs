//! The turns that ask the provider: what goes out, and what its answer makes of the turn.

use std::sync::Arc;
use std::time::Duration;

use super::context;
use super::model::{Output, Tick};
use super::paging::{self, Pager};
use super::progress::Intent;
use super::request::Rendering;
use super::response;
use super::stepper::{Stepper, steps};
use super::trace::Mark;
use crate::definitions::{Authorization, Plan, RequestPlan, Step, StepKind};
use crate::lifecycle::Failure;
use crate::upstream::{Request, Response, SendError};

/// A token that expires within this time is refreshed before it is used, in milliseconds.
const EXPIRY_MARGIN_MS: i64 = 30_000;

impl Stepper {
    /// Sends the present turn's request; `None` when the step is passed over.
    pub(super) fn request(&mut self, step: &Step, request: &RequestPlan, tick: Tick) -> Option<Output> {
        if self.start.account.is_sandbox && !request.method.reads() && !step.allow_in_sandbox {
            self.pass_over(step, tick, "sandbox");
            return None;
        }
        let timeout = self.timeout(step);
        if timeout.is_zero() {
            return Some(self.out_of_time());
        }
        if step.paginate
            && let Some(pagination) = &request.pagination
        {
            self.progress.step.turn.pager.get_or_insert_with(|| Box::new(Pager::begin(pagination)));
        }
        if let Some(probe) = step.probe.as_ref().filter(|_| self.is_probing()) {
            return Some(self.probe(step, probe, tick));
        }
        if let Some(intent) = &self.progress.intent {
            if let Some(word) = self.progress.word.take() {
                // Used up before it goes out: nobody allowed a third time.
                self.used = Some(word);
                self.dirty = true;
            }
            return Some(Output::Send(intent.request(timeout)));
        }
        if self.is_about_to_expire(request, tick) {
            return Some(self.renew());
        }
        match self.rendered(step, request, timeout, tick) {
            Ok(rendered) => {
                if step.needs_intent() {
                    self.progress.intent = Some(Intent::of(&rendered));
                    self.fresh = true;
                    self.dirty = true;
                }
                Some(Output::Send(rendered))
            }
            Err(failure) => {
                self.note(step, Mark::Error, tick, Some(&failure), None);
                self.give_up(step, failure)
            }
        }
    }

    fn rendered(
        &mut self,
        step: &Step,
        request: &RequestPlan,
        timeout: Duration,
        tick: Tick,
    ) -> Result<Request, Failure> {
        let mut scope = self.scope(tick);
        let key = step.idempotency_header.as_deref().map(|header| (header, self.progress.turn_key(self.start.run_id)));
        let method = self.start.account.authentication_method;
        let pager = self.progress.step.turn.pager.as_deref_mut();
        let with = Rendering { scope: &mut scope, method, key, timeout, page: None };
        let rendered = paging::render(request, pager, with);
        self.scope = Some(scope);
        rendered
    }

    /// How long the next request of the step may take; nothing when the part's time is used up.
    pub(super) fn timeout(&self, step: &Step) -> Duration {
        let whole = self.start.limits.request_timeout;
        step.timeout.map_or(whole, |own| own.min(whole)).min(self.remaining())
    }

    /// Whether the token should be refreshed before it is used. Once for a request: a token that is new and still about
    /// to expire is as good as it gets.
    pub(super) fn is_about_to_expire(&mut self, request: &RequestPlan, tick: Tick) -> bool {
        let tries = self.progress.step.tries();
        !tries.renewed
            && !tries.replayed
            && self.start.refreshable
            && !matches!(request.authorization, Authorization::None)
            && context::token_expiry_ms(&self.context)
                .is_some_and(|expiry| expiry <= tick.now_ms.saturating_add(EXPIRY_MARGIN_MS))
    }

    pub(super) fn answered(&mut self, response: Response, tick: Tick) -> Output {
        let plan = Arc::clone(&self.start.plan);
        let Some((step, request)) = self.under_way(&plan) else { return self.walk(tick) };
        if let Some(probe) = step.probe.as_ref().filter(|_| self.is_probing()) {
            return self.probed(step, probe, response, tick);
        }
        let status = response.status;
        let mut scope = self.scope(tick);
        let answer = response::read(response, request, &mut scope, step.retry_safe(), tick.now_ms);
        self.scope = Some(scope);
        match answer {
            Ok(answer) => {
                self.progress.accepted |= !matches!(request.authorization, Authorization::None);
                let mut entry = self.entry(step, Mark::Success, tick);
                entry.http_status = Some(status);
                entry.result = Some(Arc::clone(&answer.result));
                self.progress.trace.push(entry);
                self.dirty |= self.progress.intent.take().is_some();
                let ended = match self.progress.step.turn.pager.take().zip(request.pagination.as_ref()) {
                    Some((pager, pagination)) => self.turn_page(step, pager, pagination, answer, tick),
                    None => self.settle(step, Some(answer.result), Some(answer.response)),
                };
                ended.unwrap_or_else(|| self.walk(tick))
            }
            Err(refusal) if self.is_past_the_end(request, &refusal.failure) => {
                self.end_pages(step, tick).unwrap_or_else(|| self.walk(tick))
            }
            Err(refusal) => self.react(step, request, refusal, tick),
        }
    }

    pub(super) fn unanswered(&mut self, error: &SendError, tick: Tick) -> Output {
        let plan = Arc::clone(&self.start.plan);
        let Some((step, request)) = self.under_way(&plan) else { return self.walk(tick) };
        let request = match &step.probe {
            Some(probe) if self.is_probing() => &probe.request,
            _ => request,
        };
        if !self.is_probing() && error.may_have_been_sent() && !matches!(error, SendError::BadResponse(_)) {
            self.progress.step.turn.tries.lost = true;
        }
        let failure = super::classify::send_failure(error, step.retry_safe() || self.is_probing());
        self.react(step, request, failure.into(), tick)
    }

    fn under_way<'a>(&self, plan: &'a Plan) -> Option<(&'a Step, &'a RequestPlan)> {
        let step = steps(plan, self).get(self.progress.index)?;
        match &step.kind {
            StepKind::Request(request) => Some((step, request)),
            _ => None,
        }
    }
}
