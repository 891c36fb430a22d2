//! Definitions that were made to do harm: `definitions lint` and `apply` answer each at once, with its place.

#![expect(clippy::needless_pass_by_value, reason = "`json!` borrows, and tables of values read better without `&`")]
#![expect(clippy::too_many_lines, reason = "tables")]

use serde_json::{Map, Value, json};

use crate::hostile::EACH;
use crate::support::{Place, Ran, Scratch, bare, lines};

/// An integration with these members of its config.
fn integration(config: Value) -> String {
    let mut all = json!({ "base_url": "https://h.test" });
    all.as_object_mut().unwrap().extend(config.as_object().cloned().unwrap());
    json!({ "id": "5d2f0c1e-6a3b-4c8d-9e1f-7b6a5c4d3e2f", "name": "acme", "config": all }).to_string()
}

fn steps(steps: Vec<Value>) -> String {
    integration(json!({ "actions": { "post_install": { "steps": steps } } }))
}

fn transform(source: &str) -> Value {
    json!({ "type": "transform", "config": source })
}

fn many(count: usize, name: &str, value: impl Fn(usize) -> Value) -> Map<String, Value> {
    (0..count).map(|index| (format!("{name}{index}"), value(index))).collect()
}

/// The definition, the exit code, and where the first finding of `lint` is; nothing where nothing is found.
fn cases() -> Vec<(&'static str, String, i32, Option<&'static str>)> {
    let request = || json!({ "type": "request", "config": { "path": "/" } });
    let named = |index: usize| json!({ "type": "transform", "name": format!("s{index}"), "config": format!("steps.s{}.a + steps.gone", index + 1) });
    let before =
        r#"{"id":"5d2f0c1e-6a3b-4c8d-9e1f-7b6a5c4d3e2f","name":"acme","config":{"base_url":"https://h.test","query":"#;
    vec![
        ("10,000 steps", steps(vec![request(); 10_000]), 1, Some("/config/actions/post_install")),
        (
            "10,000 steps that refer to others",
            steps((0..10_000).map(named).collect()),
            1,
            Some("/config/actions/post_install"),
        ),
        (
            "10,000 steps that do not compile",
            integration(json!({ "actions": { "sync": { "steps": vec![transform("("); 10_000] } } })),
            1,
            Some("/config/actions/sync"),
        ),
        ("30,000 headers", integration(json!({ "headers": many(30_000, "x-h", |_| json!("v")) })), 0, None),
        (
            "30,000 headers that are none",
            integration(json!({ "headers": many(30_000, "x h", |_| json!("v")) })),
            1,
            Some("/config/headers/x h0"),
        ),
        (
            "100 requests with 9,000 headers each",
            integration(json!({
                "headers": many(9_000, "x-h", |_| json!("v")),
                "actions": { "post_install": { "steps": vec![request(); 100] } },
            })),
            1,
            Some("/config"),
        ),
        (
            "a base URL of 100,000 placeholders",
            integration(json!({
                "base_url": format!("https://h.test/{}", "{{a}}".repeat(100_000)),
                "actions": { "post_install": { "steps": vec![request(); 100] } },
            })),
            1,
            Some("/config"),
        ),
        (
            "15,000 actions that do not compile",
            integration(json!({ "actions": many(15_000, "a", |_| transform("(")) })),
            1,
            Some("/config/actions/a0/config"),
        ),
        (
            "20,000 methods that do not compile",
            integration(json!({ "resources": { "r": many(20_000, "m", |_| json!({ "path": "/#" })) } })),
            1,
            Some("/config/resources/r/m0/path"),
        ),
        (
            "10,000 methods under 10,000 headers",
            integration(json!({
                "headers": many(10_000, "x-h", |_| json!("v")),
                "resources": { "r": many(10_000, "m", |_| json!({ "path": "/" })) },
            })),
            1,
            Some("/config/resources/r/m"),
        ),
        (
            "30,000 unknown members",
            integration(Value::Object(many(30_000, "member", |_| json!(1)))),
            1,
            Some("/config/member0"),
        ),
        (
            "a function with a name of 16,000 letters",
            integration(json!({ "error_expression": format!("${}()", "x".repeat(16_000)) })),
            1,
            Some("/config/error_expression"),
        ),
        (
            "1,500 unbound variables in each of 60 expressions",
            steps(vec![
                transform(&format!(
                    "({})",
                    (0..1_500).flat_map(|it| ["$v".to_owned(), it.to_string(), ";".to_owned()]).collect::<String>()
                ));
                60
            ]),
            1,
            Some("/config/actions/post_install/steps/0/config"),
        ),
        ("braces that nothing closes", integration(json!({ "query": { "q": "{{".repeat(400_000) } })), 0, None),
        ("braces before names", integration(json!({ "query": { "q": "{{a ".repeat(200_000) } })), 0, None),
        (
            "braces in braces",
            integration(json!({ "query": { "q": "{{".repeat(200_000) + &"}}".repeat(200_000) } })),
            0,
            None,
        ),
        (
            "expressions of braces in a text that does not end",
            integration(json!({ "query": many(60, "q", |_| json!("{{= '".to_owned() + &"}}".repeat(8_000))) })),
            1,
            Some("/config/query/q0"),
        ),
        (
            "a list nested 100,000 deep",
            format!("{before}{}{}}}}}", "[".repeat(100_000), "]".repeat(100_000)),
            1,
            Some(""),
        ),
        ("a number of 400 digits", format!("{before}{{\"n\":{}}}}}}}", "9".repeat(400)), 1, Some("")),
        (
            "times beyond numbers",
            integration(
                json!({ "actions": { "post_install": { "type": "request", "timeout_ms": 1e300, "config": { "path": "/" } } } }),
            ),
            1,
            Some("/config/actions/post_install/timeout_ms"),
        ),
        (
            "control characters in a name",
            integration(json!({ "headers": { "x\u{0}y": "a" } })),
            1,
            Some("/config/headers/x\u{0}y"),
        ),
        (
            "steps that wait for each other",
            steps(vec![
                json!({ "type": "transform", "name": "a", "depends_on": ["b"], "config": "1" }),
                json!({ "type": "transform", "name": "b", "depends_on": ["a"], "config": "1" }),
            ]),
            1,
            Some("/config/actions/post_install/steps/0/depends_on/0"),
        ),
        (
            "a step that waits for 50,000 that are not there",
            steps(vec![
                json!({ "type": "transform", "depends_on": (0..50_000).map(|it| format!("x{it}")).collect::<Vec<_>>(), "config": "1" }),
            ]),
            1,
            Some("/config/actions/post_install/steps/0/depends_on/0"),
        ),
        (
            "a pagination of 50,000 members",
            steps(vec![json!({ "type": "request", "paginate": true, "config": {
            "path": "/", "pagination": { "format": "nope", "config": many(50_000, "k", |_| json!(1)) } } })]),
            1,
            Some("/config/actions/post_install/steps/0/config/pagination/format"),
        ),
        ("a definition of 5 MiB", integration(json!({ "description": "x".repeat(5 << 20) })), 2, None),
    ]
}

#[test]
fn whatever_a_definition_holds_lint_tells_where_it_is_wrong_and_at_once() {
    let mut wrong = Vec::new();
    for (name, text, code, pointer) in cases() {
        let scratch = Scratch::new();
        scratch.write("a.json", text);
        let mut command = bare(["definitions", "lint", "a.json", "--json"]);
        command.current_dir(&scratch.0);
        let ran = Ran::of(command, b"");
        let took = ran.worked;
        let found = lines(&ran.stdout);
        let first = found.first().map(|it| it["pointer"].as_str().unwrap().to_owned());
        let is_there = match (&first, pointer) {
            (Some(first), Some(pointer)) => first.starts_with(pointer),
            (first, pointer) => first.is_none() && pointer.is_none(),
        };
        if ran.code != code || !is_there || took > EACH {
            let said: String = ran.stderr.chars().take(200).collect();
            wrong.push(format!("{name}: {} at {first:?} after {took:?}: {said}", ran.code));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn what_is_no_text_is_not_read() {
    let scratch = Scratch::new();
    scratch.write("a.json", b"{\"name\":\"ac\xff\xfe\"}");
    let mut command = bare(["definitions", "lint", "a.json"]);
    command.current_dir(&scratch.0);
    let ran = Ran::of(command, b"").ended(2);
    assert!(ran.stderr.contains("a.json"), "{}", ran.stderr);
}

#[test]
fn applying_refuses_the_same_with_the_place_and_keeps_what_was_there() {
    let place = Place::offline();
    place.run(&["definitions", "apply"]).ended(0);
    let request = json!({ "type": "request", "config": { "path": "/" } });
    for (text, said) in [
        (steps(vec![request.clone(); 10_000]), "/config/actions/post_install: has 10000 steps"),
        (
            integration(json!({
                "headers": many(9_000, "x-h", |_| json!("v")),
                "actions": { "post_install": { "steps": vec![request; 100] } },
            })),
            "/config: its 100 requests come to",
        ),
        (integration(json!({ "description": "x".repeat(5 << 20) })), "at most 1048576"),
    ] {
        place.scratch.write("integrations/acme.json", text);
        let ran = place.run(&["definitions", "apply"]);
        assert!(ran.code != 0 && ran.stderr.contains(said), "{said}: {ran:#?}");
        assert!(ran.worked < EACH, "{said}: {:?}", ran.worked);
        let listed = place.run(&["definitions", "list", "--json"]).ended(0).stdout;
        assert_eq!(lines(&listed).len(), 1, "{listed}");
    }
}
