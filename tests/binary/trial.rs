//! `tidewaiter definitions try` and `record`.

use std::fs;
use std::path::Path;

use serde_json::{Value, json};

use crate::support::{Place, Provider, Ran, Scratch, api_key, bare, lines, oauth};

/// Runs a verb of `definitions` on the shipped integration.
fn definitions(place: &Place, arguments: &[&str]) -> Ran {
    let (verb, rest) = arguments.split_first().unwrap();
    place.run(&[&["definitions", verb, "harbour"], rest].concat())
}

/// Records `import` in `place` as NAME.json.
fn record(place: &Place, name: &str, import: &Value) -> Ran {
    let file = format!("{name}.import.json");
    place.scratch.write(&file, import.to_string());
    definitions(place, &["record", "--yes", "--json", "--import", &file, "--out", &format!("{name}.json")])
}

/// Tries NAME.json in `place`.
fn tried(place: &Place, name: &str) -> Ran {
    definitions(place, &["try", "--json", "--with", &format!("{name}.json")])
}

fn recording(place: &Place, name: &str) -> String {
    fs::read_to_string(place.path(&format!("{name}.json"))).unwrap()
}

#[test]
fn the_demos_definitions_come_to_the_same_offline_as_in_the_demo() {
    let scratch = Scratch::new();
    let mut demo = bare(["demo", "--json"]);
    demo.current_dir(&scratch.0).env("TMPDIR", &scratch.0);
    let accounts = lines(&Ran::of(demo, b"").ended(0).stdout).pop().unwrap()["accounts"].clone();
    let imports = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/imports.ndjson")).unwrap();
    let imports = lines(&imports);

    let provider = Provider::start();
    let place = Place::of(&provider);
    for account in accounts.as_array().unwrap() {
        let tenant = account["tenant_id"].as_str().unwrap();
        let import = imports.iter().find(|line| line["body"]["tenant_id"] == tenant).unwrap();
        let said = record(&place, tenant, import).ended(0).json();
        assert_eq!(said["alike"], true, "{said}");
    }
    let asked = provider.stats()["requests"].clone();
    for account in accounts.as_array().unwrap() {
        let tenant = account["tenant_id"].as_str().unwrap();
        let ran = tried(&place, tenant).ended(i32::from(account["status"] != "active"));
        let verdict = ran.json();
        for of in ["status", "reason"] {
            assert_eq!(verdict[of], account[of], "{tenant}: {verdict}");
        }
        assert_eq!(verdict["unused"], json!([]), "{tenant}");
        assert_eq!(tried(&place, tenant).stdout, ran.stdout, "the same again, byte for byte");
    }
    assert_eq!(provider.stats()["requests"], asked, "nothing is asked of the provider");
    assert_eq!(accounts.as_array().unwrap().len(), 7);

    let refused = imports.iter().find(|line| line["body"]["tenant_id"] == "halibut").unwrap();
    place.scratch.write("halibut.import.json", refused.to_string());
    place.scratch.write("halibut.json", r#"{ "exchanges": [] }"#);
    let arguments = ["try", "--json", "--with", "halibut.json", "--import", "halibut.import.json"];
    let verdict = definitions(&place, &arguments).ended(1).json();
    assert_eq!((&verdict["outcome"], &verdict["refusal"]["code"]), (&json!("refused"), &json!("invalid")), "{verdict}");
}

#[test]
fn a_recording_holds_stand_ins_and_no_secret_in_any_form() {
    let provider = Provider::start();
    let place = Place::of(&provider);
    let mut echo = oauth("echo", "echo-canary-token");
    echo["context"]["note"] = json!({ "copy": "Bearer echo-canary-token", "pin": 123_456_789 });
    let mut key = api_key("key", &json!({ "api_key": "canary-key-echo", "subdomain": "Acme" }));
    key["context"]["password"] = json!(987_654_321);
    for (name, import, code) in
        [("echo", &echo, 1), ("refreshed", &oauth("r", "expired-canary-token"), 0), ("key", &key, 1)]
    {
        let said = record(&place, name, import).ended(0);
        let text = recording(&place, name);
        let ran = tried(&place, name).ended(code);
        for (what, text) in [("record", &said.stdout), ("the recording", &text), ("try", &ran.stdout)] {
            for canary in ["canary", "Y2FuYXJ5", "63616e617279", "987654321"] {
                assert!(!text.contains(canary), "{what} of {name} shows {canary}: {text}");
            }
        }
        assert!(text.contains("recorded-secret-"), "{text}");
        assert_eq!(recording_of(&text)["at"].as_str().unwrap().len(), 24);
    }
    let text = recording_of(&recording(&place, "key"));
    assert_eq!(text["import"]["context"]["api_key"], "recorded-secret-api-key");
    assert_eq!(text["import"]["context"]["subdomain"], "Acme", "what is no secret stays");
    assert!(text["import"]["context"]["password"].is_number(), "a number stays one");
    let refreshed = recording_of(&recording(&place, "refreshed"));
    let token = &refreshed["exchanges"][1]["response"]["body"];
    assert_eq!(token["access_token"], "recorded-secret-access-token-2", "{refreshed}");
    assert_eq!(token["token_type"], "bearer");
    assert_eq!(refreshed["environment_variables"]["HARBOUR_CLIENT_SECRET"], "recorded-secret-harbour-client-secret");
}

fn recording_of(text: &str) -> Value {
    serde_json::from_str(text).unwrap()
}

#[test]
fn side_effects_are_named_and_nothing_is_sent_before_they_are_wanted() {
    let provider = Provider::start();
    let place = Place::of(&provider);
    place.scratch.write("import.json", oauth("a", "good").to_string());
    let ran = definitions(&place, &["record", "--out", "x.json", "--import", "import.json"]).ended(2);
    for named in ["POST of step `validate` in validation", "refreshes the account's token", "--yes"] {
        assert!(ran.stderr.contains(named), "{named}: {}", ran.stderr);
    }
    assert!(!place.path("x.json").exists());
    assert_eq!(provider.requests("GET /oauth/userinfo"), 0);
}

#[test]
fn a_request_without_an_answer_is_shown_beside_the_nearest_recorded_one() {
    let place = Place::offline();
    let exchanges = json!([
        { "request": { "method": "GET", "url": "https://upstream.invalid/oauth/userinfo" },
          "response": { "status": 200, "body": { "account": { "id": "acc-2" } } } },
        { "request": { "method": "GET", "url": "https://upstream.invalid/v1/accounts/acc-1" }, "response": { "status": 200 } },
    ]);
    place.scratch.write("x.json", json!({ "import": oauth("a", "canary-token"), "exchanges": exchanges }).to_string());
    let said = definitions(&place, &["try", "--with", "x.json"]).ended(1).stdout;
    for line in [
        "harbour: no verdict, the recording has no answer for a request",
        "  GET https://upstream.invalid/v1/accounts/acc-2",
        "  authorization: [redacted]",
        "what is recorded nearest, /exchanges/1",
        "  - the path is `/v1/accounts/acc-2`, recorded is `/v1/accounts/acc-1`",
    ] {
        assert!(said.lines().any(|said| said == line), "{line}\n\n{said}");
    }
    assert!(!said.contains("canary"), "{said}");
}

#[test]
fn what_cannot_be_tried_is_told_with_what_to_do() {
    let place = Place::offline();
    place.scratch.write("none.json", r#"{ "exchanges": [] }"#);
    place.scratch.write("one.json", json!({ "import": oauth("a", "good"), "exchanges": [] }).to_string());
    place.scratch.write("bad.json", r#"{ "exchanges": [{}] }"#);
    for (arguments, said) in [
        (&["harbor", "--with", "one.json"][..], "there is: harbour"),
        (&["harbour", "--with", "none.json"], "--import FILE"),
        (&["harbour", "--with", "bad.json"], "missing field `request`"),
        (&["harbour", "--with", "absent.json"], "absent.json cannot be read"),
        (
            &["harbour", "--with", "one.json", "--install", "00000000-0000-0000-0000-000000000000"],
            "is no install of `harbour`",
        ),
    ] {
        let ran = place.run(&[&["definitions", "try"], arguments].concat());
        assert!(ran.code == 2 && ran.stderr.contains(said), "{said}: {ran:#?}");
    }
}
