//! `tidewaiter config`: the configuration in effect.

use clap::Subcommand;
use serde::Serialize;
use serde_json::Value;

use super::{CliError, Exit, Globals, Output, Table};
use crate::config::{Effective, Loaded};

/// Show or check the configuration.
#[derive(Debug, Subcommand)]
pub(super) enum Config {
    /// Print every key with its value and the layer it comes from, passwords masked.
    Show,
    /// Check the configuration for `run` without starting anything.
    Check,
}

#[derive(Serialize)]
struct Record {
    key: String,
    value: Value,
    layer: String,
}

impl From<Effective> for Record {
    fn from(effective: Effective) -> Self {
        Self { key: effective.key, value: effective.value, layer: effective.origin.to_string() }
    }
}

impl Config {
    pub(super) fn run(&self, globals: &Globals) -> Result<Exit, CliError> {
        let loaded = globals.load()?;
        let mut output = globals.output();
        match self {
            Self::Show => show(&loaded, &mut output)?,
            Self::Check => {
                loaded.check_for_worker()?;
                if !output.is_json() {
                    output.line("the configuration is valid")?;
                }
            }
        }
        Ok(Exit::Done)
    }
}

fn show(loaded: &Loaded, output: &mut Output) -> Result<(), CliError> {
    let records: Vec<Record> = loaded.effective().into_iter().map(Record::from).collect();
    output.records(&records, |records| {
        let mut table = Table::new(["key", "value", "from"]);
        for record in records {
            table.row([&record.key, &record.value.to_string(), &record.layer]);
        }
        table
    })
}
