//! What an operator sees of a run: one entry an attempt, bounded, failures kept before successes.

use std::borrow::Cow;
use std::fmt::{self, Write as _};
use std::sync::Arc;

use serde::{Deserialize, Deserializer, Serialize};
use serde_json::{Value, json};

use super::progress::Part;
use crate::credentials::Redactor;
use crate::credentials::redact::Redacted;
use crate::lifecycle::Class;

/// Entries of one trace.
const MAX_ENTRIES: usize = 64;

/// The size of one result, in bytes of JSON.
const MAX_RESULT_BYTES: usize = 4096;

/// What became of an attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Mark {
    /// It did what it should.
    Success,
    /// It failed.
    Error,
    /// It was not made.
    Skipped,
}

/// One attempt of one step, with its result as it is or as people may see it.
#[derive(Clone, Serialize, Deserialize)]
#[serde(bound(deserialize = "R: From<Value>"))]
pub(super) struct Entry<R = Arc<Value>> {
    pub(super) phase: Part,
    pub(super) index: usize,
    #[serde(rename = "type")]
    pub(super) kind: Cow<'static, str>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) name: Option<String>,
    /// The item of its loop, from 0.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) item: Option<usize>,
    /// The page that was asked for, from 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) page: Option<u32>,
    pub(super) attempt: u32,
    pub(super) status: Mark,
    pub(super) duration_ms: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) http_status: Option<u16>,
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "present")]
    pub(super) result: Option<R>,
    /// What a failure meant for the run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) class: Option<Class>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) error: Option<String>,
    /// Whether the run went on although this failed for good.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(super) continued: bool,
    /// What an attempt that was not made was left out for: `run_if`, `depends_on` or `sandbox`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) why: Option<Cow<'static, str>>,
}

impl Entry {
    /// As people may see it; of an error so much as `excerpt` leaves.
    fn told<'a>(&'a self, redactor: &'a Redactor, excerpt: impl Fn(&str) -> String) -> Entry<Redacted<'a>> {
        let Self { phase, index, kind, name, item, page, attempt, status, duration_ms, .. } = self;
        let Self { http_status, result, class, error, continued, why, .. } = self;
        Entry {
            phase: *phase,
            index: *index,
            kind: kind.clone(),
            name: name.as_ref().map(|name| redactor.text(name).into_owned()),
            item: *item,
            page: *page,
            attempt: *attempt,
            status: *status,
            duration_ms: *duration_ms,
            http_status: *http_status,
            result: result.as_ref().map(|result| redactor.shown(result)),
            class: *class,
            error: error.as_ref().map(|error| excerpt(error)),
            continued: *continued,
            why: why.clone(),
        }
    }
}

/// The attempts of a run, in order.
#[derive(Clone, Default, Serialize, Deserialize)]
pub struct Trace(Vec<Entry>);

/// It may hold secrets.
impl fmt::Debug for Trace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Trace").field("entries", &self.0.len()).finish_non_exhaustive()
    }
}

impl Trace {
    pub(super) fn push(&mut self, mut entry: Entry) {
        entry.result = entry.result.map(capped);
        if self.0.len() >= MAX_ENTRIES {
            // The oldest entry that is no failure goes; among failures only, the first one stays, since it tells most.
            let expendable = self.0.iter().position(|entry| entry.status != Mark::Error).unwrap_or(1);
            self.0.remove(expendable);
        }
        self.0.push(entry);
    }

    /// Says that the run went on after the failure that was told last.
    pub(super) fn go_on(&mut self) {
        if let Some(last) = self.0.last_mut() {
            last.continued = last.status == Mark::Error;
        }
    }

    /// As JSON that people may see, oldest first; of an error so much as `excerpt` leaves, which redacts it.
    #[must_use]
    pub fn told(&self, redactor: &Redactor, excerpt: impl Fn(&str) -> String) -> String {
        let told: Vec<_> = self.0.iter().map(|entry| entry.told(redactor, &excerpt)).collect();
        serde_json::to_string(&told).unwrap_or_default()
    }

    /// What came of each attempt that was made; `None` succeeded.
    pub fn outcomes(&self) -> impl Iterator<Item = Option<Class>> {
        self.0.iter().filter(|entry| entry.status != Mark::Skipped).map(|entry| entry.class)
    }

    /// As JSON, oldest first, secrets included.
    pub(super) fn to_value(&self) -> Value {
        serde_json::to_value(self).unwrap_or_default()
    }
}

/// A result that is too large is left out whole: a secret in a piece of it could not be told by its path any more.
fn capped(result: Arc<Value>) -> Arc<Value> {
    let bytes = json_bytes(&result);
    if bytes > MAX_RESULT_BYTES { Arc::new(json!({ "omitted_bytes": bytes })) } else { result }
}

/// How long a value is as JSON.
pub(super) fn json_bytes(value: &Value) -> usize {
    struct Count(usize);
    impl fmt::Write for Count {
        fn write_str(&mut self, text: &str) -> fmt::Result {
            self.0 += text.len();
            Ok(())
        }
    }
    let mut count = Count(0);
    // Counting cannot fail.
    let _ = write!(count, "{value}");
    count.0
}

/// Reads a value that is there, null included: by itself an `Option` would take null for absent.
pub(super) fn present<'de, D: Deserializer<'de>, R: From<Value>>(deserializer: D) -> Result<Option<R>, D::Error> {
    Value::deserialize(deserializer).map(R::from).map(Some)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(index: usize, status: Mark) -> Entry {
        Entry {
            phase: Part::PostInstall,
            index,
            kind: "request".into(),
            name: None,
            item: None,
            page: None,
            attempt: 1,
            status,
            duration_ms: 0,
            http_status: None,
            result: None,
            class: None,
            error: None,
            continued: false,
            why: None,
        }
    }

    #[test]
    fn a_full_trace_gives_up_successes_before_failures() {
        let mut trace = Trace::default();
        trace.push(entry(0, Mark::Error));
        (1..=MAX_ENTRIES).for_each(|index| trace.push(entry(index, Mark::Success)));
        let kept: Vec<usize> = trace.0.iter().map(|entry| entry.index).collect();
        assert_eq!(kept.len(), MAX_ENTRIES);
        assert_eq!(&kept[..2], [0, 2]);
        (0..200).for_each(|index| trace.push(entry(1_000 + index, Mark::Error)));
        assert_eq!(trace.0.len(), MAX_ENTRIES);
        assert_eq!(trace.0[0].index, 0);
        assert_eq!(trace.0[MAX_ENTRIES - 1].index, 1_199);
    }

    #[test]
    fn a_large_result_is_left_out_whole() {
        let mut trace = Trace::default();
        let result = Some(Arc::new(Value::String("x".repeat(MAX_RESULT_BYTES))));
        trace.push(Entry { result, ..entry(0, Mark::Success) });
        assert_eq!(trace.to_value()[0]["result"], json!({ "omitted_bytes": MAX_RESULT_BYTES + 2 }));
    }
}
