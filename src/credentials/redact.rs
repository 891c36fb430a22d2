//! Takes an account's secrets out of texts and documents that people and other systems will see.
//!
//! By value: each secret as it is and as it looks after the usual encodings, wherever it stands. By name: members of
//! documents whose names say that their value is secret. Built once for a run; then one pass over each text.
//!
//! A secret shorter than six bytes is only hidden by name, for it would take ordinary words out of every text. A part
//! of a secret is not recognised, so redact a text before it is cut.

mod forms;

use std::borrow::Cow;
use std::collections::{HashMap, HashSet};
use std::fmt;
use std::sync::LazyLock;

use serde::ser::{Serialize, SerializeMap as _, Serializer};
use serde_json::{Map, Value};

use super::secrets::{self, SecretPaths};
use forms::{HEAD, Heads, SHORTEST, forms_of};

/// What stands in the place of a secret.
pub const REDACTED: &str = "[redacted]";

/// The end of a text that was cut, in bytes: longer than a token.
const TAIL: usize = 2048;
/// The names that are secret in every integration, in their plain form.
static EVERYWHERE: LazyLock<Vec<Vec<u8>>> =
    LazyLock::new(|| NAMES.into_iter().chain(secrets::ALWAYS).map(|name| plain(name).collect()).collect());

/// Names whose values are never shown, beside those of a context's secret places.
const NAMES: [&str; 11] = [
    "apikey",
    "authorization",
    "bearertoken",
    "clientassertion",
    "cookie",
    "idtoken",
    "privatekey",
    "proxyauthorization",
    "setcookie",
    "xapikey",
    "xauthtoken",
];

/// Takes secrets out of texts and documents.
pub struct Redactor {
    /// The forms of the secrets by their first bytes, longest first.
    forms: HashMap<[u8; HEAD], Vec<Box<[u8]>>>,
    /// Which beginnings there are: most bytes of a text begin no form, and need no look at the map.
    heads: Heads,
    /// The secrets whose forms are known: a run learns most of its secrets twice.
    learned: HashSet<Box<str>>,
    /// Names of members beside those that are secret everywhere, in their plain form.
    names: Vec<Vec<u8>>,
}

impl fmt::Debug for Redactor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Redactor")
    }
}

impl Redactor {
    /// A redactor for the secret part of a context, the definition's own secrets and what is secret by its place.
    #[must_use]
    pub fn new(secret: &Map<String, Value>, definition_secrets: &[String], paths: &SecretPaths) -> Self {
        let names = paths.own().map(|name| plain(name).collect()).collect();
        let (forms, learned) = (HashMap::new(), HashSet::new());
        let mut redactor = Self { forms, heads: Heads::default(), learned, names };
        redactor.learn(secret);
        for value in definition_secrets {
            redactor.learn_value(value);
        }
        redactor
    }

    /// Hides the values of this secret part too, those that are known already included: after a refresh both the old
    /// and the new token may appear.
    pub fn learn(&mut self, secret: &Map<String, Value>) {
        for value in secrets::values(secret) {
            self.learn_value(&value);
        }
    }

    /// Hides this value too.
    pub fn learn_value(&mut self, secret: &str) {
        if secret.trim().len() < SHORTEST || !self.learned.insert(secret.into()) {
            return;
        }
        for form in forms_of(secret) {
            let Some(head) = form.first_chunk::<HEAD>() else { continue };
            self.heads.insert(*head);
            let known = self.forms.entry(*head).or_default();
            if !known.contains(&form) {
                known.push(form);
                known.sort_unstable_by_key(|form| std::cmp::Reverse(form.len()));
            }
        }
    }

    /// Hides what stands in a document under names that are secret.
    pub fn learn_named(&mut self, document: &Value) {
        match document {
            Value::Object(members) => {
                for (name, value) in members {
                    if self.is_secret_name(name) {
                        for secret in secrets::values_of(value) {
                            self.learn_value(&secret);
                        }
                    } else {
                        self.learn_named(value);
                    }
                }
            }
            Value::Array(items) => items.iter().for_each(|item| self.learn_named(item)),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
        }
    }

    /// `text` with every secret replaced; borrowed where it holds none.
    #[must_use]
    pub fn text<'t>(&self, text: &'t str) -> Cow<'t, str> {
        self.text_with(text, REDACTED)
    }

    /// The same with `stand_in` in the place of every secret.
    #[must_use]
    pub fn text_with<'t>(&self, text: &'t str, stand_in: &str) -> Cow<'t, str> {
        self.hidden(text, stand_in).map_or(Cow::Borrowed(text), Cow::Owned)
    }

    /// `text` with every secret replaced, if it holds any.
    fn hidden(&self, text: &str, stand_in: &str) -> Option<String> {
        let bytes = text.as_bytes();
        let mut out = String::new();
        let (mut kept, mut end) = (0, 0);
        for (at, head) in bytes.array_windows::<HEAD>().enumerate() {
            let Some(form) = self.form_at(*head, &bytes[at..]) else { continue };
            if at >= end {
                out.push_str(text.get(kept..at).unwrap_or_default());
                out.push_str(stand_in);
            }
            // Secrets may overlap; what any of them covers goes.
            end = end.max(at + form.len());
            kept = end;
        }
        out.push_str(text.get(kept..).unwrap_or_default());
        (kept > 0).then_some(out)
    }

    /// The longest form that `rest`, which begins with `head`, begins with.
    fn form_at(&self, head: [u8; HEAD], rest: &[u8]) -> Option<&[u8]> {
        if !self.heads.may_hold(head) {
            return None;
        }
        self.forms.get(&head)?.iter().find(|form| rest.starts_with(form)).map(AsRef::as_ref)
    }

    /// The beginning of `text` without secrets, at most `most` bytes on one line.
    ///
    /// `whole` is false when `text` was cut before it came here: a secret may have lost its end there, so the last part
    /// is left out.
    #[must_use]
    pub fn excerpt(&self, text: &str, most: usize, whole: bool) -> String {
        let mut clean = self.text(text).into_owned();
        if !whole {
            clean.truncate(clean.floor_char_boundary(clean.len().saturating_sub(TAIL)));
        }
        clean.truncate(clean.floor_char_boundary(most));
        // A NUL is refused by PostgreSQL, and the rest of its kind by terminals.
        clean.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
    }

    /// A document without secrets: neither in texts, numbers and keys nor under names that say so.
    #[must_use]
    pub fn value(&self, value: &Value) -> Value {
        serde_json::to_value(self.shown(value)).unwrap_or_default()
    }

    /// The same, to be written without being made first.
    #[must_use]
    pub const fn shown<'a>(&'a self, value: &'a Value) -> Redacted<'a> {
        Redacted { redactor: self, value }
    }

    /// Whether a text, number or key of the document holds a secret, wherever it stands. Names do not count.
    #[must_use]
    pub fn finds(&self, value: &Value) -> bool {
        let shown = |text: &str| self.hidden(text, REDACTED).is_some();
        match value {
            Value::String(text) => shown(text),
            Value::Number(number) => shown(&number.to_string()),
            Value::Array(items) => items.iter().any(|item| self.finds(item)),
            Value::Object(members) => members.iter().any(|(key, member)| shown(key) || self.finds(member)),
            Value::Null | Value::Bool(_) => false,
        }
    }

    /// Whether a member of this name and value would be hidden, or anything in it, by its name alone.
    #[must_use]
    pub fn hides(&self, name: &str, value: &Value) -> bool {
        match value {
            Value::Null | Value::Bool(_) => false,
            _ if self.is_secret_name(name) => true,
            Value::Object(members) => members.iter().any(|(name, value)| self.hides(name, value)),
            Value::Array(items) => items.iter().any(|item| self.hides("", item)),
            Value::Number(_) | Value::String(_) => false,
        }
    }

    /// Whether a member or header of this name is hidden whatever its value.
    #[must_use]
    pub fn is_secret_name(&self, name: &str) -> bool {
        EVERYWHERE.iter().chain(&self.names).any(|known| plain(name).eq(known.iter().copied()))
    }
}

/// A document that is written without its secrets.
pub struct Redacted<'a> {
    redactor: &'a Redactor,
    value: &'a Value,
}

impl Serialize for Redacted<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Self { redactor, value } = *self;
        match value {
            Value::String(text) => serializer.serialize_str(&redactor.text(text)),
            Value::Number(number) => match redactor.hidden(&number.to_string(), REDACTED) {
                Some(shown) => serializer.serialize_str(&shown),
                None => value.serialize(serializer),
            },
            Value::Array(items) => serializer.collect_seq(items.iter().map(|item| redactor.shown(item))),
            Value::Object(members) => {
                let mut map = serializer.serialize_map(Some(members.len()))?;
                for (name, member) in members {
                    let shown = redactor.text(name);
                    if !member.is_null() && redactor.is_secret_name(name) {
                        map.serialize_entry(&shown, REDACTED)?;
                    } else {
                        map.serialize_entry(&shown, &redactor.shown(member))?;
                    }
                }
                map.end()
            }
            Value::Null | Value::Bool(_) => value.serialize(serializer),
        }
    }
}

/// A name as it is compared: `X-Api-Key`, `x_api_key` and `xApiKey` are one.
fn plain(name: &str) -> impl Iterator<Item = u8> {
    name.bytes().filter(u8::is_ascii_alphanumeric).map(|byte| byte.to_ascii_lowercase())
}

#[cfg(test)]
mod tests {
    use super::*;
    use base64::Engine;
    use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD, URL_SAFE, URL_SAFE_NO_PAD};
    use proptest::prelude::*;
    use serde_json::json;

    fn redactor(secrets: &[&str]) -> Redactor {
        let secrets: Vec<String> = secrets.iter().map(|secret| (*secret).to_owned()).collect();
        Redactor::new(&Map::new(), &secrets, &SecretPaths::of(None))
    }

    #[test]
    fn an_excerpt_shows_no_part_of_a_secret_wherever_it_is_cut() {
        let secret = "canary-0123456789-abcdefghij-0123456789";
        let redactor = redactor(&[secret]);
        for before in 440..520 {
            let text = format!("{}{secret}{}", "x".repeat(before), "y".repeat(5000));
            let shown = redactor.excerpt(&text, 500, true);
            assert!(shown.len() <= 500 && !shown.contains("canary"), "{before}: {shown}");
        }
        // Cut before it came here, in the middle of the secret, with hardly anything left after redaction.
        let text = secret.repeat(100);
        let cut = &text[..text.len() - 20];
        assert!(!redactor.excerpt(cut, 500, false).contains("canary-"));
        assert_eq!(redactor.excerpt("one\0line\nonly", 500, true), "one line only");
    }

    #[test]
    fn a_secret_is_taken_out_wherever_it_stands() {
        let redactor = redactor(&["s3cr3t-token"]);
        for (text, expected) in [
            ("s3cr3t-token", "[redacted]"),
            ("bad token s3cr3t-token, s3cr3t-token!", "bad token [redacted], [redacted]!"),
            ("s3cr3t-tokens3cr3t-token", "[redacted][redacted]"),
            ("s3cr3t-toke", "s3cr3t-toke"),
            ("nothing", "nothing"),
            ("", ""),
            ("é s3cr3t-token é", "é [redacted] é"),
        ] {
            assert_eq!(redactor.text(text), expected);
        }
    }

    #[test]
    fn overlapping_secrets_leave_nothing_of_either() {
        let redactor = redactor(&["abcdefgh", "efghijkl", "abcdefghijklmnop"]);
        assert_eq!(redactor.text("-abcdefghijkl-"), "-[redacted]-");
        assert_eq!(redactor.text("-abcdefghijklmnop-"), "-[redacted]-");
    }

    #[test]
    fn encoded_secrets_are_taken_out() {
        let secret = "pä/ss w+rd\"?~>>?";
        let redactor = redactor(&[secret]);
        for (form, encoded) in [
            ("percent", "p%C3%A4%2Fss%20w%2Brd%22%3F~%3E%3E%3F".to_owned()),
            ("percent, lower", "p%c3%a4%2fss%20w%2brd%22%3f~%3e%3e%3f".to_owned()),
            ("form", "p%C3%A4%2Fss+w%2Brd%22%3F%7E%3E%3E%3F".to_owned()),
            ("JSON", r#"pä/ss w+rd\"?~>>?"#.to_owned()),
            ("JSON, slashes", r#"pä\/ss w+rd\"?~>>?"#.to_owned()),
            ("JSON, ASCII", r#"p\u00e4/ss w+rd\"?~>>?"#.to_owned()),
            ("hex", secret.bytes().fold(String::new(), |hex, b| hex + &format!("{b:02x}"))),
            ("HEX", secret.bytes().fold(String::new(), |hex, b| hex + &format!("{b:02X}"))),
        ] {
            assert_eq!(redactor.text(&format!("a={encoded}&b")), "a=[redacted]&b", "{form}");
        }
    }

    proptest! {
        #[test]
        fn base64_of_a_text_with_the_secret_inside_shows_no_run_of_the_secret(
            before in "[a-z]{0,5}", secret in "[ -~äöü€]{6,20}", after in "[a-z]{0,5}",
        ) {
            let redactor = redactor(&[&secret]);
            let whole = format!("{before}{secret}{after}");
            for encoded in [
                STANDARD.encode(&whole),
                URL_SAFE.encode(&whole),
                STANDARD_NO_PAD.encode(&whole),
                URL_SAFE_NO_PAD.encode(&whole),
            ] {
                let shown = redactor.text(&encoded);
                prop_assert!(shown.contains(REDACTED) || secret.trim().len() < SHORTEST, "{} {}", encoded, shown);
            }
        }

        #[test]
        fn no_text_makes_redaction_panic_or_keep_a_secret(
            text in "[a-cä%]{0,60}", secret in "[a-cä]{3,8}",
        ) {
            let redactor = redactor(&[&secret]);
            let shown = redactor.text(&text);
            prop_assert!(secret.len() < SHORTEST || !shown.contains(&secret));
        }
    }

    #[test]
    fn short_secrets_are_hidden_by_name_and_leave_other_texts_alone() {
        let secret = json!({"password": "abc"});
        let redactor = Redactor::new(secret.as_object().unwrap(), &[], &SecretPaths::of(None));
        assert_eq!(redactor.text("abc"), "abc");
        assert_eq!(redactor.value(&json!({"password": "abc"})), json!({"password": "[redacted]"}));
    }

    #[test]
    fn documents_are_redacted_by_value_and_by_name_at_every_depth() {
        let secret =
            json!({"pin": 1_234_567, "oauth": {"token": {"access_token": "canary-token", "token_type": "bearer"}}});
        let redactor = Redactor::new(secret.as_object().unwrap(), &[], &SecretPaths::of(None));
        let document = json!({
            "Authorization": "Bearer other", "X-API-Key": "x", "refreshToken": "r", "set-cookie": null, "apiSecret": {"a": 1},
            "items": [{"echo": "for canary-token", "n": 1_234_567, "m": 7, "canary-token": true}], "type": "bearer",
        });
        assert_eq!(
            redactor.value(&document),
            json!({
                "Authorization": "[redacted]", "X-API-Key": "[redacted]", "refreshToken": "[redacted]", "set-cookie": null,
                "apiSecret": "[redacted]",
                "items": [{"echo": "for [redacted]", "n": "[redacted]", "m": 7, "[redacted]": true}], "type": "bearer",
            })
        );
    }

    #[test]
    fn a_secret_that_is_learned_later_is_hidden_beside_the_earlier_ones() {
        let mut redactor = redactor(&["old-token"]);
        redactor.learn(json!({"api_key": "new-token"}).as_object().unwrap());
        assert_eq!(redactor.text("old-token new-token"), "[redacted] [redacted]");
    }

    #[test]
    fn it_does_not_print_its_secrets() {
        assert_eq!(format!("{:?}", redactor(&["canary-token"])), "Redactor");
    }
}
