//! A broker that is there and misbehaves: connections closed, silent or mute, a queue deleted, events refused or taken by
//! nobody. Between worker and broker is a proxy; the test itself speaks to the broker directly.

use std::time::{Duration, Instant};

use lapin::types::AMQPValue;
use serde_json::Value;

use crate::shared::proxy::Proxy;
use crate::support::{Mq, Place, Provider, Worker, eventually, get, oauth, readiness, with_id};

/// The queue of the region that [`oauth`] names.
const IMPORTS: &str = "tidewaiter.imports.eu";
const EVENTS: &str = "tidewaiter.events";
/// The test's queue of all events.
const ALL: &str = "all";

/// From the moment at which the broker can be reached again until a message has become an account and its events.
const RECOVERY: Duration = Duration::from_secs(10);
/// The same after a connection carried nothing for a while, which only heartbeats tell.
const HEALED: Duration = Duration::from_secs(15);
/// A connection is given up after two heartbeats of 10 s without a sign; the rest is for replacing it.
const SILENCE: Duration = Duration::from_secs(25);

/// Everything goes over the broker, and the worker declares what it needs there.
const DECLARED: [&str; 2] = ["broker.declare = true", r#"events.sink = "broker""#];

/// A worker in front of a proxied broker.
struct Scene {
    mq: Mq,
    proxy: Proxy,
    worker: Worker,
    sent: u32,
    // They live as long as the worker.
    _place: Place,
    _provider: Provider,
}

impl Scene {
    /// One whose worker is ready, and whose events are all collected. `None` without a broker to test on.
    fn make(settings: &[&str]) -> Option<Self> {
        let scene = Self::spawn(settings, |_| {})?;
        eventually("the worker is ready", || (readiness(&scene.worker).0 == 200).then_some(()));
        scene.mq.declare(ALL, &[]);
        scene.mq.bind(ALL, EVENTS, "#");
        Some(scene)
    }

    /// One whose worker has just been started, after `before`.
    fn spawn(settings: &[&str], before: impl FnOnce(&Proxy)) -> Option<Self> {
        let mq = Mq::make()?;
        let proxy = Proxy::start(mq.vhost.address()).unwrap();
        before(&proxy);
        let provider = Provider::start();
        let url = format!("broker.url = \"{}\"", mq.vhost.url_by(proxy.address.port()));
        let fixed = [url.as_str(), r#"worker.regions = ["eu"]"#];
        let place = Place::with(&provider, &[&fixed[..], settings].concat());
        let worker = Worker::spawn(&place);
        Some(Self { mq, proxy, worker, sent: 0, _place: place, _provider: provider })
    }

    /// Publishes an import and waits until its account's events have come out, in order; how long that took.
    #[track_caller]
    fn round_trip(&mut self) -> Duration {
        let since = Instant::now();
        self.sent += 1;
        let tenant = format!("tenant-{}", self.sent);
        self.mq.send(IMPORTS, with_id(&tenant), oauth(&tenant, &format!("good-{}", self.sent)).to_string());
        let mut next = 1;
        while next <= 2 {
            let event: Value = serde_json::from_slice(&self.mq.next(ALL).data).unwrap();
            // An event whose confirmation was lost comes again.
            if event["data"]["account"]["tenant_id"] == tenant.as_str() && event["data"]["sequence"] == next {
                next += 1;
            }
        }
        since.elapsed()
    }

    #[track_caller]
    fn round_trip_within(&mut self, limit: Duration) {
        let took = self.round_trip();
        assert!(took < limit, "{took:?}\n{}", self.worker.log());
    }
}

/// What a worker did while it could do nothing: a busy loop would show.
struct Idle {
    since: Instant,
    cpu: Option<Duration>,
    lines: usize,
}

impl Idle {
    fn begin(worker: &Worker) -> Self {
        Self { since: Instant::now(), cpu: worker.cpu_time(), lines: worker.log().lines().count() }
    }

    /// At most a twentieth of a core and two lines a second.
    #[track_caller]
    fn end(self, worker: &Worker) {
        let took = self.since.elapsed().max(Duration::from_secs(1));
        if let (Some(before), Some(after)) = (self.cpu, worker.cpu_time()) {
            // The kernel counts in hundredths of a second.
            let used = after.saturating_sub(before).saturating_sub(Duration::from_millis(20));
            assert!(used < took / 20, "{used:?} of {took:?}\n{}", worker.log());
        }
        let lines = worker.log().lines().count() - self.lines;
        assert!(lines <= 6 + 2 * took.as_secs() as usize, "{lines} lines in {took:?}\n{}", worker.log());
    }
}

#[test]
fn closed_connections_are_replaced() {
    let Some(mut scene) = Scene::make(&DECLARED) else { return };
    scene.round_trip();
    assert!(scene.proxy.cut() >= 2, "consuming and publishing have a connection each");
    scene.round_trip_within(RECOVERY);
    assert!(scene.mq.vhost.close_connections("tidewaiter") >= 1);
    scene.round_trip_within(RECOVERY);
    scene.worker.stop();
}

#[test]
fn silent_connections_are_noticed_and_replaced() {
    let Some(mut scene) = Scene::make(&DECLARED) else { return };
    scene.round_trip();
    assert!(scene.proxy.silence() >= 2);
    scene.round_trip_within(SILENCE + RECOVERY);
    scene.worker.stop();
}

#[test]
fn a_network_that_carries_nothing_for_a_while_costs_seconds_when_it_does_again() {
    let Some(mut scene) = Scene::make(&DECLARED) else { return };
    scene.round_trip();
    assert!(scene.proxy.hold() >= 2);
    let (idle, begun) = (Idle::begin(&scene.worker), scene.proxy.made());
    // Heartbeats are missed, and new connections are as mute.
    eventually("it connects again", || (scene.proxy.made() > begun).then_some(()));
    idle.end(&scene.worker);
    scene.proxy.heal();
    scene.round_trip_within(HEALED);
    eventually("the worker is ready", || (readiness(&scene.worker).0 == 200).then_some(()));
    scene.worker.stop();
}

#[test]
fn a_broker_that_never_finishes_the_handshake_is_given_up_and_tried_again() {
    let Some(mut scene) = Scene::spawn(&DECLARED, |proxy| {
        proxy.hold();
    }) else {
        return;
    };
    let idle = Idle::begin(&scene.worker);
    let first = eventually("it connects", || Some(scene.proxy.made()).filter(|made| *made > 0));
    // Each of its sessions connects once; twice as many means that none of them waits for ever.
    eventually("it gives up and connects again", || (scene.proxy.made() >= 2 * first.max(3)).then_some(()));
    idle.end(&scene.worker);
    assert_eq!(readiness(&scene.worker).0, 503);
    assert_eq!(get(scene.worker.probes, "/livez").status, 200);
    scene.proxy.heal();
    let since = Instant::now();
    eventually("the worker is ready", || (readiness(&scene.worker).0 == 200).then_some(()));
    assert!(since.elapsed() < HEALED, "{:?}\n{}", since.elapsed(), scene.worker.log());
    scene.mq.declare(ALL, &[]);
    scene.mq.bind(ALL, EVENTS, "#");
    scene.round_trip_within(HEALED);
    scene.worker.stop();
}

#[test]
fn a_queue_that_is_deleted_is_missed_by_name_and_used_again_when_it_is_back() {
    let bare = [
        "broker.declare = false",
        r#"broker.imports_exchange = """#,
        r#"broker.default_exchange = """#,
        r#"broker.dead_queue = """#,
        r#"broker.events_exchange = """#,
        r#"events.sink = "stdout""#,
    ];
    let Some(scene) = Scene::spawn(&bare, |_| {}) else { return };
    let accepted = || scene.worker.metric("tidewaiter_intake_total{channel=\"amqp\",outcome=\"accepted\",reason=\"\"}");
    scene.mq.declare(IMPORTS, &[]);
    scene.mq.send(IMPORTS, with_id("m-1"), oauth("a", "good-1").to_string());
    eventually("the worker finds the queue", || (accepted() >= 1.0).then_some(()));
    scene.mq.delete(IMPORTS);
    let told = eventually("the worker is not ready", || {
        let (status, told) = readiness(&scene.worker);
        (status == 503).then_some(told)
    });
    assert!(told["intake"].as_str().unwrap_or_default().contains(IMPORTS), "{told}");
    let idle = Idle::begin(&scene.worker);
    eventually("some tries go by", || (idle.since.elapsed() > Duration::from_secs(6)).then_some(()));
    idle.end(&scene.worker);
    scene.mq.declare(IMPORTS, &[]);
    let since = Instant::now();
    scene.mq.send(IMPORTS, with_id("m-2"), oauth("a", "good-2").to_string());
    eventually("the next one is accepted", || (accepted() >= 2.0).then_some(()));
    eventually("the worker is ready", || (readiness(&scene.worker).0 == 200).then_some(()));
    assert!(since.elapsed() < RECOVERY, "{:?}\n{}", since.elapsed(), scene.worker.log());
    scene.worker.stop();
}

#[test]
fn events_that_the_broker_refuses_are_kept_and_published_in_order_when_it_takes_them() {
    let Some(mut scene) = Scene::make(&DECLARED) else { return };
    scene.round_trip();
    // A queue that is full and says so; what goes to it is refused as a whole.
    scene.mq.declare(
        "full",
        &[
            ("x-queue-type", AMQPValue::LongString("classic".into())),
            ("x-max-length", AMQPValue::LongInt(1)),
            ("x-overflow", AMQPValue::LongString("reject-publish".into())),
        ],
    );
    scene.mq.send("full", with_id("it is full now"), "");
    scene.mq.bind("full", EVENTS, "#");
    let account = scene.worker.import(&oauth("refused", "good"));
    assert_eq!(account["status"], "active", "{account}");
    eventually("its events are not published", || {
        let failures = scene.worker.metric("tidewaiter_event_publish_failures_total");
        (failures >= 2.0 && scene.worker.metric("tidewaiter_outbox_events") >= 2.0).then_some(())
    });
    let idle = Idle::begin(&scene.worker);
    eventually("some tries go by", || (idle.since.elapsed() > Duration::from_secs(3)).then_some(()));
    idle.end(&scene.worker);
    scene.mq.delete("full");
    eventually("the outbox is empty", || (scene.worker.metric("tidewaiter_outbox_events") == 0.0).then_some(()));
    let mut sequences = Vec::new();
    while sequences.last() != Some(&2) {
        // The other queue got each of the refused ones.
        let event: Value = serde_json::from_slice(&scene.mq.next(ALL).data).unwrap();
        sequences.extend(event["data"]["sequence"].as_u64());
    }
    sequences.dedup();
    assert_eq!(sequences, [1, 2], "the second waits for the first");
    scene.worker.stop();
}

#[test]
fn events_that_no_queue_takes_are_counted_and_hold_nothing_up() {
    let Some(mut scene) = Scene::make(&DECLARED) else { return };
    scene.round_trip();
    scene.mq.unbind(ALL, EVENTS, "#");
    let account = scene.worker.import(&oauth("nobody", "good"));
    assert_eq!(account["status"], "active", "{account}");
    eventually("both are told as unroutable", || {
        (scene.worker.metric("tidewaiter_events_unroutable_total") >= 2.0).then_some(())
    });
    eventually("the outbox is empty", || (scene.worker.metric("tidewaiter_outbox_events") == 0.0).then_some(()));
    let told = scene.worker.log().lines().filter(|line| line.contains("no queue")).count();
    assert_eq!(told, 1, "it is told once a minute: {}", scene.worker.log());
    scene.mq.bind(ALL, EVENTS, "#");
    scene.round_trip_within(RECOVERY);
    scene.worker.stop();
}
