//! Checking definitions before they run: everything that is wrong or looks wrong, in the order of the document.
//!
//! The tour: `files` reads documents and holds them against each other; `walk` goes through a document along the table
//! of `vocabulary` and looks at every member, expression and template (`language`, `request`, `steps`, `secrets`);
//! `names` compares what is used with what an account brings; `compiled` asks the compiler, again and again until it
//! has nothing left to say, so that what is wrong is said in one place only; `position` finds the line.
//!
//! Promises: nothing is applied, fetched or evaluated over data, and no finding repeats a value that may be a secret.

pub(super) mod compiled;
mod files;
mod language;
mod names;
mod position;
mod request;
pub(crate) mod secrets;
mod steps;
mod walk;

use std::collections::{BTreeSet, HashSet};

use serde_json::Value;

pub use files::{Document, Located, lint};

use super::error::CompileError;
use super::node::join;
use super::{Effective, Integration};
use crate::config::nearest;
use crate::lifecycle::words;

words! {
    /// How bad a finding is.
    Severity {
        /// It is refused, or it cannot work.
        Error = "error",
        /// It works, and probably not as meant.
        Warning = "warning",
        /// Worth knowing.
        Info = "info",
    }
}

/// The check whose findings are about members that are kept without being executed.
pub const KEPT: &str = "kept";

/// Something that an author should look at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// How bad it is.
    pub severity: Severity,
    /// A stable word for what was checked.
    pub check: &'static str,
    /// A JSON pointer (RFC 6901) into the document.
    pub pointer: String,
    /// What is wrong.
    pub message: String,
    /// What to do about it.
    pub fix: Option<String>,
}

impl Finding {
    fn new(severity: Severity, check: &'static str, pointer: impl Into<String>, message: impl Into<String>) -> Self {
        Self { severity, check, pointer: pointer.into(), message: message.into(), fix: None }
    }

    fn error(check: &'static str, pointer: impl Into<String>, message: impl Into<String>) -> Self {
        Self::new(Severity::Error, check, pointer, message)
    }

    fn warning(check: &'static str, pointer: impl Into<String>, message: impl Into<String>) -> Self {
        Self::new(Severity::Warning, check, pointer, message)
    }

    fn info(check: &'static str, pointer: impl Into<String>, message: impl Into<String>) -> Self {
        Self::new(Severity::Info, check, pointer, message)
    }

    fn fix(mut self, fix: impl Into<String>) -> Self {
        self.fix = Some(fix.into());
        self
    }

    fn of(error: CompileError) -> Self {
        Self::error("compile", error.pointer, error.message)
    }
}

/// Why an integration's document is refused: all of it, the first reason first.
pub(super) fn refusals(document: &Value) -> Vec<CompileError> {
    let (parsed, mut problems) = parsed(document);
    problems.extend(parsed.iter().flat_map(|integration| compiled::refusals(&Effective::of(integration))));
    problems
}

/// Everything about one integration's document, in no order.
fn integration(document: &Value) -> Vec<Finding> {
    let mut found = walk::integration(document);
    let (parsed, problems) = parsed(document);
    merge(&mut found, problems.into_iter().map(Finding::of));
    if let Some(integration) = parsed {
        let effective = Effective::of(&integration);
        merge(&mut found, compiled::errors(&effective).into_iter().map(Finding::of));
        found.extend(names::unknown(&effective));
    }
    found
}

/// How many findings a suggestion is looked for: each is compared with every name that there is.
const SUGGESTED: usize = 1_000;

/// What `word` was probably meant to be, unless so much was `told` already that nobody reads it one by one.
fn suggestion<'a>(told: usize, word: &str, candidates: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    if told < SUGGESTED { nearest(word, candidates) } else { None }
}

/// Adds what the compiler says, unless the same was said already and better.
fn merge(found: &mut Vec<Finding>, errors: impl Iterator<Item = Finding>) {
    let is_error = |it: &&Finding| it.severity == Severity::Error;
    let pointer = |it: &Finding| it.pointer.clone();
    let mut said: HashSet<String> = found.iter().filter(is_error).map(pointer).collect();
    let syntax: BTreeSet<String> =
        found.iter().filter(is_error).filter(|it| it.check == language::SYNTAX).map(pointer).collect();
    for error in errors {
        // The compiler names a template as a whole, the walk the very string in it.
        let below = format!("{}/", error.pointer);
        let is_below = error.message.contains("does not compile")
            && syntax.range(below.clone()..).next().is_some_and(|known| known.starts_with(&below));
        if !is_below && said.insert(error.pointer.clone()) {
            found.push(error);
        }
    }
}

/// An integration however little of it can be used, and what is wrong with the parts around its config.
fn parsed(document: &Value) -> (Option<Integration>, Vec<CompileError>) {
    let mut document = document.clone();
    let mut problems: Vec<CompileError> = Vec::new();
    for _ in 0..8 {
        let error = match Integration::parse(&document) {
            Ok(integration) => return (Some(integration), problems),
            Err(error) => error,
        };
        let Some(members) = document.as_object_mut() else { return (None, vec![error]) };
        // What is missing is told by the pointer of its object.
        let key = match error.pointer.as_str() {
            "" if error.message.starts_with("`id`") => "id",
            "" if error.message.starts_with("`name`") => "name",
            pointer => pointer.trim_start_matches('/'),
        };
        match key {
            "id" => members.insert("id".to_owned(), Value::from(uuid::Uuid::nil().to_string())),
            "name" => members.insert("name".to_owned(), Value::from("unnamed")),
            "label" | "category" | "is_beta" => members.shift_remove(key),
            _ => {
                problems.push(error);
                return (None, problems);
            }
        };
        problems.push(error);
    }
    (None, problems)
}

#[cfg(test)]
mod tests;
