//! `tidewaiter eval`.

use serde_json::json;

use crate::support::{Ran, bare, lines};

fn eval(arguments: &[&str], input: &str) -> Ran {
    let mut command = bare(["eval", "--input", "-"]);
    command.args(arguments);
    Ran::of(command, input.as_bytes())
}

#[test]
fn each_kind_of_text_in_a_definition_can_be_tried() {
    let input = r#"{"plan":"pro","user":{"name":"Ann"}}"#;
    let cases = [
        (["--jsonata", "$uppercase(plan)"], json!("PRO")),
        (["--placeholder", "/u/{{user.name}}"], json!("/u/Ann")),
        (
            ["--template", r#"{"n":"{{user.name}}","x":"{{missing}}","e":"{{= $length(plan) }}"}"#],
            json!({ "n": "Ann", "e": 3 }),
        ),
    ];
    for (arguments, expected) in cases {
        let ran = eval(&[&arguments[..], &["--json"]].concat(), input).ended(0);
        let got = ran.json();
        let value = got.get("result").unwrap_or(&got).clone();
        if expected.is_object() {
            assert_eq!((&value["n"], &value["e"]), (&expected["n"], &expected["e"]), "{value}");
        } else {
            assert_eq!(value, expected);
        }
    }
}

#[test]
fn many_inputs_are_answered_one_by_one_and_a_failure_ends_with_1() {
    let ran = eval(&["--jsonata", "$number(n)", "--json"], "{\"n\":\"1\"}\n{\"n\":\"x\"}\n{}\n").ended(1);
    let answers = lines(&ran.stdout);
    assert_eq!(answers.len(), 3);
    assert_eq!(answers[0]["result"], 1);
    assert!(answers[1]["error"]["code"].is_string(), "{}", answers[1]);
    assert_eq!(answers[2]["undefined"], true);
}

#[test]
fn what_does_not_parse_ends_with_2_and_says_where() {
    let ran = eval(&["--jsonata", "a + ("], "{}").ended(2);
    assert!(ran.stdout.is_empty() && !ran.stderr.is_empty(), "{ran:?}");
    eval(&["--jsonata", "a"], "{").ended(2);
}

#[test]
fn an_expression_without_an_end_is_stopped() {
    let ran = eval(&["--jsonata", "($f := function($n) { $f($n + 1) }; $f(1))", "--json"], "{}").ended(1);
    assert!(ran.json()["error"]["code"].is_string(), "{ran:?}");
}
