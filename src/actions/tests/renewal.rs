//! The `refresh_token` action: what it brings, and what its failures mean.

use serde_json::{Value, json};

use super::{NOW_MS, Reply, object, response, start};
use crate::actions::{Change, Input, Over, Start, Stepper, Tick, Turn};
use crate::credentials::grant::NotRenewed;
use crate::credentials::{Redactor, SecretPaths};
use crate::lifecycle::{AuthenticationMethod, ReasonCode};
use crate::upstream::{Request, SendError};

struct Ran {
    sent: Vec<Request>,
    over: Over,
    redactor: Redactor,
}

impl Ran {
    #[track_caller]
    fn renewed(self) -> Change {
        match self.over {
            Over::Renewed(change) => change,
            Over::NotRenewed(why, _) => panic!("{why:?}"),
        }
    }

    /// What kind of failure it is, and its code.
    #[track_caller]
    fn failed(&self) -> (&'static str, ReasonCode) {
        match &self.over {
            Over::Renewed(_) => panic!("renewed"),
            Over::NotRenewed(NotRenewed::Refused(failure), _) => ("refused", failure.code),
            Over::NotRenewed(NotRenewed::ClientRefused(failure), _) => ("client", failure.code),
            Over::NotRenewed(NotRenewed::Transient(failure), _) => ("transient", failure.code),
            Over::NotRenewed(NotRenewed::Unknown(failure), _) => ("unknown", failure.code),
        }
    }

    fn message(&self) -> &str {
        match &self.over {
            Over::NotRenewed(
                NotRenewed::Refused(failure)
                | NotRenewed::ClientRefused(failure)
                | NotRenewed::Transient(failure)
                | NotRenewed::Unknown(failure),
                _,
            ) => &failure.message,
            Over::Renewed(_) => "",
        }
    }

    /// Whether what it brought replaces the refresh token.
    fn replaces(&self) -> bool {
        match &self.over {
            Over::Renewed(change) | Over::NotRenewed(_, Some(change)) => change.replaces,
            Over::NotRenewed(_, None) => false,
        }
    }

    fn kept(&self) -> Option<Value> {
        match &self.over {
            Over::NotRenewed(_, kept) => kept.as_ref().map(|change| Value::Object(change.context.clone())),
            Over::Renewed(_) => None,
        }
    }
}

fn definition(steps: &Value) -> Value {
    let options = json!({ "refusal_errors": ["session_over"] });
    json!({
        "base_url": "https://api.example.test",
        "credentials": { "oauth2": { "config": { "options": options } } },
        "actions": { "refresh_token": { "steps": steps } },
    })
}

fn account() -> Value {
    json!({ "org": "o-1", "oauth": { "token": {
        "access_token": "a1", "refresh_token": "r1", "expires_at": "2025-01-01T00:00:00Z", "expires_in": 5,
    } } })
}

fn given(steps: &Value) -> Start {
    let mut given = start(&definition(steps), account());
    given.account.authentication_method = AuthenticationMethod::Oauth2;
    given
}

fn renew(steps: &Value, replies: &[Reply]) -> Ran {
    perform(given(steps), 1, replies)
}

fn perform(given: Start, version: i64, replies: &[Reply]) -> Ran {
    let mut renewal = Stepper::new(given).renewal(version, NOW_MS).unwrap();
    let mut redactor = Redactor::new(&object(json!({})), &[], &SecretPaths::of(None));
    let (mut sent, mut replies) = (Vec::new(), replies.iter().cloned());
    let mut input = Input::Begin;
    let mut tick = Tick { now_ms: NOW_MS, active_ms: 0, jitter: 0 };
    loop {
        input = match renewal.next(input, tick, &mut redactor) {
            Turn::Send(request) => {
                sent.push(request);
                tick.active_ms += 1_000;
                match replies.next().expect("a reply for each request") {
                    Reply::Json(status, body) => Input::Answered(response(status, &[], &body)),
                    Reply::Lost(error) => Input::Unanswered(error),
                    other => panic!("{other:?} does not answer a request"),
                }
            }
            Turn::Again => Input::Waited,
            Turn::Over(over) => {
                assert!(replies.next().is_none(), "not asked for");
                return Ran { sent, over, redactor };
            }
        };
    }
}

fn post() -> Value {
    let config = json!({
        "method": "post", "path": "/token", "no_auth": true, "body": { "refresh": "{{oauth.token.refresh_token}}" },
    });
    json!({ "type": "request", "name": "token", "config": config })
}

fn new_token() -> Reply {
    Reply::Json(200, json!({ "access_token": "a2", "refresh_token": "r2", "expires_in": 60, "extra": 1 }))
}

#[test]
fn a_result_with_an_access_token_is_laid_over_the_old_token_as_the_grants_answer_is() {
    let ran = renew(&json!([post()]), &[new_token()]);
    assert_eq!(ran.sent[0].url, "https://api.example.test/token");
    assert_eq!(ran.sent[0].body.as_deref(), Some(&br#"{"refresh":"r1"}"#[..]));
    let change = ran.renewed();
    let token = json!({
        "access_token": "a2", "refresh_token": "r2", "expires_in": 60, "extra": 1,
        "expires_at": "2026-01-01T00:01:00.000Z",
    });
    assert_eq!(Value::Object(change.context), json!({ "org": "o-1", "oauth": { "token": token } }));
    assert!(change.writes.is_empty());
}

#[test]
fn an_old_refresh_token_stays_where_the_action_brings_none_and_an_old_expiry_does_not() {
    let kept = json!({ "access_token": "a2", "refresh_token": "r1" });
    let answer = || Reply::Json(200, json!({ "access_token": "a2" }));
    let write = json!({ "type": "update_context", "config": { "expression": "{ 'oauth': { 'token': $previous } }" } });
    for steps in [json!([post()]), json!([post(), write])] {
        let change = renew(&steps, &[answer()]).renewed();
        assert_eq!(change.context["oauth"]["token"], kept);
    }
}

#[test]
fn a_written_token_counts_and_what_stands_beside_it_is_written_too() {
    let write = json!({ "type": "update_context", "config": { "expression":
        "{ 'oauth': { 'scope': 's', 'token': { 'access_token': steps.token.result.access_token, 'expires_in': 60 } }, 'shard': 7 }" } });
    let last = json!({ "type": "transform", "config": "{ 'access_token': 'not this one' }" });
    let change = renew(&json!([post(), write, last]), &[new_token()]).renewed();
    let token = json!({ "access_token": "a2", "refresh_token": "r1", "expires_in": 60, "expires_at": "2026-01-01T00:01:00.000Z" });
    let oauth = json!({ "token": token, "scope": "s" });
    assert_eq!(Value::Object(change.context), json!({ "org": "o-1", "oauth": oauth, "shard": 7 }));
    assert_eq!(Value::Object(change.writes), json!({ "oauth": { "scope": "s" }, "shard": 7 }));
}

#[test]
fn what_is_written_elsewhere_is_taken_as_it_is() {
    let write = json!({ "type": "set_context", "config": { "session": "{{steps.token.result.id}}" } });
    let change = renew(&json!([post(), write]), &[Reply::Json(200, json!({ "id": "s-2" }))]).renewed();
    let mut expected = account();
    expected["session"] = json!("s-2");
    assert_eq!(Value::Object(change.context), expected);
}

#[test]
fn an_action_that_brings_no_token_has_failed() {
    let half = json!({ "type": "set_context", "config": { "oauth": { "token": { "refresh_token": "r2" } } } });
    for (steps, kept) in [
        (json!([post()]), None),
        (json!([post(), { "type": "transform", "config": "{ 'access_token': '' }" }]), None),
        (json!([post(), half]), Some("r2")),
    ] {
        let ran = renew(&steps, &[Reply::Json(200, json!({ "ok": true }))]);
        assert_eq!(ran.failed(), ("transient", ReasonCode::BadResponse));
        assert!(ran.message().contains("brought no access token"), "{}", ran.message());
        assert_eq!(ran.kept().map(|context| context["oauth"]["token"]["refresh_token"].clone()), kept.map(Value::from));
    }
}

#[test]
fn refusals_are_sorted_by_who_can_do_something_about_them() {
    let refused = ("refused", ReasonCode::CredentialRefused);
    let client = ("client", ReasonCode::ClientRefused);
    let away = ("transient", ReasonCode::UpstreamUnavailable);
    for (status, body, expected) in [
        (400, json!({ "error": "invalid_grant" }), refused),
        (400, json!({ "error": { "code": "session_over" } }), refused),
        (403, json!({ "error": "session_over" }), refused),
        (401, json!({}), refused),
        (401, json!({ "error": "invalid_client" }), client),
        (400, json!({ "error": "invalid_request" }), client),
        (403, json!({}), client),
        (404, json!({}), client),
        (408, json!({}), away),
        (400, json!({ "error": "temporarily_unavailable" }), away),
        (500, json!({}), away),
        (503, json!({}), away),
        (429, json!({}), ("transient", ReasonCode::RateLimited)),
    ] {
        let ran = renew(&json!([post()]), &[Reply::Json(status, body.clone())]);
        assert_eq!(ran.failed(), expected, "{status} {body}");
        assert!(ran.message().starts_with("the action `refresh_token`, step `token`: "), "{}", ran.message());
        assert_eq!(ran.sent.len(), 1, "one attempt: {status} {body}");
    }
}

#[test]
fn an_error_word_of_an_earlier_answer_refuses_nothing() {
    let steps = json!([post(), { "type": "transform", "config": "$error('no')" }]);
    let ran = renew(&steps, &[Reply::Json(200, json!({ "error": "invalid_grant" }))]);
    assert_eq!(ran.failed(), ("client", ReasonCode::ExpressionError));
    assert!(ran.message().starts_with("the action `refresh_token`, step `1`: "), "{}", ran.message());
}

#[test]
fn a_lost_answer_leaves_the_outcome_unknown_only_where_the_step_has_side_effects() {
    let text = || "h".to_owned();
    let read = || json!({ "type": "request", "name": "token", "config": { "path": "/token", "no_auth": true } });
    let (mut harmless, mut probed) = (post(), post());
    harmless["on_unknown"] = json!("retry");
    probed["on_unknown"] = json!("probe");
    probed["probe"] = json!({ "request": { "path": "/token", "no_auth": true }, "expression": "true" });
    let unknown = ("unknown", ReasonCode::OutcomeUnknown);
    for (step, error, expected) in [
        (post(), SendError::Timeout(text()), unknown),
        (post(), SendError::Broken(text()), unknown),
        (post(), SendError::BadResponse(text()), ("unknown", ReasonCode::BadResponse)),
        (post(), SendError::Connect(text()), ("transient", ReasonCode::UpstreamUnavailable)),
        (post(), SendError::Dns(text()), ("transient", ReasonCode::Dns)),
        (post(), SendError::Tls(text()), ("transient", ReasonCode::Tls)),
        (post(), SendError::AddressRefused(text()), ("client", ReasonCode::AddressRefused)),
        (probed, SendError::Timeout(text()), unknown),
        (harmless, SendError::Timeout(text()), ("transient", ReasonCode::Timeout)),
        (read(), SendError::Broken(text()), ("transient", ReasonCode::UpstreamUnavailable)),
    ] {
        assert_eq!(renew(&json!([step]), &[Reply::Lost(error.clone())]).failed(), expected, "{error:?} {step}");
    }
}

#[test]
fn a_token_that_was_written_before_a_later_step_failed_is_kept() {
    let write = json!({ "type": "update_context", "config": { "expression": "{ 'oauth': { 'token': $previous } }" } });
    let me = json!({ "type": "request", "name": "me", "config": { "path": "/me" } });
    let ran = renew(&json!([post(), write, me]), &[new_token(), Reply::Json(503, json!({}))]);
    assert_eq!(ran.failed(), ("transient", ReasonCode::UpstreamUnavailable));
    let authorization = ran.sent[1].headers.iter().find(|(name, _)| name == "authorization").unwrap();
    assert_eq!(authorization.1, "Bearer a2", "later steps see what was written");
    let token = &ran.kept().unwrap()["oauth"]["token"];
    assert_eq!((&token["access_token"], &token["refresh_token"]), (&json!("a2"), &json!("r2")));
}

#[test]
fn of_a_result_before_a_step_that_failed_no_access_token_is_taken_but_a_new_refresh_token() {
    let exchange =
        json!({ "type": "request", "name": "exchange", "config": { "method": "post", "path": "/x", "no_auth": true } });
    let of_the_app = Reply::Json(200, json!({ "access_token": "app", "expires_in": 60 }));
    let lost = Reply::Lost(SendError::Timeout("h".to_owned()));
    let ran = renew(&json!([post(), exchange]), &[of_the_app, lost.clone()]);
    assert_eq!(ran.failed(), ("unknown", ReasonCode::OutcomeUnknown));
    assert!(ran.kept().is_none() && !ran.replaces());
    let ran = renew(&json!([post(), exchange]), &[new_token(), lost]);
    let mut expected = account();
    expected["oauth"]["token"]["refresh_token"] = json!("r2");
    assert_eq!(ran.kept(), Some(expected));
    assert!(ran.replaces());
}

#[test]
fn what_is_written_beside_the_token_replaces_none() {
    let write = json!({ "type": "set_context", "config": { "ticket": "{{steps.ask.result.ticket}}" } });
    let ask = json!({ "type": "request", "name": "ask", "config": { "path": "/ticket", "no_auth": true } });
    let lost = Reply::Lost(SendError::Timeout("h".to_owned()));
    let ran = renew(&json!([ask, write, post()]), &[Reply::Json(200, json!({ "ticket": "t" })), lost]);
    assert_eq!(ran.kept().unwrap()["ticket"], "t");
    assert!(!ran.replaces());
}

#[test]
fn a_refresh_token_that_was_written_stays_beside_an_access_token_that_resulted() {
    let half = json!({ "type": "set_context", "config": { "oauth": { "token": { "refresh_token": "r2" } } } });
    let ran = renew(&json!([half, post()]), &[Reply::Json(200, json!({ "access_token": "a2", "refresh_token": "" }))]);
    assert!(ran.replaces());
    assert_eq!(ran.renewed().context["oauth"]["token"], json!({ "access_token": "a2", "refresh_token": "r2" }));
}

#[test]
fn an_unknown_outcome_of_a_renewal_is_told_without_advice_that_concerns_steps() {
    let ran = renew(&json!([post()]), &[Reply::Lost(SendError::Timeout("h".to_owned()))]);
    assert!(!ran.message().contains("--resend"), "{}", ran.message());
}

#[test]
fn nothing_is_kept_of_an_action_that_failed_and_wrote_nothing() {
    assert!(renew(&json!([post()]), &[Reply::Json(400, json!({}))]).kept().is_none());
}

#[test]
fn a_sandbox_accounts_token_is_renewed_as_well() {
    let mut given = given(&json!([post()]));
    given.account.is_sandbox = true;
    assert_eq!(perform(given, 1, &[new_token()]).renewed().context["oauth"]["token"]["access_token"], "a2");
}

#[test]
fn an_idempotency_key_stays_the_same_until_the_token_is_another() {
    let keyed = || {
        let mut step = post();
        step["idempotency_key"] = json!(true);
        given(&json!([step]))
    };
    let key = |ran: &Ran| ran.sent[0].headers.iter().find(|(name, _)| name == "idempotency-key").unwrap().1.clone();
    let lost = || [Reply::Lost(SendError::Timeout("h".to_owned()))];
    let first = perform(keyed(), 1, &lost());
    assert_eq!(first.failed(), ("unknown", ReasonCode::OutcomeUnknown));
    let mut later = keyed();
    later.run_id = uuid::Uuid::from_u128(9);
    let (again, next) = (perform(later, 1, &[new_token()]), perform(keyed(), 2, &[new_token()]));
    assert_eq!(key(&first), key(&again));
    assert_ne!(key(&first), key(&next));
}

#[test]
fn the_secrets_of_every_answer_are_hidden_from_then_on() {
    let answer = json!({ "data": { "access_token": "canary-access", "name": "plain-name", "list": [{ "secret": "canary-s" }] } });
    let ran = renew(&json!([post()]), &[Reply::Json(400, answer)]);
    assert_eq!(ran.redactor.text("canary-access canary-s plain-name"), "[redacted] [redacted] plain-name");
}

#[test]
fn what_a_refresh_wrote_is_the_runs_and_an_older_token_of_the_run_is_not() {
    let mut stepper = Stepper::new(given(&json!([post()])));
    stepper.progress.writes =
        object(json!({ "oauth": { "token": { "access_token": "stale" } }, "shard": 1, "kept": 2 }));
    let change = Change {
        context: object(json!({ "oauth": { "token": { "access_token": "a2" } }, "shard": 7 })),
        writes: object(json!({ "shard": 7 })),
        replaces: false,
    };
    stepper.adopt(&change);
    let expected = json!({ "oauth": { "token": { "access_token": "a2" } }, "shard": 7, "kept": 2 });
    assert_eq!(Value::Object(object(expected)), Value::Object(stepper.context().as_ref().clone()));
    assert_eq!(stepper.progress.writes["shard"], 7);
}

#[test]
fn where_nothing_renews_a_credential_the_reason_says_what_would() {
    for (method, words) in [
        (AuthenticationMethod::ApiKey, "only where the definition offers no other credential"),
        (AuthenticationMethod::Oauth2, "no token address, and there is no action `refresh_token`"),
    ] {
        let mut config =
            json!({ "base_url": "https://api.example.test", "credentials": { "api_key": {}, "oauth2": {} } });
        if method == AuthenticationMethod::ApiKey {
            config["actions"] = definition(&json!([]))["actions"].clone();
        }
        let mut given = start(&config, account());
        given.account.authentication_method = method;
        let Err(failure) = Stepper::new(given).renewal(1, NOW_MS) else { panic!("{method:?} is renewed") };
        assert_eq!(failure.code, ReasonCode::DefinitionInvalid);
        assert!(failure.message.contains(words), "{}", failure.message);
    }
}
