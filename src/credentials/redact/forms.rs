//! What a secret looks like in texts, and a quick way to see that nothing of it begins at a byte.

use std::borrow::Cow;
use std::fmt::Write as _;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::Value;

use crate::seal::hex;

/// The shortest secret that is looked for by value, in bytes.
pub(super) const SHORTEST: usize = 6;
/// The length of the beginnings by which secrets are found, in bytes.
pub(super) const HEAD: usize = 4;

/// Everything that RFC 3986 does not call unreserved.
const RESERVED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// A set of beginnings that may answer yes for one that it does not hold, and never no for one that it holds.
pub(super) struct Heads([u64; 64]);

impl Default for Heads {
    fn default() -> Self {
        Self([0; 64])
    }
}

impl Heads {
    pub(super) fn insert(&mut self, head: [u8; HEAD]) {
        let (word, bit) = Self::place(head);
        self.0[word] |= bit;
    }

    pub(super) const fn may_hold(&self, head: [u8; HEAD]) -> bool {
        let (word, bit) = Self::place(head);
        self.0[word] & bit != 0
    }

    /// One of 4096 places: the upper bits of a product depend on all four bytes.
    const fn place(head: [u8; HEAD]) -> (usize, u64) {
        let place = u32::from_le_bytes(head).wrapping_mul(0x9E37_79B1) >> 20;
        ((place >> 6) as usize, 1 << (place & 63))
    }
}

/// The secret and what encoders make of it, each once. All forms of a text begin and end at characters.
pub(super) fn forms_of(secret: &str) -> Vec<Box<[u8]>> {
    let mut forms = Forms(Vec::new());
    forms.add(secret);
    forms.add(secret.trim());
    let form: String = url::form_urlencoded::byte_serialize(secret.as_bytes()).collect();
    // Some encoders leave letters and digits alone and nothing else.
    for encoded in [
        Cow::from(utf8_percent_encode(secret, RESERVED)),
        Cow::from(utf8_percent_encode(secret, NON_ALPHANUMERIC)),
        Cow::from(form),
    ] {
        if encoded.contains('%') {
            forms.add(lower_escapes(&encoded));
        }
        forms.add(encoded);
    }
    let json = Value::from(secret).to_string();
    let json = json.strip_prefix('"').and_then(|json| json.strip_suffix('"')).unwrap_or_default();
    forms.add(json);
    if json.contains('/') {
        forms.add(json.replace('/', r"\/"));
    }
    if !json.is_ascii() {
        forms.add(ascii_json(json));
    }
    let hex = hex(secret.as_bytes());
    forms.add(hex.to_ascii_uppercase());
    forms.add(hex);
    for before in 0..3 {
        let inside = base64_inside(secret, before);
        if inside.contains(['+', '/']) {
            forms.add(inside.replace('+', "-").replace('/', "_"));
        }
        forms.add(inside);
    }
    forms.0
}

/// Forms of one secret: most encoders leave most secrets as they are.
struct Forms(Vec<Box<[u8]>>);

impl Forms {
    fn add<'a>(&mut self, form: impl Into<Cow<'a, str>>) {
        let form = form.into();
        if form.len() >= SHORTEST && !self.0.iter().any(|known| **known == *form.as_bytes()) {
            self.0.push(form.into_owned().into_bytes().into_boxed_slice());
        }
    }
}

/// `%2F` as `%2f`.
fn lower_escapes(percent: &str) -> String {
    let mut after = 0;
    let lower = |c: char| {
        after = if c == '%' { 2 } else { i32::max(after - 1, -1) };
        if after >= 0 && c != '%' { c.to_ascii_lowercase() } else { c }
    };
    percent.chars().map(lower).collect()
}

/// JSON text with everything beyond ASCII escaped, as many encoders write it.
fn ascii_json(json: &str) -> String {
    let mut out = String::new();
    for c in json.chars() {
        if c.is_ascii() {
            out.push(c);
        } else {
            for unit in c.encode_utf16(&mut [0; 2]) {
                let _ = write!(out, "\\u{unit:04x}");
            }
        }
    }
    out
}

/// The base64 characters that a secret alone decides when `before` bytes (modulo 3) stand in front of it.
fn base64_inside(secret: &str, before: usize) -> String {
    let mut bytes = vec![0; before];
    bytes.extend_from_slice(secret.as_bytes());
    let first = (before * 8).div_ceil(6);
    let last = bytes.len() * 8 / 6;
    STANDARD.encode(&bytes).get(first..last).unwrap_or_default().to_owned()
}
