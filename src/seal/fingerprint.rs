//! Fingerprints of JSON documents: equal documents have equal fingerprints, whatever the order of their keys.
//!
//! They are keyed, so a fingerprint that leaks tells nothing about a document, not even to somebody who guesses it.

use std::fmt;

use aws_lc_rs::hmac;
use serde_json::Value;

/// Makes fingerprints under one key.
pub struct Fingerprint(hmac::Key);

impl fmt::Debug for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Fingerprint")
    }
}

impl Fingerprint {
    /// Fingerprints under `key`, 32 random bytes that must stay the same for as long as fingerprints are compared.
    #[must_use]
    pub fn new(key: &[u8; 32]) -> Self {
        Self(hmac::Key::new(hmac::HMAC_SHA256, key))
    }

    /// The fingerprint of a document: HMAC-SHA-256 over its canonical JSON.
    #[must_use]
    pub fn of(&self, document: &Value) -> [u8; 32] {
        self.of_bytes(&canonical_json(document))
    }

    /// The fingerprint of bytes that are no JSON document.
    #[must_use]
    pub fn of_bytes(&self, bytes: &[u8]) -> [u8; 32] {
        let mut out = [0; 32];
        out.copy_from_slice(hmac::sign(&self.0, bytes).as_ref());
        out
    }
}

/// Compact JSON with the keys of every object in the order of their UTF-8 bytes.
///
/// The caller bounds the nesting: this recurses.
#[must_use]
pub fn canonical_json(document: &Value) -> Vec<u8> {
    let mut out = Vec::new();
    write_canonical(document, &mut out);
    out
}

fn write_canonical(value: &Value, out: &mut Vec<u8>) {
    match value {
        Value::Array(items) => {
            out.push(b'[');
            for (index, item) in items.iter().enumerate() {
                if index > 0 {
                    out.push(b',');
                }
                write_canonical(item, out);
            }
            out.push(b']');
        }
        Value::Object(members) => {
            let mut sorted: Vec<_> = members.iter().collect();
            sorted.sort_unstable_by_key(|(key, _)| key.as_bytes());
            out.push(b'{');
            for (index, (key, member)) in sorted.into_iter().enumerate() {
                if index > 0 {
                    out.push(b',');
                }
                write_scalar(key, out);
                out.push(b':');
                write_canonical(member, out);
            }
            out.push(b'}');
        }
        scalar => write_scalar(scalar, out),
    }
}

/// Bytes as lower-case hexadecimal digits: how hashes and fingerprints are written.
#[must_use]
pub fn hex(bytes: &[u8]) -> String {
    let digit = |value: u8| char::from(if value < 10 { b'0' + value } else { b'a' - 10 + value });
    let mut out = String::with_capacity(2 * bytes.len());
    for byte in bytes {
        out.push(digit(byte >> 4));
        out.push(digit(byte & 15));
    }
    out
}

fn write_scalar(scalar: &impl serde::Serialize, out: &mut Vec<u8>) {
    // Neither a text nor a number fails to be written, nor memory to take it.
    let _ = serde_json::to_writer(out, scalar);
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn canonical_json_is_compact_and_sorts_the_keys_of_every_object() {
        let document = json!({"b": [{"z": 1, "a": "é\n"}], "a": null, "B": 1.5, "ab": true});
        let expected = r#"{"B":1.5,"a":null,"ab":true,"b":[{"a":"é\n","z":1}]}"#;
        assert_eq!(String::from_utf8(canonical_json(&document)).unwrap(), expected);
    }

    #[test]
    fn the_order_of_keys_does_not_matter_and_everything_else_does() {
        let of = |document: &Value| Fingerprint::new(&[7; 32]).of(document);
        let one = json!({"a": 1, "b": {"c": 2, "d": 3}});
        assert_eq!(of(&one), of(&json!({"b": {"d": 3, "c": 2}, "a": 1})));
        for other in [json!({"a": 1}), json!({"a": "1", "b": {"c": 2, "d": 3}}), json!({"a": 1, "b": {"c": 3, "d": 2}})]
        {
            assert_ne!(of(&one), of(&other), "{other}");
        }
    }

    #[test]
    fn another_key_makes_other_fingerprints() {
        let document = json!({"a": 1});
        assert_ne!(Fingerprint::new(&[7; 32]).of(&document), Fingerprint::new(&[8; 32]).of(&document));
    }

    #[test]
    fn fingerprints_stay_the_same_over_versions() {
        // HMAC-SHA-256 of `{"a":1}` under 32 bytes of 0x07, computed with another implementation.
        let expected = "0d733feec304f131c0dcbceb873c317e2bcc4789397082bd429646222a2eb027";
        let fingerprint = Fingerprint::new(&[7; 32]).of(&json!({"a": 1}));
        let hex = hex(&fingerprint);
        assert_eq!(hex, expected);
    }
}
