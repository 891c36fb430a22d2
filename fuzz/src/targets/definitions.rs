//! Definitions: the document of an integration, JSON if the text begins with a bracket and else YAML.
//!
//! Promises: nothing panics; what does not compile, the linter has an error for; a document that was written out
//! and read again is the same one.

use std::path::PathBuf;

use serde_json::Value;
use tidewaiter::definitions::lint::{Document, Severity, lint};
use tidewaiter::definitions::{Effective, Integration, Plan};

pub fn run(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    let is_json = text.starts_with('{');
    let document = Document::of(PathBuf::from(if is_json { "a.json" } else { "a.yaml" }), text.to_string());
    let found = lint(&[document], &[]);
    let Ok(value) = serde_json::from_str::<Value>(&text) else { return };
    let Ok(integration) = Integration::parse(&value) else { return };
    let effective = Effective::of(&integration);
    drop(effective.masked());
    let read = Effective::from_bytes(&effective.to_bytes()).expect("what was written is read");
    assert_eq!(read.hash(), effective.hash());
    if let Err(error) = Plan::compile(&effective) {
        assert!(found.iter().any(|it| it.finding.severity == Severity::Error), "not told: {error:?}");
    }
}
