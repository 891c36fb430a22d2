//! Integration tests: one binary, one module a subject.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::assigning_clones,
    clippy::default_trait_access,
    clippy::unnecessary_wraps,
    missing_docs,
    reason = "a test that cannot go on fails here and now, and is read more often than it is run"
)]

mod api;
mod broker;
mod debug;
mod exchange;
mod fuzz;
mod guide;
mod hostile;
mod objects;
mod operate;
mod recorded;
mod reducers;
mod relay;
mod relay_mix;
#[path = "../support/mod.rs"]
mod shared;
mod shipped_definitions;
mod sqlite_start;
mod store_conformance;
mod test_servers;
mod trial;
