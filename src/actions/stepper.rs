//! The stepper: what is next, given what became of the last thing.
//!
//! Durable points. Reads are repeated after a crash, so they need none. Before a step with side effects the stepper
//! asks to be saved with the rendered request as its intent; what such a step resulted in is saved before anything
//! else goes out (or with the transition that ends the run). A stepper that is made from a progress with an intent
//! does not know whether the request had its effect: it sends the same bytes again where the provider honours their
//! key, and else fails the phase with `outcome_unknown`.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Map, Value, json};

use super::context;
use super::local::{self, Local};
use super::model::{Input, Outcome, Output, Start, Tick};
use super::progress::{Intent, Progress};
use super::request::{self, Rendering};
use super::response::{self, Answer};
use super::trace::{Entry, Mark, Trace};
use crate::definitions::{Authorization, Plan, RequestPlan, Step, StepKind};
use crate::expression::{Scope, Shared};
use crate::lifecycle::{Class, Failure, Phase, ReasonCode};
use crate::upstream::{Response, SendError};

/// A token that expires within this time is refreshed before it is used, in milliseconds.
const EXPIRY_MARGIN_MS: i64 = 30_000;

/// What the stepper waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Awaiting {
    Begin,
    Answer,
    Save,
    Refresh,
    Wait,
    Nothing,
}

/// Why a token is being refreshed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum RefreshCause {
    Expiry,
    Refusal,
}

/// Performs the phases of one run.
pub struct Stepper {
    pub(super) start: Start,
    /// The account's context with this run's writes.
    pub(super) context: Arc<Map<String, Value>>,
    pub(super) progress: Progress,
    pub(super) awaiting: Awaiting,
    /// Whether there is something that must be durable before anything else goes out.
    pub(super) dirty: bool,
    /// What goes out once that is durable.
    held: Option<Output>,
    outcome: Option<Outcome>,
    pub(super) refresh_cause: RefreshCause,
    /// Whether the present wait is for another refresh.
    pub(super) refresh_next: bool,
    /// The last failure, for when the time runs out.
    pub(super) last: Option<Failure>,
    /// When the request under way went out; its first trace entry takes it.
    sent_at_ms: Option<u64>,
    seen_ms: u64,
    /// Whether the intent is of the request that goes out next or just went out, and of no earlier one.
    fresh: bool,
    /// The scope of this phase's steps so far; none when the context changed since.
    pub(super) scope: Option<Scope>,
}

impl fmt::Debug for Stepper {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Stepper")
            .field("run_id", &self.start.run_id)
            .field("progress", &self.progress)
            .field("awaiting", &self.awaiting)
            .finish_non_exhaustive()
    }
}

impl Stepper {
    /// A stepper that has not begun.
    #[must_use]
    pub fn new(mut start: Start) -> Self {
        let progress = start.progress.take().unwrap_or_else(|| Progress::begin(start.from));
        let mut context = Arc::clone(&start.context);
        if !progress.writes.is_empty() {
            context::write(Arc::make_mut(&mut context), &progress.writes);
        }
        Self {
            start,
            context,
            progress,
            awaiting: Awaiting::Begin,
            dirty: false,
            held: None,
            outcome: None,
            refresh_cause: RefreshCause::Expiry,
            refresh_next: false,
            last: None,
            sent_at_ms: None,
            seen_ms: 0,
            fresh: false,
            scope: None,
        }
    }

    /// What to do next, given what became of the last output. Once the run has ended, the answer stays the same.
    pub fn next(&mut self, input: Input, tick: Tick) -> Output {
        let passed = tick.active_ms.saturating_sub(self.seen_ms);
        self.seen_ms = self.seen_ms.max(tick.active_ms);
        if matches!(self.awaiting, Awaiting::Answer | Awaiting::Refresh) {
            self.progress.active_ms = self.progress.active_ms.saturating_add(passed);
        }
        if let Some(outcome) = &self.outcome {
            return Output::Done(outcome.clone());
        }
        let output = match (self.awaiting, input) {
            (Awaiting::Begin, Input::Begin) => self.begin(tick),
            (Awaiting::Answer, Input::Answered(response)) => {
                self.fresh = false;
                self.answered(response, tick)
            }
            (Awaiting::Answer, Input::Unanswered(error)) => {
                self.fresh = false;
                self.unanswered(&error, tick)
            }
            (Awaiting::Save, Input::Saved) => match self.held.take() {
                Some(output) => output,
                None => self.walk(tick),
            },
            (Awaiting::Refresh, Input::Refreshed { context }) => self.refreshed(context, tick),
            (Awaiting::Refresh, Input::NotRefreshed(failure)) => self.not_refreshed(failure, tick),
            (Awaiting::Wait, Input::Waited) if self.refresh_next => Output::Refresh,
            (Awaiting::Wait, Input::Waited) => self.walk(tick),
            (awaiting, _) => self.fail(Failure::permanent(
                ReasonCode::OutcomeUnknown,
                format!("the worker reported something else while {awaiting:?} was awaited; please report this fault"),
            )),
        };
        self.emit(output, tick)
    }

    /// Says that the last output was not performed and will not be: the run is put away instead. Without it a request
    /// that never went out would leave an intent, and the next stepper could not know that it had no effect.
    pub fn withdraw(&mut self) {
        if self.fresh && matches!(self.awaiting, Awaiting::Answer | Awaiting::Save) {
            self.progress.intent = None;
            self.fresh = false;
        }
    }

    /// What has to survive a crash. It holds secrets.
    #[must_use]
    pub fn progress(&self) -> Progress {
        self.progress.clone()
    }

    /// The phase that is being performed, or that ended the run.
    #[must_use]
    pub const fn phase(&self) -> Phase {
        self.progress.phase
    }

    /// The account's context with this run's writes, secrets included.
    #[must_use]
    pub const fn context(&self) -> &Arc<Map<String, Value>> {
        &self.context
    }

    /// The attempts so far.
    #[must_use]
    pub const fn trace(&self) -> &Trace {
        &self.progress.trace
    }

    /// Lets an output go, or has the progress saved before it.
    fn emit(&mut self, output: Output, tick: Tick) -> Output {
        if self.dirty && !matches!(output, Output::Done(_)) {
            self.dirty = false;
            self.held = Some(output);
            self.awaiting = Awaiting::Save;
            return Output::Save;
        }
        self.awaiting = match &output {
            Output::Send(_) => Awaiting::Answer,
            Output::Save => Awaiting::Save,
            Output::Refresh => Awaiting::Refresh,
            Output::Wait { .. } => Awaiting::Wait,
            Output::Done(_) => Awaiting::Nothing,
        };
        match &output {
            Output::Send(_) => {
                self.sent_at_ms = Some(tick.active_ms);
                self.progress.step.attempts += 1;
            }
            Output::Done(outcome) => self.outcome = Some(outcome.clone()),
            Output::Save | Output::Refresh | Output::Wait { .. } => {}
        }
        output
    }

    fn begin(&mut self, tick: Tick) -> Output {
        let plan = Arc::clone(&self.start.plan);
        let step = plan.action(self.progress.phase).steps.get(self.progress.index);
        if self.progress.intent.is_some() && !step.is_some_and(Step::retry_safe) {
            return self.fail(Failure {
                class: Class::OutcomeUnknown,
                ..Failure::permanent(
                    ReasonCode::OutcomeUnknown,
                    "a worker stopped while it waited for the answer to a request with side effects; replay with \
                     `--resend` to send it again or `--skip` to go on without it",
                )
            });
        }
        self.walk(tick)
    }

    /// Performs steps until one of them needs the driver.
    pub(super) fn walk(&mut self, tick: Tick) -> Output {
        let plan = Arc::clone(&self.start.plan);
        loop {
            let steps = &plan.action(self.progress.phase).steps;
            let output = match steps.get(self.progress.index) {
                Some(step) => match &step.kind {
                    StepKind::Request(request) => self.request(step, request, tick),
                    _ => self.local(step, tick),
                },
                None => self.end_phase(steps),
            };
            if let Some(output) = output {
                return output;
            }
        }
    }

    fn end_phase(&mut self, steps: &[Step]) -> Option<Output> {
        match self.progress.phase {
            Phase::PostInstall => {
                self.progress.enter(Phase::Validation);
                self.scope = None;
                None
            }
            Phase::Validation => {
                let judged = steps.last().is_some_and(|step| matches!(step.kind, StepKind::Transform(_)));
                if judged && let Some(failure) = verdict(self.progress.previous.as_deref()) {
                    self.progress.index = steps.len() - 1;
                    return Some(self.fail(failure));
                }
                Some(Output::Done(Outcome::Succeeded))
            }
        }
    }

    fn local(&mut self, step: &Step, tick: Tick) -> Option<Output> {
        self.progress.step.attempts += 1;
        let scope = self.scope(tick);
        let performed = local::perform(&step.kind, &scope, &self.context, self.progress.previous.as_deref());
        let result = match performed {
            Ok(Local::Result(result)) => {
                let result = result.map(Arc::new);
                self.scope = Some(scope);
                self.progress.previous.clone_from(&result);
                result
            }
            Ok(Local::Writes(writes)) => {
                // The scope holds the context, which is written to in place once nobody else does.
                drop(scope);
                context::write(Arc::make_mut(&mut self.context), &writes);
                context::write(&mut self.progress.writes, &writes);
                Some(Arc::new(Value::Object(writes)))
            }
            Err(failure) => {
                self.note(step, Mark::Error, tick, Some(&failure), None);
                return Some(self.fail(failure));
            }
        };
        self.note(step, Mark::Success, tick, None, result.clone());
        self.record(Shared::of_parts([("result", result.unwrap_or_default().into())]));
        None
    }

    fn request(&mut self, step: &Step, request: &RequestPlan, tick: Tick) -> Option<Output> {
        if self.start.account.is_sandbox && !request.method.reads() && !step.allow_in_sandbox {
            self.note(step, Mark::Skipped, tick, None, None);
            self.progress.previous = Some(Arc::default());
            self.record(Shared::of_parts([("result", Value::Null.into()), ("response", Value::Null.into())]));
            return None;
        }
        let timeout = self.start.limits.request_timeout.min(self.remaining());
        if timeout.is_zero() {
            return Some(self.out_of_time());
        }
        if let Some(intent) = &self.progress.intent {
            return Some(Output::Send(intent.request(timeout)));
        }
        if self.is_about_to_expire(request, tick) {
            self.refresh_cause = RefreshCause::Expiry;
            return Some(Output::Refresh);
        }
        let mut scope = self.scope(tick);
        let key = step.idempotency_header.as_deref().map(|header| (header, self.key()));
        let method = self.start.account.authentication_method;
        let rendered = request::render(request, Rendering { scope: &mut scope, method, key, timeout });
        self.scope = Some(scope);
        match rendered {
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
                Some(self.fail(failure))
            }
        }
    }

    /// Whether the token should be refreshed before it is used. Once a step: a token that is new and still about to
    /// expire is as good as it gets.
    fn is_about_to_expire(&self, request: &RequestPlan, tick: Tick) -> bool {
        self.start.refreshable
            && !self.progress.step.renewed
            && !self.progress.step.replayed
            && !matches!(request.authorization, Authorization::None)
            && context::token_expiry_ms(&self.context)
                .is_some_and(|expiry| expiry <= tick.now_ms.saturating_add(EXPIRY_MARGIN_MS))
    }

    fn answered(&mut self, response: Response, tick: Tick) -> Output {
        let plan = Arc::clone(&self.start.plan);
        let Some((step, request)) = self.under_way(&plan) else { return self.walk(tick) };
        let status = response.status;
        let mut scope = self.scope(tick);
        let answer = response::read(response, request, &mut scope, step.retry_safe(), tick.now_ms);
        self.scope = Some(scope);
        match answer {
            Ok(Answer { result, response }) => {
                let mut entry = self.entry(step, Mark::Success, tick);
                entry.http_status = Some(status);
                entry.result = Some(Arc::clone(&result));
                self.progress.trace.push(entry);
                self.dirty |= self.progress.intent.take().is_some();
                self.progress.previous = Some(Arc::clone(&result));
                self.record(Shared::of_parts([("result", result.into()), ("response", response)]));
                self.walk(tick)
            }
            Err(refusal) => self.react(step, request, refusal, tick),
        }
    }

    fn unanswered(&mut self, error: &SendError, tick: Tick) -> Output {
        let plan = Arc::clone(&self.start.plan);
        let Some((step, request)) = self.under_way(&plan) else { return self.walk(tick) };
        let failure = super::classify::send_failure(error, step.retry_safe());
        self.react(step, request, failure.into(), tick)
    }

    fn under_way<'a>(&self, plan: &'a Plan) -> Option<(&'a Step, &'a RequestPlan)> {
        let step = plan.action(self.progress.phase).steps.get(self.progress.index)?;
        match &step.kind {
            StepKind::Request(request) => Some((step, request)),
            _ => None,
        }
    }

    /// Remembers what a step resulted in, and goes on to the next.
    fn record(&mut self, entry: Shared) {
        self.progress.steps.insert(self.progress.index, entry);
        self.progress.advance();
        let steps = self.steps();
        if let Some(scope) = &mut self.scope {
            scope.set("steps", steps);
        }
        self.last = None;
    }

    /// Takes the scope as the present step sees it. Whoever takes it puts it back, without names of his own.
    fn scope(&mut self, tick: Tick) -> Scope {
        let now_ms = *self.progress.step.began_ms.get_or_insert(tick.now_ms);
        // Steps draw different random numbers, and each of them the same ones again when it is rendered again.
        let place = ((self.progress.phase as u64) << 32 | self.progress.index as u64).wrapping_add(1);
        let seed = self.start.seed ^ place.wrapping_mul(0x9E37_79B9_7F4A_7C15);
        let mut scope = self.scope.take().unwrap_or_else(|| self.phase_scope());
        scope.restart(now_ms, seed);
        let name = self.start.plan.action(self.progress.phase).steps.get(self.progress.index).map(|step| &step.name);
        scope.set("step", json!({ "index": self.progress.index, "name": name }));
        match &self.progress.previous {
            Some(previous) => scope.set("previous", Arc::clone(previous)),
            None => scope.unset("previous"),
        }
        scope
    }

    /// A scope with what the steps of this phase resulted in so far.
    fn phase_scope(&self) -> Scope {
        let plan = &self.start.plan;
        context::scope(&self.context, &self.start.account, &plan.environment_variables, self.steps())
    }

    fn steps(&self) -> Shared {
        self.progress.results(&self.start.plan.action(self.progress.phase).steps)
    }

    fn key(&self) -> String {
        format!("{}:{}:{}", self.start.run_id, self.progress.phase, self.progress.index)
    }

    /// What is left of the phase's time.
    pub(super) fn remaining(&self) -> Duration {
        self.start.limits.phase.saturating_sub(Duration::from_millis(self.progress.active_ms))
    }

    /// What the step that is next or under way is called: its name, or its index.
    #[must_use]
    pub fn label(&self) -> Option<String> {
        let action = self.start.plan.action(self.progress.phase);
        let step = action.steps.get(self.progress.index)?;
        Some(step.name.clone().unwrap_or_else(|| self.progress.index.to_string()))
    }

    pub(super) fn fail(&self, failure: Failure) -> Output {
        Output::Done(Outcome::Failed { phase: self.progress.phase, step: self.label(), failure })
    }

    pub(super) fn note(
        &mut self,
        step: &Step,
        status: Mark,
        tick: Tick,
        failure: Option<&Failure>,
        result: Option<Arc<Value>>,
    ) {
        let mut entry = self.entry(step, status, tick);
        entry.http_status = failure.and_then(|failure| failure.http_status);
        entry.class = failure.map(|failure| failure.class);
        entry.error = failure.map(|failure| failure.message.clone());
        entry.result = result;
        self.progress.trace.push(entry);
    }

    fn entry(&mut self, step: &Step, status: Mark, tick: Tick) -> Entry {
        Entry {
            phase: self.progress.phase,
            index: self.progress.index,
            kind: step.kind.word().into(),
            name: step.name.clone(),
            attempt: self.progress.step.attempts,
            status,
            duration_ms: self.sent_at_ms.take().map_or(0, |sent_at_ms| tick.active_ms.saturating_sub(sent_at_ms)),
            http_status: None,
            result: None,
            class: None,
            error: None,
        }
    }
}

/// What a validation's last transform says: `false`, null, nothing or `{valid: false}` is a no.
fn verdict(result: Option<&Value>) -> Option<Failure> {
    let message = match result {
        None | Some(Value::Null | Value::Bool(false)) => None,
        Some(Value::Object(said)) if said.get("valid") == Some(&Value::Bool(false)) => {
            said.get("message").and_then(Value::as_str).map(super::classify::cut)
        }
        Some(_) => return None,
    };
    let message = message.unwrap_or_else(|| "the validation's last step said no".to_owned());
    Some(Failure::permanent(ReasonCode::ValidationFalse, message))
}
