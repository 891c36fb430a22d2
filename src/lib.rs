//! Tidewaiter: an event-driven account lifecycle worker.
//!
//! Modules in the order in which an import travels; see ARCHITECTURE.md for the map and its rules.

pub mod cli;

pub mod app;

pub mod api;

pub mod operate;

pub mod intake;
pub mod relay;
pub mod runner;

pub mod accounts;

pub mod actions;
pub mod credentials;
pub mod events;
pub mod store;

pub mod definitions;

pub mod broker;
pub mod expression;
pub mod objects;
pub mod upstream;

pub mod clock;
pub mod config;
pub mod lifecycle;
pub mod reconnect;
pub mod seal;
pub mod tasks;
pub mod telemetry;
