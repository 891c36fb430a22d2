//! The fuzzer's targets over the kept corpus and mutations of it: the short pass. `scripts/fuzz` is the long one.

use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

#[path = "../../fuzz/src/targets/mod.rs"]
#[expect(unreachable_pub, reason = "it is written for the crate beside this one")]
mod targets;

/// Mutations of each text that is kept.
const MUTATIONS: u64 = 6;

/// The stack that the program gives its own threads, and more for a build without optimisation.
const STACK_BYTES: usize = 64 << 20;

fn pass(name: &'static str) {
    let thread = std::thread::Builder::new().stack_size(STACK_BYTES);
    thread.spawn(|| over_corpus(name)).unwrap().join().unwrap();
}

/// Runs a target over its corpus.
fn over_corpus(name: &str) {
    let (_, run) = targets::TARGETS.iter().find(|(known, _)| *known == name).unwrap();
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus").join(format!("{name}.jsonl"));
    let kept: Vec<String> =
        fs::read_to_string(file).unwrap().lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert!(kept.len() >= 20, "{}", kept.len());
    let mut chance = Chance(0x5eed);
    for text in &kept {
        tried(*run, text.as_bytes());
        for _ in 0..MUTATIONS {
            let other = &kept[chance.below(kept.len())];
            tried(*run, &chance.mutated(text.as_bytes(), other.as_bytes()));
        }
    }
}

/// Runs it over one input, which is told when a promise is broken.
#[track_caller]
fn tried(run: fn(&[u8]), bytes: &[u8]) {
    let outcome = catch_unwind(AssertUnwindSafe(|| run(bytes)));
    assert!(outcome.is_ok(), "on {:?}", String::from_utf8_lossy(bytes));
}

/// The same numbers every time.
struct Chance(u64);

impl Chance {
    fn below(&mut self, end: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % end.max(1) as u64) as usize
    }

    /// A few changes: a byte, a piece taken out, doubled, or taken from another text, a piece many times over.
    fn mutated(&mut self, text: &[u8], other: &[u8]) -> Vec<u8> {
        const PIECES: [&str; 12] = ["{{", "}}", "\0", "\"", "\\", "[", "../", "%2e", "é", "1e999", "$", "\u{1f30a}"];
        let mut bytes = text.to_vec();
        for _ in 0..=self.below(3) {
            let at = self.below(bytes.len() + 1);
            let end = at + self.below(bytes.len() + 1 - at);
            match self.below(6) {
                0 if at < bytes.len() => bytes[at] = self.below(256) as u8,
                1 => drop(bytes.splice(at..end, [])),
                2 => drop(bytes.splice(at..at, bytes[at..end].to_vec())),
                3 => drop(bytes.splice(at..end, other[self.below(other.len() + 1)..].to_vec())),
                4 => {
                    let piece = bytes[at..end.min(at + 8)].repeat(1 + self.below(200));
                    drop(bytes.splice(at..at, piece));
                }
                _ => drop(bytes.splice(at..at, PIECES[self.below(PIECES.len())].bytes())),
            }
        }
        bytes
    }
}

#[test]
fn whatever_a_provider_answers_the_run_ends_and_goes_nowhere_else() {
    pass("answers");
}

#[test]
fn whatever_a_definition_holds_it_is_judged() {
    pass("definitions");
}

#[test]
fn whatever_an_expression_or_template_says_it_has_an_outcome() {
    pass("expressions");
}

#[test]
fn whatever_a_text_holds_the_parsers_come_to_an_end() {
    pass("formats");
}

#[test]
fn whatever_values_an_account_brings_no_request_leaves_the_definitions_host() {
    pass("urls");
}
