//! Values that are seen in several places and kept once.
//!
//! A run shows its context under three names, and an answer in up to six places. A [`Shared`] is held by all of them, and
//! a [`Place`] is what both languages walk: it borrows, whatever the values are put together from.

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::{Map, Value};

/// A JSON value that others hold too. A clone copies nothing.
#[derive(Clone, PartialEq)]
pub enum Shared {
    /// A value.
    Value(Arc<Value>),
    /// An object of values of its own.
    Members(Arc<Map<String, Value>>),
    /// An object of shared values, in order, each name once.
    Parts(Arc<Vec<(Cow<'static, str>, Shared)>>),
}

impl Shared {
    /// An object of shared values; each name once.
    #[must_use]
    pub fn of_parts<const N: usize>(parts: [(&'static str, Self); N]) -> Self {
        Self::Parts(Arc::new(parts.into_iter().map(|(name, part)| (name.into(), part)).collect()))
    }

    /// The part of an object of shared values.
    #[must_use]
    pub fn part(&self, name: &str) -> Option<&Self> {
        match self {
            Self::Parts(parts) => parts.iter().find(|(known, _)| known == name).map(|(_, part)| part),
            Self::Value(_) | Self::Members(_) => None,
        }
    }

    pub(super) fn place(&self) -> Place<'_> {
        match self {
            Self::Value(value) => Place::Value(value),
            Self::Members(members) => Place::Object { over: &[], base: Some(members) },
            Self::Parts(parts) => Place::Object { over: parts, base: None },
        }
    }
}

impl From<Value> for Shared {
    fn from(value: Value) -> Self {
        Self::Value(Arc::new(value))
    }
}

impl From<Arc<Value>> for Shared {
    fn from(value: Arc<Value>) -> Self {
        Self::Value(value)
    }
}

impl From<Arc<Map<String, Value>>> for Shared {
    fn from(members: Arc<Map<String, Value>>) -> Self {
        Self::Members(members)
    }
}

/// It may hold secrets.
impl fmt::Debug for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Shared")
    }
}

impl Serialize for Shared {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Value(value) => value.as_ref().serialize(serializer),
            Self::Members(members) => members.as_ref().serialize(serializer),
            Self::Parts(parts) => serializer.collect_map(parts.iter().map(|(name, part)| (name, part))),
        }
    }
}

impl<'de> Deserialize<'de> for Shared {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Value::deserialize(deserializer).map(Self::from)
    }
}

/// Where a path has led.
#[derive(Clone, Copy)]
pub(super) enum Place<'a> {
    Value(&'a Value),
    /// The members of `base`, and over them those of `over`.
    Object {
        over: &'a [(Cow<'static, str>, Shared)],
        base: Option<&'a Map<String, Value>>,
    },
}

impl<'a> Place<'a> {
    /// The member of an object.
    pub(super) fn member(self, name: &str) -> Option<Self> {
        match self {
            Self::Value(value) => value.get(name).map(Self::Value),
            Self::Object { over, base } => over
                .iter()
                .find(|(known, _)| known == name)
                .map(|(_, part)| part.place())
                .or_else(|| base?.get(name).map(Self::Value)),
        }
    }

    /// The items of an array.
    pub(super) fn items(self) -> Option<&'a [Value]> {
        match self {
            Self::Value(Value::Array(items)) => Some(items),
            Self::Value(_) | Self::Object { .. } => None,
        }
    }

    /// The members of an object, in order; none of anything else.
    pub(super) fn members(self) -> impl Iterator<Item = (&'a str, Self)> {
        let (over, base) = match self {
            Self::Value(value) => (&[][..], value.as_object()),
            Self::Object { over, base } => (over, base),
        };
        let shown = move |(name, _): &(&String, &Value)| over.iter().all(|(known, _)| known != *name);
        let base = base.into_iter().flatten().filter(shown).map(|(name, value)| (name.as_str(), Self::Value(value)));
        base.chain(over.iter().map(|(name, part)| (name.as_ref(), part.place())))
    }

    /// As a value; put together where it is none.
    pub(super) fn value(self) -> Cow<'a, Value> {
        match self {
            Self::Value(value) => Cow::Borrowed(value),
            Self::Object { .. } => Cow::Owned(Value::Object(
                self.members().map(|(name, place)| (name.to_owned(), place.value().into_owned())).collect(),
            )),
        }
    }
}
