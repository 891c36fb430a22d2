//! What a provider answers, to every request alike. The first line: a letter for the answer's format, one for the kind of
//! pagination, one for the expressions, and the status; then headers, one a line, up to an empty line; then the body.
//!
//! Promises: nothing panics; a run ends within a bounded number of requests, none of which goes to another host; a 401
//! that nothing reinterprets is the credential's; the account's secret is in no failure.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::{LazyLock, Mutex};

use serde_json::{Map, Value, json};
use tidewaiter::actions::{AccountFacts, Input, Limits, Outcome, Output, Start, Stepper, Tick};
use tidewaiter::definitions::{Effective, Integration, Plan};
use tidewaiter::lifecycle::{AuthenticationMethod, Class, Phase, Region, RetryPolicy, Task};
use tidewaiter::upstream::Response;
use uuid::Uuid;

const HOST: &str = "https://pier.example/";
const FORMATS: [Option<&str>; 5] = [None, Some("json"), Some("xml"), Some("csv"), Some("text")];

/// The outputs of one run: pages, their attempts, the waits and saves between.
const MAX_OUTPUTS: usize = 5_000;

static PLANS: LazyLock<Mutex<HashMap<String, Arc<Plan>>>> = LazyLock::new(Mutex::default);

pub fn run(bytes: &[u8]) {
    let (first, rest) = super::lines(bytes);
    let (head, body) = rest.split_once("\n\n").unwrap_or((&rest, ""));
    let choice = |index: usize| usize::from(first.as_bytes().get(index).copied().unwrap_or(b'0').wrapping_sub(b'0'));
    let status = first.get(3..).and_then(|text| text.trim().parse().ok()).unwrap_or(200);
    let headers = head.lines().filter_map(|line| line.split_once(':'));
    let headers: Vec<_> =
        headers.map(|(name, value)| (name.trim().to_ascii_lowercase(), value.trim().to_owned())).collect();
    let config = config(FORMATS[choice(0) % FORMATS.len()], choice(1) % PAGINATIONS, choice(2) % 4);
    let answer = Response { status, headers, body: body.as_bytes().to_vec() };
    let context = Map::from_iter([("api_key".to_owned(), json!("canary-0f3a"))]);
    let outcome = driven(Stepper::new(start(&config, context)), &answer);
    if let Outcome::Failed { failure, .. } | Outcome::CredentialRefused { failure, .. } = &outcome {
        let told = body.contains("canary") || head.contains("canary");
        assert!(told || !failure.message.contains("canary-0f3a"), "{failure:?}");
    }
    if status == 401 && choice(2) % 4 == 0 {
        let Outcome::Failed { failure, .. } = outcome else { panic!("{outcome:?}") };
        assert_eq!(failure.class, Class::Unauthorized, "{failure:?}");
    }
}

fn driven(mut stepper: Stepper, answer: &Response) -> Outcome {
    let mut tick = Tick { now_ms: 1_767_225_600_000, active_ms: 0, jitter: 1 << 31 };
    let mut input = Input::Begin;
    for _ in 0..MAX_OUTPUTS {
        input = match stepper.next(input, tick) {
            Output::Send(request) => {
                assert!(request.url.starts_with(HOST), "{}", request.url);
                tick.active_ms += 1_000;
                Input::Answered(answer.clone())
            }
            Output::Save => {
                drop(serde_json::to_string(&stepper.progress()).expect("progress is JSON"));
                Input::Saved
            }
            Output::Wait { after, .. } => {
                tick.now_ms += after.as_millis() as i64;
                Input::Waited
            }
            Output::Refresh => panic!("there is no token to refresh"),
            Output::Done(outcome) => {
                drop(serde_json::to_string(stepper.trace()).expect("a trace is JSON"));
                return outcome;
            }
        };
    }
    panic!("the run does not end")
}

const PAGINATIONS: usize = 6;

fn pagination(kind: usize) -> Option<Value> {
    let (format, mut config) = match kind {
        1 => ("page", json!({})),
        2 => ("cursor", json!({ "cursor_path": "next", "cursor_key": "after" })),
        3 => ("link_header", json!({})),
        4 => ("offset", json!({})),
        5 => ("range", json!({})),
        _ => return None,
    };
    // A walk to the bound of 1,000 shows nothing that a shorter one does not, and takes ten times as long.
    config["max_pages"] = json!(100);
    Some(json!({ "format": format, "config": config }))
}

fn config(format: Option<&str>, paging: usize, expressions: usize) -> Value {
    let mut config = json!({
        "base_url": "https://pier.example",
        "headers": { "x-key": "{{api_key}}" },
        "actions": { "post_install": { "steps": [
            { "type": "request", "name": "one", "config": { "path": "/one" } },
            { "type": "update_context", "config": { "expression": "{ 'seen': $previous }" } },
        ] } },
    });
    if let Some(format) = format {
        config["api_response_format"] = json!(format);
    }
    let step = &mut config["actions"]["post_install"]["steps"][0]["config"];
    if let Some(pagination) = pagination(paging) {
        step["pagination"] = pagination;
        config["actions"]["post_install"]["steps"][0]["paginate"] = json!(true);
    }
    match expressions {
        1 => {
            config["error_expression"] =
                json!("response.error ? { 'status': response.code, 'message': response.error }");
        }
        2 => {
            config["rate_limit"] = json!({
                "is_rate_limited": "status = 429 or headers.`x-limited` = 'yes'",
                "retry_after_header_expression": "$number(headers.`retry-after`)",
                "rate_limit_header_expression": "{ 'limit': headers.`x-limit`, 'remaining': headers.`x-remaining` }",
            });
        }
        3 => config["actions"]["post_install"]["steps"][0]["config"]["response_path"] = json!("data.items[0]"),
        _ => {}
    }
    config
}

/// A start from the beginning, with an API key that is not proven yet. Plans are compiled once.
pub fn start(config: &Value, context: Map<String, Value>) -> Start {
    let mut plans = PLANS.lock().expect("nobody panics with it");
    let plan = plans.entry(config.to_string()).or_insert_with(|| {
        let document = json!({ "id": Uuid::nil(), "name": "pier", "config": config });
        let integration = Integration::parse(&document).expect("the target's own definition");
        Arc::new(Plan::compile(&Effective::of(&integration)).expect("the target's own definition"))
    });
    Start {
        plan: Arc::clone(plan),
        run_id: Uuid::nil(),
        account: AccountFacts {
            id: Uuid::nil(),
            tenant_id: "acme".to_owned(),
            region: Region::Eu,
            is_sandbox: false,
            authentication_method: AuthenticationMethod::ApiKey,
        },
        context: Arc::new(context),
        task: Task::Phases(Phase::PostInstall),
        progress: None,
        seed: 7,
        retry: RetryPolicy::default(),
        limits: Limits::default(),
        refreshable: false,
        proven: false,
    }
}
