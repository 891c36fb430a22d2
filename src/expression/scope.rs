//! What placeholders and expressions see: the account's context at the root, overlaid by the reserved names.

use std::collections::BTreeSet;
use std::fmt;

use serde_json::{Map, Value};

/// The names that a run puts over the context. In JSONata each is a field of the input and a `$variable`.
///
/// The last five are there only where a caller sets them; until a name is set, a context key of that name shows through.
pub const RESERVED: [&str; 18] = [
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
];

/// The one scope of a run. Built once; what changes from step to step is replaced with [`Scope::set`].
///
/// A name that was set wins over a context key of the same name, which `context.<key>` still reaches.
#[derive(Clone)]
pub struct Scope {
    root: Value,
    overlaid: BTreeSet<String>,
    now_ms: i64,
    seed: u64,
}

impl Scope {
    /// A scope over `root` as it is. `now_ms` (milliseconds since the epoch) is what `$now()` and `$millis()` say, and
    /// `seed` decides `$random()` and `$uuid()`, so that a text rendered again comes out the same.
    #[must_use]
    pub fn new(root: Map<String, Value>, now_ms: i64, seed: u64) -> Self {
        Self { root: Value::Object(root), overlaid: BTreeSet::new(), now_ms, seed }
    }

    /// A scope over an account's context: its keys at the root, and whole as `context` and `credentials`.
    #[must_use]
    pub fn of_context(context: &Map<String, Value>, now_ms: i64, seed: u64) -> Self {
        let mut scope = Self::new(Map::new(), now_ms, seed);
        scope.set_context(context);
        scope
    }

    /// Replaces the context, after a step wrote to it or a credential was refreshed. Names that were set stay.
    pub fn set_context(&mut self, context: &Map<String, Value>) {
        let overlaid = &self.overlaid;
        let mut root = context.clone();
        root.retain(|key, _| !overlaid.contains(key));
        if let Value::Object(old) = &mut self.root {
            root.extend(overlaid.iter().filter_map(|name| old.remove_entry(name)));
        }
        self.root = Value::Object(root);
        self.set("context", Value::Object(context.clone()));
        self.set("credentials", Value::Object(context.clone()));
    }

    /// Sets a reserved name, over a context key of the same name.
    pub fn set(&mut self, name: &str, value: Value) {
        if let Value::Object(root) = &mut self.root {
            root.insert(name.to_owned(), value);
            if !self.overlaid.contains(name) {
                self.overlaid.insert(name.to_owned());
            }
        }
    }

    /// Takes a reserved name away again; a context key of the same name shows through.
    pub fn unset(&mut self, name: &str) {
        if !self.overlaid.remove(name) {
            return;
        }
        if let Value::Object(root) = &mut self.root {
            root.shift_remove(name);
            if let Some(below) = root.get("context").and_then(|context| context.get(name)).cloned() {
                root.insert(name.to_owned(), below);
            }
        }
    }

    /// Gives the expressions from here on another time (milliseconds since the epoch) and other random numbers; a run
    /// does it for each step, or two steps with the same text would make the same `$uuid()`.
    pub const fn restart(&mut self, now_ms: i64, seed: u64) {
        self.now_ms = now_ms;
        self.seed = seed;
    }

    /// The value at the root under `name`, to be changed in place.
    pub fn get_mut(&mut self, name: &str) -> Option<&mut Value> {
        self.root.get_mut(name)
    }

    /// The value at the root under `name`.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&Value> {
        self.root.get(name)
    }

    /// Everything that is seen, as one object.
    #[must_use]
    pub const fn root(&self) -> &Value {
        &self.root
    }

    pub(super) const fn now_ms(&self) -> i64 {
        self.now_ms
    }

    pub(super) const fn seed(&self) -> u64 {
        self.seed
    }
}

/// A scope holds secrets, so its names are shown and its values are not.
impl fmt::Debug for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<&String> = self.root.as_object().into_iter().flat_map(Map::keys).collect();
        f.debug_struct("Scope").field("names", &names).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn scope(context: &Value) -> Scope {
        Scope::of_context(context.as_object().unwrap(), 0, 1)
    }

    #[test]
    fn the_context_is_at_the_root_and_under_its_two_names() {
        let scope = scope(&json!({ "api_key": "k" }));
        assert_eq!(scope.get("api_key"), Some(&json!("k")));
        assert_eq!(scope.root()["context"]["api_key"], "k");
        assert_eq!(scope.root()["credentials"]["api_key"], "k");
    }

    #[test]
    fn a_reserved_name_wins_over_a_context_key_which_shows_through_when_it_is_unset() {
        let mut scope = scope(&json!({ "status": "from the context", "context": "odd" }));
        assert_eq!(scope.get("status"), Some(&json!("from the context")));
        scope.set("status", json!(404));
        assert_eq!(scope.get("status"), Some(&json!(404)));
        assert_eq!(scope.root()["context"]["status"], "from the context");
        assert_eq!(scope.root()["context"]["context"], "odd");
        scope.unset("status");
        assert_eq!(scope.get("status"), Some(&json!("from the context")));
    }

    #[test]
    fn a_new_context_drops_old_keys_and_leaves_what_was_set() {
        let mut scope = scope(&json!({ "old": 1, "id": "a" }));
        scope.set("previous", json!([1]));
        scope.set("id", json!("b"));
        scope.set_context(json!({ "new": 2, "previous": "x", "id": "c" }).as_object().unwrap());
        assert_eq!(scope.get("old"), None);
        assert_eq!(scope.get("new"), Some(&json!(2)));
        assert_eq!(scope.get("previous"), Some(&json!([1])));
        assert_eq!(scope.get("id"), Some(&json!("b")));
        assert_eq!(scope.root()["context"]["previous"], "x");
    }

    #[test]
    fn debug_output_shows_names_only() {
        let shown = format!("{:?}", scope(&json!({ "api_key": "canary-7f3a" })));
        assert!(shown.contains("api_key") && !shown.contains("canary-7f3a"), "{shown}");
    }
}
