//! What a corpus promises: for each line what must become of it, and for each account where it must end.

use tidewaiter::lifecycle::{IntakeCode, Status};

/// What intake has to make of a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Expect {
    /// A new account.
    Account,
    /// Nothing new: an earlier line has the same id and the same body.
    Duplicate,
    /// A refusal: an earlier line has the same id and another body.
    Conflict,
    /// A refusal with this code.
    Refused(IntakeCode),
    /// Nothing: no client can read the message, and it stays among the dead letters.
    Unreadable,
}

/// One line of the corpus. Lines with one message id and one tenant have one body.
#[derive(Debug, Clone)]
pub struct Entry {
    /// Its number, from 1.
    pub line: usize,
    /// What kind of line it is, for people.
    pub kind: &'static str,
    /// The message id; of no use in a line that cannot be read.
    pub message_id: String,
    /// The correlation id, which every event of the account has to repeat.
    pub correlation_id: String,
    /// The tenant, which no other body has.
    pub tenant: String,
    /// The region of the account.
    pub region: &'static str,
    /// What must become of the line.
    pub expect: Expect,
    /// Where the account that this body makes has to end.
    pub ending: Status,
}

/// All lines, in the order of the file.
#[derive(Debug, Clone, Default)]
pub struct Ledger {
    pub entries: Vec<Entry>,
}

impl Ledger {
    /// How many accounts there have to be.
    pub fn accounts(&self) -> usize {
        self.entries.iter().filter(|entry| entry.expect == Expect::Account).count()
    }
}
