//! The examples for producers and consumers, run as their authors' readers run them.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::Write as _;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use std::sync::Once;

use serde_json::Value;

use crate::shared::vhost::environment;
use crate::support::{Mq, Place, Provider, Ran, eventually, lines};

/// How the nine requests of `examples/imports.ndjson` end, as examples/README.md says: seven accounts, one duplicate and
/// one refusal.
const ENDS: [(&str, &str, &str); 7] = [
    ("albatross", "active", ""),
    ("barnacle", "post_install_error", "upstream_rejected"),
    ("cormorant", "validation_error", "forbidden"),
    ("dogfish", "needs_reauth", "credential_refused"),
    ("eelgrass", "active", ""),
    ("flounder", "active", ""),
    ("gannet", "active", ""),
];

#[test]
fn the_examples_in_python_publish_requests_and_follow_accounts() {
    let Some((mq, clients)) = needed() else { return };
    let python = clients.join("python/bin/python");
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/python");
    follow(&mq, &Examples { program: python, folder, suffix: "py" });
}

#[test]
fn the_examples_in_node_publish_requests_and_follow_accounts() {
    let Some((mq, clients)) = needed() else { return };
    let provider = Provider::start();
    // A module looks for what it imports beside itself and above.
    let beside = Place::of(&provider);
    for name in ["producer.mjs", "consumer.mjs"] {
        let text = fs::read(Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/node").join(name)).unwrap();
        beside.scratch.write(name, text);
    }
    symlink(clients.join("node_modules"), beside.path("node_modules")).unwrap();
    follow(&mq, &Examples { program: "node".into(), folder: beside.scratch.0.clone(), suffix: "mjs" });
}

/// A broker, and the directory that `scripts/clients` made. Without one of them the test says so and passes.
fn needed() -> Option<(Mq, PathBuf)> {
    static SAID: Once = Once::new();
    let Some(clients) = environment("TIDEWAITER_TEST_CLIENTS") else {
        SAID.call_once(|| {
            // Past the capture of the test's output: this must be seen.
            let _ = writeln!(
                std::io::stderr(),
                "\nSKIPPED: the examples are not run, TIDEWAITER_TEST_CLIENTS is not set; see scripts/clients\n"
            );
        });
        return None;
    };
    Some((Mq::make()?, clients.into()))
}

/// The examples in one language.
struct Examples {
    program: PathBuf,
    folder: PathBuf,
    suffix: &'static str,
}

impl Examples {
    fn command(&self, mq: &Mq, name: &str) -> Command {
        let mut command = Command::new(&self.program);
        command.arg(self.folder.join(format!("{name}.{}", self.suffix))).env("AMQP_URL", mq.vhost.url());
        command
    }

    /// Publishes the example's requests: how many were confirmed.
    fn produce(&self, mq: &Mq) -> usize {
        let mut command = self.command(mq, "producer");
        command.arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/imports.ndjson"));
        Ran::of(command, b"").ended(0).stdout.lines().filter(|line| line.starts_with("confirmed ")).count()
    }

    /// Starts a consumer and waits until its queue is bound.
    fn consume(&self, mq: &Mq, place: &Place, arguments: &[&str]) -> Consumer {
        let (printed, said) =
            (place.path(&format!("{}.out", arguments[0])), place.path(&format!("{}.err", arguments[0])));
        let mut command = self.command(mq, "consumer");
        command.args(arguments).stdout(File::create(&printed).unwrap()).stderr(File::create(&said).unwrap());
        let mut consumer = Consumer { child: command.spawn().unwrap(), printed };
        eventually("the consumer waits for events", || {
            let text = fs::read_to_string(&said).unwrap();
            assert_eq!(consumer.child.try_wait().unwrap(), None, "the consumer ended: {text}");
            text.contains("waiting for events").then_some(())
        });
        consumer
    }
}

/// A running consumer; killed when dropped.
struct Consumer {
    child: Child,
    printed: PathBuf,
}

impl Consumer {
    /// Of each line the account, the sequence, the status and the reason, once there are so many.
    fn lines(&self, count: usize) -> Vec<(String, u64, String, String)> {
        eventually(&format!("{count} lines"), || {
            let text = fs::read_to_string(&self.printed).unwrap();
            // A line may be half there.
            let whole = text.rsplit_once('\n').map_or("", |(whole, _)| whole);
            let lines: Vec<_> = whole.lines().map(words).collect();
            (lines.len() >= count).then_some(lines)
        })
    }
}

impl Drop for Consumer {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn words(line: &str) -> (String, u64, String, String) {
    let mut words = line.split(' ').map(str::to_owned);
    let mut next = || words.next().unwrap_or_default();
    (next(), next().parse().unwrap(), next(), next())
}

/// A worker between the producer and two consumers, one of which is bound to one word.
fn follow(mq: &Mq, examples: &Examples) {
    let provider = Provider::start();
    let url = format!("broker.url = \"{}\"", mq.vhost.url());
    let place = Place::with(&provider, &[&url, "broker.declare = true"]);
    let worker = place.worker();
    let all = examples.consume(mq, &place, &["accounts"]);
    let active = examples.consume(mq, &place, &["active", "integrated_account.active.#"]);

    assert_eq!(examples.produce(mq), 9);
    let told = all.lines(2 * ENDS.len());
    let tenants: BTreeMap<String, String> =
        place.accounts().iter().map(|account| (text(account, "id"), text(account, "tenant_id"))).collect();
    let mut ends = BTreeMap::new();
    for (account, sequence, status, reason) in &told {
        let end = (status.as_str(), reason.as_str());
        if *sequence == 1 {
            assert_eq!(end, ("connecting", ""), "{told:?}");
        } else {
            assert_eq!(ends.insert(tenants[account].as_str(), end), None, "{told:?}");
        }
    }
    assert_eq!(ends, ENDS.map(|(tenant, status, reason)| (tenant, (status, reason))).into());
    let told = active.lines(4);
    assert!(told.iter().all(|(_, sequence, status, _)| (*sequence, status.as_str()) == (2, "active")), "{told:?}");

    let session = "tidewaiter_broker_sessions{session=\"events\"}";
    eventually("the session of events is told as usable", || (worker.count(session) == 1).then_some(()));

    // The same file again makes nothing, so nothing more is told.
    assert_eq!(examples.produce(mq), 9);
    let series = "tidewaiter_intake_total{channel=\"amqp\",outcome=\"duplicate\",reason=\"\"}";
    eventually("the second time all are duplicates", || (worker.count(series) >= 9).then_some(()));
    assert_eq!((place.accounts().len(), worker.count(series)), (ENDS.len(), 9));
    let series = "tidewaiter_intake_total{channel=\"amqp\",outcome=\"quarantined\",reason=\"invalid\"}";
    eventually("the refused request came twice", || (worker.count(series) == 2).then_some(()));
    let kept = lines(&place.run(&["quarantine", "list", "--json"]).ended(0).stdout);
    assert_eq!((kept.len(), &kept[0]["arrivals"]), (1, &Value::from(2)), "and is kept once");
    assert_eq!((all.lines(0).len(), active.lines(0).len()), (2 * ENDS.len(), 4));
    worker.stop();
}

fn text(account: &Value, field: &str) -> String {
    account[field].as_str().unwrap().to_owned()
}
