//! Loops, conditions and what is written into the context.

use serde_json::{Value, json};

use super::{Case, ENDLESS, keep, ok, transform};

fn looped(name: &str, source: &str) -> Case {
    let mut step = transform("item");
    step["loop_on"] = json!(source);
    Case::of(format!("a loop over {name}"), json!([step, keep("{ 'got': { 'is': steps.it.result } }")]))
}

fn conditional(name: &str, condition: &str) -> Case {
    let mut step = transform("'performed'");
    step["run_if"] = json!(condition);
    Case::of(format!("a condition that {name}"), json!([step, keep("{ 'got': { 'is': steps.it.result } }")]))
}

pub(super) fn cases() -> Vec<Case> {
    let got = |is: Value| json!({ "got": { "is": is } });
    let mut large = transform("$pad('', 10000, 'x')");
    large["loop_on"] = json!("[1..1000]");
    vec![
        looped("a million", "[1..1000000]").fails("expression_limit", "loop_on"),
        looped("1,001", "[1..1001]").fails("expression_limit", "at most 1000"),
        looped("what throws", "$error('on purpose')").fails("expression_error", "on purpose"),
        looped("what never ends", ENDLESS).fails("expression_limit", "loop_on"),
        looped("a text", "'abc'").keeps(got(json!(["abc"]))),
        looped("an object", "{ 'a': 1, 'b': 2 }").keeps(got(json!([{ "a": 1, "b": 2 }]))),
        looped("nested lists", "[[1, [2]], [3]]").keeps(got(json!([[1, [2]], [3]]))),
        looped("a number", "7").keeps(got(json!([7]))),
        looped("nothing", "gone").keeps(got(json!([]))),
        looped("no list", "false").keeps(got(json!([false]))),
        Case::of("a loop whose results have 10 MB", json!([large])).fails("expression_limit", "the loop's results"),
        conditional("throws", "$error('on purpose')").fails("expression_error", "on purpose"),
        conditional("never ends", ENDLESS).fails("expression_limit", "run_if"),
        conditional("gives a million", "[1..1000000]").fails("expression_limit", "run_if"),
        conditional("divides by zero", "0 / 0").keeps(got(json!(null))),
        conditional("gives lists of nothing", "[[[0, '']], false]").keeps(got(json!(null))),
        conditional("gives a text", "'false'").keeps(got(json!("performed"))),
        conditional("gives an empty object", "{}").keeps(got(json!(null))),
        conditional("gives minus nothing", "-0").keeps(got(json!(null))),
        Case::of(
            "20 steps that never end",
            json!(vec![json!({ "type": "transform", "config": ENDLESS, "continue_on_error": true }); 20]),
        )
        .offline(),
    ]
}

/// A custom action of these steps.
fn action(name: &str, steps: &Value) -> Case {
    let mut case = Case::of(name, json!([]));
    case.config = json!({ "actions": { "act": { "steps": steps } } });
    case.action = Some("act");
    case
}

pub(super) fn actions() -> Vec<Case> {
    let ask = json!({ "type": "request", "config": { "path": "/x" } });
    let wrote = |name: &str, expression: &str| Case::of(name, json!([keep(expression)]));
    let large = "($t := $pad('', 1048576, 'x'); { 'a': $t, 'b': $t })";
    vec![
        action("an action of 100 requests", &json!(vec![ask.clone(); 100])).hears("GET", "/x", &ok(&json!({})), 100),
        action("an action of 100 requests of which the last is refused", &json!(vec![ask; 100]))
            .hears("GET", "/x", &ok(&json!({})), 99)
            .hears("GET", "/x", &json!({ "status": 404 }), 1)
            .fails("upstream_rejected", "404"),
        action("an action that results in 2 MiB", &json!([transform("$pad('', 2097152, 'x')")])),
        action("an action that never ends", &json!([transform(ENDLESS)])).fails("expression_limit", ""),
        action("an action that writes 2 MiB", &json!([keep(large)])),
        wrote("a context of 2 MiB", large),
        wrote("a context of 9 MiB", "($t := $pad('', 1048576, 'x'); $merge([1..9].{ 'k' & $string($): $t }))")
            .fails("expression_limit", ""),
        wrote("a context of 1,000 keys", "$merge([1..1000].{ 'k' & $string($): $ })"),
        wrote(
            "keys of secrets",
            "{ 'api_key': 'canary-1', 'apiToken': 'canary-2', 'login': { 'Password': 'canary-3' }, 'free': 1 }",
        )
        .keeps(json!({ "free": 1, "api_key": null, "apiToken": null, "login": null })),
        wrote("names of prototypes", "{ '__proto__': { 'a': 1 }, 'constructor': 1, '': 2 }")
            .keeps(json!({ "__proto__": { "a": 1 }, "constructor": 1, "": 2 })),
        wrote("a key of 1 MiB", "{ $pad('', 1048576, 'x'): 1 }"),
        wrote("characters that no text has", "{ 'a': 'x\\u0000y', 'b\\u0007': '\\u001b[2J' }"),
        wrote("an oauth that is a text", "{ 'oauth': 'x' }"),
        wrote("an oauth that is nothing", "{ 'oauth': null }"),
        wrote("an oauth that is a list", "{ 'oauth': [1, 2] }"),
        wrote("an oauth of a token of 1 MiB", "{ 'oauth': { 'token': { 'access_token': $pad('', 1048576, 'x') } } }"),
        wrote("a list in place of an object", "[1, 2]").fails("expression_error", "a list"),
        wrote("a million in place of an object", "[1..1000000]").fails("expression_limit", ""),
        wrote("names of what the scope has", "{ 'steps': 1, 'context': 2, 'environment_variables': 3, 'id': 4 }")
            .keeps(json!({ "steps": 1, "context": 2, "environment_variables": null, "id": 4 })),
    ]
}
