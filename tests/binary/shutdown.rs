//! SIGTERM and SIGKILL: what a stop costs, and what the next start makes of it.

use std::collections::BTreeMap;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::process::Stdio;
use std::time::Duration;

use serde_json::{Value, json};
use tidewaiter::app::stub::Faults;

use crate::support::{Place, Provider, Request, Worker, envelope, eventually, oauth};

/// Every account has ended, and its published events are gapless and in order, each perhaps more than once.
#[track_caller]
fn all_ended(worker: &Worker, accounts: usize) -> Vec<Value> {
    let ended = eventually("every account ends", || {
        let list = worker.get("/integrated-account?limit=1000").with(200)["result"].as_array().unwrap().clone();
        assert_eq!(list.len(), accounts);
        list.iter().all(|account| account["status"] != "connecting").then_some(list)
    });
    eventually("every event is published", || {
        let mut seen: BTreeMap<String, Vec<i64>> = BTreeMap::new();
        for event in worker.published() {
            let known = seen.entry(event["subject"].to_string()).or_default();
            let sequence = event["data"]["sequence"].as_i64().unwrap();
            if !known.contains(&sequence) {
                assert_eq!(sequence, known.len() as i64 + 1, "a gap at {event}");
                known.push(sequence);
            }
        }
        ended
            .iter()
            .all(|account| {
                seen.get(&account["id"].to_string()).map(Vec::len) == account["sequence"].as_u64().map(|n| n as usize)
            })
            .then_some(())
    });
    ended
}

fn feed(place: &Place, count: usize, token: &str) {
    let bodies: Vec<Value> =
        (0..count).map(|n| envelope(&format!("m-{n}"), &oauth(&format!("t-{n}"), &format!("{token}-{n}")))).collect();
    place.import(&bodies).ended(0);
}

fn all_active(accounts: &[Value]) {
    for account in accounts {
        assert_eq!(account["status"], "active", "{account}");
    }
}

#[test]
fn a_stop_under_load_takes_no_longer_than_the_drain_and_loses_nothing() {
    let provider = Provider::with(Faults { latency_ms: 300, ..Faults::default() });
    let place = Place::with(&provider, &["limits.drain_ms = 8000", "worker.slots = 8"]);
    let mut worker = place.worker();
    feed(&place, 60, "good");
    eventually("some requests are under way", || (provider.requests("GET /oauth/userinfo") >= 8).then_some(()));
    worker.ask_to_stop();
    let (status, took) = worker.ended();
    assert_eq!(status.code(), Some(0));
    assert!(took.as_secs() < 8, "{took:?}");
    assert!(place.accounts().iter().any(|account| account["status"] == "connecting"), "there was work left");
    provider.set_faults(Faults::default());
    all_active(&all_ended(&place.worker(), 60));
}

#[test]
fn a_request_that_hangs_does_not_outlast_the_drain_and_is_made_again_by_the_next_start() {
    let provider = Provider::with(Faults { hang_percent: 100, ..Faults::default() });
    let place = Place::with(&provider, &["limits.drain_ms = 1000"]);
    let mut worker = place.worker();
    feed(&place, 3, "good");
    eventually("the requests hang", || (provider.requests("GET /oauth/userinfo") == 3).then_some(()));
    worker.ask_to_stop();
    let (status, took) = worker.ended();
    assert_eq!(status.code(), Some(0), "{}", worker.log());
    assert!(took.as_secs() < 10, "{took:?}");
    provider.set_faults(Faults::default());
    let worker = place.worker();
    all_active(&all_ended(&worker, 3));
    assert_eq!(worker.metric("tidewaiter_takeovers_total") as u64, 0, "they were given back, not found");
}

#[test]
fn killed_workers_lose_nothing_and_repeat_no_event_out_of_order() {
    let provider = Provider::with(Faults { latency_ms: 100, ..Faults::default() });
    let place = Place::with(&provider, &["worker.slots = 8"]);
    feed(&place, 40, "good");
    for kill in 1..=3 {
        let before = provider.requests("GET /oauth/userinfo");
        let worker = place.worker();
        eventually("this worker performs runs", || {
            (provider.requests("GET /oauth/userinfo") > before + 3).then_some(())
        });
        worker.kill();
        assert!(place.accounts().iter().any(|account| account["status"] == "connecting"), "kill {kill} hit nothing");
    }
    provider.set_faults(Faults::default());
    all_active(&all_ended(&place.worker(), 40));
}

#[test]
fn a_request_with_side_effects_that_a_kill_cut_off_is_not_sent_twice() {
    let provider = Provider::start();
    let place = Place::of(&provider);
    let file = place.path("integrations/harbour.json");
    let harbour = std::fs::read_to_string(&file).unwrap();
    // Without `on_unknown` a POST is not repeated blindly.
    std::fs::write(&file, harbour.replace("\"on_unknown\": \"retry\",", "")).unwrap();
    let worker = place.worker();
    // The first two requests pass, and the validation is not answered.
    let id = crate::support::post(worker.api, &[], &oauth("a", "good")).with(201)["id"].clone();
    let id = id.as_str().unwrap();
    assert_eq!(worker.settled(id)["status"], "active");
    provider.set_faults(Faults { latency_ms: 3000, ..Faults::default() });
    let sent = provider.requests("POST /v1/validate");
    let body = oauth("b", "good");
    let id = crate::support::post(worker.api, &[], &body).with(201)["id"].as_str().unwrap().to_owned();
    eventually("the validation is under way", || (provider.requests("POST /v1/validate") > sent).then_some(()));
    worker.kill();
    provider.set_faults(Faults::default());
    let worker = place.worker();
    let account = worker.settled(&id);
    assert_eq!(account["reason"]["code"], "outcome_unknown", "{account}");
    assert_eq!(account["status"], "validation_error");
    assert_eq!(provider.requests("POST /v1/validate"), sent + 1);
    worker.stop();
}

#[test]
fn a_request_with_side_effects_that_the_end_of_the_runs_time_cut_off_is_in_doubt() {
    let provider = Provider::start();
    let settings = [
        "limits.request_timeout_ms = 1000",
        "limits.connect_timeout_ms = 500",
        "limits.phase_budget_ms = 1000",
        "limits.max_wait_ms = 1000",
        "limits.run_deadline_ms = 1000",
    ];
    let place = Place::with(&provider, &settings);
    let file = place.path("integrations/harbour.json");
    let harbour = std::fs::read_to_string(&file).unwrap();
    let first = "\"config\": { \"path\": \"/oauth/userinfo\" }";
    assert!(harbour.contains(first));
    std::fs::write(&file, harbour.replace(first, "\"config\": { \"method\": \"post\", \"path\": \"/v1/validate\" }"))
        .unwrap();
    let worker = place.worker();
    let account = worker.import(&oauth("a", "hang"));
    assert_eq!(provider.requests("POST /v1/validate"), 1);
    assert_eq!(account["reason"]["code"], "outcome_unknown", "{account}");
    let id = account["id"].as_str().unwrap();
    let left = place.run(&["replay", "start", id, "--json"]).ended(1).json();
    assert_eq!(left["refused"], json!({ "outcome_unknown": 1 }));
    worker.stop();
}

#[test]
fn half_a_request_from_a_slow_client_does_not_hold_up_a_stop() {
    let place = Place::offline();
    for half in ["GET /integrated-account HT", "POST /integrated-account HTTP/1.1\r\ncontent-length: 100\r\n\r\n{"] {
        let mut worker = place.worker();
        let mut slow = TcpStream::connect(worker.api).unwrap();
        slow.write_all(half.as_bytes()).unwrap();
        worker.get("/integrated-account").with(200);
        worker.ask_to_stop();
        let (status, took) = worker.ended();
        assert_eq!(status.code(), Some(0));
        assert!(took.as_secs() < 10, "{took:?} for {half}");
        let _ = slow.read(&mut [0]);
    }
}

#[test]
fn a_reader_of_the_events_that_stops_reading_is_told_by_readiness_and_does_not_hold_up_a_stop() {
    let provider = Provider::start();
    let place = Place::of(&provider);
    // Nobody reads this pipe; it takes 64 KiB, and the events of 100 accounts are more.
    let mut worker = Worker::spawn_onto(&place, Stdio::piped());
    feed(&place, 100, "good");
    let unready = Request { method: "GET", path: "/readyz", headers: &[], body: b"" };
    eventually("readiness says that events are stuck", || {
        let answer = unready.send(worker.probes).ok()?;
        (answer.status == 503 && answer.text.contains("events cannot be published")).then_some(())
    });
    worker.ask_to_stop();
    let (status, took) = worker.ended();
    assert_eq!(status.code(), Some(0), "{}", worker.log());
    assert!(took < Duration::from_secs(26), "{took:?}");
}

#[test]
fn a_client_that_waits_is_answered_before_the_worker_stops() {
    let provider = Provider::start();
    let place = Place::with(&provider, &["limits.drain_ms = 4000"]);
    let mut worker = place.worker();
    let api = worker.api;
    let waiting = std::thread::spawn(move || crate::support::post(api, &[("prefer", "wait=60")], &oauth("a", "hang")));
    eventually("the request hangs", || (provider.requests("GET /oauth/userinfo") == 1).then_some(()));
    worker.ask_to_stop();
    assert_eq!(waiting.join().unwrap().with(201)["status"], json!("connecting"));
    assert_eq!(worker.ended().0.code(), Some(0));
}
