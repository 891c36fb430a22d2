//! Errors as `application/problem+json` (RFC 9457), with the fields that clients of the model API look for.

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};

use crate::accounts::{ImportError, Ineligible, PatchError, Refused};
use crate::intake::{FieldFailure, PROBLEM_JSON, ProblemDocument, Refusal};
use crate::lifecycle::{IntakeCode, WhoActs};
use crate::objects::ObjectError;
use crate::store::StoreError;
use crate::telemetry::Seldom;

/// An answer that is an error.
#[derive(Debug)]
pub struct Problem(Box<ProblemDocument>);

impl Problem {
    fn new(status: StatusCode, code: &str, who_acts: WhoActs, retryable: bool, detail: impl Into<String>) -> Self {
        let status = (status.as_u16(), status.canonical_reason().unwrap_or("Error"));
        Self(Box::new(ProblemDocument::new(status, code, who_acts, retryable, detail.into())))
    }

    /// A query, path or header that cannot be used.
    #[must_use]
    pub fn bad_request(pointer: &str, message: impl Into<String>) -> Self {
        let message = message.into();
        let mut problem =
            Self::new(StatusCode::BAD_REQUEST, "invalid", WhoActs::Producer, false, format!("{pointer}: {message}"));
        problem.0.failures.push(FieldFailure { pointer: pointer.to_owned(), message });
        problem
    }

    /// Nothing is there.
    #[must_use]
    pub fn not_found(what: &str) -> Self {
        Self::new(StatusCode::NOT_FOUND, "not_found", WhoActs::Producer, false, format!("there is no such {what}"))
    }

    /// The worker has not reached its database yet.
    #[must_use]
    pub fn starting() -> Self {
        let detail = "the worker is starting and waits for its database; the request may be repeated";
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "unavailable", WhoActs::Operator, true, detail)
    }

    /// The request was meant for another server, or a name was made to point here.
    #[must_use]
    pub fn host_refused() -> Self {
        let detail = "the API is for this machine only: the Host has to be localhost, 127.0.0.1 or [::1]";
        Self::new(StatusCode::MISDIRECTED_REQUEST, "host_refused", WhoActs::Producer, false, detail)
    }

    /// The request comes from a web page.
    #[must_use]
    pub fn origin_refused() -> Self {
        let detail = "the API has no access tokens yet and serves no web pages: requests with an Origin are refused";
        Self::new(StatusCode::FORBIDDEN, "origin_refused", WhoActs::Producer, false, detail)
    }

    /// The body does not say that it is JSON.
    #[must_use]
    pub fn not_json() -> Self {
        let detail = "the Content-Type has to be application/json";
        Self::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "unsupported_media_type", WhoActs::Producer, false, detail)
    }

    /// Something that is stored cannot be read. The caller learns no more; the log says it, seldom.
    #[must_use]
    pub(super) fn unreadable(error: &dyn std::fmt::Display, what: &'static str) -> Self {
        tell_seldom(error, what);
        let detail = format!("{what}; repeating the request does not help, the log says why");
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, "internal", WhoActs::Operator, false, detail)
    }

    /// The path is there, the verb is not.
    #[must_use]
    pub fn method_not_allowed() -> Self {
        let detail = "this path does not know that method";
        Self::new(StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed", WhoActs::Producer, false, detail)
    }
}

impl From<Refusal> for Problem {
    fn from(refusal: Refusal) -> Self {
        Self(Box::new(refusal.into()))
    }
}

/// A flood of requests is not a flood of lines.
static TOLD: Seldom = Seldom::new();

/// Tells the operator, seldom; the caller would only be shown what is inside.
fn tell_seldom(error: &dyn std::fmt::Display, what: &'static str) {
    if TOLD.is_due() {
        tracing::error!(%error, "{what}; this is told at most once a minute");
    } else {
        tracing::debug!(%error, "{what}");
    }
}

impl From<StoreError> for Problem {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Unavailable(_) | StoreError::Closed => {
                // An outage is told once, by whoever watches the database.
                tracing::debug!(%error, "a request to the API was not served");
                let detail =
                    "the database does not answer; the request may be repeated (with the same Idempotency-Key)";
                Self::new(StatusCode::SERVICE_UNAVAILABLE, "unavailable", WhoActs::Operator, true, detail)
            }
            StoreError::Refused(_) | StoreError::Moved(_) | StoreError::Schema(_) => {
                tell_seldom(&error, "a request to the API cannot be served");
                let detail = "the request cannot be stored or read; repeating it does not help, the log says why";
                Self::new(StatusCode::INTERNAL_SERVER_ERROR, "internal", WhoActs::Operator, false, detail)
            }
        }
    }
}

impl From<PatchError> for Problem {
    fn from(error: PatchError) -> Self {
        let told = error.to_string();
        let unprocessable = |code, failure: FieldFailure| {
            let mut problem = Self::new(StatusCode::UNPROCESSABLE_ENTITY, code, WhoActs::Producer, false, told.clone());
            problem.0.failures.push(failure);
            problem
        };
        match error {
            PatchError::Absent => Self::not_found("account"),
            PatchError::Fields(failures) => Refusal::fields(failures).into(),
            PatchError::TooLarge => Refusal::field(IntakeCode::TooLarge, "/context", told).into(),
            PatchError::NotSupported(it) => Refusal::field(IntakeCode::NotSupported, it.pointer, it.message).into(),
            PatchError::Definition(failure) => unprocessable("definition_invalid", failure),
            PatchError::RefreshUnderWay | PatchError::Contended => {
                Self::new(StatusCode::CONFLICT, "busy", WhoActs::Producer, true, told)
            }
            PatchError::Store(error) => error.into(),
            PatchError::Object(ObjectError::Unavailable(_)) => {
                tell_seldom(&error, "a large value could not be kept");
                let detail = "the object store does not answer; the request may be repeated";
                Self::new(StatusCode::SERVICE_UNAVAILABLE, "unavailable", WhoActs::Operator, true, detail)
            }
            PatchError::Rejected(_) | PatchError::Vault(_) | PatchError::Object(_) => {
                tell_seldom(&error, "an account could not be changed");
                let detail = "the account could not be changed; the operator's log says why";
                Self::new(StatusCode::INTERNAL_SERVER_ERROR, "internal", WhoActs::Operator, true, detail)
            }
        }
    }
}

impl From<Refused> for Problem {
    fn from(refused: Refused) -> Self {
        let (status, who_acts, retryable) = match &refused {
            Refused::Account(Ineligible::Absent | Ineligible::Deleted) => return Self::not_found("account"),
            Refused::Account(Ineligible::RunInProgress | Ineligible::Changed) => {
                (StatusCode::CONFLICT, WhoActs::Producer, true)
            }
            Refused::Account(Ineligible::OutcomeUnknown | Ineligible::NothingLeft | Ineligible::NotFailed) => {
                (StatusCode::CONFLICT, WhoActs::Operator, false)
            }
            Refused::Account(
                Ineligible::InstallDisabled
                | Ineligible::InstallMissing
                | Ineligible::DefinitionInvalid
                | Ineligible::OverrideInvalid,
            )
            | Refused::UnusableAction { .. } => (StatusCode::UNPROCESSABLE_ENTITY, WhoActs::Operator, false),
            Refused::UnknownAction { .. } => (StatusCode::NOT_FOUND, WhoActs::Producer, false),
            Refused::Reserved { .. } => (StatusCode::UNPROCESSABLE_ENTITY, WhoActs::Producer, false),
        };
        Self::new(status, refused.code(), who_acts, retryable, refused.to_string())
    }
}

impl From<ImportError> for Problem {
    fn from(error: ImportError) -> Self {
        match error {
            ImportError::Store(error) => error.into(),
            error @ (ImportError::Vault(_) | ImportError::Rejected(_)) => {
                tell_seldom(&error, "an import could not be made");
                let detail = "the account could not be made; the operator's log says why";
                Self::new(StatusCode::INTERNAL_SERVER_ERROR, "internal", WhoActs::Operator, true, detail)
            }
        }
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(self.0.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let body = serde_json::to_vec(&self.0).unwrap_or_default();
        let mut response = (status, body).into_response();
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(PROBLEM_JSON));
        if status == StatusCode::SERVICE_UNAVAILABLE {
            headers.insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
        }
        response
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;
    use std::sync::{Arc, Mutex};

    #[derive(Clone, Default)]
    struct Log(Arc<Mutex<Vec<u8>>>);

    impl Write for Log {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn what_repeating_helps_is_told_apart_from_what_it_does_not() {
        for (error, status, code, retryable) in [
            (StoreError::Unavailable("10.0.0.7 is away".to_owned()), 503, "unavailable", true),
            (StoreError::Closed, 503, "unavailable", true),
            (StoreError::Refused("constraint accounts_pkey".to_owned()), 500, "internal", false),
            (StoreError::Schema("column x".to_owned()), 500, "internal", false),
        ] {
            let inner = error.to_string();
            let problem = Problem::from(error);
            assert_eq!((problem.0.status, problem.0.reason_code.as_str()), (status, code));
            assert_eq!((problem.0.retryable, problem.0.who_acts), (retryable, WhoActs::Operator));
            assert!(!problem.0.detail.contains(&inner), "{}", problem.0.detail);
        }
    }

    #[test]
    fn a_flood_of_requests_is_no_flood_of_lines() {
        let log = Log::default();
        let writer = log.clone();
        let subscriber =
            tracing_subscriber::fmt().with_max_level(tracing::Level::INFO).with_writer(move || writer.clone()).finish();
        tracing::subscriber::with_default(subscriber, || {
            for _ in 0..100 {
                let _ = Problem::from(StoreError::Unavailable("away".to_owned()));
                let _ = Problem::from(StoreError::Refused("no".to_owned()));
            }
        });
        let lines = String::from_utf8(log.0.lock().unwrap().clone()).unwrap();
        assert!(lines.lines().count() <= 1, "{lines}");
    }
}
