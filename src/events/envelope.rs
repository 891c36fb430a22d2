//! A transition as a CloudEvents 1.0 envelope.

use serde::Serialize;
use serde_json::value::RawValue;
use uuid::Uuid;

use super::view::AccountView;
use crate::clock::rfc3339;
use crate::lifecycle::{CauseTrigger, Reason, Status, Transition, Word};
use crate::store::{Account, Event, IntegrationRef};

/// Why a transition happened.
#[derive(Debug, Clone, Copy)]
pub struct EventCause<'a> {
    /// What raised it.
    pub trigger: CauseTrigger,
    /// The run it belongs to.
    pub run: Option<Uuid>,
    /// What the producer wants to see again.
    pub correlation_id: Option<&'a str>,
    /// The trace that led to it: a valid W3C `traceparent`.
    pub traceparent: Option<&'a str>,
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

/// Makes the event of a transition. Written in one pass, not by way of a document: it is made twice for every import.
#[must_use]
pub fn envelope(input: &EventInput<'_>) -> Event {
    let account = input.account;
    let event_type = type_of(input.transition.word);
    let envelope = Envelope {
        specversion: "1.0",
        event_type: &event_type,
        id: format!("{}/{}", account.id, account.sequence),
        source: format!("/tidewaiter/{}/accounts/{}", account.region, account.id),
        subject: account.id,
        time: rfc3339(account.updated_at_ms),
        datacontenttype: "application/json",
        dataschema: "urn:tidewaiter:event:integrated_account:1",
        sequence: format!("{:020}", account.sequence),
        partitionkey: account.id,
        traceparent: input.cause.traceparent,
        data: Data {
            event: format!("integrated_account:{}", input.transition.word),
            status: input.transition.to,
            previous_status: input.transition.from,
            sequence: account.sequence,
            cause: Cause {
                trigger: input.cause.trigger,
                run_id: input.cause.run,
                correlation_id: input.cause.correlation_id,
            },
            reason: account.reason.as_ref(),
            account: Told::of(input),
        },
    };
    // Nothing in it can fail to be written: keys are text, and numbers came from JSON.
    let envelope = serde_json::to_string(&envelope).unwrap_or_default();
    Event { sequence: account.sequence, event_type, envelope, time_ms: account.updated_at_ms }
}

#[derive(Serialize)]
struct Envelope<'a> {
    specversion: &'static str,
    #[serde(rename = "type")]
    event_type: &'a str,
    id: String,
    source: String,
    subject: Uuid,
    time: String,
    datacontenttype: &'static str,
    dataschema: &'static str,
    /// The CloudEvents sequence extension: compares as text.
    sequence: String,
    partitionkey: Uuid,
    /// The CloudEvents distributed tracing extension.
    #[serde(skip_serializing_if = "Option::is_none")]
    traceparent: Option<&'a str>,
    data: Data<'a>,
}

#[derive(Serialize)]
struct Data<'a> {
    event: String,
    status: Option<Status>,
    previous_status: Option<Status>,
    sequence: i64,
    cause: Cause<'a>,
    reason: Option<&'a Reason>,
    account: Told<'a>,
}

#[derive(Serialize)]
struct Cause<'a> {
    trigger: CauseTrigger,
    run_id: Option<Uuid>,
    correlation_id: Option<&'a str>,
}

#[derive(Serialize)]
#[serde(untagged)]
enum Told<'a> {
    Present(Box<AccountView<'a, Box<RawValue>>>),
    /// Of a deleted account only the ids are told, and whose integration it was, by which events are routed.
    Deleted {
        id: Uuid,
        tenant_id: &'a str,
        environment_id: Uuid,
        environment_integration_id: Uuid,
        integration: &'a IntegrationRef,
    },
}

impl<'a> Told<'a> {
    fn of(input: &EventInput<'a>) -> Self {
        let account = input.account;
        if input.transition.to.is_none() {
            return Self::Deleted {
                id: account.id,
                tenant_id: &account.tenant_id,
                environment_id: account.environment_id,
                environment_integration_id: account.environment_integration_id,
                integration: &account.integration,
            };
        }
        let context = serde_json::value::to_raw_value(&account.context).ok();
        let context = context.filter(|context| context.get().len() <= input.max_context_bytes);
        Self::Present(Box::new(AccountView::of(account, context)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lifecycle::{AuthenticationMethod, Region};
    use serde_json::{Value, json};

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
        let cause = EventCause {
            trigger: CauseTrigger::Import,
            run: Some(Uuid::from_u128(9)),
            correlation_id: Some("c-1"),
            traceparent: Some("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"),
        };
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
    fn a_deletion_tells_ids_and_the_integration_only() {
        let told = event(&account(), None, Word::Deleted, 1000);
        assert_eq!(told["data"]["status"], Value::Null);
        let keys: Vec<_> = told["data"]["account"].as_object().unwrap().keys().cloned().collect();
        assert_eq!(keys, ["id", "tenant_id", "environment_id", "environment_integration_id", "integration"]);
    }

    #[test]
    fn every_event_can_be_routed_by_its_envelope_alone() {
        for (to, word) in [(Some(Status::Active), Word::Active), (None, Word::Deleted)] {
            let told = event(&account(), to, word, 10).to_string();
            let outline = crate::events::outline(&told);
            assert_eq!((&*outline.region, &*outline.integration), ("eu", "zendesk"), "{word}");
            assert_eq!((outline.correlation_id.as_deref(), outline.time_s), (Some("c-1"), Some(1_790_000_000)));
        }
    }
}
