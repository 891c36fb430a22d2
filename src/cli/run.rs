//! `tidewaiter run`: the worker.

use clap::Args;

use super::process::enlarge_foreign_stacks;
use super::{CliError, Exit, Globals, block_on};
use crate::app;
use crate::telemetry::{self, Metrics};

/// Run the worker: accept imports, perform them, publish events.
///
/// Without configuration: SQLite in ./tidewaiter.db, the API on 127.0.0.1:8080, probes and metrics on 127.0.0.1:8081,
/// events as lines of JSON on standard output, the log on standard error.
#[derive(Debug, Args)]
pub(super) struct Run {}

impl Run {
    #[expect(clippy::unused_self, reason = "every verb has this form")]
    pub(super) fn run(&self, globals: &Globals) -> Result<Exit, CliError> {
        // Before anything is read: what comes out of a pipe can be read once.
        let enlarged = enlarge_foreign_stacks();
        let loaded = globals.load()?;
        loaded.check_for_worker()?;
        if loaded.settings.broker.is_some() {
            enlarged?;
        }
        let metrics = Metrics::default();
        let _flush = telemetry::start(&loaded.settings.log, &metrics)
            .map_err(|error| CliError::unavailable(format!("the log cannot be started: {error}")))?;
        block_on(app::run(&loaded.settings, metrics))??;
        Ok(Exit::Done)
    }
}
