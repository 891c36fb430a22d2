//! What a client writes while a run refreshes the same account's token, and what a run writes at its end.

use serde_json::json;

use crate::patches::{id_of, patch, up};
use crate::support::{Provider, Request, Worker, eventually, oauth, post};

const USERINFO: &str = "GET /oauth/userinfo";

/// An account whose first request is answered slowly, and with a refusal of its token.
fn refused_slowly(provider: &Provider, worker: &Worker) -> String {
    let id = id_of(&post(worker.api, &[], &oauth("a", "slow-expired")).with(201));
    eventually("the token is used", || (provider.requests(USERINFO) == 1).then_some(()));
    id
}

#[test]
fn a_patch_of_another_secret_does_not_stand_for_a_new_token() {
    let (provider, _place, worker) = up();
    let id = refused_slowly(&provider, &worker);
    patch(&worker, &id, &json!({ "context": { "password": "pw-4711" } })).with(200);
    let account = worker.settled(&id);
    assert_eq!(account["status"], "active", "{account}");
    assert_eq!((provider.requests("POST /oauth/token"), provider.requests(USERINFO)), (1, 2));
    worker.stop();
}

#[test]
fn a_token_that_is_patched_before_the_refresh_takes_its_place() {
    let (provider, _place, worker) = up();
    let id = refused_slowly(&provider, &worker);
    let token = json!({ "access_token": "good", "refresh_token": "rt-good" });
    patch(&worker, &id, &json!({ "context": { "oauth": { "token": token } } })).with(200);
    let account = worker.settled(&id);
    assert_eq!(account["status"], "active", "{account}");
    assert_eq!((provider.requests("POST /oauth/token"), provider.requests(USERINFO)), (0, 2));
    worker.stop();
}

#[test]
fn a_token_that_is_patched_after_the_refresh_is_the_account_s_when_the_run_has_ended() {
    let (provider, _place, worker) = up();
    let id = refused_slowly(&provider, &worker);
    eventually("the new token is used", || (provider.requests(USERINFO) == 2).then_some(()));
    let token = json!({ "access_token": "no-scope", "refresh_token": "rt-no-scope" });
    patch(&worker, &id, &json!({ "tenant_id": "b", "context": { "oauth": { "token": token } } })).with(200);
    assert_eq!(worker.settled(&id)["status"], "active");
    let (path, body) = ("/integrated-account/revalidate", json!({ "id": id }).to_string());
    let revalidate = Request { method: "POST", path, headers: &[], body: body.as_bytes() };
    revalidate.send(worker.api).unwrap().with(202);
    assert_eq!(worker.settled(&id)["status"], "validation_error", "the token that was patched is the one that is used");
    worker.stop();
}
