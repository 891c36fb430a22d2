//! The reference of all keys, read out of the comments in config/default.toml.

use std::fmt::Write as _;

use super::layer::DEFAULT;

/// What a paragraph of config/default.toml explains.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Entry {
    /// The whole, a section, by name.
    Section(&'static str, String),
    /// A key `section.key`, its default as TOML, and its explanation.
    Key { key: String, default: &'static str, text: String },
}

/// The entries in the order of the file. A comment belongs to the line below it.
pub(super) fn entries() -> Vec<Entry> {
    let mut entries = Vec::new();
    let mut comment = Vec::new();
    let mut section = "";
    for line in DEFAULT.lines() {
        if let Some(text) = line.strip_prefix('#') {
            comment.push(text.trim());
            continue;
        }
        let text = std::mem::take(&mut comment).join(" ");
        if let Some(name) = line.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
            section = name;
            entries.push(Entry::Section(name, text));
        } else if let Some((name, default)) = line.split_once(" = ") {
            entries.push(Entry::Key { key: format!("{section}.{name}"), default, text });
        } else if !text.is_empty() {
            entries.push(Entry::Section("", text));
        }
    }
    entries
}

/// The environment variable of a key.
pub(super) fn variable(key: &str) -> String {
    format!("TIDEWAITER__{}", key.replace('.', "__").to_uppercase())
}

/// docs/configuration.md.
#[must_use]
pub fn markdown() -> String {
    let mut out = String::from(HEAD);
    for entry in entries() {
        let _ = match entry {
            Entry::Section("", text) => write!(out, "\n{text}\n"),
            Entry::Section(name, text) => write!(out, "\n## `{name}`\n\n{text}\n"),
            Entry::Key { key, default, text } => {
                write!(out, "\n### `{key}`\n\n{text}\n\nDefault `{default}`, variable `{}`.\n", variable(&key))
            }
        };
    }
    out
}

const HEAD: &str = "# Configuration\n\n\
    Printed from config/default.toml by `tidewaiter schema configuration`; a test fails when this page is stale.\n\
    `tidewaiter config show` prints the values in effect and where each comes from, `tidewaiter config check` only \
    checks them.\n";
