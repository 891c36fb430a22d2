//! Walking through the steps: which one is next, whether it is performed, and for what.

use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;

use super::classify::expression_failure;
use super::context;
use super::local::{self, Local};
use super::model::{Outcome, Output, Tick, WaitReason};
use super::probe::unknown;
use super::progress::Part;
use super::stepper::{Stepper, steps};
use super::trace::Mark;
use super::turn::{Items, MAX_ITEMS};
use crate::credentials::large;
use crate::definitions::{Step, StepKind};
use crate::expression::Expression;
use crate::lifecycle::{Failure, Phase, ReasonCode, Unknown};

/// Turns that are performed at once, at most: each may take as long as an expression may, and whoever drives has to see
/// that the time is up, or that it is to stop.
const TURNS_AT_ONCE: usize = 16;

impl Stepper {
    pub(super) fn begin(&mut self, tick: Tick) -> Output {
        if let Some(failure) = self.missing_action() {
            return self.fail(failure);
        }
        if self.progress.intent.is_some() {
            return self.in_doubt(tick);
        }
        if self.progress.part == Part::Refresh {
            return self.renew();
        }
        self.walk(tick)
    }

    /// Why the custom action that is asked for cannot be performed.
    fn missing_action(&self) -> Option<Failure> {
        let name = self.start.task.action()?;
        let why = match self.start.plan.actions.get(name) {
            Some(Ok(_)) => return None,
            Some(Err(error)) => error.to_string(),
            None if self.start.plan.actions.is_empty() => {
                format!("it has no action `{name}`, and none of its own at all")
            }
            None => {
                let names: Vec<&str> = self.start.plan.actions.keys().map(String::as_str).collect();
                format!("it has no action `{name}`; there is: {}", names.join(", "))
            }
        };
        Some(Failure::permanent(ReasonCode::DefinitionInvalid, format!("the definition: {why}")))
    }

    /// Goes on after a request whose answer was lost with the worker that sent it, or with an earlier run.
    fn in_doubt(&mut self, tick: Tick) -> Output {
        let plan = Arc::clone(&self.start.plan);
        match steps(&plan, self).get(self.progress.index) {
            Some(step) if self.progress.word == Some(Unknown::Skip) => {
                self.progress.word = None;
                self.forget_intent();
                self.note(step, Mark::Skipped, tick, None, None);
                self.settle(step, Some(Arc::default()), Some(Value::Null.into())).unwrap_or_else(|| self.walk(tick))
            }
            Some(_) if self.progress.word.is_some() => self.walk(tick),
            Some(step) if step.retry_safe() || self.is_probing() => {
                self.progress.step.turn.tries.lost |= !self.is_probing();
                self.walk(tick)
            }
            Some(step) if step.probe.is_some() => self.begin_late_probe(),
            _ => self.fail(unknown("a worker stopped while it waited for the answer to a request with side effects")),
        }
    }

    /// Performs steps until one of them needs the driver.
    pub(super) fn walk(&mut self, tick: Tick) -> Output {
        let plan = Arc::clone(&self.start.plan);
        for _ in 0..TURNS_AT_ONCE {
            let steps = steps(&plan, self);
            let output = match steps.get(self.progress.index) {
                Some(step) => self.step(step, tick),
                None => self.end_part(steps),
            };
            if let Some(output) = output {
                return output;
            }
        }
        self.wait(WaitReason::Backoff, Duration::ZERO)
    }

    /// Performs a turn of the present step; `None` when the driver is not needed for it.
    fn step(&mut self, step: &Step, tick: Tick) -> Option<Output> {
        if step.is_conditional() && !self.progress.step.opened {
            match self.conditions(step, tick) {
                Ok(None) => self.progress.step.opened = true,
                Ok(Some(why)) => {
                    self.pass_over(step, tick, why);
                    return None;
                }
                Err(failure) => {
                    self.note(step, Mark::Error, tick, Some(&failure), None);
                    return self.give_up(step, failure);
                }
            }
        }
        if self.progress.step.is_through() {
            self.end_loop(step);
            return None;
        }
        match &step.kind {
            StepKind::Request(request) => self.request(step, request, tick),
            _ => self.local(step, tick),
        }
    }

    /// What the step is passed over for, if it is; else, where it has a loop, what it is performed for.
    fn conditions(&mut self, step: &Step, tick: Tick) -> Result<Option<&'static str>, Failure> {
        if step.depends_on.iter().any(|dependency| self.progress.unmet.contains(dependency)) {
            return Ok(Some("depends_on"));
        }
        if let Some(condition) = &step.run_if
            && !truthy(self.asked("run_if", condition, tick)?.as_ref())
        {
            return Ok(Some("run_if"));
        }
        if let Some(source) = &step.loop_on {
            let items = match self.asked("loop_on", source, tick)? {
                None | Some(Value::Null) => Vec::new(),
                Some(Value::Array(items)) => items,
                Some(item) => vec![item],
            };
            if items.len() > MAX_ITEMS {
                let message = format!("loop_on gave {} items; at most {MAX_ITEMS} are allowed", items.len());
                return Err(Failure::permanent(ReasonCode::ExpressionLimit, message));
            }
            self.progress.step.items = Some(Items::of(items));
        }
        Ok(None)
    }

    fn asked(&mut self, what: &str, expression: &Expression, tick: Tick) -> Result<Option<Value>, Failure> {
        let scope = self.scope(tick);
        let answer = expression.evaluate(&scope);
        self.scope = Some(scope);
        answer.map_err(|error| expression_failure(what, &error))
    }

    /// Passes the step over, and says so in the trace, with what for.
    pub(super) fn pass_over(&mut self, step: &Step, tick: Tick, why: &'static str) {
        let mut entry = self.entry(step, Mark::Skipped, tick);
        entry.why = Some(why.into());
        self.progress.trace.push(entry);
        self.skip(step);
    }

    fn end_part(&mut self, steps: &[Step]) -> Option<Output> {
        match self.progress.part.phase() {
            Some(Phase::PostInstall) => {
                self.progress.enter(Phase::Validation);
                self.scope = None;
                None
            }
            Some(Phase::Validation) => {
                let judged = steps.last().is_some_and(|step| matches!(step.kind, StepKind::Transform(_)))
                    && !self.progress.unmet.contains(&(steps.len() - 1));
                if judged && let Some(failure) = verdict(self.progress.previous.as_deref()) {
                    self.progress.index = steps.len() - 1;
                    return Some(self.fail(failure));
                }
                Some(Output::Done(Outcome::Succeeded))
            }
            None => Some(Output::Done(Outcome::Succeeded)),
        }
    }

    fn local(&mut self, step: &Step, tick: Tick) -> Option<Output> {
        self.progress.step.tries().attempts += 1;
        let scope = self.scope(tick);
        let performed = local::perform(&step.kind, &scope, &self.context, self.progress.previous.as_deref());
        let result = match performed {
            Ok(Local::Result(result)) => {
                self.scope = Some(scope);
                result.map(Arc::new)
            }
            Ok(Local::Writes(writes)) => {
                // The scope holds the context, which is written to in place once nobody else does.
                drop(scope);
                context::lay(Arc::make_mut(&mut self.context), &writes);
                context::write(&mut self.progress.writes, &writes);
                Some(Arc::new(Value::Object(writes)))
            }
            Err(failure) => {
                self.scope = Some(scope);
                self.note(step, Mark::Error, tick, Some(&failure), None);
                return self.give_up(step, failure);
            }
        };
        // What is too large for the database is too large for the trace.
        let told = result.as_deref().and_then(large::without_data).map(Arc::new);
        self.note(step, Mark::Success, tick, None, told.or_else(|| result.clone()));
        self.settle(step, result, None)
    }
}

/// Whether a condition is met, as JSONata's `$boolean` casts.
fn truthy(value: Option<&Value>) -> bool {
    match value {
        None | Some(Value::Null) => false,
        Some(Value::Bool(flag)) => *flag,
        Some(Value::Number(number)) => number.as_f64() != Some(0.0),
        Some(Value::String(text)) => !text.is_empty(),
        Some(Value::Array(items)) => items.iter().any(|item| truthy(Some(item))),
        Some(Value::Object(members)) => !members.is_empty(),
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
