//! What is laid over an integration's config: an install's override, and an account's own over that.

use serde_json::{Map, Value};

use super::diff::{Difference, differences_of};
use super::effective::{SECRET_VARIABLES, VARIABLES};
use super::error::CompileError;
use super::lint::secrets::masked;
use super::node::join;

/// Refuses a layer at `pointer` whose variables are none. Whether what it makes can be run is `Plan::compile`.
///
/// # Errors
/// The first member that has a value that is not allowed.
pub fn check_layer(layer: &Map<String, Value>, pointer: &str) -> Result<(), CompileError> {
    for key in [VARIABLES, SECRET_VARIABLES] {
        if layer.get(key).is_some_and(|variables| !variables.is_object()) {
            return Err(CompileError::new(join(pointer, key), "must be an object of names and values"));
        }
    }
    Ok(())
}

/// The part of the layer at `pointer` that `config`, a pointer into the effective config, comes from; the layer itself
/// where it comes from elsewhere.
#[must_use]
pub fn place_in_layer(layer: &Map<String, Value>, pointer: &str, config: &str) -> String {
    let mut place = pointer.to_owned();
    let Some(path) = config.strip_prefix("/config/") else { return place };
    let mut value: Option<&Value> = None;
    for key in path.split('/') {
        let plain = key.replace("~1", "/").replace("~0", "~");
        let next = match value {
            None => layer.get(&plain),
            Some(Value::Array(items)) => plain.parse().ok().and_then(|index: usize| items.get(index)),
            Some(value) => value.get(&plain),
        };
        let Some(next) = next else { break };
        place = format!("{place}/{key}");
        value = Some(next);
    }
    place
}

/// The layer for people: no secret in it can be read.
#[must_use]
pub fn masked_layer(layer: &Map<String, Value>) -> Value {
    masked(layer)
}

/// What is different between two layers.
#[must_use]
pub fn layer_differences(from: &Map<String, Value>, to: &Map<String, Value>) -> Vec<Difference> {
    differences_of(from, to)
}
