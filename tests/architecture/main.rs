//! What ARCHITECTURE.md and CONTRIBUTING.md say about the tree, checked on the tree.
//!
//! The rules are functions over text in the modules below, where they are tried on trees that break them; here they meet
//! the real one. Every fault is listed at once, each with its file and line.

mod code;
mod source;
mod table;
mod tree;

use std::fs;
use std::process::Command;

use code::File;
use table::Rules;

/// What is at `path` of the package; empty when there is nothing.
fn text(path: &str) -> String {
    fs::read_to_string(tree::root().join(path)).unwrap_or_default()
}

#[expect(clippy::unwrap_used, reason = "a page without its tables fails every test that needs them")]
fn rules() -> Rules {
    Rules::read(&text("ARCHITECTURE.md")).unwrap()
}

/// Fails with every fault that `check` finds in `files`.
fn hold(files: &[File], check: impl Fn(&File) -> Vec<String>) {
    assert!(!files.is_empty(), "there is nothing to check");
    none(&files.iter().flat_map(check).collect::<Vec<_>>());
}

fn none(faults: &[String]) {
    assert!(faults.is_empty(), "{} faults:\n{}", faults.len(), faults.join("\n"));
}

#[test]
fn imports_point_down_the_table() {
    let rules = rules();
    hold(&tree::sources("src"), |file| code::imports(file, &rules));
}

#[test]
fn crates_and_doors_to_the_world_stay_in_their_homes() {
    let rules = rules();
    hold(&tree::sources("src"), |file| code::homes(file, &rules));
}

#[test]
fn pure_modules_are_pure() {
    let rules = rules();
    hold(&tree::sources("src"), |file| code::purity(file, &rules));
}

#[test]
fn files_are_short() {
    hold(&tree::sources("src"), code::length);
    hold(&tree::sources("tests"), code::length);
}

#[test]
fn modules_say_what_they_promise() {
    hold(&tree::sources("src"), code::introduction);
    hold(&tree::sources("tests"), code::introduction);
}

#[test]
fn tests_are_neither_ignored_nor_unfinished_nor_asleep() {
    hold(&tree::sources("src"), |file| code::discipline(file, true));
    hold(&tree::sources("tests"), |file| code::discipline(file, false));
}

#[test]
fn migrations_mirror_each_other() {
    let names = |folder| tree::files(folder).into_iter().map(|(name, _)| name).collect::<Vec<_>>();
    none(&tree::migrations(&names("migrations/postgres"), &names("migrations/sqlite")));
}

#[test]
fn committed_files_name_no_path_of_somebodys_machine() {
    hold(&tree::texts(""), |file| tree::private_paths(&file.name, &file.text));
}

#[test]
fn the_state_machine_page_is_fresh() {
    assert!(
        text("docs/state-machine.md") == tidewaiter::lifecycle::table::markdown(),
        "{}",
        stale("state-machine", "docs/state-machine.md")
    );
}

/// Pages that the command prints. One that is not committed yet is not stale.
#[test]
fn printed_pages_are_fresh() {
    for (name, path) in [
        ("errors", "docs/errors.md"),
        ("configuration", "docs/configuration.md"),
        ("integration", "docs/schemas/integration.schema.json"),
        ("installs", "docs/schemas/installs.schema.json"),
        ("recording", "docs/schemas/recording.schema.json"),
    ] {
        let page = text(path);
        if page.is_empty() {
            continue;
        }
        let printed = Command::new(env!("CARGO_BIN_EXE_tidewaiter")).args(["schema", name]).output().unwrap();
        assert!(printed.status.success(), "tidewaiter schema {name} fails: {printed:?}");
        assert!(page.as_bytes() == printed.stdout, "{}", stale(name, path));
    }
}

fn stale(name: &str, path: &str) -> String {
    format!("{path} is stale; print it anew: cargo run -- schema {name} > {path}")
}
