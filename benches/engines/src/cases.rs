//! What the engines are measured on: expressions as definitions have them, over one answer of a provider.

use serde_json::{Value, json};

/// An expression, and what the reference makes of it: a value, nothing, or an error's code.
pub struct Case {
    /// What it is about, for the report.
    pub topic: &'static str,
    /// The expression.
    pub source: &'static str,
    /// The outcome of `jsonata` 2.2.2 on Node: JSON, `undefined`, or a code.
    pub expected: &'static str,
}

const fn case(topic: &'static str, source: &'static str, expected: &'static str) -> Case {
    Case { topic, source, expected }
}

/// The small conformance set. Recorded from the reference, on [`answer`] of 3 items.
pub const CASES: [Case; 44] = [
    case("path", "data.items[0].id", "1"),
    case("path", "data.items.name", r#"["Ada","Bea","Cyd"]"#),
    case("path", "headers.`retry-after`", r#""30""#),
    case("path", "data.nothing.here", "undefined"),
    case("path", "data.**.id", "[1,2,3]"),
    case("path", "data.items[-1].name", r#""Cyd""#),
    case("path", "data.items.tags", r#"["a","b","b","c"]"#),
    case("path", "data.items[active].id", "[1,3]"),
    case("path", "data.items[id > 1 and active].name", r#""Cyd""#),
    case("path", "$count(data.items)", "3"),
    case("error", "status >= 400 ? { 'status': status, 'message': data.error.message }", "undefined"),
    case("error", "data.ok = false ? { 'status': 401, 'message': data.error }", "undefined"),
    case("error", "$exists(data.error) ? 'failed' : 'fine'", r#""fine""#),
    case("error", "data.items[0].name + 1", "T2001"),
    case("error", "$number('abc')", "D3030"),
    case("error", "$nothing()", "T1006"),
    case("error", "data.(", "S0203"),
    case("number", "$number(headers.`retry-after`) * 2", "60"),
    case("number", "$sum(data.items.amount)", "60.5"),
    case("number", "$average(data.items.id)", "2"),
    case("number", "$round(12.345, 2)", "12.34"),
    case("number", "$formatNumber(12345.6, '#,###.00')", r#""12,345.60""#),
    case("number", "$formatBase(255, 16)", r#""ff""#),
    case("number", "$formatInteger(42, 'w')", r#""forty-two""#),
    case("text", "'Bearer ' & data.token", r#""Bearer t-1""#),
    case("text", "$split('a,b,c', ',')", r#"["a","b","c"]"#),
    case("text", "$replace('a-b-c', '-', '+')", r#""a+b+c""#),
    case(
        "text",
        "$match(headers.link, /<([^>]+)>; rel=\"next\"/).groups[0]",
        r#""https://api.example.com/items?page=2""#,
    ),
    case("text", "$uppercase($substringBefore(data.items[0].mail, '@'))", r#""ADA""#),
    case("text", "$encodeUrlComponent('a b&c')", r#""a%20b%26c""#),
    case("text", "$pad('7', -3, '0')", r#""007""#),
    case("object", "$merge([{ 'a': 1 }, { 'b': 2 }])", r#"{"a":1,"b":2}"#),
    case("object", "$keys(data.items[0])", r#"["id","name","mail","active","amount","tags"]"#),
    case("object", "data.items{ name: amount }", r#"{"Ada":10,"Bea":20.5,"Cyd":30}"#),
    case("object", "$sift(data.items[0], function($v, $k) { $k = 'id' })", r#"{"id":1}"#),
    case("object", "$spread({ 'a': 1, 'b': 2 })", r#"[{"a":1},{"b":2}]"#),
    case(
        "object",
        "data.items[0] ~> |$|{ 'seen': true }, ['tags', 'mail']|",
        r#"{"id":1,"name":"Ada","active":true,"amount":10,"seen":true}"#,
    ),
    case("function", "$map(data.items, function($i) { $i.id * 10 })", "[10,20,30]"),
    case("function", "$reduce([1, 2, 3], function($a, $b) { $a + $b })", "6"),
    case("function", "data.items^(>amount).name", r#"["Cyd","Bea","Ada"]"#),
    case("function", "($f := function($n) { $n <= 1 ? 1 : $n * $f($n - 1) }; $f(5))", "120"),
    case("function", "data.items.(%.token)", r#"["t-1","t-1","t-1"]"#),
    case("date", "$toMillis('2026-01-01T00:00:00Z')", "1767225600000"),
    case("date", "$fromMillis(1767225600000, '[Y0001]-[M01]-[D01]')", r#""2026-01-01""#),
];

/// What is timed.
pub const SPEED: [(&str, &str); 6] = [
    ("a path", "data.items[0].id"),
    (
        "an error expression",
        "status >= 400 ? { 'status': status, 'message': data.error.message } : data.ok = false ? { 'status': 401 }",
    ),
    ("a header as a number", "$number(headers.`retry-after`)"),
    ("a text", "'https://' & data.token & '.example.com/' & $string(status) & '/' & data.items[0].name"),
    ("map over the items", "data.items.{ 'id': id, 'label': name & ' <' & mail & '>' }"),
    ("filter and sort", "data.items[active]^(>amount).id"),
];

/// A provider's answer with `items` items.
pub fn answer(items: usize) -> Value {
    const NAMES: [&str; 3] = ["Ada", "Bea", "Cyd"];
    const MAILS: [&str; 3] = ["ada@example.com", "bea@example.com", "cyd@example.com"];
    let tags = [json!(["a"]), json!(["b"]), json!(["b", "c"])];
    let amounts = [json!(10), json!(20.5), json!(30)];
    let items: Vec<Value> = (0..items)
        .map(|index| {
            json!({
                "id": index + 1,
                "name": NAMES[index % 3],
                "mail": MAILS[index % 3],
                "active": index % 3 != 1,
                "amount": amounts[index % 3],
                "tags": tags[index % 3],
            })
        })
        .collect();
    json!({
        "status": 200,
        "headers": {
            "retry-after": "30",
            "link": "<https://api.example.com/items?page=2>; rel=\"next\"",
        },
        "data": { "ok": true, "token": "t-1", "items": items },
    })
}
