//! The stepper: what it awaits, what goes out, and what has to be durable before that.
//!
//! Durable points. Reads are repeated after a crash, so they need none. Before a step with side effects the stepper
//! asks to be saved with the rendered request as its intent; what such a step resulted in is saved before anything
//! else goes out (or with the transition that ends the run). A stepper that is made from a progress with an intent
//! does not know whether the request had its effect: it sends the same bytes again where the provider honours their
//! key, and else fails the phase with `outcome_unknown`.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Map, Value};

use super::context;
use super::model::{Input, Outcome, Output, Start, Tick};
use super::probe::unknown;
use super::progress::{Part, Progress};
use super::trace::{Entry, Mark, Trace};
use crate::credentials::large;
use crate::definitions::{Plan, Step};
use crate::expression::Scope;
use crate::lifecycle::{Class, Failure, Phase, ReasonCode, Unknown};

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

/// Performs the phases of one run, a custom action, or a token refresh.
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
    pub(super) sent_at_ms: Option<u64>,
    seen_ms: u64,
    /// Whether the intent is of the request that goes out next or just went out, and of no earlier one.
    pub(super) fresh: bool,
    /// The operator's word by which the intent is sent once more, as long as it is not answered.
    pub(super) used: Option<Unknown>,
    /// The scope of this part's steps so far; none when the context changed since.
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
        let progress = start.progress.take().unwrap_or_else(|| Progress::begin(Part::from(&start.task)));
        let mut context = Arc::clone(&start.context);
        if !progress.writes.is_empty() {
            context::lay(Arc::make_mut(&mut context), &progress.writes);
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
            used: None,
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
                (self.fresh, self.used) = (false, None);
                self.answered(response, tick)
            }
            (Awaiting::Answer, Input::Unanswered(error)) => {
                (self.fresh, self.used) = (false, None);
                self.unanswered(&error, tick)
            }
            (Awaiting::Answer, Input::Gated { after }) => self.gated(after),
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
        if !matches!(self.awaiting, Awaiting::Answer | Awaiting::Save) {
            return;
        }
        if self.fresh {
            self.progress.intent = None;
            self.fresh = false;
        }
        if let Some(word) = self.used.take() {
            self.progress.word = Some(word);
        }
    }

    /// Why the run cannot simply be left where it is: nobody knows whether the last request had its effect.
    #[must_use]
    pub fn doubt(&self) -> Option<Failure> {
        let step = steps(&self.start.plan, self).get(self.progress.index);
        let is_safe = step.is_some_and(Step::retry_safe) && !self.progress.step.turn.tries.lost;
        let doubtful = self.progress.intent.is_some() && !self.fresh && !is_safe;
        let what = "the time was up before it was known what became of a request with side effects";
        doubtful.then(|| self.advised(unknown(what)))
    }

    /// What has to survive a crash. It holds secrets.
    #[must_use]
    pub fn progress(&self) -> Progress {
        self.progress.clone()
    }

    /// The phase that is being performed, or that ended the run; none beside the phases.
    #[must_use]
    pub const fn phase(&self) -> Option<Phase> {
        self.progress.part.phase()
    }

    /// Whether success is worth anything to the account: what passed its phases or has a new token works; a custom action
    /// proves that only by a request with the credential that was answered with success.
    #[must_use]
    pub const fn proves(&self) -> bool {
        match self.progress.part {
            Part::PostInstall | Part::Validation | Part::Refresh => true,
            Part::Action => self.progress.accepted,
        }
    }

    /// The last value that a step computed, secrets included: once it has succeeded, what a custom action results in.
    #[must_use]
    pub fn result(&self) -> Option<&Value> {
        self.progress.previous.as_deref()
    }

    /// The account's context with this run's writes, secrets included.
    #[must_use]
    pub const fn context(&self) -> &Arc<Map<String, Value>> {
        &self.context
    }

    /// What this run wrote to be kept in the object store, by key: marked, where the context has the values themselves.
    pub fn large_writes(&self) -> impl Iterator<Item = (&String, &Value)> {
        self.progress.writes.iter().filter(|(_, value)| large::data(value).is_some())
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
                self.progress.step.tries().attempts += 1;
            }
            Output::Done(outcome) => self.outcome = Some(outcome.clone()),
            Output::Refresh => self.sent_at_ms = Some(tick.active_ms),
            Output::Save | Output::Wait { .. } => {}
        }
        output
    }
}

impl Stepper {
    /// What is left of the part's time.
    pub(super) fn remaining(&self) -> Duration {
        self.start.limits.phase.saturating_sub(Duration::from_millis(self.progress.active_ms))
    }

    /// The end of the run. Where it is not known whether a request had its effect, that is the reason, whatever came
    /// between.
    pub(super) fn fail(&self, failure: Failure) -> Output {
        let failure = match failure.class {
            Class::OutcomeUnknown => self.advised(failure),
            _ if self.is_probing() => self.advised(unknown(&format!(
                "the answer to a request with side effects was lost, and its probe failed: {}",
                failure.message
            ))),
            _ if self.is_left_in_doubt(&failure) => self.advised(unknown(&format!(
                "the answer to a request with side effects was lost, and sending it again under the same key settled nothing: {}",
                failure.message
            ))),
            _ => failure,
        };
        Output::Done(Outcome::Failed { phase: self.phase(), step: self.label(), failure })
    }

    /// Whether a request that is sent again under the same key, because an answer to it was lost, is given up without one:
    /// another run would send it under another key. A refusal is an answer.
    pub(super) const fn is_left_in_doubt(&self, failure: &Failure) -> bool {
        let is_unanswered = match failure.class {
            Class::Transient | Class::RateLimited => true,
            _ => matches!(failure.code, ReasonCode::DeadlineExceeded),
        };
        is_unanswered && self.progress.intent.is_some() && self.progress.step.turn.tries.lost
    }

    /// What the step that is next or under way is called: its name, or its index.
    #[must_use]
    pub fn label(&self) -> Option<String> {
        let step = steps(&self.start.plan, self).get(self.progress.index)?;
        Some(step.name.clone().unwrap_or_else(|| self.progress.index.to_string()))
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

    pub(super) fn entry(&mut self, step: &Step, status: Mark, tick: Tick) -> Entry {
        Entry {
            phase: self.progress.part,
            index: self.progress.index,
            kind: if self.is_probing() { "probe" } else { step.kind.word() }.into(),
            name: step.name.clone(),
            item: self.progress.step.item(),
            page: self.progress.step.page(),
            attempt: self.progress.step.tries().attempts,
            status,
            duration_ms: self.sent_at_ms.take().map_or(0, |sent_at_ms| tick.active_ms.saturating_sub(sent_at_ms)),
            http_status: None,
            result: None,
            class: None,
            error: None,
            continued: false,
            why: None,
        }
    }
}

/// The steps of the part of `plan` that the stepper is in.
pub(super) fn steps<'a>(plan: &'a Plan, stepper: &Stepper) -> &'a [Step] {
    let action = match stepper.progress.part.phase() {
        Some(phase) => plan.action(phase),
        None => match stepper.start.task.action().and_then(|name| plan.actions.get(name)) {
            Some(Ok(action)) => action,
            // A refresh has none, and what is wrong with an action was said at the beginning.
            Some(Err(_)) | None => return &[],
        },
    };
    &action.steps
}
