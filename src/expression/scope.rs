//! What placeholders and expressions see: the account's context at the root, overlaid by the reserved names.

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

use serde_json::{Map, Value};

use super::shared::{Place, Shared};

/// The names that a run puts over the context. In JSONata each is a field of the input and a `$variable`.
///
/// The last seven are there only where a caller sets them; until a name is set, a context key of that name shows through.
pub const RESERVED: [&str; 20] = [
    "context",
    "credentials",
    "environment_variables",
    "id",
    "query",
    "body",
    "headers",
    "steps",
    "previous",
    "item",
    "index",
    "account",
    "step",
    "response",
    "status",
    "data",
    "url",
    "requestOptions",
    "pagination",
    "paginationValues",
];

/// The one scope of a run. Built once; what changes from step to step is replaced with [`Scope::set`]. It shares what it
/// shows and copies none of it.
///
/// A name that was set wins over a context key of the same name, which `context.<key>` still reaches.
#[derive(Clone)]
pub struct Scope {
    root: Arc<Map<String, Value>>,
    set: Vec<(Cow<'static, str>, Shared)>,
    now_ms: i64,
    seed: u64,
}

impl Scope {
    /// A scope over `root` as it is. `now_ms` (milliseconds since the epoch) is what `$now()` and `$millis()` say, and
    /// `seed` decides `$random()` and `$uuid()`, so that a text rendered again comes out the same.
    #[must_use]
    pub fn new(root: impl Into<Arc<Map<String, Value>>>, now_ms: i64, seed: u64) -> Self {
        Self { root: root.into(), set: Vec::new(), now_ms, seed }
    }

    /// A scope over an account's context: its keys at the root, and whole as `context` and `credentials`.
    #[must_use]
    pub fn of_context(context: impl Into<Arc<Map<String, Value>>>, now_ms: i64, seed: u64) -> Self {
        let context = context.into();
        let mut scope = Self::new(Arc::clone(&context), now_ms, seed);
        scope.set("context", Arc::clone(&context));
        scope.set("credentials", context);
        scope
    }

    /// Sets a reserved name, over a context key of the same name.
    pub fn set(&mut self, name: &'static str, value: impl Into<Shared>) {
        let value = value.into();
        match self.set.iter_mut().find(|(known, _)| known == name) {
            Some((_, old)) => *old = value,
            None => self.set.push((name.into(), value)),
        }
    }

    /// Takes a reserved name away again; a context key of the same name shows through.
    pub fn unset(&mut self, name: &str) {
        self.set.retain(|(known, _)| known != name);
    }

    /// Gives the expressions from here on another time (milliseconds since the epoch) and other random numbers; a run
    /// does it for each step, or two steps with the same text would make the same `$uuid()`.
    pub const fn restart(&mut self, now_ms: i64, seed: u64) {
        self.now_ms = now_ms;
        self.seed = seed;
    }

    /// Everything that is seen, as one object.
    pub(super) fn root(&self) -> Place<'_> {
        Place::Object { over: &self.set, base: Some(&self.root) }
    }

    pub(super) const fn now_ms(&self) -> i64 {
        self.now_ms
    }

    /// What decides everything random of the present step.
    #[must_use]
    pub const fn seed(&self) -> u64 {
        self.seed
    }
}

/// A scope holds secrets, so its names are shown and its values are not.
impl fmt::Debug for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<&str> = self.root().members().map(|(name, _)| name).collect();
        f.debug_struct("Scope").field("names", &names).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn scope(context: &Value) -> Scope {
        Scope::of_context(context.as_object().cloned().unwrap(), 0, 1)
    }

    fn seen(scope: &Scope, path: &[&str]) -> Option<Value> {
        let found = path.iter().try_fold(scope.root(), |place, name| place.member(name));
        found.map(|place| place.value().into_owned())
    }

    #[test]
    fn the_context_is_at_the_root_and_under_its_two_names() {
        let scope = scope(&json!({ "api_key": "k" }));
        for path in [&["api_key"][..], &["context", "api_key"], &["credentials", "api_key"]] {
            assert_eq!(seen(&scope, path), Some(json!("k")), "{path:?}");
        }
        let all = json!({ "api_key": "k", "context": { "api_key": "k" }, "credentials": { "api_key": "k" } });
        assert_eq!(seen(&scope, &[]), Some(all));
    }

    #[test]
    fn a_reserved_name_wins_over_a_context_key_which_shows_through_when_it_is_unset() {
        let mut scope = scope(&json!({ "status": "from the context", "context": "odd" }));
        assert_eq!(seen(&scope, &["status"]), Some(json!("from the context")));
        scope.set("status", json!(404));
        assert_eq!(seen(&scope, &["status"]), Some(json!(404)));
        assert_eq!(seen(&scope, &["context", "status"]), Some(json!("from the context")));
        assert_eq!(seen(&scope, &["context", "context"]), Some(json!("odd")));
        let whole = seen(&scope, &[]).unwrap();
        assert_eq!((&whole["status"], whole.as_object().unwrap().len()), (&json!(404), 3));
        scope.unset("status");
        assert_eq!(seen(&scope, &["status"]), Some(json!("from the context")));
    }

    #[test]
    fn debug_output_shows_names_only() {
        let shown = format!("{:?}", scope(&json!({ "api_key": "canary-7f3a" })));
        assert!(shown.contains("api_key") && !shown.contains("canary-7f3a"), "{shown}");
    }
}
