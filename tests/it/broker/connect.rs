//! Connecting, and what is left of a connection.

use std::fs;
use std::net::TcpListener;
use std::time::{Duration, Instant};

use tidewaiter::broker::topology::{self, Plan};
use tidewaiter::broker::{Broker, BrokerError, Timeouts};

use super::{SOON, broker, settings};
use crate::shared::vhost::Vhost;
use crate::shared::wait::comes_true;

fn plan(url: &str) -> Plan {
    topology::plan(&settings(url, &[]), &[])
}

async fn refused(url: &str) -> String {
    let Err(BrokerError::Away(why)) = topology::check(&broker(url), &plan(url)).await else { panic!("{url}") };
    assert!(!why.contains("s3cr3t"), "{why}");
    why
}

/// Open sockets and threads that serve a connection of this process, whichever is more.
fn left() -> usize {
    let entries = |folder: &str| fs::read_dir(folder).unwrap().flatten().map(|entry| entry.path());
    let links = entries("/proc/self/fd").filter_map(|path| fs::read_link(path).ok());
    let names = entries("/proc/self/task").filter_map(|path| fs::read_to_string(path.join("comm")).ok());
    let sockets = links.filter(|link| link.to_string_lossy().starts_with("socket:")).count();
    sockets.max(names.filter(|name| name.starts_with("lapin")).count())
}

/// Of this many connections none may leave anything; other tests of the same process have far fewer than half of them.
const MANY: usize = 100;

async fn most_are_gone() {
    assert!(comes_true(SOON, async || left() <= MANY / 2).await, "{} are left of {MANY}", left());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_peer_that_never_speaks_is_given_up_in_time_and_leaves_nothing() {
    let mute = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("amqp://guest:s3cr3t@{}", mute.local_addr().unwrap());
    let limit = Duration::from_millis(50);
    let impatient = Broker::new(&settings(&url, &[])).unwrap();
    let impatient = impatient.with_timeouts(Timeouts { connect: limit, publish: limit, close: limit });
    for _ in 0..MANY {
        let since = Instant::now();
        let Err(BrokerError::Away(why)) = topology::check(&impatient, &plan(&url)).await else { panic!() };
        assert!(why.ends_with("did not finish its handshake within 50ms"), "{why}");
        assert!(since.elapsed() < Duration::from_secs(5));
    }
    most_are_gone().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn connections_that_fail_or_end_leave_neither_thread_nor_socket() {
    let Some(vhost) = Vhost::make() else { return };
    for _ in 0..MANY {
        refused(&vhost.url().replace(&vhost.name, "nowhere")).await;
        refused("amqp://guest:s3cr3t@127.0.0.1:1").await;
        topology::check(&broker(&vhost.url()), &plan(&vhost.url())).await.unwrap();
    }
    most_are_gone().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refusal_says_what_to_look_at() {
    let Some(vhost) = Vhost::make() else { return };
    let place = format!("{} (virtual host `{}`)", vhost.address(), vhost.name);
    let port = vhost.address().port();
    let why = refused(&format!("amqp://nobody:s3cr3t@127.0.0.1:{port}/{}", vhost.name)).await;
    assert!(why.contains(&place) && why.contains("check user and password in `broker.url`"), "{why}");
    let why = refused(&vhost.url().replace(&vhost.name, "nowhere")).await;
    assert!(why.contains("check the virtual host"), "{why}");
    let why = refused("amqp://guest:s3cr3t@127.0.0.1:1").await;
    assert!(why.contains("refuses connections"), "{why}");
    let why = refused(&format!("amqps://guest:s3cr3t@127.0.0.1:{port}")).await;
    assert!(why.contains("TLS") && why.contains("`broker.ca_file`"), "{why}");
}

#[test]
fn a_ca_file_that_cannot_be_used_is_named() {
    let unusable = |file: &str| {
        let problem = Broker::new(&settings("amqps://127.0.0.1", &[("CA_FILE", file)])).unwrap_err();
        let BrokerError::BadInput(why) = problem else { panic!("{problem:?}") };
        why
    };
    assert!(unusable("/nowhere.pem").contains("`broker.ca_file` /nowhere.pem: cannot be read"));
    let empty = concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml");
    assert!(unusable(empty).contains("holds no certificate"));
}
