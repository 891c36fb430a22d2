//! What judges an answer and does not do its work: probes, error expressions, rate limits.

use serde_json::json;

use super::{Case, ENDLESS, keep, ok};

/// A write whose answers are lost, so many times, and a probe of it.
fn lost(name: &str, expression: &str, times: u32) -> Case {
    let write = json!({ "method": "post", "path": "/x", "body": {} });
    let probe = json!({ "request": { "path": "/p" }, "expression": expression });
    let step = json!({ "type": "request", "name": "it", "on_unknown": "probe", "probe": probe, "config": write });
    Case::of(format!("a probe that {name}"), json!([step, keep("{ 'got': { 'is': steps.it.result } }")])).hears(
        "POST",
        "/x",
        &json!({ "error": "broken" }),
        times,
    )
}

pub(super) fn probes() -> Vec<Case> {
    let found = ok(&json!({ "id": 7, "lists": [[1]], "large": "x".repeat(1 << 20) }));
    let mut cases = vec![
        lost("never settles", "false", 5).hears("GET", "/p", &found, 5).fails("upstream_unavailable", "no effect"),
        lost("is never answered", "true", 1)
            .hears("GET", "/p", &json!({ "error": "timeout" }), 5)
            .fails("outcome_unknown", "--resend"),
        lost("gets no JSON", "true", 1)
            .hears(
                "GET",
                "/p",
                &json!({ "status": 200, "headers": { "content-type": "application/json" }, "body": "<" }),
                5,
            )
            .fails("outcome_unknown", "--resend"),
        lost("is unauthorized", "true", 1)
            .hears("GET", "/p", &json!({ "status": 401 }), 1)
            .fails("outcome_unknown", "401"),
        lost("finds the body", "{ 'happened': true, 'result': $ }", 1).hears("GET", "/p", &found, 1),
    ];
    for (name, expression, says) in [
        ("throws", "$error('on purpose')", "on purpose"),
        ("never ends", ENDLESS, "the probe's expression"),
        ("gives a million", "[1..1000000]", "the probe's expression"),
        ("gives a number", "7", "does not tell"),
        ("gives a list", "[true]", "does not tell"),
        ("gives a text", "'true'", "does not tell"),
        ("gives nothing", "gone", "does not tell"),
        ("gives all there is", "data", "does not tell"),
        ("gives half a word", "{ 'happened': 'yes' }", "does not tell"),
        ("gives a function", "$sum", "does not tell"),
    ] {
        cases.push(lost(name, expression, 1).hears("GET", "/p", &found, 1).fails("outcome_unknown", says));
    }
    cases
}

/// An answer 200 that an expression judges.
fn judged(name: &str, expression: &str) -> Case {
    Case::ask(format!("an error expression that {name}"), &json!({ "error_expression": expression }))
}

pub(super) fn errors() -> Vec<Case> {
    let answer = ok(&json!({ "ok": false, "large": "x".repeat(1 << 20), "deep": super::answers::deep(100) }));
    let mut cases = Vec::new();
    for (name, expression, code, says, times) in [
        ("throws", "$error('on purpose')", "expression_error", "on purpose", 1),
        ("throws an object", "$error({ 'a': 1 })", "expression_error", "error_expression", 1),
        ("never ends", ENDLESS, "expression_limit", "error_expression", 1),
        ("nests without end", "($f := function($x) { [$f($x)] }; $f(1))", "expression_limit", "error_expression", 1),
        ("gives a million", "[1..1000000]", "expression_limit", "error_expression", 1),
        ("gives a number", "42", "upstream_unavailable", "", 5),
        ("gives true", "true", "upstream_unavailable", "", 5),
        ("gives a list", "[1, 2]", "upstream_unavailable", "", 5),
        ("gives all there is", "[data]", "upstream_unavailable", "", 5),
        ("gives 1 MiB of text", "data.large", "upstream_unavailable", "xxxx", 5),
        ("gives nested lists", "data.deep", "upstream_unavailable", "", 5),
        ("gives a message of 1 MiB", "{ 'status': 404, 'message': data.large }", "upstream_rejected", "xxxx", 1),
        ("gives a nested message", "{ 'status': 404, 'message': { 'message': ['so'] } }", "upstream_rejected", "so", 1),
        (
            "gives a message with lines",
            "{ 'status': 404, 'message': 'a\\nb\\u0000c' }",
            "upstream_rejected",
            "a b c",
            1,
        ),
        ("gives a number as message", "{ 'status': 404, 'message': 7 }", "upstream_rejected", "", 1),
        ("gives the status 9999", "{ 'status': 9999, 'message': 'no' }", "upstream_unavailable", "no", 5),
        ("gives a status beyond numbers", "{ 'status': 1e300, 'message': 'no' }", "upstream_unavailable", "no", 5),
        ("gives a status below none", "{ 'status': -1, 'message': 'no' }", "upstream_unavailable", "no", 5),
        ("gives half a status", "{ 'status': 404.5, 'message': 'no' }", "upstream_rejected", "as 404: no", 1),
        ("gives a text as status", "{ 'status': 'x', 'message': 'no' }", "upstream_unavailable", "no", 5),
        ("gives a list as status", "{ 'status': [404], 'message': 'no' }", "upstream_unavailable", "no", 5),
        (
            "gives headers that are none",
            "{ 'status': 404, 'message': 'no', 'headers': [1] }",
            "upstream_rejected",
            "no",
            1,
        ),
        ("gives the status 1", "{ 'status': 1, 'message': 'no' }", "upstream_unavailable", "no", 5),
    ] {
        cases.push(judged(name, expression).hears("GET", "/x", &answer, times).fails(code, says));
    }
    cases.push(judged("gives a function", "$sum").answered(&answer));
    cases.push(judged("says neither status nor message", "{ 'a': 1, 'result': data }").answered(&answer));
    cases
}

pub(super) fn limits() -> Vec<Case> {
    let limited = json!({ "status": 429, "headers": { "retry-after": "7" } });
    let mut cases = Vec::new();
    // The longest that one step waits, what the provider's own header says, and half of the longest backoff.
    let (most, header, backoff) = (900_000, 7_000, 500);
    for (name, expression, waits) in [
        ("throws", "$error('on purpose')", header),
        ("never ends", ENDLESS, header),
        ("divides by zero", "0 / 0", header),
        ("gives the word NaN", "'NaN'", header),
        ("gives less than nothing", "-5", backoff),
        ("gives 1e300", "1e300", most),
        ("gives the word Infinity", "'Infinity'", most),
        ("gives a date in the year 9999", "'Wed, 1 Dec 9999 23:59:59 GMT'", most),
        ("gives a date that is behind all times", "'Fri, 31 Dec 9999 23:59:59 GMT'", header),
        ("gives a time in the year 9999", "253402300799", most),
        ("gives a list", "[1, 2]", header),
        ("gives an object", "{ 'a': 1 }", header),
        ("gives a million", "[1..1000000]", header),
        ("gives a function", "$sum", header),
    ] {
        let config = json!({ "rate_limit": { "retry_after_header_expression": expression } });
        let case = Case::ask(format!("a wait that {name}"), &config);
        cases.push(case.answered(&limited).answered(&ok(&json!({}))).waits(waits));
    }
    let always = json!({ "rate_limit": { "is_rate_limited": "true", "retry_after_header_expression": "1" } });
    cases.push(
        Case::ask("a limit that is always there", &always)
            .hears("GET", "/x", &ok(&json!({})), 2000)
            .fails("rate_limited", "")
            .offline(),
    );
    for (name, expression) in
        [("throws", "$error('no')"), ("never ends", ENDLESS), ("gives a list", "[true]"), ("gives a text", "'true'")]
    {
        let config = json!({ "rate_limit": { "is_rate_limited": expression } });
        cases.push(Case::ask(format!("a limit that {name}"), &config).answered(&ok(&json!({}))));
    }
    cases
}
