//! The promises about each event and about an account's stream of them, seen as a consumer sees them.

use std::collections::{BTreeMap, BTreeSet};

use tidewaiter::lifecycle::{Decision, decide, status_word, table};

use super::log::{Envelope, Receipt};
use super::{Rule, Verdict};

/// An account's distinct events by sequence.
pub type Stream<'a> = BTreeMap<u64, &'a Receipt<'a>>;
/// The streams of all accounts that any event names.
pub type Streams<'a> = BTreeMap<&'a str, Stream<'a>>;

/// From, to and word of a transition.
type Step = (&'static str, &'static str, &'static str);

const PREFIX: &str = "integrated_account";

/// Checks everything that can be said without looking at the accounts.
pub fn check<'a>(log: &'a [Receipt<'a>], verdict: &mut Verdict) -> Streams<'a> {
    let mut streams = Streams::new();
    for receipt in log {
        envelope(&receipt.envelope, receipt.line, verdict);
        let account = receipt.envelope.data.account.id.as_str();
        receive(streams.entry(account).or_default(), receipt, verdict);
    }
    let legal = legal_steps();
    for (account, stream) in &streams {
        gapless(account, stream, verdict);
        transitions(account, stream, &legal, verdict);
    }
    streams
}

fn envelope(envelope: &Envelope, line: usize, verdict: &mut Verdict) {
    let (account, data) = (&envelope.data.account.id, &envelope.data);
    let word = envelope.kind.strip_prefix("integrated_account.").unwrap_or_default();
    let expected = [
        ("specversion", &envelope.specversion, "1.0".to_owned()),
        ("id", &envelope.id, format!("{account}/{}", data.sequence)),
        ("subject", &envelope.subject, account.clone()),
        ("sequence", &envelope.sequence, format!("{:020}", data.sequence)),
        ("data.event", &data.event, format!("{PREFIX}:{word}")),
    ];
    for (name, found, wanted) in expected {
        if *found != wanted {
            verdict.breaks(
                Rule::Envelope,
                format!("An event of account {account} has `{name}` {found:?} instead of {wanted:?} (event file, line {line})."),
            );
        }
    }
    if !envelope.source.ends_with(&format!("/accounts/{account}")) {
        let source = &envelope.source;
        verdict
            .breaks(Rule::Envelope, format!("An event of account {account} has the source {source:?} (line {line})."));
    }
    let failed = data.status.as_deref().is_some_and(|status| status != "active" && status != "connecting");
    if failed != data.reason.as_ref().is_some_and(|reason| !reason.is_null()) {
        let (sequence, has) = (data.sequence, if failed { "no reason" } else { "a reason" });
        verdict.breaks(
            Rule::Envelope,
            format!("Event {sequence} of account {account} has {has} with status {:?}.", data.status),
        );
    }
}

fn receive<'a>(stream: &mut Stream<'a>, receipt: &'a Receipt<'a>, verdict: &mut Verdict) {
    let data = &receipt.envelope.data;
    let (account, sequence, line) = (&data.account.id, data.sequence, receipt.line);
    if let Some(first) = stream.get(&sequence) {
        verdict.figures.repeated += 1;
        if first.bytes != receipt.bytes {
            let earlier = first.line;
            verdict.breaks(
                Rule::SameBytes,
                format!("Event {sequence} of account {account} came twice with different bytes (lines {earlier} and {line})."),
            );
        }
        return;
    }
    verdict.figures.events += 1;
    if let Some((later, _)) = stream.last_key_value().filter(|(highest, _)| **highest > sequence) {
        verdict.breaks(
            Rule::Order,
            format!("Event {sequence} of account {account} was first received after its event {later} (line {line})."),
        );
    }
    stream.insert(sequence, receipt);
}

fn gapless(account: &str, stream: &Stream<'_>, verdict: &mut Verdict) {
    for (expected, found) in (1..).zip(stream.keys()) {
        if expected != *found {
            verdict.breaks(
                Rule::Sequence,
                format!("Account {account} has a gap: event {expected} is missing, event {found} was received."),
            );
            return;
        }
    }
}

/// Neighbours are checked; across a gap nothing can be said, and the gap has been.
fn transitions(account: &str, stream: &Stream<'_>, legal: &BTreeSet<Step>, verdict: &mut Verdict) {
    for (sequence, receipt) in stream {
        let data = &receipt.envelope.data;
        let from = data.previous_status.as_deref();
        let to = data.status.as_deref().unwrap_or("deleted");
        let word = data.event.strip_prefix("integrated_account:").unwrap_or(&data.event);
        if !legal.iter().any(|step| (Some(step.0).filter(|from| *from != "none"), step.1, step.2) == (from, to, word)) {
            let from = from.unwrap_or("nothing");
            verdict.breaks(
                Rule::Transition,
                format!(
                    "Event {sequence} of account {account} tells `{word}` from {from} to {to}, which cannot happen."
                ),
            );
        } else if (*sequence == 1) != (word == "created") {
            verdict.breaks(
                Rule::Transition,
                format!("Event {sequence} of account {account} is `{word}`; `created` is the first and no other."),
            );
        }
        let Some(before) = stream.get(&(sequence - 1)) else { continue };
        let left = before.envelope.data.status.as_deref();
        if left != from {
            verdict.breaks(
                Rule::Transition,
                format!(
                    "Event {sequence} of account {account} begins at {from:?}, but the one before ended at {left:?}."
                ),
            );
        }
    }
}

/// Every transition that `decide` can answer with, whatever the account and the trigger; "none" is before the first.
fn legal_steps() -> BTreeSet<Step> {
    let mut steps = BTreeSet::new();
    for snapshot in table::snapshots() {
        for trigger in table::triggers() {
            if let Ok(Decision { transition: Some(t), .. }) = decide(&snapshot, &trigger) {
                let from = t.from.map_or("none", |status| status_word(Some(status)));
                steps.insert((from, status_word(t.to), t.word.as_str()));
            }
        }
    }
    steps
}
