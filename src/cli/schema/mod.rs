//! `tidewaiter schema`: documents printed from the code that they describe, as committed under docs/.

mod errors;

use clap::{Args, ValueEnum};

use super::{CliError, Exit, Globals};

/// Print a document that is generated from the code.
#[derive(Debug, Args)]
pub(super) struct Schema {
    /// Which one.
    document: Document,
}

/// A generated document.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Document {
    /// docs/configuration.md: every key.
    Configuration,
    /// docs/errors.md: every reason code.
    Errors,
    /// docs/state-machine.md: every trigger on every status.
    StateMachine,
    /// docs/schemas/integration.schema.json: JSON Schema of an integration's document, for editors.
    Integration,
    /// docs/schemas/installs.schema.json: JSON Schema of an environment's installs, for editors.
    Installs,
    /// docs/schemas/recording.schema.json: JSON Schema of a recording for `definitions try`, for editors.
    Recording,
}

impl Document {
    /// All of them.
    pub const ALL: [Self; 6] =
        [Self::Configuration, Self::Errors, Self::StateMachine, Self::Integration, Self::Installs, Self::Recording];

    /// Where it is committed, relative to the repository.
    #[must_use]
    pub const fn path(self) -> &'static str {
        match self {
            Self::Configuration => "docs/configuration.md",
            Self::Errors => "docs/errors.md",
            Self::StateMachine => "docs/state-machine.md",
            Self::Integration => "docs/schemas/integration.schema.json",
            Self::Installs => "docs/schemas/installs.schema.json",
            Self::Recording => "docs/schemas/recording.schema.json",
        }
    }

    /// Its text.
    #[must_use]
    pub fn text(self) -> String {
        match self {
            Self::Configuration => crate::config::markdown(),
            Self::Errors => errors::markdown(),
            Self::StateMachine => crate::lifecycle::table::markdown(),
            Self::Integration => format!("{:#}\n", crate::definitions::integration_schema()),
            Self::Installs => format!("{:#}\n", crate::definitions::installs_schema()),
            Self::Recording => format!("{:#}\n", crate::operate::trial::recording_schema()),
        }
    }
}

impl Schema {
    pub(super) fn run(&self, globals: &Globals) -> Result<Exit, CliError> {
        globals.output().text(&self.document.text())?;
        Ok(Exit::Done)
    }
}
