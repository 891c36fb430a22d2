//! What a client writes while a run refreshes the same account's token, and what a run writes at its end.

use serde_json::json;
use sqlx::Connection as _;

use crate::patches::{id_of, patch, up};
use crate::support::{Place, Provider, Request, Worker, eventually, oauth, post};

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

/// Makes the refresh that is under way look older than any can be.
fn age_the_refresh(place: &Place) {
    let url = format!("sqlite://{}", place.path("tidewaiter.db").display());
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(async {
        let mut database = sqlx::SqliteConnection::connect(&url).await.unwrap();
        let aged = "UPDATE credentials SET intent_at = intent_at - 60000 WHERE intent_at IS NOT NULL";
        assert_eq!(sqlx::query(aged).execute(&mut database).await.unwrap().rows_affected(), 1);
        database.close().await.unwrap();
    });
}

#[test]
fn a_new_token_is_kept_beside_another_secret_that_was_patched_before_it_could_be_stored() {
    let (provider, place, worker) = up();
    let id = refused_slowly(&provider, &worker);
    eventually("the token is refreshed", || (provider.requests("POST /oauth/token") == 1).then_some(()));
    let body = json!({ "context": { "password": "pw-4711" } });
    assert_eq!(patch(&worker, &id, &body).with(409)["reason_code"], "busy");
    age_the_refresh(&place);
    patch(&worker, &id, &body).with(200);
    assert_eq!(worker.settled(&id)["status"], "active");
    assert_eq!((provider.requests("POST /oauth/token"), provider.requests(USERINFO)), (1, 2));
    let file = place.scratch.write("again.json", body.to_string());
    let again = place.run(&["accounts", "patch", &id, "--file", file.to_str().unwrap(), "--dry-run", "--json"]);
    assert_eq!(again.ended(0).json()["changes"], json!([]), "the patched secret is there as well");
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
