//! The pack: the functions that an expression sees beside the engine's own, by name.
//!
//! The tour: a topic has a file with its `FUNCTIONS`, which stand in [`GROUPS`]; [`call`] turns a plain function over JSON
//! values into one of the engine's; [`failures`] has the sentence of each code that they fail with; [`seeded`] is what
//! depends on the run (its time, its seed) and is made anew for each evaluation; [`objects`] are dates and URLs, which have
//! methods; [`unsupported`] says which names of the model's pack are refused, and why.
//!
//! Names and meaning are those of the npm package `@truto/truto-jsonata` (3.0.6), whose recorded answers are under
//! `tests/data/functions`. An expression binds only what it mentions, so the pack costs nothing elsewhere. Bound functions
//! win over the engine's own of the same name. A function is pure: same arguments, same result, no clock, no network.

#![allow(clippy::unnecessary_wraps, reason = "the functions of one table have one type")]

mod call;
mod csv;
mod currency;
mod dates;
mod digests;
pub(super) mod each_once;
mod encoding;
mod failures;
mod html;
mod js;
mod lodash;
mod markdown;
pub(super) mod objects;
mod query;
mod records;
pub(super) mod replace;
pub(super) mod seeded;
mod similarity;
mod splitter;
mod switched_off;
mod unsupported;
mod urls;
mod values;
mod xml;

use std::collections::HashMap;
use std::sync::LazyLock;

use jlens_core::HostFunction;

pub(super) use failures::sentence;
pub(super) use unsupported::reason;

/// A function of the pack: its name and how it is made.
pub(super) type Function = (&'static str, fn() -> HostFunction);

/// A function that depends on the run.
pub(super) type OfARun = (&'static str, fn(seeded::Run) -> HostFunction);

const OF_A_RUN: &[&[OfARun]] = &[dates::OF_A_RUN, seeded::OF_A_RUN];

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
    urls::FUNCTIONS,
    values::FUNCTIONS,
    xml::FUNCTIONS,
];

type ByName = HashMap<&'static str, fn() -> HostFunction>;

static BY_NAME: LazyLock<ByName> = LazyLock::new(|| GROUPS.iter().copied().flatten().copied().collect());

/// The names of the pack.
pub(super) fn names() -> impl Iterator<Item = &'static str> {
    let of_a_run = OF_A_RUN.iter().copied().flatten().map(|(name, _)| *name);
    GROUPS.iter().copied().flatten().map(|(name, _)| *name).chain(of_a_run)
}

/// The function of this name, if the pack has one.
pub(super) fn find(name: &str) -> Option<HostFunction> {
    BY_NAME.get(name).map(|make| make())
}

/// The function of this name that depends on the run, if the pack has one.
pub(super) fn find_of_a_run(name: &str) -> Option<OfARun> {
    OF_A_RUN.iter().copied().flatten().find(|(known, _)| *known == name).copied()
}

#[cfg(test)]
mod tests;
