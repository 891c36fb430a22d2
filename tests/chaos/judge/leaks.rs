//! Looks for the canaries of the corpus, plain and in the forms in which a secret travels.

use super::{Rule, Verdict};
use crate::history::History;
use crate::markers::CANARY;

/// `cnry` and the first bits of the digit behind it in base64, at each of the three alignments; and in hexadecimal.
const FORMS: [(&str, &str); 5] = [
    ("as it is", CANARY),
    ("in base64", "Y25ye"),
    ("in base64", "Nucn"),
    ("in base64", "jbnJ5"),
    ("in hexadecimal", "636e7279"),
];

pub fn check(history: &History, verdict: &mut Verdict) {
    let events = ("the event file", history.events.as_slice());
    let texts = history.texts.iter().map(|text| (text.name.as_str(), text.bytes.as_slice()));
    for (name, bytes) in std::iter::once(events).chain(texts) {
        // A database's files are not text; what is replaced in them is not part of a canary.
        let text = String::from_utf8_lossy(bytes);
        for (form, needle) in FORMS {
            if let Some((at, _)) = text.match_indices(needle).find(|(at, _)| genuine(text.as_bytes(), *at, needle)) {
                verdict.breaks(Rule::Leak, format!("A token is in {name}, {form}, {}.", place(&text, at)));
            }
        }
    }
}

/// Whether a hit is followed by what follows in a canary; the short forms turn up by chance in compressed or sealed
/// bytes.
fn genuine(bytes: &[u8], at: usize, needle: &str) -> bool {
    let rest = &bytes[at + needle.len()..];
    let digits = |count: usize, test: fn(&u8) -> bool| rest.len() >= count && rest[..count].iter().all(test);
    match needle {
        CANARY => digits(24, u8::is_ascii_hexdigit),
        "636e7279" => digits(48, u8::is_ascii_hexdigit),
        _ => digits(28, u8::is_ascii_alphanumeric),
    }
}

fn place(text: &str, at: usize) -> String {
    format!("line {}", text[..at].matches('\n').count() + 1)
}
