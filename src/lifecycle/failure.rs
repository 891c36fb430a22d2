//! Failures of a step, sorted by what follows from them.

use super::reason::{Reason, ReasonCode};
use super::status::{Phase, words};

words! {
    /// What a failed attempt means for the run.
    Class {
        /// May succeed soon: the step is tried again within its budget.
        Transient = "transient",
        /// Will not succeed by itself: the phase fails.
        Permanent = "permanent",
        /// The credential was refused: refresh it once if that is possible.
        Unauthorized = "unauthorized",
        /// The provider asks to wait: costs no attempt.
        RateLimited = "rate_limited",
        /// The request may or may not have had its effect.
        OutcomeUnknown = "outcome_unknown",
    }
}

/// A failure of one step.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// What it means for the run.
    pub class: Class,
    /// The stable code.
    pub code: ReasonCode,
    /// What happened, in a sentence, without secrets.
    pub message: String,
    /// The provider's answer, where there was one.
    pub http_status: Option<u16>,
}

impl Failure {
    /// A failure that no retry mends.
    #[must_use]
    pub fn permanent(code: ReasonCode, message: impl Into<String>) -> Self {
        Self { class: Class::Permanent, code, message: message.into(), http_status: None }
    }

    /// A failure that may go away.
    #[must_use]
    pub fn transient(code: ReasonCode, message: impl Into<String>) -> Self {
        Self { class: Class::Transient, code, message: message.into(), http_status: None }
    }

    /// The same failure with the provider's status.
    #[must_use]
    pub fn with_status(mut self, http_status: u16) -> Self {
        self.http_status = Some(http_status);
        self
    }

    /// What events and the API say about it.
    #[must_use]
    pub fn into_reason(self, phase: Option<Phase>, step: Option<String>) -> Reason {
        Reason {
            code: self.code,
            message: self.message,
            phase,
            step,
            http_status: self.http_status,
            who_acts: self.code.who_acts(),
            retryable: self.code.retryable(),
        }
    }
}
