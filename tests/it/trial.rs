//! Definitions tried on recordings: what a provider may answer, and what becomes of the account.

use std::fs;
use std::path::Path;
use std::time::Duration;

use serde_json::{Value, json};
use tidewaiter::definitions::{Integration, load};
use tidewaiter::operate::trial::{Case, NoAnswer, Recording, Verdict, replay};
use tidewaiter::upstream::{AddressPolicy, PolicyOptions};

const ME: &str = "https://pier.example/me";
const CHECK: &str = "https://pier.example/check";
const TOKEN: &str = "https://pier.example/oauth/token";

/// Reads in the first phase, writes in the second.
fn integration() -> Integration {
    let document = json!({
        "id": "00000000-0000-7000-8000-000000000005",
        "name": "pier",
        "config": {
            "base_url": "https://pier.example",
            "credentials": {
                "api_key": { "format": "api_key" },
                "oauth2": { "format": "oauth2", "config": {
                    "client": { "id": "us", "secret": "canary-client" }, "auth": { "tokenHost": "https://pier.example" },
                } },
            },
            "actions": {
                "note": { "steps": [
                    { "type": "set_context", "config": { "note": "seen" } },
                    { "type": "request", "config": { "path": "/users" } },
                ] },
                "users": { "steps": [{ "type": "request", "config": { "path": "/users" } }] },
                "post_install": { "steps": [
                    { "type": "request", "name": "me", "config": { "path": "/me" } },
                    { "type": "update_context", "config": { "expression": "{ 'who': $previous.id, 'copy': context.api_key }" } },
                ] },
                "validation": { "steps": [
                    { "type": "request", "name": "check", "config": { "method": "post", "path": "/check", "body": { "who": "{{who}}" } } },
                    { "type": "transform", "config": "$previous.ok" },
                ] },
            },
        },
    });
    Integration::parse(&document).unwrap()
}

fn with_key() -> Value {
    json!({ "tenant_id": "acme", "authentication_method": "api_key", "context": { "api_key": "canary-key" } })
}

fn with_token(expires_in: i64) -> Value {
    let token = json!({ "access_token": "canary-old", "refresh_token": "canary-refresh", "expires_in": expires_in });
    json!({ "tenant_id": "acme", "authentication_method": "oauth2", "context": { "oauth": { "token": token } } })
}

fn case(import: Value) -> Case {
    Case::new(&integration(), None, Some(import))
}

fn exchange(method: &str, url: &str, response: &Value, times: u32) -> Value {
    json!({ "request": { "method": method, "url": url }, "response": response, "times": times })
}

fn me() -> Value {
    exchange("GET", ME, &json!({ "status": 200, "body": { "id": 7 } }), 1)
}

fn good() -> Value {
    exchange("POST", CHECK, &json!({ "status": 200, "body": { "ok": true } }), 1)
}

/// Tries it twice, and holds what every verdict has to keep.
#[track_caller]
fn tried(case: &Case, exchanges: &[Value]) -> Verdict {
    let recording = Recording::parse(json!({ "exchanges": exchanges }).to_string().as_bytes()).unwrap();
    let verdict = replay(case.clone(), &recording).unwrap();
    let text = serde_json::to_string(&verdict).unwrap();
    assert_eq!(serde_json::to_string(&replay(case.clone(), &recording).unwrap()).unwrap(), text, "the same bytes");
    assert!(!text.contains("canary"), "{text}");
    verdict
}

#[track_caller]
fn ends(case: &Case, exchanges: &[Value], status: &str, outcome: &str) -> Verdict {
    let verdict = tried(case, exchanges);
    let told = json!([verdict.status, verdict.outcome, verdict.unused.len()]);
    assert_eq!(told, json!([status, outcome, 0]), "{}", serde_json::to_string_pretty(&verdict).unwrap());
    let words: Vec<_> = verdict.events.iter().map(|event| json!(event)["data"]["status"].clone()).collect();
    assert_eq!(words, [json!("connecting"), json!(status)]);
    assert_eq!(verdict.reason.as_ref().map(|reason| &reason.message), verdict.last_error.as_ref());
    verdict
}

#[test]
fn a_request_that_the_address_policy_forbids_is_refused_whatever_was_recorded() {
    let of = |base_url: &str| {
        let mut case = case(with_key());
        case.effective.config.insert("base_url".to_owned(), json!(base_url));
        case
    };
    for base_url in [
        "http://pier.example",
        "https://pier.example:8443",
        "https://10.0.0.7",
        "https://[::1]",
        "https://169.254.169.254",
    ] {
        let recorded = exchange("GET", &format!("{base_url}/me"), &json!({ "status": 200, "body": { "id": 7 } }), 1);
        for exchanges in [&[][..], &[recorded]] {
            let verdict = ends(&of(base_url), exchanges, "post_install_error", "address_refused");
            assert_eq!(verdict.exchanges.len(), 1, "{base_url}");
        }
    }
    let private = of("https://10.0.0.7");
    let options = PolicyOptions { allow_addresses: vec!["10.0.0.0/8".parse().unwrap()], ..PolicyOptions::default() };
    let allowed = Case { policy: AddressPolicy::new(options), ..private };
    let answers = [
        exchange("GET", "https://10.0.0.7/me", &json!({ "status": 200, "body": { "id": 7 } }), 1),
        exchange("POST", "https://10.0.0.7/check", &json!({ "status": 200, "body": { "ok": true } }), 1),
    ];
    ends(&allowed, &answers, "active", "succeeded");
}

#[test]
fn an_account_becomes_active_and_everything_on_the_way_is_told() {
    let verdict = ends(&case(with_key()), &[me(), good()], "active", "succeeded");
    assert!(verdict.is_good());
    let asked: Vec<_> = verdict.exchanges.iter().map(|it| (it.phase, it.step.as_deref())).collect();
    assert_eq!(asked, [("post_install", Some("me")), ("validation", Some("check"))]);
    let check = &verdict.exchanges[1];
    assert_eq!(check.request["body"], json!({ "who": "7" }));
    assert_eq!(check.request["headers"]["authorization"], "[redacted]");
    assert_eq!(check.response.as_ref().unwrap()["body"], json!({ "ok": true }));
    assert_eq!(
        json!(verdict.context),
        json!([{ "pointer": "/who", "after": 7 }, { "pointer": "/copy", "after": "[redacted]" }])
    );
    assert_eq!(verdict.shown_context(), Some(json!({ "who": 7 })), "a copy of a secret is one");
    assert!(verdict.saves >= 1, "the intent of a request that writes is saved before it");
    assert_eq!(json!(verdict.trace).as_array().unwrap().len(), 4);
}

#[test]
fn each_way_of_having_no_answer_ends_as_it_does_in_a_worker() {
    // The first is of a request that reads, the second of one that writes.
    for (error, reads, attempts, writes) in [
        (NoAnswer::AddressRefused, "address_refused", 1, "address_refused"),
        (NoAnswer::Redirect, "redirect_refused", 1, "redirect_refused"),
        (NoAnswer::Dns, "dns", 5, "dns"),
        (NoAnswer::Tls, "tls", 1, "tls"),
        (NoAnswer::Connect, "upstream_unavailable", 5, "upstream_unavailable"),
        (NoAnswer::Timeout, "timeout", 5, "outcome_unknown"),
        (NoAnswer::Broken, "upstream_unavailable", 5, "outcome_unknown"),
        (NoAnswer::BadResponse, "bad_response", 5, "bad_response"),
        (NoAnswer::Unsendable, "expression_error", 1, "expression_error"),
    ] {
        let lost = json!({ "error": error });
        ends(&case(with_key()), &[exchange("GET", ME, &lost, attempts)], "post_install_error", reads);
        let once_or_more = if matches!(error, NoAnswer::Dns | NoAnswer::Connect) { attempts } else { 1 };
        let exchanges = [me(), exchange("POST", CHECK, &lost, once_or_more)];
        ends(&case(with_key()), &exchanges, "validation_error", writes);
    }
}

#[test]
fn each_answer_that_is_no_success_ends_as_it_does_in_a_worker() {
    for (response, attempts, outcome) in [
        (json!({ "status": 401 }), 1, "unauthorized"),
        (json!({ "status": 403 }), 1, "forbidden"),
        (json!({ "status": 404 }), 1, "upstream_rejected"),
        (json!({ "status": 500 }), 5, "upstream_unavailable"),
        (json!({ "status": 503 }), 5, "upstream_unavailable"),
        (
            json!({ "status": 200, "body": "<html>", "headers": { "content-type": "application/json" } }),
            5,
            "bad_response",
        ),
    ] {
        ends(&case(with_key()), &[exchange("GET", ME, &response, attempts)], "post_install_error", outcome);
    }
    let no = exchange("POST", CHECK, &json!({ "status": 200, "body": { "ok": false } }), 1);
    ends(&case(with_key()), &[me(), no], "validation_error", "validation_false");
}

#[test]
fn pauses_take_no_time_and_are_told() {
    let limited = exchange("GET", ME, &json!({ "status": 429, "headers": { "Retry-After": "60" } }), 3);
    let verdict = ends(&case(with_key()), &[limited, me(), good()], "active", "succeeded");
    let told: Vec<_> = verdict.waits.iter().map(|wait| (wait.reason, wait.after_ms, wait.requests)).collect();
    assert_eq!(told, [("rate_limited", 60_000, 1), ("rate_limited", 60_000, 2), ("rate_limited", 60_000, 3)]);
    assert_eq!(json!(verdict.events[1])["time"], "2026-01-01T00:03:00.000Z", "the run's clock goes on");

    let mut short = case(with_key());
    short.budgets.run = Duration::from_secs(90);
    let limited = exchange("GET", ME, &json!({ "status": 429, "headers": { "Retry-After": "60" } }), 2);
    let verdict = ends(&short, &[limited], "post_install_error", "deadline_exceeded");
    assert_eq!(json!(verdict.events[1])["data"]["cause"]["trigger"], "deadline");
}

#[test]
fn a_token_is_refreshed_as_a_worker_does_it() {
    let token = |response: &Value, times| exchange("POST", TOKEN, response, times);
    let renewed = || json!({ "status": 200, "body": { "access_token": "canary-new", "refresh_token": "canary-next" } });
    let gone = || json!({ "status": 400, "body": { "error": "invalid_grant" } });
    let unauthorized = exchange("GET", ME, &json!({ "status": 401 }), 1);
    let (expired, current) = (case(with_token(1)), case(with_token(3600)));

    let verdict = ends(&expired, &[token(&renewed(), 1), me(), good()], "active", "succeeded");
    let asked: Vec<_> = verdict.exchanges.iter().map(|it| it.phase).collect();
    assert_eq!(asked, ["refresh", "post_install", "validation"]);
    assert_eq!(verdict.exchanges[0].request["body"]["form"]["refresh_token"], "[redacted]");

    ends(&current, &[unauthorized.clone(), token(&renewed(), 1), me(), good()], "active", "succeeded");
    ends(&current, &[unauthorized, token(&gone(), 1)], "needs_reauth", "credential_refused");
    let client = json!({ "status": 401, "body": { "error": "invalid_client" } });
    ends(&expired, &[token(&client, 1)], "post_install_error", "client_refused");

    let lost = || token(&json!({ "error": "timeout" }), 1);
    let verdict = ends(&expired, &[lost(), token(&renewed(), 1), me(), good()], "active", "succeeded");
    assert_eq!((verdict.waits[0].reason, verdict.waits[0].after_ms), ("refresh_answer_lost", 25_000));
    ends(&expired, &[lost(), token(&gone(), 1)], "needs_reauth", "refresh_outcome_unknown");
    ends(&expired, &[lost(), lost()], "post_install_error", "refresh_outcome_unknown");
}

#[test]
fn a_token_is_renewed_by_the_definitions_action_as_a_worker_does_it() {
    let mut integration = integration();
    let request = |name: &str, path: &str| json!({ "type": "request", "name": name, "config": { "method": "post", "path": path, "no_auth": true, "body": {} } });
    let actions = integration.config.get_mut("actions").unwrap();
    actions["refresh_token"] = json!({ "steps": [request("ticket", "/ticket"), request("exchange", "/exchange")] });
    let case = Case::new(&integration, None, Some(with_token(1)));
    let asked = |path: &str, response: &Value| exchange("POST", &format!("https://pier.example{path}"), response, 1);
    let ticket = || asked("/ticket", &json!({ "status": 200, "body": { "ticket": 7 } }));
    let renewed = json!({ "status": 200, "body": { "access_token": "canary-new", "expires_in": 60 } });

    let verdict = ends(&case, &[ticket(), asked("/exchange", &renewed), me(), good()], "active", "succeeded");
    let steps: Vec<_> = verdict.exchanges.iter().map(|it| (it.phase, it.step.as_deref().unwrap_or("-"))).collect();
    assert_eq!(steps[..2], [("refresh", "ticket"), ("refresh", "exchange")]);

    let gone = json!({ "status": 401, "body": {} });
    ends(&case, &[ticket(), asked("/exchange", &gone)], "needs_reauth", "credential_refused");
    let lost = || asked("/exchange", &json!({ "error": "timeout" }));
    let found = [ticket(), lost(), ticket(), asked("/exchange", &renewed), me(), good()];
    let verdict = ends(&case, &found, "active", "succeeded");
    assert_eq!((verdict.waits[0].reason, verdict.waits[0].after_ms), ("refresh_answer_lost", 25_000));
    let gone_after_loss = [ticket(), lost(), ticket(), asked("/exchange", &gone)];
    ends(&case, &gone_after_loss, "needs_reauth", "refresh_outcome_unknown");
    ends(&case, &[ticket(), lost(), ticket(), lost()], "post_install_error", "refresh_outcome_unknown");
}

#[test]
fn a_request_that_is_not_recorded_ends_the_trial_without_a_verdict() {
    let other = exchange("POST", "https://pier.example/check?dry=1", &json!({ "status": 200 }), 1);
    let verdict = tried(&case(with_key()), &[me(), other]);
    let missing = verdict.unanswered.as_ref().unwrap();
    assert_eq!((verdict.outcome.as_str(), verdict.status, missing.place), ("unanswered", None, Some(1)));
    assert_eq!(missing.differs, ["the query's `dry` is not there, recorded is `1`"]);
    assert_eq!((verdict.events.len(), verdict.exchanges.len()), (1, 2), "what was told before stands");
    assert_eq!(verdict.exchanges[1].response, None);
}

#[test]
fn answers_that_nobody_asks_for_are_told() {
    let verdict = tried(&case(with_key()), &[me(), good(), exchange("GET", ME, &json!({ "status": 200 }), 3)]);
    assert!(verdict.is_good());
    assert_eq!(json!(verdict.unused), json!([{ "method": "GET", "url": ME, "times": 3 }]));
}

#[test]
fn an_import_that_a_worker_refuses_is_refused() {
    for (member, value, code) in [
        ("tenant_id", json!(7), "invalid"),
        ("authentication_method", json!("keka_oauth"), "invalid"),
        ("account_id", json!("00000000-0000-7000-8000-000000000001"), "not_supported"),
        ("context", json!({ "n": 9_007_199_254_740_993_u64 }), "unsafe_number"),
    ] {
        let mut import = with_key();
        import[member] = value;
        let verdict = tried(&case(import), &[]);
        let refusal = verdict.refusal.as_ref().unwrap();
        assert_eq!((json!(refusal.code), verdict.events.len()), (json!(code), 0), "{}", refusal.message);
        assert!(!verdict.is_good());
    }
}

#[test]
fn a_sandbox_account_writes_nothing() {
    let mut import = with_key();
    import["is_sandbox"] = json!(true);
    let verdict = tried(&case(import), &[me()]);
    assert!(verdict.exchanges.iter().all(|exchange| exchange.request["method"] == "GET"));
    assert!(verdict.unanswered.is_none());
}

#[test]
fn a_custom_action_runs_on_an_active_account_and_tells_what_it_results_in() {
    let users = "https://pier.example/users";
    let mut given = case(with_key());
    given.action = Some("users".to_owned());
    let answer = json!({ "status": 200, "body": { "api_key": "canary-key", "names": ["a", "b"] } });
    let verdict = tried(&given, &[exchange("GET", users, &answer, 1)]);
    assert_eq!(json!([verdict.status, verdict.outcome, verdict.events.len()]), json!(["active", "succeeded", 0]));
    assert_eq!(verdict.result, Some(json!({ "api_key": "[redacted]", "names": ["a", "b"] })));
    assert_eq!(verdict.exchanges[0].phase, "action");

    let verdict = tried(&given, &[exchange("GET", users, &json!({ "status": 404 }), 1)]);
    assert_eq!(
        json!([verdict.status, verdict.outcome, verdict.last_error]),
        json!(["active", "upstream_rejected", null])
    );
    assert_eq!(verdict.reason.as_ref().map(|reason| reason.phase), Some(None));

    given.action = Some("absent".to_owned());
    assert_eq!(tried(&given, &[]).outcome, "definition_invalid");

    // What it wrote is told, however it ends.
    given.action = Some("note".to_owned());
    let verdict = tried(&given, &[exchange("GET", users, &json!({ "status": 404 }), 1)]);
    let event = json!(verdict.events);
    assert_eq!(json!([verdict.status, verdict.outcome]), json!(["active", "upstream_rejected"]));
    assert_eq!(event[0]["type"], "integrated_account.updated");
    assert_eq!(event[0]["data"]["cause"]["trigger"], "action");
    assert_eq!(event[0]["data"]["account"]["context"]["note"], "seen");
    assert_eq!(verdict.events.len(), 1);
}

#[test]
fn the_recordings_among_the_examples_come_to_what_the_demo_comes_to() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let set = load(&root.join("config/integrations"), &root.join("config/installs")).unwrap();
    let case = Case::new(set.integration("harbour").unwrap(), set.installs.first(), None);
    for (name, status, outcome) in [
        ("albatross", "active", "succeeded"),
        ("cormorant", "validation_error", "forbidden"),
        ("dogfish", "needs_reauth", "credential_refused"),
        ("eelgrass", "active", "succeeded"),
    ] {
        let file = root.join(format!("examples/recordings/{name}.json"));
        let verdict = replay(case.clone(), &Recording::parse(&fs::read(file).unwrap()).unwrap()).unwrap();
        let told = json!([verdict.status, verdict.outcome, verdict.unused.len()]);
        assert_eq!(told, json!([status, outcome, 0]), "{name}: {:?}", verdict.unanswered);
    }
}

#[test]
fn a_recording_may_say_when_and_as_whom_it_is_played() {
    let recording = json!({
        "at": "2030-05-06T07:08:09.010Z",
        "account_id": "11111111-0000-7000-8000-000000000001",
        "run_id": "22222222-0000-7000-8000-000000000001",
        "import": with_key(),
        "exchanges": [me(), good()],
    });
    let recording = Recording::parse(recording.to_string().as_bytes()).unwrap();
    let verdict = replay(Case::new(&integration(), None, None), &recording).unwrap();
    let event = json!(verdict.events[1]);
    assert_eq!(event["time"], "2030-05-06T07:08:09.010Z");
    assert_eq!(event["subject"], "11111111-0000-7000-8000-000000000001");
    assert_eq!(event["data"]["cause"]["run_id"], "22222222-0000-7000-8000-000000000001");
}
