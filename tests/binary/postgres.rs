//! A worker on PostgreSQL whose database is down at the start, goes away, and comes back.
//!
//! The test brings a server of its own (`scripts/services`). Without `TIDEWAITER_TEST_POSTGRES` it says so and passes,
//! but where `CI` is set it fails then.

use std::time::{Duration, Instant};

use crate::shared::services::Services;
use crate::support::{Place, Provider, Request, Scratch, Worker, eventually, get, oauth};

/// From the moment the port answers until the worker is ready.
const RECOVERY: Duration = Duration::from_secs(10);

#[expect(clippy::disallowed_methods, reason = "whether there is a server is told by the environment")]
fn is_tested() -> bool {
    let tested = std::env::var("TIDEWAITER_TEST_POSTGRES").is_ok();
    assert!(
        tested || std::env::var("CI").is_err(),
        "TIDEWAITER_TEST_POSTGRES is not set, and this must be tested here"
    );
    tested
}

/// A server of the test's own.
pub struct Server {
    pub services: Services,
    _home: Scratch,
}

impl Server {
    /// None where that is not tested.
    pub fn start() -> Option<Self> {
        if !is_tested() {
            return None;
        }
        let home = Scratch::new();
        Some(Self { services: Services::start(home.path("services"), "pg"), _home: home })
    }

    /// A place on it, made of these settings, with a key and without a schema.
    pub fn bare(&self, make: impl FnOnce(&[&str]) -> Place) -> Place {
        let url = format!("database.url = \"{}\"", self.services.variable("DATABASE_URL"));
        let place = make(&[url.as_str(), "seal.key_file = \"keys\""]);
        let file = place.scratch.write("keys", "k1:AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=\n");
        std::fs::set_permissions(&file, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
        place
    }

    /// The same with its schema and definitions.
    pub fn place(&self, make: impl FnOnce(&[&str]) -> Place) -> Place {
        let place = self.bare(make);
        place.run(&["migrate"]).ended(0);
        place.run(&["definitions", "apply"]).ended(0);
        place
    }
}

fn readiness(worker: &Worker) -> u16 {
    let ready = Request { method: "GET", path: "/readyz", headers: &[], body: b"" };
    ready.send(worker.probes).map_or(0, |answer| answer.status)
}

/// The server comes back; the worker has to notice by itself.
fn comes_back(server: &Services, worker: &Worker) {
    server.ask(&["start", "pg"]);
    let since = Instant::now();
    eventually("the worker is ready again", || (readiness(worker) == 200).then_some(()));
    assert!(since.elapsed() < RECOVERY, "{:?}\n{}", since.elapsed(), worker.log());
}

#[test]
fn a_worker_waits_for_its_database_and_outlives_its_crash_without_a_restart() {
    let Some(server) = Server::start() else { return };
    let provider = Provider::start();
    let place = server.bare(|settings| Place::with(&provider, settings));
    let (server, address) = (&server.services, server.services.variable("DATABASE_URL"));
    let said = place.run(&["run"]).ended(3).stderr;
    assert!(said.contains("tidewaiter migrate"), "{said}");
    place.run(&["migrate"]).ended(0);
    place.run(&["definitions", "apply"]).ended(0);

    server.ask(&["kill", "pg"]);
    let said = place.run(&["accounts", "list"]).ended(3).stderr;
    assert!(said.contains("refuses connections") && !said.contains(&address), "{said}");
    let worker = Worker::spawn(&place);
    assert_eq!(readiness(&worker), 503);
    assert_eq!(get(worker.probes, "/livez").status, 200, "a restart would not bring the database back");
    assert_eq!(worker.get("/integrated-account").status, 503);
    comes_back(server, &worker);
    assert_eq!(worker.import(&oauth("before", "good-1"))["status"], "active");

    server.ask(&["kill", "pg"]);
    eventually("the worker says that it is not ready", || (readiness(&worker) == 503).then_some(()));
    let refused = worker.get("/integrated-account");
    assert_eq!((refused.status, refused.header("retry-after")), (503, "1"));
    comes_back(server, &worker);
    assert_eq!(worker.import(&oauth("after", "good-2"))["status"], "active");
    let told = worker.log().lines().filter(|line| line.contains("WARN") || line.contains("ERROR")).count();
    assert!(told < 20, "an outage is told once by each part, not over and over: {told} lines\n{}", worker.log());
    worker.stop();
}
