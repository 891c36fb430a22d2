//! Runs on demand: custom actions, the phases again, refreshes, over HTTP and from the command line, on both stores.

use serde_json::{Value, json};

use crate::patches::patch;
use crate::postgres::Server;
use crate::support::{Answer, Place, Provider, Request, Upstream, Worker, api_key, eventually, oauth};

/// The paths at the upstream, in the order in which one run asks for them.
const PHASES: [&str; 2] = ["GET /answer/json", "GET /answer/xml"];

/// An integration with actions beside its phases.
fn dock(upstream: &Upstream) -> Value {
    let request = |method: &str, path: &str| json!({ "type": "request", "config": { "method": method, "path": path } });
    let update = |expression: &str| json!({ "type": "update_context", "config": { "expression": expression } });
    json!({
        "id": "5b1f0d52-0000-4000-8000-000000001000", "name": "dock", "category": "test",
        "config": {
            "base_url": upstream.url("dock"),
            "credentials": { "api_key": {
                "format": "api_key",
                "config": { "fields": [{ "name": "api_key", "type": "password", "required": true }] },
            } },
            "authorization": { "format": "bearer", "config": { "token": "{{api_key}}" } },
            "actions": {
                "post_install": request("get", "/answer/json"),
                "validation": request("get", "/answer/xml"),
                "sync": { "steps": [
                    { "type": "request", "name": "seen", "config": { "method": "post", "path": "/answer/json" } },
                    update("{ 'synced': steps.seen.result.ok, 'hidden': api_key }"),
                ] },
                "touch": update("{ 'api_secret': 'cAnArY-touched' }"),
                "fail": { "steps": [update("{ 'tried': true }"), request("get", "/status/404")] },
                "refused": request("get", "/status/401"),
                "hang": request("post", "/answer/never"),
                "think": { "type": "transform", "config": "42" },
                "swell": { "steps": [request("get", "/answer/large"), update("{ 'a': $previous, 'b': $previous }")] },
            },
        },
    })
}

fn place(upstream: &Upstream, settings: &[&str]) -> Place {
    let mut all = vec!["retry.attempts = 2"];
    all.extend(settings);
    let place = Place::offline_with(&all);
    place.scratch.write("integrations/dock.json", dock(upstream).to_string());
    place.scratch.write("installs/test.json", crate::support::installs("dock").to_string());
    place
}

fn ask(worker: &Worker, path: &str, headers: &[(&str, &str)], body: &Value) -> Answer {
    let body = body.to_string();
    let path = format!("/integrated-account{path}");
    Request { method: "POST", path: &path, headers, body: body.as_bytes() }.send(worker.api).unwrap()
}

/// An action, to its end.
#[track_caller]
fn act(worker: &Worker, id: &str, name: &str) -> Value {
    let answer = ask(worker, &format!("/{id}/actions/{name}"), &[("prefer", "wait=60")], &json!({})).with(202);
    assert_eq!((&answer["success"], &answer["run"]["state"]), (&json!(true), &json!("finished")), "{answer}");
    answer["run"].clone()
}

fn account(worker: &Worker, id: &str) -> Value {
    worker.get(&format!("/integrated-account/{id}")).with(200)
}

fn words(worker: &Worker, id: &str) -> Vec<String> {
    let events = worker.get(&format!("/integrated-account/{id}/events")).with(200);
    let told = events["result"].as_array().unwrap().iter();
    told.map(|event| event["type"].as_str().unwrap().trim_start_matches("integrated_account.").to_owned()).collect()
}

fn active(worker: &Worker) -> String {
    let account = worker.import(&api_key("a", &json!({ "api_key": "cAnArY-key" })));
    assert_eq!(account["status"], "active", "{account}");
    account["id"].as_str().unwrap().to_owned()
}

/// The whole story of actions on one account, with a worker that dies amid the last.
fn performs_actions(place: &Place, upstream: &Upstream) {
    let worker = place.worker();
    let id = active(&worker);

    let run = act(&worker, &id, "sync");
    assert_eq!(
        (&run["cause"], &run["action"], &run["outcome"]),
        (&json!("action"), &json!("sync"), &json!("succeeded"))
    );
    let now = account(&worker, &id);
    assert_eq!((&now["status"], &now["sequence"]), (&json!("active"), &json!(3)));
    assert_eq!(now["context"]["synced"], true);
    assert_eq!(now["last_action_result"]["sync"]["status"], "success", "{now}");
    assert_eq!(words(&worker, &id), ["created", "active", "updated"]);
    let told =
        eventually("the event is published", || worker.published().into_iter().find(|e| e["data"]["sequence"] == 3));
    let told = &told["data"];
    assert_eq!((&told["status"], &told["previous_status"]), (&json!("active"), &json!("active")));
    assert_eq!((&told["cause"]["trigger"], &told["cause"]["run_id"]), (&json!("action"), &run["id"]));
    assert_eq!(told["account"]["context"]["synced"], true);

    // What nobody can see is kept without a word, and so is what changes nothing.
    assert_eq!(act(&worker, &id, "touch")["outcome"], "succeeded");
    assert_eq!(act(&worker, &id, "sync")["outcome"], "succeeded");
    assert_eq!(account(&worker, &id)["sequence"], 3);

    let failed = act(&worker, &id, "fail");
    assert_eq!(failed["outcome"], "upstream_rejected");
    let now = account(&worker, &id);
    assert_eq!((&now["status"], &now["reason"], &now["last_error"]), (&json!("active"), &Value::Null, &Value::Null));
    assert_eq!((&now["context"]["tried"], &now["sequence"]), (&json!(true), &json!(4)), "what it wrote is told");
    assert_eq!(now["last_action_result"]["fail"]["status"], "error");
    act(&worker, &id, "fail");
    assert_eq!(account(&worker, &id)["sequence"], 4);

    let before = upstream.saw("dock").len();
    let hanging = ask(&worker, &format!("/{id}/actions/hang"), &[], &json!({})).with(202)["run"]["id"].clone();
    eventually("the request is under way", || (upstream.saw("dock").len() > before).then_some(()));
    for path in [format!("/{id}/actions/sync"), "/revalidate".to_owned(), "/refresh-credentials".to_owned()] {
        let body = if path.contains("actions") { json!({}) } else { json!({ "id": id }) };
        let refused = ask(&worker, &path, &[], &body).with(409);
        assert_eq!((&refused["reason_code"], &refused["retryable"]), (&json!("run_in_progress"), &json!(true)));
    }
    let said = place.run(&["runs", "start", &id, "--action", "sync"]).ended(1).stderr;
    assert!(said.contains(&id) && said.contains("run_in_progress"), "{said}");
    worker.kill();

    let worker = place.worker();
    let run = eventually("the run is taken over and ends", || {
        let run = place.run(&["runs", "show", hanging.as_str().unwrap(), "--json"]).ended(0).json();
        (run["state"] == "finished").then_some(run)
    });
    assert_eq!(run["outcome"], "outcome_unknown", "{run}");
    let sent = upstream.saw("dock").split_off(before);
    assert_eq!(sent, ["POST /answer/never"], "neither the request again nor the phases in its place");
    let now = account(&worker, &id);
    assert_eq!((&now["status"], &now["sequence"]), (&json!("active"), &json!(4)));
    let runs = worker.get(&format!("/integrated-account/{id}/runs")).with(200);
    let causes: Vec<_> = runs["result"].as_array().unwrap().iter().map(|run| run["action"].as_str()).collect();
    let expected = ["hang", "fail", "fail", "sync", "touch", "sync"].map(Some);
    assert_eq!(causes, [&expected[..], &[None]].concat(), "latest first");
    for text in [runs.to_string(), worker.log(), now.to_string(), json!(worker.published()).to_string()] {
        assert!(!text.contains("cAnArY"), "{text}");
    }
    worker.stop();
}

#[test]
fn an_action_leaves_the_status_tells_what_changed_and_is_never_sent_twice() {
    let upstream = Upstream::start();
    performs_actions(&place(&upstream, &[]), &upstream);
}

#[test]
fn actions_on_postgresql_come_to_the_same() {
    let Some(server) = Server::start() else { return };
    let upstream = Upstream::start();
    performs_actions(&server.place(|settings| place(&upstream, settings)), &upstream);
}

#[test]
fn a_refused_credential_is_told_and_only_an_answered_request_brings_the_account_back() {
    let upstream = Upstream::start();
    let place = place(&upstream, &[]);
    let worker = place.worker();
    let id = active(&worker);
    assert_eq!(act(&worker, &id, "refused")["outcome"], "credential_refused");
    let now = account(&worker, &id);
    assert_eq!((&now["status"], &now["reason"]["code"]), (&json!("needs_reauth"), &json!("credential_refused")));
    assert_eq!(act(&worker, &id, "think")["outcome"], "succeeded");
    assert_eq!(account(&worker, &id)["status"], "needs_reauth", "a transform proves nothing");
    act(&worker, &id, "sync");
    let now = account(&worker, &id);
    assert_eq!((&now["status"], &now["reason"]), (&json!("active"), &Value::Null));
    assert_eq!(words(&worker, &id), ["created", "active", "authentication_error", "reactivated"]);
    worker.stop();
}

#[test]
fn a_context_that_an_action_made_too_large_can_be_patched_to_be_smaller_and_not_larger() {
    let upstream = Upstream::start();
    let place = place(&upstream, &[]);
    let worker = place.worker();
    let id = active(&worker);
    assert_eq!(act(&worker, &id, "swell")["outcome"], "succeeded");
    let patched = |context: &Value| patch(&worker, &id, &json!({ "context": context }));
    patched(&json!({ "note": "one more" })).with(413);
    patched(&json!({ "a": null })).with(200);
    patched(&json!({ "note": "one more" })).with(413);
    patched(&json!({ "b": null, "note": "one more" })).with(200);
    worker.stop();
}

#[test]
fn the_phases_run_again_when_they_are_asked_for() {
    let upstream = Upstream::start();
    let place = place(&upstream, &[]);
    let worker = place.worker();
    let id = active(&worker);
    let headers = [("prefer", "wait=60"), ("x-correlation-id", "again")];
    let answer = ask(&worker, "/run-post-install-actions", &headers, &json!({ "id": id })).with(202);
    let run = &answer["run"];
    assert_eq!((&run["cause"], &run["outcome"]), (&json!("rerun"), &json!("succeeded")));
    assert_eq!((&run["action"], &run["correlation_id"]), (&Value::Null, &json!("again")));
    ask(&worker, "/revalidate", &headers, &json!({ "id": id })).with(202);
    assert_eq!(upstream.saw("dock"), [&PHASES[..], &PHASES[..], &PHASES[1..]].concat());
    assert_eq!(words(&worker, &id), ["created", "active", "updated", "active", "updated", "active"]);
    worker.stop();
}

#[test]
fn a_token_is_refreshed_when_that_is_asked_for_and_a_refusal_is_told() {
    let provider = Provider::start();
    let place = Place::of(&provider);
    let worker = place.worker();
    let id = |account: Value| account["id"].as_str().unwrap().to_owned();
    let refresh = |id: &str| {
        let answer = ask(&worker, "/refresh-credentials", &[("prefer", "wait=60")], &json!({ "id": id })).with(202);
        assert_eq!((&answer["run"]["cause"], &answer["run"]["state"]), (&json!("refresh"), &json!("finished")));
        answer["run"].clone()
    };
    let good = id(worker.import(&oauth("a", "good")));
    let before = provider.requests("POST /oauth/token");
    let run = refresh(&good);
    assert_eq!((&run["outcome"], &run["steps"][0]["status"]), (&json!("succeeded"), &json!("success")), "{run}");
    assert_eq!(provider.requests("POST /oauth/token") - before, 1);
    assert_eq!(refresh(&good)["outcome"], "succeeded", "with the token that the first one brought");
    assert_eq!(words(&worker, &good), ["created", "active"], "a new token is nobody's business");

    let revoked = id(worker.import(&oauth("b", "revoked")));
    assert_eq!(refresh(&revoked)["outcome"], "credential_refused");
    assert_eq!(words(&worker, &revoked), ["created", "active", "authentication_error"]);
    assert_eq!(account(&worker, &revoked)["status"], "needs_reauth");

    let key = id(worker.import(&api_key("c", &json!({ "api_key": "k-1", "subdomain": "c" }))));
    let run = refresh(&key);
    assert!(
        run["outcome"] != "succeeded" && run["steps"][0]["error"].is_string(),
        "there is nothing to refresh: {run}"
    );
    assert_eq!(account(&worker, &key)["status"], "active");
    worker.stop();
}

#[test]
fn what_cannot_be_done_is_refused_with_a_reason() {
    let upstream = Upstream::start();
    let place = place(&upstream, &[]);
    let worker = place.worker();
    let id = active(&worker);
    let nobody = uuid::Uuid::nil();
    for (path, body, status, code) in [
        (format!("/{id}/actions/synk"), json!({}), 404, "unknown_action"),
        (format!("/{id}/actions/validation"), json!({}), 422, "reserved_action"),
        (format!("/{nobody}/actions/sync"), json!({}), 404, "not_found"),
        (format!("/{id}/actions/sync"), json!({ "deep": true }), 400, "invalid"),
        ("/x/actions/sync".to_owned(), json!({}), 400, "invalid"),
        ("/revalidate".to_owned(), json!({ "id": nobody }), 404, "not_found"),
        ("/revalidate".to_owned(), json!({ "id": id, "deep": true }), 400, "invalid"),
        ("/revalidate".to_owned(), json!({}), 400, "invalid"),
    ] {
        let refused = ask(&worker, &path, &[], &body).with(status);
        assert_eq!(refused["reason_code"], code, "{path} {refused}");
    }
    let unknown = ask(&worker, &format!("/{id}/actions/synk"), &[], &json!({})).json();
    assert!(
        unknown["detail"].as_str().unwrap().ends_with("it has fail, hang, refused, swell, sync, think, touch"),
        "{unknown}"
    );
    let said = place.run(&["runs", "start", &id, "--action", "post_install"]).ended(2).stderr;
    assert!(said.contains("--post-install"), "{said}");
    place.run(&["runs", "start", &id]).ended(2);
    place.run(&["runs", "start", &id, "--refresh", "--revalidate"]).ended(2);
    place.run(&["runs", "show", &nobody.to_string()]).ended(2);
    assert_eq!(upstream.saw("dock"), PHASES, "nothing of it was performed");
    worker.stop();
}

#[test]
fn the_command_line_asks_beside_a_worker_and_without_one() {
    let upstream = Upstream::start();
    let place = place(&upstream, &[]);
    let worker = place.worker();
    let id = active(&worker);
    let done = place.run(&["runs", "start", &id, "--action", "sync", "--wait", "60", "--json"]).ended(0).json();
    assert_eq!((&done["outcome"], &done["integrated_account_id"]), (&json!("succeeded"), &json!(id)));
    let failed = place.run(&["runs", "start", &id, "--action", "fail", "--wait", "60"]).ended(1).stdout;
    assert!(failed.contains("upstream_rejected") && failed.contains("404"), "{failed}");
    worker.stop();
    let queued = place.run(&["runs", "start", &id, "--revalidate", "--json"]).ended(0).json();
    assert_eq!((&queued["state"], &queued["cause"]), (&json!("queued"), &json!("revalidate")));
    let late = place.run(&["runs", "start", &id, "--action", "sync", "--wait", "0"]).ended(1).stderr;
    assert!(late.contains("run_in_progress"), "{late}");
    let worker = place.worker();
    assert_eq!(worker.settled(&id)["status"], "active");
    let listed = place.run(&["runs", "list", &id]).ended(0).stdout;
    for word in ["revalidate", "sync", "upstream_rejected", "import"] {
        assert!(listed.contains(word), "{word} is not in {listed}");
    }
    let shown = place.run(&["accounts", "show", &id]).ended(0).stdout;
    assert!(shown.contains("sync") && shown.contains("fail"), "{shown}");
    worker.stop();
}

#[test]
fn phases_are_not_run_again_over_an_unknown_outcome() {
    let upstream = Upstream::start();
    let place = place(&upstream, &[]);
    let worker = place.worker();
    let id = active(&worker);
    worker.stop();
    let mut changed = dock(&upstream);
    changed["config"]["actions"]["post_install"]["config"] = json!({ "method": "post", "path": "/answer/never" });
    place.scratch.write("integrations/dock.json", changed.to_string());
    let worker = place.worker();
    ask(&worker, "/run-post-install-actions", &[], &json!({ "id": id })).with(202);
    let is_under_way = || upstream.saw("dock").iter().any(|said| said == "POST /answer/never").then_some(());
    eventually("the request is under way", is_under_way);
    worker.kill();
    let worker = place.worker();
    assert_eq!(worker.settled(&id)["reason"]["code"], "outcome_unknown");
    let nobody_repeats_it = || {
        for path in ["/run-post-install-actions", "/revalidate"] {
            let refused = ask(&worker, path, &[], &json!({ "id": id })).with(409);
            assert_eq!(refused["reason_code"], "outcome_unknown");
        }
        let refused = place.run(&["replay", "start", &id, "--json"]).ended(1).json();
        assert_eq!(refused["refused"], json!({ "outcome_unknown": 1 }));
    };
    nobody_repeats_it();
    // An action beside it changes nothing about that, nor about what a replay goes on from.
    act(&worker, &id, "fail");
    let now = account(&worker, &id);
    assert_eq!((&now["reason"]["code"], &now["context"]["tried"]), (&json!("outcome_unknown"), &json!(true)));
    // Nor does one that gives the account another reason.
    act(&worker, &id, "refused");
    assert_eq!(account(&worker, &id)["reason"]["code"], "credential_refused");
    nobody_repeats_it();
    place.run(&["replay", "start", &id, "--skip", "--json"]).ended(0);
    let now = eventually("the account is active", || {
        let now = account(&worker, &id);
        (now["status"] == "active").then_some(now)
    });
    assert_eq!(now["context"]["tried"], true);
    assert_eq!(upstream.saw("dock").iter().filter(|said| said.as_str() == "POST /answer/never").count(), 1);
    worker.stop();
}
