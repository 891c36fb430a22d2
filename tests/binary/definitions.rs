//! `definitions lint`, `apply`, `list`, `show` and `diff`.

use std::fs;

use serde_json::{Value, json};

use crate::support::{INSTALL, Place, Ran, Scratch, bare, lines};

/// `definitions lint` of these files, in a directory that has nothing else.
fn lint(files: &[(&str, &Value)], arguments: &[&str]) -> Ran {
    let scratch = Scratch::new();
    for (name, value) in files {
        scratch.write(name, format!("{value:#}"));
    }
    let mut command = bare(["definitions", "lint"]);
    command.args(arguments).current_dir(&scratch.0);
    Ran::of(command, b"")
}

fn integration(config: &Value) -> Value {
    json!({ "id": "5d2f0c1e-6a3b-4c8d-9e1f-7b6a5c4d3e2f", "name": "acme", "config": config })
}

#[test]
fn the_exit_code_says_whether_there_is_something_to_mend() {
    let sound = integration(&json!({ "base_url": "https://h.test" }));
    let info = integration(&json!({ "base_url": "https://h.test", "query": { "q": "{{search}}" } }));
    let warning = integration(&json!({ "base_url": "http://h.test" }));
    let error = integration(&json!({ "base_url": "https://h.test", "error_expression": "(" }));
    for (document, code, said) in [
        (sound, 0, "nothing to complain about"),
        (info, 0, "1 file: 1 info"),
        (warning, 1, "1 file: 1 warning"),
        (error, 1, "a.json:6:5: error: /config/error_expression: "),
    ] {
        let ran = lint(&[("a.json", &document)], &["a.json"]).ended(code);
        assert!(ran.stdout.contains(said), "{said}: {}", ran.stdout);
    }
    lint(&[], &["gone.json"]).ended(2);
    lint(&[], &[]).ended(2);
    assert!(lint(&[("broken.json", &json!("x"))], &["."]).ended(1).stdout.contains("must be an object"));
}

#[test]
fn with_json_every_finding_is_an_object_with_its_place_and_what_to_do() {
    let document =
        integration(&json!({ "base_url": "https://h.test", "error_expression": "$upercase(a)", "loggo": 1 }));
    let ran = lint(&[("integrations/a.json", &document)], &[".", "--json"]).ended(1);
    let found = lines(&ran.stdout);
    assert_eq!(
        found[0],
        json!({
            "severity": "error", "check": "unknown_function", "file": "./integrations/a.json", "line": 6, "column": 5,
            "pointer": "/config/error_expression", "message": "there is no function `$upercase`",
            "fix": "did you mean `$uppercase`?",
        })
    );
    assert_eq!(
        (found.len(), &found[1]["check"], &found[1]["severity"]),
        (2, &json!("unknown_member"), &json!("warning"))
    );
}

#[test]
fn the_configured_directories_are_looked_at_and_a_name_stands_for_an_integration_and_its_installs() {
    let place = Place::offline();
    let harbour = fs::read_to_string(place.path("integrations/harbour.json")).unwrap();
    fs::write(
        place.path("integrations/other.json"),
        integration(&json!({ "base_url": "nonsense", "x": 1 })).to_string(),
    )
    .unwrap();
    let all = place.run(&["definitions", "lint", "--json"]).ended(1).stdout;
    assert!(all.contains("other.json"), "{all}");
    let named = place.run(&["definitions", "lint", "harbour", "--json"]);
    assert!(!named.stdout.contains("other.json") && named.stdout.contains("test.json"), "{}", named.stdout);
    // The second install of the place brings no client secret.
    assert!(named.stdout.contains("HARBOUR_CLIENT_SECRET"), "{}", named.stdout);
    fs::write(place.path("integrations/harbour.json"), harbour.replace("api_key\",", "api_key\", \"x\": ,")).unwrap();
    let broken = place.run(&["definitions", "lint", "integrations/harbour.json"]).ended(1).stdout;
    assert!(broken.contains("is not JSON"), "{broken}");
    place.run(&["definitions", "lint", "harbor"]).ended(2);
}

#[test]
fn applying_says_what_changed_and_over_which_version() {
    let place = Place::offline();
    let apply = |arguments: &[&str]| place.run(&[&["definitions", "apply"], arguments].concat());
    let dry = apply(&["--dry-run"]).ended(0).stdout;
    assert!(dry.contains("harbour: would be new, version 1"), "{dry}");
    let first = apply(&[]).ended(0).stdout;
    assert!(first.contains("harbour: new, version 1") && first.contains(INSTALL), "{first}");
    assert!(apply(&[]).ended(0).stdout.contains("nothing differs"));
    edit(&place, "\"Harbour\"", "\"The harbour\"");
    assert!(apply(&["--over", "harbour=2"]).ended(2).stderr.contains("at version 1, and not at version 2"));
    let json = lines(&apply(&["--over", "harbour=1", "--json"]).ended(0).stdout).remove(0);
    assert_eq!(json["integrations"][0], json!({ "integration": "harbour", "change": "changed", "version": 2 }));
    let listed = lines(&place.run(&["definitions", "list", "--json"]).ended(0).stdout).remove(0);
    assert_eq!(
        (&listed["name"], &listed["version"], &listed["label"]),
        (&json!("harbour"), &json!(2), &json!("The harbour"))
    );
}

#[test]
fn applying_tells_every_mistake_of_every_file_a_line_each() {
    let place = Place::offline();
    edit(&place, "\"Accept\"", "\"Host\"");
    fs::write(place.path("integrations/broken.yaml"), "name: [").unwrap();
    let said = place.run(&["definitions", "apply"]).ended(2);
    assert_eq!(said.stdout, "");
    let lines: Vec<&str> = said.stderr.lines().filter(|line| line.starts_with("error: ")).collect();
    for words in ["broken.yaml: is not YAML", "harbour.json at /config/headers/Host"] {
        assert_eq!(lines.iter().filter(|line| line.contains(words)).count(), 1, "{words} in {lines:#?}");
    }
}

/// Changes the integration's file.
fn edit(place: &Place, from: &str, to: &str) {
    let file = place.path("integrations/harbour.json");
    let text = fs::read_to_string(&file).unwrap();
    assert!(text.contains(from), "{from} is not in {text}");
    fs::write(&file, text.replace(from, to)).unwrap();
}

#[test]
fn what_is_stored_is_shown_and_compared_without_secrets() {
    let place = Place::offline();
    edit(&place, "\"{{environment_variables.HARBOUR_CLIENT_SECRET}}\"", "\"canary-one\"");
    place.run(&["definitions", "apply"]).ended(0);
    edit(&place, "canary-one", "canary-two");
    edit(&place, "application/json", "text/plain");
    let differs = place.run(&["definitions", "diff", "harbour"]).ended(1).stdout;
    assert!(differs.contains("~ /config/headers/Accept: \"application/json\" → \"text/plain\""), "{differs}");
    assert!(differs.contains("client/secret: \"[secret]\", another one"), "{differs}");
    place.run(&["definitions", "apply"]).ended(0);
    place.run(&["definitions", "diff", "harbour"]).ended(0);
    let between = place.run(&["definitions", "diff", "harbour", "--from", "1", "--json"]).ended(1).stdout;
    assert_eq!(lines(&between).len(), 2, "{between}");
    let shown = place.run(&["definitions", "show", "harbour", "--version", "1", "--json"]).ended(0).stdout;
    let document: Value = serde_json::from_str(&shown).unwrap();
    assert_eq!(document["config"]["credentials"]["oauth2"]["config"]["client"]["secret"], "[secret]");
    assert_eq!(document["config"]["headers"]["Accept"], "application/json");
    let effective = place.run(&["definitions", "show", "harbour", "--effective", INSTALL]).ended(0).stdout;
    let document: Value = serde_json::from_str(&effective).unwrap();
    assert_eq!(document["config"]["secret_environment_variables"]["HARBOUR_CLIENT_SECRET"], "[secret]");
    for text in [differs, between, shown, effective] {
        assert!(!text.contains("canary"), "{text}");
    }
    for wrong in [
        &["definitions", "show", "nobody"][..],
        &["definitions", "show", "harbour", "--version", "9"],
        &["definitions", "show", "harbour", "--effective", "00000000-0000-0000-0000-000000000000"],
        &["definitions", "diff", "harbour", "--from", "7"],
        &["definitions", "diff", "harbour", "--file", "gone.json"],
    ] {
        place.run(wrong).ended(2);
    }
}
