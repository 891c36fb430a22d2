//! What a step brings for the resource's method that it refers to.

use serde_json::{Map, Value, json};

use super::request::header_text;
use super::url::parameter;
use crate::definitions::{Inputs, Taken};
use crate::expression::Scope;
use crate::lifecycle::Failure;

/// The rendered inputs; empty for a request that refers to nothing.
#[derive(Default)]
pub(super) struct Caller {
    id: Option<Value>,
    query: Map<String, Value>,
    pub(super) headers: Vec<(String, String)>,
    body: Option<Value>,
}

impl Caller {
    /// Renders them over the step's own scope. All of them have to come out complete: the method puts them into URLs.
    pub(super) fn render(inputs: &Inputs, scope: &Scope) -> Result<Self, Failure> {
        let mut caller = Self::default();
        if let Some(id) = &inputs.id {
            caller.id = parameter(id, "input", scope)?;
        }
        for own in &inputs.query {
            if let Some(value) = parameter(own, "query parameter", scope)? {
                caller.query.insert(own.name.clone(), value);
            }
        }
        for header in &inputs.headers {
            if let Some(value) = &header.value {
                caller.headers.push((header.name.clone(), header_text(&header.name, value, scope)?));
            }
        }
        if let Some(body) = &inputs.body {
            caller.body = parameter(body, "input", scope)?;
        }
        Ok(caller)
    }

    /// Makes them the names `id`, `query`, `headers` and `body`. The account's id is no record's, so it goes.
    pub(super) fn show(&self, scope: &mut Scope) {
        match &self.id {
            Some(id) => scope.set("id", id.clone()),
            None => scope.unset("id"),
        }
        let headers: Map<String, Value> =
            self.headers.iter().map(|(name, value)| (name.clone(), json!(value))).collect();
        scope.set("query", Value::Object(self.query.clone()));
        scope.set("headers", Value::Object(headers));
        scope.set("body", self.body.clone().unwrap_or_else(|| json!({})));
    }

    /// The parameters that the method does not place itself.
    pub(super) fn query_beside<'a>(&'a self, taken: &Taken) -> impl Iterator<Item = (&'a str, &'a Value)> {
        self.query.iter().filter(|(name, _)| !taken.takes(name)).map(|(name, value)| (name.as_str(), value))
    }

    /// The part of the body that the method does not place itself.
    pub(super) fn body_beside(&self, inputs: Option<&Inputs>) -> Option<Value> {
        let taken = &inputs?.body_taken;
        match self.body.as_ref()? {
            _ if taken.all => None,
            Value::Object(members) => {
                let beside = members.iter().filter(|(name, _)| !taken.takes(name));
                let beside: Map<String, Value> = beside.map(|(name, value)| (name.clone(), value.clone())).collect();
                // Nothing beside what the method places: the body is the method's.
                (!beside.is_empty() || taken.members.is_empty()).then_some(Value::Object(beside))
            }
            other => Some(other.clone()),
        }
    }
}
