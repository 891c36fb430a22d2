//! `tidewaiter import`: what goes in, and what happens to it.

use std::fs;

use serde_json::{Value, json};

use crate::support::{Place, Provider, Ran, api_key, envelope, eventually, lines, oauth};

fn tally(ran: &Ran) -> (u64, u64, u64, usize) {
    let summary = ran.json();
    let number = |name: &str| summary[name].as_u64().unwrap();
    (number("lines"), number("accepted"), number("duplicates"), summary["refused"].as_array().unwrap().len())
}

#[test]
fn good_lines_go_although_others_are_refused_and_each_refusal_names_its_line() {
    let place = Place::offline();
    let text = format!("{}\nnot json\n\n{}\n{{}}\n", oauth("a", "t-1"), envelope("m-1", &oauth("b", "t-2")));
    let ran = place.import_bytes(text.as_bytes()).ended(1);
    assert_eq!(tally(&ran), (5, 2, 0, 2));
    let refused = &ran.json()["refused"];
    assert_eq!((&refused[0]["line"], &refused[0]["code"]), (&json!(2), &json!("malformed")));
    assert_eq!((&refused[1]["line"], &refused[1]["code"]), (&json!(5), &json!("invalid")));
    assert!(refused[1]["message"].as_str().is_some_and(|text| text.contains("tenant_id")), "{refused}");
    assert_eq!(place.accounts().len(), 2);
}

#[test]
fn people_are_told_in_words_which_lines_were_refused() {
    let place = Place::offline();
    let file = place.scratch.write("imports.ndjson", format!("{}\n[]\n", oauth("a", "t")));
    let said = place.run(&["import", file.to_str().unwrap()]).ended(1).stdout;
    assert!(said.contains("line 2: malformed") && said.contains("1 accepted, 0 duplicates, 1 refused"), "{said}");
}

#[test]
fn the_same_file_again_imports_nothing_twice() {
    let place = Place::offline();
    let bodies = [envelope("m-1", &oauth("a", "t-1")), oauth("b", "t-2"), oauth("c", "t-3")];
    assert_eq!(tally(&place.import(&bodies).ended(0)), (3, 3, 0, 0));
    assert_eq!(tally(&place.import(&bodies).ended(0)), (3, 0, 3, 0));
    assert_eq!(place.accounts().len(), 3);
}

#[test]
fn a_duplicate_may_have_its_keys_in_another_order_and_its_lines_end_otherwise() {
    let place = Place::offline();
    let body = r#"{"tenant_id":"a","environment_integration_id":"INSTALL","authentication_method":"api_key","context":{"api_key":"k-123456","subdomain":"x"}}"#;
    let other = r#"{ "context": {"subdomain":"x","api_key":"k-123456"}, "authentication_method":"api_key", "environment_integration_id":"INSTALL", "tenant_id":"a" }"#;
    let text = format!("{body}\r\n{other}\r\n").replace("INSTALL", crate::support::INSTALL);
    assert_eq!(tally(&place.import_bytes(text.as_bytes()).ended(0)), (2, 1, 1, 0));
}

#[test]
fn one_id_with_two_bodies_is_a_conflict_also_within_one_file() {
    let place = Place::offline();
    let ran = place.import(&[envelope("m-1", &oauth("a", "t-1")), envelope("m-1", &oauth("a", "t-2"))]).ended(1);
    assert_eq!(tally(&ran), (2, 1, 0, 1));
    let refused = &ran.json()["refused"][0];
    assert_eq!((&refused["line"], &refused["code"]), (&json!(2), &json!("idempotency_conflict")));
}

#[test]
fn a_report_names_every_line_with_its_account() {
    let place = Place::offline();
    let file = place.scratch.write("in", format!("{}\n{}\nx\n", oauth("a", "t"), oauth("a", "t")));
    let report = place.path("report");
    let arguments = ["import", file.to_str().unwrap(), "--report", report.to_str().unwrap()];
    place.run(&arguments).ended(1);
    let told = lines(&fs::read_to_string(&report).unwrap());
    let dispositions: Vec<_> = told.iter().map(|line| line["disposition"].as_str().unwrap()).collect();
    assert_eq!(dispositions, ["accepted", "duplicate", "refused"]);
    assert_eq!(told[0]["account"], told[1]["account"]);
    assert_eq!((&told[2]["line"], &told[2]["code"]), (&json!(3), &json!("malformed")));
}

#[test]
fn an_empty_file_is_no_error() {
    let place = Place::offline();
    assert_eq!(tally(&place.import_bytes(b"").ended(0)), (0, 0, 0, 0));
    assert_eq!(tally(&place.import_bytes(b"\n \n").ended(0)), (2, 0, 0, 0));
}

#[test]
fn a_file_that_is_missing_a_directory_or_unreadable_ends_with_2() {
    let place = Place::offline();
    let said = place.run(&["import", "missing.ndjson"]).ended(2).stderr;
    assert!(said.contains("missing.ndjson cannot be read"), "{said}");
    let said = place.run(&["import", "installs"]).ended(2).stderr;
    assert!(said.contains("installs is a directory"), "{said}");
    let said = place.run(&["import", "-", "--report", "/nowhere/report"]).ended(2).stderr;
    assert!(said.contains("/nowhere/report cannot be written"), "{said}");
}

#[test]
fn a_line_of_three_mebibytes_is_refused_by_itself() {
    let place = Place::offline();
    let mut text = vec![b'x'; 3 << 20];
    text.extend(format!("\n{}\n", oauth("a", "t")).bytes());
    let ran = place.import_bytes(&text).ended(1);
    assert_eq!(tally(&ran), (2, 1, 0, 1));
    assert_eq!(
        (&ran.json()["refused"][0]["line"], &ran.json()["refused"][0]["code"]),
        (&json!(1), &json!("too_large"))
    );
}

#[test]
fn what_was_imported_while_no_worker_ran_is_performed_by_the_next_one() {
    let provider = Provider::start();
    let place = Place::of(&provider);
    place.import(&[envelope("m-1", &oauth("a", "good")), envelope("m-2", &oauth("b", "no-scope"))]).ended(0);
    assert!(place.accounts().iter().all(|account| account["status"] == "connecting"));
    let worker = place.worker();
    let mut ends: Vec<String> = eventually("both accounts settle", || {
        let accounts = place.accounts();
        let statuses: Vec<_> = accounts.iter().map(|account| account["status"].as_str().unwrap().to_owned()).collect();
        (!statuses.iter().any(|status| status == "connecting")).then_some(statuses)
    });
    ends.sort();
    assert_eq!(ends, ["active", "validation_error"]);
    worker.stop();
}

#[test]
fn an_import_beside_a_running_worker_is_performed_within_a_second() {
    let provider = Provider::start();
    let place = Place::of(&provider);
    let worker = place.worker();
    place.import(&[oauth("a", "good")]).ended(0);
    let account = eventually("the account is active", || {
        let list = worker.get("/integrated-account?status=active").with(200);
        list["result"].as_array().unwrap().first().cloned()
    });
    let at = |name: &str| account[name].as_str().unwrap().parse::<jiff::Timestamp>().unwrap();
    let took = at("updated_at").duration_since(at("created_at"));
    assert!(took.as_millis() < 1000, "{took:?}");
    worker.stop();
}

#[test]
fn the_fields_of_an_api_key_are_completed_by_the_definition() {
    let place = Place::offline();
    let harbour = fs::read_to_string(place.path("integrations/harbour.json")).unwrap();
    let mut harbour: Value = serde_json::from_str(&harbour).unwrap();
    harbour["config"]["credentials"]["api_key"]["config"]["fields"] = json!([
        { "name": "api_key", "type": "password", "required": true, "pattern": "^k-[0-9]+$" },
        { "name": "subdomain", "type": "text", "required": true, "transform": "lowercase" },
        { "name": "plan", "type": "single_select", "options": [{ "label": "S", "value": "s" }, { "label": "L", "value": "l" }] },
        { "name": "zone", "type": "text", "default": "north" },
    ]);
    place.scratch.write("integrations/harbour.json", harbour.to_string());
    let bad = [
        (json!({ "api_key": "k-1" }), "/context/subdomain"),
        (json!({ "api_key": "x", "subdomain": "a" }), "/context/api_key"),
        (json!({ "api_key": "k-1", "subdomain": "a", "plan": "xl" }), "/context/plan"),
    ];
    for (context, pointer) in bad {
        let ran = place.import(&[api_key("a", &context)]).ended(1);
        let refused = &ran.json()["refused"][0];
        assert_eq!((&refused["code"], &refused["pointer"]), (&json!("invalid"), &json!(pointer)), "{refused}");
        assert!(!ran.stdout.contains("k-1"), "a refusal never quotes a value: {}", ran.stdout);
    }
    place.import(&[api_key("a", &json!({ "api_key": "k-1", "subdomain": "AcMe", "plan": "l" }))]).ended(0);
    assert_eq!(place.accounts()[0]["context"], json!({ "subdomain": "acme", "plan": "l", "zone": "north" }));
}

#[test]
fn of_very_many_refused_lines_the_first_are_named_and_the_rest_is_counted() {
    let place = Place::offline();
    let file = place.scratch.write("in", "x\n".repeat(10_003));
    let report = place.path("report");
    let arguments = ["import", file.to_str().unwrap(), "--json", "--report", report.to_str().unwrap()];
    let ran = place.run(&arguments).ended(1);
    let summary = ran.json();
    let refused = summary["refused"].as_array().unwrap();
    assert_eq!((refused.len(), &refused[9_999]["line"]), (10_000, &json!(10_000)));
    assert_eq!((&summary["refused_omitted"], &summary["lines"]), (&json!(3), &json!(10_003)));
    assert_eq!(lines(&fs::read_to_string(&report).unwrap()).len(), 10_003);
    let few = place.import_bytes(b"x\n").ended(1).json();
    assert_eq!((few["refused"].as_array().unwrap().len(), &few["refused_omitted"]), (1, &json!(0)));
}

#[test]
fn an_import_leaves_the_definitions_of_a_database_that_has_some_alone() {
    let place = Place::offline();
    place.run(&["definitions", "apply"]).ended(0);
    // Somebody else's working directory: its definitions are not those of the database.
    let disabled = fs::read_to_string(place.path("installs/test.json")).unwrap().replace("true", "false");
    place.scratch.write("installs/test.json", disabled);
    assert_eq!(tally(&place.import(&[oauth("a", "t-1")]).ended(0)), (1, 1, 0, 0));
    place.run(&["definitions", "apply"]).ended(0);
    assert_eq!(tally(&place.import(&[oauth("b", "t-2")]).ended(1)), (1, 0, 0, 1));
    // What came before the install was disabled is still known.
    assert_eq!(tally(&place.import(&[oauth("a", "t-1")]).ended(0)), (1, 0, 1, 0));
}

#[test]
fn a_report_is_not_written_over_the_file_that_is_read() {
    let place = Place::offline();
    let line = oauth("a", "t-1").to_string();
    let file = place.scratch.write("in", &line);
    let link = place.path("link");
    std::os::unix::fs::symlink(&file, &link).unwrap();
    for report in [&file, &link] {
        let arguments = ["import", file.to_str().unwrap(), "--report", report.to_str().unwrap()];
        let said = place.run(&arguments).ended(2).stderr;
        assert!(said.contains("the file that is read"), "{said}");
        assert_eq!(fs::read_to_string(&file).unwrap(), line);
    }
}

#[test]
fn a_name_that_stands_under_another_id_in_the_database_is_bad_input() {
    let place = Place::offline();
    place.run(&["definitions", "apply"]).ended(0);
    let file = place.path("integrations/harbour.json");
    let other = fs::read_to_string(&file).unwrap().replace("4a4de828", "4a4de829");
    fs::write(&file, other).unwrap();
    let said = place.run(&["definitions", "apply"]).ended(2).stderr;
    assert!(said.contains("name"), "{said}");
}
