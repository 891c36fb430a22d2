//! The key file that seals secrets.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use crate::support::{Place, Provider, oauth};

#[test]
fn the_first_start_makes_a_key_that_only_its_owner_reads_and_says_so() {
    let place = Place::offline();
    let worker = place.worker();
    assert!(worker.log().contains("back it up") && worker.log().contains("tidewaiter.db.keys"), "{}", worker.log());
    let mode = fs::metadata(place.path("tidewaiter.db.keys")).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    worker.stop();
}

#[test]
fn a_configured_key_file_that_is_missing_ends_with_2_and_is_not_made() {
    let provider = Provider::start();
    let place = Place::with(&provider, &["seal.key_file = \"secret/keys\""]);
    let said = place.run(&["run"]).ended(2).stderr;
    assert!(said.contains("secret/keys"), "{said}");
    assert!(!place.path("secret").exists());
}

#[test]
fn a_key_file_that_others_may_read_ends_with_2() {
    let place = Place::offline();
    place.worker().stop();
    let keys = place.path("tidewaiter.db.keys");
    fs::set_permissions(&keys, fs::Permissions::from_mode(0o644)).unwrap();
    let said = place.run(&["run"]).ended(2).stderr;
    assert!(said.contains("tidewaiter.db.keys") && said.contains("chmod"), "{said}");
    place.run(&["import", "-"]).ended(2);
}

#[test]
fn a_key_file_that_is_none_ends_with_2_and_is_not_quoted() {
    let place = Place::offline();
    let keys = place.scratch.write("tidewaiter.db.keys", "main:c2hvcnQtY2FuYXJ5\n");
    fs::set_permissions(&keys, fs::Permissions::from_mode(0o600)).unwrap();
    let said = place.run(&["run"]).ended(2).stderr;
    assert!(said.contains("tidewaiter.db.keys") && !said.contains("c2hvcnQtY2FuYXJ5"), "{said}");
}

#[test]
fn other_keys_than_the_databases_end_with_2_and_change_nothing() {
    let provider = Provider::start();
    let place = Place::of(&provider);
    place.import(&[oauth("a", "good")]).ended(0);
    let keys = place.path("tidewaiter.db.keys");
    let right = fs::read(&keys).unwrap();
    fs::remove_file(&keys).unwrap();
    let refused = |why: &str| {
        for verb in [&["run"][..], &["import", "-"]] {
            let said = place.run(verb).ended(2).stderr;
            assert!(said.contains(why) && said.contains("tidewaiter.db.keys"), "{said}");
            assert!(!said.contains(" ERROR "), "{said}");
        }
    };
    refused("restore it from a backup");
    let other = Place::offline();
    other.run(&["import", "-"]).ended(0);
    fs::copy(other.path("tidewaiter.db.keys"), &keys).unwrap();
    refused("other keys");
    fs::write(&keys, right).unwrap();
    let worker = place.worker();
    let id = place.accounts()[0]["id"].as_str().unwrap().to_owned();
    assert_eq!(worker.settled(&id)["status"], "active");
    worker.stop();
}
