//! What goes into a stepper and what comes out of it: the words that it and its driver share.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Map, Value};
use uuid::Uuid;

use super::progress::Progress;
use crate::definitions::Plan;
use crate::lifecycle::{AuthenticationMethod, Failure, Phase, Region, RetryPolicy, Task};
use crate::upstream::{Request, Response, SendError};

/// What a stepper is made from.
pub struct Start {
    /// The compiled definition.
    pub plan: Arc<Plan>,
    /// The run: part of idempotency keys.
    pub run_id: Uuid,
    /// The account.
    pub account: AccountFacts,
    /// Its context, secrets included, without this run's writes.
    pub context: Arc<Map<String, Value>>,
    /// What is to be performed.
    pub task: Task,
    /// What an earlier stepper of the run saved.
    pub progress: Option<Progress>,
    /// Decides the random numbers of expressions; the same for the whole run.
    pub seed: u64,
    /// How often a step is tried.
    pub retry: RetryPolicy,
    /// How long things may take.
    pub limits: Limits,
    /// Whether [`Output::Refresh`] can bring a new token.
    pub refreshable: bool,
    /// Whether the account was active with this credential before.
    pub proven: bool,
}

/// What steps may know of the account.
#[derive(Debug, Clone)]
pub struct AccountFacts {
    /// Its id.
    pub id: Uuid,
    /// The caller's own key.
    pub tenant_id: String,
    /// Where it lives.
    pub region: Region,
    /// Sandbox accounts do not write.
    pub is_sandbox: bool,
    /// How it authenticates.
    pub authentication_method: AuthenticationMethod,
}

/// How long things may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// One exchange with the provider.
    pub request_timeout: Duration,
    /// All exchanges and refreshes of a phase; waits and saves do not count.
    pub phase: Duration,
    /// One wait, and all waits together that one step makes because of a rate limit.
    pub wait: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self { request_timeout: Duration::from_secs(30), phase: Duration::from_mins(5), wait: Duration::from_mins(15) }
    }
}

/// Time and chance of one call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tick {
    /// The wall clock, milliseconds since the epoch.
    pub now_ms: i64,
    /// Monotonic milliseconds since the stepper was made.
    pub active_ms: u64,
    /// A number uniform over its whole range.
    pub jitter: u32,
}

/// What became of the last [`Output`].
pub enum Input {
    /// Nothing yet: the first call.
    Begin,
    /// The request was answered.
    Answered(Response),
    /// The request has no answer.
    Unanswered(SendError),
    /// The progress is durable.
    Saved,
    /// There is a new token, already durable; this is the account's context with it.
    Refreshed {
        /// The context, secrets included.
        context: Map<String, Value>,
    },
    /// There is no new token: `Class::Unauthorized` means that the credential was refused for good.
    NotRefreshed(Failure),
    /// The time is over.
    Waited,
    /// The request was not sent: the way to its host is closed for now. It costs no attempt.
    Gated {
        /// How long to wait.
        after: Duration,
    },
}

impl fmt::Debug for Input {
    // The context holds secrets.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Begin => f.write_str("Begin"),
            Self::Answered(response) => f.debug_tuple("Answered").field(response).finish(),
            Self::Unanswered(error) => f.debug_tuple("Unanswered").field(error).finish(),
            Self::Saved => f.write_str("Saved"),
            Self::Refreshed { .. } => f.write_str("Refreshed"),
            Self::NotRefreshed(failure) => f.debug_tuple("NotRefreshed").field(failure).finish(),
            Self::Waited => f.write_str("Waited"),
            Self::Gated { after } => f.debug_struct("Gated").field("after", after).finish(),
        }
    }
}

/// What to do next.
#[derive(Debug)]
pub enum Output {
    /// Send it once and report the answer.
    Send(Request),
    /// Make [`Stepper::progress`](super::Stepper::progress) durable.
    Save,
    /// Refresh the account's token.
    Refresh,
    /// Wait. The run may be put away meanwhile, with its progress saved, and begun again from it.
    Wait {
        /// Why.
        reason: WaitReason,
        /// How long.
        after: Duration,
        /// Whom else it concerns: their requests to the same host are not sent meanwhile.
        gate: Option<GateScope>,
    },
    /// The run has ended.
    Done(Outcome),
}

/// Why a run waits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WaitReason {
    /// An attempt failed and is made again.
    Backoff,
    /// The provider asked for it.
    RateLimited,
    /// A token refresh failed and is made again.
    RefreshBackoff,
    /// The way to the host is closed.
    Gated,
}

/// Who waits together with a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum GateScope {
    /// Every account of the install.
    Install,
}

/// How a run ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// Every phase passed, or what was to be done beside them did.
    Succeeded,
    /// A step failed, or the refresh that was asked for.
    Failed {
        /// The phase; none beside the phases.
        phase: Option<Phase>,
        /// The step's name, or its index.
        step: Option<String>,
        /// Why.
        failure: Failure,
    },
    /// The credential was refused for good.
    CredentialRefused {
        /// The phase; none beside the phases.
        phase: Option<Phase>,
        /// The step's name, or its index.
        step: Option<String>,
        /// Why.
        failure: Failure,
    },
}
