//! Query strings with nesting, as the npm package `qs` (6.15) reads and writes them.

mod decode;
mod parse;
mod stringify;
mod tree;

use serde_json::{Map, Value};

use super::Function;
use super::call::data;
use super::js::{self, Fault};

pub(super) const FUNCTIONS: &[Function] =
    &[("parseQuery", || data(2, parse::parse_query)), ("stringifyQuery", || data(2, stringify::stringify_query))];

/// The options of a call, which fall back to the defaults where they are of another type.
struct Options<'a>(Option<&'a Map<String, Value>>);

impl<'a> Options<'a> {
    /// Reads the argument. Functions (`encoder`, `filter`, `sort`) cannot be given.
    fn of(value: Option<&'a Value>) -> Self {
        Self(value.and_then(Value::as_object))
    }

    fn get(&self, name: &str) -> Option<&'a Value> {
        self.0?.get(name)
    }

    fn flag(&self, name: &str, default: bool) -> bool {
        self.get(name).and_then(Value::as_bool).unwrap_or(default)
    }

    /// A switch that may be nothing but true or false.
    fn strict_flag(&self, name: &str) -> Result<bool, Fault> {
        match self.get(name) {
            None => Ok(false),
            Some(Value::Bool(flag)) => Ok(*flag),
            Some(_) => Err("invalid_option"),
        }
    }

    /// Whether dots separate names: said so, or implied by dots in names being encoded.
    fn allow_dots(&self, encoded: bool) -> bool {
        self.get("allowDots").map_or(encoded, |given| js::truthy(Some(given)))
    }

    fn is_latin1(&self) -> Result<bool, Fault> {
        match self.get("charset").map(Value::as_str) {
            None | Some(Some("utf-8")) => Ok(false),
            Some(Some("iso-8859-1")) => Ok(true),
            Some(_) => Err("invalid_option"),
        }
    }
}
