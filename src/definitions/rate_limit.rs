//! A definition's `rate_limit`: how an answer is told to be a limited one, and how long it asks to wait.
//!
//! A value that is no string counts as not there, since definitions written for the model system hold such; it is a
//! finding. An expression that does not compile is refused like any other.

use std::fmt;

use serde_json::Value;

use super::error::CompileError;
use super::node::{Node, join};
use crate::expression::Expression;
use crate::lifecycle::words;

const EXPRESSIONS: [&str; 3] = ["is_rate_limited", "retry_after_header_expression", "rate_limit_header_expression"];

words! {
    /// Whom a rate limit concerns.
    LimitScope {
        /// The account whose credential was used.
        Account = "account",
        /// Every account of the install.
        Install = "install",
    }
}

/// Beside the defaults, which are the status 429 and the headers `Retry-After` and `RateLimit-Reset`.
pub struct RateLimit {
    /// Whether an answer is a limited one, from its `status` and `headers`.
    pub is_rate_limited: Option<Expression>,
    /// How long to wait: a number of seconds.
    pub retry_after: Option<Expression>,
    /// When the limit is over: an object with `reset`, or a number.
    pub limits: Option<Expression>,
    /// Whom it concerns.
    pub scope: LimitScope,
}

/// An expression may hold a secret of its author's.
impl fmt::Debug for RateLimit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RateLimit").field("scope", &self.scope).finish_non_exhaustive()
    }
}

impl RateLimit {
    /// Compiles the value at `pointer`. Beside it, what is not understood and has no effect.
    ///
    /// # Errors
    /// An expression that does not compile, or a `scope` that is none.
    pub fn compile(value: &Value, pointer: &str) -> Result<(Self, Vec<CompileError>), CompileError> {
        let node = Node::new(value, pointer);
        let mut plan = Self { is_rate_limited: None, retry_after: None, limits: None, scope: LimitScope::Account };
        let Some(members) = value.as_object() else {
            let finding = node.refuse("must be an object; as it is no limit is described, and the defaults apply");
            return Ok((plan, vec![finding]));
        };
        let mut findings = Vec::new();
        for (name, value) in members.iter().filter(|(_, value)| !value.is_null()) {
            let member = Node::new(value, join(pointer, name));
            match (name.as_str(), value) {
                ("scope", _) => plan.scope = member.word()?,
                ("is_rate_limited", Value::String(_)) => plan.is_rate_limited = Some(member.expression()?),
                ("retry_after_header_expression", Value::String(_)) => plan.retry_after = Some(member.expression()?),
                ("rate_limit_header_expression", Value::String(_)) => plan.limits = Some(member.expression()?),
                (name, _) if EXPRESSIONS.contains(&name) => {
                    findings.push(member.refuse("must be a string with a JSONata expression; the default applies"));
                }
                _ => findings.push(member.refuse("is not known here and has no effect")),
            }
        }
        Ok((plan, findings))
    }

    /// Whether it says no more than the defaults do.
    #[must_use]
    pub const fn is_default(&self) -> bool {
        self.is_rate_limited.is_none()
            && self.retry_after.is_none()
            && self.limits.is_none()
            && matches!(self.scope, LimitScope::Account)
    }
}

/// What a request is to know of the `rate_limit` at `node`; none where the defaults say it all.
pub(super) fn compile(node: &Node<'_>) -> Result<Option<RateLimit>, CompileError> {
    let (plan, _) = RateLimit::compile(node.value, &node.pointer)?;
    Ok((!plan.is_default()).then_some(plan))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn compiled(value: &Value) -> (RateLimit, Vec<String>) {
        let (plan, findings) = RateLimit::compile(value, "/config/rate_limit").unwrap();
        (plan, findings.into_iter().map(|finding| finding.pointer).collect())
    }

    #[test]
    fn what_is_no_string_is_a_finding_and_has_no_effect() {
        let (plan, findings) = compiled(&json!({
            "is_rate_limited": true,
            "retry_after_header_expression": 5,
            "rate_limit_header_expression": "X-RateLimit-Remaining",
            "burst": 3,
        }));
        assert!(plan.is_rate_limited.is_none() && plan.retry_after.is_none() && plan.limits.is_some());
        assert_eq!(
            findings,
            [
                "/config/rate_limit/is_rate_limited",
                "/config/rate_limit/retry_after_header_expression",
                "/config/rate_limit/burst",
            ]
        );
        for value in [json!("status = 429"), json!(true), json!([])] {
            let (plan, findings) = compiled(&value);
            assert!(plan.is_default() && findings == ["/config/rate_limit"], "{value}");
        }
    }

    #[test]
    fn a_plain_limit_has_no_findings_and_null_is_not_there() {
        let (plan, findings) =
            compiled(&json!({ "is_rate_limited": "status = 420", "scope": "install", "limit": null }));
        assert!(plan.is_rate_limited.is_some() && findings.is_empty());
        assert_eq!(plan.scope, LimitScope::Install);
    }

    #[test]
    fn a_broken_expression_and_a_misspelt_scope_are_refused_with_their_place() {
        for (value, pointer) in [
            (json!({ "is_rate_limited": "status = (" }), "/config/rate_limit/is_rate_limited"),
            (json!({ "scope": "instal" }), "/config/rate_limit/scope"),
            (json!({ "scope": true }), "/config/rate_limit/scope"),
        ] {
            assert_eq!(RateLimit::compile(&value, "/config/rate_limit").unwrap_err().pointer, pointer);
        }
    }
}
