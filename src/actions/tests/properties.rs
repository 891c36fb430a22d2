//! Whatever the provider does, a run ends, and no request is sent more often than it may be.

use std::collections::HashMap;

use proptest::prelude::*;
use serde_json::{Value, json};

use super::{Input, NOW_MS, Output, Reply, Stepper, Tick, drive, post_install, response, start};
use crate::lifecycle::{Class, Failure, ReasonCode, RetryPolicy};
use crate::upstream::SendError;

fn config() -> Value {
    post_install(json!([
        { "type": "request", "config": { "path": "/0" } },
        { "type": "request", "config": { "path": "/1", "method": "post" } },
        { "type": "request", "idempotency_key": true, "config": { "path": "/2", "method": "post" } },
        { "type": "request", "on_unknown": "retry", "config": { "path": "/3", "method": "delete" } },
    ]))
}

/// What the provider does to a request or a refresh, as a number.
fn reply(choice: u8) -> Input {
    let text = || "m".to_owned();
    let limited = |value| response(429, &[("retry-after", value)], &json!({}));
    match choice % 12 {
        0..3 => Input::Answered(response(200, &[], &json!({ "id": 1 }))),
        3 => Input::Answered(response(401, &[], &json!({}))),
        4 => Input::Answered(limited("0")),
        5 => Input::Answered(limited("never")),
        6 => Input::Answered(response(503, &[], &json!({}))),
        7 => Input::Answered(response(500, &[], &json!({}))),
        8 => Input::Unanswered(SendError::Timeout(text())),
        9 => Input::Unanswered(SendError::Connect(text())),
        10 => Input::Unanswered(SendError::Broken(text())),
        _ => Input::Answered(limited("1")),
    }
}

fn refresh(choice: u8) -> Input {
    match choice % 3 {
        0 => Input::NotRefreshed(Failure::transient(ReasonCode::UpstreamUnavailable, "m")),
        1 => Input::NotRefreshed(Failure {
            class: Class::RateLimited,
            ..Failure::transient(ReasonCode::RateLimited, "m")
        }),
        _ => Input::Refreshed { context: serde_json::Map::new() },
    }
}

proptest! {
    #[test]
    fn whatever_an_account_brings_a_request_stays_on_its_host_and_under_its_path(
        sub in "\\PC{0,12}|[a-z0-9.:/@#?\\\\%-]{0,16}", segment in "\\PC{0,12}|[./%2eEfF\\\\?#@]{0,12}", value in "\\PC{0,12}",
    ) {
        let mut config = post_install(json!([{ "type": "request", "config": {
            "path": "/orgs/{{segment}}/users", "query": { "q": "{{value}}" }, "headers": { "X-A": "{{value}}" },
        } }]));
        config["base_url"] = json!("https://{{sub}}.h.test/v1/");
        let context = json!({ "sub": sub, "segment": segment, "value": value });
        let ran = drive(start(&config, context), &mut [Reply::Json(200, json!({}))].into());
        for request in ran.sent {
            let url = url::Url::parse(&request.url).unwrap();
            let host = url.host_str().unwrap();
            prop_assert!(host.ends_with(".h.test") && host.split('.').count() == 3, "{host}");
            prop_assert!(url.port().is_none() && url.username().is_empty() && url.fragment().is_none());
            let segments: Vec<&str> = url.path().split('/').collect();
            prop_assert_eq!((segments.len(), segments[1], segments[2], segments[4]), (5, "v1", "orgs", "users"));
            let pairs: Vec<(String, String)> = url.query_pairs().into_owned().collect();
            prop_assert_eq!(pairs, [("q".to_owned(), value.clone())]);
            prop_assert!(request.headers.iter().all(|(_, value)| value.bytes().all(|byte| (0x20..0x7f).contains(&byte))));
        }
    }

    #[test]
    fn a_run_ends_and_sends_each_request_a_bounded_number_of_times(
        choices in prop::collection::vec(any::<u8>(), 1..40), // repeated for ever
        refreshable in any::<bool>(), jitter in any::<u32>(), attempts in 1_u32..6, base_ms in 0_u64..2_000,
        crashes in prop::collection::vec(0_usize..200, 0..3),
    ) {
        let given = || {
            let mut given = start(&config(), json!({}));
            given.refreshable = refreshable;
            given.retry = RetryPolicy { attempts, base_ms, cap_ms: 30_000 };
            given
        };
        let mut stepper = Stepper::new(given());
        let (mut sends, mut saved, mut input) = (HashMap::<String, u32>::new(), None, Input::Begin);
        let tick = Tick { now_ms: NOW_MS, active_ms: 0, jitter };
        let mut choices = choices.iter().cycle();
        let mut ended = false;
        for turn in 0..5_000 {
            let output = stepper.next(input, tick);
            if crashes.contains(&turn) {
                let mut again = given();
                again.progress = saved.clone();
                stepper = Stepper::new(again);
                input = Input::Begin;
                continue;
            }
            let choice = *choices.next().unwrap_or(&0);
            input = match output {
                Output::Send(request) => {
                    *sends.entry(request.url).or_default() += 1;
                    reply(choice)
                }
                Output::Save => { saved = Some(stepper.progress()); Input::Saved }
                Output::Refresh => refresh(choice),
                Output::Wait { .. } => Input::Waited,
                Output::Done(_) => { ended = true; break; }
            };
        }
        prop_assert!(ended, "after 5,000 turns: {:?}", sends);
        // The policy's attempts, one replay with a new token, and the answers that ask to wait, for each life.
        let lives = crashes.len() as u32 + 1;
        for (url, count) in sends {
            prop_assert!(count <= lives * (attempts + 1 + 100), "{url} was sent {count} times");
        }
    }

    #[test]
    fn a_write_whose_answer_may_be_lost_is_never_sent_again(
        choices in prop::collection::vec(any::<u8>(), 1..40), crashes in prop::collection::vec(0_usize..60, 0..4),
        goes_on in any::<bool>(), looped in any::<bool>(), probed in any::<bool>(), refreshable in any::<bool>(),
    ) {
        let mut step = json!({ "type": "request", "continue_on_error": goes_on, "config": { "path": "/w", "method": "post" } });
        if looped {
            step["loop_on"] = json!("[1, 2, 3]");
            step["config"]["path"] = json!("/w/{{item}}");
        }
        if probed {
            step["on_unknown"] = json!("probe");
            step["probe"] = json!({ "request": { "path": "/probe" }, "expression": "data.happened" });
        }
        let last = json!({ "type": "request", "config": { "path": "/last", "method": "post" } });
        let config = post_install(json!([step, last]));
        let given = || {
            let mut given = start(&config, json!({}));
            given.refreshable = refreshable;
            given
        };
        let mut stepper = Stepper::new(given());
        let tick = Tick { now_ms: NOW_MS, active_ms: 0, jitter: 0 };
        // Writes that may have had their effect, until a probe says that the last one had none.
        let (mut input, mut saved, mut effects) = (Input::Begin, None::<String>, Vec::<String>::new());
        let mut choices = choices.iter().cycle();
        let mut ended = false;
        for turn in 0..5_000 {
            let output = stepper.next(input, tick);
            let crash = crashes.contains(&turn);
            input = match output {
                Output::Send(request) if request.method == "GET" => {
                    let choice = *choices.next().unwrap_or(&0);
                    let said = [json!(true), json!(false), json!(null)][usize::from(choice) % 3].clone();
                    if choice < 64 {
                        reply(choice)
                    } else {
                        if said == false && !crash {
                            effects.pop();
                        }
                        Input::Answered(response(200, &[], &json!({ "happened": said })))
                    }
                }
                Output::Send(request) => {
                    prop_assert!(!effects.contains(&request.url), "{} sent again although it may have had its effect", request.url);
                    let input = reply(*choices.next().unwrap_or(&0));
                    let doubtful = crash || match &input {
                        Input::Unanswered(error) => error.may_have_been_sent(),
                        Input::Answered(response) => response.status < 400 || response.status == 500,
                        _ => false,
                    };
                    effects.extend(doubtful.then_some(request.url));
                    input
                }
                Output::Save => {
                    if !crash || turn % 2 == 0 {
                        saved = Some(serde_json::to_string(&stepper.progress()).unwrap());
                    }
                    Input::Saved
                }
                Output::Refresh => refresh(*choices.next().unwrap_or(&0)),
                Output::Wait { .. } => Input::Waited,
                Output::Done(_) => { ended = true; break; }
            };
            if crash {
                // The worker dies: with the request under way, or just before or after what it saves is durable.
                let mut again = given();
                again.progress = saved.as_ref().map(|saved| serde_json::from_str(saved).unwrap());
                stepper = Stepper::new(again);
                input = Input::Begin;
            }
        }
        prop_assert!(ended, "after 5,000 turns");
    }
}
