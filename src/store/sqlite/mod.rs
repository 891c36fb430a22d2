//! The store in one SQLite file (WAL, `synchronous=FULL`), for one worker process and command-line verbs beside it.
//!
//! Writes go through one connection with `BEGIN IMMEDIATE` (a deferred transaction that upgrades fails at once when
//! another writer is there); reads have a small pool. A connection on which anything went wrong, or whose user was
//! cancelled, is closed and made anew, so no half transaction is ever inherited.

mod bulk;
mod claims;
mod connection;
mod definitions;
mod gates;
mod lock;
mod operators;
mod outbox;
mod patch;
mod reads;
mod writes;

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use sqlx::ConnectOptions as _;
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePool, SqlitePoolOptions, SqliteSynchronous};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::group::{Group, Write, Written};
use super::handed::Handed;
use super::migrate;
use super::{
    Accept, Accepted, Account, AccountFilter, Backlog, Candidate, Claims, ClosedGate, Commit, Committed, Credential,
    DefinitionHash, Enqueue, Enqueued, FailedAt, GateReason, InstallEntry, IntegrationEntry, Left, NewReplay, Patch,
    Patched, Patience, QuarantineEntry, QuarantineFilter, QuarantineRow, Quarantined, RelayPass, Relayed, Replay,
    ReplayItem, RunView, Settlement, Standing, Store, StoreError, StoredDefinitions, StoredEvent, UsedOverride,
    VersionEntry,
};
use crate::lifecycle::{Region, Status};
use crate::seal::Sealed;
use crate::tasks::Tasks;

/// How long closing in order may take.
const CLOSING: Duration = Duration::from_secs(1);

/// The time in SQLite, in milliseconds since the epoch.
macro_rules! now {
    () => {
        "CAST(unixepoch('subsec') * 1000 AS INTEGER)"
    };
}
use now;

use connection::{BUSY, Writer, check_version, migrate, poll};
pub use lock::FileLock;

/// The store in a file.
#[derive(Debug)]
pub struct Sqlite {
    group: Group,
    writer: Arc<Writer>,
    handed: Handed,
    reads: SqlitePool,
    changes: watch::Sender<u64>,
    /// Never sent to: no other process closes a gate.
    gate_changes: watch::Sender<u64>,
    closing: CancellationToken,
}

impl Sqlite {
    /// Opens (and makes, and migrates) the database in `file`, and starts the store's tasks.
    ///
    /// # Errors
    /// When the file cannot be opened, or holds a schema that this version does not know.
    pub async fn open(file: &Path, tasks: &Tasks) -> Result<Self, StoreError> {
        Self::start(file, true, tasks).await
    }

    /// The same for a database that is there: makes none and leaves its schema as it is.
    ///
    /// # Errors
    /// When there is no such file, or it cannot be opened.
    pub async fn open_existing(file: &Path, tasks: &Tasks) -> Result<Self, StoreError> {
        Self::start(file, false, tasks).await
    }

    async fn start(file: &Path, make: bool, tasks: &Tasks) -> Result<Self, StoreError> {
        let options = SqliteConnectOptions::new()
            .filename(file)
            .create_if_missing(make)
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(SqliteSynchronous::Full)
            .busy_timeout(BUSY)
            .foreign_keys(true)
            .disable_statement_logging();
        let writer = Arc::new(Writer::new(options.clone()));
        let mut connection = writer.take().await?;
        check_version(connection.get()).await?;
        if make {
            migrate(connection.get()).await?;
        }
        connection.keep();

        let (group, inbox) = Group::new();
        // Closing the store is what stops its tasks.
        let closing = tasks.stop();
        let flusher = writes::Flusher(Arc::clone(&writer));
        tasks.spawn("store.flush", super::group::run(inbox, flusher, closing.clone(), "store.flush"));
        let changes = watch::Sender::new(0);
        tasks.spawn("store.poll", poll(options.clone(), changes.clone(), closing.clone()));
        let reads = SqlitePoolOptions::new().max_connections(4).connect_lazy_with(options);
        Ok(Self {
            group,
            writer,
            handed: Handed::default(),
            reads,
            changes,
            gate_changes: watch::Sender::new(0),
            closing,
        })
    }
}

#[async_trait]
impl Store for Sqlite {
    async fn accept(&self, accept: Accept, patience: Patience) -> Result<Accepted, StoreError> {
        match self.group.write(Write::Accept(Box::new(accept)), patience).await? {
            Written::Accepted(accepted) => Ok(accepted),
            Written::Committed(_) => Err(StoreError::Closed),
        }
    }

    async fn commit(&self, commit: Commit, patience: Patience) -> Result<Committed, StoreError> {
        match self.group.write(Write::Commit(Box::new(commit)), patience).await? {
            Written::Committed(committed) => Ok(committed),
            Written::Accepted(_) => Err(StoreError::Closed),
        }
    }

    async fn enqueue(&self, enqueue: Enqueue) -> Result<Enqueued, StoreError> {
        let mut taken = self.writer.begin().await?;
        let enqueued = writes::enqueue(taken.get(), &enqueue).await?;
        taken.commit().await?;
        Ok(enqueued)
    }

    async fn patch(&self, patch: Patch) -> Result<Patched, StoreError> {
        patch::patch(&self.writer, &patch).await
    }

    async fn claim(&self, worker: Uuid, regions: &[Region], limit: u32) -> Result<Claims, StoreError> {
        claims::claim(&self.writer, &self.handed, worker, regions, limit).await
    }

    async fn heartbeat(&self, worker: Uuid, regions: &[Region]) -> Result<Standing, StoreError> {
        claims::heartbeat(&self.writer, worker, regions).await
    }

    async fn take_over(&self, worker: Uuid, dead_after: Duration, held: &[Uuid]) -> Result<u64, StoreError> {
        claims::take_over(&self.writer, &self.handed, worker, dead_after, held).await
    }

    async fn retire(&self, worker: Uuid) -> Result<(), StoreError> {
        claims::retire(&self.writer, worker).await
    }

    async fn relay_pass(&self, pass: RelayPass<'_>) -> Result<Relayed, StoreError> {
        outbox::relay_pass(&self.writer, &self.reads, pass).await
    }

    async fn quarantine(&self, refused: Quarantined) -> Result<(), StoreError> {
        outbox::quarantine(&self.writer, &refused).await
    }

    async fn failed_accounts(&self, status: Status, after: FailedAt, limit: u32) -> Result<Vec<Candidate>, StoreError> {
        operators::failed(&self.reads, status, after, limit).await
    }

    async fn candidates(&self, accounts: &[Uuid]) -> Result<Vec<Candidate>, StoreError> {
        operators::candidates(&self.reads, accounts).await
    }

    async fn save_replay(&self, replay: NewReplay) -> Result<bool, StoreError> {
        operators::save(&self.writer, &replay).await
    }

    async fn replay(&self, id: Uuid) -> Result<Option<Replay>, StoreError> {
        operators::replay(&self.reads, id).await
    }

    async fn replay_of_key(&self, key: &str) -> Result<Option<Replay>, StoreError> {
        operators::replay_of_key(&self.reads, key).await
    }

    async fn start_replay(&self, id: Uuid, key: &str) -> Result<bool, StoreError> {
        operators::start(&self.writer, id, key).await
    }

    async fn replay_items(&self, id: Uuid, from_place: i64, limit: u32) -> Result<Vec<ReplayItem>, StoreError> {
        operators::items(&self.reads, id, from_place, limit).await
    }

    async fn refuse_replay_item(&self, id: Uuid, place: i64, code: &str) -> Result<(), StoreError> {
        operators::refuse(&self.writer, id, place, code).await
    }

    async fn finish_replay(&self, id: Uuid) -> Result<(), StoreError> {
        operators::finish(&self.writer, id).await
    }

    async fn quarantined(&self, filter: &QuarantineFilter, limit: u32) -> Result<Vec<QuarantineRow>, StoreError> {
        operators::quarantined(&self.reads, filter, limit).await
    }

    async fn quarantine_entry(&self, id: Uuid) -> Result<Option<QuarantineEntry>, StoreError> {
        operators::entry(&self.reads, id).await
    }

    async fn settle_quarantined(&self, id: Uuid, how: &Settlement, actor: &str) -> Result<bool, StoreError> {
        operators::settle(&self.writer, id, how, actor).await
    }

    async fn save_definitions(&self, definitions: StoredDefinitions) -> Result<u64, StoreError> {
        definitions::save(&self.writer, &definitions).await
    }

    async fn integrations(&self) -> Result<Vec<IntegrationEntry>, StoreError> {
        definitions::integrations(&self.reads).await
    }

    async fn integration_versions(&self, id: Uuid) -> Result<Vec<VersionEntry>, StoreError> {
        definitions::versions(&self.reads, id).await
    }

    async fn integration_version(&self, id: Uuid, version: i64) -> Result<Option<Sealed>, StoreError> {
        definitions::version(&self.reads, id, version).await
    }

    async fn installs(&self) -> Result<Vec<InstallEntry>, StoreError> {
        definitions::installs(&self.reads).await
    }

    async fn install(&self, id: Uuid) -> Result<Option<InstallEntry>, StoreError> {
        definitions::install(&self.reads, id).await
    }

    async fn effective_definition(&self, hash: DefinitionHash) -> Result<Option<Sealed>, StoreError> {
        definitions::effective(&self.reads, hash).await
    }

    async fn stored_setting(&self, key: &str) -> Result<Option<Sealed>, StoreError> {
        definitions::stored_setting(&self.reads, key).await
    }

    async fn setting(&self, key: &str, value: Sealed) -> Result<Sealed, StoreError> {
        definitions::setting(&self.writer, key, &value).await
    }

    async fn message(&self, environment: Uuid, id: &str) -> Result<Option<(Uuid, [u8; 32])>, StoreError> {
        reads::message(&self.reads, environment, id).await
    }

    async fn account(&self, id: Uuid) -> Result<Option<Account>, StoreError> {
        reads::account(&self.reads, id).await
    }

    async fn accounts(&self, filter: &AccountFilter, limit: u32) -> Result<Vec<Account>, StoreError> {
        reads::accounts(&self.reads, filter, limit).await
    }

    async fn credential(&self, account: Uuid) -> Result<Option<Credential>, StoreError> {
        reads::credential(&self.reads, account).await
    }

    async fn account_override(&self, account: Uuid) -> Result<Option<Sealed>, StoreError> {
        patch::account_override(&self.reads, account).await
    }

    async fn used_overrides(&self, install: Uuid, after: Uuid, limit: u32) -> Result<Vec<UsedOverride>, StoreError> {
        patch::used_overrides(&self.reads, install, after, limit).await
    }

    async fn run(&self, id: Uuid) -> Result<Option<RunView>, StoreError> {
        reads::run(&self.reads, id).await
    }

    async fn runs(&self, account: Uuid, limit: u32) -> Result<Vec<RunView>, StoreError> {
        reads::runs(&self.reads, account, limit).await
    }

    async fn left_by(&self, run: Uuid) -> Result<Option<Left>, StoreError> {
        reads::left_by(&self.reads, run).await
    }

    async fn account_events(
        &self,
        account: Uuid,
        from_sequence: i64,
        limit: u32,
    ) -> Result<Vec<StoredEvent>, StoreError> {
        reads::account_events(&self.reads, account, from_sequence, limit).await
    }

    async fn events_since(&self, from_ms: i64, limit: u32) -> Result<Vec<StoredEvent>, StoreError> {
        reads::events_since(&self.reads, from_ms, limit).await
    }

    async fn now_ms(&self) -> Result<i64, StoreError> {
        reads::now_ms(&self.reads).await
    }

    async fn close_gate(
        &self,
        install: Uuid,
        host: &str,
        reason: GateReason,
        for_ms: i64,
    ) -> Result<ClosedGate, StoreError> {
        gates::close(&self.writer, install, host, reason, for_ms).await
    }

    async fn closed_gates(&self) -> Result<Vec<ClosedGate>, StoreError> {
        gates::closed(&self.reads).await
    }

    async fn backlog(&self) -> Result<Backlog, StoreError> {
        reads::backlog(&self.reads).await
    }

    async fn check(&self) -> Result<(), StoreError> {
        let found: i64 = sqlx::query_scalar("PRAGMA user_version").fetch_one(&self.reads).await?;
        migrate::judge(found).map_err(StoreError::Schema)
    }

    fn changes(&self) -> watch::Receiver<u64> {
        self.changes.subscribe()
    }

    fn gate_changes(&self) -> watch::Receiver<u64> {
        self.gate_changes.subscribe()
    }

    async fn close(&self) {
        self.closing.cancel();
        // The last connection that closes in order writes the log back, so that the file is whole by itself. That is
        // only tidy: a disk that hangs does not hold up the end.
        let in_order = async {
            self.reads.close().await;
            self.writer.close().await;
        };
        let _ = tokio::time::timeout(CLOSING, in_order).await;
    }
}
