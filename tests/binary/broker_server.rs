//! A broker that goes away: one server, taken through everything that happens to servers, under one worker.
//!
//! The test brings a server of its own (`scripts/services`), which takes seconds, and hence is one test.

use std::time::{Duration, Instant};

use rustix::process::Signal;
use serde_json::Value;

use crate::shared::services::Services;
use crate::shared::vhost::Vhost;
use crate::support::{Mq, Place, Provider, Scratch, Worker, eventually, get, oauth, readiness, with_id};

const IMPORTS: &str = "tidewaiter.imports.eu";
const EVENTS: &str = "tidewaiter.events";
const ALL: &str = "all";

/// From the moment the port answers until everything flows again.
const RECOVERY: Duration = Duration::from_secs(10);
/// RabbitMQ forgets what it confirmed in a queue that it has just declared when it is killed.
const QUEUES_SETTLE: Duration = Duration::from_secs(5);

/// The server, a worker on it, and what came out of it.
struct Scene {
    server: Services,
    mq: Mq,
    place: Place,
    /// Each event once, by account and sequence, in the order of the first receipts.
    received: Vec<(String, u64)>,
    sent: usize,
}

impl Scene {
    /// Publishes imports to the broker.
    fn publish(&mut self, count: usize) {
        for _ in 0..count {
            self.sent += 1;
            let tenant = format!("tenant-{}", self.sent);
            self.mq.send(IMPORTS, with_id(&tenant), oauth(&tenant, &format!("good-{}", self.sent)).to_string());
        }
    }

    /// Imports over HTTP, which needs no broker.
    fn import(&mut self, worker: &Worker) {
        self.sent += 1;
        let account = worker.import(&oauth(&format!("tenant-{}", self.sent), &format!("good-{}", self.sent)));
        assert_eq!(account["status"], "active", "{account}\n{}", worker.log());
    }

    /// Waits until both events of everything that was sent have been received.
    #[track_caller]
    fn receive_all(&mut self) {
        while self.received.len() < 2 * self.sent {
            let message = self.mq.next(ALL);
            let event: Value = serde_json::from_slice(&message.data).unwrap();
            let (account, sequence) = (event["subject"].as_str().unwrap(), event["data"]["sequence"].as_u64().unwrap());
            let receipt = (account.to_owned(), sequence);
            if !self.received.contains(&receipt) {
                let earlier = self.received.iter().filter(|(other, _)| other == account).count() as u64;
                assert_eq!(earlier + 1, sequence, "the events of {account} are first received in their order");
                self.received.push(receipt);
            }
        }
    }

    /// The server answers again: within [`RECOVERY`] the worker is ready, and everything comes out.
    #[track_caller]
    fn recovers(&mut self, worker: &Worker, what: &str) {
        let since = Instant::now();
        self.mq.reopen();
        eventually(what, || (readiness(worker).0 == 200).then_some(()));
        self.publish(1);
        self.receive_all();
        assert!(since.elapsed() < RECOVERY, "{what}: {:?}\n{}", since.elapsed(), worker.log());
    }
}

fn not_ready(worker: &Worker, what: &str) {
    eventually(what, || (readiness(worker).0 == 503).then_some(()));
    assert_eq!(get(worker.probes, "/livez").status, 200, "a restart would not bring the broker back");
}

#[test]
fn a_worker_outlives_every_outage_of_its_broker_without_a_restart() {
    // Whether RabbitMQ is tested at all is told by the environment.
    if Vhost::make().is_none() {
        return;
    }
    let (home, provider) = (Scratch::new(), Provider::start());
    let server = Services::start(home.path("services"), "mq");
    let management = server.variable("TIDEWAITER_TEST_RABBITMQ_MANAGEMENT");
    let mq = Mq::of(Vhost::of(&server.variable("AMQP_URL"), &management));
    let url = format!("broker.url = \"{}\"", mq.vhost.url());
    let settings = [&*url, "broker.declare = true", r#"worker.regions = ["eu"]"#, r#"events.sink = "broker""#];
    let place = Place::with(&provider, &settings);
    let worker = place.worker();
    let declared = Instant::now();
    mq.declare(ALL, &[]);
    mq.bind(ALL, EVENTS, "#");
    let mut scene = Scene { server, mq, place, received: Vec::new(), sent: 0 };
    scene.publish(5);
    scene.receive_all();

    a_memory_alarm(&mut scene, &worker);
    an_orderly_stop(&mut scene, &worker);
    eventually("the queues are safe", || (declared.elapsed() > QUEUES_SETTLE).then_some(()));
    a_crash(&mut scene, &worker);
    worker.stop();
    down_at_the_start(&mut scene);
    assert_eq!(scene.place.accounts().len(), scene.sent, "each request has one account");
    assert_eq!(scene.received.len(), 2 * scene.sent);
}

/// The broker takes nothing and goes on delivering: accepts go on, events are kept.
fn a_memory_alarm(scene: &mut Scene, worker: &Worker) {
    // What is to be delivered under the alarm is published before it.
    worker.signal(Signal::STOP);
    scene.publish(5);
    scene.server.ask(&["ctl", "set_vm_memory_high_watermark", "0.00001"]);
    worker.signal(Signal::CONT);
    scene.import(worker);
    let all = scene.sent;
    eventually("what was queued is accepted", || (scene.place.accounts().len() == all).then_some(()));
    eventually("its events are kept", || (worker.metric("tidewaiter_outbox_events") >= 12.0).then_some(()));
    scene.server.ask(&["ctl", "set_vm_memory_high_watermark", "absolute", "2GB"]);
    scene.recovers(worker, "the alarm is over");
}

fn an_orderly_stop(scene: &mut Scene, worker: &Worker) {
    scene.server.ask(&["ctl", "stop_app"]);
    not_ready(worker, "the broker is stopped");
    scene.import(worker);
    scene.server.ask(&["ctl", "start_app"]);
    scene.recovers(worker, "the broker is started again");
}

fn a_crash(scene: &mut Scene, worker: &Worker) {
    scene.publish(10);
    scene.server.ask(&["kill", "mq"]);
    not_ready(worker, "the broker is dead");
    scene.import(worker);
    let (cpu, lines) = (worker.cpu_time(), worker.log().lines().count());
    let since = Instant::now();
    eventually("some tries go by", || (since.elapsed() > Duration::from_secs(6)).then_some(()));
    if let (Some(before), Some(after)) = (cpu, worker.cpu_time()) {
        let used = after.saturating_sub(before);
        assert!(used < Duration::from_millis(320), "a busy loop: {used:?} of 6 s\n{}", worker.log());
    }
    let told = worker.log().lines().count() - lines;
    assert!(told <= 12, "an outage is told once by each part: {told} lines in 6 s\n{}", worker.log());
    scene.server.ask(&["start", "mq"]);
    scene.recovers(worker, "the broker is back");
}

fn down_at_the_start(scene: &mut Scene) {
    scene.server.ask(&["kill", "mq"]);
    let worker = Worker::spawn(&scene.place);
    not_ready(&worker, "the worker starts without its broker");
    eventually("the worker serves its API", || (worker.get("/integrated-account").status == 200).then_some(()));
    scene.import(&worker);
    scene.server.ask(&["start", "mq"]);
    scene.recovers(&worker, "the broker is there at last");
    worker.stop();
}
