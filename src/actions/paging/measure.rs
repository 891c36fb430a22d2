//! How large values are, and what they are told from each other by.

use std::fmt::{self, Write as _};
use std::hash::{DefaultHasher, Hasher};

use serde_json::Value;

/// How long a value is as JSON, and what it is told from others by. The same in every process, since it is kept.
#[derive(Default)]
pub(super) struct Measure {
    pub(super) bytes: usize,
    hasher: DefaultHasher,
}

impl Measure {
    pub(super) fn of(value: &Value) -> Self {
        let mut measure = Self::default();
        // Writing to a measure cannot fail.
        let _ = write!(measure, "{value}");
        measure
    }

    pub(super) fn fingerprint(&self, kind: &str) -> u64 {
        let mut hasher = self.hasher.clone();
        hasher.write(kind.as_bytes());
        hasher.finish()
    }
}

impl fmt::Write for Measure {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.bytes += text.len();
        self.hasher.write(text.as_bytes());
        Ok(())
    }
}
