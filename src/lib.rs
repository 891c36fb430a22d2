//! Tidewaiter: an event-driven account lifecycle worker.
//!
//! Modules in the order in which an import travels; see ARCHITECTURE.md for the map and its rules.

pub mod app;

pub mod lifecycle;
pub mod store;
pub mod actions;
pub mod definitions;
pub mod expression;
pub mod upstream;

pub mod clock;
pub mod reconnect;
pub mod seal;
pub mod tasks;
