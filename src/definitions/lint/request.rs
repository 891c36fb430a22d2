//! Members that compile and are still not what their author meant.

use serde_json::{Map, Value};

use super::{Finding, KEPT, join};

/// Looks at one object of the table, by its name there.
pub(super) fn object(name: &str, members: &Map<String, Value>, pointer: &str, found: &mut Vec<Finding>) {
    match name {
        "rate_limit" => rate_limit(members, pointer, found),
        "pagination_config" => pagination(members, pointer, found),
        "config" | "request" | "method" => request(members, pointer, found),
        "auth" => host(members, "tokenHost", pointer, found),
        _ => {}
    }
}

/// The members of a rate limit, what counts without each, and how one is written.
const RATE_LIMITS: [(&str, &str, &str); 3] = [
    ("is_rate_limited", "status 429", "status = 429"),
    ("retry_after_header_expression", "the Retry-After header", "$number(headers.`retry-after`)"),
    (
        "rate_limit_header_expression",
        "the RateLimit-Reset header",
        "{ 'remaining': $number(headers.`x-ratelimit-remaining`), 'reset': $number(headers.`x-ratelimit-reset`) }",
    ),
];

fn rate_limit(members: &Map<String, Value>, pointer: &str, found: &mut Vec<Finding>) {
    for (key, default, example) in RATE_LIMITS {
        let pointer = join(pointer, key);
        match members.get(key) {
            Some(Value::String(source)) if is_bare_header(source) => {
                let message = format!(
                    "`{source}` is a header's bare name, which as JSONata subtracts fields and has no value; what counts is {default}"
                );
                found.push(Finding::error("bare_header", pointer, message).fix(header_fix(key, source)));
            }
            None | Some(Value::Null | Value::String(_)) => {}
            Some(_) => {
                let message =
                    format!("must be JSONata in a string; as it is, it is left out, and what counts is {default}");
                found.push(
                    Finding::error("not_an_expression", pointer, message)
                        .fix(format!("remove it, or write for example `{example}`")),
                );
            }
        }
    }
}

/// The header as an expression, in the form that the member wants.
fn header_fix(key: &str, name: &str) -> String {
    let name = name.trim().to_ascii_lowercase();
    let number = format!("$number(headers.`{name}`)");
    let parts = ["remaining", "limit"].into_iter().find(|part| name.ends_with(part));
    match (key, parts) {
        ("is_rate_limited", _) => format!("write `$exists(headers.`{name}`)`"),
        ("rate_limit_header_expression", Some(part)) => format!("write `{{ '{part}': {number} }}`"),
        _ => format!("write `{number}`"),
    }
}

/// Whether a source is the name of a header and no expression that reads one.
pub(super) fn is_bare_header(source: &str) -> bool {
    let source = source.trim();
    let is_name = source.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
    is_name && source.contains('-') && source.starts_with(|c: char| c.is_ascii_alphabetic())
}

fn pagination(members: &Map<String, Value>, pointer: &str, found: &mut Vec<Finding>) {
    for key in members.keys().filter_map(|key| key.strip_suffix("_param")) {
        let other = format!("{key}_key");
        if members.contains_key(&other) {
            let alias = format!("{key}_param");
            found.push(
                Finding::warning(
                    "alias",
                    join(pointer, &alias),
                    format!("`{alias}` is another name of `{other}`, which is there too and goes first"),
                )
                .fix(format!("remove `{alias}`")),
            );
        }
    }
}

fn request(members: &Map<String, Value>, pointer: &str, found: &mut Vec<Finding>) {
    for key in ["base_url", "path"] {
        host(members, key, pointer, found);
    }
    if members.get("host_from_tenant") == Some(&Value::Bool(true)) {
        found.push(Finding::info(
            "host_from_account",
            join(pointer, "host_from_tenant"),
            "every account chooses the host that its credentials are sent to; only the address policy (`upstream.*`) limits it",
        ));
    }
    if let Some(Value::String(text)) = members.get("examples").and_then(|examples| examples.get("response"))
        && serde_json::from_str::<Value>(text).is_err()
    {
        let pointer = join(&join(pointer, "examples"), "response");
        found.push(
            Finding::warning("example", pointer, "the example is text that is not JSON")
                .fix("write the answer as JSON"),
        );
    }
    let key = "ignore_credentials_on_redirect";
    if members.get(key) == Some(&Value::Bool(true)) {
        found.push(Finding::info(
            KEPT,
            join(pointer, key),
            format!("`{key}` has no effect: redirects are never followed"),
        ));
    }
}

fn host(members: &Map<String, Value>, key: &str, pointer: &str, found: &mut Vec<Finding>) {
    let Some(url) = members.get(key).and_then(Value::as_str) else { return };
    let Some(rest) = url.get(..7).filter(|head| head.eq_ignore_ascii_case("http://")).and_then(|_| url.get(7..)) else {
        return;
    };
    let host = rest.split(['/', ':', '?', '#']).next().unwrap_or_default();
    if !matches!(host, "localhost" | "127.0.0.1" | "[") {
        found.push(
            Finding::warning("clear_text", join(pointer, key), "the credential would travel in clear")
                .fix("use https; http works only with hosts that `upstream.*` allows it for"),
        );
    }
}
