//! Fault runs of the built binary, and the judge of what they leave behind.
//!
//! A run imports a corpus with duplicates, conflicts and malformed lines while the upstream fails and hangs, workers
//! are killed with runs in their hands, and the database is killed too. Then the judge compares what was promised with
//! what is there. `cargo test --test chaos` holds the judge's own tests and a short run on each store (PostgreSQL when
//! `TIDEWAITER_TEST_POSTGRES` names a server), and one over RabbitMQ where Python, Node and a broker are there.
//! `scripts/chaos` makes the long runs, see there.

mod corpus;
mod corpus_tests;
mod driver;
mod history;
mod judge;
mod ledger;
mod malformed;
mod markers;
mod rng;
mod runs;
#[path = "../support/mod.rs"]
mod shared;
