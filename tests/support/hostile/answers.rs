//! Answers that are hard to read.

use serde_json::{Value, json};

use super::{Case, keep};

/// A list in lists.
pub(super) fn deep(levels: usize) -> Value {
    (0..levels).fold(json!(1), |inner, _| json!([inner]))
}

fn typed(content_type: &str, body: impl Into<Value>) -> Value {
    json!({ "status": 200, "headers": { "content-type": content_type }, "body": { "text": body.into() } })
}

/// One answer, and what an expression makes of its result.
fn read(name: &str, answer: &Value, more: &Value, got: &str) -> Case {
    let step = super::request(more);
    Case::of(name, json!([step, keep(format!("{{ 'got': {{ 'is': {got} }} }}"))])).answered(answer)
}

/// An answer that is asked for again.
fn five_times(mut case: Case) -> Case {
    case.exchanges[0]["times"] = json!(5);
    case
}

fn csv() -> Vec<Case> {
    let wide = |rows: usize| {
        let names: Vec<String> = (0..100_000).map(|at| format!("c{at}")).collect();
        [vec![names.join(",")], vec!["1,".repeat(99_999) + "1"; rows]].concat().join("\n")
    };
    let asked = json!({ "api_response_format": "csv" });
    let read = |name: &str, text: String, got: &str| read(name, &typed("text/csv", text), &asked, got);
    let got = |is: Value| json!({ "got": { "is": is } });
    vec![
        read("CSV of 100,000 columns", wide(1), "$count(steps.it.result)").keeps(got(json!(1))),
        five_times(read("CSV of 2,000,000 cells", wide(20), "1")).fails("bad_response", "500,000 cells"),
        read("CSV of 100,000 rows", "a\n".to_owned() + &"1\n".repeat(100_000), "$count(steps.it.result)")
            .keeps(got(json!(100_000))),
        read(
            "CSV of one name many times",
            "a,".repeat(50_000) + "a\n" + &"1,".repeat(50_000) + "2",
            "steps.it.result[0].a",
        )
        .keeps(got(json!("2"))),
        read(
            "CSV of a quote that nothing closes",
            format!("a\n\"{}", "x".repeat(1 << 20)),
            "$length(steps.it.result[0].a)",
        )
        .keeps(got(json!(1 << 20))),
    ]
}

fn xml() -> Vec<Case> {
    let asked = json!({ "api_response_format": "xml" });
    let read = |name: &str, text: String| read(name, &typed("application/xml", text), &asked, "1");
    let bomb = "<!DOCTYPE a [<!ENTITY b 'ha'><!ENTITY c '&b;&b;&b;&b;&b;&b;&b;&b;'>]><a>&c;</a>";
    let outside = "<!DOCTYPE a [<!ENTITY b SYSTEM 'file:///etc/passwd'>]><a>&b;</a>";
    let broken = |case: Case| case.fails("bad_response", "XML");
    let cases = vec![
        broken(read("XML of 10,000 levels", "<a>".repeat(10_000) + &"</a>".repeat(10_000))),
        broken(read("XML of entities", bomb.to_owned())),
        broken(read("XML of an entity elsewhere", outside.to_owned())),
        broken(read("XML that does not close", "<a>".repeat(10_000))),
    ];
    let mut cases: Vec<Case> = cases.into_iter().map(five_times).collect();
    cases.push(read("XML of 100,000 attributes", {
        let attributes: Vec<String> = (0..100_000).map(|at| format!(" a{at}='1'")).collect();
        format!("<a{}/>", attributes.concat())
    }));
    cases.push(read("XML of 100,000 elements", format!("<a>{}</a>", "<b/>".repeat(100_000))));
    cases
}

pub(super) fn cases() -> Vec<Case> {
    let text = |text: String| typed("application/json", text);
    let none = json!({});
    let got = |is: Value| json!({ "got": { "is": is } });
    let nested = || "[".repeat(10_000) + &"]".repeat(10_000);
    let demanded = json!({ "api_response_format": "json" });
    let strict = read("JSON of 10,000 levels that was demanded", &text(nested()), &demanded, "1");
    let half = "{\"a\":\"\\ud800\"}";
    let keys: Vec<String> = (0..200_000).map(|at| format!("\"k{at}\":1,")).collect();
    let mut cases = vec![
        read("JSON of 10,000 levels", &text(nested()), &none, "$type(steps.it.result)").keeps(got(json!("string"))),
        five_times(strict).fails("bad_response", "no JSON"),
        read("half an emoji", &text(half.into()), &none, "steps.it.result").keeps(got(json!(half))),
        five_times(read("half an emoji that was demanded to be JSON", &text(half.into()), &demanded, "1"))
            .fails("bad_response", "no JSON"),
        read("a key that comes twice", &text("{\"a\":1,\"a\":2}".into()), &none, "steps.it.result.a")
            .keeps(got(json!(2))),
        read("200,000 keys", &text(format!("{{{}\"a\":7}}", keys.concat())), &none, "steps.it.result.a")
            .keeps(got(json!(7))),
        read(
            "a million numbers",
            &text(format!("[{}1]", "1,".repeat(1_000_000))),
            &json!({ "response_path": "$count($)" }),
            "1",
        )
        .fails("expression_limit", "response_path"),
        read("a number beyond numbers", &text("1e999".into()), &none, "steps.it.result").keeps(got(json!("1e999"))),
        read("4 MiB that are kept", &text(format!("\"{}\"", "x".repeat(4 << 20))), &none, "steps.it.result"),
        read("a response path that never ends", &text("{}".into()), &json!({ "response_path": super::ENDLESS }), "1")
            .fails("expression_limit", ""),
        read(
            "a response path that throws",
            &text("{}".into()),
            &json!({ "response_path": "$error('on purpose')" }),
            "1",
        )
        .fails("expression_error", "on purpose"),
        Case::ask("an answer of bytes", &none).answered(&json!({ "status": 200, "body": { "base64": "//8AAf/+" } })),
        Case::ask("a message of 1 MiB", &none)
            .answered(&json!({ "status": 400, "body": { "message": "x".repeat(1 << 20) } }))
            .fails("upstream_rejected", "xxx"),
        Case::ask("a message with lines", &none)
            .answered(&json!({ "status": 400, "body": { "message": "a\nb\u{0}\u{1b}[2Jc" } }))
            .fails("upstream_rejected", "a b  [2Jc"),
    ];
    cases.extend(csv());
    cases.extend(xml());
    cases
}
