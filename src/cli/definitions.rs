//! `tidewaiter definitions`.

use clap::Subcommand;
use serde_json::json;

use super::store::{Need, with_store};
use super::trial::{Record, Try};
use super::{CliError, Exit, Globals};
use crate::app;

/// Integrations and installs.
#[derive(Debug, Subcommand)]
pub(super) enum Definitions {
    /// Read `definitions.integrations_dir` and `definitions.installs_dir`, check everything, and put what differs into
    /// the database. Running workers see it within seconds; runs that are under way keep theirs.
    Apply,
    Try(Try),
    Record(Record),
}

impl Definitions {
    pub(super) fn run(&self, globals: &Globals) -> Result<Exit, CliError> {
        match self {
            Self::Apply => apply(globals),
            Self::Try(verb) => verb.run(globals),
            Self::Record(verb) => verb.run(globals),
        }
    }
}

fn apply(globals: &Globals) -> Result<Exit, CliError> {
    let changed = with_store(globals, Need::Made, async |settings, store, metrics| {
        let parts = app::open_parts(&settings, store, None, metrics).await?;
        Ok(parts.apply_definitions(&settings).await?)
    })?;
    let mut output = globals.output();
    if output.is_json() {
        output.json(&json!({ "changed": changed }))?;
    } else if changed == 0 {
        output.line("nothing differs from what the database has")?;
    } else {
        output.line(&format!("{changed} environments, integrations and installs were changed"))?;
    }
    Ok(Exit::Done)
}
