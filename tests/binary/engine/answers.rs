//! Every format of answers, and what is broken.

use serde_json::{Value, json};

use super::{Case, play};

fn answer(kind: &'static str) -> Case {
    asked(kind, kind, json!({}))
}

/// `answer/<kind>`, with more of a request.
fn asked(name: &'static str, kind: &str, mut config: Value) -> Case {
    config["path"] = json!(format!("/answer/{kind}"));
    Case::ask(name, config)
}

/// An answer that ends the phase after the attempts that there are.
fn broken(kind: &'static str, code: &'static str) -> Case {
    answer(kind).fails(code).times(2, &format!("GET /answer/{kind}"))
}

fn formats() -> Vec<Case> {
    let read = |name, kind, format: &str| asked(name, kind, json!({ "api_response_format": format }));
    let ok = json!({ "ok": true });
    let a = json!({ "a": { "_text": "1" } });
    vec![
        answer("json").gets(ok.clone()),
        answer("json-as-html").gets(ok.clone()),
        answer("json-bom").gets(ok.clone()),
        // An answer keeps all digits; JSONata, which brings it into the context here, counts in doubles.
        answer("json-numbers").gets(json!({ "id": 9_007_199_254_740_992.0, "n": 1.5 })),
        answer("json-null").gets(json!(null)),
        answer("json-infinite").gets(json!("1e999")),
        answer("json-deep").gets(json!("[".repeat(200) + &"]".repeat(200))),
        read("json-as-text", "json", "text").gets(json!("{\"ok\":true}")),
        read("html-as-json", "json-as-html", "json").gets(ok.clone()),
        answer("xml").gets(json!({
            "_declaration": { "_attributes": { "version": "1.0" } },
            "a": { "_attributes": { "id": "1" }, "b": { "_text": "x & y" } },
        })),
        answer("xml-bom").gets(a.clone()),
        answer("xml-untold").gets(json!("<a>1</a>")),
        read("xml-told", "xml-untold", "xml").gets(a),
        answer("xml-entities").gets(json!("<!DOCTYPE a [<!ENTITY b \"c\">]><a>&b;</a>")),
        answer("text").gets(json!("plain")),
        answer("latin").gets(json!("caf\u{fffd}")),
        read("csv-told", "csv", "csv").gets(json!([{ "id": "1", "name": "Ann, B" }, { "id": "2", "name": "C" }])),
        answer("empty").gets(json!(null)),
        read("empty-told", "empty", "json").gets(json!(null)),
        answer("nothing").gets(json!(null)),
        answer("chunked").gets(ok.clone()),
        answer("until-the-end").gets(ok.clone()),
        answer("slow").gets(ok.clone()),
        asked("large", "large", json!({ "response_path": "$length($)" })).gets(json!(1024 * 1024)),
        asked("head", "json", json!({ "method": "head" })).gets(json!(null)),
        asked(
            "path",
            "success-in-404",
            json!({ "response_path": "found[0]", "error_expression": "{ 'status': 200 }" }),
        )
        .gets(json!(1)),
    ]
}

fn breakage() -> Vec<Case> {
    let read = |name, kind, format: &str| asked(name, kind, json!({ "api_response_format": format }));
    let strict = |name, kind, strict: bool| asked(name, kind, json!({ "throw_error_on_parse_error": strict }));
    let post = |name, kind| asked(name, kind, json!({ "method": "post", "body": {} }));
    vec![
        broken("json-broken", "bad_response"),
        broken("json-is-html", "bad_response"),
        strict("json-broken-taken", "json-broken", false).gets(json!("{\"half\": ")),
        answer("json-broken-error").fails("upstream_rejected").times(1, "GET /answer/json-broken-error"),
        read("text-no-json", "text", "json").fails("bad_response").times(2, "GET /answer/text"),
        read("text-no-xml", "text", "xml").fails("bad_response").times(2, "GET /answer/text"),
        answer("xml-broken").gets(json!("<a><b></a>")),
        strict("xml-broken-strict", "xml-broken", true).fails("bad_response").times(2, "GET /answer/xml-broken"),
        answer("xml-error").fails("upstream_rejected").says("not so"),
        answer("problem").fails("upstream_rejected").says("not so"),
        broken("half", "upstream_unavailable"),
        broken("half-chunked", "upstream_unavailable"),
        broken("closed", "upstream_unavailable"),
        broken("gzip", "bad_response"),
        broken("no-http", "bad_response"),
        broken("no-length", "bad_response"),
        broken("two-lengths", "bad_response"),
        broken("huge", "bad_response"),
        broken("header-flood", "bad_response"),
        broken("header-huge", "bad_response"),
        broken("chunks-nonsense", "bad_response"),
        broken("json-deeper", "bad_response"),
        strict("xml-deep-strict", "xml-deep", true).fails("bad_response").times(2, "GET /answer/xml-deep"),
        strict("xml-laughs-strict", "xml-laughs", true).fails("bad_response").times(2, "GET /answer/xml-laughs"),
        answer("two-types").gets(json!({ "ok": true })),
        broken("huge-chunked", "bad_response"),
        // A write is never made again when nobody knows what became of it.
        post("half-write", "half").fails("outcome_unknown").times(1, "POST /answer/half {}"),
        post("closed-write", "closed").fails("outcome_unknown").times(1, "POST /answer/closed {}"),
        post("no-http-write", "no-http").fails("bad_response").times(1, "POST /answer/no-http {}"),
        post("broken-write", "json-broken").fails("bad_response").times(1, "POST /answer/json-broken {}"),
        Case::of(
            "never",
            json!([
                { "type": "request", "timeout_ms": 200, "config": { "path": "/answer/never" } },
            ]),
        )
        .fails("timeout")
        .times(2, "GET /answer/never"),
    ]
}

fn meanings() -> Vec<Case> {
    let meant = |name, kind, expression: &str| asked(name, kind, json!({ "error_expression": expression }));
    vec![
        answer("error-in-200").gets(json!({ "ok": false, "error": "not so" })),
        meant("told-401", "error-in-200", "data.ok = false ? { 'status': 401, 'message': data.error }")
            .fails("unauthorized")
            .says("not so")
            .times(1, "GET /answer/error-in-200"),
        meant("told-502", "error-in-200", "data.ok = false ? data.error")
            .fails("upstream_unavailable")
            .says("not so")
            .times(2, "GET /answer/error-in-200"),
        answer("success-in-404").fails("upstream_rejected").times(1, "GET /answer/success-in-404"),
        meant("told-200", "success-in-404", "data.ok ? { 'status': 200, 'result': data.found }").gets(json!([1, 2])),
        meant("told-nothing", "success-in-404", "data.gone").fails("upstream_rejected"),
        meant("told-wrong", "json", "$error('no')").fails("expression_error").times(1, "GET /answer/json"),
    ]
}

#[test]
fn every_answer_is_read_as_its_definition_or_its_type_says_or_refused() {
    let cases: Vec<Case> = formats().into_iter().chain(meanings()).collect();
    play(&cases).1.stop();
}

#[test]
fn what_is_no_answer_is_asked_for_again_only_where_that_does_no_harm() {
    play(&breakage()).1.stop();
}
