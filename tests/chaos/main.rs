//! Fault runs of the built binary, and the judge of what they leave behind.

mod corpus;
mod corpus_tests;
mod history;
mod judge;
mod ledger;
mod malformed;
mod markers;
mod rng;
