//! What became of each message that came over the broker: confirmed, and then an account or a row of the quarantine.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::RangeInclusive;

use super::{Message, Rule, Verdict};
use crate::history::{Brokered, History, QuarantineRow};
use crate::ledger::{Entry, Expect};

pub fn check(history: &History, brokered: &Brokered, messages: &[Message<'_>], verdict: &mut Verdict) {
    verdict.figures.lines = history.ledger.entries.len();
    confirmed(history, brokered, verdict);
    let mut quarantine = BTreeMap::<&str, Vec<&QuarantineRow>>::new();
    for row in &brokered.quarantine {
        quarantine.entry(&row.message_id).or_default().push(row);
    }
    for entry in &history.ledger.entries {
        if let Expect::Refused(code) = entry.expect {
            let rows = quarantine.remove(entry.message_id.as_str()).unwrap_or_default();
            held(entry, &rows, code.as_str(), 1..=1, verdict);
        }
    }
    for message in messages {
        let Some(first) = message.entries.first() else { continue };
        let rows = quarantine.remove(first.message_id.as_str()).unwrap_or_default();
        // Either body of a conflict may come first, so what is not the account's was refused. A refused body is one row,
        // however often it comes; as other bytes of the same meaning it is one more.
        let winner = message.account.map_or(first.tenant.as_str(), |(_, winner)| &winner.tenant);
        let lost: Vec<_> = message.entries.iter().map(|entry| entry.tenant.as_str()).filter(|t| *t != winner).collect();
        let bodies: BTreeSet<_> = lost.iter().collect();
        held(first, &rows, "idempotency_conflict", bodies.len()..=lost.len(), verdict);
        let won = message.account.map(|(_, winner)| winner.expect);
        verdict.figures.overtaken += usize::from(won == Some(Expect::Conflict));
    }
    for row in quarantine.values().flatten() {
        let (message, reason) = (&row.message_id, &row.reason);
        verdict.breaks(
            Rule::Quarantine,
            format!("Message {message} is in the quarantine ({reason}), and nobody sent it."),
        );
    }
    queues(history, brokered, verdict);
}

fn confirmed(history: &History, brokered: &Brokered, verdict: &mut Verdict) {
    let numbers: BTreeSet<_> = brokered.confirmed.iter().map(|confirmed| confirmed.number).collect();
    for entry in history.ledger.entries.iter().filter(|entry| !numbers.contains(&entry.line)) {
        let (line, kind) = (entry.line, entry.kind);
        verdict.breaks(Rule::Confirmed, format!("Message {line} ({kind}) was never confirmed to the producer."));
    }
    verdict.figures.republished = brokered.confirmed.iter().filter(|confirmed| confirmed.tries > 1).count();
}

/// Whether a message has so many rows, and all of them with this reason.
fn held(entry: &Entry, rows: &[&QuarantineRow], reason: &str, count: RangeInclusive<usize>, verdict: &mut Verdict) {
    if !count.contains(&rows.len()) || rows.iter().any(|row| row.reason != reason) {
        let found: Vec<_> = rows.iter().map(|row| row.reason.as_str()).collect();
        let (line, kind, least) = (entry.line, entry.kind, count.start());
        verdict.breaks(
            Rule::Quarantine,
            format!("Message {line} ({kind}) is in the quarantine as {found:?} instead of {least} times as {reason}."),
        );
    }
}

fn queues(history: &History, brokered: &Brokered, verdict: &mut Verdict) {
    for (queue, left) in brokered.queues.iter().filter(|(_, left)| *left > 0) {
        verdict.breaks(Rule::Queues, format!("{left} messages are left in {queue}."));
    }
    let unreadable = history.ledger.entries.iter().filter(|entry| entry.expect == Expect::Unreadable);
    // Published more than once, such a message is there more than once.
    let tries =
        |entry: &Entry| brokered.confirmed.iter().find(|said| said.number == entry.line).map_or(1, |said| said.tries);
    let (least, most) = unreadable.fold((0, 0), |(least, most), entry| (least + 1, most + tries(entry) as u64));
    let left = brokered.dead_letters;
    if left < least || left > most {
        verdict.breaks(Rule::Queues, format!("{left} dead letters are left; {least} of the messages are unreadable."));
    }
    if brokered.alarm != (least > 0) {
        let raised = if brokered.alarm { "was raised without a cause" } else { "was not raised" };
        verdict.breaks(Rule::Queues, format!("The alarm for unreadable dead letters {raised}."));
    }
}
