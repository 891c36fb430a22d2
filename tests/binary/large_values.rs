//! Large values of a context: out of the database, sealed, and there again for a run that reads them.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use crate::support::{Place, Provider, Request, api_key, eventually, oauth, post as post_to};

/// An integration whose steps read a large value, write another, and read that.
fn bulk() -> Value {
    json!({
        "id": "77777777-6a3b-4c8d-9e1f-7b6a5c4d3e2f", "name": "bulk",
        "config": {
            "base_url": "https://api.bulk.example",
            "credentials": { "api_key": { "format": "api_key", "config": { "fields": [] } } },
            "actions": {
                "post_install": { "steps": [
                    { "type": "transform", "config": "$count(users)" },
                    { "type": "update_context", "config": {
                        "expression": "{ 'count': previous, 'report': { 'truto_obj_store': true, 'data': { 'names': users.name } } }",
                    } },
                ] },
                "validation": { "steps": [{ "type": "transform", "config": "$count(report.names) = count" }] },
            },
        },
    })
}

fn place(settings: &[&str]) -> Place {
    let place = Place::with(&Provider::start(), settings);
    place.scratch.write("integrations/bulk.json", bulk().to_string());
    place.scratch.write("installs/test.json", crate::support::installs("bulk").to_string());
    place
}

fn request() -> Value {
    let users: Vec<Value> = (0..50).map(|n| json!({ "id": n, "name": format!("cAnArY-user-{n}") })).collect();
    api_key("a", &json!({ "api_key": "k-1", "users": { "truto_obj_store": true, "data": users } }))
}

/// Every file below a directory.
fn files(directory: &Path) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(directory) else { return Vec::new() };
    entries
        .flat_map(|entry| {
            let path = entry.unwrap().path();
            if path.is_dir() { files(&path) } else { vec![path] }
        })
        .collect()
}

#[test]
fn a_large_value_is_kept_sealed_outside_the_database_and_read_by_the_steps() {
    let place = place(&[]);
    // What one process keeps another one reads.
    place.import(&[request()]).ended(0);
    let worker = place.worker();
    let account = worker.settled(place.accounts()[0]["id"].as_str().unwrap());
    assert_eq!(account["status"], "active", "{account}");
    assert_eq!(account["object_store_context_fields"], json!(["users", "report"]));
    assert_eq!(account["context"]["users"]["truto_obj_store"], true);
    assert_eq!(account["context"]["users"].get("data"), None);
    assert_eq!(account["context"]["count"], 50);
    let objects = files(&place.path("tidewaiter.db.objects"));
    assert_eq!(objects.len(), 2, "{objects:?}");
    for file in
        [objects, vec![place.path("tidewaiter.db"), place.path("tidewaiter.db-wal"), place.path("stdout")]].concat()
    {
        let bytes = fs::read(&file).unwrap();
        assert!(!bytes.windows(6).any(|window| window == b"cAnArY"), "{}", file.display());
    }
    worker.stop();
}

#[test]
fn a_value_whose_object_is_gone_fails_the_run_and_says_which() {
    let place = place(&[]);
    place.import(&[request()]).ended(0);
    fs::remove_dir_all(place.path("tidewaiter.db.objects")).unwrap();
    let worker = place.worker();
    let id = place.accounts()[0]["id"].as_str().unwrap().to_owned();
    let account = worker.settled(&id);
    assert_eq!(account["status"], "post_install_error");
    assert_eq!(account["reason"]["code"], "unresolved_placeholder");
    assert!(account["last_error"].as_str().unwrap().contains("`users`"), "{account}");
    worker.stop();
}

#[test]
fn a_value_that_is_gone_does_not_hide_that_a_request_may_have_had_its_effect() {
    let provider = Provider::start();
    let place = Place::of(&provider);
    let file = place.path("integrations/harbour.json");
    let harbour = fs::read_to_string(&file).unwrap();
    let first = "\"config\": { \"path\": \"/oauth/userinfo\" }";
    assert!(harbour.contains(first));
    let post = "\"config\": { \"method\": \"post\", \"path\": \"/v1/validate\", \"body\": { \"n\": \"{{= $count(users) }}\" } }";
    fs::write(&file, harbour.replace(first, post)).unwrap();
    let worker = place.worker();
    let mut request = oauth("a", "hang");
    request["context"]["users"] = json!({ "truto_obj_store": true, "data": [1, 2, 3] });
    let id = post_to(worker.api, &[], &request).with(201)["id"].as_str().unwrap().to_owned();
    eventually("the request is under way", || (provider.requests("POST /v1/validate") == 1).then_some(()));
    worker.kill();
    fs::remove_dir_all(place.path("tidewaiter.db.objects")).unwrap();
    let worker = place.worker();
    let account = worker.settled(&id);
    assert_eq!(account["reason"]["code"], "outcome_unknown", "{account}");
    assert!(account["last_error"].as_str().unwrap().contains("`users`"), "{account}");
    let left = place.run(&["replay", "start", &id, "--json"]).ended(1).json();
    assert_eq!(left["refused"], json!({ "outcome_unknown": 1 }));
    assert_eq!(provider.requests("POST /v1/validate"), 1);
    worker.stop();
}

#[test]
fn a_patched_value_is_a_new_object_and_the_old_one_is_forgotten() {
    let place = place(&[]);
    let worker = place.worker();
    let account = worker.import(&request());
    let id = account["id"].as_str().unwrap();
    let ask = |method, path: &str, body: &Value| {
        Request { method, path, headers: &[], body: body.to_string().as_bytes() }.send(worker.api).unwrap()
    };
    let path = format!("/integrated-account/{id}");
    let shown = json!({ "context": { "users": account["context"]["users"] } });
    assert_eq!(ask("PATCH", &path, &shown).with(200), account, "what is shown may come back");
    let new = json!({ "context": { "users": { "truto_obj_store": true, "data": [{ "name": "cAnArY-new" }] } } });
    let patched = ask("PATCH", &path, &new).with(200);
    assert_ne!(patched["context"]["users"], account["context"]["users"]);
    assert!(!patched.to_string().contains("cAnArY"), "{patched}");
    assert_eq!(files(&place.path("tidewaiter.db.objects")).len(), 2, "of `users` and `report` one each");
    ask("POST", "/integrated-account/run-post-install-actions", &json!({ "id": id }));
    let again =
        eventually("it runs again", || Some(worker.settled(id)).filter(|account| account["context"]["count"] == 1));
    assert_eq!(again["status"], "active", "{again}");
    worker.stop();
}

#[test]
fn a_mark_without_a_value_is_refused() {
    let place = place(&[]);
    let worker = place.worker();
    let body = api_key("a", &json!({ "api_key": "k", "users": { "truto_obj_store": true } }));
    let problem = crate::support::post(worker.api, &[], &body).with(400);
    assert!(problem.to_string().contains("/context/users"), "{problem}");
    worker.stop();
}
