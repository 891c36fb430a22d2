//! The turns of a step: what it is performed for, one after another.
//!
//! A step has one turn, and a step with a loop has one an item. Within a turn a request is tried until it is answered or
//! given up; a turn that needs several requests (pages, a probe) counts the tries of each for itself. All of it is part
//! of the progress, so a run that is taken up again repeats no turn whose result was saved.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::model::Output;
use super::paging::Pager;
use super::progress::Progress;
use super::stepper::Stepper;
use super::trace::json_bytes;
use crate::definitions::{Step, StepKind};
use crate::expression::{Shared, limits};
use crate::lifecycle::{Failure, ReasonCode};

/// Items of one loop, at most.
pub(super) const MAX_ITEMS: usize = 1_000;

/// What the results of one loop may add up to, in bytes of JSON.
const MAX_RESULT_BYTES: usize = limits::RESULT_BYTES;

/// How far the present step has come.
#[derive(Clone, Default, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct StepProgress {
    /// Whether its conditions were met: they are looked at once.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub(super) opened: bool,
    /// Its loop, once the items are known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) items: Option<Items>,
    /// The turn that is next, or under way.
    pub(super) turn: Turn,
}

/// A loop: what is left to do and what came of the rest.
#[derive(Clone, Serialize, Deserialize)]
pub(super) struct Items {
    list: Vec<Arc<Value>>,
    results: Vec<Arc<Value>>,
    result_bytes: usize,
    /// The first failure after which the loop went on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    error: Option<Arc<Value>>,
}

/// One turn: of a loop one item, of any other step the whole.
#[derive(Clone, Default, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct Turn {
    /// When it began, milliseconds since the epoch: the `$now()` of all its renderings.
    pub(super) began_ms: Option<i64>,
    /// The tries of its request.
    pub(super) tries: Tries,
    /// Those of the probe, while one is made.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) probe: Option<Tries>,
    /// How far its walk through pages has come, where it makes one; the tries are those of the present page.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) pager: Option<Box<Pager>>,
}

/// How often one request was tried, and what became of it.
#[derive(Clone, Default, Serialize, Deserialize)]
pub(super) struct Tries {
    /// Attempts, all counted.
    pub(super) attempts: u32,
    /// Attempts that failed and count against the retry policy.
    pub(super) failures: u32,
    /// Answers that asked to wait, and how long was waited for them, in milliseconds.
    pub(super) rate_limited: u32,
    pub(super) rate_limited_ms: u64,
    /// Token refreshes that failed.
    pub(super) refresh_failures: u32,
    /// Whether the token was refreshed because it was about to expire.
    pub(super) renewed: bool,
    /// Whether the request was made again with a token that was refreshed after a 401.
    pub(super) replayed: bool,
    /// Whether one of them may have had its effect, because its answer was lost.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(super) lost: bool,
}

impl Items {
    pub(super) fn of(list: Vec<Value>) -> Self {
        let list = list.into_iter().map(Arc::new).collect();
        Self { list, results: Vec::new(), result_bytes: 0, error: None }
    }

    /// The index of the present item.
    pub(super) const fn index(&self) -> usize {
        self.results.len()
    }

    /// The present item; none when all are done.
    pub(super) fn item(&self) -> Option<&Arc<Value>> {
        self.list.get(self.index())
    }

    fn push(&mut self, result: Arc<Value>) {
        self.result_bytes += json_bytes(&result);
        self.results.push(result);
    }
}

impl Turn {
    /// Forgets what was tried, but not when the turn began: what is rendered again is rendered the same.
    pub(super) fn start_over(&mut self) {
        self.tries = Tries::default();
        self.probe = None;
    }
}

impl StepProgress {
    /// The tries of the request that is made now.
    pub(super) const fn tries(&mut self) -> &mut Tries {
        match &mut self.turn.probe {
            Some(probe) => probe,
            None => &mut self.turn.tries,
        }
    }

    /// The item that is worked on, by its index, where there is a loop.
    pub(super) fn item(&self) -> Option<usize> {
        self.items.as_ref().map(Items::index)
    }

    /// The page that is asked for, from 1, where there are pages.
    pub(super) fn page(&self) -> Option<u32> {
        self.turn.pager.as_ref().map(|pager| pager.pages() + 1)
    }

    /// Whether a loop has nothing left to do.
    pub(super) fn is_through(&self) -> bool {
        self.items.as_ref().is_some_and(|items| items.item().is_none())
    }
}

impl Progress {
    /// The key of the present turn, or of its present page, the same for all attempts of its request.
    pub(super) fn turn_key(&self, run: uuid::Uuid) -> String {
        let step = format!("{run}:{}:{}", self.part, self.index);
        let item = self.step.item().map(|item| format!(":{item}")).unwrap_or_default();
        // The key of the first page would bring the first page again.
        let page = self.step.page().filter(|page| *page > 1).map(|page| format!(":page{page}")).unwrap_or_default();
        format!("{step}{item}{page}")
    }

    /// A number of its own for each turn of the run, and for each of its pages.
    pub(super) fn turn_number(&self) -> u64 {
        let item = self.step.item().map_or(0, |item| item as u64 + 1);
        let page = self.step.page().map_or(0, |page| u64::from(page) - 1);
        ((self.part as u64) << 56 | item << 32 | page << 16 | self.index as u64).wrapping_add(1)
    }
}

impl Stepper {
    /// Takes in what the present turn resulted in (`None` is *undefined*) and goes on to the next turn or step. Answers
    /// what ends the run instead.
    pub(super) fn settle(
        &mut self,
        step: &Step,
        result: Option<Arc<Value>>,
        response: Option<Shared>,
    ) -> Option<Output> {
        let Some(items) = &mut self.progress.step.items else {
            let shown = ("result", result.clone().unwrap_or_default().into());
            self.remember(step, result);
            self.record(match response {
                Some(response) => Shared::of_parts([shown, ("response", response)]),
                None => Shared::of_parts([shown]),
            });
            return None;
        };
        items.push(result.unwrap_or_default());
        let bytes = items.result_bytes;
        self.next_turn();
        (bytes > MAX_RESULT_BYTES).then(|| {
            let message = format!("the loop's results have {bytes} bytes; at most {MAX_RESULT_BYTES} are allowed");
            self.fail(Failure::permanent(ReasonCode::ExpressionLimit, message))
        })
    }

    /// What follows when the present turn failed for good: the end of the run, or (`None`) its result is null and the
    /// run goes on.
    pub(super) fn give_up(&mut self, step: &Step, failure: Failure) -> Option<Output> {
        if self.is_probing() || self.is_left_in_doubt(&failure) || !step.continue_on_error {
            return Some(self.fail(failure));
        }
        self.progress.trace.go_on();
        // The answer is known, so a successor must not doubt it, and must not go another way either.
        self.dirty |= self.progress.intent.take().is_some();
        let mut error = json!({ "code": failure.code, "message": failure.message, "status": failure.http_status });
        let Some(items) = &mut self.progress.step.items else {
            self.abandon(step, error);
            return None;
        };
        if items.error.is_none() {
            error["index"] = json!(items.index());
            items.error = Some(Arc::new(error));
        }
        items.push(Arc::default());
        self.next_turn();
        None
    }

    /// Ends the step as a whole with an error after which the run goes on.
    pub(super) fn abandon(&mut self, step: &Step, error: Value) {
        self.progress.unmet.insert(self.progress.index);
        self.remember(step, Some(Arc::default()));
        self.record(Shared::of_parts([("result", Value::Null.into()), ("error", error.into())]));
    }

    /// Passes the step over: its result is null.
    pub(super) fn skip(&mut self, step: &Step) {
        self.progress.unmet.insert(self.progress.index);
        self.remember(step, Some(Arc::default()));
        self.record(match step.kind {
            StepKind::Request(_) => {
                Shared::of_parts([("result", Value::Null.into()), ("response", Value::Null.into())])
            }
            _ => Shared::of_parts([("result", Value::Null.into())]),
        });
    }

    /// Ends a loop that has nothing left to do: its result is the list of its items' results.
    pub(super) fn end_loop(&mut self, step: &Step) {
        let Some(Items { results, error, .. }) = self.progress.step.items.take() else { return };
        let results = results.into_iter().map(Arc::unwrap_or_clone).collect();
        let result = Arc::new(Value::Array(results));
        self.remember(step, Some(Arc::clone(&result)));
        if let Some(scope) = &mut self.scope {
            scope.unset("item");
            scope.unset("index");
        }
        let result = ("result", result.into());
        let entry = match error {
            Some(error) => {
                self.progress.unmet.insert(self.progress.index);
                Shared::of_parts([result, ("error", error.into())])
            }
            None => Shared::of_parts([result]),
        };
        self.record(entry);
    }

    fn next_turn(&mut self) {
        self.progress.step.turn = Turn::default();
        self.last = None;
    }

    /// What `previous` is from here on. Steps that write the context leave it as it was.
    fn remember(&mut self, step: &Step, result: Option<Arc<Value>>) {
        if !matches!(step.kind, StepKind::UpdateContext(_) | StepKind::SetContext(_)) {
            self.progress.previous = result;
        }
    }

    /// Remembers what the step resulted in, and goes on to the next.
    fn record(&mut self, entry: Shared) {
        self.progress.steps.insert(self.progress.index, entry);
        self.progress.advance();
        let steps = self.results();
        if let Some(scope) = &mut self.scope {
            scope.set("steps", steps);
        }
        self.last = None;
    }
}
