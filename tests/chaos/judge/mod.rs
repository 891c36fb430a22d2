//! The judge: a pure function from what a run left behind to what is wrong with it.
//!
//! Each rule is a promise made to producers or consumers. A broken promise is one sentence that names the account and,
//! where there is one, the line of the import file. A run that was not troubled enough is void, and void fails too.
//! What it cannot see: writes under a stale fence that changed nothing visible, and calls that the upstream got twice.

mod accounts;
mod broker;
mod events;
mod faults;
mod leaks;
mod lines;
mod log;
mod receipts;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::fmt;

use crate::history::{AccountRow, History};
use crate::ledger::Entry;

/// The promises, each of which a history can break.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Rule {
    /// Every line is reported once, as what it has to be.
    Lines,
    /// The broker confirmed each message to the producer.
    Confirmed,
    /// Each refused message is in the quarantine once, with its reason, and nothing else is.
    Quarantine,
    /// Nothing is left in a queue but what no client can read, and that raises an alarm.
    Queues,
    /// An event's AMQP properties and routing key say what its body says.
    Properties,
    /// A consumer receives the events that it is bound to, and no others.
    Binding,
    /// The summary counts what the report lists.
    Summary,
    /// One account per distinct message, none for a refused one.
    OneAccount,
    /// Nothing is an account or an event that no line asked for.
    Phantom,
    /// Every line of the event file is a whole event, but for one torn at a kill.
    Log,
    /// An event's envelope agrees with itself, its account and its import.
    Envelope,
    /// An account's events are numbered from 1 without a gap, and each was received.
    Sequence,
    /// An account's events are received for the first time in their order.
    Order,
    /// An event received again is the same bytes.
    SameBytes,
    /// Every transition is one that the lifecycle knows, and begins where the last one ended.
    Transition,
    /// The account's row agrees with its last event.
    Row,
    /// No account is left in `connecting`.
    Connecting,
    /// The account ended where its token leads.
    Ending,
    /// No secret is anywhere that people or other systems read.
    Leak,
    /// No process ended that was not killed or asked to.
    Exit,
    /// The faults happened.
    Void,
}

/// One broken promise.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Violation {
    pub rule: Rule,
    pub sentence: String,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "[{:?}] {}", self.rule, self.sentence)
    }
}

/// What was counted on the way; for the report, not for the verdict.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Figures {
    pub lines: usize,
    pub accounts: usize,
    pub by_status: BTreeMap<String, usize>,
    pub events: usize,
    /// Receipts of an event that had been received before.
    pub repeated: usize,
    pub torn: usize,
    /// Accounts that ended in an error because the upstream failed at every attempt, by bad luck.
    pub exhausted: usize,
    /// Messages that the producer had to publish more than once.
    pub republished: usize,
    /// Conflicts in which the later line was the one accepted.
    pub overtaken: usize,
    pub kills: usize,
    pub kill_hits: usize,
    /// Breaks of the network that met connections.
    pub breaks: usize,
}

/// What the judge says.
#[derive(Debug, Clone, Default)]
pub struct Verdict {
    pub violations: Vec<Violation>,
    pub figures: Figures,
}

impl Verdict {
    fn breaks(&mut self, rule: Rule, sentence: String) {
        self.violations.push(Violation { rule, sentence });
    }
}

/// Lines that carry one message id, in the file's order; the first one promises the account.
struct Message<'a> {
    entries: Vec<&'a Entry>,
    /// The account and the entry whose body made it.
    account: Option<(&'a AccountRow, &'a Entry)>,
}

/// Judges a run.
pub fn judge(history: &History) -> Verdict {
    let mut verdict = Verdict::default();
    let messages = accounts::one_per_message(history, &mut verdict);
    match &history.brokered {
        None => lines::check(history, &messages, &mut verdict),
        Some(brokered) => broker::check(history, brokered, &messages, &mut verdict),
    }
    let log = log::read(history, &mut verdict);
    let streams = events::check(&log, &mut verdict);
    if let Some(brokered) = &history.brokered {
        receipts::check(brokered, &log, &mut verdict);
    }
    accounts::check(history, &messages, &streams, &mut verdict);
    leaks::check(history, &mut verdict);
    faults::check(history, &mut verdict);
    verdict
}
