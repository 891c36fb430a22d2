//! Definitions that do harm when they are performed, on one worker beside accounts that do none.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::hostile::{KEPT_BYTES, resident};
use crate::shared::hostile::{Case, all};
use crate::support::{Place, Upstream, Worker, eventually, post};

/// The longest that all of them may take together, in a build for tests.
const ALL: Duration = Duration::from_mins(3);

const GOOD: &str = "good";

#[test]
fn accounts_that_do_no_harm_become_active_beside_those_that_do_and_the_memory_comes_back() {
    let cases: Vec<Case> = all().into_iter().flat_map(|(_, cases)| cases).filter(is_for_a_worker).collect();
    assert!(cases.len() >= 150, "{}", cases.len());
    let good = Case::ask(GOOD, &json!({})).hears("GET", "/x", &json!({ "status": 200, "body": {} }), 1_000_000);
    let (upstream, place) = scene(&cases, &good);
    let worker = place.worker();
    for number in 0..20 {
        let id = import(&worker, &good, &format!("{GOOD}-before-{number}"), 0);
        assert_eq!(worker.settled(&id)["status"], "active");
    }
    let before = resident(worker.id());
    let begun = Instant::now();
    let mut accounts = Vec::new();
    for (number, case) in cases.iter().enumerate() {
        accounts.push((case, import(&worker, case, &format!("t{number}"), number + 1)));
        accounts.push((&good, import(&worker, &good, &format!("{GOOD}-{number}"), 0)));
    }
    let wrong: Vec<String> = accounts.iter().filter_map(|(case, id)| wrong(case, &worker.settled(id))).collect();
    assert!(wrong.is_empty(), "{} of {}:\n{}", wrong.len(), cases.len(), wrong.join("\n"));
    assert!(begun.elapsed() < ALL, "{:?}", begun.elapsed());
    if let Some(before) = before {
        eventually("the memory comes back", || (resident(worker.id())? < before + KEPT_BYTES).then_some(()));
    }
    assert!(!worker.log().contains("canary"), "{}", worker.log());
    assert!(!upstream.saw("h0").is_empty());
    worker.stop();
}

/// Not what waits for long, and what the command line performs.
fn is_for_a_worker(case: &Case) -> bool {
    let waits = |exchange: &Value| exchange["response"]["error"] == "timeout";
    !case.offline && case.action.is_none() && !case.exchanges.iter().any(waits)
}

/// All definitions, each under a path of its own at one provider; what does no harm comes first.
fn scene(cases: &[Case], good: &Case) -> (Upstream, Place) {
    let name = |number: usize| format!("h{number}");
    let numbered = || std::iter::once(good).chain(cases).enumerate();
    let scripts: HashMap<_, _> = numbered().map(|(number, case)| (name(number), case.exchanges.clone())).collect();
    let upstream = Upstream::playing(scripts);
    // One provider stands for many here, so nothing that fails concerns the others.
    // A probe waits for as long as the lost request may take.
    let place = Place::offline_with(&[
        "circuit.failures = 0",
        "limits.connect_timeout_ms = 3000",
        "limits.request_timeout_ms = 3000",
    ]);
    let mut installs = Vec::new();
    for (number, case) in numbered() {
        let integration = case.integration(&id(10_000 + number), &name(number), &upstream.url(&name(number)));
        place.scratch.write(&format!("integrations/{}.json", name(number)), integration.to_string());
        installs.push(json!({ "id": id(number), "integration": name(number), "is_enabled": true }));
    }
    let environment = json!({ "id": id(99_999), "name": "hostile" });
    place
        .scratch
        .write("installs/hostile.json", json!({ "environment": environment, "installs": installs }).to_string());
    (upstream, place)
}

fn id(number: usize) -> String {
    format!("5b1f0d52-0000-4000-9000-{number:012}")
}

fn import(worker: &Worker, case: &Case, tenant: &str, install: usize) -> String {
    let body = json!({
        "tenant_id": tenant, "environment_integration_id": id(install), "authentication_method": case.method,
        "context": case.context,
    });
    post(worker.api, &[], &body).with(201)["id"].as_str().unwrap().to_owned()
}

fn wrong(case: &Case, account: &Value) -> Option<String> {
    let outcome = account["reason"]["code"].as_str().unwrap_or("succeeded");
    let message = account["last_error"].as_str().unwrap_or_default();
    case.differs(&account["status"], outcome, message, &account["context"])
}
