//! The sentences of the codes that the pack's functions fail with.

/// Code and sentence. `{{token}}` becomes the function's name as it stands in the source; nothing else is filled in, so
/// no sentence can repeat the data.
const FAILURES: &[(&str, &str)] = &[
    (
        "eval_disabled",
        "$eval is switched off, because its source would not be seen by any check: write the expression out",
    ),
    ("empty_secret", "${{token}} got no secret to sign with: is the name in the context right?"),
    (
        "function_given",
        "${{token}} takes no function: name a property, or give an object of the fields to match; $map, $filter and \
         $reduce take functions",
    ),
    ("html_too_large", "the HTML that ${{token}} got is nested too deep, or has too many elements or attributes"),
    ("invalid_base64", "the argument of ${{token}} is not Base64 of text"),
    ("invalid_option", "an option of ${{token}} has a value that it does not know"),
    (
        "invalid_private_key",
        "${{token}} needs an RSA key in PKCS#8 for RS256: a text that begins with BEGIN PRIVATE KEY",
    ),
    ("invalid_xml", "the text that ${{token}} got is not well-formed XML"),
    ("list_too_long", "${{token}} would make a list that is too long"),
    ("nested_too_deep", "an argument of ${{token}} is nested deeper than 200 levels"),
    ("not_a_list", "${{token}} needs a list where it got nothing or null"),
    ("not_text", "${{token}} needs a text where it got null, a list or an object: $string writes one as JSON"),
    ("query_limit", "the query string of ${{token}} has more or deeper names than the limits allow"),
    ("text_too_long", "${{token}} would make a text that is too long"),
    ("too_much_work", "${{token}} would take too long over this much data"),
    (
        "unknown_algorithm",
        "the algorithms are SHA-1, SHA-256, SHA-384 and SHA-512; $digest has MD5 too and $sign RS256",
    ),
    ("unknown_form", "the forms of a digest are hex, base64 and base64-urlSafe"),
    ("wrong_type", "an argument of ${{token}} is not of the type it needs"),
    ("xml_declarations", "the document type of the XML that ${{token}} got holds declarations, which are not read"),
    ("xml_not_compact", "${{token}} has the compact mapping only: give no options, or `compact: true` among them"),
    ("xml_too_large", "the XML of ${{token}} is nested too deep, or has too many elements"),
    (
        "xml_unwritable",
        "the value that ${{token}} got has no XML: a name, a list in a list, or a character does not fit",
    ),
];

/// The sentence of one of our codes.
pub(in super::super) fn sentence(code: &str) -> Option<&'static str> {
    FAILURES.iter().find(|(known, _)| *known == code).map(|(_, sentence)| *sentence)
}
