//! The fault runs as tests, and their report.

use anyhow::Context as _;

use crate::driver::options::{BrokerAt, Options, Server};
use crate::driver::{Outcome, perform};

#[test]
fn every_promise_is_kept_on_sqlite_while_the_worker_is_killed() -> anyhow::Result<()> {
    check(&Options::short(Server::Sqlite))
}

#[test]
fn every_promise_is_kept_on_postgresql_while_workers_are_killed() -> anyhow::Result<()> {
    let Some(server) = variable("TIDEWAITER_TEST_POSTGRES") else {
        println!("not run: TIDEWAITER_TEST_POSTGRES names no server");
        return Ok(());
    };
    check(&Options::short(Server::SharedPostgres(server)))
}

/// Needs the producer's Python and the consumers' Node (`scripts/clients`) besides the servers.
#[test]
fn every_promise_is_kept_over_rabbitmq_while_workers_are_killed_and_connections_break() -> anyhow::Result<()> {
    let names = [
        "TIDEWAITER_TEST_POSTGRES",
        "TIDEWAITER_TEST_AMQP",
        "TIDEWAITER_TEST_RABBITMQ_MANAGEMENT",
        "TIDEWAITER_TEST_CLIENTS",
    ];
    let [Some(server), Some(amqp), Some(management), Some(clients)] = names.map(variable) else {
        println!("not run: one of {} is not set", names.join(", "));
        return Ok(());
    };
    let options = Options::short_brokered(server, BrokerAt::Shared { amqp, management });
    check(&Options { clients: Some(clients.into()), ..options })
}

/// Performs the run that `scripts/chaos` asks for; without it there is nothing to do.
#[test]
fn every_promise_is_kept_in_the_run_that_was_asked_for() -> anyhow::Result<()> {
    match variable("TIDEWAITER_CHAOS") {
        Some(words) => check(&Options::parse(&words).context("in TIDEWAITER_CHAOS")?),
        None => Ok(()),
    }
}

#[test]
fn options_are_read_and_nonsense_is_refused() {
    let options =
        Options::parse("postgres lines=700 over=90 kill-every=5 kill-hits=15 database-kills=2 seed=9").unwrap();
    assert_eq!((options.server, options.workers, options.lines), (Server::Postgres, 3, 700));
    assert_eq!((options.over.as_secs(), options.kill_hits, options.database_kills, options.seed), (90, 15, 2, 9));
    let at_once = Options::parse("sqlite").unwrap();
    assert_eq!((at_once.lines, at_once.over.as_secs(), at_once.kill_every), (5000, 0, None));
    let brokered = Options::parse("postgres broker=yes over=90 broker-kills=2 break-every=6 breaks=9").unwrap();
    assert_eq!((brokered.broker, brokered.broker_kills, brokered.breaks), (Some(BrokerAt::Private), 2, 9));
    for nonsense in [
        "",
        "oracle",
        "sqlite lines",
        "sqlite lines=many",
        "sqlite speed=9",
        "sqlite database-kills=1",
        "postgres broker-kills=1",
        "postgres broker=yes",
        "sqlite broker=yes over=9",
    ] {
        assert!(Options::parse(nonsense).is_err(), "{nonsense}");
    }
}

#[expect(clippy::disallowed_methods, reason = "what to test is not a setting of the program")]
fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

/// Performs a run, prints its report, and fails when a promise was broken.
fn check(options: &Options) -> anyhow::Result<()> {
    let outcome = perform(options)?;
    print(options, &outcome);
    let broken = outcome.verdict.violations.len();
    anyhow::ensure!(broken == 0, "{broken} promises were broken; everything is in {}", outcome.place.display());
    Ok(())
}

/// The most violations that are printed; the first ones tell the story.
const SHOWN: usize = 40;

fn print(options: &Options, outcome: &Outcome) {
    let (figures, faults) = (&outcome.verdict.figures, &outcome.faults);
    let upstream = faults.upstream;
    println!("\nfault run on {:?}, seed {}, {} worker(s)", options.server, options.seed, options.workers);
    println!(
        "  lines              {} in {:.1} s, settled {:.1} s later",
        figures.lines,
        outcome.fed.as_secs_f64(),
        outcome.settled.as_secs_f64()
    );
    println!("  accounts           {}", figures.accounts);
    for (status, count) in &figures.by_status {
        println!("    {status:<19}{count}");
    }
    println!("  events             {} distinct, {} repeated, {} torn", figures.events, figures.repeated, figures.torn);
    println!("  worker kills       {}, of which {} hit held runs", figures.kills, figures.kill_hits);
    println!("  server kills       database {}, broker {}", faults.database_kills, faults.broker_kills);
    println!("  network breaks     {}, of which {} met connections", faults.breaks.len(), figures.breaks);
    for one in &faults.breaks {
        println!("    {:<19}{}, {} connections", one.server, one.kind, one.met);
    }
    println!("  republished        {} messages that the broker did not confirm at once", figures.republished);
    println!(
        "  upstream           {} requests, {} answered 503, {} hung",
        upstream.requests, upstream.unavailable, upstream.hung
    );
    println!("  by bad luck        {} accounts at which the upstream failed every attempt", figures.exhausted);
    println!("  overtaken          {} conflicts in which the later line won", figures.overtaken);
    for violation in outcome.verdict.violations.iter().take(SHOWN) {
        println!("  VIOLATION {violation}");
    }
    match outcome.verdict.violations.len() {
        0 => println!("  verdict            every promise was kept"),
        broken => println!("  verdict            {broken} promises were broken"),
    }
}
