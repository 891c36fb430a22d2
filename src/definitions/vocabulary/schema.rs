//! The table as JSON Schema (2020-12), for editors.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::{INSTALLS, INTEGRATION, Object, Others, Shape};

/// The schema of an integration's document.
#[must_use]
pub fn integration_schema() -> Value {
    document(&INTEGRATION, "A Tidewaiter integration", "The definition of a third-party service.")
}

/// The schema of an environment's installs.
#[must_use]
pub fn installs_schema() -> Value {
    document(&INSTALLS, "Tidewaiter installs", "An environment and the integrations that it uses.")
}

fn document(root: &'static Object, title: &str, description: &str) -> Value {
    let mut definitions = BTreeMap::new();
    let mut schema = object(root, &mut definitions);
    let mut out = Map::new();
    out.insert("$schema".to_owned(), json!("https://json-schema.org/draft/2020-12/schema"));
    out.insert("title".to_owned(), json!(title));
    out.insert("description".to_owned(), json!(description));
    if let Some(members) = schema.as_object_mut() {
        out.append(members);
    }
    let definitions: Map<String, Value> = definitions.into_iter().map(|(name, it)| (name.to_owned(), it)).collect();
    out.insert("$defs".to_owned(), Value::Object(definitions));
    Value::Object(out)
}

type Definitions = BTreeMap<&'static str, Value>;

fn object(object: &'static Object, definitions: &mut Definitions) -> Value {
    let mut properties = Map::new();
    for member in object.members {
        let mut schema = shape(&member.shape, definitions);
        schema["description"] = json!(member.about);
        properties.insert(member.name.to_owned(), schema);
    }
    let mut out = json!({ "type": "object", "properties": properties });
    if !object.required.is_empty() {
        out["required"] = json!(object.required);
    }
    // A member that compiling refuses is a mistake in an editor too; one without effect is for the linter to name.
    if object.others == Others::Refused {
        out["additionalProperties"] = json!(false);
    }
    if let Some(variants) = &object.variants {
        let cases = variants.shapes.iter().map(|(word, then)| {
            json!({
                "if": { "properties": { variants.by: { "const": word } }, "required": [variants.by] },
                "then": { "properties": { variants.member: shape(then, definitions) } },
            })
        });
        out["allOf"] = cases.collect();
    }
    out
}

/// A reference to the object's schema, which is put beside the others if it is not there yet.
fn reference(named: &'static Object, definitions: &mut Definitions) -> Value {
    if !definitions.contains_key(named.name) {
        // Its place is taken first, since it may hold itself.
        definitions.insert(named.name, Value::Null);
        let schema = object(named, definitions);
        definitions.insert(named.name, schema);
    }
    json!({ "$ref": format!("#/$defs/{}", named.name) })
}

fn shape(of: &'static Shape, definitions: &mut Definitions) -> Value {
    let typed = |name: &str| json!({ "type": [name, "null"] });
    let or_null = |schema: Value| json!({ "anyOf": [schema, { "type": "null" }] });
    match of {
        Shape::Any | Shape::Template => json!({}),
        Shape::Plain | Shape::Expression => typed("string"),
        // Numbers and flags are written as text.
        Shape::Text => json!({ "type": ["string", "number", "boolean", "null"] }),
        Shape::Id => json!({ "type": "string", "format": "uuid" }),
        Shape::Number => typed("number"),
        Shape::Flag => typed("boolean"),
        Shape::Words(words) => or_null(json!({ "enum": words })),
        Shape::List(item) => json!({ "type": ["array", "null"], "items": shape(item, definitions) }),
        Shape::Map(value) => json!({ "type": ["object", "null"], "additionalProperties": shape(value, definitions) }),
        Shape::Object(named) => or_null(reference(named, definitions)),
        Shape::Either(shapes) => {
            let mut any: Vec<Value> = shapes.iter().map(|one| shape(one, definitions)).collect();
            any.push(json!({ "type": "null" }));
            json!({ "anyOf": any })
        }
    }
}
