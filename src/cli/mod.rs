//! The command line: one file for each verb.
//!
//! Promises: answers go to standard output, everything else to standard error; an error is one clear message, with a
//! hint where there is one; the exit codes are those of [`Exit`]; a reader that goes away (`| head`) is no error. Verbs
//! only translate between a person and the library; nothing is decided here.

mod accounts;
mod broker;
mod choice;
mod config;
mod definitions;
mod demo;
mod error;
mod eval;
mod events;
mod health;
mod import;
mod migrate;
mod output;
mod process;
mod quarantine;
mod replay;
mod run;
mod runs;
pub mod schema;
mod store;
mod trial;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand};

use crate::config::{Loaded, Settings, Sources};
pub use error::{CliError, Exit};
pub use output::{Output, Table};
use process::block_on;

/// An event-driven account lifecycle worker.
#[derive(Debug, Parser)]
#[command(name = "tidewaiter", version, after_help = EXIT_CODES)]
struct Cli {
    #[command(flatten)]
    globals: Globals,
    #[command(subcommand)]
    verb: Verb,
}

const EXIT_CODES: &str =
    "Exit codes: 0 done, 1 findings or refused items, 2 bad input or configuration, 3 something is unavailable.";

/// What every verb understands.
#[derive(Debug, Clone, Args)]
pub struct Globals {
    /// Configuration file (TOML), above the built-in defaults and below the environment.
    #[arg(long, global = true, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Print JSON, one object a line, instead of text for people.
    #[arg(long, global = true)]
    json: bool,
}

impl Globals {
    /// The layers of configuration of this process.
    #[must_use]
    pub fn sources(&self) -> Sources {
        Sources::of_process(self.config.clone())
    }

    /// The settings of this process.
    ///
    /// # Errors
    /// [`Exit::BadInput`] with the mistake.
    pub fn load(&self) -> Result<Loaded, CliError> {
        Ok(Settings::load(&self.sources())?)
    }

    /// Where the answer goes.
    #[must_use]
    pub fn output(&self) -> Output {
        Output::stdout(self.json)
    }
}

#[derive(Debug, Subcommand)]
enum Verb {
    Demo(demo::Demo),
    Run(run::Run),
    Import(import::Import),
    #[command(subcommand)]
    Accounts(accounts::Accounts),
    #[command(subcommand)]
    Runs(runs::Runs),
    #[command(subcommand)]
    Replay(replay::Replay),
    #[command(subcommand)]
    Quarantine(quarantine::Quarantine),
    #[command(subcommand)]
    Events(events::Events),
    #[command(subcommand)]
    Definitions(definitions::Definitions),
    #[command(subcommand)]
    Broker(broker::BrokerVerb),
    Migrate(migrate::Migrate),
    #[command(subcommand)]
    Config(config::Config),
    Eval(eval::Eval),
    Health(health::Health),
    Schema(schema::Schema),
}

impl Cli {
    fn run(&self) -> Result<Exit, CliError> {
        match &self.verb {
            Verb::Demo(verb) => verb.run(&self.globals),
            Verb::Run(verb) => verb.run(&self.globals),
            Verb::Import(verb) => verb.run(&self.globals),
            Verb::Accounts(verb) => verb.run(&self.globals),
            Verb::Runs(verb) => verb.run(&self.globals),
            Verb::Replay(verb) => verb.run(&self.globals),
            Verb::Quarantine(verb) => verb.run(&self.globals),
            Verb::Events(verb) => verb.run(&self.globals),
            Verb::Definitions(verb) => verb.run(&self.globals),
            Verb::Broker(verb) => verb.run(&self.globals),
            Verb::Migrate(verb) => verb.run(&self.globals),
            Verb::Config(verb) => verb.run(&self.globals),
            Verb::Eval(verb) => verb.run(&self.globals),
            Verb::Health(verb) => verb.run(&self.globals),
            Verb::Schema(verb) => verb.run(&self.globals),
        }
    }
}

/// Runs the command that the process was started with.
#[must_use]
pub fn main() -> ExitCode {
    process::harden();
    crate::telemetry::tell_panics_on_stderr();
    match Cli::try_parse() {
        Ok(cli) => cli.run().unwrap_or_else(|error| error.report()).into(),
        Err(usage) => {
            // Help and version come this way too, on standard output and with code 0. A reader may be gone.
            let _ = usage.print();
            if usage.use_stderr() { Exit::BadInput.into() } else { Exit::Done.into() }
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn the_definition_of_the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn global_options_may_stand_before_and_after_the_verb() {
        for line in ["tidewaiter --json --config x.toml config show", "tidewaiter config show --config x.toml --json"] {
            let cli = Cli::try_parse_from(line.split(' ')).unwrap();
            assert!(cli.globals.json && cli.globals.config == Some("x.toml".into()), "{line}");
        }
    }
}
