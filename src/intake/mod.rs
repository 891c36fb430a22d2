//! The front door: bytes from whichever channel become an account, a duplicate, or a refusal with its reason.
//!
//! All channels go through [`Intake::receive`]. Nothing here waits for an upstream. What cannot be accepted is kept in
//! the quarantine (but for HTTP, where the caller has the answer in hand) and told with a code and a place; a value
//! from the body is never repeated in a message.

mod amqp;
pub mod json;
mod lines;
pub mod message;
mod patch;
mod problem;
mod properties;
mod publish;
mod receive;
mod replies;
mod settle;
mod traceparent;

pub use amqp::{DeadLetters, Imports};
pub use lines::{LineOutcome, LinesError, receive_lines};
pub use message::{Envelope, read_body, read_line};
pub use patch::read_patch;
pub use problem::{PROBLEM_JSON, ProblemDocument};
pub use properties::{Beside, IMPORT_TYPE, TRACEPARENT};
pub use publish::{Address, SentLine, publish_envelope, publish_lines};
pub use receive::{Delivery, Disposition, Intake, check_context};
pub use replies::{Replies, Reply, publish_replies};
pub use traceparent::traceparent;

pub use crate::credentials::FieldFailure;
use crate::lifecycle::IntakeCode;

/// Why a request is not accepted.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{code}: {message}")]
pub struct Refusal {
    /// The stable code.
    pub code: IntakeCode,
    /// What is wrong, in a sentence, without values from the body.
    pub message: String,
    /// The fields, where single ones are at fault.
    pub failures: Vec<FieldFailure>,
}

impl Refusal {
    /// A refusal of the whole request.
    #[must_use]
    pub fn new(code: IntakeCode, message: impl Into<String>) -> Self {
        Self { code, message: message.into(), failures: Vec::new() }
    }

    /// A refusal for one field.
    #[must_use]
    pub fn field(code: IntakeCode, pointer: impl Into<String>, message: impl Into<String>) -> Self {
        let failure = FieldFailure { pointer: pointer.into(), message: message.into() };
        Self { code, message: format!("{}: {}", failure.pointer, failure.message), failures: vec![failure] }
    }

    /// A refusal for several fields at once.
    #[must_use]
    pub fn fields(failures: Vec<FieldFailure>) -> Self {
        let told: Vec<String> =
            failures.iter().take(8).map(|failure| format!("{}: {}", failure.pointer, failure.message)).collect();
        Self { code: IntakeCode::Invalid, message: told.join("; "), failures }
    }

    /// The pointer of the first field at fault.
    #[must_use]
    pub fn pointer(&self) -> Option<&str> {
        self.failures.first().map(|failure| failure.pointer.as_str())
    }
}
