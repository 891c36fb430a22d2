//! What providers do, and what becomes of the account: refreshes, retries, refusals, sandbox accounts.

use serde_json::{Value, json};

use crate::support::{Place, Provider, Worker, api_key, oauth, post};

fn up() -> (Provider, Place, Worker) {
    let provider = Provider::start();
    let place = Place::of(&provider);
    let worker = place.worker();
    (provider, place, worker)
}

#[track_caller]
fn ended(account: &Value, status: &str, code: &Value) {
    assert_eq!((&account["status"], &account["reason"]["code"]), (&json!(status), code), "{account}");
}

#[test]
fn an_expired_token_is_refreshed_once_and_the_call_repeated() {
    let (provider, _place, worker) = up();
    ended(&worker.import(&oauth("a", "expired")), "active", &Value::Null);
    assert_eq!(provider.requests("POST /oauth/token"), 1);
    assert_eq!(provider.requests("GET /oauth/userinfo"), 2);
    assert_eq!(provider.stats()["tokens"]["reused"], 0);
}

#[test]
fn a_token_that_says_it_has_expired_is_refreshed_before_it_is_used() {
    let (provider, _place, worker) = up();
    let mut body = oauth("a", "good");
    body["context"]["oauth"]["token"]["expires_in"] = json!(1);
    ended(&worker.import(&body), "active", &Value::Null);
    assert_eq!((provider.requests("POST /oauth/token"), provider.requests("GET /oauth/userinfo")), (1, 1));
}

#[test]
fn a_revoked_refresh_token_needs_the_person_again() {
    let (provider, _place, worker) = up();
    let account = worker.import(&oauth("a", "expired-revoked"));
    ended(&account, "needs_reauth", &json!("credential_refused"));
    assert_eq!(account["reason"]["who_acts"], "end_user");
    assert_eq!(provider.requests("POST /oauth/token"), 1);
}

#[test]
fn a_401_without_a_way_to_refresh_ends_in_the_phases_error() {
    let (provider, _place, worker) = up();
    let account = worker.import(&api_key("a", &json!({ "api_key": "expired-key", "subdomain": "a" })));
    ended(&account, "post_install_error", &json!("unauthorized"));
    assert_eq!(provider.requests("POST /oauth/token"), 0);
}

#[test]
fn a_refresh_whose_answer_is_lost_is_repeated_once_and_never_a_third_time() {
    let (provider, _place, worker) = up();
    // All at once: before a token is sent again, the worker waits until the first call cannot be alive.
    let ends = [
        // The provider rotated although its answer was lost, so it refuses the old token.
        ("expired-lost1", "needs_reauth", json!("refresh_outcome_unknown")),
        ("expired-lost1-norotate", "active", Value::Null),
        ("expired-lost9-norotate", "post_install_error", json!("refresh_outcome_unknown")),
    ];
    let ids = ends.each_ref().map(|(token, _, _)| post(worker.api, &[], &oauth("a", token)).with(201)["id"].clone());
    for (id, (_, status, code)) in ids.iter().zip(&ends) {
        ended(&worker.settled(id.as_str().unwrap()), status, code);
    }
    assert_eq!(provider.requests("POST /oauth/token"), 6);
}

#[test]
fn passing_failures_are_tried_again_and_lasting_ones_end_with_their_reason() {
    let (provider, _place, worker) = up();
    ended(&worker.import(&oauth("a", "flaky3")), "active", &Value::Null);
    ended(&worker.import(&oauth("b", "ratelimited1")), "active", &Value::Null);
    ended(&worker.import(&oauth("c", "flaky99")), "post_install_error", &json!("upstream_unavailable"));
    ended(&worker.import(&oauth("d", "redirect")), "post_install_error", &json!("redirect_refused"));
    assert_eq!(provider.requests("GET /followed"), 0);
    ended(&worker.import(&oauth("e", "garbage")), "post_install_error", &json!("bad_response"));
    ended(&worker.import(&oauth("f", "huge")), "post_install_error", &json!("bad_response"));
}

#[test]
fn a_sandbox_account_never_writes() {
    let (provider, _place, worker) = up();
    let mut body = oauth("a", "good");
    body["is_sandbox"] = json!(true);
    let account = worker.import(&body);
    assert_eq!(account["is_sandbox"], true);
    assert_ne!(account["status"], "connecting");
    assert_eq!(provider.requests("POST /v1/validate"), 0, "{account}");
    assert_eq!(provider.requests("GET /oauth/userinfo"), 1);
}

#[test]
fn a_provider_inside_the_network_is_not_asked_unless_it_is_allowed() {
    let provider = Provider::start();
    let place = Place::with(&provider, &["upstream.allow_networks = []"]);
    let worker = place.worker();
    ended(&worker.import(&oauth("a", "good")), "post_install_error", &json!("address_refused"));
    assert_eq!(provider.requests("GET /oauth/userinfo"), 0);
}

#[test]
fn a_provider_that_is_not_there_ends_as_unavailable() {
    let nobody = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let provider = Provider::start();
    let place = Place::with(&provider, &["retry.attempts = 2"]);
    let file = place.path("integrations/harbour.json");
    let text = std::fs::read_to_string(&file).unwrap().replace(provider.url(), &format!("http://{nobody}"));
    std::fs::write(&file, text).unwrap();
    let worker = place.worker();
    ended(&worker.import(&oauth("a", "good")), "post_install_error", &json!("upstream_unavailable"));
}

#[test]
fn a_run_whose_time_ends_while_it_waits_keeps_what_happened_before() {
    let provider = Provider::start();
    // The pause after the first failure is far longer than the run's time, so the run rests in the store until then.
    let settings = [
        "retry.base_ms = 600000",
        "retry.cap_ms = 900000",
        "limits.request_timeout_ms = 1000",
        "limits.connect_timeout_ms = 500",
        "limits.phase_budget_ms = 2000",
        "limits.max_wait_ms = 3000",
        "limits.run_deadline_ms = 3000",
    ];
    let place = Place::with(&provider, &settings);
    let worker = place.worker();
    let account = worker.import(&oauth("late", "flaky9-late"));
    ended(&account, "post_install_error", &json!("deadline_exceeded"));
    let attempt = &account["last_action_result"]["post_install"]["steps"][0];
    assert_eq!((&attempt["status"], &attempt["http_status"]), (&json!("error"), &json!(503)), "{account}");
    worker.stop();
}
