//! The OAuth refresh grant: the request, what its answer means, and the context with the new token. A definition's action
//! may take the request's place; what comes of it is sorted by the same words.
//!
//! When to refresh, the intent written before the request, the second try after a lost answer and the re-reading after a
//! refusal belong to the driver; here is no state at all.

mod answer;
mod request;
#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Map, Value};

use super::token;
use crate::definitions::{CredentialPlan, Plan};
use crate::expression::Scope;
use crate::lifecycle::{AuthenticationMethod, Class, Failure, ReasonCode};

pub use answer::{blames_client, classify, error_word, is_passing, parsed};
pub use request::{TIMEOUT, refresh_request};

/// A token request cannot be alive after this: its own time limit, and margin.
pub const SETTLED_AFTER: Duration = TIMEOUT.saturating_add(Duration::from_secs(5));

/// A new token: the endpoint's whole answer, for [`apply`]. It holds at least an `access_token` that can be sent.
#[derive(Clone, PartialEq, Eq)]
pub struct NewToken(pub Map<String, Value>);

impl std::fmt::Debug for NewToken {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("NewToken")
    }
}

/// Why there is no new token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NotRenewed {
    /// The refresh token is refused for good: the account has to be connected again.
    Refused(Failure),
    /// The request is refused, whatever the account's token: the operator's client, URL or parameters are wrong.
    ClientRefused(Failure),
    /// It did not work this time, and the refresh token is unused.
    Transient(Failure),
    /// The request may have had its effect and the answer is lost: the refresh token may be used up.
    Unknown(Failure),
}

/// Whether the token of an account of `method` can be refreshed: the definition has an action for it, which may need no
/// refresh token, or it names a token URL and the context has a refresh token.
#[must_use]
pub fn is_refreshable(plan: &Plan, method: AuthenticationMethod, context: &Map<String, Value>) -> bool {
    let by_grant = || plan.credential(method).is_some_and(|plan| plan.refresh.is_some());
    plan.renewal(method).is_some() || by_grant() && token::refresh_token(context).is_some()
}

/// Whether an error word refuses the token for good.
#[must_use]
pub fn refuses(plan: &CredentialPlan, word: &str) -> bool {
    word == "invalid_grant" || plan.refusal_errors.iter().any(|known| known == word)
}

/// The scope of the token request's templates: the context at the root and under its name, and the environment's
/// variables.
#[must_use]
pub fn scope_of(plan: &Plan, context: &Arc<Map<String, Value>>, now_ms: i64, seed: u64) -> Scope {
    let mut scope = Scope::new(Arc::clone(context), now_ms, seed);
    scope.set("context", Arc::clone(context));
    scope.set("environment_variables", Arc::clone(&plan.environment_variables));
    scope
}

/// A refusal of a token whose refresh was sent before and never answered: it may have been used up then.
#[must_use]
pub fn refused_after_loss(failure: &Failure) -> Failure {
    let message =
        format!("the answer to a token refresh was lost, and the old token is refused now: {}", failure.message);
    Failure {
        class: Class::Unauthorized,
        code: ReasonCode::RefreshOutcomeUnknown,
        message,
        http_status: failure.http_status,
    }
}

/// Two answers were lost; nobody sends this token a third time.
#[must_use]
pub fn lost_twice(failure: Failure) -> Failure {
    Failure::permanent(ReasonCode::RefreshOutcomeUnknown, failure.message)
}

/// The context with the new token merged into `oauth.token`.
///
/// The old refresh token stays when the answer brings none. The expiry counts from `now_ms`, the instant the request
/// was sent, in milliseconds since the epoch; it is `fallback_expiry_s` seconds later when the answer says nothing, and
/// unknown when there is no fallback either.
#[must_use]
pub fn apply(
    mut context: Map<String, Value>,
    answer: Map<String, Value>,
    now_ms: i64,
    fallback_expiry_s: Option<i64>,
) -> Map<String, Value> {
    let said = answer.get("expires_in").and_then(token::seconds).map(|seconds| token::expiry(now_ms, seconds));
    let named = || answer.get("expires_at").and_then(token::instant_ms).map(|at| token::named_expiry(now_ms, at));
    let expires_at = said.or_else(named).or_else(|| fallback_expiry_s.map(|seconds| token::expiry(now_ms, seconds)));
    let mut oauth = take_object(&mut context, "oauth");
    let mut token = take_object(&mut oauth, "token");
    // What the old token said about its life is not true of the new one.
    token.shift_remove("expires_in");
    token.shift_remove("expires_at");
    for (name, value) in answer {
        if name != "refresh_token" || token::is_sendable(&value) {
            token.insert(name, value);
        }
    }
    match expires_at {
        Some(expires_at) => token.insert("expires_at".to_owned(), expires_at),
        None => token.shift_remove("expires_at"),
    };
    oauth.insert("token".to_owned(), Value::Object(token));
    context.insert("oauth".to_owned(), Value::Object(oauth));
    context
}

/// The object under `key`, its place kept; an empty one when there is none.
fn take_object(map: &mut Map<String, Value>, key: &str) -> Map<String, Value> {
    match map.get_mut(key).map(Value::take) {
        Some(Value::Object(members)) => members,
        _ => Map::new(),
    }
}
