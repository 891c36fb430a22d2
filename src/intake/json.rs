//! JSON as producers send it: strict where parsers disagree or a database would refuse.
//!
//! One pass makes the value and checks it: one object key once, nesting, number of keys, sizes, and no NUL, which no
//! later stage could store.

use std::cell::RefCell;
use std::fmt;

use serde::de::{DeserializeSeed, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};

use super::Refusal;
use crate::lifecycle::IntakeCode;

/// The largest message, in bytes.
pub const MAX_BYTES: usize = 1024 * 1024;
/// The deepest nesting of arrays and objects.
const MAX_DEPTH: usize = 64;
/// The most object keys in a message.
const MAX_KEYS: usize = 10_000;
/// The longest object key, in bytes.
const MAX_KEY_BYTES: usize = 1024;
/// The longest string, in bytes.
const MAX_STRING_BYTES: usize = 256 * 1024;
/// The largest integer that a double holds exactly, and that expressions do not change.
const MAX_SAFE: f64 = 9_007_199_254_740_991.0;

/// Reads one JSON value.
///
/// # Errors
/// A [`Refusal`] that names what is wrong and where.
pub fn parse(bytes: &[u8]) -> Result<Value, Refusal> {
    if bytes.len() > MAX_BYTES {
        let message = format!("the message has {} bytes, the most is {MAX_BYTES}", bytes.len());
        return Err(Refusal::new(IntakeCode::TooLarge, message));
    }
    let text = std::str::from_utf8(bytes).map_err(|error| {
        Refusal::new(IntakeCode::Malformed, format!("not UTF-8 from byte {} on", error.valid_up_to()))
    })?;
    if text.starts_with('\u{feff}') {
        return Err(Refusal::new(IntakeCode::Malformed, "the text begins with a byte order mark: send plain UTF-8"));
    }
    if text.trim().is_empty() {
        return Err(Refusal::new(IntakeCode::Malformed, "the message is empty"));
    }
    let state = RefCell::new(State::default());
    let mut deserializer = serde_json::Deserializer::from_str(text);
    Strict { state: &state, depth: 0 }
        .deserialize(&mut deserializer)
        .and_then(|value| deserializer.end().map(|()| value))
        .map_err(|error| state.take().refusal.unwrap_or_else(|| syntax(&error)))
}

fn syntax(error: &serde_json::Error) -> Refusal {
    // serde_json has no codes for these; its texts are pinned by the tests below.
    let text = error.to_string();
    let code = if text.starts_with("number out of range") {
        IntakeCode::UnsafeNumber
    } else if text.contains("surrogate") || text.contains("end of hex escape") {
        IntakeCode::BadCharacter
    } else {
        IntakeCode::Malformed
    };
    Refusal::new(code, format!("not JSON: {text}"))
}

/// Finds the first number that an expression would change: an integer beyond 2^53, or a negative zero.
pub fn unsafe_number(value: &Value, pointer: &mut String) -> bool {
    let at = pointer.len();
    match value {
        Value::Number(number) => !is_safe(number),
        Value::Array(items) => items.iter().enumerate().any(|(index, item)| {
            pointer.truncate(at);
            pointer.push('/');
            pointer.push_str(&index.to_string());
            unsafe_number(item, pointer)
        }),
        Value::Object(map) => unsafe_number_in(map, pointer),
        Value::Null | Value::Bool(_) | Value::String(_) => false,
    }
}

/// Whether an object holds one; the pointer then leads to it.
pub fn unsafe_number_in(map: &Map<String, Value>, pointer: &mut String) -> bool {
    let at = pointer.len();
    map.iter().any(|(key, item)| {
        pointer.truncate(at);
        pointer.push('/');
        pointer.push_str(&key.replace('~', "~0").replace('/', "~1"));
        unsafe_number(item, pointer)
    })
}

fn is_safe(number: &Number) -> bool {
    let Some(float) = number.as_f64() else { return false };
    float.abs() <= MAX_SAFE && !(float == 0.0 && float.is_sign_negative())
}

#[derive(Debug, Default)]
struct State {
    keys: usize,
    refusal: Option<Refusal>,
}

#[derive(Clone, Copy)]
struct Strict<'a> {
    state: &'a RefCell<State>,
    depth: usize,
}

impl Strict<'_> {
    fn refuse<E: serde::de::Error>(&self, code: IntakeCode, message: impl Into<String>) -> E {
        self.state.borrow_mut().refusal = Some(Refusal::new(code, message));
        E::custom("refused")
    }

    fn inside<E: serde::de::Error>(&self) -> Result<Self, E> {
        if self.depth == MAX_DEPTH {
            return Err(self.refuse(IntakeCode::TooComplex, format!("nesting is deeper than {MAX_DEPTH} levels")));
        }
        Ok(Self { depth: self.depth + 1, ..*self })
    }

    fn text<E: serde::de::Error>(&self, text: String) -> Result<String, E> {
        if text.len() > MAX_STRING_BYTES {
            return Err(self.refuse(
                IntakeCode::TooComplex,
                format!("a string has {} bytes, the most is {MAX_STRING_BYTES}", text.len()),
            ));
        }
        if text.contains('\0') {
            return Err(self.refuse(IntakeCode::BadCharacter, "a string holds NUL (\\u0000), which cannot be stored"));
        }
        Ok(text)
    }

    fn key<E: serde::de::Error>(&self, key: &str, seen: &Map<String, Value>) -> Result<(), E> {
        let mut state = self.state.borrow_mut();
        state.keys += 1;
        let too_many = state.keys > MAX_KEYS;
        drop(state);
        if too_many {
            return Err(self.refuse(IntakeCode::TooComplex, format!("there are more than {MAX_KEYS} keys")));
        }
        if key.len() > MAX_KEY_BYTES {
            return Err(self.refuse(IntakeCode::TooComplex, format!("a key is longer than {MAX_KEY_BYTES} bytes")));
        }
        if key.contains('\0') {
            return Err(self.refuse(IntakeCode::BadCharacter, "a key holds NUL (\\u0000), which cannot be stored"));
        }
        if seen.contains_key(key) {
            let shown: String = key.chars().take(64).collect();
            return Err(self.refuse(IntakeCode::DuplicateKey, format!("the key {shown:?} stands twice in one object")));
        }
        Ok(())
    }
}

impl<'de> DeserializeSeed<'de> for Strict<'_> {
    type Value = Value;
    fn deserialize<D: serde::Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Strict<'_> {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }
    fn visit_unit<E: serde::de::Error>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }
    fn visit_bool<E: serde::de::Error>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }
    fn visit_i64<E: serde::de::Error>(self, value: i64) -> Result<Value, E> {
        Ok(Value::from(value))
    }
    fn visit_u64<E: serde::de::Error>(self, value: u64) -> Result<Value, E> {
        Ok(Value::from(value))
    }
    fn visit_f64<E: serde::de::Error>(self, value: f64) -> Result<Value, E> {
        Number::from_f64(value).map(Value::Number).ok_or_else(|| E::custom("not a finite number"))
    }
    fn visit_str<E: serde::de::Error>(self, value: &str) -> Result<Value, E> {
        self.visit_string(value.to_owned())
    }
    fn visit_string<E: serde::de::Error>(self, value: String) -> Result<Value, E> {
        self.text(value).map(Value::String)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Value, A::Error> {
        let inside = self.inside()?;
        let mut items = Vec::new();
        while let Some(item) = seq.next_element_seed(inside)? {
            items.push(item);
        }
        Ok(Value::Array(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Value, A::Error> {
        let inside = self.inside()?;
        let mut object = Map::new();
        while let Some(key) = map.next_key::<String>()? {
            inside.key(&key, &object)?;
            let value = map.next_value_seed(inside)?;
            object.insert(key, value);
        }
        Ok(Value::Object(object))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn code(text: &[u8]) -> Result<Value, IntakeCode> {
        parse(text).map_err(|refusal| refusal.code)
    }

    #[test]
    fn what_is_not_one_json_text_in_utf8_is_malformed() {
        for text in [
            &b""[..],
            b"  ",
            b"{",
            b"{} {}",
            b"{\"a\":1,}",
            b"\xff\xfe{\0}\0",
            b"\xef\xbb\xbf{}",
            b"nope",
            b"\x1f\x8b\x08",
        ] {
            assert_eq!(code(text), Err(IntakeCode::Malformed), "{text:?}");
        }
    }

    #[test]
    fn a_key_that_stands_twice_is_refused_at_every_level() {
        assert_eq!(code(br#"{"a":1,"a":1}"#), Err(IntakeCode::DuplicateKey));
        assert_eq!(code(br#"{"x":[{"b":{"a":1,"\u0061":2}}]}"#), Err(IntakeCode::DuplicateKey));
        assert!(code(br#"{"a":{"a":1},"b":{"a":2}}"#).is_ok());
    }

    #[test]
    fn sixty_four_levels_pass_and_one_more_does_not() {
        let nested = |levels: usize| format!("{}{}", "[".repeat(levels), "]".repeat(levels));
        assert!(code(nested(64).as_bytes()).is_ok());
        assert_eq!(code(nested(65).as_bytes()), Err(IntakeCode::TooComplex));
        assert_eq!(code(nested(100_000).as_bytes()), Err(IntakeCode::TooComplex));
    }

    #[test]
    fn keys_and_strings_have_their_limits() {
        let keys = |count: usize| {
            let body: Vec<String> = (0..count).map(|index| format!("\"k{index}\":0")).collect();
            format!("{{{}}}", body.join(","))
        };
        assert!(code(keys(10_000).as_bytes()).is_ok());
        assert_eq!(code(keys(10_001).as_bytes()), Err(IntakeCode::TooComplex));
        assert_eq!(code(format!("{{\"{}\":1}}", "k".repeat(1025)).as_bytes()), Err(IntakeCode::TooComplex));
        assert_eq!(code(format!("\"{}\"", "s".repeat(256 * 1024 + 1)).as_bytes()), Err(IntakeCode::TooComplex));
        assert_eq!(code(&vec![b' '; MAX_BYTES + 1]), Err(IntakeCode::TooLarge));
    }

    #[test]
    fn what_no_database_stores_is_a_bad_character() {
        assert_eq!(code(br#"{"a":"x\u0000y"}"#), Err(IntakeCode::BadCharacter));
        assert_eq!(code(br#"{"a\u0000":1}"#), Err(IntakeCode::BadCharacter));
        assert_eq!(code(br#"{"a":"\ud800"}"#), Err(IntakeCode::BadCharacter));
        assert_eq!(code(br#"{"a":"\udc00 "}"#), Err(IntakeCode::BadCharacter));
    }

    #[test]
    fn numbers_that_expressions_would_change_are_found_with_their_path() {
        let found = |text: &str| {
            let mut pointer = String::from("/context");
            unsafe_number(&serde_json::from_str(text).unwrap(), &mut pointer).then_some(pointer)
        };
        assert_eq!(found(r#"{"a":{"b~/c":[1,9007199254740993]}}"#).as_deref(), Some("/context/a/b~0~1c/1"));
        assert_eq!(found(r#"{"id":12345678901234567890}"#).as_deref(), Some("/context/id"));
        assert_eq!(found(r#"{"id":-0}"#).as_deref(), Some("/context/id"));
        assert_eq!(found(r#"{"id":1e300}"#).as_deref(), Some("/context/id"));
        assert_eq!(found(r#"{"a":9007199254740991,"b":-9007199254740991,"c":0.1,"d":0}"#), None);
        assert_eq!(code(br#"{"a":1e999}"#), Err(IntakeCode::UnsafeNumber));
    }
}
