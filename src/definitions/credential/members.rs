//! Reading the members of a JSON object with errors that say where. `null` is the same as absent.

use serde_json::{Map, Value};

use super::CompileError;

/// A JSON object and where it is.
pub(super) struct Members<'a> {
    map: &'a Map<String, Value>,
    at: String,
}

impl<'a> Members<'a> {
    pub(super) fn of(value: &'a Value, at: String) -> Result<Self, CompileError> {
        match value {
            Value::Object(map) => Ok(Self { map, at }),
            _ => Err(CompileError::new(at, "must be an object")),
        }
    }

    /// Where `key` is.
    pub(super) fn pointer(&self, key: &str) -> String {
        format!("{}/{}", self.at, key.replace('~', "~0").replace('/', "~1"))
    }

    pub(super) fn error(&self, key: &str, message: impl Into<String>) -> CompileError {
        CompileError::new(self.pointer(key), message)
    }

    pub(super) fn value(&self, key: &str) -> Option<&'a Value> {
        self.map.get(key).filter(|value| !value.is_null())
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (&'a String, &'a Value)> {
        self.map.iter()
    }

    pub(super) fn text(&self, key: &str) -> Result<Option<&'a str>, CompileError> {
        self.value(key).map(|value| value.as_str().ok_or_else(|| self.error(key, "must be text"))).transpose()
    }

    pub(super) fn flag(&self, key: &str) -> Result<Option<bool>, CompileError> {
        self.value(key).map(|value| value.as_bool().ok_or_else(|| self.error(key, "must be true or false"))).transpose()
    }

    pub(super) fn object(&self, key: &str) -> Result<Option<Self>, CompileError> {
        self.value(key).map(|value| Self::of(value, self.pointer(key))).transpose()
    }

    pub(super) fn list(&self, key: &str) -> Result<&'a [Value], CompileError> {
        match self.value(key) {
            None => Ok(&[]),
            Some(Value::Array(items)) => Ok(items),
            Some(_) => Err(self.error(key, "must be a list")),
        }
    }

    /// One of a closed set of words, or `default` when absent.
    pub(super) fn word<T: Copy>(&self, key: &str, words: &[(&str, T)], default: T) -> Result<T, CompileError> {
        let Some(given) = self.text(key)? else { return Ok(default) };
        words.iter().find(|(word, _)| *word == given).map(|(_, meaning)| *meaning).ok_or_else(|| {
            let known: Vec<&str> = words.iter().map(|(word, _)| *word).collect();
            self.error(key, format!("`{given}` is not one of: {}", known.join(", ")))
        })
    }
}
