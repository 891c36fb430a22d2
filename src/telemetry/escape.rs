//! Control characters made visible, for whatever is printed to a person or a log.

use std::borrow::Cow;
use std::fmt::Write as _;

/// `text` with control characters, line separators and characters that turn the writing direction as `\n`, `\u001b` and
/// the like. Inside a JSON text the value stays the same.
#[must_use]
pub fn escape_controls(text: &str) -> Cow<'_, str> {
    if !text.contains(is_harmful) {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len() + 16);
    for sign in text.chars() {
        match sign {
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            sign if is_harmful(sign) => {
                let _ = write!(out, "\\u{:04x}", u32::from(sign));
            }
            sign => out.push(sign),
        }
    }
    Cow::Owned(out)
}

const fn is_harmful(sign: char) -> bool {
    sign.is_ascii_control()
        || matches!(sign, '\u{80}'..='\u{9f}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn harmless_text_stays_as_it_is() {
        assert!(matches!(escape_controls("Ünïcode 数 🙂"), Cow::Borrowed(_)));
    }

    #[test]
    fn escaping_json_keeps_its_value() {
        let value = serde_json::json!({ "a": "\u{7f}\u{85}\u{2028}\u{202e}" });
        let escaped = escape_controls(&value.to_string()).into_owned();
        assert!(escaped.is_ascii(), "{escaped}");
        assert_eq!(serde_json::from_str::<serde_json::Value>(&escaped).unwrap(), value);
    }
}
