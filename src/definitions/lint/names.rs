//! Placeholders that nobody is known to fill in.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value};

use super::{Finding, join};
use crate::definitions::Effective;
use crate::definitions::size::NO_REQUESTS;
use crate::expression::{Outline, Piece, RESERVED, pieces};

/// What accounts of the OAuth family have in their context without a field that says so.
const OF_OAUTH: [&str; 2] = ["oauth", "access_token"];

/// What a page's request sees beside the scope.
const OF_PAGES: &str = "pagination";

/// Placeholders without a default whose value is neither a credential's field nor written by a step: an import has to
/// bring it. Each name once, where it first stands.
pub(super) fn unknown(effective: &Effective) -> Vec<Finding> {
    let config = &effective.config;
    let Some(known) = known(config) else { return Vec::new() };
    let mut uses: BTreeMap<String, (String, usize)> = BTreeMap::new();
    collect(&Value::Object(config.clone()), "/config", &mut |path, pointer| {
        let name = match path {
            [root, name, ..] if matches!(root.as_str(), "context" | "credentials") => name,
            [root, ..] if RESERVED.contains(&root.as_str()) => return,
            [root, ..] => root,
            [] => return,
        };
        if !known.contains(name) {
            uses.entry(name.clone()).or_insert_with(|| (pointer.to_owned(), 0)).1 += 1;
        }
    });
    let finding = |(name, (pointer, count)): (String, (String, usize))| {
        let more = match count {
            1 => String::new(),
            2 => " (and in 1 more place)".to_owned(),
            count => format!(" (and in {} more places)", count - 1),
        };
        let message = format!("nothing here gives `{name}` a value{more}: every import has to bring it in `context`");
        Finding::info("unknown_name", pointer, message)
            .fix("list it in the credential's `fields`, or give the placeholder a default")
    };
    uses.into_iter().map(finding).collect()
}

/// Environment variables that are used and that the install does not have.
pub(super) fn missing_variables(effective: &Effective) -> Vec<(String, String)> {
    let (clear, secret) = (&effective.environment_variables, &effective.secret_environment_variables);
    let mut missing: BTreeMap<String, String> = BTreeMap::new();
    walk(&Value::Object(effective.config.clone()), "/config", &["webhook"], &mut |path, pointer| {
        if let [root, name, ..] = path
            && root == "environment_variables"
            && !clear.contains_key(name)
            && !secret.contains_key(name)
        {
            missing.entry(name.clone()).or_insert_with(|| pointer.to_owned());
        }
    });
    missing.into_iter().collect()
}

/// The names that have a value; `None` when a step writes what cannot be known.
fn known(config: &Map<String, Value>) -> Option<BTreeSet<String>> {
    let mut known: BTreeSet<String> = BTreeSet::new();
    let credentials = config.get("credentials").and_then(Value::as_object);
    for (key, entry) in credentials.into_iter().flatten() {
        // One credential, or one for each format.
        let entry = if key == "config" { credentials.map(|it| Value::Object(it.clone())) } else { Some(entry.clone()) };
        let fields = entry.as_ref().and_then(|entry| entry.get("config")?.get("fields")?.as_array());
        let names = fields.into_iter().flatten().filter_map(|field| field.get("name")?.as_str());
        known.extend(names.map(str::to_owned));
    }
    known.insert(OF_PAGES.to_owned());
    let only_keys = credentials.is_some_and(|all| !all.is_empty() && all.keys().all(|key| key == "api_key"));
    if !only_keys {
        known.extend(OF_OAUTH.map(str::to_owned));
    }
    for action in config.get("actions").and_then(Value::as_object).into_iter().flat_map(Map::values) {
        let steps: Vec<&Value> =
            action.get("steps").and_then(Value::as_array).map_or(vec![action], |it| it.iter().collect());
        for step in steps {
            match step.get("type").and_then(Value::as_str) {
                Some("set_context") => {
                    let members = step.get("config").and_then(Value::as_object);
                    known.extend(members.into_iter().flat_map(Map::keys).cloned());
                }
                Some("update_context") => {
                    let config = step.get("config");
                    let source = config.and_then(|it| it.as_str().or_else(|| it.get("expression")?.as_str()));
                    known.extend(Outline::of(source?).keys);
                }
                _ => {}
            }
        }
    }
    Some(known)
}

fn collect(value: &Value, pointer: &str, tell: &mut impl FnMut(&[String], &str)) {
    walk(value, pointer, &NO_REQUESTS, tell);
}

/// Tells every path that a required placeholder reads.
fn walk(value: &Value, pointer: &str, skip: &[&str], tell: &mut impl FnMut(&[String], &str)) {
    match value {
        Value::String(text) if text.contains("{{") => {
            for piece in pieces(text).into_iter().flatten() {
                if let Piece::Placeholder { paths, is_optional: false, .. } = piece
                    && let [path] = paths.as_slice()
                {
                    tell(path, pointer);
                }
            }
        }
        Value::Array(items) => {
            items.iter().enumerate().for_each(|(index, item)| walk(item, &format!("{pointer}/{index}"), skip, tell));
        }
        Value::Object(members) => {
            for (key, member) in members.iter().filter(|(key, _)| !skip.contains(&key.as_str())) {
                walk(member, &join(pointer, key), skip, tell);
            }
        }
        _ => {}
    }
}
