//! What a token endpoint's answer means.
//!
//! The words are those of RFC 6749 §5.2. What an account's owner has to mend is told from what the operator has to mend
//! and from what mends itself; in doubt it is not the owner, because asking somebody to connect again is the dearest
//! mistake.

use serde_json::{Map, Value};

use super::{NewToken, NotRenewed, refuses};
use crate::credentials::redact::Redactor;
use crate::credentials::token;
use crate::definitions::CredentialPlan;
use crate::lifecycle::{Class, Failure, ReasonCode};
use crate::upstream::{Response, SendError};

/// The longest description of an endpoint that is repeated, in characters.
const DESCRIPTION: usize = 200;
/// The longest error word that is repeated, in characters.
const WORD: usize = 64;

/// Sorts the answer to a refresh request. Its texts are redacted before they become a failure's message.
///
/// # Errors
/// Why there is no new token.
pub fn classify(
    plan: &CredentialPlan,
    answer: Result<Response, SendError>,
    redactor: &Redactor,
) -> Result<NewToken, NotRenewed> {
    answered(plan, &answer.map_err(|error| unanswered(&error))?, redactor)
}

fn answered(plan: &CredentialPlan, response: &Response, redactor: &Redactor) -> Result<NewToken, NotRenewed> {
    let body = parsed(response);
    let is_success = (200..300).contains(&response.status);
    if is_success && body.get("access_token").is_some_and(token::is_sendable) {
        return Ok(NewToken(body));
    }
    let word = error_word(&body);
    let failure = |class, code| Failure {
        class,
        code,
        message: message(response.status, &body, redactor),
        http_status: Some(response.status),
    };
    Err(match (word, response.status) {
        // A success that cannot be read at all, cut off say: the provider may have used the old token.
        (None, 200..=299) if body.is_empty() => NotRenewed::Unknown(failure(Class::Transient, ReasonCode::BadResponse)),
        (Some(word), _) if refuses(plan, word) => {
            NotRenewed::Refused(failure(Class::Unauthorized, ReasonCode::CredentialRefused))
        }
        (_, 429) | (Some("slow_down"), _) => NotRenewed::Transient(failure(Class::Transient, ReasonCode::RateLimited)),
        (_, 408 | 425 | 500..) | (Some("temporarily_unavailable" | "server_error"), _) => {
            NotRenewed::Transient(failure(Class::Transient, ReasonCode::UpstreamUnavailable))
        }
        (Some(word), _) if blames_client(word) => {
            NotRenewed::ClientRefused(failure(Class::Permanent, ReasonCode::ClientRefused))
        }
        (_, 400..) => NotRenewed::ClientRefused(failure(Class::Permanent, ReasonCode::ClientRefused)),
        // A success without a token, or a status that is none: an endpoint in disorder, not a refusal.
        _ => NotRenewed::Transient(failure(Class::Transient, ReasonCode::BadResponse)),
    })
}

/// Whether an error word says that it may work later.
#[must_use]
pub fn is_passing(word: &str) -> bool {
    matches!(word, "slow_down" | "temporarily_unavailable" | "server_error")
}

/// Whether an error word is of those that no account can do anything about.
#[must_use]
pub fn blames_client(word: &str) -> bool {
    matches!(
        word,
        "invalid_client"
            | "unauthorized_client"
            | "unsupported_grant_type"
            | "invalid_scope"
            | "invalid_request"
            | "invalid_target"
            | "access_denied"
    )
}

fn unanswered(error: &SendError) -> NotRenewed {
    let message = format!("the token endpoint gave no answer: {error}");
    let unknown = |code| {
        NotRenewed::Unknown(Failure { class: Class::OutcomeUnknown, code, message: message.clone(), http_status: None })
    };
    let transient = |code| NotRenewed::Transient(Failure::transient(code, message.clone()));
    let permanent = |code| Failure::permanent(code, message.clone());
    match error {
        SendError::Timeout(_) => unknown(ReasonCode::Timeout),
        SendError::Broken(_) => unknown(ReasonCode::UpstreamUnavailable),
        SendError::BadResponse(_) => unknown(ReasonCode::BadResponse),
        SendError::Dns(_) => transient(ReasonCode::Dns),
        SendError::Tls(_) => transient(ReasonCode::Tls),
        SendError::Connect(_) => transient(ReasonCode::UpstreamUnavailable),
        SendError::AddressRefused(_) => NotRenewed::ClientRefused(permanent(ReasonCode::AddressRefused)),
        SendError::Unsendable(_) => NotRenewed::ClientRefused(permanent(ReasonCode::DefinitionInvalid)),
        SendError::Redirect { status } => {
            NotRenewed::ClientRefused(permanent(ReasonCode::RedirectRefused).with_status(*status))
        }
    }
}

/// The body as an object: JSON, or a form where the endpoint says that it is one. Empty when it is neither.
#[must_use]
pub fn parsed(response: &Response) -> Map<String, Value> {
    let content_type = response.headers.iter().find(|(name, _)| name == "content-type");
    if content_type.is_some_and(|(_, kind)| kind.starts_with("application/x-www-form-urlencoded")) {
        let pairs = url::form_urlencoded::parse(&response.body);
        return pairs.map(|(name, value)| (name.into_owned(), Value::from(value))).collect();
    }
    serde_json::from_slice(&response.body).unwrap_or_default()
}

/// The error word, where endpoints put it: `error`, or a member of an object there, or one of its neighbours.
#[must_use]
pub fn error_word(body: &Map<String, Value>) -> Option<&str> {
    match body.get("error") {
        Some(Value::String(word)) => Some(word),
        Some(Value::Object(error)) => first_text(error, &["code", "error", "type", "status"]),
        _ => first_text(body, &["error_code", "errorCode", "code"]),
    }
}

fn first_text<'a>(object: &'a Map<String, Value>, names: &[&str]) -> Option<&'a str> {
    names.iter().find_map(|name| object.get(*name)?.as_str())
}

/// What the endpoint said, in one line.
fn message(status: u16, body: &Map<String, Value>, redactor: &Redactor) -> String {
    let mut message = format!("the token endpoint answered {status}");
    if let Some(word) = error_word(body) {
        message = format!("{message} `{}`", tidy(&redactor.text(word), WORD));
    } else if status < 400 {
        message.push_str(" without an access token");
    }
    let names = ["error_description", "message", "detail", "error_message"];
    let nested = || body.get("error").and_then(Value::as_object).and_then(|error| first_text(error, &names));
    if let Some(description) = first_text(body, &names).or_else(nested) {
        message = format!("{message}: {}", tidy(&redactor.text(description), DESCRIPTION));
    }
    message
}

/// One line of at most `longest` characters.
fn tidy(text: &str, longest: usize) -> String {
    let line = text.chars().map(|c| if c.is_control() { ' ' } else { c });
    let mut out: String = line.take(longest).collect();
    if text.chars().count() > longest {
        out.push('…');
    }
    out
}
