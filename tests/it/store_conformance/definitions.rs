//! Definitions and settings.

use tidewaiter::store::{
    DefinitionHash, InstallEntry, IntegrationRef, StoreError, StoredDefinitions, StoredInstall, StoredIntegration,
};
use uuid::Uuid;

use super::databases::Database;
use super::rows::{ENVIRONMENT, INSTALL, sealed};

fn definitions() -> StoredDefinitions {
    let integration = Uuid::from_u128(0x2);
    StoredDefinitions {
        environments: vec![(ENVIRONMENT, "production".to_owned())],
        integrations: vec![StoredIntegration {
            face: IntegrationRef { id: integration, name: "crm".to_owned(), label: "The CRM".to_owned() },
            hash: DefinitionHash([1; 32]),
            sealed: sealed("definition 1"),
        }],
        installs: vec![StoredInstall {
            id: INSTALL,
            environment_id: ENVIRONMENT,
            integration_id: integration,
            is_enabled: true,
            hash: DefinitionHash([2; 32]),
            sealed: sealed("override"),
            effective: DefinitionHash([3; 32]),
        }],
        effective: vec![(DefinitionHash([3; 32]), sealed("effective"))],
        over: Vec::new(),
    }
}

pub async fn applying_twice_changes_nothing_the_second_time(database: &Database) {
    let store = database.open().await;
    assert_eq!(store.save_definitions(definitions()).await.unwrap(), 3);
    let before = store.installs().await.unwrap();
    assert_eq!(store.save_definitions(definitions()).await.unwrap(), 0);
    assert_eq!(store.installs().await.unwrap(), before);
    let effective = store.effective_definition(DefinitionHash([3; 32])).await.unwrap();
    assert_eq!(effective, Some(sealed("effective")));
    assert_eq!(store.effective_definition(DefinitionHash([4; 32])).await.unwrap(), None);
}

pub async fn a_changed_integration_gets_a_new_version(database: &Database) {
    let store = database.open().await;
    store.save_definitions(definitions()).await.unwrap();
    let mut changed = definitions();
    changed.integrations[0].hash = DefinitionHash([9; 32]);
    changed.integrations[0].sealed = sealed("definition 2");
    changed.installs[0].is_enabled = false;
    changed.environments[0].1 = "staging".to_owned();
    assert_eq!(store.save_definitions(changed).await.unwrap(), 3);
    assert!(!store.installs().await.unwrap()[0].is_enabled);
    // And back: the old text is a version of its own.
    assert_eq!(store.save_definitions(definitions()).await.unwrap(), 3);
}

pub async fn every_version_of_an_integration_stays_readable(database: &Database) {
    let store = database.open().await;
    let id = Uuid::from_u128(0x2);
    assert_eq!(store.integrations().await.unwrap(), []);
    store.save_definitions(definitions()).await.unwrap();
    let mut changed = definitions();
    changed.integrations[0].hash = DefinitionHash([9; 32]);
    changed.integrations[0].sealed = sealed("definition 2");
    store.save_definitions(changed).await.unwrap();
    let entry = &store.integrations().await.unwrap()[0];
    assert_eq!((entry.face.name.as_str(), entry.version, entry.hash), ("crm", 2, DefinitionHash([9; 32])));
    let versions = store.integration_versions(id).await.unwrap();
    let told: Vec<_> = versions.iter().map(|it| (it.version, it.hash)).collect();
    assert_eq!(told, [(2, DefinitionHash([9; 32])), (1, DefinitionHash([1; 32]))]);
    let now = store.now_ms().await.unwrap();
    assert!(versions.iter().all(|it| it.inserted_at_ms > 0 && it.inserted_at_ms <= now), "{versions:?}");
    for (version, found) in [(1, Some(sealed("definition 1"))), (2, Some(sealed("definition 2"))), (3, None)] {
        assert_eq!(store.integration_version(id, version).await.unwrap(), found, "{version}");
    }
    assert_eq!(store.integration_versions(Uuid::from_u128(0x9)).await.unwrap(), []);
}

pub async fn definitions_are_applied_only_over_the_versions_that_they_were_compared_with(database: &Database) {
    let store = database.open().await;
    let id = Uuid::from_u128(0x2);
    let over = |version| StoredDefinitions { over: vec![(id, version)], ..definitions() };
    assert!(matches!(store.save_definitions(over(Some(1))).await, Err(StoreError::Moved(_))));
    assert_eq!(store.integrations().await.unwrap(), [], "nothing is written");
    assert_eq!(store.save_definitions(over(None)).await.unwrap(), 3);
    let mut changed = over(Some(1));
    changed.integrations[0].hash = DefinitionHash([9; 32]);
    assert_eq!(store.save_definitions(changed.clone()).await.unwrap(), 1);
    let refused = store.save_definitions(changed).await.unwrap_err();
    assert!(matches!(&refused, StoreError::Moved(why) if why.contains("version 2")), "{refused}");
    assert_eq!(store.save_definitions(over(Some(2))).await.unwrap(), 1, "the connection is good for the next");
}

pub async fn an_install_comes_with_its_integrations_face(database: &Database) {
    let store = database.open().await;
    let mut new = definitions();
    let mut second = new.installs[0].clone();
    second.id = Uuid::from_u128(0x3);
    second.is_enabled = false;
    new.installs.insert(0, second);
    store.save_definitions(new).await.unwrap();
    let first = InstallEntry {
        id: INSTALL,
        environment_id: ENVIRONMENT,
        integration: IntegrationRef { id: Uuid::from_u128(0x2), name: "crm".to_owned(), label: "The CRM".to_owned() },
        is_enabled: true,
        effective: DefinitionHash([3; 32]),
    };
    let second = InstallEntry { id: Uuid::from_u128(0x3), is_enabled: false, ..first.clone() };
    assert_eq!(store.install(second.id).await.unwrap().as_ref(), Some(&second));
    assert_eq!(store.installs().await.unwrap(), [first, second]);
    assert_eq!(store.install(Uuid::from_u128(0x4)).await.unwrap(), None);
}

pub async fn a_setting_keeps_its_first_value(database: &Database) {
    let store = database.open().await;
    assert_eq!(store.setting("key", sealed("first")).await.unwrap(), sealed("first"));
    assert_eq!(store.setting("key", sealed("second")).await.unwrap(), sealed("first"));
    assert_eq!(store.setting("other", sealed("second")).await.unwrap(), sealed("second"));
}

pub async fn of_two_processes_with_a_setting_both_get_the_same_value(database: &Database) {
    let (one, other) = (database.open().await, database.open().await);
    for round in 0..10 {
        let key = format!("key {round}");
        let (ours, theirs) = tokio::join!(one.setting(&key, sealed("ours")), other.setting(&key, sealed("theirs")));
        assert_eq!(ours.unwrap(), theirs.unwrap());
    }
}
