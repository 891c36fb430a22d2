//! Gates: a provider that fails for everybody is left alone, and a limit of the whole install holds for every worker.

use serde_json::{Value, json};
use tidewaiter::app::stub::Faults;

use crate::postgres::Server;
use crate::support::{Place, Provider, Worker, eventually, oauth, post};

const ASKED: &str = "GET /oauth/userinfo";
const ACCOUNTS: usize = 40;

fn request(worker: &Worker, tenant: &str, token: &str) -> String {
    let made = post(worker.api, &[], &oauth(tenant, token)).with(201);
    made["id"].as_str().unwrap().to_owned()
}

fn reaches(worker: &Worker, series: &str, least: u64) {
    eventually(series, || (worker.count(series) >= least).then_some(()));
}

#[test]
fn a_provider_that_fails_for_all_is_hardly_asked_and_all_accounts_become_active_when_it_works_again() {
    let broken = Faults { unavailable_percent: 100, ..Faults::default() };
    let provider = Provider::with(broken);
    let settings = ["circuit.failures = 5", "circuit.base_ms = 300", "circuit.cap_ms = 400"];
    let place = Place::with(&provider, &settings);
    let worker = place.worker();
    let mut ids: Vec<String> =
        (1..ACCOUNTS).map(|number| request(&worker, "many", &format!("good-{number}"))).collect();
    ids.push(request(&worker, "one", "good-one"));
    // What was under way when the circuit opened has its answer by the next time.
    reaches(&worker, "tidewaiter_circuits_opened_total", 2);
    let (asked, opened) = (provider.requests(ASKED), worker.count("tidewaiter_circuits_opened_total"));
    assert!(asked <= 2 * ACCOUNTS as u64, "{asked} requests for {ACCOUNTS} accounts");
    assert_eq!(worker.count("tidewaiter_gates_closed{reason=\"circuit\"}"), 1);
    reaches(&worker, "tidewaiter_circuits_opened_total", opened + 4);
    let since = provider.requests(ASKED) - asked;
    assert!(since <= 6, "one request tries each time the pause is over: {since}");
    reaches(&worker, "tidewaiter_gated_waits_total", ACCOUNTS as u64);

    provider.set_faults(Faults::default());
    for id in &ids {
        assert_eq!(worker.settled(id)["status"], "active", "{}", worker.log());
    }
    assert_eq!(worker.count("tidewaiter_circuits_closed_total"), 1);
    assert_eq!(worker.count("tidewaiter_gates_closed{reason=\"circuit\"}"), 0);
    let told = worker.log();
    assert_eq!(told.matches("a gate closes").count(), 1, "an outage is told once: {told}");
    assert_eq!(told.matches("a gate is open again").count(), 1, "{told}");
    worker.stop();
}

#[test]
fn a_limit_of_the_install_that_one_worker_meets_holds_for_the_other() {
    let Some(server) = Server::start() else { return };
    let provider = Provider::start();
    let place = server.bare(|settings| Place::with(&provider, settings));
    let path = place.path("integrations/harbour.json");
    let mut definition: Value = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
    definition["config"]["rate_limit"] = json!({ "scope": "install", "retry_after_header_expression": "8" });
    std::fs::write(&path, definition.to_string()).unwrap();
    place.run(&["migrate"]).ended(0);
    place.run(&["definitions", "apply"]).ended(0);

    let (met, other) = (place.worker(), place.worker());
    let closed = "tidewaiter_gates_closed{reason=\"rate_limit\"}";
    let limited = request(&met, "a", "ratelimited1");
    reaches(&other, closed, 1);
    assert_eq!(met.count("tidewaiter_rate_limited_total{scope=\"install\"}"), 1);
    // So that it is the other one that has everything to do.
    met.stop();
    let gated = request(&other, "b", "good-b");
    reaches(&other, "tidewaiter_gated_waits_total", 1);
    assert_eq!(provider.requests(ASKED), 1, "only the request that was limited");
    let shown = place.run(&["accounts", "show", &gated]).ended(0).stdout;
    assert!(shown.contains("closed") && shown.contains("rate_limit"), "{shown}");
    let shown = place.run(&["accounts", "show", &gated, "--json"]).ended(0).json();
    assert_eq!(shown["closed_gates"][0]["reason"], "rate_limit", "{shown}");
    for id in [&limited, &gated] {
        assert_eq!(other.settled(id)["status"], "active");
    }
    other.stop();
}
