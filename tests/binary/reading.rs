//! Verbs that only read leave the disk as it is.

use std::fs;

use crate::support::{Place, oauth};

const READING: [&[&str]; 3] = [
    &["accounts", "list"],
    &["accounts", "show", "0190b1d4-2f3a-7c64-9c1e-5a7d1e6f0001"],
    &["events", "tail", "--no-follow"],
];

#[test]
fn a_mistyped_database_is_named_and_not_made() {
    let place = Place::offline();
    for arguments in READING {
        let said = place.run(arguments).ended(3).stderr;
        assert!(said.contains("there is no database at tidewaiter.db") && said.contains("`tidewaiter run`"), "{said}");
        let made: Vec<_> = fs::read_dir(&place.scratch.0)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .filter(|name| name.contains(".db"))
            .collect();
        assert!(made.is_empty(), "{arguments:?} made {made:?}");
    }
}

#[test]
fn an_empty_file_is_not_migrated() {
    let place = Place::offline();
    place.scratch.write("tidewaiter.db", "");
    for arguments in READING {
        let said = place.run(arguments).ended(3).stderr;
        assert!(said.contains("`tidewaiter migrate`"), "{said}");
    }
    place.run(&["migrate"]).ended(0);
    place.run(&["accounts", "list"]).ended(0);
}

#[test]
fn verbs_that_write_make_the_database() {
    for arguments in [&["migrate"][..], &["definitions", "apply"], &["import", "-"]] {
        let place = Place::offline();
        place.run(arguments).ended(0);
        assert!(place.accounts().is_empty());
    }
    let place = Place::offline();
    place.import(&[oauth("a", "t-1")]).ended(0);
    assert_eq!(place.accounts().len(), 1);
}
