//! Reading a document: a value together with the JSON pointer that leads to it, so that every complaint names a place.

use std::str::FromStr;

use serde_json::{Map, Value};

use super::error::CompileError;
use crate::expression::{Encoding, Expression, Template, Text};
use crate::lifecycle::UnknownWord;

/// A value of a document and where it is.
#[derive(Clone)]
pub(super) struct Node<'a> {
    pub(super) value: &'a Value,
    pub(super) pointer: String,
}

impl<'a> Node<'a> {
    pub(super) fn new(value: &'a Value, pointer: impl Into<String>) -> Self {
        Self { value, pointer: pointer.into() }
    }

    /// The member `key`; an explicit null counts as absent.
    pub(super) fn get(&self, key: &str) -> Option<Self> {
        self.value.get(key).filter(|value| !value.is_null()).map(|value| Self::new(value, join(&self.pointer, key)))
    }

    pub(super) fn require(&self, key: &str) -> Result<Self, CompileError> {
        self.get(key).ok_or_else(|| self.refuse(format!("`{key}` is missing")))
    }

    pub(super) fn refuse(&self, message: impl Into<String>) -> CompileError {
        CompileError::new(&self.pointer, message)
    }

    pub(super) fn text(&self) -> Result<&'a str, CompileError> {
        self.value.as_str().ok_or_else(|| self.refuse("must be a string"))
    }

    pub(super) fn flag(&self) -> Result<bool, CompileError> {
        self.value.as_bool().ok_or_else(|| self.refuse("must be true or false"))
    }

    pub(super) fn object(&self) -> Result<&'a Map<String, Value>, CompileError> {
        self.value.as_object().ok_or_else(|| self.refuse("must be an object"))
    }

    pub(super) fn entries(&self) -> Result<impl Iterator<Item = (&'a str, Self)> + use<'a, '_>, CompileError> {
        let object = self.object()?;
        Ok(object.iter().map(|(key, value)| (key.as_str(), Self::new(value, join(&self.pointer, key)))))
    }

    pub(super) fn items(&self) -> Result<impl Iterator<Item = Self> + use<'a, '_>, CompileError> {
        let items = self.value.as_array().ok_or_else(|| self.refuse("must be an array"))?;
        Ok(items.iter().enumerate().map(|(index, value)| Self::new(value, join(&self.pointer, &index.to_string()))))
    }

    /// A text that is one of a closed set of words.
    pub(super) fn word<T: FromStr<Err = UnknownWord>>(&self) -> Result<T, CompileError> {
        self.text()?.parse().map_err(|error: UnknownWord| self.refuse(error.to_string()))
    }

    /// Refuses members that are not `known`, so that a misspelt one is not silently without effect.
    pub(super) fn only(&self, known: &[&str]) -> Result<(), CompileError> {
        match self.object()?.keys().find(|key| !known.contains(&key.as_str())) {
            None => Ok(()),
            Some(key) => Err(CompileError::new(
                join(&self.pointer, key),
                format!("`{key}` is not known here; known are: {}", known.join(", ")),
            )),
        }
    }

    pub(super) fn expression(&self) -> Result<Expression, CompileError> {
        Expression::compile(self.text()?).map_err(|error| CompileError::expression(&self.pointer, &error))
    }

    pub(super) fn template(&self) -> Result<Template, CompileError> {
        Template::compile(self.value).map_err(|error| CompileError::expression(&self.pointer, &error))
    }

    /// A template for a request's query or body.
    pub(super) fn data(&self) -> Result<Template, CompileError> {
        self.template().map(Template::keeping_structure)
    }

    /// A string (or a number or boolean, as text) that has to come out complete.
    pub(super) fn complete(&self, encoding: Encoding) -> Result<Text, CompileError> {
        let source = match self.value {
            Value::String(text) => text.clone(),
            Value::Number(number) => number.to_string(),
            Value::Bool(flag) => flag.to_string(),
            _ => return Err(self.refuse("must be a string")),
        };
        self.compile(&source, encoding)
    }

    /// `source`, which was made from this value.
    pub(super) fn compile(&self, source: &str, encoding: Encoding) -> Result<Text, CompileError> {
        Text::compile(source, encoding).map_err(|error| CompileError::expression(&self.pointer, &error))
    }
}

/// `pointer` one level deeper.
pub(super) fn join(pointer: &str, key: &str) -> String {
    format!("{pointer}/{}", key.replace('~', "~0").replace('/', "~1"))
}
