//! What the store moves: rows as plain values, secrets only as [`Sealed`] bytes.

use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use uuid::Uuid;

use crate::lifecycle::{AuthenticationMethod, Cause, Reason, Region, Status, Task, words};
use crate::seal::{Sealed, hex};

/// The SHA-256 of an effective definition's canonical JSON: what a run pins.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct DefinitionHash(pub [u8; 32]);

impl fmt::Display for DefinitionHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex(&self.0))
    }
}

impl fmt::Debug for DefinitionHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// The public face of an integration.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct IntegrationRef {
    /// Its id.
    pub id: Uuid,
    /// Its name, `[a-z0-9_-]{1,64}`.
    pub name: String,
    /// Its display name.
    pub label: String,
}

/// An account without its secrets.
#[derive(Debug, Clone, PartialEq)]
pub struct Account {
    /// Its id.
    pub id: Uuid,
    /// The caller's own key; need not be unique.
    pub tenant_id: String,
    /// The environment that owns it.
    pub environment_id: Uuid,
    /// The install it belongs to.
    pub environment_integration_id: Uuid,
    /// The integration of that install.
    pub integration: IntegrationRef,
    /// Where it lives.
    pub region: Region,
    /// How it authenticates.
    pub authentication_method: AuthenticationMethod,
    /// Sandbox accounts cannot write upstream.
    pub is_sandbox: bool,
    /// `None` is the tombstone of a deleted account.
    pub status: Option<Status>,
    /// Why it is not usable.
    pub reason: Option<Reason>,
    /// The last error of a phase or of the credential, as text.
    pub last_error: Option<String>,
    /// The last 403 of an upstream call outside the phases.
    pub last_forbidden_error: Option<Value>,
    /// The context without secrets.
    pub context: Map<String, Value>,
    /// The run that last set out to change its status: its import's, or a later one that made it `connecting` again.
    pub latest_run: Option<Uuid>,
    /// How many events it has; also its version.
    pub sequence: i64,
    /// When it first became active with the present credential.
    pub proven_at_ms: Option<i64>,
    /// When it was made.
    pub created_at_ms: i64,
    /// When it last changed visibly.
    pub updated_at_ms: i64,
}

/// The secrets of an account. Its only home.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Credential {
    /// The sealed secret part of the context, a JSON object.
    pub sealed: Sealed,
    /// Counts the writes of `sealed`, from 1.
    pub version: i64,
    /// When the access token expires, if that is known.
    pub expires_at_ms: Option<i64>,
    /// A token request that was about to be made and whose end is not known yet.
    pub refresh_intent: Option<RefreshIntent>,
}

/// Written before a token request, cleared with its outcome.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RefreshIntent {
    /// The fence of the run that wrote it.
    pub fence: i64,
    /// The credential version whose refresh token it uses.
    pub version: i64,
    /// How long ago it was written, in milliseconds of database time. Ignored when written.
    pub age_ms: i64,
    /// Whether the token was already tried again after an unknown outcome.
    pub repeated: bool,
}

words! {
    /// How a request came in.
    Channel {
        /// From the broker.
        Amqp = "amqp",
        /// `POST /integrated-account`.
        Http = "http",
        /// A line of a file.
        File = "file",
        /// Made here: replays, resubmissions, schedules, refreshes.
        Internal = "internal",
    }
}

/// A run that is to be made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewRun {
    /// Its id.
    pub id: Uuid,
    /// Why it is made.
    pub cause: Cause,
    /// What it is to do.
    pub task: Task,
    /// Its place in the queue; smaller is earlier.
    pub fair_key: i64,
    /// The effective definition it is bound to.
    pub definition: DefinitionHash,
    /// The run it repeats.
    pub replay_of: Option<Uuid>,
    /// The producer's id of the message. Unique in the environment.
    pub message_id: Option<String>,
    /// The keyed fingerprint of the message's body.
    pub fingerprint: Option<[u8; 32]>,
    /// How the message came.
    pub channel: Channel,
    /// What the producer wants to see again in every event.
    pub correlation_id: Option<String>,
    /// The producer's W3C trace context, valid.
    pub traceparent: Option<String>,
    /// The worker that holds it from the start (fence 1), when it has a free slot.
    pub claimed_by: Option<Uuid>,
    /// The sealed progress that it goes on from. Only for runs of existing accounts.
    pub progress: Option<Sealed>,
}

/// What a finished run left to go on from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Left {
    /// The effective definition it was bound to.
    pub definition: DefinitionHash,
    /// Its sealed progress.
    pub progress: Sealed,
}

/// An event as it is stored and published.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    /// The account's sequence number of it, from 1.
    pub sequence: i64,
    /// The CloudEvents type.
    pub event_type: String,
    /// The CloudEvents envelope: JSON text, never rewritten.
    pub envelope: String,
    /// The envelope's time.
    pub time_ms: i64,
}

/// A new account with all that belongs to it: one transaction.
#[derive(Debug, Clone)]
pub struct Accept {
    /// The account, `sequence` 1.
    pub account: Account,
    /// Its secrets, version 1.
    pub credential: Credential,
    /// Its first run.
    pub run: NewRun,
    /// Its first event.
    pub event: Event,
}

/// What became of an [`Accept`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Accepted {
    /// The account was made.
    Created,
    /// The same message came before; its account is this one. Nothing changed.
    Duplicate {
        /// The account that the message made.
        account: Uuid,
    },
    /// The same message id came before with another body. Nothing changed.
    Conflict {
        /// The account that the first message made.
        account: Uuid,
    },
}

/// How a run's row changes.
#[derive(Debug, Clone)]
pub enum RunChange {
    /// The run has ended.
    Finish {
        /// `succeeded`, or a reason code.
        outcome: String,
        /// The trace as JSON text, redacted.
        trace: String,
        /// The sealed progress, where another run may go on from it.
        progress: Option<Sealed>,
    },
    /// The run goes on; this is what must survive a crash.
    Save {
        /// The sealed progress.
        progress: Sealed,
    },
    /// The run rests and uses no worker meanwhile.
    Wait {
        /// The sealed progress.
        progress: Sealed,
        /// For how long, in milliseconds of database time.
        for_ms: i64,
    },
    /// The worker has no room for the run: it rests.
    PutBack {
        /// Whether its time begins anew with the next claim, since it began with this one.
        anew: bool,
        /// For how long, in milliseconds of database time.
        for_ms: i64,
    },
    /// The worker gives the run back, to be claimed at once.
    Release {
        /// The sealed progress, if there is any to keep.
        progress: Option<Sealed>,
    },
}

/// How an account's row changes with a transition.
#[derive(Debug, Clone)]
pub struct AccountChange {
    /// The new status; `None` deletes. Nothing raises that yet: whoever does has to erase what is sealed for the account, its
    /// row of `credentials` and of `account_overrides`, its runs' progress.
    pub status: Option<Status>,
    /// The new reason.
    pub reason: Option<Reason>,
    /// The new error text.
    pub last_error: Option<String>,
    /// The new clear context, if it changes.
    pub context: Option<Map<String, Value>>,
    /// When the credential was proven.
    pub proven_at_ms: Option<i64>,
    /// The event's time.
    pub updated_at_ms: i64,
}

/// How the secrets change.
#[derive(Debug, Clone)]
pub struct CredentialChange {
    /// The version they must have.
    pub expected_version: i64,
    /// The new sealed secrets; the version becomes `expected_version + 1`. `None` leaves them and the version.
    pub sealed: Option<Sealed>,
    /// When the new access token expires. Only written with `sealed`.
    pub expires_at_ms: Option<i64>,
    /// The refresh intent afterwards.
    pub refresh_intent: Option<RefreshIntent>,
}

/// What a run's worker writes: one transaction, bound to the run's fence.
#[derive(Debug, Clone)]
pub struct Commit {
    /// The run.
    pub run: Uuid,
    /// The fence under which the worker holds it.
    pub fence: i64,
    /// The run's account.
    pub account: Uuid,
    /// How the run changes; `None` leaves it running.
    pub run_change: Option<RunChange>,
    /// The transition, if there is one.
    pub transition: Option<TransitionWrite>,
    /// How the secrets change.
    pub credential: Option<CredentialChange>,
}

/// A transition's part of a commit.
#[derive(Debug, Clone)]
pub struct TransitionWrite {
    /// The sequence the account must have; the event's is one more.
    pub expected_sequence: i64,
    /// The account's new fields.
    pub change: AccountChange,
    /// The event that tells it.
    pub event: Event,
}

/// What became of a [`Commit`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Committed {
    /// It is written.
    Done,
    /// Somebody else holds the run, or it has ended. Nothing changed.
    FenceLost,
    /// The account changed meanwhile. Nothing changed: load it and decide again.
    SequenceMoved,
    /// The secrets changed meanwhile. Nothing changed: load them and decide again.
    CredentialMoved,
}

/// A run that a worker holds now, with all it needs.
#[derive(Debug, Clone)]
pub struct Claimed {
    /// The run.
    pub run: Run,
    /// Its account.
    pub account: Account,
    /// The account's secrets.
    pub credential: Credential,
    /// Milliseconds of database time since the run was first claimed.
    pub elapsed_ms: i64,
}

/// A run's row.
#[derive(Debug, Clone)]
pub struct Run {
    /// Its id.
    pub id: Uuid,
    /// Its account.
    pub account: Uuid,
    /// Why it was made.
    pub cause: Cause,
    /// What it is to do.
    pub task: Task,
    /// The number that every write of its worker must name.
    pub fence: i64,
    /// The effective definition it is bound to.
    pub definition: DefinitionHash,
    /// What an earlier worker saved.
    pub progress: Option<Sealed>,
    /// What the producer wants to see again.
    pub correlation_id: Option<String>,
    /// The producer's W3C trace context, which every event of the run continues.
    pub traceparent: Option<String>,
}

/// What one pass of claiming brought.
#[derive(Debug, Default)]
pub struct Claims {
    /// The runs, in fair order.
    pub runs: Vec<Claimed>,
    /// Milliseconds until the next waiting run is due.
    pub next_due_ms: Option<i64>,
}

/// A worker's place among the live ones.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Standing {
    /// Its position, from 0, among the live workers sorted by id.
    pub rank: u32,
    /// How many workers are alive, itself included.
    pub live: u32,
}

impl Standing {
    /// Whether the account's events are this worker's to publish: every shard is exactly one live worker's.
    #[must_use]
    pub const fn relays(self, account: Uuid) -> bool {
        super::shard_of(account) as u32 % self.live == self.rank
    }
}

/// What a relay says and asks: see [`Store::relay_pass`](super::Store::relay_pass).
#[derive(Debug, Clone, Copy)]
pub struct RelayPass<'a> {
    /// The worker.
    pub worker: Uuid,
    /// Events that leave the outbox: account and sequence.
    pub published: &'a [(Uuid, i64)],
    /// About how many accounts' events to answer with, from all of the worker's shards alike; 0 looks for none.
    pub heads: u32,
    /// Accounts whose events are not asked for.
    pub except: &'a [Uuid],
}

/// What a relay is answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Relayed {
    /// The worker's place; its shards are those whose number falls on its rank.
    pub standing: Standing,
    /// Of accounts in its shards, older accounts first, the oldest event that is left in the outbox.
    pub heads: Vec<Unpublished>,
}

/// An event that waits to be published.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unpublished {
    /// The account.
    pub account: Uuid,
    /// The event's sequence number.
    pub sequence: i64,
    /// The CloudEvents type.
    pub event_type: String,
    /// The envelope.
    pub envelope: String,
}

impl Unpublished {
    /// A committed event of an account.
    #[must_use]
    pub fn of(account: Uuid, event: &Event) -> Self {
        let Event { sequence, event_type, envelope, .. } = event.clone();
        Self { account, sequence, event_type, envelope }
    }
}

/// A request that could not be accepted.
#[derive(Debug, Clone)]
pub struct Quarantined {
    /// Its id.
    pub id: Uuid,
    /// How it came.
    pub channel: Channel,
    /// The producer's id of the message, or its fingerprint in hex.
    pub message_id: String,
    /// The keyed fingerprint of the body.
    pub fingerprint: [u8; 32],
    /// The intake code.
    pub reason: String,
    /// What is wrong and where, without values.
    pub detail: String,
    /// The JSON pointer of the first field at fault, where one is.
    pub pointer: Option<String>,
    /// What the producer wants to see again, as far as it could be read.
    pub correlation_id: Option<String>,
    /// The queue that it was taken from.
    pub queue: Option<String>,
    /// The sealed body, cut to 64 KiB when it is over 1 MiB.
    pub body: Sealed,
    /// The size of the whole body in bytes.
    pub body_bytes: i64,
    /// What came beside the body, sealed: JSON text. A line of a file is its body.
    pub properties: Option<Sealed>,
    /// When it came, by the worker's clock.
    pub at_ms: i64,
}
