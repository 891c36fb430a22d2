//! Imports from the broker while the database is away.

use crate::postgres::Server;
use crate::support::{Mq, Provider, Request, Worker, eventually, oauth, with_id};

const EU: &str = "tidewaiter.imports.eu";

fn readiness(worker: &Worker) -> u16 {
    let ready = Request { method: "GET", path: "/readyz", headers: &[], body: b"" };
    ready.send(worker.probes).map_or(0, |answer| answer.status)
}

#[test]
fn nothing_is_acknowledged_while_the_database_is_away_and_everything_goes_on_by_itself() {
    let Some(mq) = Mq::make() else { return };
    let provider = Provider::start();
    let Some(postgres) = Server::start() else { return };
    let place = postgres.place(|settings| mq.place(&provider, settings));
    let server = &postgres.services;
    let worker = place.worker();
    mq.send(EU, with_id("m-0"), oauth("a", "good-0").to_string());
    eventually("one is accepted", || (place.accounts().len() == 1).then_some(()));

    server.ask(&["kill", "pg"]);
    for number in 1..=20 {
        mq.send(EU, with_id(&format!("m-{number}")), oauth("a", &format!("good-{number}")).to_string());
    }
    eventually("the worker says that it is not ready", || (readiness(&worker) == 503).then_some(()));
    let usable = || worker.count("tidewaiter_database_usable");
    eventually("its metric says so too", || (usable() == 0).then_some(()));
    let session = "tidewaiter_broker_sessions{session=\"imports_eu\"}";
    eventually("the worker does not consume", || (worker.count(session) == 0).then_some(()));
    mq.send(EU, with_id("m-21"), oauth("a", "good-21").to_string());
    assert_eq!(mq.count(EU).0, 1, "what comes now stays in the queue");
    server.ask(&["start", "pg"]);
    eventually("the worker is ready again", || (readiness(&worker) == 200).then_some(()));
    eventually("its metric says so too", || (usable() == 1).then_some(()));
    eventually("all are accepted", || (place.accounts().len() == 22).then_some(()));
    mq.emptied(EU);
    assert_eq!(worker.count("tidewaiter_quarantine_held"), 0);
    worker.stop();
}
