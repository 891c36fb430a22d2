//! Mistakes in the configuration, and what `config show` and `schema` print.

use crate::support::{Place, Ran, Scratch, bare};

/// `run` with this configuration file.
fn run(text: &str) -> Ran {
    let scratch = Scratch::new();
    scratch.write("bad.toml", text);
    let mut command = bare(["run", "--config", "bad.toml"]);
    command.current_dir(&scratch.0);
    let ran = Ran::of(command, b"");
    assert!(!scratch.path("tidewaiter.db").exists(), "nothing is made before the configuration is sound");
    ran
}

#[test]
fn a_mistake_ends_with_2_and_names_the_key_and_the_layer() {
    let mistakes = [
        ("[worker]\nslotz = 3", "worker.slotz", "worker.slots"),
        ("[worker]\nslots = \"many\"", "worker.slots", "bad.toml"),
        ("[worker]\nslots = 0", "worker.slots", "bad.toml"),
        ("[worker]\nregions = [\"mars\"]", "worker.regions", "mars"),
        ("[api]\nlisten = \"0.0.0.0:8080\"", "api.listen", "access tokens"),
        ("[events]\nsink = \"file\"", "events.sink", "events.file"),
        ("[database]\nurl = \"mysql://x\"", "database.url", "bad.toml"),
        ("[limits]\nrequest_timeout_ms = 1", "limits.request_timeout_ms", "bad.toml"),
        ("[log]\nfilter = \"=,=\"", "log.filter", "bad.toml"),
        ("not toml", "bad.toml", ""),
    ];
    for (text, key, more) in mistakes {
        let ran = run(text).ended(2);
        assert!(ran.stderr.contains(key) && ran.stderr.contains(more), "{text}: {}", ran.stderr);
        assert!(ran.stderr.lines().count() <= 3, "one clear message: {}", ran.stderr);
        assert_eq!(ran.stdout, "");
    }
}

#[test]
fn a_variable_that_is_no_key_is_named() {
    let mut command = bare(["config", "check"]);
    command.env("TIDEWAITER__WORKER__SLOTZ", "3");
    let said = Ran::of(command, b"").ended(2).stderr;
    assert!(said.contains("TIDEWAITER__WORKER__SLOTZ"), "{said}");
}

#[test]
fn two_variables_that_name_different_databases_are_an_error() {
    let mut command = bare(["config", "check"]);
    command.env("DATABASE_URL", "sqlite://a.db").env("TIDEWAITER__DATABASE__URL", "sqlite://b.db");
    let said = Ran::of(command, b"").ended(2).stderr;
    assert!(said.contains("DATABASE_URL") && said.contains("TIDEWAITER__DATABASE__URL"), "{said}");
    let mut command = bare(["config", "check"]);
    command.env("DATABASE_URL", "sqlite://a.db").env("TIDEWAITER__DATABASE__URL", "sqlite://a.db");
    Ran::of(command, b"").ended(0);
}

#[test]
fn a_configuration_file_that_is_missing_is_named() {
    let said = Ran::of(bare(["run", "--config", "/nowhere/x.toml"]), b"").ended(2).stderr;
    assert!(said.contains("/nowhere/x.toml"), "{said}");
}

#[test]
fn config_show_masks_the_password_and_says_where_values_come_from() {
    let place = Place::offline();
    let url = "postgres://worker:hunter2-secret@db.example/tidewaiter";
    for json in [false, true] {
        let mut command = place.command(if json { &["config", "show", "--json"] } else { &["config", "show"] });
        command.env("DATABASE_URL", url).env("TIDEWAITER__WORKER__SLOTS", "7");
        let ran = Ran::of(command, b"").ended(0);
        assert!(!ran.stdout.contains("hunter2") && ran.stdout.contains("db.example"), "{}", ran.stdout);
        for named in ["DATABASE_URL", "TIDEWAITER__WORKER__SLOTS", "tidewaiter.toml", "default"] {
            assert!(ran.stdout.contains(named), "no {named} in {}", ran.stdout);
        }
    }
}

#[test]
fn the_generated_documents_are_printed() {
    for (document, holds) in
        [("configuration", "limits.drain_ms"), ("errors", "`credential_refused`"), ("state-machine", "needs_reauth")]
    {
        assert!(Ran::of(bare(["schema", document]), b"").ended(0).stdout.contains(holds), "{document}");
    }
    Ran::of(bare(["schema", "poetry"]), b"").ended(2);
}

#[test]
fn wrong_usage_ends_with_2_and_help_with_0() {
    for wrong in [&["fly"][..], &["import"], &["accounts", "show", "x"], &["run", "--fast"], &[]] {
        let ran = Ran::of(bare(wrong), b"").ended(2);
        assert!(ran.stdout.is_empty() && !ran.stderr.is_empty(), "{wrong:?}: {ran:?}");
    }
    assert!(Ran::of(bare(["--help"]), b"").ended(0).stdout.contains("import"));
    assert!(Ran::of(bare(["--version"]), b"").ended(0).stdout.starts_with("tidewaiter "));
}

#[test]
fn an_account_that_does_not_exist_ends_with_2() {
    let place = Place::offline();
    place.run(&["migrate"]).ended(0);
    let said = place.run(&["accounts", "show", "01a20ec9-0000-7000-8000-000000000000"]).ended(2).stderr;
    assert!(said.contains("there is no account"), "{said}");
}
