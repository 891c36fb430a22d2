//! The sentences of the codes that the pack's functions fail with.

/// Code and sentence. `{{token}}` becomes the function's name as it stands in the source; nothing else is filled in, so
/// no sentence can repeat the data.
const FAILURES: &[(&str, &str)] = &[
    (
        "eval_disabled",
        "$eval is switched off, because its source would not be seen by any check: write the expression out",
    ),
    ("empty_secret", "${{token}} got no secret to sign with: is the name in the context right?"),
    ("invalid_base64", "the argument of ${{token}} is not Base64 of text"),
    (
        "invalid_private_key",
        "${{token}} needs an RSA key in PKCS#8 for RS256: a text that begins with BEGIN PRIVATE KEY",
    ),
    ("not_a_list", "${{token}} needs a list where it got nothing or null"),
    ("not_text", "${{token}} needs a text where it got null, a list or an object: $string writes one as JSON"),
    (
        "unknown_algorithm",
        "the algorithms are SHA-1, SHA-256, SHA-384 and SHA-512; $digest has MD5 too and $sign RS256",
    ),
    ("unknown_form", "the forms of a digest are hex, base64 and base64-urlSafe"),
];

/// The sentence of one of our codes.
pub(in super::super) fn sentence(code: &str) -> Option<&'static str> {
    FAILURES.iter().find(|(known, _)| *known == code).map(|(_, sentence)| *sentence)
}
