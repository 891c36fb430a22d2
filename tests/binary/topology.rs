//! `tidewaiter broker`, as an operator meets it.

use crate::shared::vhost::Vhost;
use crate::support::{Ran, bare};

fn broker(url: &str, words: &[&str]) -> Ran {
    let mut command = bare(["broker"]);
    command.args(words).env("AMQP_URL", url);
    Ran::of(command, b"")
}

#[test]
fn without_a_broker_it_says_what_to_set() {
    let said = broker("", &["plan"]).ended(2).stderr;
    assert!(said.contains("`broker.url` is empty") && said.contains("AMQP_URL"), "{said}");
}

#[test]
fn the_plan_is_printed_without_a_broker_that_answers_and_without_the_password() {
    let ran = broker("amqp://worker:s3cr3t@127.0.0.1:1", &["plan", "--json"]).ended(0);
    let queue = r#"{"object":"queue","name":"tidewaiter.imports.eu","delivery_limit":50,"dead_letter_queue":"tidewaiter.dead"}"#;
    assert!(ran.stdout.lines().any(|line| line == queue), "{}", ran.stdout);
    let said = broker("amqp://worker:s3cr3t@127.0.0.1:1", &["apply"]).ended(3).stderr;
    assert!(said.contains("127.0.0.1:1 (virtual host `/`) refuses connections") && !said.contains("s3cr3t"), "{said}");
}

#[test]
fn what_is_missing_is_declared_and_what_differs_is_named() {
    let Some(vhost) = Vhost::make() else { return };
    let missing = broker(&vhost.url(), &["apply", "--dry-run"]).ended(0).stdout;
    assert!(missing.contains("missing") && !missing.contains("there\n"), "{missing}");
    let declared = broker(&vhost.url(), &["apply"]).ended(0).stdout;
    assert!(declared.contains("declared") && declared.contains("bound"), "{declared}");
    let there = broker(&vhost.url(), &["apply"]).ended(0).stdout;
    assert!(there.contains("there\n") && !there.contains("declared"), "{there}");
    let mut other = bare(["broker", "apply"]);
    other.env("AMQP_URL", vhost.url()).env("TIDEWAITER__BROKER__DELIVERY_LIMIT", "7");
    let said = Ran::of(other, b"").ended(1).stderr;
    assert!(said.contains("queue `tidewaiter.imports.wnam` cannot be declared"), "{said}");
}
