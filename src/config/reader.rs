//! Reads typed settings out of the merged layers; every refusal names the key, its layer and the value.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::fmt::Display;
use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use config::{Value, ValueKind};

use super::error::ConfigError;
use super::layer::{Origin, Values};

/// The merged values, and which of them were read.
pub(super) struct Reader<'a> {
    values: &'a Values,
    read: RefCell<BTreeSet<String>>,
}

impl<'a> Reader<'a> {
    pub(super) const fn new(values: &'a Values) -> Self {
        Self { values, read: RefCell::new(BTreeSet::new()) }
    }

    /// Where a key's value comes from.
    pub(super) fn origin(&self, key: &str) -> Origin {
        self.values.get(key).map_or(Origin::Default, |(_, origin)| origin.clone())
    }

    /// An error about a key.
    pub(super) fn refuse(&self, key: &str, problem: impl Into<String>) -> ConfigError {
        ConfigError::key(key, &self.origin(key), problem)
    }

    /// Keys that nothing has read.
    #[cfg(test)]
    pub(super) fn unread(&self) -> Vec<String> {
        let read = self.read.borrow();
        self.values.keys().filter(|key| !read.contains(*key)).cloned().collect()
    }

    /// A text.
    pub(super) fn text(&self, key: &str) -> Result<String, ConfigError> {
        match &self.value(key)?.kind {
            ValueKind::String(text) => Ok(text.clone()),
            other => Err(self.refuse(key, format!("must be a text, not `{other}`"))),
        }
    }

    /// A text that means something; its value is shown in the refusal.
    pub(super) fn parsed<T: FromStr<Err: Display>>(&self, key: &str) -> Result<T, ConfigError> {
        let text = self.text(key)?;
        text.parse().map_err(|error| self.refuse(key, format!("{error}")))
    }

    /// A path, `None` when empty.
    pub(super) fn path(&self, key: &str) -> Result<Option<PathBuf>, ConfigError> {
        let text = self.text(key)?;
        Ok((!text.is_empty()).then(|| text.into()))
    }

    /// A path that must not be empty.
    pub(super) fn required_path(&self, key: &str) -> Result<PathBuf, ConfigError> {
        self.path(key)?.ok_or_else(|| self.refuse(key, "must not be empty"))
    }

    /// `true` or `false`.
    pub(super) fn truth(&self, key: &str) -> Result<bool, ConfigError> {
        let ValueKind::Boolean(truth) = self.value(key)?.kind else {
            return Err(self.refuse(key, "must be `true` or `false`"));
        };
        Ok(truth)
    }

    /// An integer within bounds.
    pub(super) fn integer(&self, key: &str, bounds: RangeInclusive<u64>) -> Result<u64, ConfigError> {
        let ValueKind::I64(given) = self.value(key)?.kind else {
            return Err(self.refuse(key, "must be an integer"));
        };
        u64::try_from(given)
            .ok()
            .filter(|number| bounds.contains(number))
            .ok_or_else(|| self.refuse(key, format!("must be {} to {}, not {given}", bounds.start(), bounds.end())))
    }

    /// An integer within bounds that must not be less than another key's; whichever was set by somebody is blamed.
    pub(super) fn at_least(&self, key: &str, bounds: RangeInclusive<u64>, lower: &str) -> Result<u64, ConfigError> {
        let (number, least) = (self.integer(key, bounds)?, self.integer(lower, 0..=u64::MAX)?);
        if number >= least {
            return Ok(number);
        }
        Err(if self.origin(key) == Origin::Default {
            self.refuse(lower, format!("must not be more than `{key}`, which is {number}, but is {least}"))
        } else {
            self.refuse(key, format!("must not be less than `{lower}`, which is {least}, but is {number}"))
        })
    }

    /// A number of milliseconds within bounds.
    pub(super) fn duration(&self, key: &str, bounds: RangeInclusive<u64>) -> Result<Duration, ConfigError> {
        self.integer(key, bounds).map(Duration::from_millis)
    }

    /// A list; the item that is wrong is shown in the refusal.
    pub(super) fn list<T: FromStr<Err: Display>>(&self, key: &str) -> Result<Vec<T>, ConfigError> {
        let ValueKind::Array(items) = &self.value(key)?.kind else {
            return Err(self.refuse(key, "must be a list"));
        };
        items.iter().map(|item| self.item(key, item)).collect()
    }

    fn item<T: FromStr<Err: Display>>(&self, key: &str, item: &Value) -> Result<T, ConfigError> {
        let text = match &item.kind {
            ValueKind::String(text) => text.clone(),
            ValueKind::I64(number) => number.to_string(),
            other => return Err(self.refuse(key, format!("`{other}` is not an item of this list"))),
        };
        text.parse().map_err(|error| self.refuse(key, format!("{error}")))
    }

    fn value(&self, key: &str) -> Result<&'a Value, ConfigError> {
        self.read.borrow_mut().insert(key.to_owned());
        self.values
            .get(key)
            .map(|(value, _)| value)
            .ok_or_else(|| self.refuse(key, "the default does not hold this key"))
    }
}
