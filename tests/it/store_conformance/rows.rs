//! Rows to begin with; a check changes what it is about.

use std::sync::atomic::{AtomicU64, Ordering};

use serde_json::{Map, Value, json};
use tidewaiter::lifecycle::{AuthenticationMethod, Cause, Phase, Region, Status, Task};
use tidewaiter::seal::Sealed;
use tidewaiter::store::{
    Accept, Accepted, Account, AccountChange, Channel, Claimed, Commit, Committed, Credential, CredentialChange,
    DefinitionHash, Enqueue, Event, IntegrationRef, NewRun, Patience, RunChange, Store, TransitionWrite,
};
use uuid::Uuid;

pub const ALL_REGIONS: &[Region] = Region::ALL;

/// Ids that ascend in the order of the calls, so that tests can speak of older and younger.
pub fn id() -> Uuid {
    static NEXT: AtomicU64 = AtomicU64::new(1);
    Uuid::from_u128((0x0190_0000_0000_7000_8000 << 48) + u128::from(NEXT.fetch_add(1, Ordering::Relaxed)))
}

pub const ENVIRONMENT: Uuid = Uuid::from_u128(0xE);
pub const INSTALL: Uuid = Uuid::from_u128(0x1);

pub fn sealed(text: &str) -> Sealed {
    Sealed::from_bytes(text.as_bytes().to_vec())
}

pub fn object(value: Value) -> Map<String, Value> {
    match value {
        Value::Object(map) => map,
        other => panic!("not an object: {other}"),
    }
}

fn account(id: Uuid, run: Uuid) -> Account {
    Account {
        id,
        tenant_id: "tenant-1".to_owned(),
        environment_id: ENVIRONMENT,
        environment_integration_id: INSTALL,
        integration: IntegrationRef { id: Uuid::from_u128(0x2), name: "crm".to_owned(), label: "The CRM".to_owned() },
        region: Region::Wnam,
        authentication_method: AuthenticationMethod::Oauth2,
        is_sandbox: false,
        status: Some(Status::Connecting),
        reason: None,
        last_error: None,
        last_forbidden_error: None,
        context: object(json!({ "host": "crm.example" })),
        latest_run: Some(run),
        sequence: 1,
        proven_at_ms: None,
        created_at_ms: 1_000,
        updated_at_ms: 1_000,
    }
}

pub fn run(id: Uuid, fair_key: i64) -> NewRun {
    NewRun {
        id,
        cause: Cause::Import,
        task: Task::Phases(Phase::PostInstall),
        fair_key,
        definition: DefinitionHash([7; 32]),
        replay_of: None,
        message_id: Some(format!("message-{id}")),
        fingerprint: Some([1; 32]),
        channel: Channel::Amqp,
        correlation_id: Some("correlation".to_owned()),
        traceparent: Some("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01".to_owned()),
        claimed_by: None,
        progress: None,
    }
}

pub fn event(account: Uuid, sequence: i64, word: &str) -> Event {
    Event {
        sequence,
        event_type: format!("integrated_account.{word}"),
        envelope: format!(r#"{{"id":"{account}/{sequence}","type":"{word}"}}"#),
        time_ms: 1_000 + sequence,
    }
}

/// A new account whose run is queued at `fair_key`.
pub fn accept_at(fair_key: i64) -> Accept {
    let (account_id, run_id) = (id(), id());
    Accept {
        account: account(account_id, run_id),
        credential: Credential {
            sealed: sealed("secrets 1"),
            version: 1,
            expires_at_ms: Some(99_000),
            refresh_intent: None,
        },
        run: run(run_id, fair_key),
        event: event(account_id, 1, "created"),
    }
}

pub fn accept() -> Accept {
    accept_at(100)
}

/// Accepts and expects that it creates.
pub async fn create(store: &dyn Store, accept: &Accept) {
    assert_eq!(store.accept(accept.clone(), Patience::Endless).await.expect("accepted"), Accepted::Created);
}

/// A worker that is known.
pub async fn worker(store: &dyn Store) -> Uuid {
    let worker = id();
    store.heartbeat(worker, ALL_REGIONS).await.expect("a heartbeat");
    worker
}

/// A new account whose run `worker` holds.
pub async fn held(store: &dyn Store, worker: Uuid) -> Claimed {
    create(store, &accept()).await;
    let mut claims = store.claim(worker, ALL_REGIONS, 1).await.expect("claimed");
    claims.runs.pop().expect("a run is due")
}

pub fn commit(held: &Claimed) -> Commit {
    Commit {
        run: held.run.id,
        fence: held.run.fence,
        account: held.account.id,
        run_change: None,
        transition: None,
        credential: None,
    }
}

pub fn finish() -> Option<RunChange> {
    Some(RunChange::Finish { outcome: "succeeded".to_owned(), trace: "[]".to_owned(), progress: None })
}

/// A transition of the account as it was claimed.
pub fn transition(held: &Claimed, status: Option<Status>, word: &str) -> Option<TransitionWrite> {
    transition_at(held.account.id, held.account.sequence, status, word)
}

pub fn transition_at(
    account: Uuid,
    expected_sequence: i64,
    status: Option<Status>,
    word: &str,
) -> Option<TransitionWrite> {
    Some(TransitionWrite {
        expected_sequence,
        change: AccountChange {
            status,
            reason: None,
            last_error: None,
            context: None,
            proven_at_ms: Some(5_000),
            updated_at_ms: 6_000,
        },
        event: event(account, expected_sequence + 1, word),
    })
}

pub fn activation(held: &Claimed) -> Commit {
    Commit { run_change: finish(), transition: transition(held, Some(Status::Active), "active"), ..commit(held) }
}

pub fn secrets(expected_version: i64, text: &str) -> Option<CredentialChange> {
    Some(CredentialChange {
        expected_version,
        sealed: Some(sealed(text)),
        expires_at_ms: Some(123_000),
        refresh_intent: None,
    })
}

pub async fn write(store: &dyn Store, commit: &Commit) -> Committed {
    store.commit(commit.clone(), Patience::Endless).await.expect("written")
}

/// A replay of an account that stands at `sequence`.
pub fn replay(account: Uuid, sequence: i64) -> Enqueue {
    let run_id = id();
    let transition = transition_at(account, sequence, Some(Status::Connecting), "updated").expect("a transition");
    Enqueue {
        account,
        environment_id: ENVIRONMENT,
        region: Region::Wnam,
        expected_sequence: sequence,
        transition: Some((transition.change, transition.event)),
        run: NewRun { cause: Cause::Replay, message_id: None, fingerprint: None, ..run(run_id, 500) },
    }
}

/// A custom action of an account that stands at `sequence`.
pub fn action(account: Uuid, sequence: i64) -> Enqueue {
    let replay = replay(account, sequence);
    let task = Task::Action("sync_users".to_owned());
    Enqueue { transition: None, run: NewRun { cause: Cause::Action, task, ..replay.run }, ..replay }
}
