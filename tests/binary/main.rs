//! The built binary from outside: processes, files, HTTP. Nothing here looks into the program.
//!
//! One file for each thing that a user does with it, and `support` for what the tests have in common. Of PostgreSQL only
//! the outages are looked at here: both stores keep one contract, which has a suite of its own.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on fails")]

mod api;
mod broker;
mod broker_faults;
mod broker_import;
mod broker_outage;
mod broker_server;
mod caps;
mod configuration;
mod definitions;
mod demo;
mod engine;
mod eval;
mod events;
mod examples;
mod gates;
mod hostile;
mod hostile_at_work;
mod hostile_definitions;
mod import;
mod import_refusals;
mod keys;
mod large_values;
mod outage;
mod patch_races;
mod patches;
mod postgres;
mod providers;
mod quarantine;
mod reading;
mod renewal;
mod replay;
mod runs;
mod secrets;
#[path = "../support/mod.rs"]
mod shared;
mod shutdown;
mod start;
mod suite;
mod support;
mod topology;
mod trial;
