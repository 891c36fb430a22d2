//! A worker on PostgreSQL whose database is down at the start, goes away, and comes back.
//!
//! The test brings a server of its own (`scripts/services`). Without `TIDEWAITER_TEST_POSTGRES` it says so and passes,
//! but where `CI` is set it fails then.

use std::path::PathBuf;
use std::process::Command;
use std::time::{Duration, Instant};

use crate::support::{Place, Provider, Request, Worker, eventually, get, oauth};

/// From the moment the port answers until the worker is ready.
const RECOVERY: Duration = Duration::from_secs(10);

/// A server that can be taken away.
struct Server(PathBuf);

impl Server {
    fn start(place: &Place) -> Self {
        let server = Self(place.path("services"));
        server.ask("start");
        server
    }

    fn ask(&self, what: &str) -> String {
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/scripts/services");
        let said = Command::new(script).arg(what).arg(&self.0).arg("pg").output().unwrap();
        assert!(said.status.success(), "{what}: {}", String::from_utf8_lossy(&said.stderr));
        String::from_utf8(said.stdout).unwrap()
    }

    fn url(&self) -> String {
        let settings = self.ask("env");
        let line = settings.lines().find_map(|line| line.strip_prefix("export DATABASE_URL="));
        line.unwrap().trim_matches('\'').to_owned()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.ask("wipe");
    }
}

#[expect(clippy::disallowed_methods, reason = "whether there is a server is told by the environment")]
fn is_tested() -> bool {
    let tested = std::env::var("TIDEWAITER_TEST_POSTGRES").is_ok();
    assert!(
        tested || std::env::var("CI").is_err(),
        "TIDEWAITER_TEST_POSTGRES is not set, and this must be tested here"
    );
    tested
}

fn readiness(worker: &Worker) -> u16 {
    let ready = Request { method: "GET", path: "/readyz", headers: &[], body: b"" };
    ready.send(worker.probes).map_or(0, |answer| answer.status)
}

/// The server comes back; the worker has to notice by itself.
fn comes_back(server: &Server, worker: &Worker) {
    server.ask("start");
    let since = Instant::now();
    eventually("the worker is ready again", || (readiness(worker) == 200).then_some(()));
    assert!(since.elapsed() < RECOVERY, "{:?}\n{}", since.elapsed(), worker.log());
}

#[test]
fn a_worker_waits_for_its_database_and_outlives_its_crash_without_a_restart() {
    if !is_tested() {
        return;
    }
    let provider = Provider::start();
    let keys = "k1:AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=\n";
    let home = Place::offline();
    let server = Server::start(&home);
    let url = format!("database.url = \"{}\"", server.url());
    let place = Place::with(&provider, &[url.as_str(), "seal.key_file = \"keys\""]);
    let file = place.scratch.write("keys", keys);
    std::fs::set_permissions(&file, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
    let said = place.run(&["run"]).ended(3).stderr;
    assert!(said.contains("tidewaiter migrate"), "{said}");
    place.run(&["migrate"]).ended(0);
    place.run(&["definitions", "apply"]).ended(0);

    server.ask("kill");
    let said = place.run(&["accounts", "list"]).ended(3).stderr;
    assert!(said.contains("refuses connections") && !said.contains(&server.url()), "{said}");
    let worker = Worker::spawn(&place);
    assert_eq!(readiness(&worker), 503);
    assert_eq!(get(worker.probes, "/livez").status, 200, "a restart would not bring the database back");
    assert_eq!(worker.get("/integrated-account").status, 503);
    comes_back(&server, &worker);
    assert_eq!(worker.import(&oauth("before", "good-1"))["status"], "active");

    server.ask("kill");
    eventually("the worker says that it is not ready", || (readiness(&worker) == 503).then_some(()));
    let refused = worker.get("/integrated-account");
    assert_eq!((refused.status, refused.header("retry-after")), (503, "1"));
    comes_back(&server, &worker);
    assert_eq!(worker.import(&oauth("after", "good-2"))["status"], "active");
    let told = worker.log().lines().filter(|line| line.contains("WARN") || line.contains("ERROR")).count();
    assert!(told < 20, "an outage is told once by each part, not over and over: {told} lines\n{}", worker.log());
    worker.stop();
}
