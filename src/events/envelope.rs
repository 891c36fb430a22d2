//! A transition as a CloudEvents 1.0 envelope.

use serde_json::{Value, json};
use uuid::Uuid;

use super::view::account_object;
use crate::clock::rfc3339;
use crate::lifecycle::{CauseTrigger, Transition, Word};
use crate::store::{Account, Event};

/// Why a transition happened.
#[derive(Debug, Clone, Copy)]
pub struct EventCause<'a> {
    /// What raised it.
    pub trigger: CauseTrigger,
    /// The run it belongs to.
    pub run: Option<Uuid>,
    /// What the producer wants to see again.
    pub correlation_id: Option<&'a str>,
}

/// Everything an envelope tells.
#[derive(Debug, Clone, Copy)]
pub struct EventInput<'a> {
    /// The account after the transition; its `sequence` is the event's, its `updated_at_ms` the event's time.
    pub account: &'a Account,
    /// The transition.
    pub transition: Transition,
    /// Why.
    pub cause: EventCause<'a>,
    /// A larger context is left out of the event, in bytes of its JSON text.
    pub max_context_bytes: usize,
}

/// The CloudEvents type of a word.
#[must_use]
pub fn type_of(word: Word) -> String {
    format!("integrated_account.{word}")
}

/// Makes the event of a transition.
#[must_use]
pub fn envelope(input: &EventInput<'_>) -> Event {
    let account = input.account;
    let event_type = type_of(input.transition.word);
    let envelope = json!({
        "specversion": "1.0",
        "type": event_type,
        "id": format!("{}/{}", account.id, account.sequence),
        "source": format!("/tidewaiter/{}/accounts/{}", account.region, account.id),
        "subject": account.id,
        "time": rfc3339(account.updated_at_ms),
        "datacontenttype": "application/json",
        "dataschema": "urn:tidewaiter:event:integrated_account:1",
        // CloudEvents sequence extension: compares as text.
        "sequence": format!("{:020}", account.sequence),
        "partitionkey": account.id,
        "data": data(input),
    });
    Event { sequence: account.sequence, event_type, envelope: envelope.to_string(), time_ms: account.updated_at_ms }
}

fn data(input: &EventInput<'_>) -> Value {
    json!({
        "event": format!("integrated_account:{}", input.transition.word),
        "status": input.transition.to,
        "previous_status": input.transition.from,
        "sequence": input.account.sequence,
        "cause": {
            "trigger": input.cause.trigger,
            "run_id": input.cause.run,
            "correlation_id": input.cause.correlation_id,
        },
        "reason": input.account.reason,
        "account": told(input),
    })
}

/// Of a deleted account only the ids are told.
fn told(input: &EventInput<'_>) -> Value {
    let account = input.account;
    if input.transition.to.is_none() {
        return json!({
            "id": account.id,
            "tenant_id": account.tenant_id,
            "environment_id": account.environment_id,
            "environment_integration_id": account.environment_integration_id,
        });
    }
    let mut object = account_object(account);
    let context_bytes = object.get("context").map_or(0, |context| context.to_string().len());
    if context_bytes > input.max_context_bytes {
        object.remove("context");
        object.insert("context_omitted".to_owned(), Value::Bool(true));
    }
    Value::Object(object)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lifecycle::{AuthenticationMethod, Region, Status};
    use crate::store::IntegrationRef;

    fn account() -> Account {
        Account {
            id: Uuid::from_u128(7),
            tenant_id: "acme-1".to_owned(),
            environment_id: Uuid::from_u128(1),
            environment_integration_id: Uuid::from_u128(2),
            integration: IntegrationRef {
                id: Uuid::from_u128(3),
                name: "zendesk".to_owned(),
                label: "Zendesk".to_owned(),
            },
            region: Region::Eu,
            authentication_method: AuthenticationMethod::Oauth2,
            is_sandbox: false,
            status: Some(Status::Active),
            reason: None,
            last_error: None,
            last_forbidden_error: None,
            context: json!({ "subdomain": "acme" }).as_object().cloned().unwrap(),
            latest_run: None,
            sequence: 2,
            proven_at_ms: Some(0),
            created_at_ms: 1_790_000_000_000,
            updated_at_ms: 1_790_000_000_123,
        }
    }

    fn event(account: &Account, to: Option<Status>, word: Word, max_context_bytes: usize) -> Value {
        let transition = Transition { from: Some(Status::Connecting), to, word };
        let cause =
            EventCause { trigger: CauseTrigger::Import, run: Some(Uuid::from_u128(9)), correlation_id: Some("c-1") };
        let event = envelope(&EventInput { account, transition, cause, max_context_bytes });
        serde_json::from_str(&event.envelope).unwrap()
    }

    #[test]
    fn an_event_names_both_ends_the_cause_and_its_place_in_the_account() {
        insta::assert_json_snapshot!(event(&account(), Some(Status::Active), Word::Active, 1000));
    }

    #[test]
    fn a_context_over_the_limit_is_left_out_and_said_so() {
        let told = event(&account(), Some(Status::Active), Word::Active, 10);
        assert_eq!(told["data"]["account"]["context_omitted"], true);
        assert!(told["data"]["account"].get("context").is_none());
    }

    #[test]
    fn a_deletion_tells_ids_only() {
        let told = event(&account(), None, Word::Deleted, 1000);
        assert_eq!(told["data"]["status"], Value::Null);
        let keys: Vec<_> = told["data"]["account"].as_object().unwrap().keys().cloned().collect();
        assert_eq!(keys, ["id", "tenant_id", "environment_id", "environment_integration_id"]);
    }
}
