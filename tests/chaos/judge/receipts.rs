//! What the consumers received, beside the events themselves: AMQP properties, routing keys, and the one bound to `active`.

use std::collections::BTreeSet;

use super::log::{Envelope, Receipt};
use super::{Rule, Verdict};
use crate::history::{self, Brokered};

/// The integration of every account.
const INTEGRATION: &str = "ledgerly";
const ACTIVE: &str = "integrated_account.active";

/// `log` is what the consumer of everything received, one line a delivery.
pub fn check(brokered: &Brokered, log: &[Receipt<'_>], verdict: &mut Verdict) {
    for receipt in log {
        match receipt.line.checked_sub(1).and_then(|index| brokered.everything.get(index)) {
            Some(received) => agrees(&receipt.envelope, received, verdict),
            None => verdict.breaks(Rule::Properties, format!("Event {} came with no delivery.", receipt.envelope.id)),
        }
    }
    active(brokered, log, verdict);
}

fn agrees(envelope: &Envelope, received: &history::Receipt, verdict: &mut Verdict) {
    let region = envelope.source.split('/').nth(2).unwrap_or_default();
    let expected = [
        ("routing key", Some(received.routing_key.as_str()), format!("{}.{region}.{INTEGRATION}", envelope.kind)),
        ("message id", received.message_id.as_deref(), envelope.id.clone()),
        ("type", received.kind.as_deref(), envelope.kind.clone()),
        ("app id", received.app_id.as_deref(), "tidewaiter".to_owned()),
        ("content type", received.content_type.as_deref(), "application/cloudevents+json".to_owned()),
        (
            "correlation id",
            received.correlation_id.as_deref(),
            envelope.data.cause.correlation_id.clone().unwrap_or_default(),
        ),
    ];
    for (name, found, wanted) in expected {
        if found != Some(wanted.as_str()) {
            let id = &envelope.id;
            verdict
                .breaks(Rule::Properties, format!("Event {id} came with the {name} {found:?} instead of {wanted:?}."));
        }
    }
    if received.delivery_mode != Some(2) || received.timestamp.is_none() {
        let id = &envelope.id;
        verdict.breaks(Rule::Properties, format!("Event {id} came without a timestamp, or not as persistent."));
    }
}

/// The consumer bound to `active` receives what the other one receives of these, the same bytes, and nothing else.
fn active(brokered: &Brokered, log: &[Receipt<'_>], verdict: &mut Verdict) {
    let wanted: BTreeSet<_> =
        log.iter().filter(|receipt| receipt.envelope.kind == ACTIVE).map(|receipt| receipt.bytes).collect();
    let found: BTreeSet<_> = brokered.active.iter().map(|received| received.body.as_bytes()).collect();
    let id = |bytes: &[u8]| match serde_json::from_slice::<Envelope>(bytes) {
        Ok(envelope) => format!("{} ({})", envelope.id, envelope.kind),
        Err(error) => format!("that cannot be read ({error})"),
    };
    for missing in wanted.difference(&found) {
        verdict.breaks(Rule::Binding, format!("The consumer of `active` did not receive event {}.", id(missing)));
    }
    for other in found.difference(&wanted) {
        verdict.breaks(Rule::Binding, format!("The consumer of `active` received event {} as well.", id(other)));
    }
}
