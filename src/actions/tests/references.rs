//! Steps that refer to a resource's method: which request comes of the three layers.

use serde_json::{Value, json};

use super::{Ran, Reply, drive, object, post_install, start};

/// One reference to `method`, over an integration with headers and a query of its own.
fn refer(method: &Value, step: &Value, context: Value) -> Ran {
    let mut config = post_install(json!([step]));
    config["headers"] = json!({ "X-Base": "b", "X-Gone": null });
    config["query"] = json!({ "v": 1 });
    config["resources"] = json!({ "users": { "do": method } });
    drive(start(&config, context), &mut [Reply::Json(200, json!({ "data": { "users": [1] } }))].into())
}

fn proxy(method: &Value, mut config: Value) -> Ran {
    config["resource"] = json!("users");
    config["method"] = json!("do");
    refer(
        method,
        &json!({ "type": "request", "config": config }),
        json!({ "org": "o1", "api_key": "k", "filter": { "a": [1] } }),
    )
}

#[test]
fn a_reference_is_the_method_with_the_steps_config_laid_over_it() {
    for (method, config, url) in [
        (json!({ "path": "/users" }), json!({}), "/users?v=1"),
        (json!({ "path": "/users", "query": { "v": 2, "p": 1 } }), json!({}), "/users?v=2&p=1"),
        (
            json!({ "path": "/users", "query": { "p": 1 } }),
            json!({ "query": { "p": 2, "q": "x" } }),
            "/users?v=1&p=2&q=x",
        ),
        (json!({ "path": "/users", "query": { "p": 1 } }), json!({ "query": { "p": null, "v": null } }), "/users"),
        (
            json!({ "path": "/users" }),
            json!({ "query": { "l": [1, 2] }, "query_array_format": "comma" }),
            "/users?v=1&l=1,2",
        ),
        (
            json!({ "path": "/users", "query_array_format": "brackets" }),
            json!({ "query": { "l": [1] } }),
            "/users?v=1&l[]=1",
        ),
        (json!({ "path": "/users/{{id}}" }), json!({ "id": "a/{{org}}" }), "/users/a%2Fo1?v=1"),
        (json!({ "path": "/users/{{id}}" }), json!({ "id": 7, "path": "/people/{{id}}" }), "/people/7?v=1"),
        (
            json!({ "path": "/{{query.org}}/users" }),
            json!({ "query": { "org": "{{org}}", "q": 1 } }),
            "/o1/users?v=1&q=1",
        ),
        (
            json!({ "path": "/users", "query": { "q": "name:{{query.name}}" } }),
            json!({ "query": { "name": "n" } }),
            "/users?v=1&q=name%3An",
        ),
        (
            json!({ "path": "/users", "query": { "q": "{{= $uppercase($query.name) }}" } }),
            json!({ "query": { "name": "n" } }),
            "/users?v=1&q=N",
        ),
        (json!({ "path": "/users", "query": { "q": "{{query.name:undefined}}" } }), json!({}), "/users?v=1"),
    ] {
        let ran = proxy(&method, config.clone());
        assert_eq!(ran.urls(), [format!("https://api.example.test{url}")], "{method} {config} {}", ran.ending());
    }
}

#[test]
fn what_a_step_does_not_bring_is_missing_and_never_the_accounts() {
    for (method, config) in [
        (json!({ "path": "/users/{{id}}" }), json!({})),
        (json!({ "path": "/users/{{query.org}}" }), json!({})),
        (json!({ "path": "/users" }), json!({ "query": { "q": "{{gone}}" } })),
        (json!({ "path": "/users/{{id}}" }), json!({ "id": "{{gone}}" })),
        (json!({ "path": "/users", "method": "post" }), json!({ "body": { "a": "{{gone}}" } })),
    ] {
        let ran = proxy(&method, config.clone());
        assert_eq!(ran.ending(), "post_install 0 unresolved_placeholder", "{method} {config}");
    }
}

#[test]
fn the_body_of_a_step_is_laid_over_the_methods_but_for_what_the_method_places_itself() {
    let post = |body: Value| json!({ "path": "/users", "method": "post", "body": body });
    for (method, body, expected) in [
        (post(json!(null)), json!({ "a": "{{org}}" }), json!({ "a": "o1" })),
        (
            post(json!({ "a": 1, "d": { "x": 1 } })),
            json!({ "b": null, "d": { "y": 2 } }),
            json!({ "a": 1, "d": { "x": 1, "y": 2 }, "b": null }),
        ),
        (
            post(json!({ "user": { "name": "{{body.name}}" } })),
            json!({ "name": "n" }),
            json!({ "user": { "name": "n" } }),
        ),
        (
            post(json!({ "user": { "name": "{{body.name}}" } })),
            json!({ "name": "n", "more": 1 }),
            json!({ "user": { "name": "n" }, "more": 1 }),
        ),
        (post(json!({ "data": "{{body:json}}" })), json!({ "name": "n" }), json!({ "data": { "name": "n" } })),
        (
            post(json!({ "data": "{{= body.name }}", "t": "{{somebody|org}}" })),
            json!({ "name": "n" }),
            json!({ "data": "n", "t": "o1" }),
        ),
        (post(json!({ "a": 1 })), json!([1]), json!([1])),
    ] {
        let ran = proxy(&method, json!({ "body": body }));
        assert_eq!(ran.sent.len(), 1, "{method} {body}: {}", ran.ending());
        let sent: Value = serde_json::from_slice(ran.sent[0].body.as_ref().unwrap()).unwrap();
        assert_eq!(sent, expected, "{method} {body}");
    }
    let off = proxy(&post(json!({ "a": 1 })), json!({ "body": null }));
    assert_eq!(off.sent[0].body, None, "a null of the step switches the method's body off");
    let xml = json!({ "path": "/u", "method": "post", "body_format": "xml", "body": { "u": { "n": "{{body.n}}" } } });
    assert_eq!(
        proxy(&xml, json!({ "body": { "n": "x&y" } })).sent[0].body.as_deref(),
        Some(&b"<u><n>x&amp;y</n></u>"[..])
    );
    let copied = json!({ "path": "/u", "method": "post", "add_query_to_body": true });
    let copied = proxy(&copied, json!({ "query": { "q": "{{org}}" }, "body": { "b": 1 } }));
    assert_eq!(copied.sent[0].body.as_deref(), Some(&br#"{"q":"o1","b":1}"#[..]));
}

#[test]
fn headers_have_three_layers_and_what_one_removes_stays_removed() {
    let method = json!({ "path": "/u", "headers": {
        "X-Method": "m", "X-Off": "m", "X-GONE": "m", "X-Never": null, "X-Echo": "{{headers.x-step}}{{id}}",
    } });
    let config = json!({ "id": 9, "headers": {
        "x-step": "s-{{account.tenant_id}}-{{org}}", "X-BASE": "s", "X-Off": null, "X-Gone": "s", "X-Never": "s",
    } });
    let mut headers = proxy(&method, config).sent[0].headers.clone();
    headers.sort();
    let expected = [
        ("authorization", "Bearer k"),
        ("x-base", "s"),
        ("x-echo", "s-acme-1-o19"),
        ("x-method", "m"),
        ("x-step", "s-acme-1-o1"),
    ];
    assert_eq!(headers, expected.map(|(name, value)| (name.to_owned(), value.to_owned())));
}

#[test]
fn a_step_of_type_proxy_is_written_with_or_without_a_config() {
    let method = json!({ "path": "/users/{{id}}", "response_path": "data.users" });
    for step in [
        json!({ "type": "proxy", "resource": "users", "method": "do", "id": 1, "query": { "a": 1 } }),
        json!({ "type": "proxy", "config": { "resource": "users", "method": "do", "id": 1, "query": { "a": 1 } } }),
        json!({ "type": "request", "config": { "type": "proxy", "resource": "users", "method": "do", "id": 1, "query": { "a": 1 } } }),
    ] {
        let ran = refer(&method, &step, json!({}));
        assert_eq!(ran.urls(), ["https://api.example.test/users/1?v=1&a=1"], "{step}");
        assert_eq!(ran.ending(), "succeeded");
    }
}

#[test]
fn a_steps_own_templates_see_the_account_after_a_reference_as_before() {
    let mut config = post_install(json!([
        { "type": "proxy", "resource": "users", "method": "do", "id": "r1", "name": "first" },
        { "type": "request", "config": { "path": "/x/{{id}}" } },
        { "type": "update_context", "config": "{ 'count': $count(steps.first.result), 'id': $id }" },
    ]));
    config["resources"] = json!({ "users": { "do": { "path": "/u/{{id}}", "response_path": "data.users" } } });
    let users = Reply::Json(200, json!({ "data": { "users": [1, 2] } }));
    let ran = drive(start(&config, json!({})), &mut [users, Reply::Json(200, json!({}))].into());
    let account = uuid::Uuid::from_u128(2);
    assert_eq!(
        ran.urls(),
        ["https://api.example.test/u/r1".to_owned(), format!("https://api.example.test/x/{account}")]
    );
    assert_eq!(**ran.stepper.context(), object(json!({ "count": 2, "id": account })));
}

#[test]
fn authorization_and_base_url_are_the_uppermost_layers() {
    let bearer = |token: &str| json!({ "format": "bearer", "config": { "value": token } });
    let mut config = post_install(json!([
        { "type": "proxy", "resource": "r", "method": "own" },
        { "type": "proxy", "resource": "r", "method": "none" },
        { "type": "request", "config": { "resource": "r", "method": "own", "authorization": bearer("s"), "base_url": "https://s.test" } },
        { "type": "request", "config": { "resource": "r", "method": "own", "authorization": null } },
    ]));
    config["authorization"] = bearer("i");
    config["resources"] = json!({ "r": {
        "own": { "path": "/o", "authorization": bearer("m"), "base_url": "https://m.test" },
        "none": { "path": "/n", "no_auth": true },
    } });
    let mut replies = vec![Reply::Json(200, json!({})); 4].into();
    let ran = drive(start(&config, json!({ "api_key": "k" })), &mut replies);
    let sent: Vec<(&str, Option<&str>)> = ran
        .sent
        .iter()
        .map(|request| (request.url.as_str(), request.headers.first().map(|(_, value)| value.as_str())))
        .collect();
    assert_eq!(
        sent,
        [
            ("https://m.test/o", Some("Bearer m")),
            ("https://api.example.test/n", None),
            ("https://s.test/o", Some("Bearer s")),
            ("https://m.test/o", Some("Bearer k")),
        ]
    );
}

/// The shape of the model system's own example: an action with a list from the context, and a list by reference.
#[test]
fn a_definition_as_the_model_system_writes_them_makes_its_requests() {
    let bearer = json!({ "format": "bearer", "config": { "token": "{{oauth.token.access_token}}" } });
    let config = json!({
        "base_url": "https://api.harbour.test",
        "headers": { "Content-Type": "application/json", "Accept": "application/json" },
        "query": { "search": "{{search_query}}", "filter": "{{filter_criteria}}" },
        "query_array_format": "comma",
        "authorization": bearer,
        "pagination": { "format": "page", "config": { "page_key": "page" } },
        "resources": { "berths": { "list": {
            "method": "get", "path": "/berths", "response_path": "data.berths",
            "headers": { "Authorization": "Bearer {{oauth.token.access_token}}" },
            "query": { "page": "{{pagination.page}}" },
            "authorization": bearer, "examples": { "response": "{}" },
        } } },
        "webhook": { "handle_verification": "not looked at (" },
        "error_expression": "status >= 400 ? { 'status': status, 'message': data.error.message }",
        "actions": { "post_install": { "steps": [
            { "type": "request", "config": {
                "method": "post", "path": "/sync/berths", "headers": { "Authorization": "Bearer {{oauth.token.access_token}}" },
                "body": { "berths": "{{context.berths}}" },
            } },
            { "type": "request", "config": { "resource": "berths", "method": "list" } },
        ] } },
    });
    let context = json!({
        "oauth": { "token": { "access_token": "t" } }, "berths": [{ "id": 7 }], "search_query": "s q", "filter_criteria": ["a", "b"],
        "pagination": { "page": 1 },
    });
    let ok = || Reply::Json(200, json!({ "data": { "berths": [{ "id": 1 }] } }));
    let ran = drive(start(&config, context), &mut [ok(), ok()].into());
    assert_eq!(
        ran.urls(),
        [
            "https://api.harbour.test/sync/berths?search=s%20q&filter=a%2Cb",
            "https://api.harbour.test/berths?search=s%20q&filter=a%2Cb&page=1",
        ]
    );
    assert_eq!(ran.sent[0].body.as_deref(), Some(&br#"{"berths":[{"id":7}]}"#[..]));
    assert_eq!(ran.sent[1].body, None);
    for request in &ran.sent {
        let given = request.headers.iter().filter(|(name, _)| name == "authorization").collect::<Vec<_>>();
        assert_eq!(given, [&("authorization".to_owned(), "Bearer t".to_owned())]);
    }
}
