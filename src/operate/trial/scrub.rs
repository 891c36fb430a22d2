//! Stand-ins for secrets: in a recording each secret is replaced by a text that names its place, everywhere the same.
//!
//! A stand-in is made of letters, digits and hyphens, so that it passes through URLs, headers and host names unchanged.
//! A number's is a number. What is shorter than six bytes is only replaced under a name that is secret, as in `Redactor`.

use std::borrow::Cow;
use std::collections::HashSet;

use serde_json::{Map, Value};

use crate::credentials::Redactor;
use crate::credentials::secrets::{self, SecretPaths};

/// What every stand-in of a text begins with.
const PREFIX: &str = "recorded-secret-";
/// Stand-ins of numbers count from here: exact in a double, and unlike any id.
const NUMBERS: u64 = 7_070_070_070_000;
/// Stands around what will be a stand-in: a character for private use, which no text has.
const MARK: char = '\u{f8ff}';

/// Whether a value stands in for a secret.
#[must_use]
pub fn is_stand_in(value: &Value) -> bool {
    value.as_str().is_some_and(|text| text.starts_with(PREFIX))
}

/// Knows secrets and what stands in for each.
pub(super) struct Scrubber {
    /// The secrets in the order in which they are looked for: longer ones first, since a secret may hold another.
    known: Vec<Known>,
    taken: HashSet<String>,
    numbers: u64,
    names: Redactor,
}

struct Known {
    secret: String,
    stand_in: String,
    finder: Redactor,
}

impl Scrubber {
    pub(super) fn new(paths: &SecretPaths) -> Self {
        let names = Redactor::new(&Map::new(), &[], paths);
        Self { known: Vec::new(), taken: HashSet::new(), numbers: NUMBERS, names }
    }

    /// Learns every secret of a document: what stands under names that are secret.
    pub(super) fn learn_named(&mut self, document: &Value) {
        match document {
            Value::Object(members) => {
                for (name, value) in members {
                    if self.names.is_secret_name(name) {
                        self.learn(name, value);
                    } else {
                        self.learn_named(value);
                    }
                }
            }
            Value::Array(items) => items.iter().for_each(|item| self.learn_named(item)),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
        }
    }

    /// Learns all of a secret value, which stands under `name`.
    pub(super) fn learn(&mut self, name: &str, value: &Value) {
        match value {
            Value::String(text) => self.learn_text(name, text),
            Value::Number(number) => {
                let stand_in = self.numbers.to_string();
                if self.add(&number.to_string(), stand_in) {
                    self.numbers += 1;
                }
            }
            Value::Array(items) => items.iter().for_each(|item| self.learn(name, item)),
            Value::Object(members) => {
                let secret = members.iter().filter(|(name, _)| !secrets::is_about_token(name));
                secret.for_each(|(name, member)| self.learn(name, member));
            }
            Value::Null | Value::Bool(_) => {}
        }
    }

    pub(super) fn learn_text(&mut self, name: &str, secret: &str) {
        let plain: String = name
            .chars()
            .map(|c| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '-' })
            .take(64)
            .collect();
        let plain = plain.trim_matches('-');
        let mut stand_in = format!("{PREFIX}{plain}");
        let mut number = 1;
        while self.taken.contains(&stand_in) {
            number += 1;
            stand_in = format!("{PREFIX}{plain}-{number}");
        }
        self.add(secret, stand_in);
    }

    /// Lets what stands in for `secret` stand in for `other` too: the same secret in another form.
    pub(super) fn alias(&mut self, other: &Value, secret: &Value) {
        let (Some(other), Some(secret)) = (plain(other), plain(secret)) else { return };
        if let Some(stand_in) = self.stand_in(&secret).map(str::to_owned) {
            self.add(&other, stand_in);
        }
    }

    fn add(&mut self, secret: &str, stand_in: String) -> bool {
        if secret.is_empty() || secret.starts_with(PREFIX) || self.stand_in(secret).is_some() {
            return false;
        }
        let mut finder = Redactor::new(&Map::new(), &[], &SecretPaths::of(None));
        finder.learn_value(secret);
        self.taken.insert(stand_in.clone());
        let at = self.known.partition_point(|known| known.secret.len() >= secret.len());
        self.known.insert(at, Known { secret: secret.to_owned(), stand_in, finder });
        true
    }

    fn stand_in(&self, secret: &str) -> Option<&str> {
        self.known.iter().find(|known| known.secret == secret).map(|known| &*known.stand_in)
    }

    /// A text with every secret in it replaced.
    pub(super) fn text(&self, text: &str) -> String {
        let mut text = text.to_owned();
        let mut found = Vec::new();
        // By way of marks, since a stand-in may look like another secret.
        for (at, known) in self.known.iter().enumerate() {
            let mark = format!("{MARK}{at}{MARK}");
            if let Cow::Owned(marked) = known.finder.text_with(&text, &mark) {
                text = marked;
                found.push((mark, &known.stand_in));
            }
        }
        found.into_iter().fold(text, |text, (mark, stand_in)| text.replace(&mark, stand_in))
    }

    /// A document with every secret in it replaced, by its value and under its name.
    pub(super) fn value(&self, document: &Value) -> Value {
        match document {
            Value::String(text) => self.text(text).into(),
            Value::Number(number) => match self.stand_in(&number.to_string()) {
                Some(stand_in) if number.to_string().len() >= 6 => as_number(stand_in),
                _ => document.clone(),
            },
            Value::Array(items) => items.iter().map(|item| self.value(item)).collect(),
            Value::Object(members) => {
                let clean = |(name, value): (&String, &Value)| {
                    let secret = self.names.is_secret_name(name);
                    (self.text(name), if secret { self.whole(value) } else { self.value(value) })
                };
                Value::Object(members.iter().map(clean).collect())
            }
            Value::Null | Value::Bool(_) => document.clone(),
        }
    }

    /// A value that is secret as a whole.
    pub(super) fn whole(&self, value: &Value) -> Value {
        match value {
            Value::String(text) => self.stand_in(text).map_or_else(|| self.text(text), str::to_owned).into(),
            Value::Number(number) => self.stand_in(&number.to_string()).map_or_else(|| value.clone(), as_number),
            Value::Array(items) => items.iter().map(|item| self.whole(item)).collect(),
            Value::Object(members) => {
                let clean = |(name, value): (&String, &Value)| {
                    let about = secrets::is_about_token(name);
                    (name.clone(), if about { self.value(value) } else { self.whole(value) })
                };
                Value::Object(members.iter().map(clean).collect())
            }
            Value::Null | Value::Bool(_) => value.clone(),
        }
    }

    /// Whether a header of this name is secret whatever its value.
    pub(super) fn is_secret_name(&self, name: &str) -> bool {
        self.names.is_secret_name(name)
    }

    /// Whether a text holds a secret in any of its forms, beside stand-ins.
    pub(super) fn finds(&self, text: &str) -> bool {
        let mut stand_ins: Vec<_> = self.taken.iter().collect();
        stand_ins.sort_unstable_by_key(|stand_in| std::cmp::Reverse(stand_in.len()));
        let rest = stand_ins.into_iter().fold(text.to_owned(), |text, stand_in| text.replace(stand_in, ""));
        self.known.iter().any(|known| matches!(known.finder.text(&rest), Cow::Owned(_)))
    }
}

fn plain(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    }
}

fn as_number(stand_in: &str) -> Value {
    stand_in.parse::<u64>().map_or_else(|_| stand_in.into(), Value::from)
}
