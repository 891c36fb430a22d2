//! The accounts at the end, against the ledger and against the events.

use std::collections::{BTreeMap, BTreeSet};

use super::events::{Stream, Streams};
use super::{Message, Rule, Verdict};
use crate::history::{AccountRow, History};
use crate::ledger::{Entry, Expect};

/// The most accounts, of a thousand, that bad luck with the upstream may end; three are always granted.
const BAD_LUCK_PER_THOUSAND: usize = 2;

/// Groups the ledger by message and finds the one account of each.
pub fn one_per_message<'a>(history: &'a History, verdict: &mut Verdict) -> Vec<Message<'a>> {
    let mut by_tenant = BTreeMap::<&str, Vec<&AccountRow>>::new();
    for row in &history.accounts {
        by_tenant.entry(&row.tenant_id).or_default().push(row);
    }
    let mut groups = BTreeMap::<&str, Vec<&Entry>>::new();
    let refused = |entry: &&Entry| matches!(entry.expect, Expect::Refused(_) | Expect::Unreadable);
    for entry in history.ledger.entries.iter().filter(|entry| !refused(entry)) {
        groups.entry(&entry.message_id).or_default().push(entry);
    }
    let messages = groups.into_values().map(|entries| {
        let mut found = Vec::new();
        for entry in entries.iter().filter(|entry| entry.expect != Expect::Duplicate) {
            found.extend(
                by_tenant.remove(entry.tenant.as_str()).unwrap_or_default().into_iter().map(|row| (row, *entry)),
            );
        }
        count(&entries, &found, verdict);
        Message { entries, account: found.first().copied() }
    });
    let messages = messages.collect();
    for row in by_tenant.values().flatten() {
        phantom(history, row, verdict);
    }
    messages
}

fn count(entries: &[&Entry], found: &[(&AccountRow, &Entry)], verdict: &mut Verdict) {
    let Some(first) = entries.first() else { return };
    let (line, message) = (first.line, &first.message_id);
    match found {
        [] => verdict.breaks(Rule::OneAccount, format!("Line {line} (message {message}) has no account.")),
        [_] => {}
        several => {
            let ids: Vec<_> = several.iter().map(|(row, _)| row.id.as_str()).collect();
            let ids = ids.join(", ");
            verdict.breaks(Rule::OneAccount, format!("Line {line} (message {message}) has several accounts: {ids}."));
        }
    }
}

fn phantom(history: &History, row: &AccountRow, verdict: &mut Verdict) {
    let refused = history.ledger.entries.iter().find(|entry| entry.tenant == row.tenant_id);
    match refused {
        Some(entry) => verdict.breaks(
            Rule::OneAccount,
            format!("Line {} ({}) has to be refused, but account {} was made of it.", entry.line, entry.kind, row.id),
        ),
        None => verdict.breaks(
            Rule::Phantom,
            format!("Account {} belongs to tenant {}, which no line names.", row.id, row.tenant_id),
        ),
    }
}

/// Checks each account against its events and its expected ending.
pub fn check(history: &History, messages: &[Message<'_>], streams: &Streams<'_>, verdict: &mut Verdict) {
    verdict.figures.accounts = history.accounts.len();
    for row in &history.accounts {
        *verdict.figures.by_status.entry(row.status.clone()).or_default() += 1;
    }
    for (row, entry) in messages.iter().filter_map(|message| message.account) {
        let none = Stream::new();
        let stream = streams.get(row.id.as_str()).unwrap_or(&none);
        agrees(row, entry, stream, verdict);
        belongs(row, entry, stream, verdict);
        ending(row, entry, verdict);
    }
    let known: BTreeSet<_> = history.accounts.iter().map(|row| row.id.as_str()).collect();
    for account in streams.keys().filter(|account| !known.contains(**account)) {
        verdict.breaks(Rule::Phantom, format!("Events tell of account {account}, which does not exist."));
    }
    let granted = 3.max(history.ledger.accounts() * BAD_LUCK_PER_THOUSAND / 1000);
    if verdict.figures.exhausted > granted {
        let exhausted = verdict.figures.exhausted;
        verdict.breaks(
            Rule::Ending,
            format!("The upstream failed {exhausted} accounts at every attempt; bad luck explains {granted}."),
        );
    }
}

fn agrees(row: &AccountRow, entry: &Entry, stream: &Stream<'_>, verdict: &mut Verdict) {
    let (id, line) = (&row.id, entry.line);
    let Some((last, receipt)) = stream.last_key_value() else {
        verdict.breaks(Rule::Sequence, format!("No event of account {id} (line {line}) was ever received."));
        return;
    };
    if let Some(sequence) = row.sequence.filter(|sequence| sequence > last) {
        verdict.breaks(
            Rule::Sequence,
            format!("Account {id} (line {line}) is at {sequence}, but its last event received is {last}."),
        );
        return;
    }
    let told = receipt.envelope.data.status.as_deref().unwrap_or("deleted");
    if told != row.status || row.sequence.is_some_and(|sequence| sequence < *last) {
        let (status, sequence) = (&row.status, row.sequence);
        verdict.breaks(
            Rule::Row,
            format!("Account {id} (line {line}) is {status} at {sequence:?}, but its last event, {last}, says {told}."),
        );
    }
}

fn belongs(row: &AccountRow, entry: &Entry, stream: &Stream<'_>, verdict: &mut Verdict) {
    for (sequence, receipt) in stream {
        let data = &receipt.envelope.data;
        let parts = [
            ("tenant", data.account.tenant_id.as_deref(), entry.tenant.as_str()),
            ("correlation id", data.cause.correlation_id.as_deref(), entry.correlation_id.as_str()),
        ];
        for (name, found, wanted) in parts {
            if found != Some(wanted) {
                verdict.breaks(
                    Rule::Envelope,
                    format!(
                        "Event {sequence} of account {} names the {name} {found:?} instead of {wanted:?} of line {}.",
                        row.id, entry.line
                    ),
                );
            }
        }
    }
}

fn ending(row: &AccountRow, entry: &Entry, verdict: &mut Verdict) {
    let (id, line, wanted) = (&row.id, entry.line, entry.ending.as_str());
    if row.status == "connecting" {
        verdict.breaks(Rule::Connecting, format!("Account {id} (line {line}) is still connecting."));
    } else if row.status != wanted {
        let code = row.reason.as_ref().map_or("no reason", |reason| reason.code.as_str());
        let unlucky = match code {
            "upstream_unavailable" | "timeout" => row.status != "needs_reauth",
            // A refresh that was left without an answer is sent once more and, left so again, never a third time.
            "refresh_outcome_unknown" => wanted == "needs_reauth",
            _ => false,
        };
        if unlucky {
            verdict.figures.exhausted += 1;
        } else {
            verdict.breaks(
                Rule::Ending,
                format!("Account {id} (line {line}) ended as {} ({code}) instead of {wanted}.", row.status),
            );
        }
    }
}
