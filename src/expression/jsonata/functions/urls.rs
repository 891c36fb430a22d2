//! `$parseUrl`: a URL in its parts, as browsers have them (the URL Standard).

use serde_json::{Map, Value, json};
use url::form_urlencoded::{Serializer, parse};
use url::{Url, quirks};

use super::Function;
use super::call::{Outcome, plain, text};

pub(super) const FUNCTIONS: &[Function] = &[("parseUrl", || plain(1, parse_url))];

/// The methods of its `searchParams`.
pub(super) const METHODS: &[&str] = &["entries", "get", "getAll", "has", "keys", "toString", "values"];

const NAMES: [&str; 12] = [
    "href",
    "origin",
    "protocol",
    "username",
    "password",
    "host",
    "hostname",
    "port",
    "pathname",
    "hash",
    "search",
    "searchParams",
];

/// Under this name the parameters keep themselves, where the reference has the method.
const QUERY: &str = "toString";

fn parse_url(args: &[Option<Value>]) -> Outcome {
    let url = Url::parse(&text(args, 0)?.ok_or("invalid_url")?).map_err(|_| "invalid_url")?;
    let pairs: Vec<_> = url.query_pairs().collect();
    let query = Serializer::new(String::new()).extend_pairs(&pairs).finish();
    let parts = [
        quirks::href(&url).into(),
        quirks::origin(&url).into(),
        quirks::protocol(&url).into(),
        quirks::username(&url).into(),
        quirks::password(&url).into(),
        quirks::host(&url).into(),
        quirks::hostname(&url).into(),
        quirks::port(&url).into(),
        quirks::pathname(&url).into(),
        quirks::hash(&url).into(),
        quirks::search(&url).into(),
        json!({ "size": pairs.len(), QUERY: query }),
    ];
    Ok(Some(Value::Object(NAMES.into_iter().map(str::to_owned).zip::<[Value; 12]>(parts).collect())))
}

/// What leaves the expression for a URL, or for its parameters: its text, and their number.
pub(super) fn text_of(members: &Map<String, Value>) -> Option<Value> {
    if query(members).is_some() {
        return Some(json!({ "size": members["size"] }));
    }
    is_one(members).then(|| members["href"].clone())
}

/// Whether an object is a URL.
pub(super) fn is_one(members: &Map<String, Value>) -> bool {
    members.len() == NAMES.len() && members.keys().zip(NAMES).all(|(key, name)| key == name)
}

/// The query of an object that is the parameters of a URL.
pub(super) fn query(members: &Map<String, Value>) -> Option<&str> {
    let keys = members.len() == 2 && members.contains_key("size");
    members.get(QUERY).filter(|_| keys)?.as_str()
}

/// Calls a method of parameters.
pub(super) fn call(query: &str, name: &str, args: &[Option<Value>]) -> Outcome {
    let wanted = || text(args, 0).map(|name| name.unwrap_or_else(|| "undefined".into()));
    let pairs = || parse(query.as_bytes());
    Ok(Some(match name {
        "get" => {
            let wanted = wanted()?;
            pairs().find(|(name, _)| *name == wanted).map_or(Value::Null, |(_, value)| value.into_owned().into())
        }
        "getAll" => {
            let wanted = wanted()?;
            pairs().filter(|(name, _)| *name == wanted).map(|(_, value)| Value::from(value.into_owned())).collect()
        }
        "has" => {
            let wanted = wanted()?;
            pairs().any(|(name, _)| name == wanted).into()
        }
        "keys" => pairs().map(|(name, _)| Value::from(name.into_owned())).collect(),
        "values" => pairs().map(|(_, value)| Value::from(value.into_owned())).collect(),
        "entries" => pairs().map(|(name, value)| json!([name, value])).collect(),
        "toString" => query.into(),
        _ => return Err("no_such_method"),
    }))
}
