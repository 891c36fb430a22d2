//! The sentences of the codes that the pack's functions fail with.

/// Code and sentence. `{{token}}` becomes the function's name as it stands in the source; nothing else is filled in, so
/// no sentence can repeat the data.
const FAILURES: &[(&str, &str)] = &[
    (
        "eval_disabled",
        "$eval is switched off, because its source would not be seen by any check: write the expression out",
    ),
    ("invalid_base64", "the argument of ${{token}} is not Base64 of text"),
    ("not_text", "${{token}} needs a text where it got null, a list or an object: $string writes one as JSON"),
];

/// The sentence of one of our codes.
pub(in super::super) fn sentence(code: &str) -> Option<&'static str> {
    FAILURES.iter().find(|(known, _)| *known == code).map(|(_, sentence)| *sentence)
}
