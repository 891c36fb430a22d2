//! Looking into a lost answer: a read that finds out whether the request had its effect.
//!
//! The intent stays until the probe has spoken, so whoever takes the run up meanwhile asks again. A probe that does not
//! tell, or gets no answer, leaves the outcome unknown: nothing is sent on a guess.

use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;

use super::classify::{Refusal, expression_failure};
use super::model::{Output, Tick, WaitReason};
use super::paging;
use super::request::Rendering;
use super::response::{self, Answer};
use super::stepper::Stepper;
use super::trace::Mark;
use super::turn::Tries;
use crate::definitions::{Probe, REFRESH_TOKEN, Step};
use crate::expression::Shared;
use crate::lifecycle::{Class, Failure, ReasonCode, Task};
use crate::upstream::Response;

/// The names under which a probe's expression sees the answer.
const SEEN: [&str; 4] = ["response", "status", "data", "headers"];

/// What a probe found.
#[derive(Debug, PartialEq)]
enum Finding {
    /// The request had its effect; what it resulted in, where the expression says so.
    Happened(Option<Value>),
    /// It had none.
    DidNot,
    /// The answer does not tell.
    Unclear,
}

impl Stepper {
    pub(super) const fn is_probing(&self) -> bool {
        self.progress.step.turn.probe.is_some()
    }

    /// An unknown outcome as the end of a run, where nothing but an operator's word helps: with what to do. A refresh has
    /// its own way of going on.
    pub(super) fn advised(&self, mut failure: Failure) -> Failure {
        failure.message.push_str(match &self.start.task {
            Task::Phases(_) => "; replay with `--resend` to send it again or `--skip` to go on without it",
            Task::Action(name) if name != REFRESH_TOKEN => {
                "; look at the provider before the action is asked for again: that sends it anew"
            }
            Task::Action(_) | Task::Refresh => "",
        });
        failure
    }

    /// Begins to look into an answer that was just lost, `passed` after its request went out. What was sent may still be
    /// at work for as long as it would have been waited for.
    pub(super) fn begin_probe(&mut self, step: &Step, passed: Duration, tick: Tick) -> Output {
        let whole = self.start.limits.request_timeout;
        let left = step.timeout.map_or(whole, |own| own.min(whole)).saturating_sub(passed);
        let pause = self.start.retry.pause_after(1, tick.jitter).unwrap_or_default();
        self.progress.step.turn.probe = Some(Tries::default());
        self.wait(WaitReason::Backoff, pause.max(left))
    }

    /// The same for an answer that was lost with the worker that waited for it: by the time its probe goes out, the
    /// lost request cannot be under way any more.
    pub(super) fn begin_late_probe(&mut self) -> Output {
        self.progress.step.turn.probe = Some(Tries::default());
        self.wait(WaitReason::Backoff, self.start.limits.request_timeout)
    }

    /// Sends the probe.
    pub(super) fn probe(&mut self, step: &Step, probe: &Probe, tick: Tick) -> Output {
        if self.is_about_to_expire(&probe.request, tick) {
            return self.renew();
        }
        let timeout = self.timeout(step);
        let mut scope = self.scope(tick);
        let method = self.start.account.authentication_method;
        let with = Rendering { scope: &mut scope, method, key: None, timeout, page: None };
        let rendered = paging::render(&probe.request, None, with);
        self.scope = Some(scope);
        match rendered {
            Ok(rendered) => Output::Send(rendered),
            Err(failure) => {
                self.note(step, Mark::Error, tick, Some(&failure), None);
                self.fail(failure)
            }
        }
    }

    /// Goes on with the probe's answer. Any that is about the question counts, a 404 as much as a 200.
    pub(super) fn probed(&mut self, step: &Step, probe: &Probe, response: Response, tick: Tick) -> Output {
        let status = response.status;
        let mut scope = self.scope(tick);
        let (result, answer) = match response::read(response, &probe.request, &mut scope, true, tick.now_ms) {
            Ok(Answer { result, response }) => (result, response),
            Err(Refusal { failure, answer: Some(answer), .. }) if failure.class == Class::Permanent => {
                (Arc::default(), answer)
            }
            Err(refusal) => {
                self.scope = Some(scope);
                return self.react(step, &probe.request, refusal, tick);
            }
        };
        for name in SEEN {
            let part = match name {
                "response" => Some(&answer),
                "data" => answer.part("body"),
                other => answer.part(other),
            };
            scope.set(name, part.cloned().unwrap_or_else(|| Shared::from(Value::Null)));
        }
        let said = probe.expression.evaluate(&scope);
        for name in SEEN {
            scope.unset(name);
        }
        self.scope = Some(scope);
        let said = match said {
            Ok(said) => said,
            Err(error) => {
                let failure = expression_failure("the probe's expression", &error).with_status(status);
                self.note(step, Mark::Error, tick, Some(&failure), None);
                return self.fail(failure);
            }
        };
        let mut entry = self.entry(step, Mark::Success, tick);
        entry.http_status = Some(status);
        entry.result = said.clone().map(Arc::new);
        self.progress.trace.push(entry);
        self.conclude(step, finding(said), result, tick)
    }

    fn conclude(&mut self, step: &Step, finding: Finding, body: Arc<Value>, tick: Tick) -> Output {
        match finding {
            Finding::Unclear => self.fail(unknown(
                "the answer to a request with side effects was lost, and its probe does not tell whether it had any",
            )),
            Finding::Happened(result) => {
                self.forget_intent();
                let result = result.map_or(body, Arc::new);
                // What the request itself was answered is lost.
                self.settle(step, Some(result), Some(Value::Null.into())).unwrap_or_else(|| self.walk(tick))
            }
            Finding::DidNot => {
                self.forget_intent();
                let message = "the answer to a request was lost, and its probe says that it had no effect";
                let failure = Failure::transient(ReasonCode::UpstreamUnavailable, message);
                self.last = Some(failure.clone());
                self.transient(step, failure, None, tick)
            }
        }
    }

    /// The doubt about the request that was sent is over, or somebody took it on himself.
    pub(super) fn forget_intent(&mut self) {
        self.progress.step.turn.probe = None;
        self.dirty |= self.progress.intent.take().is_some();
    }
}

/// That nobody knows whether a request had its effect.
pub(super) fn unknown(what: &str) -> Failure {
    Failure { class: Class::OutcomeUnknown, ..Failure::permanent(ReasonCode::OutcomeUnknown, what) }
}

/// Why a run that was taken up after a request whose answer was lost, and that cannot go on, may not simply be repeated.
#[must_use]
pub fn interrupted(why: &Failure) -> Failure {
    let what =
        "a worker stopped while it waited for the answer to a request with side effects, and the run cannot go on";
    unknown(&format!("{what}: {}", why.message))
}

fn finding(said: Option<Value>) -> Finding {
    match said {
        Some(Value::Bool(true)) => Finding::Happened(None),
        Some(Value::Bool(false)) => Finding::DidNot,
        Some(Value::Object(mut said)) => match said.get("happened") {
            Some(Value::Bool(true)) => Finding::Happened(said.shift_remove("result")),
            Some(Value::Bool(false)) => Finding::DidNot,
            _ => Finding::Unclear,
        },
        _ => Finding::Unclear,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn only_a_clear_word_settles_a_doubt() {
        for (said, expected) in [
            (json!(true), Finding::Happened(None)),
            (json!({ "happened": true }), Finding::Happened(None)),
            (json!({ "happened": true, "result": null }), Finding::Happened(Some(json!(null)))),
            (json!({ "happened": true, "result": { "id": 1 } }), Finding::Happened(Some(json!({ "id": 1 })))),
            (json!(false), Finding::DidNot),
            (json!({ "happened": false, "result": 1 }), Finding::DidNot),
            (json!({ "happened": "yes" }), Finding::Unclear),
            (json!({}), Finding::Unclear),
            (json!(null), Finding::Unclear),
            (json!(0), Finding::Unclear),
            (json!("false"), Finding::Unclear),
            (json!([true]), Finding::Unclear),
        ] {
            assert_eq!(finding(Some(said.clone())), expected, "{said}");
        }
        assert_eq!(finding(None), Finding::Unclear);
    }
}
