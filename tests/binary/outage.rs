//! The database file going away under a worker, and a worker that cannot write.

use std::fs;

use sqlx::Connection as _;
use tokio::runtime::Builder;

use crate::support::{Place, Ran, Scratch, bare, get};

#[test]
fn a_database_that_is_no_database_ends_with_3_and_names_the_file() {
    let place = Place::offline();
    place.scratch.write(
        "tidewaiter.db",
        "this is a text and no database, long enough to be read as a header of one. ".repeat(20),
    );
    let said = place.run(&["run"]).ended(3).stderr;
    assert!(said.contains("tidewaiter.db") && said.contains("cannot be opened"), "{said}");
    assert!(fs::read_to_string(place.path("tidewaiter.db")).unwrap().starts_with("this is a text"));
}

#[test]
fn a_database_in_a_directory_that_is_missing_is_named() {
    let scratch = Scratch::new();
    let mut command = bare(["run"]);
    command.env("DATABASE_URL", "sqlite:///nowhere/at/all.db").current_dir(&scratch.0);
    let ran = Ran::of(command, b"");
    assert!(ran.code == 2 || ran.code == 3, "{ran:?}");
    assert!(ran.stderr.contains("/nowhere/at/all.db"), "{}", ran.stderr);
}

#[test]
fn a_schema_of_a_newer_version_is_refused() {
    let place = Place::offline();
    place.run(&["migrate"]).ended(0);
    let url = format!("sqlite://{}", place.path("tidewaiter.db").display());
    Builder::new_current_thread().enable_all().build().unwrap().block_on(async {
        let mut database = sqlx::SqliteConnection::connect(&url).await.unwrap();
        sqlx::query("PRAGMA user_version = 99").execute(&mut database).await.unwrap();
        database.close().await.unwrap();
    });
    for verb in [&["run"][..], &["accounts", "list"], &["migrate"]] {
        let said = place.run(verb).ended(3).stderr;
        assert!(said.contains("99"), "{said}");
    }
}

#[test]
fn verbs_beside_a_running_worker_do_not_disturb_it() {
    let place = Place::offline();
    let worker = place.worker();
    for verb in [&["migrate"][..], &["definitions", "apply"], &["accounts", "list"], &["events", "tail", "--no-follow"]]
    {
        place.run(verb).ended(0);
    }
    get(worker.probes, "/readyz").with(200);
    worker.stop();
}
