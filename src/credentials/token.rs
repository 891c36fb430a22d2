//! The OAuth token in a context: `oauth.token`.

use serde_json::{Map, Value};

use crate::clock::rfc3339;

/// The longest life of a token that is believed, in seconds: a year.
pub const LONGEST_LIFE_S: i64 = 365 * 24 * 60 * 60;

/// The token's object.
#[must_use]
pub fn token(context: &Map<String, Value>) -> Option<&Map<String, Value>> {
    context.get("oauth")?.get("token")?.as_object()
}

/// The refresh token, unless it is empty.
#[must_use]
pub fn refresh_token(context: &Map<String, Value>) -> Option<&str> {
    token(context)?.get("refresh_token")?.as_str().filter(|token| !token.is_empty())
}

/// Whether the two contexts hold different tokens.
#[must_use]
pub fn is_another(before: &Map<String, Value>, after: &Map<String, Value>) -> bool {
    let access = |context| token(context).and_then(|token| token.get("access_token"));
    access(before) != access(after) || refresh_token(before) != refresh_token(after)
}

/// Gives `context` the token of another one.
pub fn replace(context: &mut Map<String, Value>, of: &Map<String, Value>) {
    let Some(token) = token(of).cloned().map(Value::Object) else { return };
    let oauth = context.entry("oauth").or_insert_with(|| Value::Object(Map::new()));
    if let Value::Object(oauth) = oauth {
        oauth.insert("token".to_owned(), token);
    }
}

/// When the access token expires, in milliseconds since the epoch, if that is known.
#[must_use]
pub fn expires_at_ms(context: &Map<String, Value>) -> Option<i64> {
    instant_ms(token(context)?.get("expires_at")?)
}

/// Whether a value can be sent as a token: text, not empty, without line breaks or NUL.
#[must_use]
pub fn is_sendable(value: &Value) -> bool {
    value.as_str().is_some_and(|text| !text.is_empty() && !text.contains(['\r', '\n', '\0']))
}

/// Reads an instant as providers write it: RFC 3339, or seconds since the epoch. In milliseconds.
pub(super) fn instant_ms(value: &Value) -> Option<i64> {
    if let Some(instant) = value.as_str().and_then(|text| text.parse::<jiff::Timestamp>().ok()) {
        return Some(instant.as_millisecond());
    }
    seconds(value)?.checked_mul(1_000)
}

/// Reads a count of seconds: a number or text that is one; a fraction is cut off.
pub(super) fn seconds(value: &Value) -> Option<i64> {
    let number = match value {
        Value::Number(number) => number.as_i64().map(|seconds| seconds as f64).or_else(|| number.as_f64()),
        Value::String(text) => text.trim().parse::<f64>().ok(),
        _ => None,
    };
    // A cast saturates, so numbers beyond 64 bits become the ends of the range.
    number.filter(|number| number.is_finite()).map(|number| number as i64)
}

/// The instant `seconds` after `from_ms`, at most a year later and never earlier, as RFC 3339.
pub(super) fn expiry(from_ms: i64, seconds: i64) -> Value {
    Value::from(rfc3339(from_ms.saturating_add(seconds.clamp(0, LONGEST_LIFE_S) * 1_000)))
}

/// An instant that was named, as RFC 3339, at most a year after `from_ms`.
pub(super) fn named_expiry(from_ms: i64, instant_ms: i64) -> Value {
    Value::from(rfc3339(instant_ms.min(from_ms.saturating_add(LONGEST_LIFE_S * 1_000))))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn counts_of_seconds_are_read_from_numbers_and_text() {
        for (value, expected) in [
            (json!(3600), Some(3600)),
            (json!("3600"), Some(3600)),
            (json!(" 3600 "), Some(3600)),
            (json!(3599.9), Some(3599)),
            (json!(-5), Some(-5)),
            (json!(1e18), Some(1_000_000_000_000_000_000)),
            (json!("soon"), None),
            (json!("NaN"), None),
            (json!(""), None),
            (json!(null), None),
            (json!([3600]), None),
        ] {
            assert_eq!(seconds(&value), expected, "{value}");
        }
    }

    #[test]
    fn an_expiry_is_never_earlier_than_now_and_at_most_a_year_away() {
        assert_eq!(expiry(0, 60), json!("1970-01-01T00:01:00.000Z"));
        assert_eq!(expiry(0, -60), json!("1970-01-01T00:00:00.000Z"));
        assert_eq!(expiry(0, i64::MAX), json!("1971-01-01T00:00:00.000Z"));
    }

    #[test]
    fn instants_are_read_as_text_and_as_seconds() {
        let context = |at: Value| json!({"oauth": {"token": {"expires_at": at}}}).as_object().unwrap().clone();
        assert_eq!(expires_at_ms(&context(json!("1970-01-01T01:00:01+01:00"))), Some(1_000));
        assert_eq!(expires_at_ms(&context(json!(7))), Some(7_000));
        assert_eq!(expires_at_ms(&context(json!("later"))), None);
    }
}
