//! Clients' changes of accounts, and their own overrides.

use serde_json::json;
use tidewaiter::lifecycle::Status;
use tidewaiter::store::{
    Claimed, Commit, Committed, DefinitionHash, OverridePatch, Patch, Patched, RefreshIntent, SecretsPatch, Store,
};
use uuid::Uuid;

use super::databases::Database;
use super::rows::{
    ALL_REGIONS, INSTALL, accept, activation, commit, create, event, held, object, sealed, secrets, worker, write,
};

/// A patch of an account that stands at `sequence`, with its event.
fn patch(account: Uuid, sequence: i64) -> Patch {
    Patch {
        account,
        expected_sequence: sequence,
        tenant_id: Some("tenant-2".to_owned()),
        context: None,
        secrets: None,
        overrides: None,
        effective: None,
        event: Some(event(account, sequence + 1, "updated")),
    }
}

fn new_secrets(expected_version: i64, text: &str) -> Option<SecretsPatch> {
    Some(SecretsPatch {
        expected_version,
        expected_intent: None,
        sealed: sealed(text),
        expires_at_ms: Some(7_000),
        ends_intent: false,
    })
}

fn set(text: &str) -> Option<OverridePatch> {
    Some(OverridePatch::Set { install: INSTALL, sealed: sealed(text) })
}

/// The refresh that this run has begun.
async fn begins_refresh(store: &dyn Store, held: &Claimed) -> RefreshIntent {
    let mut intent = secrets(1, "").unwrap();
    intent.sealed = None;
    intent.refresh_intent =
        Some(RefreshIntent { fence: held.run.fence, version: held.credential.version, age_ms: 0, repeated: false });
    let change = Commit { credential: Some(intent.clone()), ..commit(held) };
    assert_eq!(write(store, &change).await, Committed::Done);
    intent.refresh_intent.unwrap()
}

pub async fn a_patch_changes_account_secrets_override_and_event_together(database: &Database) {
    let store = database.open().await;
    let new = accept();
    create(&*store, &new).await;
    let id = new.account.id;
    let hash = DefinitionHash([9; 32]);
    let patch = Patch {
        context: Some(object(json!({ "b": 2, "a": 1 }))),
        secrets: new_secrets(1, "secrets 2"),
        overrides: set("override 1"),
        effective: Some((hash, sealed("effective"))),
        ..patch(id, 1)
    };
    assert_eq!(store.patch(patch.clone()).await.unwrap(), Patched::Done);
    let account = store.account(id).await.unwrap().unwrap();
    assert_eq!((account.tenant_id.as_str(), account.sequence, account.updated_at_ms), ("tenant-2", 2, 1_002));
    assert_eq!(serde_json::to_string(&account.context).unwrap(), r#"{"b":2,"a":1}"#);
    assert_eq!(account.status, Some(Status::Connecting), "a status is no client's to change");
    let credential = store.credential(id).await.unwrap().unwrap();
    assert_eq!((credential.sealed, credential.version), (sealed("secrets 2"), 2));
    assert_eq!(credential.expires_at_ms, Some(7_000));
    assert_eq!(store.account_override(id).await.unwrap(), Some(sealed("override 1")));
    assert_eq!(store.effective_definition(hash).await.unwrap(), Some(sealed("effective")));
    let events = store.account_events(id, 2, 10).await.unwrap();
    assert_eq!(events[0].envelope, patch.event.unwrap().envelope);
    assert_eq!(store.backlog().await.unwrap().outbox, 2);
}

pub async fn what_a_patch_leaves_out_stays(database: &Database) {
    let store = database.open().await;
    let new = accept();
    create(&*store, &new).await;
    let id = new.account.id;
    let only_override = Patch { tenant_id: None, overrides: set("override 1"), ..patch(id, 1) };
    assert_eq!(store.patch(only_override).await.unwrap(), Patched::Done);
    let account = store.account(id).await.unwrap().unwrap();
    assert_eq!((&account.tenant_id, &account.context), (&new.account.tenant_id, &new.account.context));
    assert_eq!(store.credential(id).await.unwrap().unwrap(), new.credential);
    let silent = Patch { tenant_id: None, event: None, secrets: new_secrets(1, "secrets 2"), ..patch(id, 2) };
    assert_eq!(store.patch(silent).await.unwrap(), Patched::Done);
    assert_eq!(store.account(id).await.unwrap().unwrap(), account, "nobody is told, so nothing shows");
    assert_eq!(store.account_events(id, 1, 10).await.unwrap().len(), 2);
    assert_eq!(store.account_override(id).await.unwrap(), Some(sealed("override 1")));
}

pub async fn an_override_is_replaced_and_removed(database: &Database) {
    let store = database.open().await;
    let new = accept();
    create(&*store, &new).await;
    let id = new.account.id;
    assert_eq!(store.account_override(id).await.unwrap(), None);
    for (sequence, change, expected) in [
        (1, set("override 1"), Some(sealed("override 1"))),
        (2, set("override 2"), Some(sealed("override 2"))),
        (3, Some(OverridePatch::Remove), None),
        (4, Some(OverridePatch::Remove), None),
    ] {
        let patch = Patch { overrides: change, ..patch(id, sequence) };
        assert_eq!(store.patch(patch).await.unwrap(), Patched::Done);
        assert_eq!(store.account_override(id).await.unwrap(), expected);
        let candidate = store.candidates(&[id]).await.unwrap().remove(0);
        assert_eq!(candidate.has_override, expected.is_some());
    }
}

pub async fn overrides_are_paged_by_install(database: &Database) {
    let store = database.open().await;
    let mut ids = Vec::new();
    for install in [INSTALL, INSTALL, Uuid::from_u128(0x77), INSTALL] {
        let mut new = accept();
        new.account.environment_integration_id = install;
        create(&*store, &new).await;
        let overrides = Some(OverridePatch::Set { install, sealed: sealed("own") });
        store.patch(Patch { overrides, ..patch(new.account.id, 1) }).await.unwrap();
        ids.push(new.account.id);
    }
    let first = store.used_overrides(INSTALL, Uuid::nil(), 2).await.unwrap();
    assert_eq!(first.iter().map(|it| it.account).collect::<Vec<_>>(), ids[..2]);
    let rest = store.used_overrides(INSTALL, first[1].account, 2).await.unwrap();
    assert_eq!(rest.iter().map(|it| (it.account, it.sealed.clone())).collect::<Vec<_>>(), [(ids[3], sealed("own"))]);
}

pub async fn a_moved_account_refuses_a_patch_whole(database: &Database) {
    let store = database.open().await;
    let held = held(&*store, worker(&*store).await).await;
    write(&*store, &activation(&held)).await;
    let id = held.account.id;
    let before = store.account(id).await.unwrap();
    let stale = Patch { secrets: new_secrets(1, "secrets 2"), overrides: set("override"), ..patch(id, 1) };
    assert_eq!(store.patch(stale).await.unwrap(), Patched::SequenceMoved);
    let unknown = patch(super::rows::id(), 1);
    assert_eq!(store.patch(unknown).await.unwrap(), Patched::SequenceMoved);
    assert_eq!(store.account(id).await.unwrap(), before);
    assert_eq!(store.credential(id).await.unwrap().unwrap().version, 1);
    assert_eq!(store.account_override(id).await.unwrap(), None);
    assert_eq!(store.account_events(id, 1, 10).await.unwrap().len(), 2);
}

pub async fn moved_secrets_refuse_a_patch_whole(database: &Database) {
    let store = database.open().await;
    let held = held(&*store, worker(&*store).await).await;
    let id = held.account.id;
    write(&*store, &Commit { credential: secrets(1, "refreshed"), ..commit(&held) }).await;
    let stale = Patch { secrets: new_secrets(1, "secrets 2"), overrides: set("override"), ..patch(id, 1) };
    assert_eq!(store.patch(stale).await.unwrap(), Patched::CredentialMoved);
    assert_eq!(store.account(id).await.unwrap().unwrap().sequence, 1);
    assert_eq!(store.credential(id).await.unwrap().unwrap().sealed, sealed("refreshed"));
    assert_eq!(store.account_override(id).await.unwrap(), None);
    let elsewhere = Patch { overrides: set("override"), ..patch(id, 1) };
    assert_eq!(store.patch(elsewhere).await.unwrap(), Patched::Done, "it is not about the secrets");
}

pub async fn a_refresh_that_began_meanwhile_refuses_new_secrets(database: &Database) {
    let store = database.open().await;
    let held = held(&*store, worker(&*store).await).await;
    let id = held.account.id;
    let intent = begins_refresh(&*store, &held).await;
    let unaware = Patch { secrets: new_secrets(1, "secrets 2"), ..patch(id, 1) };
    assert_eq!(store.patch(unaware).await.unwrap(), Patched::CredentialMoved);
    let mut aware = Patch { secrets: new_secrets(1, "secrets 2"), ..patch(id, 1) };
    aware.secrets.as_mut().unwrap().expected_intent = Some(intent);
    assert_eq!(store.patch(aware).await.unwrap(), Patched::Done);
    let intent = store.credential(id).await.unwrap().unwrap().refresh_intent;
    assert!(intent.is_some_and(|intent| intent.version == 1 && !intent.repeated), "it stays unresolved: {intent:?}");
    let mut replaces = Patch { secrets: new_secrets(2, "secrets 3"), ..patch(id, 2) };
    let secrets = replaces.secrets.as_mut().unwrap();
    (secrets.expected_intent, secrets.ends_intent) = (intent, true);
    assert_eq!(store.patch(replaces).await.unwrap(), Patched::Done);
    assert_eq!(store.credential(id).await.unwrap().unwrap().refresh_intent, None, "its token is no longer there");
}

pub async fn repeating_a_patch_is_answered_as_done(database: &Database) {
    let store = database.open().await;
    let new = accept();
    create(&*store, &new).await;
    let id = new.account.id;
    let told = Patch { secrets: new_secrets(1, "secrets 2"), overrides: set("override"), ..patch(id, 1) };
    let silent = Patch { tenant_id: None, event: None, secrets: new_secrets(2, "secrets 3"), ..patch(id, 2) };
    for patch in [told, silent] {
        assert_eq!(store.patch(patch.clone()).await.unwrap(), Patched::Done);
        assert_eq!(store.patch(patch).await.unwrap(), Patched::Done);
    }
    assert_eq!(store.account_events(id, 1, 10).await.unwrap().len(), 2);
    assert_eq!(store.credential(id).await.unwrap().unwrap().version, 3);
    let mut other = patch(id, 1);
    other.event.as_mut().unwrap().envelope = "{}".to_owned();
    assert_eq!(store.patch(other).await.unwrap(), Patched::SequenceMoved, "another patch is no repetition");
}

pub async fn a_run_under_way_finds_the_account_moved_by_a_patch(database: &Database) {
    let store = database.open().await;
    let worker = worker(&*store).await;
    let held = held(&*store, worker).await;
    assert_eq!(store.patch(patch(held.account.id, 1)).await.unwrap(), Patched::Done);
    assert_eq!(write(&*store, &activation(&held)).await, Committed::SequenceMoved);
    let transition = super::rows::transition_at(held.account.id, 2, Some(Status::Active), "active");
    assert_eq!(write(&*store, &Commit { transition, ..activation(&held) }).await, Committed::Done);
    let account = store.account(held.account.id).await.unwrap().unwrap();
    assert_eq!((account.status, account.tenant_id.as_str()), (Some(Status::Active), "tenant-2"));
    assert!(store.claim(worker, ALL_REGIONS, 1).await.unwrap().runs.is_empty());
}

pub async fn of_patches_and_commits_at_once_each_is_whole(database: &Database) {
    let (one, other) = (database.open().await, database.open().await);
    let worker = worker(&*one).await;
    for _ in 0..20 {
        let held = held(&*one, worker).await;
        let id = held.account.id;
        let rotates = Commit { credential: secrets(1, "refreshed"), ..activation(&held) };
        let patch = Patch { secrets: new_secrets(1, "patched"), ..patch(id, 1) };
        let (committed, patched) = tokio::join!(write(&*one, &rotates), other.patch(patch));
        let credential = one.credential(id).await.unwrap().unwrap();
        let (account, expected) = (
            one.account(id).await.unwrap().unwrap(),
            match (committed, patched.unwrap()) {
                (Committed::Done, Patched::SequenceMoved) => ("refreshed", Some(Status::Active)),
                (Committed::SequenceMoved, Patched::Done) => ("patched", Some(Status::Connecting)),
                other => panic!("{other:?}"),
            },
        );
        assert_eq!((credential.sealed, account.status), (sealed(expected.0), expected.1));
        assert_eq!((credential.version, account.sequence), (2, 2));
    }
}
