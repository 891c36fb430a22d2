//! The pack: the functions that an expression sees beside the engine's own, by name.
//!
//! The tour: a topic has a file with its `FUNCTIONS`, which stand in [`GROUPS`]; [`call`] turns a plain function over JSON
//! values into one of the engine's; [`failures`] has the sentence of each code that they fail with; [`seeded`] is what
//! draws from the run's seed; [`unsupported`] says which names of the model's pack are refused, and why.
//!
//! Names and meaning are those of the npm package `@truto/truto-jsonata` (3.0.6), whose recorded answers are under
//! `tests/data/functions`. An expression binds only what it mentions, so the pack costs nothing elsewhere. Bound functions
//! win over the engine's own of the same name. A function is pure: same arguments, same result, no clock, no network.

#![allow(clippy::unnecessary_wraps, reason = "the functions of one table have one type")]

mod call;
mod csv;
mod currency;
mod digests;
mod encoding;
mod failures;
mod html;
mod js;
mod lodash;
mod markdown;
mod query;
mod records;
pub(super) mod seeded;
mod similarity;
mod splitter;
mod switched_off;
mod unsupported;
mod values;
mod xml;

use std::collections::HashMap;
use std::sync::LazyLock;

use jlens_core::HostFunction;

pub(super) use failures::sentence;
pub(super) use unsupported::reason;

/// A function of the pack: its name and how it is made.
pub(super) type Function = (&'static str, fn() -> HostFunction);

/// The topics.
const GROUPS: &[&[Function]] = &[
    csv::FUNCTIONS,
    currency::FUNCTIONS,
    digests::FUNCTIONS,
    encoding::FUNCTIONS,
    html::FUNCTIONS,
    lodash::FUNCTIONS,
    markdown::FUNCTIONS,
    query::FUNCTIONS,
    records::FUNCTIONS,
    similarity::FUNCTIONS,
    splitter::FUNCTIONS,
    switched_off::FUNCTIONS,
    values::FUNCTIONS,
    xml::FUNCTIONS,
];

type ByName = HashMap<&'static str, fn() -> HostFunction>;

static BY_NAME: LazyLock<ByName> = LazyLock::new(|| GROUPS.iter().copied().flatten().copied().collect());

/// The names of the pack.
pub(super) fn names() -> impl Iterator<Item = &'static str> {
    GROUPS.iter().copied().flatten().map(|(name, _)| *name)
}

/// The function of this name, if the pack has one.
pub(super) fn find(name: &str) -> Option<HostFunction> {
    BY_NAME.get(name).map(|make| make())
}

#[cfg(test)]
mod tests;
