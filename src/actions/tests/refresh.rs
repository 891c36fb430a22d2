//! Tokens that expire, are refused, and cannot be refreshed.

use serde_json::{Value, json};

use super::{NOW_MS, Reply, Start, post_install, run, start};
use crate::lifecycle::{AuthenticationMethod, Class, Failure, ReasonCode};

fn token(access: &str, expires_at: Value) -> Value {
    let mut context = json!({ "oauth": { "token": { "access_token": access, "refresh_token": "r" } } });
    context["oauth"]["token"]["expires_at"] = expires_at;
    context
}

fn oauth(steps: Value, context: Value) -> Start {
    let mut given = start(&post_install(steps), context);
    given.account.authentication_method = AuthenticationMethod::Oauth2;
    given.refreshable = true;
    given
}

fn ask() -> Value {
    json!([{ "type": "request", "config": { "path": "/a" } }])
}

fn bearer(request: &crate::upstream::Request) -> &str {
    request.headers.iter().find(|(name, _)| name == "authorization").map_or("", |(_, value)| value)
}

#[test]
fn a_token_is_refreshed_before_use_when_it_ends_within_thirty_seconds() {
    for (expires_at, refreshes) in [
        (json!(NOW_MS + 30_000), true),
        (json!(NOW_MS + 30_001), false),
        (json!(NOW_MS / 1000 - 5), true),
        (json!("2026-01-01T00:00:10Z"), true),
        (json!("2026-01-01T01:00:00Z"), false),
        (json!(null), false),
    ] {
        let mut replies = vec![Reply::Json(200, json!({}))];
        if refreshes {
            replies.insert(0, Reply::Token(token("new", json!("2026-01-01T01:00:00Z"))));
        }
        let ran = run(oauth(ask(), token("old", expires_at.clone())), &replies);
        assert_eq!(ran.ending(), "succeeded", "{expires_at}");
        assert_eq!(bearer(&ran.sent[0]), if refreshes { "Bearer new" } else { "Bearer old" }, "{expires_at}");
    }
}

#[test]
fn a_new_token_that_is_about_to_end_is_used_all_the_same() {
    let short = || Reply::Token(token("new", json!(NOW_MS + 5_000)));
    let ran = run(oauth(ask(), token("old", json!(NOW_MS))), &[short(), Reply::Json(200, json!({}))]);
    assert_eq!(ran.log, ["refresh", "send"]);
}

#[test]
fn a_401_refreshes_once_and_repeats_the_request_once() {
    let new = || Reply::Token(token("new", json!(null)));
    let unauthorized = || Reply::Json(401, json!({}));
    let given = || oauth(ask(), token("old", json!(null)));
    let ran = run(given(), &[unauthorized(), new(), Reply::Json(200, json!({}))]);
    assert_eq!(ran.log, ["send", "refresh", "send"]);
    assert_eq!(ran.sent.iter().map(bearer).collect::<Vec<_>>(), ["Bearer old", "Bearer new"]);
    let mut proven = given();
    proven.proven = true;
    for given in [given(), proven] {
        let ran = run(given, &[unauthorized(), new(), unauthorized()]);
        assert_eq!(ran.ending(), "post_install 0 unauthorized", "a second 401 is an error of the step");
    }
}

#[test]
fn a_refused_write_is_repeated_with_a_new_intent_that_carries_the_new_token() {
    let steps = json!([{ "type": "request", "config": { "path": "/a", "method": "post" } }]);
    let ran = run(
        oauth(steps, token("old", json!(null))),
        &[Reply::Json(401, json!({})), Reply::Token(token("new", json!(null))), Reply::Json(201, json!({}))],
    );
    assert_eq!(ran.ending(), "succeeded");
    assert_eq!(ran.log, ["save", "send", "save", "refresh", "save", "send"]);
    assert_eq!(bearer(&ran.sent[1]), "Bearer new");
}

#[test]
fn what_follows_from_a_failed_refresh_depends_on_its_class() {
    let failure = |class, code| Failure { class, ..Failure::permanent(code, "m") };
    for (failure, ending) in [
        (failure(Class::Unauthorized, ReasonCode::CredentialRefused), "refused credential_refused"),
        (failure(Class::Permanent, ReasonCode::ClientRefused), "post_install 0 client_refused"),
    ] {
        let ran = run(oauth(ask(), token("old", json!(NOW_MS))), &[Reply::NoToken(failure)]);
        assert_eq!(ran.ending(), ending);
    }
    let down = Failure::transient(ReasonCode::UpstreamUnavailable, "m");
    let ran = run(oauth(ask(), token("old", json!(NOW_MS))), &vec![Reply::NoToken(down.clone()); 5]);
    assert_eq!(ran.ending(), "post_install 0 upstream_unavailable");
    assert_eq!(ran.log.iter().filter(|entry| entry.starts_with("RefreshBackoff")).count(), 4);
    let replies = [Reply::NoToken(down), Reply::Token(token("new", json!(null))), Reply::Json(200, json!({}))];
    let ran = run(oauth(ask(), token("old", json!(NOW_MS))), &replies);
    assert_eq!(ran.log, ["refresh", "RefreshBackoff 500", "refresh", "send"]);
}

#[test]
fn a_refresh_that_fails_within_a_step_is_told_beside_what_made_it_necessary() {
    let told = |context: Value, replies: &[Reply]| {
        let trace = run(oauth(ask(), context), replies).stepper.trace().to_value();
        let entries = trace.as_array().unwrap().iter();
        json!(entries.map(|entry| json!([entry["type"], entry["attempt"], entry["error"]])).collect::<Vec<_>>())
    };
    let refused = Failure::permanent(ReasonCode::ClientRefused, "the client is refused");
    let down = Failure::transient(ReasonCode::UpstreamUnavailable, "down");
    let asked = [Reply::Json(401, json!({})), Reply::NoToken(refused)];
    assert_eq!(
        told(token("old", json!(null)), &asked),
        json!([["request", 1, "the upstream answered 401"], ["refresh", 1, "the client is refused"]])
    );
    let replies = [Reply::NoToken(down), Reply::Token(token("new", json!(null))), Reply::Json(200, json!({}))];
    assert_eq!(
        told(token("old", json!(NOW_MS)), &replies),
        json!([["refresh", 1, "down"], ["request", 1, null]]),
        "one that succeeds is part of the step's attempt"
    );
}

#[test]
fn a_requests_without_authorization_needs_no_token() {
    let steps = json!([{ "type": "request", "config": { "path": "/a", "no_auth": true } }]);
    let ran = run(oauth(steps, token("old", json!(NOW_MS))), &[Reply::Json(200, json!({}))]);
    assert_eq!(ran.log, ["send"]);
    assert_eq!(bearer(&ran.sent[0]), "");
}

#[test]
fn a_refresh_keeps_what_the_run_wrote_but_not_an_older_token() {
    let steps = json!([
        { "type": "set_context", "config": { "org": "o", "oauth": { "token": { "access_token": "stale" }, "scope": "s" } } },
        { "type": "request", "config": { "path": "/{{org}}" } },
    ]);
    let replies = [Reply::Json(401, json!({})), Reply::Token(token("new", json!(null))), Reply::Json(200, json!({}))];
    let ran = run(oauth(steps, token("old", json!(null))), &replies);
    assert_eq!(ran.ending(), "succeeded");
    assert_eq!(ran.sent.iter().map(bearer).collect::<Vec<_>>(), ["Bearer stale", "Bearer new"]);
    assert_eq!(ran.log, ["send", "refresh", "save", "send"], "the older token must not come back after a crash");

    assert_eq!(ran.stepper.context()["org"], "o");
    assert_eq!(ran.stepper.context()["oauth"]["scope"], "s");
}
