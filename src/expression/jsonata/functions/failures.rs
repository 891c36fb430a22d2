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
    ("conflicting_date_fields", "a day is named in two ways that exclude each other, or AM and PM stand with H"),
    ("invalid_url", "${{token}} needs an absolute URL with its scheme"),
    (
        "no_such_method",
        "what stands before .{{token}}() is no object that has this method: dates are made by $dtFromIso, URLs by $parseUrl",
    ),
    ("not_a_date", "{{token}} needs another date: make one with $dtFromIso"),
    ("not_a_date_field", "{{token}} needs an object of fields like year, month, day, hour and numbers"),
    ("not_a_duration", "{{token}} needs an object of units and numbers, like {'days': 1}, or milliseconds"),
    ("not_seconds", "${{token}} needs a number of seconds for the format fromSeconds"),
    ("nothing_to_read", "{{token}} needs a text and a format"),
    ("not_text", "${{token}} needs a text where it got null, a list or an object: $string writes one as JSON"),
    (
        "unknown_algorithm",
        "the algorithms are SHA-1, SHA-256, SHA-384 and SHA-512; $digest has MD5 too and $sign RS256",
    ),
    ("unknown_unit", "the units are years, quarters, months, weeks, days, hours, minutes, seconds and milliseconds"),
    (
        "unsupported_format",
        "the format has a token for the words of a language or the week of a country, which there is not here",
    ),
    ("unknown_form", "the forms of a digest are hex, base64 and base64-urlSafe"),
];

/// The sentence of one of our codes.
pub(in super::super) fn sentence(code: &str) -> Option<&'static str> {
    FAILURES.iter().find(|(known, _)| *known == code).map(|(_, sentence)| *sentence)
}
