//! What is tried with bytes that somebody else chose. Each target panics when one of its promises is broken.
//!
//! The fuzzer runs them for long, and `tests/it/fuzz.rs` runs them over the kept corpus and mutations of it with every
//! test run. A target's input is text: what its first line means, the target says.

mod answers;
mod definitions;
mod expressions;
mod formats;
mod urls;

/// A target: its name, and what it does with an input.
pub type Target = (&'static str, fn(&[u8]));

/// The targets by name, which is also the name of their folder under `fuzz/corpus`.
pub const TARGETS: &[Target] = &[
    ("answers", answers::run),
    ("definitions", definitions::run),
    ("expressions", expressions::run),
    ("formats", formats::run),
    ("urls", urls::run),
];

/// The text that the bytes are, and its first line.
fn lines(bytes: &[u8]) -> (String, String) {
    let text = String::from_utf8_lossy(bytes);
    let (first, rest) = text.split_once('\n').unwrap_or((&text, ""));
    (first.to_owned(), rest.to_owned())
}
