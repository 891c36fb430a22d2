//! What operators' tools move: accounts that may be replayed, replays, quarantined requests.

use uuid::Uuid;

use super::Channel;
use super::rows::{self, RowError};
use crate::lifecycle::{Reason, ReasonCode, Status, Unknown, words};
use crate::seal::{Sealed, hex};

/// An account as far as a replay has to know it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Candidate {
    /// Its id.
    pub id: Uuid,
    /// The caller's own key.
    pub tenant_id: String,
    /// Its integration's name.
    pub integration_name: String,
    /// Its install.
    pub install: Uuid,
    /// `None` is a deleted account.
    pub status: Option<Status>,
    /// Why it failed.
    pub reason: Option<ReasonCode>,
    /// Its version.
    pub sequence: i64,
    /// When it failed: its last visible change.
    pub updated_at_ms: i64,
    /// Whether a run of it is not finished.
    pub has_run: bool,
    /// Whether it has an override of its own.
    pub has_override: bool,
    /// Whether its phases ended without knowing what became of their last request, whatever its reason says by now.
    pub in_doubt: bool,
}

/// A place in the order of failing: time, then id.
pub type FailedAt = (i64, Uuid);

/// A replay that is to be kept, with its accounts.
#[derive(Debug, Clone)]
pub struct NewReplay {
    /// Its id.
    pub id: Uuid,
    /// Who repeats a start with this key gets this replay.
    pub key: String,
    /// What it was chosen by, as JSON text.
    pub filter: String,
    /// The most accounts it might have.
    pub cap: i64,
    /// What is to become of accounts whose last outcome is unknown; without a word they are left alone.
    pub unknown: Option<Unknown>,
    /// Who asked for it.
    pub actor: String,
    /// Whether it starts at once.
    pub started: bool,
    /// The accounts in their order, each once.
    pub items: Vec<NewReplayItem>,
}

/// One account of a [`NewReplay`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NewReplayItem {
    /// The account.
    pub account: Uuid,
    /// The run that it will get.
    pub run: Uuid,
    /// The version in which it was chosen.
    pub expected_sequence: i64,
    /// Why it is left alone from the start.
    pub refusal: Option<&'static str>,
}

/// A replay as it is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Replay {
    /// Its id.
    pub id: Uuid,
    /// Its key.
    pub key: String,
    /// What it was chosen by, as JSON text.
    pub filter: String,
    /// What is to become of accounts whose last outcome is unknown; without a word they are left alone.
    pub unknown: Option<Unknown>,
    /// Who asked for it.
    pub actor: String,
    /// When it was made, database time.
    pub created_at_ms: i64,
    /// When it was first started.
    pub started_at_ms: Option<i64>,
    /// When all its accounts had been gone through.
    pub finished_at_ms: Option<i64>,
}

/// One account of a replay and how far it got. Its run is there, it was refused, or it is still to be done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReplayItem {
    /// Its place, from 0.
    pub place: i64,
    /// The account.
    pub account: Uuid,
    /// The run that it gets or got.
    pub run: Uuid,
    /// The version in which it was chosen.
    pub expected_sequence: i64,
    /// Why it was not replayed.
    pub refusal: Option<String>,
    /// The state of its run, where that is there.
    pub state: Option<String>,
    /// How its run ended.
    pub outcome: Option<String>,
}

words! {
    /// What became of a quarantined request.
    QuarantineState {
        /// It waits for repair.
        Held = "held",
        /// It was sent again.
        Resubmitted = "resubmitted",
        /// An operator gave it up; its body is erased.
        Dropped = "dropped",
    }
}

/// Which quarantined requests. Empty fields do not filter.
#[derive(Debug, Clone, Default)]
pub struct QuarantineFilter {
    /// In exactly this state.
    pub state: Option<QuarantineState>,
    /// With exactly this code.
    pub reason: Option<String>,
    /// That came this way.
    pub channel: Option<Channel>,
    /// That came (also) at or after, milliseconds since the epoch.
    pub since_ms: Option<i64>,
    /// Only ids after this one (ids ascend with the first arrival).
    pub after: Option<Uuid>,
}

/// A quarantined request without what is sealed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QuarantineRow {
    /// Its id.
    pub id: Uuid,
    /// How it came.
    pub channel: Channel,
    /// The producer's id of the message; `None` where the fingerprint stands for it, which is not told.
    pub message_id: Option<String>,
    /// The intake code.
    pub reason: String,
    /// What is wrong and where, without values.
    pub detail: String,
    /// The JSON pointer of the first field at fault.
    pub pointer: Option<String>,
    /// What the producer wants to see again.
    pub correlation_id: Option<String>,
    /// The queue it was taken from.
    pub queue: Option<String>,
    /// The size of the whole body in bytes.
    pub body_bytes: i64,
    /// What became of it.
    pub state: QuarantineState,
    /// How often it came.
    pub arrivals: i64,
    /// When it first came.
    pub first_at_ms: i64,
    /// When it last came.
    pub last_at_ms: i64,
    /// When an operator settled it, database time.
    pub settled_at_ms: Option<i64>,
    /// Who did.
    pub settled_by: Option<String>,
    /// The message id under which it was sent again.
    pub resubmitted_as: Option<String>,
}

/// A quarantined request with what is sealed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QuarantineEntry {
    /// What may be shown.
    pub row: QuarantineRow,
    /// The sealed body; empty once it is erased.
    pub body: Sealed,
    /// What came beside it, sealed.
    pub properties: Option<Sealed>,
}

/// How a held request is settled.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Settlement {
    /// It was sent again under this message id. Its body stays.
    Resubmitted(String),
    /// It is given up, and its body erased.
    Dropped,
}

/// The columns of [`candidate`]; `a` is the account.
///
/// `in_doubt` is no EXISTS: PostgreSQL would read all runs for a page of accounts.
macro_rules! candidate_columns {
    () => {
        "a.id, a.tenant_id, a.integration_name, a.environment_integration_id, a.status, a.reason, a.sequence, \
    a.updated_at, EXISTS (SELECT 1 FROM runs r WHERE r.account_id = a.id AND r.state <> 'finished') AS has_run, \
    EXISTS (SELECT 1 FROM account_overrides o WHERE o.account_id = a.id) AS has_override, \
    coalesce((SELECT l.outcome = 'outcome_unknown' FROM runs l WHERE l.id = a.latest_run), false) AS in_doubt"
    };
}
pub(super) use candidate_columns;

type Row<T> = Result<T, RowError>;

pub(super) fn candidate(row: &impl rows::Columns) -> Row<Candidate> {
    let status = row.text("status")?.map(|_| rows::word(row, "status")).transpose()?;
    let reason: Option<Reason> = rows::json(row, "reason")?;
    Ok(Candidate {
        id: rows::must(row.id("id")?, "id")?,
        tenant_id: rows::must(row.text("tenant_id")?, "tenant_id")?,
        integration_name: rows::must(row.text("integration_name")?, "integration_name")?,
        install: rows::must(row.id("environment_integration_id")?, "environment_integration_id")?,
        status,
        reason: reason.map(|reason| reason.code),
        sequence: rows::must(row.int("sequence")?, "sequence")?,
        updated_at_ms: rows::must(row.int("updated_at")?, "updated_at")?,
        has_run: rows::must(row.flag("has_run")?, "has_run")?,
        has_override: rows::must(row.flag("has_override")?, "has_override")?,
        in_doubt: rows::must(row.flag("in_doubt")?, "in_doubt")?,
    })
}

/// The columns of [`replay`].
macro_rules! replay_columns {
    () => {
        "id, key, filter, unknown_outcome, actor, created_at, started_at, finished_at"
    };
}
pub(super) use replay_columns;

pub(super) fn replay(row: &impl rows::Columns) -> Row<Replay> {
    Ok(Replay {
        id: rows::must(row.id("id")?, "id")?,
        key: rows::must(row.text("key")?, "key")?,
        filter: rows::must(row.text("filter")?, "filter")?,
        unknown: row.text("unknown_outcome")?.map(|_| rows::word(row, "unknown_outcome")).transpose()?,
        actor: rows::must(row.text("actor")?, "actor")?,
        created_at_ms: rows::must(row.int("created_at")?, "created_at")?,
        started_at_ms: row.int("started_at")?,
        finished_at_ms: row.int("finished_at")?,
    })
}

/// The columns of [`replay_item`]; `i` is the item, `r` its run.
macro_rules! replay_item_columns {
    () => {
        "i.place, i.account_id, i.run_id, i.expected_sequence, i.refusal, r.state, r.outcome \
    FROM replay_items i LEFT JOIN runs r ON r.id = i.run_id"
    };
}
pub(super) use replay_item_columns;

pub(super) fn replay_item(row: &impl rows::Columns) -> Row<ReplayItem> {
    Ok(ReplayItem {
        place: rows::must(row.int("place")?, "place")?,
        account: rows::must(row.id("account_id")?, "account_id")?,
        run: rows::must(row.id("run_id")?, "run_id")?,
        expected_sequence: rows::must(row.int("expected_sequence")?, "expected_sequence")?,
        refusal: row.text("refusal")?,
        state: row.text("state")?,
        outcome: row.text("outcome")?,
    })
}

/// The columns of [`quarantine_row`].
macro_rules! quarantine_columns {
    () => {
        "id, channel, message_id, fingerprint, reason, detail, pointer, correlation_id, queue, body_bytes, state, arrivals, \
    first_at, last_at, settled_at, settled_by, resubmitted_as"
    };
}
pub(super) use quarantine_columns;

pub(super) fn quarantine_row(row: &impl rows::Columns) -> Row<QuarantineRow> {
    let fingerprint = rows::hash(row, "fingerprint")?.0;
    Ok(QuarantineRow {
        id: rows::must(row.id("id")?, "id")?,
        channel: rows::word(row, "channel")?,
        message_id: row.text("message_id")?.filter(|id| *id != hex(&fingerprint)),
        reason: rows::must(row.text("reason")?, "reason")?,
        detail: rows::must(row.text("detail")?, "detail")?,
        pointer: row.text("pointer")?,
        correlation_id: row.text("correlation_id")?,
        queue: row.text("queue")?,
        body_bytes: rows::must(row.int("body_bytes")?, "body_bytes")?,
        state: rows::word(row, "state")?,
        arrivals: rows::must(row.int("arrivals")?, "arrivals")?,
        first_at_ms: rows::must(row.int("first_at")?, "first_at")?,
        last_at_ms: rows::must(row.int("last_at")?, "last_at")?,
        settled_at_ms: row.int("settled_at")?,
        settled_by: row.text("settled_by")?,
        resubmitted_as: row.text("resubmitted_as")?,
    })
}

pub(super) fn quarantine_entry(row: &impl rows::Columns) -> Row<QuarantineEntry> {
    let body = rows::sealed(row, "sealed")?;
    let properties = row.bytes("properties")?.map(Sealed::from_bytes);
    Ok(QuarantineEntry { row: quarantine_row(row)?, body, properties })
}

/// Adds a [`QuarantineFilter`]'s conditions to a query of either dialect.
macro_rules! push_quarantine_filter {
    ($query:expr, $filter:expr) => {{
        let filter = $filter;
        if let Some(state) = filter.state {
            $query.push(" AND state = ").push_bind(state.as_str());
        }
        if let Some(reason) = &filter.reason {
            $query.push(" AND reason = ").push_bind(reason);
        }
        if let Some(channel) = filter.channel {
            $query.push(" AND channel = ").push_bind(channel.as_str());
        }
        if let Some(since) = filter.since_ms {
            $query.push(" AND last_at >= ").push_bind(since);
        }
        if let Some(after) = filter.after {
            $query.push(" AND id > ").push_bind(after);
        }
    }};
}
pub(super) use push_quarantine_filter;

/// A settlement as a row has it: the state, and the message id.
pub(super) fn settled(how: &Settlement) -> (&'static str, Option<&str>) {
    match how {
        Settlement::Resubmitted(message) => (QuarantineState::Resubmitted.as_str(), Some(message)),
        Settlement::Dropped => (QuarantineState::Dropped.as_str(), None),
    }
}
