//! The values in effect, and the layer of each.

use config::ValueKind;
use serde_json::Value;

use super::layer::Origin;
use super::reference::{Entry, entries};
use super::{ConfigError, Loaded};

/// One key as it counts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Effective {
    /// `section.key`.
    pub key: String,
    /// Its value, secrets masked.
    pub value: Value,
    /// Where it comes from.
    pub origin: Origin,
}

impl Loaded {
    /// Every key with its value and layer, in the order of config/default.toml. Secrets are masked.
    #[must_use]
    pub fn effective(&self) -> Vec<Effective> {
        let keys = entries().into_iter().filter_map(|entry| match entry {
            Entry::Key { key, .. } => Some(key),
            Entry::Section(..) => None,
        });
        keys.filter_map(|key| {
            let (value, origin) = self.values.get(&key)?;
            let value = match key.as_str() {
                "database.url" => self.settings.database.to_string().into(),
                "broker.url" => self.settings.broker.as_ref().map_or_else(String::new, |it| it.url.to_string()).into(),
                _ => json(value),
            };
            Some(Effective { key, value, origin: origin.clone() })
        })
        .collect()
    }

    /// Checks what only the worker needs.
    ///
    /// # Errors
    /// As [`super::Settings::key_file`].
    pub fn check_for_worker(&self) -> Result<(), ConfigError> {
        self.settings.key_file().map(|_| ())
    }
}

fn json(value: &config::Value) -> Value {
    match &value.kind {
        ValueKind::Boolean(truth) => (*truth).into(),
        ValueKind::I64(number) => (*number).into(),
        ValueKind::Array(items) => items.iter().map(json).collect(),
        ValueKind::String(text) => text.clone().into(),
        other => other.to_string().into(),
    }
}
