//! `tidewaiter demo`.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::support::{Ran, Scratch, bare, lines};

/// Runs the demo with an empty environment in an empty directory.
fn demo(scratch: &Scratch, arguments: &[&str]) -> Ran {
    let mut command = bare(arguments);
    command.current_dir(&scratch.0).env("TMPDIR", &scratch.0);
    Ran::of(command, b"").ended(0)
}

fn statuses(summary: &Value) -> BTreeSet<String> {
    let accounts = summary["accounts"].as_array().unwrap();
    accounts.iter().map(|account| account["status"].as_str().unwrap().to_owned()).collect()
}

const ALL: [&str; 4] = ["active", "needs_reauth", "post_install_error", "validation_error"];

#[test]
fn the_demo_needs_nothing_and_shows_an_account_in_every_status() {
    let scratch = Scratch::new();
    let said = demo(&scratch, &["demo"]).stdout;
    for status in ALL {
        assert!(said.contains(status), "no {status} in {said}");
    }
    assert!(said.contains("What to try next"), "{said}");
}

#[test]
fn as_json_it_prints_events_and_then_one_summary() {
    let scratch = Scratch::new();
    let mut values = lines(&demo(&scratch, &["demo", "--json"]).stdout);
    let summary = values.pop().unwrap();
    assert!(values.iter().all(|event| event["specversion"] == "1.0"), "{values:?}");
    assert_eq!(statuses(&summary), BTreeSet::from(ALL.map(str::to_owned)));
    for account in summary["accounts"].as_array().unwrap() {
        let told: Vec<i64> = values
            .iter()
            .filter(|event| event["subject"] == account["id"])
            .map(|event| event["data"]["sequence"].as_i64().unwrap())
            .collect();
        assert_eq!(told, [1, 2], "created and one end for {account}");
    }
}

#[test]
fn the_commands_it_suggests_work_on_its_database() {
    let scratch = Scratch::new();
    let said = demo(&scratch, &["demo"]).stdout;
    let suggested: Vec<&str> =
        said.lines().filter_map(|line| line.strip_prefix("  tidewaiter --config ")?.split(" #").next()).collect();
    assert!(suggested.len() >= 3, "{said}");
    for line in suggested {
        let mut command = bare(["--config"]);
        command.args(line.split_whitespace()).current_dir(&scratch.0);
        let ran = Ran::of(command, b"");
        // The imports hold one line that is refused.
        let expected = i32::from(line.contains(" import "));
        assert_eq!(ran.code, expected, "{line}: {ran:#?}");
    }
}

#[test]
fn two_demos_at_once_do_not_meet() {
    let scratch = Scratch::new();
    let databases: BTreeSet<String> = std::thread::scope(|scope| {
        let both = [(); 2].map(|()| scope.spawn(|| lines(&demo(&scratch, &["demo", "--json"]).stdout).pop().unwrap()));
        both.map(|one| {
            let summary = one.join().unwrap();
            assert_eq!(statuses(&summary).len(), 4, "{summary}");
            summary["database"].as_str().unwrap().to_owned()
        })
        .into_iter()
        .collect()
    });
    assert_eq!(databases.len(), 2);
}
