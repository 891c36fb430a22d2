//! Definitions and settings.

use tidewaiter::store::{
    DefinitionHash, InstallEntry, IntegrationRef, StoredDefinitions, StoredInstall, StoredIntegration,
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
