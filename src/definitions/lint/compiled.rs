//! What the compiler says, all of it: it stops at the first mistake, so that mistake is taken out and it is asked again.

use std::collections::HashSet;

use serde_json::{Map, Value, json};

use super::join;
use crate::definitions::error::CompileError;
use crate::definitions::size;
use crate::definitions::{Effective, Plan, REFRESH_TOKEN};

/// How many mistakes of one part are told.
const MOST: usize = 64;

/// How much is compiled in search of mistakes of single parts, in bytes of definitions: each is compiled with what all
/// have in common, and once more for each mistake.
const MOST_BYTES: usize = 16 * 1024 * 1024;

/// The place where a part is compiled that does not run in a phase.
const STAND: &str = "/config/actions/post_install";

/// Actions that run with every import.
pub(super) const PHASES: [&str; 2] = ["post_install", "validation"];

/// Every error that keeps a definition from being compiled.
pub(in crate::definitions) fn refusals(effective: &Effective) -> Vec<CompileError> {
    let mut bench = Bench::of(effective);
    bench.exhaust(None);
    bench.told
}

/// Every error of a definition: of its phases and credentials, and of what runs on demand or by reference.
pub(super) fn errors(effective: &Effective) -> Vec<CompileError> {
    let mut bench = Bench::of(effective);
    let actions = bench.effective.config.get("actions").and_then(Value::as_object).cloned().unwrap_or_default();
    bench.exhaust(None);
    bench.effective.config.shift_remove("actions");
    let resources = match bench.effective.config.shift_remove("resources") {
        Some(Value::Object(resources)) => resources,
        _ => Map::new(),
    };
    for key in size::NO_REQUESTS {
        bench.effective.config.shift_remove(key);
    }
    // The integration's own headers, query and the like, which may be used by no phase.
    bench.stand(json!({ "steps": [{ "type": "request", "config": bench.any_request() }] }), "");
    for (name, action) in actions.iter().filter(|(name, _)| !PHASES.contains(&name.as_str())) {
        // A person is missed in no action that only somebody's request runs.
        let action = if name == REFRESH_TOKEN { action.clone() } else { without_people(action) };
        bench.referring(&resources, action, &join("/config/actions", name));
    }
    for (resource, methods) in &resources {
        for (name, _) in methods.as_object().into_iter().flatten().filter(|(_, method)| method.is_object()) {
            let place = join(&join("/config/resources", resource), name);
            let step = json!({ "type": "request", "config": { "resource": resource, "method": name } });
            bench.referring(&resources, step, &place);
        }
    }
    bench.told
}

/// A definition from which mistakes are taken out one by one.
struct Bench {
    effective: Effective,
    told: Vec<CompileError>,
    /// The pointers and messages of what was told.
    known: HashSet<(String, String)>,
    /// What may still be compiled, in bytes; none once it was too much.
    left: Option<usize>,
}

impl Bench {
    fn of(effective: &Effective) -> Self {
        Self { effective: effective.clone(), told: Vec::new(), known: HashSet::new(), left: Some(MOST_BYTES) }
    }

    /// A request that has nothing of its own to be wrong.
    fn any_request(&self) -> Value {
        match self.effective.config.get("base_url") {
            Some(Value::String(_)) => json!({ "path": "/" }),
            _ => json!({ "path": "https://tidewaiter.example/" }),
        }
    }

    /// Compiles `action` as if it were a phase's, and tells its mistakes as those of `place`; of an empty place nothing.
    fn stand(&mut self, action: Value, place: &str) {
        let mut actions = Map::new();
        actions.insert("post_install".to_owned(), action);
        self.effective.config.insert("actions".to_owned(), Value::Object(actions));
        self.exhaust(Some(place));
        self.effective.config.shift_remove("actions");
    }

    /// Compiles `action` with those of the integration's methods that it refers to.
    fn referring(&mut self, resources: &Map<String, Value>, action: Value, place: &str) {
        let steps = action.get("steps").and_then(Value::as_array).map_or(std::slice::from_ref(&action), Vec::as_slice);
        let mut needed = Map::new();
        for step in steps {
            let Some((resource, name)) = size::reference(step) else { continue };
            let Some(methods) = resources.get(resource) else { continue };
            match methods.get(name) {
                Some(method) => {
                    let entry = needed.entry(resource).or_insert_with(|| json!({}));
                    entry.as_object_mut().map(|entry| entry.insert(name.to_owned(), method.clone()));
                }
                // The message names what there is.
                None => drop(needed.insert(resource.to_owned(), methods.clone())),
            }
        }
        self.effective.config.insert("resources".to_owned(), Value::Object(needed));
        self.stand(action, place);
        self.effective.config.shift_remove("resources");
    }

    /// Whether the config may be compiled once more; tells it once when it may not.
    fn may_compile(&mut self, stand: Option<&str>) -> bool {
        // What all parts have in common is looked at once.
        let Some(place) = stand.filter(|place| !place.is_empty()) else { return true };
        let Some(left) = self.left else { return false };
        let config = &self.effective.config;
        let bytes = config.values().map(size::size).sum::<usize>();
        self.left = left.checked_sub(bytes);
        if self.left.is_none() {
            let message = "there is too much here to compile it part by part: mistakes from here on may not be told";
            self.told.push(CompileError::new(place, message));
        }
        self.left.is_some()
    }

    fn exhaust(&mut self, stand: Option<&str>) {
        let mut taken: Vec<String> = Vec::new();
        for _ in 0..MOST {
            if !self.may_compile(stand) {
                return;
            }
            let Err(mut error) = Plan::compile(&self.effective) else { return };
            // A pagination that was taken out for its own mistake is missed by the steps that ask for all pages.
            let follows = taken.iter().any(|taken| is_at_or_above(&error.pointer, taken))
                || error.pointer.ends_with("/paginate") && self.told.iter().any(|told| is_in_pagination(&told.pointer));
            let at = error.pointer.clone();
            if !follows
                && Self::place(&mut error, stand)
                && self.known.insert((error.pointer.clone(), error.message.clone()))
            {
                self.told.push(error);
            }
            if !take_out(&mut self.effective.config, &at, &taken) {
                return;
            }
            taken.push(at);
        }
    }

    /// Brings an error's pointer to where the author has the part; false for what is ours.
    fn place(error: &mut CompileError, stand: Option<&str>) -> bool {
        let (Some(place), Some(rest)) = (stand, error.pointer.strip_prefix(STAND)) else { return true };
        if place.is_empty() {
            return false;
        }
        // What is wrong with the reference is wrong with the method as a whole.
        let rest = if place.starts_with("/config/resources/") { "" } else { rest };
        error.pointer = format!("{place}{rest}");
        true
    }
}

/// An action with something harmless in the place of the steps that are kept and not executed.
fn without_people(action: &Value) -> Value {
    let mut action = action.clone();
    let harmless = |step: &mut Value| {
        if let Some("form" | "unified") = step.get("type").and_then(Value::as_str) {
            neutralize(step);
        }
    };
    match action.get_mut("steps").and_then(Value::as_array_mut) {
        Some(steps) => steps.iter_mut().for_each(harmless),
        None => harmless(&mut action),
    }
    action
}

/// Makes a step one that compiles, under its own name.
fn neutralize(step: &mut Value) {
    let name = step.get("name").filter(|name| name.is_string()).cloned();
    *step = json!({ "type": "transform", "config": "1" });
    if let Some(name) = name {
        step["name"] = name;
    }
}

fn is_in_pagination(pointer: &str) -> bool {
    pointer.split('/').any(|key| key == "pagination")
}

fn is_at_or_above(pointer: &str, other: &str) -> bool {
    other.strip_prefix(pointer).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// Takes the value at `pointer` out, or what holds it if it is out already; false when there is nothing left to take.
fn take_out(config: &mut Map<String, Value>, pointer: &str, taken: &[String]) -> bool {
    let Some(path) = pointer.strip_prefix("/config/") else { return false };
    let mut keys: Vec<String> = path.split('/').map(|key| key.replace("~1", "/").replace("~0", "~")).collect();
    let times = taken.iter().filter(|taken| *taken == pointer).count();
    let mut above = times.saturating_sub(1);
    while let Some(key) = keys.pop() {
        match find(config, &keys) {
            Some(Holder::Object(members)) if members.contains_key(&key) && above == 0 => {
                members.shift_remove(&key);
                return true;
            }
            Some(Holder::List(items)) if times == 0 || above == 0 => {
                let Some(item) = key.parse().ok().and_then(|index: usize| items.get_mut(index)) else { continue };
                if keys.last().is_some_and(|name| name == "steps") {
                    if times > 0 {
                        *item = json!({ "type": "transform", "config": "1" });
                    } else {
                        neutralize(item);
                    }
                    return true;
                }
                if keys.last().is_some_and(|name| name == "fields") && item.get("name") != Some(&Value::from(pointer)) {
                    *item = json!({ "name": pointer });
                    return true;
                }
                if !item.is_null() {
                    *item = Value::Null;
                    return true;
                }
            }
            _ => {}
        }
        above = above.saturating_sub(1);
    }
    false
}

enum Holder<'a> {
    Object(&'a mut Map<String, Value>),
    List(&'a mut Vec<Value>),
}

fn find<'a>(config: &'a mut Map<String, Value>, keys: &[String]) -> Option<Holder<'a>> {
    let Some((first, rest)) = keys.split_first() else { return Some(Holder::Object(config)) };
    let mut place = config.get_mut(first)?;
    for key in rest {
        place = match place {
            Value::Object(members) => members.get_mut(key)?,
            Value::Array(items) => items.get_mut(key.parse::<usize>().ok()?)?,
            _ => return None,
        };
    }
    match place {
        Value::Object(members) => Some(Holder::Object(members)),
        Value::Array(items) => Some(Holder::List(items)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::definitions::Integration;

    fn errors_of(config: &Value) -> Vec<String> {
        let document = json!({ "id": uuid::Uuid::nil(), "name": "acme", "config": config });
        let found = errors(&Effective::of(&Integration::parse(&document).unwrap()));
        found.into_iter().map(|error| error.pointer).collect()
    }

    #[test]
    fn every_mistake_of_every_part_is_told_once_and_in_its_place() {
        let config = json!({
            "base_url": "https://h.test",
            "headers": { "Host": "x" },
            "error_expression": "(",
            "credentials": { "api_key": { "config": { "fields": [{ "name": "" }, { "name": "b", "pattern": "([" }] } } },
            "actions": {
                "post_install": { "steps": [
                    { "type": "request", "config": { "path": "/", "metod": "get", "response_path": ")" } },
                    { "type": "nonsense" },
                    { "type": "form" },
                    { "type": "transform", "config": "[" },
                ] },
                "validation": { "type": "transform", "config": "a +" },
                "sync": { "type": "request", "config": { "path": "/", "body": 1 } },
                "ask": { "steps": [{ "type": "form" }, { "type": "transform", "config": "b +" }] },
            },
            "resources": { "users": { "list": { "path": "/users", "response_path": "(" }, "get": { "path": "/u#" } } },
        });
        let found = errors_of(&config);
        for pointer in [
            "/config/headers/Host",
            "/config/error_expression",
            "/config/actions/post_install/steps/0/config/metod",
            "/config/actions/post_install/steps/0/config/response_path",
            "/config/actions/post_install/steps/1/type",
            "/config/actions/post_install/steps/2/type",
            "/config/actions/post_install/steps/3/config",
            "/config/actions/validation/config",
            "/config/credentials/api_key/config/fields/0/name",
            "/config/credentials/api_key/config/fields/1/pattern",
            "/config/actions/sync/config/body",
            "/config/actions/ask/steps/1/config",
            "/config/resources/users/list/response_path",
            "/config/resources/users/get/path",
        ] {
            assert_eq!(found.iter().filter(|it| *it == pointer).count(), 1, "{pointer} in {found:#?}");
        }
        assert_eq!(found.len(), 14, "{found:#?}");
    }

    #[test]
    fn a_pagination_with_a_mistake_is_not_missed_by_the_steps_that_use_it() {
        let step = json!({ "type": "request", "paginate": true, "config": { "path": "/a" } });
        let config = json!({
            "base_url": "https://h.test",
            "pagination": { "format": "pages" },
            "actions": { "post_install": { "steps": [step] }, "sync": { "steps": [step] } },
        });
        assert_eq!(errors_of(&config), ["/config/pagination/format"]);
        let config = json!({ "base_url": "https://h.test", "actions": { "post_install": { "steps": [step] } } });
        assert_eq!(errors_of(&config), ["/config/actions/post_install/steps/0/paginate"]);
    }

    #[test]
    fn a_sound_definition_has_no_errors() {
        let document: Value = serde_json::from_str(include_str!("../../../config/integrations/harbour.json")).unwrap();
        assert_eq!(errors_of(&document["config"]), [""; 0]);
    }
}
