//! `GET /events` and `events tail`.

use serde_json::Value;

use crate::support::{Place, Provider, Request, Stream, eventually, get, lines, oauth};

fn told(stream: &mut Stream, id: &Value) -> Vec<(String, Value)> {
    let mut told = Vec::new();
    while told.len() < 2 {
        let event = stream.next().unwrap();
        if event.data["subject"] == *id {
            assert_eq!(event.kind, event.data["type"]);
            told.push((event.id, event.data));
        }
    }
    told
}

#[test]
fn a_stream_tells_events_as_they_are_committed_and_goes_on_from_the_last_one() {
    let provider = Provider::start();
    let place = Place::of(&provider);
    let worker = place.worker();
    let mut stream = Stream::open(worker.api, "/events", &[]);
    let account = worker.import(&oauth("a", "good"));
    let live = told(&mut stream, &account["id"]);
    let sequences: Vec<_> = live.iter().map(|(_, event)| event["data"]["sequence"].as_i64().unwrap()).collect();
    assert_eq!(sequences, [1, 2]);
    // A client that comes back hears everything since then, some of it again.
    let other = worker.import(&oauth("b", "good"));
    let mut resumed = Stream::open(worker.api, "/events", &[("last-event-id", &live[1].0)]);
    assert_eq!(told(&mut resumed, &other["id"]).len(), 2);
    worker.stop();
}

#[test]
fn a_stream_that_resumes_from_nonsense_is_refused() {
    let place = Place::offline();
    let worker = place.worker();
    for headers in [[("last-event-id", "x")], [("last-event-id", "99999999999999999999999-a/1")]] {
        let request = Request { method: "GET", path: "/events", headers: &headers, body: b"" };
        assert_eq!(request.send(worker.api).unwrap().status, 400);
    }
    for query in ["from=yesterday", "since=2026-01-01T00:00:00Z"] {
        assert_eq!(get(worker.api, &format!("/events?{query}")).status, 400);
    }
    worker.stop();
}

#[test]
fn an_open_stream_ends_with_the_worker_and_does_not_hold_it_up() {
    let place = Place::offline();
    let mut worker = place.worker();
    let mut stream = Stream::open(worker.api, "/events", &[]);
    worker.ask_to_stop();
    let (status, took) = worker.ended();
    assert_eq!(status.code(), Some(0));
    assert!(took.as_secs() < 5, "{took:?}");
    assert!(stream.next().is_none());
}

#[test]
fn the_tail_prints_every_event_once_and_in_order() {
    let provider = Provider::start();
    let place = Place::of(&provider);
    let worker = place.worker();
    let ids: Vec<_> = ["good", "no-scope", "good"].map(|token| worker.import(&oauth("a", token))["id"].clone()).into();
    let tail = |more: &[&str]| {
        let arguments = [&["events", "tail", "--all", "--no-follow", "--json"], more].concat();
        lines(&place.run(&arguments).ended(0).stdout)
    };
    let all = tail(&[]);
    assert_eq!(all.len(), 6);
    for id in &ids {
        let sequences: Vec<_> =
            all.iter().filter(|event| event["subject"] == *id).map(|event| event["data"]["sequence"].clone()).collect();
        assert_eq!(sequences, [1, 2]);
        assert_eq!(tail(&["--account", id.as_str().unwrap()]).len(), 2);
    }
    let mut published = eventually("all events are published", || {
        let published = worker.published();
        (published.len() == 6).then_some(published)
    });
    let by_id = |event: &Value| event["id"].to_string();
    let mut all = all;
    published.sort_by_key(by_id);
    all.sort_by_key(by_id);
    assert_eq!(all, published, "what is told later is what was published, byte for byte");
    worker.stop();
}
