//! From the bytes of a PATCH to what a client wants changed: which fields there are, and what is refused by name.
//!
//! Pure. What only the account's definition knows is checked afterwards, in `accounts`.

use serde_json::{Map, Value};

use super::json::{self, unsafe_number_in};
use super::message::{check_tenant, pointer_to};
use super::{FieldFailure, Refusal};
use crate::accounts::{OverrideRequest, PatchRequest};
use crate::definitions::check_layer;
use crate::lifecycle::IntakeCode;

/// Fields of an account that are not a client's to change, and why.
const REFUSED: [(&str, &str); 4] = [
    ("status", "is the outcome of runs: replay the account, or have its credential connected again"),
    ("authentication_method", "is fixed when an account is imported: import the account anew"),
    ("region", "is fixed when an account is imported: import the account anew"),
    ("unified_model_override", "there are no unified models here"),
];

/// Reads the body of a PATCH of an account.
///
/// # Errors
/// A [`Refusal`] that names what is wrong and where.
pub fn read_patch(bytes: &[u8]) -> Result<PatchRequest, Refusal> {
    let Value::Object(mut fields) = json::parse(bytes)? else {
        return Err(Refusal::new(IntakeCode::Malformed, "the body has to be a JSON object"));
    };
    for (name, why) in REFUSED {
        if fields.contains_key(name) {
            return Err(Refusal::field(IntakeCode::NotSupported, pointer_to(name), why));
        }
    }
    let mut failures = Vec::new();
    let mut fail = |name: &str, message: &str| {
        failures.push(FieldFailure { pointer: pointer_to(name), message: message.to_owned() });
    };
    let tenant_id = match fields.remove("tenant_id") {
        None => None,
        Some(tenant) => match check_tenant(tenant)? {
            Ok(tenant) => Some(tenant),
            Err(message) => {
                fail("tenant_id", message);
                None
            }
        },
    };
    let context = match fields.remove("context") {
        None => None,
        Some(Value::Object(context)) => Some(context),
        Some(_) => {
            fail("context", "has to be an object");
            None
        }
    };
    let integration_override = match fields.remove("integration_override") {
        None => OverrideRequest::Keep,
        Some(Value::Null) => OverrideRequest::Remove,
        Some(Value::Object(layer)) => OverrideRequest::Set(layer),
        Some(_) => {
            fail("integration_override", "has to be an object, or null to remove it");
            OverrideRequest::Keep
        }
    };
    for key in fields.keys() {
        fail(key, "is not a field that can be changed: `tenant_id`, `context`, `integration_override`");
    }
    if let OverrideRequest::Set(layer) = &integration_override
        && let Err(error) = check_layer(layer, "/integration_override")
    {
        failures.push(FieldFailure { pointer: error.pointer, message: error.message });
    }
    if !failures.is_empty() {
        return Err(Refusal::fields(failures));
    }
    if let Some(context) = &context {
        check_context(context)?;
    }
    Ok(PatchRequest { tenant_id, context, integration_override })
}

fn check_context(context: &Map<String, Value>) -> Result<(), Refusal> {
    if context.contains_key("sealed") {
        let message = "sealed contexts are not supported yet";
        return Err(Refusal::field(IntakeCode::NotSupported, "/context/sealed", message));
    }
    let mut pointer = String::from("/context");
    if unsafe_number_in(context, &mut pointer) {
        let message = "a number beyond 2^53 (or -0) would be changed by expressions: send it as text";
        return Err(Refusal::field(IntakeCode::UnsafeNumber, pointer, message));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn read(body: &Value) -> Result<PatchRequest, Refusal> {
        read_patch(body.to_string().as_bytes())
    }

    #[test]
    fn what_is_left_out_stays_and_null_removes_an_override() {
        assert_eq!(read(&json!({})).unwrap(), PatchRequest::default());
        let patch = read(&json!({ "tenant_id": "b", "context": { "a": 1 }, "integration_override": null })).unwrap();
        assert_eq!((patch.tenant_id.as_deref(), patch.context.unwrap().len()), (Some("b"), 1));
        assert!(patch.integration_override == OverrideRequest::Remove);
        let patch = read(&json!({ "integration_override": { "base_url": "https://b.test" } })).unwrap();
        assert!(matches!(patch.integration_override, OverrideRequest::Set(layer) if layer.len() == 1));
    }

    #[test]
    fn each_field_at_fault_is_named_with_its_own_code() {
        for (body, code, pointer) in [
            (json!([]), IntakeCode::Malformed, ""),
            (json!({ "status": "active" }), IntakeCode::NotSupported, "/status"),
            (json!({ "authentication_method": "oauth2" }), IntakeCode::NotSupported, "/authentication_method"),
            (json!({ "unified_model_override": {} }), IntakeCode::NotSupported, "/unified_model_override"),
            (json!({ "region": "eu" }), IntakeCode::NotSupported, "/region"),
            (json!({ "color": 1 }), IntakeCode::Invalid, "/color"),
            (json!({ "tenant_id": "" }), IntakeCode::Invalid, "/tenant_id"),
            (json!({ "tenant_id": null }), IntakeCode::Invalid, "/tenant_id"),
            (json!({ "tenant_id": "a\u{7}" }), IntakeCode::BadCharacter, "/tenant_id"),
            (json!({ "context": null }), IntakeCode::Invalid, "/context"),
            (json!({ "context": { "sealed": 1 } }), IntakeCode::NotSupported, "/context/sealed"),
            (json!({ "context": { "n": 9_007_199_254_740_993_i64 } }), IntakeCode::UnsafeNumber, "/context/n"),
            (json!({ "integration_override": [] }), IntakeCode::Invalid, "/integration_override"),
            (
                json!({ "integration_override": { "environment_variables": 1 } }),
                IntakeCode::Invalid,
                "/integration_override/environment_variables",
            ),
        ] {
            let refusal = read(&body).unwrap_err();
            assert_eq!((refusal.code, refusal.pointer().unwrap_or_default()), (code, pointer), "{body}");
        }
        assert_eq!(read(&json!({ "color": 1, "size": 2 })).unwrap_err().failures.len(), 2);
    }
}
