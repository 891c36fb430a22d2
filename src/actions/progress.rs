//! What of a stepper survives a crash. It holds secrets (answers, context writes, rendered requests): the runner seals it.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::trace::{Trace, present};
use super::turn::StepProgress;
use crate::definitions::Step;
use crate::expression::Shared;
use crate::lifecycle::{Phase, Task, Unknown};
use crate::upstream::Request;

/// What of a definition is being performed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Part {
    PostInstall,
    Validation,
    /// A custom action.
    Action,
    /// A token refresh alone.
    Refresh,
}

impl Part {
    pub(super) const fn phase(self) -> Option<Phase> {
        match self {
            Self::PostInstall => Some(Phase::PostInstall),
            Self::Validation => Some(Phase::Validation),
            Self::Action | Self::Refresh => None,
        }
    }
}

impl fmt::Display for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::PostInstall => Phase::PostInstall.as_str(),
            Self::Validation => Phase::Validation.as_str(),
            Self::Action => "action",
            Self::Refresh => "refresh",
        })
    }
}

impl From<&Task> for Part {
    fn from(task: &Task) -> Self {
        match task {
            Task::Phases(phase) => (*phase).into(),
            Task::Action(_) => Self::Action,
            Task::Refresh => Self::Refresh,
        }
    }
}

impl From<Phase> for Part {
    fn from(phase: Phase) -> Self {
        match phase {
            Phase::PostInstall => Self::PostInstall,
            Phase::Validation => Self::Validation,
        }
    }
}

/// How far a run has come.
#[derive(Clone, Serialize, Deserialize)]
pub struct Progress {
    #[serde(rename = "phase")]
    pub(super) part: Part,
    /// The step that is next, or under way.
    pub(super) index: usize,
    pub(super) step: StepProgress,
    /// Time spent waiting for the provider in this part, in milliseconds.
    pub(super) active_ms: u64,
    /// What this run wrote to the account's context.
    pub(super) writes: Map<String, Value>,
    /// What the part's steps resulted in, by their number.
    pub(super) steps: BTreeMap<usize, Shared>,
    /// Those of them that were skipped, or failed where the definition lets the part go on.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub(super) unmet: BTreeSet<usize>,
    /// The last result; absent is *undefined*, which is not null.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "present")]
    pub(super) previous: Option<Arc<Value>>,
    /// What an operator said about the request below; it holds for one sending.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) word: Option<Unknown>,
    /// Whether a request that brought the credential was answered with success.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(super) accepted: bool,
    /// A request whose answer is not known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) intent: Option<Intent>,
    pub(super) trace: Trace,
}

/// A request that was about to be sent, as its bytes.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Intent {
    method: String,
    url: String,
    headers: Vec<(String, String)>,
    body: Option<String>,
}

impl Progress {
    pub(super) fn begin(part: Part) -> Self {
        Self {
            part,
            index: 0,
            step: StepProgress::default(),
            active_ms: 0,
            writes: Map::new(),
            steps: BTreeMap::new(),
            unmet: BTreeSet::new(),
            previous: None,
            word: None,
            accepted: false,
            intent: None,
            trace: Trace::default(),
        }
    }

    /// The same with what people will see of it passed through `clean`: the secrets that are known now may be others
    /// when the run is taken up again.
    #[must_use]
    pub fn with_trace(mut self, clean: impl FnOnce(Value) -> Value) -> Self {
        // A trace that cannot be read back is not worth a secret.
        self.trace = serde_json::from_value(clean(self.trace.to_value())).unwrap_or_default();
        self
    }

    /// Where another run goes on from, after this one ended without knowing what became of its last request: an operator
    /// knows. The other run has its own time, attempts and trace; what this one wrote reached the account with its end.
    #[must_use]
    pub fn answered(mut self, word: Unknown) -> Self {
        self.word = Some(word);
        self.step.turn.start_over();
        self.active_ms = 0;
        self.writes = Map::new();
        self.trace = Trace::default();
        self
    }

    /// Whether nobody knows what became of the run's last request.
    #[must_use]
    pub const fn is_in_doubt(&self) -> bool {
        self.intent.is_some()
    }

    /// Goes on to the next phase. Each phase sees only its own steps, so that a validation alone behaves the same.
    pub(super) fn enter(&mut self, phase: Phase) {
        self.part = phase.into();
        self.index = 0;
        self.step = StepProgress::default();
        self.active_ms = 0;
        self.steps = BTreeMap::new();
        self.unmet = BTreeSet::new();
        self.previous = None;
    }

    /// What the part's steps, those of `plan`, resulted in so far, each under its number and its name. A name that looks
    /// like another step's number wins.
    pub(super) fn results(&self, plan: &[Step]) -> Shared {
        let mut results: Vec<(Cow<'static, str>, Shared)> = Vec::with_capacity(2 * self.index);
        for (index, step) in plan.iter().enumerate().take(self.index) {
            let Some(entry) = self.steps.get(&index) else { continue };
            let number = index.to_string();
            if results.iter().all(|(known, _)| *known != number) {
                results.push((number.into(), entry.clone()));
            }
            let Some(name) = &step.name else { continue };
            match results.iter_mut().find(|(known, _)| known == name) {
                Some((_, known)) => *known = entry.clone(),
                None => results.push((name.clone().into(), entry.clone())),
            }
        }
        Shared::Parts(Arc::new(results))
    }

    /// Goes on to the next step.
    pub(super) fn advance(&mut self) {
        self.index += 1;
        self.step = StepProgress::default();
    }
}

impl fmt::Debug for Progress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Progress")
            .field("part", &self.part)
            .field("index", &self.index)
            .field("intent", &self.intent.is_some())
            .finish_non_exhaustive()
    }
}

impl Intent {
    pub(super) fn of(request: &Request) -> Self {
        Self {
            method: request.method.clone(),
            url: request.url.clone(),
            headers: request.headers.clone(),
            body: request.body.as_ref().map(|body| STANDARD.encode(body)),
        }
    }

    /// The same bytes once more.
    pub(super) fn request(&self, timeout: Duration) -> Request {
        Request {
            method: self.method.clone(),
            url: self.url.clone(),
            headers: self.headers.clone(),
            body: self.body.as_ref().and_then(|body| STANDARD.decode(body).ok()),
            timeout,
        }
    }
}
