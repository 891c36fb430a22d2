//! Finding a place in an answer by a dotted path.

use serde_json::Value;

/// The value at `path`: names with dots between them, numbers (or `[n]`) for items of lists, negative ones from the end.
/// A member whose name has dots is found too (`@odata.nextLink`).
pub(super) fn find<'a>(value: &'a Value, path: &str) -> Option<&'a Value> {
    if let Some(found) = value.get(path) {
        return Some(found);
    }
    if path.contains('[') {
        let dotted = path.replace('[', ".").replace(']', "");
        return find(value, dotted.trim_start_matches('.'));
    }
    let (head, rest) = match path.split_once('.') {
        Some((head, rest)) => (head.trim(), Some(rest)),
        None => (path.trim(), None),
    };
    let found = match value {
        Value::Object(members) => members.get(head)?,
        Value::Array(items) => match head.strip_prefix('-') {
            Some(back) => items.get(items.len().checked_sub(back.parse().ok()?)?)?,
            None => items.get(head.parse::<usize>().ok()?)?,
        },
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => return None,
    };
    match rest {
        Some(rest) => find(found, rest),
        None => Some(found),
    }
}

/// Whether a flag of an answer says yes: what JavaScript takes for true, but for the text `false`.
pub(super) fn says_yes(value: Option<&Value>) -> bool {
    match value {
        None | Some(Value::Null) => false,
        Some(Value::Bool(flag)) => *flag,
        Some(Value::Number(number)) => number.as_f64() != Some(0.0),
        Some(Value::String(text)) => !text.trim().is_empty() && !text.trim().eq_ignore_ascii_case("false"),
        Some(Value::Array(_) | Value::Object(_)) => true,
    }
}

/// Whether a value can be a cursor: what JavaScript takes for false is none.
pub(super) fn is_cursor(value: &Value) -> bool {
    match value {
        Value::Null => false,
        Value::Bool(flag) => *flag,
        Value::Number(number) => number.as_f64() != Some(0.0),
        Value::String(text) => !text.trim().is_empty(),
        Value::Array(_) | Value::Object(_) => true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_path_goes_through_objects_lists_and_names_with_dots() {
        let body = json!({
            "meta": { "next": "n", "a.b": { "c": 1 } }, "@odata.nextLink": "l", "v": { "@odata.nextLink": "m" },
            "data": [{ "id": 1 }, { "id": 2 }],
        });
        for (path, expected) in [
            ("meta.next", Some(json!("n"))),
            (" meta . next ", Some(json!("n"))),
            ("@odata.nextLink", Some(json!("l"))),
            ("v.@odata.nextLink", Some(json!("m"))),
            ("data.0.id", Some(json!(1))),
            ("data[1].id", Some(json!(2))),
            ("data.-1.id", Some(json!(2))),
            ("data[-2].id", Some(json!(1))),
            ("data.-3.id", None),
            ("data.2", None),
            ("data.x", None),
            ("meta.next.more", None),
            ("gone", None),
            ("", None),
            ("[", None),
        ] {
            assert_eq!(find(&body, path), expected.as_ref(), "{path}");
        }
        assert_eq!(find(&json!([[7]]), "[0][0]"), Some(&json!(7)));
    }

    #[test]
    fn a_flag_is_what_javascript_takes_for_true_but_for_the_word_false() {
        for yes in [json!(true), json!("true"), json!(1), json!("0"), json!("yes"), json!({}), json!([])] {
            assert!(says_yes(Some(&yes)), "{yes}");
        }
        for no in [json!(false), json!("false"), json!("False "), json!(0), json!(""), json!(null)] {
            assert!(!says_yes(Some(&no)), "{no}");
        }
        assert!(!says_yes(None));
    }
}
