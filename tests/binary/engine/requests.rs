//! Requests in every form, as a provider understands them.

use serde_json::{Value, json};

use super::{Case, play};

/// What the upstream understood of a request, by `what` in its answer.
fn echo(name: &'static str, what: &str, mut config: Value) -> Case {
    config["path"] = json!("/echo/it");
    config["response_path"] = json!(what);
    Case::ask(name, config)
}

/// A body as it was understood, with its type.
fn body(name: &'static str, format: &str, value: Value, options: Value) -> Case {
    let mut config = json!({ "method": "post", "body_format": format, "body": value });
    if options != json!({}) {
        config["body_format_config"] = options;
    }
    echo(name, "{ 'type': type, 'body': body }", config)
}

fn bodies() -> Vec<Case> {
    let understood = |kind: &str, body: Value| json!({ "type": kind, "body": body });
    let value = || json!({ "n": "{{n:int}}", "gone": "{{gone:undefined}}", "none": null, "t": "é&=" });
    let post = |more: Value| {
        let mut config = json!({ "method": "post", "body": { "a": 1 } });
        config.as_object_mut().unwrap().extend(more.as_object().cloned().unwrap());
        config
    };
    let cases = vec![
        body("json", "json", value(), json!({}))
            .gets(understood("application/json", json!({ "n": 7, "none": null, "t": "é&=" }))),
        body("form", "form", json!({ "a": "{{n:int}}", "list": ["x", "y"], "o": { "p": "é&=+ " } }), json!({})).gets(
            understood(
                "application/x-www-form-urlencoded",
                json!([["a", "7"], ["list[]", "x"], ["list[]", "y"], ["o[p]", "é&=+ "]]),
            ),
        ),
        body("form-repeat", "form", json!({ "list": ["x", "y"] }), json!({ "array_format": "repeat" }))
            .gets(understood("application/x-www-form-urlencoded", json!([["list", "x"], ["list", "y"]]))),
        body(
            "multipart",
            "multipart",
            json!({
                "n": "{{n:int}}",
                "o": { "data": "aGVsbG8=", "encoding": "base64", "filename": "a.txt", "content_type": "text/plain" },
            }),
            json!({}),
        )
        .gets(understood(
            "multipart/form-data",
            json!([
                ["content-disposition: form-data; name=\"n\"", "7"],
                ["content-disposition: form-data; name=\"o\"; filename=\"a.txt\"; content-type: text/plain", "hello"],
            ]),
        )),
        body("raw", "raw", json!("n={{n}}\n"), json!({})).gets(understood("text/plain", json!("n=7\n"))),
        body("raw-bytes", "raw", json!("AP8="), json!({ "encoding": "base64" }))
            .gets(understood("application/octet-stream", json!([0, 255]))),
        body("raw-type", "raw", json!("<a/>"), json!({ "content_type": "application/soap+xml" }))
            .gets(understood("application/soap+xml", json!(["<a/>"]))),
        body(
            "xml",
            "xml",
            json!({ "_attributes": { "id": "{{n}}" }, "b": ["x & y", { "_text": "z" }] }),
            json!({ "root": "a", "declaration": true }),
        )
        .gets(understood(
            "application/xml",
            json!(["<?>", "<a id=\"7\">", "<b>", "x ", "&amp;", " y", "</b>", "<b>", "z", "</b>", "</a>",]),
        )),
        echo("own-type", "type", post(json!({ "headers": { "Content-Type": "application/vnd.a+json" } })))
            .gets(json!("application/vnd.a+json")),
        echo("no-body", "body", post(json!({ "ignore_body": true }))).gets(json!("")),
        echo("null-body", "{ 'body': body }", post(json!({ "set_body_to_null": true }))).gets(json!({ "body": null })),
        echo("query-in-body", "body", post(json!({ "add_query_to_body": true, "query": { "a": "0", "q": "1" } })))
            .gets(json!({ "a": 1, "q": "1" })),
        echo("body-with-get", "query", json!({ "body": { "a": 1 }, "ignore_body": true })).gets(json!("")),
    ];
    cases.into_iter().map(|case| case.context("n", json!(7))).collect()
}

fn queries() -> Vec<Case> {
    let query = || json!({ "ids": [7, 8], "o": { "p": ["x", "y"] }, "none": null, "t": "a&b é" });
    let arrays = |name, format: &str, expected: &str| {
        echo(name, "query", json!({ "query": query(), "query_array_format": format }))
            .gets(json!(format!("{expected}&t=a%26b%20%C3%A9")))
    };
    vec![
        echo("query", "query", json!({ "query": query() })).gets(json!("ids=7&ids=8&o[p]=x&o[p]=y&t=a%26b%20%C3%A9")),
        arrays("repeat", "repeat", "ids=7&ids=8&o[p]=x&o[p]=y"),
        arrays("comma", "comma", "ids=7,8&o[p]=x,y"),
        arrays("brackets", "brackets", "ids[]=7&ids[]=8&o[p][]=x&o[p][]=y"),
        arrays("indices", "indices", "ids[0]=7&ids[1]=8&o[p][0]=x&o[p][1]=y"),
        echo("layers", "headers", json!({ "headers": { "X-A": "step", "x-b": null, "X-C": "1" } }))
            .config("headers", json!({ "x-a": "integration", "X-B": "1", "X-C": null, "X-D": "d" }))
            .gets(json!({ "x-a": "step", "x-d": "d" })),
        echo("required", "headers", json!({}))
            .config("required_headers", json!(["X-Tenant"]))
            .fails("definition_invalid")
            .says("x-tenant")
            .times(0, ""),
        echo("unresolved", "query", json!({ "query": { "a": "{{gone}}" } }))
            .fails("unresolved_placeholder")
            .times(0, ""),
    ]
}

fn credentials() -> Vec<Case> {
    let ask = |name, how: &str, authorization: Value| {
        let case = Case::ask(name, json!({ "path": format!("/auth/{how}") })).gets(json!("welcome"));
        if authorization.is_null() { case } else { case.config("authorization", authorization) }
    };
    let signature = "{ 'X-Signature': $sign(requestOptions.method & ' ' & $substringAfter(url, '/signed') & ' ' & \
                     $string(requestOptions.body), 'SHA-256', api_key, 'base64') }";
    let signed = json!({ "path": "/auth/signed", "method": "post", "query": { "x": "1" }, "body": { "a": [1, "é"] } });
    let scopes = json!({ "path": "/auth/scopes", "scopes": ["read", "write"] });
    vec![
        ask("default-bearer", "bearer", Value::Null),
        ask("bearer", "bearer", json!({ "format": "bearer", "config": { "path": "api_key" } })),
        ask(
            "header",
            "header",
            json!({ "format": "header", "config": { "header_name": "X-Key", "header_value": "{{api_key}}" } }),
        ),
        ask(
            "basic",
            "basic",
            json!({ "format": "basic", "config": { "username": "user", "password": "{{api_key}}" } }),
        ),
        Case::ask("signed", signed)
            .config("authorization", json!({ "format": "header", "config": { "expression": signature } }))
            .gets(json!("welcome")),
        Case::ask("no-auth", json!({ "path": "/auth/none", "no_auth": true })).gets(json!("welcome")),
        ask("wrong", "bearer", json!({ "format": "bearer", "config": { "token": "k-2" } }))
            .fails("unauthorized")
            .says("who is it?"),
        Case::ask("scopes", scopes)
            .context("oauth", json!({ "scope": "read" }))
            .fails("forbidden")
            .says("the account was not granted `write`: not for you"),
    ]
}

#[test]
fn every_body_query_and_credential_is_understood_by_the_provider() {
    let cases: Vec<Case> = bodies().into_iter().chain(queries()).chain(credentials()).collect();
    play(&cases).1.stop();
}
