//! A transition: one change that the outside can see, and exactly one event.

use super::status::{Status, words};

words! {
    /// The last word of an event's type.
    Word {
        /// A new account was persisted.
        Created = "created",
        /// The account went back to `connecting`, or a client changed it.
        Updated = "updated",
        /// All phases passed.
        Active = "active",
        /// A `post_install` step failed.
        PostInstallError = "post_install_error",
        /// A `validation` step failed.
        ValidationError = "validation_error",
        /// The credential was refused: `needs_reauth`.
        AuthenticationError = "authentication_error",
        /// The credential works again.
        Reactivated = "reactivated",
        /// The account is gone.
        Deleted = "deleted",
    }
}

impl Word {
    /// The word for arriving at an error status.
    #[must_use]
    pub const fn of_failure(phase: super::Phase) -> Self {
        match phase {
            super::Phase::PostInstall => Self::PostInstallError,
            super::Phase::Validation => Self::ValidationError,
        }
    }
}

/// A change of an account; `from == to` is a visible change without a change of status.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Transition {
    /// Status before; `None` before the first event.
    pub from: Option<Status>,
    /// Status after; `None` when deleted.
    pub to: Option<Status>,
    /// The event that tells it.
    pub word: Word,
}
