//! An account is changed from outside: tenant, context, and its own override of the definition.

use std::fs;

use serde_json::{Value, json};
use tidewaiter::app::stub::Faults;

use crate::postgres::Server;
use crate::support::{Answer, Place, Provider, Ran, Request, Worker, api_key, eventually, oauth, post};

pub fn up() -> (Provider, Place, Worker) {
    let provider = Provider::start();
    let place = Place::of(&provider);
    let worker = place.worker();
    (provider, place, worker)
}

pub fn patch(worker: &Worker, id: &str, body: &Value) -> Answer {
    let (path, body) = (format!("/integrated-account/{id}"), body.to_string());
    Request { method: "PATCH", path: &path, headers: &[], body: body.as_bytes() }.send(worker.api).unwrap()
}

pub fn id_of(account: &Value) -> String {
    account["id"].as_str().unwrap().to_owned()
}

fn replay(place: &Place, worker: &Worker, id: &str) -> Value {
    place.run(&["replay", "start", id]).ended(0);
    worker.settled(id)
}

fn rerun(worker: &Worker, id: &str) -> Answer {
    let (path, body) = ("/integrated-account/run-post-install-actions", json!({ "id": id }).to_string());
    Request { method: "POST", path, headers: &[], body: body.as_bytes() }.send(worker.api).unwrap()
}

/// The words of an account's events.
fn words(worker: &Worker, id: &str) -> Vec<String> {
    let events = worker.get(&format!("/integrated-account/{id}/events")).with(200);
    let word = |event: &Value| event["type"].as_str().unwrap().trim_start_matches("integrated_account.").to_owned();
    events["result"].as_array().unwrap().iter().map(word).collect()
}

fn asked(provider: &Provider) -> u64 {
    provider.requests("GET /oauth/userinfo")
}

/// One account is sent to another provider by its own override, which holds secrets; the other accounts are not.
fn goes_where_its_override_says(place: &Place, home: &Provider) {
    let away = Provider::start();
    let worker = place.worker();
    let (one, other) =
        (id_of(&worker.import(&oauth("one", "no-scope"))), id_of(&worker.import(&oauth("two", "no-scope"))));
    assert_eq!((asked(home), asked(&away)), (2, 0));
    let canaries = ["canary-variable-4711", "canary-client-4711", "canary-header-4711"];
    let own = json!({
        "base_url": away.url(),
        "headers": { "Authorization-Extra": "canary-variable-4711", "X-Api-Key": canaries[2] },
        "credentials": { "oauth2": { "config": { "client": { "secret": canaries[1] } } } },
        "secret_environment_variables": { "HARBOUR_CLIENT_SECRET": canaries[0] },
    });
    let changed = patch(&worker, &one, &json!({ "integration_override": own })).with(200);
    assert_eq!((&changed["status"], &changed["sequence"]), (&json!("validation_error"), &json!(3)));
    let shown = &changed["integration_override"];
    assert_eq!((&shown["base_url"], &shown["headers"]["X-Api-Key"]), (&json!(away.url()), &json!("[secret]")));
    assert_eq!(worker.get(&format!("/integrated-account/{one}")).with(200), changed);
    assert_eq!(worker.get(&format!("/integrated-account/{other}")).with(200)["integration_override"], Value::Null);
    assert_eq!(words(&worker, &one), ["created", "validation_error", "updated"]);
    let again = patch(&worker, &one, &json!({ "integration_override": own })).with(200);
    assert_eq!(again["sequence"], 3, "the same again changes nothing");

    let plan = place.run(&["replay", "plan", "--integration", "harbour", "--dry-run", "--json"]).ended(0).json();
    assert_eq!(plan["hosts"].as_array().unwrap().len(), 2, "the override's host is told, too: {plan}");
    replay(place, &worker, &one);
    replay(place, &worker, &other);
    assert_eq!((asked(home), asked(&away)), (3, 1));

    assert!(rerun(&worker, &one).status < 300);
    eventually("a run that is asked for works with it, too", || (asked(&away) == 2).then_some(()));
    worker.settled(&one);

    let mut said = vec![fs::read(&worker.stdout).unwrap(), fs::read(&worker.stderr).unwrap()];
    for arguments in [
        &["accounts", "show", &one][..],
        &["accounts", "show", &one, "--json"],
        &["definitions", "show", "harbour", "--account", &one],
        &["events", "tail", "--all", "--no-follow", "--json"],
    ] {
        let ran = place.run(arguments).ended(0);
        said.push(format!("{}{}", ran.stdout, ran.stderr).into_bytes());
    }
    assert!(String::from_utf8_lossy(&said[4]).contains(away.url()), "what its runs work with is told");
    said.push(format!("{changed}{}", worker.get("/integrated-account").text).into_bytes());
    let files = fs::read_dir(&place.scratch.0).unwrap().map(|entry| entry.unwrap().path());
    said.extend(files.filter(|path| path.is_file()).map(|path| fs::read(path).unwrap()));
    for bytes in &said {
        for canary in canaries {
            let found = bytes.windows(canary.len()).any(|window| window == canary.as_bytes());
            assert!(!found, "{canary} is in {}", String::from_utf8_lossy(bytes));
        }
    }

    let removed = patch(&worker, &one, &json!({ "integration_override": null })).with(200);
    assert_eq!(removed["integration_override"], Value::Null);
    replay(place, &worker, &one);
    assert_eq!((asked(home), asked(&away)), (4, 2));
    worker.stop();
}

#[test]
fn an_account_with_an_override_goes_where_it_says_and_no_other_does() {
    let home = Provider::start();
    goes_where_its_override_says(&Place::with(&home, &["log.filter = \"trace\""]), &home);
}

#[test]
fn an_override_works_on_postgresql_just_so() {
    let Some(server) = Server::start() else { return };
    let home = Provider::start();
    let place = server.place(|settings| Place::with(&home, &[settings, &["log.filter = \"trace\""]].concat()));
    goes_where_its_override_says(&place, &home);
}

#[test]
fn a_context_is_patched_by_key_and_what_is_secret_in_it_is_kept_and_not_told() {
    let (_provider, place, worker) = up();
    let account = worker
        .import(&api_key("a", &json!({ "api_key": "expired-key", "subdomain": "a", "nested": { "x": 1, "y": 2 } })));
    let id = id_of(&account);
    assert_eq!(account["status"], "post_install_error");
    let silent = patch(&worker, &id, &json!({ "context": { "api_key": "good-key" } })).with(200);
    assert_eq!(silent, account, "nothing changes that an outsider can see");
    assert_eq!(words(&worker, &id).len(), 2);
    assert_eq!(replay(&place, &worker, &id)["status"], "active");

    let body = json!({ "tenant_id": "b", "context": {
        "subdomain": "NEW", "nested": { "x": 3 }, "environment_variables": { "A": 1 }, "password": "pw-canary-4711",
    } });
    let changed = patch(&worker, &id, &body).with(200);
    assert_eq!((&changed["tenant_id"], &changed["status"]), (&json!("b"), &json!("active")));
    assert_eq!(changed["context"]["subdomain"], "new", "fields are transformed as an import's");
    assert_eq!(
        (&changed["context"]["nested"], &changed["context"]["plan"]),
        (&json!({ "x": 3 }), &json!("ENTERPRISE"))
    );
    assert!(changed["context"].get("environment_variables").is_none() && !changed.to_string().contains("canary"));
    let events = worker.get(&format!("/integrated-account/{id}/events")).with(200);
    let last = events["result"].as_array().unwrap().last().unwrap().clone();
    assert_eq!(
        (&last["type"], &last["data"]["cause"]["trigger"]),
        (&json!("integrated_account.updated"), &json!("update"))
    );
    assert_eq!((&last["data"]["status"], &last["data"]["previous_status"]), (&json!("active"), &json!("active")));
    assert_eq!((&last["data"]["account"]["tenant_id"], &last["data"]["cause"]["run_id"]), (&json!("b"), &Value::Null));
    assert_eq!(patch(&worker, &id, &body).with(200), changed, "the same again changes nothing");
    assert_eq!(patch(&worker, &id, &json!({})).with(200), changed);
    worker.stop();
}

#[test]
fn a_secret_that_was_replaced_or_whose_place_is_none_any_more_is_not_told() {
    let (_provider, _place, worker) = up();
    let key = "good-canary-4711";
    let context = json!({ "api_key": key, "subdomain": "a", "link": format!("https://a.test/?key={key}") });
    let id = id_of(&worker.import(&api_key("a", &context)));
    let changed = patch(&worker, &id, &json!({ "context": { "api_key": "good-key", "note": 1 } })).with(200);
    assert!(changed["context"]["note"] == 1 && !changed.to_string().contains("canary"), "{changed}");
    let own = json!({ "credentials": { "api_key": { "config": { "fields": [
        { "name": "door", "type": "password" }, { "name": "subdomain" },
    ] } } } });
    patch(&worker, &id, &json!({ "integration_override": own, "context": { "door": "canary-4712" } })).with(200);
    patch(&worker, &id, &json!({ "integration_override": null })).with(200);
    let events = worker.get(&format!("/integrated-account/{id}/events")).with(200).to_string();
    assert!(events.contains("\"note\"") && !events.contains("canary"), "{events}");
    worker.stop();
}

#[test]
fn what_cannot_be_changed_or_run_is_refused_by_name() {
    let (_provider, _place, worker) = up();
    let account = worker.import(&api_key("a", &json!({ "api_key": "good-key", "subdomain": "a" })));
    let id = id_of(&account);
    let own = |layer: Value| json!({ "integration_override": layer });
    for (body, status, pointer) in [
        (json!({ "status": "active" }), 400, "/status"),
        (json!({ "authentication_method": "oauth2" }), 400, "/authentication_method"),
        (json!({ "unified_model_override": {} }), 400, "/unified_model_override"),
        (json!({ "colour": 1, "tenant_id": "b" }), 400, "/colour"),
        (json!({ "tenant_id": "" }), 400, "/tenant_id"),
        (json!({ "context": { "api_key": "" } }), 400, "/context/api_key"),
        (json!({ "context": { "x": { "truto_obj_store": true } } }), 400, "/context/x"),
        (own(json!("x")), 400, "/integration_override"),
        (own(json!({ "environment_variables": [] })), 400, "/integration_override/environment_variables"),
        (own(json!({ "error_expression": "$(" })), 422, "/integration_override/error_expression"),
        (own(json!({ "credentials": { "api_key": null } })), 422, "/integration_override/credentials/api_key"),
    ] {
        let problem = patch(&worker, &id, &body).with(status);
        assert_eq!(problem["failures"][0]["pointer"], pointer, "{body}: {problem}");
    }
    let invalid = patch(&worker, &id, &own(json!({ "error_expression": "$(" }))).with(422);
    assert_eq!((&invalid["reason_code"], &invalid["who_acts"]), (&json!("definition_invalid"), &json!("producer")));
    patch(&worker, "0190aaaa-0000-7000-8000-000000000000", &json!({})).with(404);
    let large = "x".repeat(200 * 1024);
    for key in ["a", "b", "c", "d", "e"] {
        patch(&worker, &id, &json!({ "context": { key: large } })).with(200);
    }
    patch(&worker, &id, &json!({ "context": { "f": large } })).with(413);
    assert_eq!(words(&worker, &id), ["created", "active", "updated", "updated", "updated", "updated", "updated"]);
    worker.stop();
}

#[test]
fn a_patch_amid_a_run_is_told_at_once_and_the_run_keeps_its_definition() {
    let (provider, place, worker) = up();
    let away = Provider::start();
    let before = asked(&provider);
    let id = id_of(&post(worker.api, &[], &oauth("a", "slow-1")).with(201));
    eventually("the run has begun", || (asked(&provider) > before).then_some(()));
    let body =
        json!({ "tenant_id": "b", "context": { "note": "mine" }, "integration_override": { "base_url": away.url() } });
    let changed = patch(&worker, &id, &body).with(200);
    assert_eq!((&changed["status"], &changed["sequence"]), (&json!("connecting"), &json!(2)));
    let account = worker.settled(&id);
    assert_eq!((&account["status"], &account["tenant_id"]), (&json!("active"), &json!("b")));
    assert_eq!((&account["context"]["note"], &account["context"]["plan"]), (&json!("mine"), &json!("ENTERPRISE")));
    assert_eq!(words(&worker, &id), ["created", "updated", "active"]);
    assert_eq!(asked(&away), 0);
    let published = eventually("all is published", || Some(worker.published()).filter(|all| all.len() == 3));
    assert_eq!(published[1]["data"]["account"]["tenant_id"], "b");
    drop(place);
    worker.stop();
}

fn patch_by_hand(place: &Place, id: &str, body: &Value, more: &[&str]) -> Ran {
    let arguments = [&["accounts", "patch", id, "--file", "-"][..], more].concat();
    Ran::of(place.command(&arguments), body.to_string().as_bytes())
}

#[test]
fn the_command_line_patches_as_the_api_does_and_can_only_say_what_it_would_do() {
    let (_provider, place, worker) = up();
    let account = worker.import(&api_key("a", &json!({ "api_key": "good-key", "subdomain": "a" })));
    let id = id_of(&account);
    let body = json!({
        "tenant_id": "b", "context": { "api_key": "canary-key-4711", "note": 1 },
        "integration_override": { "headers": { "X-Api-Key": "canary-header-4711", "X-Trace": "on" } },
    });
    let dry = patch_by_hand(&place, &id, &body, &["--dry-run", "--json"]).ended(0).json();
    let pointers: Vec<&str> =
        dry["changes"].as_array().unwrap().iter().map(|it| it["pointer"].as_str().unwrap()).collect();
    assert_eq!(pointers, ["/tenant_id", "/context/note", "/context/api_key", "/integration_override/headers"]);
    assert_eq!((&dry["changes"][0]["from"], &dry["event"]), (&json!("a"), &json!("updated")));
    assert!(!dry.to_string().contains("canary"), "{dry}");
    let told = patch_by_hand(&place, &id, &body, &["--dry-run"]).ended(0).stdout;
    assert!(told.contains("would be changed") && told.contains("~ /context/api_key: a secret"), "{told}");
    assert_eq!(worker.get(&format!("/integrated-account/{id}")).with(200), account, "nothing was changed");

    let changed = patch_by_hand(&place, &id, &body, &["--json"]).ended(0).json();
    assert_eq!(changed, worker.get(&format!("/integrated-account/{id}")).with(200));
    assert_eq!(changed["integration_override"]["headers"]["X-Trace"], "on");
    assert!(patch_by_hand(&place, &id, &body, &[]).ended(0).stdout.contains("nothing differs"));
    let shown = place.run(&["accounts", "show", &id]).ended(0).stdout;
    assert!(shown.contains("integration_override") && !shown.contains("canary"), "{shown}");
    for (body, place_of_it) in [
        (json!({ "status": "active" }), "/status"),
        (json!({ "integration_override": { "error_expression": "$(" } }), "/integration_override/error_expression"),
    ] {
        let refused = patch_by_hand(&place, &id, &body, &[]).ended(2).stderr;
        assert!(refused.contains(place_of_it), "{refused}");
    }
    worker.stop();
}

#[test]
fn an_override_that_no_longer_goes_with_its_definition_is_told_before_and_stops_new_runs() {
    let (provider, place, worker) = up();
    let file = place.path("integrations/harbour.json");
    let harbour: Value = serde_json::from_str(&fs::read_to_string(&file).unwrap()).unwrap();
    let mut with_resource = harbour.clone();
    with_resource["config"]["resources"] = json!({ "ping": { "get": { "path": "/oauth/userinfo" } } });
    fs::write(&file, with_resource.to_string()).unwrap();
    place.run(&["definitions", "apply"]).ended(0);
    let id = id_of(&worker.import(&oauth("a", "no-scope")));
    let step = json!({ "type": "request", "config": { "resource": "ping", "method": "get" } });
    let own = json!({ "integration_override": { "actions": { "validation": { "steps": [step] } } } });
    patch_by_hand(&place, &id, &own, &[]).ended(0);

    fs::write(&file, harbour.to_string()).unwrap();
    let dry = place.run(&["definitions", "apply", "--dry-run", "--json"]).ended(0).json();
    assert_eq!(dry["broken_overrides"][0]["account"], id.as_str());
    let pointer = dry["broken_overrides"][0]["pointer"].as_str().unwrap();
    assert!(pointer.starts_with("/integration_override/actions/validation/steps/0"), "{pointer}");
    let told = place.run(&["definitions", "apply"]).ended(0).stdout;
    assert!(told.contains(&id) && told.contains("/integration_override/actions"), "{told}");

    let refused = place.run(&["replay", "start", &id, "--json"]).ended(1).json();
    assert_eq!(refused["refused"], json!({ "override_invalid": 1 }));
    let plan = place.run(&["replay", "plan", &id]).ended(0).stdout;
    assert!(plan.contains("integration_override"), "{plan}");
    let again = patch_by_hand(&place, &id, &own, &["--dry-run"]).ended(2);
    assert!(
        again.stderr.contains(pointer),
        "the override that is there, sent again, is told with its place: {}",
        again.stderr
    );
    patch_by_hand(&place, &id, &json!({ "integration_override": null }), &[]).ended(0);
    let before = asked(&provider);
    assert_eq!(replay(&place, &worker, &id)["status"], "validation_error");
    assert_eq!(asked(&provider), before + 1);
    worker.stop();
}

#[test]
fn a_token_that_is_patched_while_the_old_ones_refresh_fails_is_used_and_the_old_one_not_sent_again() {
    let (provider, _place, worker) = up();
    let mut body = oauth("a", "good");
    body["context"]["oauth"]["token"]["expires_in"] = json!(1);
    provider.set_faults(Faults { unavailable_percent: 100, latency_ms: 3_000, ..Faults::default() });
    let id = id_of(&post(worker.api, &[], &body).with(201));
    eventually("the token is refreshed", || (provider.requests("POST /oauth/token") == 1).then_some(()));
    provider.set_faults(Faults::default());
    let token = json!({ "access_token": "good-2", "refresh_token": "rt-2", "expires_in": 3600 });
    patch(&worker, &id, &json!({ "context": { "oauth": { "token": token } } })).with(200);
    assert_eq!(worker.settled(&id)["status"], "active");
    assert_eq!(provider.requests("POST /oauth/token"), 1);
    worker.stop();
}
