//! What the judge reads: everything that a run left behind, as the outside sees it.

use serde::Deserialize;

use crate::ledger::Ledger;

/// One line of `tidewaiter import --report FILE`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct ReportLine {
    pub line: usize,
    pub disposition: Disposition,
    /// The account that the line made or that its message had made before.
    #[serde(default)]
    pub account: Option<String>,
    /// The intake code of a refusal.
    #[serde(default)]
    pub code: Option<String>,
}

/// What intake says that became of a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Disposition {
    Accepted,
    Duplicate,
    Refused,
}

/// The one object that `tidewaiter import --json` prints.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
pub struct Summary {
    pub lines: usize,
    pub accepted: usize,
    pub duplicates: usize,
    pub refused: Vec<Refusal>,
}

/// A refused line in the summary.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Refusal {
    pub line: usize,
    pub code: String,
}

/// One line of `tidewaiter accounts list --all --json`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct AccountRow {
    pub id: String,
    pub tenant_id: String,
    pub status: String,
    #[serde(default)]
    pub sequence: Option<u64>,
    #[serde(default)]
    pub reason: Option<RowReason>,
}

/// Why an account is not usable.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct RowReason {
    pub code: String,
}

/// One line of the producer's ledger: the broker confirmed the message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
pub struct Confirmed {
    /// The message's number, which is its line in the corpus.
    pub number: usize,
    /// How often it was published until then.
    pub tries: usize,
}

/// One line of a consumer's log: a delivery of an event.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
pub struct Receipt {
    pub routing_key: String,
    #[serde(default)]
    pub message_id: Option<String>,
    #[serde(default)]
    pub correlation_id: Option<String>,
    #[serde(default, rename = "type")]
    pub kind: Option<String>,
    #[serde(default)]
    pub app_id: Option<String>,
    #[serde(default)]
    pub content_type: Option<String>,
    #[serde(default)]
    pub delivery_mode: Option<u8>,
    #[serde(default)]
    pub timestamp: Option<u64>,
    /// The event.
    pub body: String,
}

/// One line of `tidewaiter quarantine list --json`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct QuarantineRow {
    pub message_id: String,
    pub reason: String,
}

/// What a run with a broker left behind beside accounts and events.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Brokered {
    pub confirmed: Vec<Confirmed>,
    pub quarantine: Vec<QuarantineRow>,
    /// Deliveries to the consumer that is bound to every event, in its order; their bodies are the history's events.
    pub everything: Vec<Receipt>,
    /// Deliveries to the consumer that is bound to `active` alone.
    pub active: Vec<Receipt>,
    /// What is left in each queue but that of dead letters.
    pub queues: Vec<(String, u64)>,
    /// What is left in the queue of dead letters.
    pub dead_letters: u64,
    /// Whether the workers raised the alarm for dead letters that nobody can read.
    pub alarm: bool,
}

/// A worker that was killed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Kill {
    /// How many runs it held just before.
    pub running: u64,
    /// The event file's length just before, in bytes.
    pub before: u64,
    /// The event file's length when the worker was dead.
    pub after: u64,
}

/// What was done to the system during the run.
#[derive(Debug, Clone, Default)]
pub struct Faults {
    pub kills: Vec<Kill>,
    pub database_kills: usize,
    pub broker_kills: usize,
    /// What was done to the network between the workers and a server.
    pub breaks: Vec<Break>,
    /// What the stub upstream saw and did.
    pub upstream: UpstreamFaults,
    /// Processes that ended by themselves or not as they should, a sentence each.
    pub exits: Vec<String>,
}

/// Connections that were disturbed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Break {
    /// Between the workers and what.
    pub server: &'static str,
    /// What was done.
    pub kind: &'static str,
    /// How many connections it met.
    pub met: usize,
}

/// What the stub upstream saw and did, random faults only.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct UpstreamFaults {
    pub requests: u64,
    pub unavailable: u64,
    pub hung: u64,
}

/// What has to have been done for the run to count; anything less is void.
#[derive(Debug, Clone, Copy, Default)]
pub struct Demands {
    /// Kills of workers that held runs.
    pub kill_hits: usize,
    pub database_kills: usize,
    pub broker_kills: usize,
    /// Breaks of the network that met connections.
    pub breaks: usize,
    /// Whether the upstream was to fail and hang.
    pub upstream_faults: bool,
}

/// Anything that must not hold a secret: events, reports, logs, the database's files.
#[derive(Debug, Clone)]
pub struct Text {
    pub name: String,
    pub bytes: Vec<u8>,
}

/// Everything that a run left behind.
#[derive(Debug, Clone, Default)]
pub struct History {
    pub ledger: Ledger,
    pub report: Vec<ReportLine>,
    pub summary: Summary,
    /// Present when the imports came over a broker; then there is no report and no summary.
    pub brokered: Option<Brokered>,
    /// The event file, whole; or what the consumer of every event received, one a line.
    pub events: Vec<u8>,
    pub accounts: Vec<AccountRow>,
    pub texts: Vec<Text>,
    pub faults: Faults,
    pub demands: Demands,
}
