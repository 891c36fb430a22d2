//! What can happen to an account: the input of [`decide`](super::decide).

use uuid::Uuid;

use super::status::{Phase, words};

words! {
    /// Why a run exists. Stored with the run and named as the cause of its events.
    Cause {
        /// A new account was imported.
        Import = "import",
        /// New credentials for an existing account.
        Reconnect = "reconnect",
        /// An operator runs a failed account again.
        Replay = "replay",
        /// A client asked for the phases again.
        Rerun = "rerun",
        /// A client asked for the validation again.
        Revalidate = "revalidate",
        /// The periodic validation is due.
        Schedule = "schedule",
        /// A token refresh is due or was asked for.
        Refresh = "refresh",
        /// A custom action was asked for.
        Action = "action",
    }
}

words! {
    /// What an event names as `cause.trigger`: a run's cause, or a change without a run.
    CauseTrigger {
        /// See [`Cause::Import`].
        Import = "import",
        /// See [`Cause::Reconnect`].
        Reconnect = "reconnect",
        /// See [`Cause::Replay`].
        Replay = "replay",
        /// See [`Cause::Rerun`].
        Rerun = "rerun",
        /// See [`Cause::Revalidate`].
        Revalidate = "revalidate",
        /// See [`Cause::Schedule`].
        Schedule = "schedule",
        /// See [`Cause::Refresh`].
        Refresh = "refresh",
        /// See [`Cause::Action`].
        Action = "action",
        /// The account was changed by a client.
        Update = "update",
        /// The account was deleted.
        Delete = "delete",
        /// The run's time was up.
        Deadline = "deadline",
        /// An upstream call outside a run told something about the credential.
        Observation = "observation",
    }
}

impl From<Cause> for CauseTrigger {
    fn from(cause: Cause) -> Self {
        match cause {
            Cause::Import => Self::Import,
            Cause::Reconnect => Self::Reconnect,
            Cause::Replay => Self::Replay,
            Cause::Rerun => Self::Rerun,
            Cause::Revalidate => Self::Revalidate,
            Cause::Schedule => Self::Schedule,
            Cause::Refresh => Self::Refresh,
            Cause::Action => Self::Action,
        }
    }
}

words! {
    /// What an operator says about a run that ended without knowing whether its last request had its effect.
    Unknown {
        /// Send the same request again, perhaps a second time.
        Resend = "resend",
        /// Take it for done and go on behind it.
        Skip = "skip",
    }
}

/// How a run ended, as far as the account is concerned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    /// Everything the run was to do succeeded.
    Succeeded,
    /// A step of the phase failed for good, retries included.
    PhaseFailed(Phase),
    /// The provider refused the credential definitively.
    CredentialRefused,
    /// The run's time was up while it was in this phase.
    DeadlineExceeded(Phase),
    /// Something beside the phases ended in a way that says nothing about the account: a custom action failed, or its
    /// success proves nothing about the credential; a token refresh failed; the time of one of them was up.
    Beside,
}

impl Ending {
    /// How a run ended that failed for good in this phase, or beside the phases.
    #[must_use]
    pub const fn failed(phase: Option<Phase>) -> Self {
        match phase {
            Some(phase) => Self::PhaseFailed(phase),
            None => Self::Beside,
        }
    }

    /// How a run ended whose time was up in this phase, or beside the phases.
    #[must_use]
    pub const fn deadline(phase: Option<Phase>) -> Self {
        match phase {
            Some(phase) => Self::DeadlineExceeded(phase),
            None => Self::Beside,
        }
    }
}

/// What happened to an account.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Trigger {
    /// An import request for a new account was accepted.
    Import,
    /// New credentials for an existing account were accepted.
    Reconnect,
    /// A fresh run of both phases, or of the validation, or of something beside the phases, was asked for.
    RunRequested(Cause),
    /// A client changed fields of the account. `changed` is false when the change is empty.
    Patch {
        /// Whether anything that an outsider can see changes.
        changed: bool,
    },
    /// A run ended. Only the account's unfinished run may say so.
    RunEnded {
        /// The run that ended.
        run: Uuid,
        /// How.
        ending: Ending,
    },
    /// A call outside a run was refused although the credential had been proven.
    ObservedRefusal,
    /// A call outside a run was not answered 401.
    ObservedAcceptance,
    /// The account is to be deleted.
    Delete,
}
