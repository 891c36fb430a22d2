//! The store in PostgreSQL 14 or newer, for any number of worker processes.
//!
//! Each task owns its connection: accepts, commits, claims, heartbeats (a claim that hangs must not make a worker look dead), relay, listener, and one for the rare rest;
//! reads have three. A database that is down delays accepts and commits and fails everything else at once; nothing
//! needs a restart when it comes back. Nothing here creates or changes the schema but [`Postgres::migrate`].

mod claims;
mod definitions;
mod gates;
mod line;
mod listen;
mod operators;
mod outbox;
mod patch;
mod reads;
mod schema;
mod sql;
mod writes;

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use self::line::{Line, Lines, Server, within};
use self::listen::News;
use super::group::{Group, Write, Written};
use super::handed::Handed;
use super::{
    Accept, Accepted, Account, AccountFilter, Backlog, Candidate, Claims, ClosedGate, Commit, Committed, Credential,
    DefinitionHash, Enqueue, Enqueued, FailedAt, GateReason, InstallEntry, IntegrationEntry, Left, NewReplay, Patch,
    Patched, Patience, QuarantineEntry, QuarantineFilter, QuarantineRow, Quarantined, RelayPass, Relayed, Replay,
    ReplayItem, RunView, Settlement, Standing, Store, StoreError, StoredDefinitions, StoredEvent, UsedOverride,
    VersionEntry,
};
use crate::clock::{Clock as _, SystemClock};
use crate::lifecycle::{Region, Status};
use crate::seal::Sealed;
use crate::tasks::Tasks;

#[doc(hidden)]
pub use self::gates::ALL as GATES_STATEMENTS;
#[doc(hidden)]
pub use self::operators::ALL as OPERATORS_STATEMENTS;
#[doc(hidden)]
pub use self::patch::ALL as PATCH_STATEMENTS;
#[doc(hidden)]
pub use self::sql::ALL as STATEMENTS;

/// How many connections serve reads.
const READERS: usize = 3;

/// The store in a PostgreSQL database.
#[derive(Debug)]
pub struct Postgres {
    server: Arc<Server>,
    accepts: Group,
    commits: Group,
    claims: Line,
    beats: Line,
    relay: Line,
    rest: Line,
    reads: Lines,
    changes: watch::Sender<u64>,
    gate_changes: watch::Sender<u64>,
    news: Arc<News>,
    handed: Handed,
    closing: CancellationToken,
}

impl Postgres {
    /// Starts the store's tasks. Connects to nothing yet, so that a database that is down does not matter here.
    ///
    /// # Errors
    /// When the URL is not a PostgreSQL URL.
    pub fn connect(url: &str, tasks: &Tasks) -> Result<Self, StoreError> {
        let server = Arc::new(Server::new(url)?);
        let news = Arc::new(News::new(SystemClock::default().new_id().simple().to_string()));
        // Closing the store is what stops its tasks.
        let closing = tasks.stop();
        let flush = |name| {
            let (group, inbox) = Group::new();
            let flusher = writes::Flusher { line: Line::hot(&server), news: Arc::clone(&news) };
            tasks.spawn(name, super::group::run(inbox, flusher, closing.clone(), name));
            group
        };
        let (accepts, commits) = (flush("store.accept"), flush("store.commit"));
        let (changes, gate_changes) = (watch::Sender::new(0), watch::Sender::new(0));
        let heard = listen::Heard { changes: changes.clone(), gates: gate_changes.clone() };
        tasks.spawn("store.listen", listen::run(Arc::clone(&server), Arc::clone(&news), heard, closing.clone()));
        Ok(Self {
            accepts,
            commits,
            claims: Line::hot(&server),
            beats: Line::hot(&server),
            relay: Line::hot(&server),
            rest: Line::cool(&server),
            reads: Lines::new(&server, READERS),
            changes,
            gate_changes,
            news,
            handed: Handed::default(),
            closing,
            server,
        })
    }

    /// Brings the schema up to date; answers how many steps that took. Safe to run in several processes at once.
    ///
    /// # Errors
    /// When the server cannot be reached or is read only, or the schema is newer than this version.
    pub async fn migrate(url: &str) -> Result<u64, StoreError> {
        schema::migrate(&Server::new(url)?).await
    }
}

#[async_trait]
impl Store for Postgres {
    async fn accept(&self, accept: Accept, patience: Patience) -> Result<Accepted, StoreError> {
        match self.accepts.write(Write::Accept(Box::new(accept)), patience).await? {
            Written::Accepted(accepted) => Ok(accepted),
            Written::Committed(_) => Err(StoreError::Closed),
        }
    }

    async fn commit(&self, commit: Commit, patience: Patience) -> Result<Committed, StoreError> {
        match self.commits.write(Write::Commit(Box::new(commit)), patience).await? {
            Written::Committed(committed) => Ok(committed),
            Written::Accepted(_) => Err(StoreError::Closed),
        }
    }

    async fn enqueue(&self, enqueue: Enqueue) -> Result<Enqueued, StoreError> {
        within(writes::enqueue(&self.rest, &enqueue)).await
    }

    async fn patch(&self, patch: Patch) -> Result<Patched, StoreError> {
        within(patch::patch(&self.rest, &patch)).await
    }

    async fn claim(&self, worker: Uuid, regions: &[Region], limit: u32) -> Result<Claims, StoreError> {
        within(claims::claim(&self.claims, &self.handed, worker, regions, limit)).await
    }

    async fn heartbeat(&self, worker: Uuid, regions: &[Region]) -> Result<Standing, StoreError> {
        within(claims::heartbeat(&self.beats, worker, regions)).await
    }

    async fn take_over(&self, worker: Uuid, dead_after: Duration, held: &[Uuid]) -> Result<u64, StoreError> {
        within(claims::take_over(&self.claims, &self.handed, worker, dead_after, held)).await
    }

    async fn retire(&self, worker: Uuid) -> Result<(), StoreError> {
        within(claims::retire(&self.claims, worker)).await
    }

    async fn relay_pass(&self, pass: RelayPass<'_>) -> Result<Relayed, StoreError> {
        let relayed = within(outbox::relay_pass(&self.relay, pass)).await?;
        self.news.set_alone(relayed.standing.live == 1);
        Ok(relayed)
    }

    async fn quarantine(&self, refused: Quarantined) -> Result<(), StoreError> {
        within(outbox::quarantine(&self.rest, &refused)).await
    }

    async fn failed_accounts(&self, status: Status, after: FailedAt, limit: u32) -> Result<Vec<Candidate>, StoreError> {
        within(operators::failed(&self.reads, status, after, limit)).await
    }

    async fn candidates(&self, accounts: &[Uuid]) -> Result<Vec<Candidate>, StoreError> {
        within(operators::candidates(&self.reads, accounts)).await
    }

    async fn save_replay(&self, replay: NewReplay) -> Result<bool, StoreError> {
        within(operators::save(&self.rest, &replay)).await
    }

    async fn replay(&self, id: Uuid) -> Result<Option<Replay>, StoreError> {
        within(operators::replay(&self.reads, id)).await
    }

    async fn replay_of_key(&self, key: &str) -> Result<Option<Replay>, StoreError> {
        within(operators::replay_of_key(&self.reads, key)).await
    }

    async fn start_replay(&self, id: Uuid, key: &str) -> Result<bool, StoreError> {
        within(operators::start(&self.rest, id, key)).await
    }

    async fn replay_items(&self, id: Uuid, from_place: i64, limit: u32) -> Result<Vec<ReplayItem>, StoreError> {
        within(operators::items(&self.reads, id, from_place, limit)).await
    }

    async fn refuse_replay_item(&self, id: Uuid, place: i64, code: &str) -> Result<(), StoreError> {
        within(operators::refuse(&self.rest, id, place, code)).await
    }

    async fn finish_replay(&self, id: Uuid) -> Result<(), StoreError> {
        within(operators::finish(&self.rest, id)).await
    }

    async fn quarantined(&self, filter: &QuarantineFilter, limit: u32) -> Result<Vec<QuarantineRow>, StoreError> {
        within(operators::quarantined(&self.reads, filter, limit)).await
    }

    async fn quarantine_entry(&self, id: Uuid) -> Result<Option<QuarantineEntry>, StoreError> {
        within(operators::entry(&self.reads, id)).await
    }

    async fn settle_quarantined(&self, id: Uuid, how: &Settlement, actor: &str) -> Result<bool, StoreError> {
        within(operators::settle(&self.rest, id, how, actor)).await
    }

    async fn save_definitions(&self, definitions: StoredDefinitions) -> Result<u64, StoreError> {
        within(definitions::save(&self.rest, &definitions)).await
    }

    async fn integrations(&self) -> Result<Vec<IntegrationEntry>, StoreError> {
        within(definitions::integrations(&self.reads)).await
    }

    async fn integration_versions(&self, id: Uuid) -> Result<Vec<VersionEntry>, StoreError> {
        within(definitions::versions(&self.reads, id)).await
    }

    async fn integration_version(&self, id: Uuid, version: i64) -> Result<Option<Sealed>, StoreError> {
        within(definitions::version(&self.reads, id, version)).await
    }

    async fn installs(&self) -> Result<Vec<InstallEntry>, StoreError> {
        within(definitions::installs(&self.reads)).await
    }

    async fn install(&self, id: Uuid) -> Result<Option<InstallEntry>, StoreError> {
        within(definitions::install(&self.reads, id)).await
    }

    async fn effective_definition(&self, hash: DefinitionHash) -> Result<Option<Sealed>, StoreError> {
        within(definitions::effective(&self.reads, hash)).await
    }

    async fn stored_setting(&self, key: &str) -> Result<Option<Sealed>, StoreError> {
        within(definitions::stored_setting(&self.reads, key)).await
    }

    async fn setting(&self, key: &str, value: Sealed) -> Result<Sealed, StoreError> {
        within(definitions::setting(&self.rest, key, &value)).await
    }

    async fn message(&self, environment: Uuid, id: &str) -> Result<Option<(Uuid, [u8; 32])>, StoreError> {
        within(reads::message(&self.reads, environment, id)).await
    }

    async fn account(&self, id: Uuid) -> Result<Option<Account>, StoreError> {
        within(reads::account(&self.reads, id)).await
    }

    async fn accounts(&self, filter: &AccountFilter, limit: u32) -> Result<Vec<Account>, StoreError> {
        within(reads::accounts(&self.reads, filter, limit)).await
    }

    async fn credential(&self, account: Uuid) -> Result<Option<Credential>, StoreError> {
        within(reads::credential(&self.reads, account)).await
    }

    async fn account_override(&self, account: Uuid) -> Result<Option<Sealed>, StoreError> {
        within(patch::account_override(&self.reads, account)).await
    }

    async fn used_overrides(&self, install: Uuid, after: Uuid, limit: u32) -> Result<Vec<UsedOverride>, StoreError> {
        within(patch::used_overrides(&self.reads, install, after, limit)).await
    }

    async fn run(&self, id: Uuid) -> Result<Option<RunView>, StoreError> {
        within(reads::run(&self.reads, id)).await
    }

    async fn runs(&self, account: Uuid, limit: u32) -> Result<Vec<RunView>, StoreError> {
        within(reads::runs(&self.reads, account, limit)).await
    }

    async fn left_by(&self, run: Uuid) -> Result<Option<Left>, StoreError> {
        within(reads::left_by(&self.reads, run)).await
    }

    async fn account_events(
        &self,
        account: Uuid,
        from_sequence: i64,
        limit: u32,
    ) -> Result<Vec<StoredEvent>, StoreError> {
        within(reads::account_events(&self.reads, account, from_sequence, limit)).await
    }

    async fn events_since(&self, from_ms: i64, limit: u32) -> Result<Vec<StoredEvent>, StoreError> {
        within(reads::events_since(&self.reads, from_ms, limit)).await
    }

    async fn now_ms(&self) -> Result<i64, StoreError> {
        within(reads::now_ms(&self.reads)).await
    }

    async fn close_gate(
        &self,
        install: Uuid,
        host: &str,
        reason: GateReason,
        for_ms: i64,
    ) -> Result<ClosedGate, StoreError> {
        within(gates::close(&self.rest, &self.news, install, host, reason, for_ms)).await
    }

    async fn closed_gates(&self) -> Result<Vec<ClosedGate>, StoreError> {
        within(gates::closed(&self.reads)).await
    }

    async fn backlog(&self) -> Result<Backlog, StoreError> {
        within(reads::backlog(&self.reads)).await
    }

    async fn check(&self) -> Result<(), StoreError> {
        schema::check(&self.server).await
    }

    fn changes(&self) -> watch::Receiver<u64> {
        self.changes.subscribe()
    }

    fn gate_changes(&self) -> watch::Receiver<u64> {
        self.gate_changes.subscribe()
    }

    async fn close(&self) {
        self.closing.cancel();
    }
}
