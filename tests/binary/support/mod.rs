//! What the tests have in common: a private directory, the binary in it, a provider, HTTP, and waiting.

mod cli;
mod http;
mod mq;
mod place;
mod provider;
mod upstream;
mod worker;

use std::thread;
use std::time::{Duration, Instant};

pub use cli::{Ran, bare, worked};
pub use http::{Answer, Request, Stream, get, post};
pub use mq::{Mq, with_id};
pub use place::{DISABLED, INSTALL, Place, Scratch, api_key, envelope, installs, oauth};
pub use provider::Provider;
pub use upstream::Upstream;
pub use worker::Worker;

/// Longer than anything here takes on a slow machine. The slowest is a refresh that is repeated, after 25 s.
pub const PATIENCE: Duration = Duration::from_secs(90);

const LOOK: Duration = Duration::from_millis(10);

/// Looks again and again until there is something, or fails saying what there was not.
#[track_caller]
pub fn eventually<T>(what: &str, look: impl FnMut() -> Option<T>) -> T {
    eventually_or(look).unwrap_or_else(|| panic!("not within {PATIENCE:?}: {what}"))
}

/// The same, `None` when there was nothing in time.
fn eventually_or<T>(mut look: impl FnMut() -> Option<T>) -> Option<T> {
    let since = Instant::now();
    loop {
        if let Some(found) = look() {
            return Some(found);
        }
        if since.elapsed() > PATIENCE {
            return None;
        }
        thread::sleep(LOOK);
    }
}

/// What `/readyz` answers; 0 when it does not.
pub fn readiness(worker: &Worker) -> (u16, serde_json::Value) {
    let ready = Request { method: "GET", path: "/readyz", headers: &[], body: b"" };
    ready.send(worker.probes).map_or((0, serde_json::Value::Null), |answer| (answer.status, answer.json()))
}

/// The JSON values of a text that has one on each line.
#[track_caller]
pub fn lines(text: &str) -> Vec<serde_json::Value> {
    text.lines().map(|line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"))).collect()
}
