//! Actions that are to renew a token and do not.

use serde_json::{Value, json};

use super::{Case, ENDLESS, ok, request, transform};

/// An account whose token is about to expire, a `refresh_token` action of these steps, and one request of the phase.
fn renewed(name: &str, steps: &Value) -> Case {
    let mut case = Case::ask(name, &json!({}));
    case.config["actions"]["refresh_token"] = json!({ "steps": steps });
    case.method = "oauth2";
    case.context = json!({ "oauth": { "token": {
        "access_token": "canary-old", "refresh_token": "canary-refresh", "expires_in": 1,
    } } });
    case
}

fn gives(name: &str, expression: &str) -> Case {
    renewed(&format!("a renewal that {name}"), &json!([transform(expression)]))
}

pub(super) fn cases() -> Vec<Case> {
    [at_work(), given()].concat()
}

fn at_work() -> Vec<Case> {
    let other = json!({ "type": "request", "config": { "path": "/t", "no_auth": true } });
    let mut hundred = vec![other; 99];
    hundred.push(transform("{ 'access_token': 'canary-new' }"));
    let looped = |source: &str| {
        let mut step = transform("item");
        step["loop_on"] = json!(source);
        json!([step])
    };
    vec![
        gives("never ends", ENDLESS).fails("expression_limit", "refresh_token"),
        gives("throws", "$error('on purpose')").fails("expression_error", "on purpose"),
        gives("gives a million", "[1..1000000]").fails("expression_limit", "refresh_token"),
        renewed("a renewal that loops over a million", &looped("[1..1000000]")).fails("expression_limit", "loop_on"),
        renewed("a renewal that loops a thousand times", &looped("[1..1000]"))
            .fails("bad_response", "access_token")
            .offline(),
        renewed("a renewal that is unauthorized itself", &json!([request(&json!({ "path": "/t" }))]))
            .hears("GET", "/t", &json!({ "status": 401 }), 1)
            .fails("credential_refused", "401")
            .ends("needs_reauth"),
        renewed("a renewal of 100 requests", &json!(hundred))
            .hears("GET", "/t", &ok(&json!({})), 99)
            .answered(&ok(&json!({}))),
    ]
}

fn given() -> Vec<Case> {
    let mut cases = Vec::new();
    for (name, expression) in [
        ("gives nothing", "gone"),
        ("gives a list", "[1, 2]"),
        ("gives a number", "7"),
        ("gives a list of tokens", "[{ 'access_token': 'canary-new' }, 1]"),
        ("gives no token", "{ 'token': 'canary-new' }"),
        ("gives a number as token", "{ 'access_token': 7 }"),
        ("gives an empty token", "{ 'access_token': '' }"),
        ("gives an object as token", "{ 'access_token': { 'a': 1 } }"),
        ("gives a token of two lines", "{ 'access_token': 'canary\\nx: y' }"),
    ] {
        cases.push(gives(name, expression).fails("bad_response", "access_token").offline());
    }
    let large = gives("gives a token of 1 MiB", "{ 'access_token': $pad('', 1048576, 'x') }");
    cases.push(large.fails("expression_error", "longer than 8192"));
    let written = json!([{ "type": "set_context", "config": { "oauth": "x" } }]);
    cases.push(
        renewed("a renewal that writes an oauth of text", &written)
            .fails("unresolved_placeholder", "oauth.token.access_token"),
    );
    let forever = "{ 'access_token': 'canary-new', 'expires_in': 1 }";
    cases.push(gives("gives a token that has expired", forever).answered(&ok(&json!({}))));
    cases.push(
        gives("gives an end beyond numbers", "{ 'access_token': 'canary-new', 'expires_in': 1e300 }")
            .answered(&ok(&json!({}))),
    );
    cases.push(
        gives("gives an end before all times", "{ 'access_token': 'canary-new', 'expires_in': -1e300 }")
            .answered(&ok(&json!({}))),
    );
    cases
}
