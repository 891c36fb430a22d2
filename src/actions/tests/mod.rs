//! The stepper driven by tables: no socket, no store, no clock.

mod answers;
mod bodies;
mod conditions;
mod crash;
mod custom;
mod failures;
mod gates;
mod loops;
mod paging;
mod probes;
mod properties;
mod references;
mod refresh;
mod rendering;
mod renewal;
mod steps;
mod unknown;
mod worked;

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Map, Value, json};
use uuid::Uuid;

use super::*;
use crate::definitions::{Effective, Integration, Plan};
use crate::lifecycle::{AuthenticationMethod, Failure, Phase, Region, RetryPolicy, Task};
use crate::upstream::{Request, Response, SendError};

/// 2026-01-01T00:00:00Z
pub(super) const NOW_MS: i64 = 1_767_225_600_000;

/// What the driver reports, in order: for a request, or for a refresh.
#[derive(Debug, Clone)]
pub(super) enum Reply {
    Json(u16, Value),
    With(u16, &'static str, &'static str, Value),
    /// A body that is no JSON, with its content type.
    Text(u16, &'static str, String),
    Lost(SendError),
    Token(Value),
    NoToken(Failure),
    /// The worker dies before it hears the answer.
    Crash,
}

/// What a run did.
pub(super) struct Ran {
    pub(super) outcome: Option<Outcome>,
    pub(super) sent: Vec<Request>,
    /// `send`, `save`, `refresh` and waits, as words.
    pub(super) log: Vec<String>,
    pub(super) stepper: Stepper,
    /// What was durable when the run ended or the worker died.
    pub(super) saved: Option<String>,
}

pub(super) fn object(value: Value) -> Map<String, Value> {
    serde_json::from_value(value).unwrap()
}

pub(super) fn plan_of(config: &Value) -> Arc<Plan> {
    let document = json!({ "id": Uuid::nil(), "name": "acme", "config": config });
    let mut effective = Effective::of(&Integration::parse(&document).unwrap());
    effective.environment_variables = object(json!({ "zone": "z1" }));
    effective.secret_environment_variables = object(json!({ "secret": "canary-env" }));
    Arc::new(Plan::compile(&effective).unwrap())
}

/// A start from the beginning: an API key that is not proven yet.
pub(super) fn start(config: &Value, context: Value) -> Start {
    Start {
        plan: plan_of(config),
        run_id: Uuid::from_u128(1),
        account: AccountFacts {
            id: Uuid::from_u128(2),
            tenant_id: "acme-1".to_owned(),
            region: Region::Eu,
            is_sandbox: false,
            authentication_method: AuthenticationMethod::ApiKey,
        },
        context: Arc::new(object(context)),
        task: Task::Phases(Phase::PostInstall),
        progress: None,
        seed: 7,
        retry: RetryPolicy::default(),
        limits: Limits::default(),
        refreshable: false,
        proven: false,
    }
}

/// A definition whose `post_install` is `steps`.
pub(super) fn post_install(steps: Value) -> Value {
    let mut config = json!({ "base_url": "https://api.example.test", "actions": { "post_install": {} } });
    config["actions"]["post_install"]["steps"] = steps;
    config
}

/// Runs to the end or to a crash, and uses every reply.
pub(super) fn run(start: Start, replies: &[Reply]) -> Ran {
    let mut replies: VecDeque<Reply> = replies.iter().cloned().collect();
    let ran = drive(start, &mut replies);
    assert!(replies.is_empty(), "not asked for: {replies:?}");
    ran
}

/// A request and a refresh take a second each, and a wait as long as it is.
pub(super) fn drive(start: Start, replies: &mut VecDeque<Reply>) -> Ran {
    let stepper = Stepper::new(start);
    let mut ran = Ran { outcome: None, sent: Vec::new(), log: Vec::new(), stepper, saved: None };
    let mut tick = Tick { now_ms: NOW_MS, active_ms: 0, jitter: 1 << 31 };
    let mut input = Input::Begin;
    for _ in 0..10_000 {
        input = match ran.stepper.next(input, tick) {
            Output::Send(request) => {
                ran.log.push("send".to_owned());
                ran.sent.push(request);
                pass(&mut tick, 1_000);
                match replies.pop_front().expect("a reply for each request") {
                    Reply::Json(status, body) => Input::Answered(response(status, &[], &body)),
                    Reply::With(status, name, value, body) => {
                        Input::Answered(response(status, &[(name, value)], &body))
                    }
                    Reply::Text(status, kind, body) => Input::Answered(Response {
                        status,
                        headers: vec![("content-type".to_owned(), kind.to_owned())],
                        body: body.into_bytes(),
                    }),
                    Reply::Lost(error) => Input::Unanswered(error),
                    Reply::Crash => return ran,
                    other => panic!("{other:?} does not answer a request"),
                }
            }
            Output::Save => {
                ran.log.push("save".to_owned());
                ran.saved = Some(serde_json::to_string(&ran.stepper.progress()).unwrap());
                Input::Saved
            }
            Output::Refresh => {
                ran.log.push("refresh".to_owned());
                pass(&mut tick, 1_000);
                match replies.pop_front().expect("a reply for each refresh") {
                    Reply::Token(context) => Input::Refreshed { context: object(context) },
                    Reply::NoToken(failure) => Input::NotRefreshed(failure),
                    Reply::Crash => return ran,
                    other => panic!("{other:?} does not answer a refresh"),
                }
            }
            Output::Wait { reason, after, .. } => {
                ran.log.push(format!("{reason:?} {}", after.as_millis()));
                pass(&mut tick, after.as_millis() as u64);
                Input::Waited
            }
            Output::Done(outcome) => {
                ran.outcome = Some(outcome);
                return ran;
            }
        };
    }
    panic!("the stepper does not end: {:?}", ran.log);
}

fn pass(tick: &mut Tick, ms: u64) {
    tick.now_ms += ms as i64;
    tick.active_ms += ms;
}

fn response(status: u16, headers: &[(&str, &str)], body: &Value) -> Response {
    let headers = headers.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    let body = if body.is_null() { Vec::new() } else { body.to_string().into_bytes() };
    Response { status, headers, body }
}

impl Ran {
    /// The failure of a run that failed in its phase.
    pub(super) fn failure(&self) -> &Failure {
        match &self.outcome {
            Some(Outcome::Failed { failure, .. }) => failure,
            other => panic!("not a failed phase: {other:?}"),
        }
    }

    /// The outcome in a few words, for tables.
    pub(super) fn ending(&self) -> String {
        match &self.outcome {
            None => "crashed".to_owned(),
            Some(Outcome::Succeeded) => "succeeded".to_owned(),
            Some(Outcome::Failed { phase, step, failure }) => {
                let phase = phase.map_or("action", Phase::as_str);
                format!("{phase} {} {}", step.as_deref().unwrap_or("-"), failure.code)
            }
            Some(Outcome::CredentialRefused { failure, .. }) => format!("refused {}", failure.code),
        }
    }

    /// A start that goes on from what was durable.
    pub(super) fn resumed(&self, mut start: Start) -> Start {
        start.progress = self.saved.as_ref().map(|saved| serde_json::from_str(saved).unwrap());
        start
    }

    pub(super) fn urls(&self) -> Vec<&str> {
        self.sent.iter().map(|request| request.url.as_str()).collect()
    }
}

#[test]
fn debug_output_shows_no_secret() {
    let config = json!({
        "base_url": "https://api.example.test", "headers": { "X-Key": "canary-literal" },
        "actions": {  "validation": { "type": "request", "config": { "path": "/", "method": "post",
            "body": { "k": "{{api_key}}" } } } },
    });
    let given = start(&config, json!({ "api_key": "canary-key" }));
    let plan = format!("{:?}", given.plan);
    let ran = run(given, &[Reply::Crash]);
    let shown = format!("{plan} {:?} {:?} {:?}", ran.stepper, ran.stepper.progress(), ran.sent);
    assert!(!shown.contains("canary"), "{shown}");
    assert!(ran.saved.unwrap().contains("canary-key"), "the progress itself holds the request");
}

#[test]
fn once_ended_the_answer_stays_the_same_and_a_driver_out_of_step_ends_the_run() {
    let tick = Tick { now_ms: NOW_MS, active_ms: 0, jitter: 0 };
    let mut ended = Stepper::new(start(&json!({}), json!({})));
    for input in [Input::Begin, Input::Waited, Input::Begin] {
        assert!(matches!(ended.next(input, tick), Output::Done(Outcome::Succeeded)));
    }
    let mut confused = Stepper::new(start(&json!({}), json!({})));
    let output = confused.next(Input::Answered(response(200, &[], &json!({}))), tick);
    assert!(matches!(output, Output::Done(Outcome::Failed { .. })));
}

#[test]
fn the_time_with_the_provider_is_bounded_and_waits_do_not_count() {
    let config = post_install(json!([{ "type": "request", "config": { "path": "/a" } }]));
    let limits = Limits { phase: Duration::from_millis(2_500), ..Limits::default() };
    let mut given = start(&config, json!({}));
    given.limits = limits;
    let ran = run(given, &vec![Reply::Json(503, json!({})); 3]);
    assert_eq!(ran.log, ["send", "Backoff 500", "send", "Backoff 1000", "send"]);
    assert_eq!(ran.sent[2].timeout, Duration::from_millis(500), "no request may outlast its phase");
    assert_eq!(ran.failure().code, crate::lifecycle::ReasonCode::UpstreamUnavailable);
}
