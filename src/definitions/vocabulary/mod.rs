//! Every member that a definition may have, with what it means: the one table behind the editors' schema, the linter, and
//! what compiling lets pass in a step and a request.
//!
//! The tour: `config` is an integration's document, `steps` its actions, `request` a request and a resource's method,
//! `install` the other document, [`schema`] turns the table into JSON Schema.

mod config;
mod install;
mod request;
mod schema;
mod steps;

pub(super) use config::INTEGRATION;
pub(super) use install::{INSTALL, INSTALLS};
pub(super) use request::REQUEST;
pub use schema::{installs_schema, integration_schema};
pub(super) use steps::STEP;

/// A member of an object.
pub(super) struct Member {
    /// Its name.
    pub(super) name: &'static str,
    /// What it means: the editor's help, in whole sentences.
    pub(super) about: &'static str,
    /// What it may hold.
    pub(super) shape: Shape,
}

/// What a value may be. Null is allowed everywhere: it counts as absent, or removes what a lower layer has.
pub(super) enum Shape {
    /// Anything; it is kept and not looked into.
    Any,
    /// Literal text.
    Plain,
    /// A UUID.
    Id,
    /// A number.
    Number,
    /// True or false.
    Flag,
    /// One of these words.
    Words(&'static [&'static str]),
    /// Text with placeholders that has to come out complete.
    Text,
    /// Any JSON with placeholders in its strings.
    Template,
    /// JSONata.
    Expression,
    /// A list of these.
    List(&'static Self),
    /// An object of any names with these values.
    Map(&'static Self),
    /// An object.
    Object(&'static Object),
    /// Whichever of them fits the value's type, or the object's members.
    Either(&'static [Self]),
}

/// An object's members.
pub(super) struct Object {
    /// A name for it, under which the schema defines it once.
    pub(super) name: &'static str,
    /// What may stand in it.
    pub(super) members: &'static [Member],
    /// The members that have to be there.
    pub(super) required: &'static [&'static str],
    /// What becomes of a member that is not in the list.
    pub(super) others: Others,
    /// A member whose shape depends on another's word.
    pub(super) variants: Option<Variants>,
}

/// What becomes of a member that is not in the list.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Others {
    /// The definition is refused.
    Refused,
    /// It has no effect.
    Ignored,
    /// It belongs to somebody else and is nobody's mistake.
    Allowed,
}

/// The shape of `member` by the word that `by` holds.
pub(super) struct Variants {
    /// The member that holds the word.
    pub(super) by: &'static str,
    /// The member whose shape it decides.
    pub(super) member: &'static str,
    /// The shape for each word.
    pub(super) shapes: &'static [(&'static str, Shape)],
}

impl Object {
    /// The member of that name.
    pub(super) fn member(&self, name: &str) -> Option<&'static Member> {
        self.members.iter().find(|member| member.name == name)
    }

    /// The shape of a member in an object that holds these words.
    pub(super) fn shape(
        &self,
        name: &str,
        object: &serde_json::Map<String, serde_json::Value>,
    ) -> Option<&'static Shape> {
        let variant = self.variants.as_ref().filter(|variants| variants.member == name).and_then(|variants| {
            let word = object.get(variants.by)?.as_str()?;
            variants.shapes.iter().find(|(known, _)| *known == word).map(|(_, shape)| shape)
        });
        variant.or_else(|| self.member(name).map(|member| &member.shape))
    }

    /// The names of its members.
    pub(super) fn names(&self) -> Vec<&'static str> {
        self.members.iter().map(|member| member.name).collect()
    }
}

/// Writes a table of members without the names of the fields.
macro_rules! members {
    ($($name:literal: $shape:expr, $about:literal;)*) => {
        &[$($crate::definitions::vocabulary::Member { name: $name, shape: $shape, about: $about }),*]
    };
}
use members;

#[cfg(test)]
mod tests;
