//! Working off the quarantine from the command line: listed without secrets, mended, sent again, given up.

use serde_json::{Value, json};

use crate::support::{Mq, Place, Provider, envelope, eventually, lines, oauth};

const CANARY: &str = "canary-access-token";

/// Two requests with a field too many, one that is no JSON, and a good one.
fn refused(place: &Place) -> Vec<Value> {
    let mut wrong = oauth("wrong-tenant", CANARY);
    wrong["colour"] = json!("canary-colour");
    let mut bare = oauth("bare", &format!("{CANARY}-2"));
    bare["colour"] = json!("canary-colour");
    let text = format!("{}\n{bare}\n{{\"broken\": \"{CANARY}\n{}\n", envelope("m-1", &wrong), oauth("good", "good-1"));
    place.import_bytes(text.as_bytes()).ended(1);
    let listed = place.run(&["quarantine", "list", "--json"]).ended(0).stdout;
    lines(&listed)
}

fn id(row: &Value) -> &str {
    row["id"].as_str().unwrap()
}

fn states(place: &Place) -> Vec<String> {
    let listed = place.run(&["quarantine", "list", "--json"]).ended(0).stdout;
    lines(&listed).iter().map(|row| row["state"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn requests_are_listed_and_shown_without_their_bodies() {
    let place = Place::offline();
    let rows = refused(&place);
    assert_eq!(rows.len(), 3);
    let row = rows.iter().find(|row| row["message_id"] == "m-1").unwrap();
    assert_eq!(
        (&row["reason"], &row["pointer"], &row["state"]),
        (&json!("invalid"), &json!("/colour"), &json!("held"))
    );
    assert_eq!((&row["channel"], &row["correlation_id"], &row["arrivals"]), (&json!("file"), &json!("c-1"), &json!(1)));
    assert!(rows.iter().filter(|row| row["message_id"].is_null()).count() == 2, "a fingerprint is not told: {rows:?}");
    let said = [
        place.run(&["quarantine", "list"]),
        place.run(&["quarantine", "list", "--json"]),
        place.run(&["quarantine", "show", id(row)]),
        place.run(&["quarantine", "show", id(row), "--json"]),
        place.run(&["quarantine", "resubmit", id(row), "--json"]),
    ];
    for ran in said {
        assert!(!ran.stdout.contains("canary") && !ran.stderr.contains("canary"), "{ran:#?}");
    }
    let some =
        place.run(&["quarantine", "list", "--reason", "malformed", "--channel", "file", "--json"]).ended(0).stdout;
    assert_eq!(lines(&some).len(), 1);
    let page = place.run(&["quarantine", "list", "--limit", "1", "--after", id(&rows[0]), "--json"]).ended(0).stdout;
    assert_eq!(lines(&page), [rows[1].clone()]);
    let none = place.run(&["quarantine", "list", "--channel", "amqp", "--since", "1h", "--json"]).ended(0).stdout;
    assert!(none.is_empty());
    place.run(&["quarantine", "show", &uuid::Uuid::nil().to_string()]).ended(2);
}

/// Shows a body, mends it, sends it again.
fn mend(place: &Place, row: &Value, more: &[&str]) -> Value {
    let body = place.run(&["quarantine", "show", id(row), "--body"]).ended(0).stdout;
    assert!(body.contains(CANARY), "the body is what came: {body}");
    let file = place.scratch.write("body.json", body.replace(r#","colour":"canary-colour""#, ""));
    let arguments = [&["quarantine", "resubmit", id(row), "--body", file.to_str().unwrap(), "--json"], more].concat();
    let dry = place.run(&[&arguments[..], &["--dry-run"]].concat()).ended(0).json();
    assert_eq!(dry["outcome"], "possible");
    place.run(&arguments).ended(0).json()
}

#[test]
fn a_mended_request_is_accepted_once_with_and_without_a_worker() {
    let provider = Provider::start();
    let place = Place::of(&provider);
    let rows = refused(&place);
    let (enveloped, bare): (Vec<_>, Vec<_>) =
        rows.iter().filter(|row| row["reason"] == "invalid").partition(|row| row["message_id"] == "m-1");
    let as_it_was = place.run(&["quarantine", "resubmit", id(enveloped[0]), "--json"]).ended(1).json();
    assert_eq!((&as_it_was["outcome"], &as_it_was["code"]), (&json!("refused"), &json!("invalid")));
    assert_eq!(states(&place), ["held"; 3], "what would be refused again is not sent");
    let first = mend(&place, enveloped[0], &[]);
    assert_eq!(first["outcome"], "accepted");
    let again = place.run(&["quarantine", "resubmit", id(enveloped[0]), "--json"]).ended(1).json();
    assert_eq!(again["outcome"], "not_held");

    let worker = place.worker();
    let second = mend(&place, bare[0], &[]);
    for (verdict, tenant) in [(&first, "wrong-tenant"), (&second, "bare")] {
        let account = worker.settled(verdict["account"].as_str().unwrap());
        assert_eq!((&account["status"], &account["tenant_id"]), (&json!("active"), &json!(tenant)));
    }
    let created = worker.published();
    let created = created.iter().find(|event| event["subject"] == first["account"]).unwrap();
    assert_eq!(created["data"]["cause"]["correlation_id"], "c-1");
    assert_eq!(place.accounts().len(), 3);
    let shown = place.run(&["quarantine", "show", id(enveloped[0]), "--json"]).ended(0).json();
    assert_eq!((&shown["state"], &shown["resubmitted_as"]), (&json!("resubmitted"), &first["message_id"]));
    assert!(shown["settled_by"].as_str().unwrap().starts_with("cli, uid "));
    worker.stop();
}

#[test]
fn a_dropped_request_is_kept_without_its_body() {
    let place = Place::offline();
    let rows = refused(&place);
    let both = ["quarantine", "drop", id(&rows[0]), id(&rows[1]), "--json"];
    let dry = lines(&place.run(&[&both[..], &["--dry-run"]].concat()).ended(0).stdout);
    assert!(dry.iter().all(|verdict| verdict["outcome"] == "possible"));
    place.run(&[&both[..], &["--max", "1"]].concat()).ended(2);
    assert_eq!(states(&place), ["held"; 3]);
    let dropped = lines(&place.run(&both).ended(0).stdout);
    assert!(dropped.iter().all(|verdict| verdict["outcome"] == "dropped"));
    assert_eq!(states(&place), ["dropped", "dropped", "held"]);
    let gone = place.run(&["quarantine", "show", id(&rows[0]), "--body"]).ended(2);
    assert!(gone.stdout.is_empty() && gone.stderr.contains("erased"), "{gone:?}");
    let twice = lines(&place.run(&both).ended(1).stdout);
    assert!(twice.iter().all(|verdict| verdict["outcome"] == "not_held"));
    refused(&place);
    assert_eq!(states(&place), ["dropped", "dropped", "held", "held", "held"], "what comes again is kept again");
}

#[test]
fn everything_with_a_code_is_sent_again_when_its_cause_is_mended() {
    let place = Place::offline();
    let installs = std::fs::read_to_string(place.path("installs/test.json")).unwrap();
    let requests: Vec<Value> = (0..3)
        .map(|index| {
            let mut body = oauth(&format!("tenant-{index}"), &format!("good-{index}"));
            body["environment_integration_id"] = json!(crate::support::DISABLED);
            envelope(&format!("m-{index}"), &body)
        })
        .collect();
    place.import(&requests).ended(1);
    let all = ["quarantine", "resubmit", "--all", "--reason", "disabled_install", "--json"];
    let early = lines(&place.run(&all).ended(1).stdout);
    assert!(early.len() == 3 && early.iter().all(|verdict| verdict["code"] == "disabled_install"));
    place.scratch.write("installs/test.json", installs.replace("\"is_enabled\":false", "\"is_enabled\":true"));
    place.run(&["definitions", "apply"]).ended(0);
    let many = place.run(&[&all[..], &["--max", "2"]].concat()).ended(2).stderr;
    assert!(many.contains("3 held requests match"), "{many}");
    let sent = lines(&place.run(&all).ended(0).stdout);
    assert!(sent.len() == 3 && sent.iter().all(|verdict| verdict["outcome"] == "accepted"));
    assert!(place.run(&all).ended(0).stdout.is_empty());
    assert_eq!(place.accounts().len(), 3);
}

#[test]
fn a_cut_body_is_not_sent_again_as_it_is() {
    let place = Place::offline();
    let large = format!("{{\"x\":\"{}\"}}\n", "y".repeat(1 << 20));
    place.import_bytes(large.as_bytes()).ended(1);
    let row = lines(&place.run(&["quarantine", "list", "--json"]).ended(0).stdout).remove(0);
    let cut = place.run(&["quarantine", "resubmit", id(&row), "--json"]).ended(1).json();
    assert_eq!((&row["reason"], &cut["outcome"]), (&json!("too_large"), &json!("cut")));
    let file = place.scratch.write("body.json", oauth("whole", "good").to_string());
    let body = file.to_str().unwrap();
    let sent = place.run(&["quarantine", "resubmit", id(&row), "--body", body, "--json"]).ended(0).json();
    assert_eq!(sent["outcome"], "accepted");
}

#[test]
fn a_request_is_sent_again_through_the_broker_to_its_regions_queue() {
    let Some(mq) = Mq::make() else { return };
    let provider = Provider::start();
    let place = mq.place(&provider, &[]);
    let worker = place.worker();
    let mut wrong = oauth("through-the-broker", "good-1");
    wrong["colour"] = json!("red");
    let text = wrong.to_string();
    mq.send("tidewaiter.imports.eu", lapin::BasicProperties::default().with_correlation_id("c-9".into()), &text);
    let row = eventually("it is quarantined", || {
        lines(&place.run(&["quarantine", "list", "--channel", "amqp", "--json"]).ended(0).stdout).pop()
    });
    assert_eq!((&row["queue"], &row["correlation_id"]), (&json!("tidewaiter.imports.eu"), &json!("c-9")));
    let file = place.scratch.write("body.json", text.replace(r#","colour":"red""#, ""));
    let body = file.to_str().unwrap();
    let sent = place.run(&["quarantine", "resubmit", id(&row), "--body", body, "--json"]).ended(0).json();
    assert_eq!(sent["outcome"], "sent", "{sent}");
    let account = eventually("a worker accepts it", || place.accounts().pop());
    assert_eq!(account["tenant_id"], "through-the-broker");
    let account = worker.settled(account["id"].as_str().unwrap());
    assert_eq!((&account["status"], &account["region"]), (&json!("active"), &json!("eu")));
    worker.stop();
}
