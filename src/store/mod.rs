//! The store: use cases, each one transaction, on PostgreSQL and on SQLite.
//!
//! SQL compares and sets, it never decides. Nothing in here waits for a network other than the database's, opens a
//! sealed value or evaluates an expression. Both implementations pass the same conformance suite
//! (`tests/it/store_conformance`).
//!
//! Every write of a run's worker names the run's fence, and every transition the account's sequence, so a worker that
//! lost its claim changes nothing.

mod definitions;
mod gates;
mod group;
mod handed;
mod migrate;
mod model;
mod operators;
mod patch;
pub mod postgres;
mod rows;
pub mod sqlite;
mod stands;
mod views;

use std::time::Duration;

use async_trait::async_trait;
use tokio::sync::watch;
use uuid::Uuid;

use crate::lifecycle::{Region, Status};
use crate::seal::Sealed;
pub use definitions::*;
pub use gates::{ClosedGate, GateReason};
pub use model::*;
pub use operators::*;
pub use patch::{OverridePatch, Patch, Patched, SecretsPatch};
pub use views::*;

/// Why the store did not do something. Each variant is a different reaction.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The database does not answer. Whether the write happened may be unknown; all writes can be repeated safely.
    #[error("the database does not answer: {0}")]
    Unavailable(String),
    /// The database refuses the data. Repeating it does not help.
    #[error("the database refuses the data: {0}")]
    Refused(String),
    /// What the write was decided on has changed meanwhile. Look again and decide again.
    #[error("{0}")]
    Moved(String),
    /// The database's schema is not this version's.
    #[error("{0}")]
    Schema(String),
    /// The store is shutting down.
    #[error("the store is closed")]
    Closed,
}

/// How long a caller waits for a database that does not answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Patience {
    /// Give up after this long with [`StoreError::Unavailable`].
    For(Duration),
    /// Until the database is back or the store is closed.
    Endless,
}

/// The use cases.
#[async_trait]
pub trait Store: std::fmt::Debug + Send + Sync {
    /// Makes an account with its run, secrets and first event, unless its message came before. Grouped with others.
    async fn accept(&self, accept: Accept, patience: Patience) -> Result<Accepted, StoreError>;

    /// Writes what a run's worker has to say. Grouped with others.
    ///
    /// Repeating a commit whose outcome was lost is recognised and answered [`Committed::Done`].
    async fn commit(&self, commit: Commit, patience: Patience) -> Result<Committed, StoreError>;

    /// Starts a run of an existing account, with its transition or beside its status.
    async fn enqueue(&self, enqueue: Enqueue) -> Result<Enqueued, StoreError>;

    /// Writes a client's change of an account, whether a run of it is under way or not.
    ///
    /// Repeating a patch whose outcome was lost is recognised and answered [`Patched::Done`].
    async fn patch(&self, patch: Patch) -> Result<Patched, StoreError>;

    /// Claims due runs in fair order, after making waiting ones due.
    async fn claim(&self, worker: Uuid, regions: &[Region], limit: u32) -> Result<Claims, StoreError>;

    /// Writes the worker's heartbeat (first call: registers it) and tells its place among the live workers.
    async fn heartbeat(&self, worker: Uuid, regions: &[Region]) -> Result<Standing, StoreError>;

    /// Requeues, with a higher fence, the runs of workers whose heartbeat is older than `dead_after`, and forgets those
    /// workers; also the worker's own runs that are not in `held` and were first claimed that long ago (a claim or an
    /// accept whose answer was lost claimed them). Answers how many runs there were.
    async fn take_over(&self, worker: Uuid, dead_after: Duration, held: &[Uuid]) -> Result<u64, StoreError>;

    /// Forgets the worker; runs it still holds are requeued with a higher fence.
    async fn retire(&self, worker: Uuid) -> Result<(), StoreError>;

    /// What a relay has to say and to ask, in one round trip: takes published events out of the outbox, and answers the
    /// worker's place among the live ones right now and what its shards hold next. Repeating it is harmless.
    async fn relay_pass(&self, pass: RelayPass<'_>) -> Result<Relayed, StoreError>;

    /// Keeps a request that could not be accepted; the same one again only counts.
    async fn quarantine(&self, refused: Quarantined) -> Result<(), StoreError>;

    /// Failed accounts in one error status, those that failed first first, after a place in that order.
    async fn failed_accounts(&self, status: Status, after: FailedAt, limit: u32) -> Result<Vec<Candidate>, StoreError>;

    /// These accounts as a replay has to know them, in any order; those that are not there are left out.
    async fn candidates(&self, accounts: &[Uuid]) -> Result<Vec<Candidate>, StoreError>;

    /// Keeps a replay with its accounts; false when its key is taken, and nothing is kept then.
    async fn save_replay(&self, replay: NewReplay) -> Result<bool, StoreError>;

    /// One replay.
    async fn replay(&self, id: Uuid) -> Result<Option<Replay>, StoreError>;

    /// The replay with this key.
    async fn replay_of_key(&self, key: &str) -> Result<Option<Replay>, StoreError>;

    /// Starts a planned replay under a key. The same again is answered alike; false when it was started under another
    /// key, or another replay has this one.
    async fn start_replay(&self, id: Uuid, key: &str) -> Result<bool, StoreError>;

    /// A replay's accounts from a place on, with how far each got.
    async fn replay_items(&self, id: Uuid, from_place: i64, limit: u32) -> Result<Vec<ReplayItem>, StoreError>;

    /// Keeps why an account of a replay does not run again. One whose run is there is left as it is.
    async fn refuse_replay_item(&self, id: Uuid, place: i64, code: &str) -> Result<(), StoreError>;

    /// Keeps that all accounts of a replay were gone through.
    async fn finish_replay(&self, id: Uuid) -> Result<(), StoreError>;

    /// Quarantined requests by ascending id, without what is sealed.
    async fn quarantined(&self, filter: &QuarantineFilter, limit: u32) -> Result<Vec<QuarantineRow>, StoreError>;

    /// One quarantined request.
    async fn quarantine_entry(&self, id: Uuid) -> Result<Option<QuarantineEntry>, StoreError>;

    /// Settles a held request; false when it is not held (any more), and nothing changed.
    async fn settle_quarantined(&self, id: Uuid, how: &Settlement, actor: &str) -> Result<bool, StoreError>;

    /// Applies definitions in one transaction; what is stored already is left as it is. Answers how many rows changed.
    /// [`StoreError::Moved`] when one of [`StoredDefinitions::over`] is no longer at its version: nothing is changed.
    async fn save_definitions(&self, definitions: StoredDefinitions) -> Result<u64, StoreError>;

    /// Every integration, by name; nothing that is sealed.
    async fn integrations(&self) -> Result<Vec<IntegrationEntry>, StoreError>;

    /// The versions of an integration, the latest first.
    async fn integration_versions(&self, id: Uuid) -> Result<Vec<VersionEntry>, StoreError>;

    /// One version of an integration.
    async fn integration_version(&self, id: Uuid, version: i64) -> Result<Option<Sealed>, StoreError>;

    /// Every install with its integration's face, by id; nothing that is sealed.
    async fn installs(&self) -> Result<Vec<InstallEntry>, StoreError>;

    /// One install with its integration's face.
    async fn install(&self, id: Uuid) -> Result<Option<InstallEntry>, StoreError>;

    /// One effective definition.
    async fn effective_definition(&self, hash: DefinitionHash) -> Result<Option<Sealed>, StoreError>;

    /// The value under `key`, if there is one.
    async fn stored_setting(&self, key: &str) -> Result<Option<Sealed>, StoreError>;

    /// The value under `key`, which becomes `value` if there is none.
    async fn setting(&self, key: &str, value: Sealed) -> Result<Sealed, StoreError>;

    /// What the message with this id made in the environment: its account and the fingerprint of its body.
    async fn message(&self, environment: Uuid, id: &str) -> Result<Option<(Uuid, [u8; 32])>, StoreError>;

    /// One account, deleted ones included.
    async fn account(&self, id: Uuid) -> Result<Option<Account>, StoreError>;

    /// Accounts by ascending id, deleted ones excluded.
    async fn accounts(&self, filter: &AccountFilter, limit: u32) -> Result<Vec<Account>, StoreError>;

    /// The account's secrets.
    async fn credential(&self, account: Uuid) -> Result<Option<Credential>, StoreError>;

    /// The account's own override, if it has one.
    async fn account_override(&self, account: Uuid) -> Result<Option<Sealed>, StoreError>;

    /// The overrides of an install's accounts by ascending account id, after one.
    async fn used_overrides(&self, install: Uuid, after: Uuid, limit: u32) -> Result<Vec<UsedOverride>, StoreError>;

    /// One run.
    async fn run(&self, id: Uuid) -> Result<Option<RunView>, StoreError>;

    /// The account's runs, latest first.
    async fn runs(&self, account: Uuid, limit: u32) -> Result<Vec<RunView>, StoreError>;

    /// What a finished run left to go on from, if it did and no run took it over.
    async fn left_by(&self, run: Uuid) -> Result<Option<Left>, StoreError>;

    /// The account's events in order, from `from_sequence` on.
    async fn account_events(
        &self,
        account: Uuid,
        from_sequence: i64,
        limit: u32,
    ) -> Result<Vec<StoredEvent>, StoreError>;

    /// Events inserted at or after `from_ms` (database time), by insertion time, account and sequence.
    async fn events_since(&self, from_ms: i64, limit: u32) -> Result<Vec<StoredEvent>, StoreError>;

    /// The database's time, milliseconds since the epoch: what insertion times are compared with, instead of a clock of
    /// this machine.
    async fn now_ms(&self) -> Result<i64, StoreError>;

    /// Closes the way of an install to a host for so long, unless it is closed for longer; answers how it stands.
    async fn close_gate(
        &self,
        install: Uuid,
        host: &str,
        reason: GateReason,
        for_ms: i64,
    ) -> Result<ClosedGate, StoreError>;

    /// The gates that are closed now, by install and host.
    async fn closed_gates(&self) -> Result<Vec<ClosedGate>, StoreError>;

    /// How much there is to do.
    async fn backlog(&self) -> Result<Backlog, StoreError>;

    /// Whether the database answers and has this version's schema.
    async fn check(&self) -> Result<(), StoreError>;

    /// Counts the times that something may have become due or unpublished by another process's doing. A receiver sees
    /// each change that comes after it last looked, so nothing is missed between looking and waiting.
    fn changes(&self) -> watch::Receiver<u64>;

    /// Counts the times that another process may have closed a gate, as [`Store::changes`] does.
    fn gate_changes(&self) -> watch::Receiver<u64>;

    /// Stops the store's tasks after what is in flight.
    async fn close(&self);
}

/// How many shards the outbox has.
pub const SHARDS: u8 = 16;

/// The outbox shard of an account: the low nibble of its id's last byte.
#[must_use]
pub const fn shard_of(account: Uuid) -> u8 {
    account.as_bytes()[15] % SHARDS
}

/// A run of an existing account: one transaction. What the run that it repeats left behind is erased in it.
#[derive(Debug, Clone)]
pub struct Enqueue {
    /// The account.
    pub account: Uuid,
    /// The environment that owns it.
    pub environment_id: Uuid,
    /// Where it lives.
    pub region: Region,
    /// The sequence that the account must have.
    pub expected_sequence: i64,
    /// The change of the account and its event, if it becomes `connecting`; none leaves it as it is.
    pub transition: Option<(AccountChange, Event)>,
    /// The run.
    pub run: NewRun,
}

/// What became of an [`Enqueue`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Enqueued {
    /// The run is queued.
    Done,
    /// The account has an unfinished run. Nothing changed.
    RunInProgress,
    /// The account changed meanwhile. Nothing changed.
    SequenceMoved,
}

impl From<sqlx::Error> for StoreError {
    /// Sorts a driver's error by what helps: another try, other data, or another version.
    fn from(error: sqlx::Error) -> Self {
        match &error {
            sqlx::Error::Database(database) if refuses_data(database.as_ref()) => {
                // Details may quote a row; the message and the constraint's name do not.
                let constraint = database.constraint().map(|name| format!(" (constraint {name})")).unwrap_or_default();
                Self::Refused(format!("{}{constraint}", database.message()))
            }
            sqlx::Error::Database(database) if wants_another_schema(database.as_ref()) => Self::Schema(format!(
                "the database's schema or its grants are not what this version needs: {}",
                database.message()
            )),
            sqlx::Error::ColumnNotFound(_) | sqlx::Error::ColumnDecode { .. } | sqlx::Error::Decode(_) => {
                Self::Schema(format!("a stored row cannot be read by this version: {error}"))
            }
            _ => Self::Unavailable(error.to_string()),
        }
    }
}

/// Whether the database understood and refused, so that the same data fails again.
///
/// What is not here helps itself with another try or another connection: 25006 (a standby), 40001 and 40P01 (lost a
/// race), 53300 (too many connections), 55P03 and 57014 (took too long), 57P01 (the server stops), 0A000 (a plan from
/// before a migration).
fn refuses_data(error: &dyn sqlx::error::DatabaseError) -> bool {
    if let Some(error) = error.try_downcast_ref::<sqlx::postgres::PgDatabaseError>() {
        // SQLSTATE classes: 21 cardinality, 22 data exception, 23 integrity, 54 a limit (an index key too long).
        return matches!(error.code().get(..2), Some("21" | "22" | "23" | "54"));
    }
    // SQLite primary result codes: 18 TOOBIG, 19 CONSTRAINT, 20 MISMATCH, 25 RANGE.
    matches!(sqlite_code(error), Some(18 | 19 | 20 | 25))
}

/// Whether a table, a column or a right is missing. No request is at fault then.
fn wants_another_schema(error: &dyn sqlx::error::DatabaseError) -> bool {
    if let Some(error) = error.try_downcast_ref::<sqlx::postgres::PgDatabaseError>() {
        return error.code().starts_with("42");
    }
    sqlite_code(error) == Some(1)
}

fn sqlite_code(error: &dyn sqlx::error::DatabaseError) -> Option<i64> {
    error.code().and_then(|code| code.parse::<i64>().ok()).map(|code| code & 0xff)
}
