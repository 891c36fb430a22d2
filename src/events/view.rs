//! The account object of the API, the events and the command line.

use serde_json::{Map, Value, json};

use crate::clock::rfc3339;
use crate::store::Account;

/// The account as everybody may see it (the model system's fields; secrets were never in `account`).
#[must_use]
pub fn account_object(account: &Account) -> Map<String, Value> {
    let object = json!({
        "id": account.id,
        "tenant_id": account.tenant_id,
        "environment_id": account.environment_id,
        "environment_integration_id": account.environment_integration_id,
        "status": account.status,
        "is_sandbox": account.is_sandbox,
        "authentication_method": account.authentication_method,
        "region": account.region,
        "context": account.context,
        "object_store_context_fields": [],
        "integration": account.integration,
        "reason": account.reason,
        "last_error": account.last_error,
        "last_forbidden_error": account.last_forbidden_error,
        "unified_model_override": null,
        "sequence": account.sequence,
        "created_at": rfc3339(account.created_at_ms),
        "updated_at": rfc3339(account.updated_at_ms),
    });
    match object {
        Value::Object(map) => map,
        _ => Map::new(),
    }
}
