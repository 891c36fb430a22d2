//! Usual and odd statuses.

use serde_json::json;

use super::{Case, play};

fn status(name: &'static str) -> Case {
    Case::ask(name, json!({ "path": format!("/status/{name}") }))
}

#[test]
fn every_status_is_a_success_or_has_its_reason_and_its_attempts() {
    let good = |name: &'static str| {
        status(name).gets(json!({ "message": format!("this is {name}") })).times(1, &format!("GET /status/{name}"))
    };
    let bad = |name: &'static str, code, attempts| {
        status(name).fails(code).says(name).times(attempts, &format!("GET /status/{name}"))
    };
    let write = |name: &'static str, number: &str, attempts| {
        Case::ask(name, json!({ "path": format!("/status/{number}"), "method": "post" }))
            .fails("upstream_unavailable")
            .times(attempts, &format!("POST /status/{number}"))
    };
    let mut cases = vec![
        status("204").gets(json!(null)),
        // What comes before an answer is not it.
        status("100").gets(json!(true)),
        status("102").gets(json!(true)),
        status("103").gets(json!(true)),
        bad("101", "bad_response", 1),
        bad("304", "redirect_refused", 1),
        write("write-500", "500", 1),
        write("write-502", "502", 1),
        write("write-503", "503", 2),
    ];
    cases.extend(["200", "201", "202", "203", "205", "206", "207", "226", "299"].map(good));
    cases.extend(["300", "301", "302", "303", "305", "307", "308", "399"].map(|name| bad(name, "redirect_refused", 1)));
    cases.extend(
        ["400", "402", "404", "405", "406", "408", "409", "410", "418", "422", "423", "425", "451", "499"]
            .map(|name| bad(name, "upstream_rejected", 1)),
    );
    cases.extend([("401", "unauthorized"), ("403", "forbidden")].map(|(name, code)| bad(name, code, 1)));
    cases.extend(
        ["500", "501", "502", "503", "504", "507", "511", "599"].map(|name| bad(name, "upstream_unavailable", 2)),
    );
    cases.extend(["600", "999"].map(|name| bad(name, "bad_response", 1)));
    play(&cases).1.stop();
}
