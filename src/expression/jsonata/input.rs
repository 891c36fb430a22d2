//! The scope as the engine's input: read where the expression reaches, copied nowhere.

use jlens_core::input::{Sink, Source};
use serde_json::Value;

use crate::expression::shared::Place;

/// The input itself, the only value of its level.
pub(super) struct Input<'a>(pub(super) Place<'a>);

/// The levels below: an array or an object.
struct Level<'a>(Place<'a>);

impl<'a> Source<'a> for Input<'a> {
    fn read(&self, sink: &mut Sink<'_, 'a>) -> Result<(), String> {
        put(self.0, sink);
        Ok(())
    }
}

impl<'a> Source<'a> for Level<'a> {
    fn read(&self, sink: &mut Sink<'_, 'a>) -> Result<(), String> {
        if let Some(items) = self.0.items() {
            sink.reserve(items.len());
            for item in items {
                put(Place::Value(item), sink);
            }
        }
        for (name, place) in self.0.members() {
            sink.key(name);
            put(place, sink);
        }
        Ok(())
    }

    fn read_field(&self, key: &str, sink: &mut Sink<'_, 'a>) -> Result<bool, String> {
        if let Some(place) = self.0.member(key) {
            put(place, sink);
        }
        Ok(true)
    }

    fn length(&self) -> Option<usize> {
        self.0.items().map(<[Value]>::len)
    }

    fn read_item(&self, index: usize, sink: &mut Sink<'_, 'a>) -> Result<bool, String> {
        if let Some(item) = self.0.items().and_then(|items| items.get(index)) {
            put(Place::Value(item), sink);
        }
        Ok(true)
    }
}

fn put<'a>(place: Place<'a>, sink: &mut Sink<'_, 'a>) {
    match place {
        Place::Value(Value::Null) => sink.null(),
        Place::Value(Value::Bool(value)) => sink.bool(*value),
        // The engine counts in doubles, whatever the document has.
        Place::Value(Value::Number(number)) => sink.number(number.as_f64().unwrap_or(f64::NAN)),
        Place::Value(Value::String(text)) => sink.string(text),
        Place::Value(Value::Array(_)) => sink.array(Level(place)),
        Place::Value(Value::Object(_)) | Place::Object { .. } => sink.object(Level(place)),
    }
}
