//! The problem document (RFC 9457): what an HTTP error and the reply to a refused message have in their bodies.

use serde::Serialize;

use super::{FieldFailure, Refusal};
use crate::lifecycle::{IntakeCode, WhoActs};

/// The media type of a [`ProblemDocument`].
pub const PROBLEM_JSON: &str = "application/problem+json";

/// What is wrong, for programs and people. It also has the members that clients of the model API look for.
#[derive(Debug, Serialize)]
pub struct ProblemDocument {
    #[serde(rename = "type")]
    kind: String,
    title: &'static str,
    /// The HTTP status, also where there is no HTTP.
    pub status: u16,
    /// What is wrong, in a sentence.
    pub detail: String,
    #[serde(rename = "statusCode")]
    status_code: u16,
    error: &'static str,
    message: String,
    /// The stable code.
    pub reason_code: String,
    /// Who can do something about it.
    pub who_acts: WhoActs,
    /// Whether the same request may succeed later.
    pub retryable: bool,
    /// The fields, where single ones are at fault.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub failures: Vec<FieldFailure>,
}

impl ProblemDocument {
    /// A problem with an HTTP status and its title.
    #[must_use]
    pub fn new(status: (u16, &'static str), code: &str, who_acts: WhoActs, retryable: bool, detail: String) -> Self {
        let (status, title) = status;
        Self {
            kind: format!("urn:tidewaiter:problem:{code}"),
            title,
            status,
            detail: detail.clone(),
            status_code: status,
            error: title,
            message: detail,
            reason_code: code.to_owned(),
            who_acts,
            retryable,
            failures: Vec::new(),
        }
    }
}

impl From<Refusal> for ProblemDocument {
    fn from(refusal: Refusal) -> Self {
        let status = match refusal.code {
            IntakeCode::TooLarge => (413, "Payload Too Large"),
            IntakeCode::IdempotencyConflict => (422, "Unprocessable Entity"),
            _ => (400, "Bad Request"),
        };
        let code = refusal.code;
        let problem = Self::new(status, code.as_str(), code.who_acts(), code.retryable(), refusal.message);
        Self { failures: refusal.failures, ..problem }
    }
}
