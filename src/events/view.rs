//! The account object of the API, the events and the command line.

use serde::Serialize;
use serde_json::{Map, Value};
use uuid::Uuid;

use crate::clock::rfc3339;
use crate::credentials::large;
use crate::lifecycle::{AuthenticationMethod, Reason, Region, Status};
use crate::store::{Account, IntegrationRef};

/// The account as everybody may see it (the model system's fields; secrets were never in it). `context` is whatever
/// stands for the account's context; none leaves it out and says so.
#[derive(Serialize)]
pub(super) struct AccountView<'a, C> {
    id: Uuid,
    tenant_id: &'a str,
    environment_id: Uuid,
    environment_integration_id: Uuid,
    status: Option<Status>,
    is_sandbox: bool,
    authentication_method: AuthenticationMethod,
    region: Region,
    #[serde(skip_serializing_if = "Option::is_none")]
    context: Option<C>,
    object_store_context_fields: Vec<&'a str>,
    integration: &'a IntegrationRef,
    reason: Option<&'a Reason>,
    last_error: Option<&'a str>,
    last_forbidden_error: Option<&'a Value>,
    unified_model_override: Value,
    sequence: i64,
    created_at: String,
    updated_at: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    context_omitted: Option<bool>,
}

impl<'a, C> AccountView<'a, C> {
    pub(super) fn of(account: &'a Account, context: Option<C>) -> Self {
        Self {
            id: account.id,
            tenant_id: &account.tenant_id,
            environment_id: account.environment_id,
            environment_integration_id: account.environment_integration_id,
            status: account.status,
            is_sandbox: account.is_sandbox,
            authentication_method: account.authentication_method,
            region: account.region,
            context_omitted: context.is_none().then_some(true),
            context,
            object_store_context_fields: large::fields(&account.context).collect(),
            integration: &account.integration,
            reason: account.reason.as_ref(),
            last_error: account.last_error.as_deref(),
            last_forbidden_error: account.last_forbidden_error.as_ref(),
            unified_model_override: Value::Null,
            sequence: account.sequence,
            created_at: rfc3339(account.created_at_ms),
            updated_at: rfc3339(account.updated_at_ms),
        }
    }
}

/// The account object, to be written without being made first.
#[must_use]
pub fn account_view(account: &Account) -> impl Serialize {
    AccountView::of(account, Some(&account.context))
}

/// The account object as a document.
#[must_use]
pub fn account_object(account: &Account) -> Map<String, Value> {
    match serde_json::to_value(AccountView::of(account, Some(&account.context))) {
        Ok(Value::Object(map)) => map,
        _ => Map::new(),
    }
}
