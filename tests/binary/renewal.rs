//! Tokens that the definition's own `refresh_token` action renews, with two requests.

use std::fs;

use serde_json::{Value, json};

use crate::support::{Place, Provider, Worker, eventually, oauth, post};

/// Gives the definitions of a place an action that asks for a ticket and exchanges it with the refresh token for a token.
pub fn renewed_by_action(place: &Place) {
    let file = place.path("integrations/harbour.json");
    let mut document: Value = serde_json::from_str(&fs::read_to_string(&file).unwrap()).unwrap();
    document["config"]["actions"]["refresh_token"] = json!({ "steps": [
        { "type": "request", "name": "ticket",
          "config": { "path": "/me", "no_auth": true, "headers": { "X-Key": "good-ticket-office" } } },
        { "type": "request", "name": "exchange", "config": {
            "method": "post", "path": "/oauth/token", "no_auth": true, "body": {
                "grant_type": "refresh_token", "refresh_token": "{{oauth.token.refresh_token}}",
                "ticket": "{{= $string(steps.ticket.result) }}",
            },
        } },
    ] });
    fs::write(&file, document.to_string()).unwrap();
}

/// Has that action keep its ticket in the context.
fn keeps_ticket(place: &Place) {
    let file = place.path("integrations/harbour.json");
    let mut document: Value = serde_json::from_str(&fs::read_to_string(&file).unwrap()).unwrap();
    let steps = document["config"]["actions"]["refresh_token"]["steps"].as_array_mut().unwrap();
    steps.insert(1, json!({ "type": "set_context", "config": { "ticket": "{{= $string(steps.ticket.result) }}" } }));
    fs::write(&file, document.to_string()).unwrap();
}

fn up() -> (Provider, Place, Worker) {
    let provider = Provider::start();
    let place = Place::of(&provider);
    renewed_by_action(&place);
    let worker = place.worker();
    (provider, place, worker)
}

fn asked(provider: &Provider) -> [u64; 3] {
    ["GET /me", "POST /oauth/token", "GET /oauth/userinfo"].map(|route| provider.requests(route))
}

#[test]
fn an_action_renews_a_token_that_is_refused_and_one_that_is_about_to_expire() {
    let (provider, _place, worker) = up();
    let account = worker.import(&oauth("a", "expired"));
    assert_eq!(account["status"], "active", "{account}");
    assert_eq!(asked(&provider), [1, 1, 2]);
    let mut body = oauth("b", "good");
    body["context"]["oauth"]["token"]["expires_in"] = json!(1);
    let account = worker.import(&body);
    assert_eq!(account["status"], "active", "{account}");
    assert_eq!(asked(&provider), [2, 2, 3]);
    assert_eq!(provider.stats()["tokens"]["reused"], 0);
    worker.stop();
}

#[test]
fn a_refusal_of_the_actions_request_needs_the_person_again_and_is_told_with_its_step() {
    let (provider, _place, worker) = up();
    let account = worker.import(&oauth("a", "expired-revoked"));
    let reason = &account["reason"];
    assert_eq!((&account["status"], &reason["code"]), (&json!("needs_reauth"), &json!("credential_refused")));
    assert!(
        account["last_error"].as_str().unwrap().contains("the action `refresh_token`, step `exchange`: "),
        "{account}"
    );
    assert_eq!(asked(&provider), [1, 1, 1]);
    worker.stop();
}

#[test]
fn a_token_whose_renewal_a_dying_worker_left_behind_is_sent_once_more_and_never_a_third_time() {
    let provider = Provider::start();
    let place = Place::of(&provider);
    renewed_by_action(&place);
    // What is written before the answer is lost makes no other token of it.
    keeps_ticket(&place);
    let worker = place.worker();
    let mut body = oauth("a", "expired");
    body["context"]["oauth"]["token"]["refresh_token"] = json!("rt-hang");
    let id = post(worker.api, &[], &body).with(201)["id"].as_str().unwrap().to_owned();
    eventually("the token is asked for", || (provider.requests("POST /oauth/token") == 1).then_some(()));
    worker.kill();
    let worker = place.worker();
    let account = worker.settled(&id);
    let code = &account["reason"]["code"];
    assert_eq!((&account["status"], code), (&json!("post_install_error"), &json!("refresh_outcome_unknown")));
    assert_eq!(asked(&provider), [2, 2, 2]);
    place.run(&["replay", "start", &id, "--json"]).ended(0);
    assert_eq!(worker.settled(&id)["reason"]["code"], "refresh_outcome_unknown");
    assert_eq!(asked(&provider)[..2], [2, 2], "nobody sends it a third time");
    worker.stop();
}
