//! URLs: the first line chooses how the definition is written, each further line is a value that the account brings, as
//! JSON or as text.
//!
//! Promises: a request that is sent goes to the definition's scheme, host and port, without a user name, and below the
//! definition's path; a URL parser changes nothing about it; its headers are one line each.

use serde_json::{Map, Value, json};
use tidewaiter::actions::{Input, Output, Stepper, Tick};
use url::Url;

use super::answers::start;

const PATHS: [&str; 6] =
    ["/x/{{a}}", "x/{{a}}/y?z={{b}}", "{{a}}", "/{{a}}{{b}}?{{b}}", "/{{a|b}}/", "?q={{= a & b }}"];
const ARRAYS: [&str; 4] = ["comma", "brackets", "indices", "repeat"];

pub fn run(bytes: &[u8]) {
    let (first, rest) = super::lines(bytes);
    let choice = |index: usize| usize::from(first.as_bytes().get(index).copied().unwrap_or(0));
    let mut context = Map::new();
    for (name, line) in ["sub", "a", "b", "c"].into_iter().zip(rest.split('\n')) {
        let value = serde_json::from_str(line).unwrap_or_else(|_| Value::from(line));
        context.insert(name.to_owned(), value);
    }
    let config = json!({
        "base_url": "https://{{sub}}.pier.example/v1/{{c|a}}",
        "headers": { "x-a": "{{a}}", "x-b": "{{b:str|c}}" },
        "query": { "{{not}}": "a", "b": "{{b}}", "c": { "d": "{{c}}", "e": ["{{a}}", "{{b}}"] } },
        "query_array_format": ARRAYS[choice(1) % ARRAYS.len()],
        "actions": { "post_install": { "steps": [
            { "type": "request", "config": { "path": PATHS[choice(0) % PATHS.len()] } },
        ] } },
    });
    let mut stepper = Stepper::new(start(&config, context));
    let tick = Tick { now_ms: 1_767_225_600_000, active_ms: 0, jitter: 1 << 31 };
    let Output::Send(request) = stepper.next(Input::Begin, tick) else { return };
    // The client refuses what is no URL, such as a label that is no punycode.
    let Ok(url) = Url::parse(&request.url) else { return };
    assert_eq!((url.scheme(), url.username(), url.password(), url.port()), ("https", "", None, None), "{url}");
    let host = url.host_str().expect("it has a host");
    let label = host.strip_suffix(".pier.example").unwrap_or_else(|| panic!("another host: {}", request.url));
    assert!(!label.is_empty() && !label.contains('.'), "{}", request.url);
    assert!(url.path().starts_with("/v1/"), "{}", request.url);
    assert!(url.fragment().is_none(), "{}", request.url);
    let below = |text: &str| text.splitn(4, '/').nth(3).map(str::to_owned);
    assert_eq!(below(url.as_str()), below(&request.url), "the parser changes it");
    for (name, value) in &request.headers {
        assert!(!value.contains(['\r', '\n', '\0']), "{name}");
    }
}
