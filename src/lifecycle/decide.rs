//! The whole lifecycle in one function: given what an account is and what happened, what follows.
//!
//! There is no wildcard arm over statuses or triggers: a new one does not compile until every pair has an answer.
//! Tests enumerate the table, and docs/state-machine.md is printed from it.

use uuid::Uuid;

use super::status::{Phase, Status, status_word};
use super::transition::{Transition, Word};
use super::trigger::{Cause, Ending, Trigger};

/// What `decide` needs to know about an account.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Snapshot {
    /// No such account yet.
    Absent,
    /// The account exists.
    Present {
        /// Its status.
        status: Status,
        /// Its unfinished run, of which there is at most one.
        unfinished_run: Option<Uuid>,
    },
    /// The account was deleted; only its sequence is kept.
    Deleted,
}

/// What a run is to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Work {
    /// The phases, from this one on.
    Phases(Phase),
    /// Only a token refresh.
    Refresh,
    /// One custom action.
    Action,
}

/// What happens to runs because of a decision.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Next {
    /// A run is enqueued. An unfinished one, if there is any, is superseded in the same transaction.
    Run(Work),
    /// The unfinished run is finished, if there is one.
    Finish,
    /// Runs are left as they are.
    Keep,
}

/// The answer to a trigger: at most one transition, which becomes exactly one event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Decision {
    /// The visible change, if there is one.
    pub transition: Option<Transition>,
    /// What happens to runs.
    pub next: Next,
}

/// Why a trigger does not apply. Nothing changes then.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Rejection {
    /// A run is unfinished; the caller may try again when it has ended.
    #[error("run {run} of this account (status `{status}`) is not finished: {trigger} has to wait for it")]
    RunInProgress {
        /// The unfinished run.
        run: Uuid,
        /// The account's status.
        status: Status,
        /// What was asked for.
        trigger: &'static str,
    },
    /// The run that reports an ending is not (or no longer) the account's unfinished run.
    #[error("run {run} is no longer this account's run (status `{status}`): its ending is dropped")]
    Superseded {
        /// The run whose ending came too late.
        run: Uuid,
        /// The account's status.
        status: &'static str,
    },
    /// An account is imported once; later credentials are a reconnect.
    #[error("the account exists already (status `{status}`): import makes new accounts only")]
    Exists {
        /// The account's status.
        status: &'static str,
    },
    /// No account, or no longer one.
    #[error("{trigger} needs an account, and this one is {state}")]
    Gone {
        /// `absent` or `deleted`.
        state: &'static str,
        /// What was asked for.
        trigger: &'static str,
    },
    /// A driver raised a trigger that its status cannot have. A fault in Tidewaiter, not in the caller.
    #[error("{trigger} cannot happen to an account in status `{status}`")]
    Illegal {
        /// The account's status.
        status: Status,
        /// What was raised.
        trigger: &'static str,
    },
}

impl Rejection {
    /// A stable word for the kind of rejection.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::RunInProgress { .. } => "run_in_progress",
            Self::Superseded { .. } => "superseded",
            Self::Exists { .. } => "exists",
            Self::Gone { .. } => "gone",
            Self::Illegal { .. } => "illegal",
        }
    }
}

/// Decides what a trigger does to an account.
///
/// # Errors
/// A [`Rejection`] when the trigger does not apply; the account stays as it is.
pub fn decide(account: &Snapshot, trigger: &Trigger) -> Result<Decision, Rejection> {
    match account {
        Snapshot::Absent => match trigger {
            Trigger::Import => Ok(enter(None, Word::Created, Work::Phases(Phase::PostInstall))),
            other => Err(Rejection::Gone { state: "absent", trigger: other.name() }),
        },
        Snapshot::Deleted => match trigger {
            Trigger::Import => Err(Rejection::Exists { status: "deleted" }),
            Trigger::RunEnded { run, .. } => Err(Rejection::Superseded { run: *run, status: "deleted" }),
            other => Err(Rejection::Gone { state: "deleted", trigger: other.name() }),
        },
        Snapshot::Present { status, unfinished_run } => present(*status, *unfinished_run, trigger),
    }
}

fn present(status: Status, unfinished: Option<Uuid>, trigger: &Trigger) -> Result<Decision, Rejection> {
    match trigger {
        Trigger::Import => Err(Rejection::Exists { status: status.as_str() }),
        Trigger::Reconnect => Ok(enter(Some(status), Word::Updated, Work::Phases(Phase::PostInstall))),
        Trigger::RunRequested(cause) => match unfinished {
            Some(run) => Err(Rejection::RunInProgress { run, status, trigger: trigger.name() }),
            None => requested(status, *cause, trigger),
        },
        Trigger::Patch { changed: true } => Ok(Decision {
            transition: Some(Transition { from: Some(status), to: Some(status), word: Word::Updated }),
            next: Next::Keep,
        }),
        Trigger::Patch { changed: false } => Ok(Decision { transition: None, next: Next::Keep }),
        Trigger::RunEnded { run, .. } if unfinished != Some(*run) => {
            Err(Rejection::Superseded { run: *run, status: status_word(Some(status)) })
        }
        Trigger::RunEnded { ending, .. } => ended(status, *ending, trigger),
        // While connecting, the run itself finds out, and its ending says so.
        Trigger::ObservedRefusal if status == Status::Connecting => Ok(Decision { transition: None, next: Next::Keep }),
        Trigger::ObservedRefusal => Ok(Decision { transition: refused(status), next: Next::Keep }),
        Trigger::ObservedAcceptance => Ok(Decision { transition: recovered(status), next: Next::Keep }),
        Trigger::Delete => Ok(Decision {
            transition: Some(Transition { from: Some(status), to: None, word: Word::Deleted }),
            next: Next::Finish,
        }),
    }
}

fn requested(status: Status, cause: Cause, trigger: &Trigger) -> Result<Decision, Rejection> {
    match cause {
        Cause::Replay | Cause::Rerun => Ok(enter(Some(status), Word::Updated, Work::Phases(Phase::PostInstall))),
        Cause::Revalidate => Ok(enter(Some(status), Word::Updated, Work::Phases(Phase::Validation))),
        // These run beside the status: they tell nothing until they end.
        Cause::Schedule => match status {
            Status::Active => Ok(beside(Work::Phases(Phase::Validation))),
            Status::Connecting | Status::PostInstallError | Status::ValidationError | Status::NeedsReauth => {
                Err(Rejection::Illegal { status, trigger: trigger.name() })
            }
        },
        Cause::Refresh => Ok(beside(Work::Refresh)),
        Cause::Action => Ok(beside(Work::Action)),
        Cause::Import | Cause::Reconnect => Err(Rejection::Illegal { status, trigger: trigger.name() }),
    }
}

fn ended(status: Status, ending: Ending, trigger: &Trigger) -> Result<Decision, Rejection> {
    let transition = match ending {
        Ending::Succeeded => match status {
            Status::Connecting => Some(to(status, Status::Active, Word::Active)),
            Status::NeedsReauth | Status::Active | Status::PostInstallError | Status::ValidationError => {
                recovered(status)
            }
        },
        Ending::PhaseFailed(phase) => match (status, phase) {
            (Status::Connecting, _) => Some(to(status, phase.error_status(), Word::of_failure(phase))),
            (Status::Active, Phase::Validation) => Some(to(status, Status::ValidationError, Word::ValidationError)),
            (Status::Active, Phase::PostInstall) => {
                return Err(Rejection::Illegal { status, trigger: trigger.name() });
            }
            (Status::PostInstallError | Status::ValidationError | Status::NeedsReauth, _) => None,
        },
        Ending::CredentialRefused => refused(status),
        Ending::DeadlineExceeded(phase) => match status {
            Status::Connecting => Some(to(status, phase.error_status(), Word::of_failure(phase))),
            Status::Active | Status::PostInstallError | Status::ValidationError | Status::NeedsReauth => None,
        },
        Ending::Beside => match status {
            // What is connecting waits for its phases, and for nothing beside them.
            Status::Connecting => return Err(Rejection::Illegal { status, trigger: trigger.name() }),
            Status::Active | Status::PostInstallError | Status::ValidationError | Status::NeedsReauth => None,
        },
    };
    Ok(Decision { transition, next: Next::Finish })
}

/// A definitive refusal is told once, whatever the account was.
fn refused(status: Status) -> Option<Transition> {
    match status {
        Status::Connecting | Status::Active | Status::PostInstallError | Status::ValidationError => {
            Some(to(status, Status::NeedsReauth, Word::AuthenticationError))
        }
        Status::NeedsReauth => None,
    }
}

/// Proof that the credential works brings an account back from `needs_reauth`, and from nowhere else.
fn recovered(status: Status) -> Option<Transition> {
    match status {
        Status::NeedsReauth => Some(to(status, Status::Active, Word::Reactivated)),
        Status::Connecting | Status::Active | Status::PostInstallError | Status::ValidationError => None,
    }
}

fn to(from: Status, to: Status, word: Word) -> Transition {
    Transition { from: Some(from), to: Some(to), word }
}

fn enter(from: Option<Status>, word: Word, work: Work) -> Decision {
    Decision { transition: Some(Transition { from, to: Some(Status::Connecting), word }), next: Next::Run(work) }
}

fn beside(work: Work) -> Decision {
    Decision { transition: None, next: Next::Run(work) }
}

impl Trigger {
    /// The trigger's name in messages and in the printed table.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Import => "import",
            Self::Reconnect => "reconnect",
            Self::RunRequested(cause) => cause.as_str(),
            Self::Patch { changed: true } => "update",
            Self::Patch { changed: false } => "update without a change",
            Self::RunEnded { ending: Ending::Succeeded, .. } => "run succeeded",
            Self::RunEnded { ending: Ending::PhaseFailed(Phase::PostInstall), .. } => "post_install failed",
            Self::RunEnded { ending: Ending::PhaseFailed(Phase::Validation), .. } => "validation failed",
            Self::RunEnded { ending: Ending::CredentialRefused, .. } => "credential refused",
            Self::RunEnded { ending: Ending::DeadlineExceeded(Phase::PostInstall), .. } => "deadline in post_install",
            Self::RunEnded { ending: Ending::DeadlineExceeded(Phase::Validation), .. } => "deadline in validation",
            Self::RunEnded { ending: Ending::Beside, .. } => "ended beside the phases",
            Self::ObservedRefusal => "observed refusal",
            Self::ObservedAcceptance => "observed acceptance",
            Self::Delete => "delete",
        }
    }
}
