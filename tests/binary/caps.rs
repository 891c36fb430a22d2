//! Caps: a tenant's part of the slots, and the requests to a host.

use tidewaiter::app::stub::Faults;

use crate::support::{Place, Provider, Worker, eventually, oauth, post};

fn request(worker: &Worker, tenant: &str, token: &str) -> String {
    let made = post(worker.api, &[], &oauth(tenant, token)).with(201);
    made["id"].as_str().unwrap().to_owned()
}

fn reaches(worker: &Worker, series: &str, least: u64) {
    eventually(series, || (worker.count(series) >= least).then_some(()));
}

fn all_active(worker: &Worker, ids: &[String]) {
    for id in ids {
        assert_eq!(worker.settled(id)["status"], "active", "{}", worker.log());
    }
}

#[test]
fn a_tenant_with_many_accounts_leaves_slots_to_another_one_and_loses_no_run() {
    let provider = Provider::with(Faults { latency_ms: 100, ..Faults::default() });
    let place = Place::with(&provider, &["worker.slots = 4"]);
    let worker = place.worker();
    let first = request(&worker, "one", "good-first");
    let mut ids: Vec<String> = (0..24).map(|number| request(&worker, "many", &format!("good-{number}"))).collect();
    reaches(&worker, "tidewaiter_runs_put_back_total", 1);
    ids.extend([first, request(&worker, "one", "good-last")]);
    all_active(&worker, &ids);
    assert_eq!(worker.count("tidewaiter_takeovers_total"), 0);
    worker.stop();
}

#[test]
fn requests_over_a_hosts_cap_wait_for_their_turn_and_a_stop_gives_them_back_unsent() {
    let provider = Provider::with(Faults { latency_ms: 1_500, ..Faults::default() });
    let place = Place::with(&provider, &["upstream.host_requests = 1", "limits.drain_ms = 20000"]);
    let mut worker = place.worker();
    let ids: Vec<String> = (0..6).map(|number| request(&worker, "a", &format!("good-{number}"))).collect();
    reaches(&worker, "tidewaiter_host_cap_waiting", 5);
    assert_eq!(worker.count("tidewaiter_upstream_in_flight"), 1);
    worker.ask_to_stop();
    let (status, took) = worker.ended();
    assert_eq!(status.code(), Some(0), "{}", worker.log());
    assert!(took.as_secs() < 10, "those that wait are not waited for: {took:?}");
    let asked: u64 = provider.requests("GET /oauth/userinfo");
    assert!(asked <= 2, "{asked} were sent");
    provider.set_faults(Faults::default());
    let successor = place.worker();
    all_active(&successor, &ids);
    successor.stop();
}
