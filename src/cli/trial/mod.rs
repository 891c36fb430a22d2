//! `tidewaiter definitions try` and `record`.

mod choose;
mod told;

use std::fs;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use clap::Args;
use serde_json::{Value, json};
use uuid::Uuid;

use super::process::on_a_large_stack;
use super::{CliError, Exit, Globals, Output, block_on};
use crate::app;
use crate::clock::SystemClock;
use crate::config::Settings;
use crate::intake;
use crate::operate::trial::{Case, Recorded, Recording, TrialError, record, replay};
use crate::upstream::AddressPolicy;

/// The largest recording that is read, in bytes.
const MAX_RECORDING_BYTES: u64 = 64 * 1024 * 1024;

/// Which definition.
#[derive(Debug, Args)]
struct Which {
    /// The integration's name.
    name: String,
    /// The install whose override applies. Without it: the one that the import names, else the integration's only one,
    /// else none.
    #[arg(long, value_name = "ID", value_parser = super::choice::id)]
    install: Option<Uuid>,
    /// A custom action, on an account that is active, instead of what follows an import.
    #[arg(long, value_name = "NAME")]
    action: Option<String>,
}

/// Try a definition on recorded answers, without a network, a database or a clock.
///
/// Tells the account's end, its events, every request with its secrets masked, the pauses (which take no time), and what
/// the run changed in the context. The same input gives the same output, byte for byte. Exit code 0 when the account
/// becomes active or the action succeeds, 1 when not, or when the recording has no answer for a request.
#[derive(Debug, Args)]
pub(super) struct Try {
    #[command(flatten)]
    which: Which,
    /// The recording: JSON, as in docs/definitions.md, written by hand or by `definitions record`; `-` is standard input.
    #[arg(long, value_name = "FILE")]
    with: PathBuf,
    /// The import request, before the one that the recording holds.
    #[arg(long, value_name = "FILE")]
    import: Option<PathBuf>,
}

/// Run a definition against its provider, and record the answers for `definitions try`.
///
/// Nothing is stored and no event is published, but what is asked of the provider is asked in earnest. In the recording
/// stand-ins take the place of every secret, in requests, answers and the import. It is tried before it is written: exit
/// code 1 when it does not come to what the run came to.
#[derive(Debug, Args)]
pub(super) struct Record {
    #[command(flatten)]
    which: Which,
    /// The import request; `-` is standard input.
    #[arg(long, value_name = "FILE")]
    import: PathBuf,
    /// Where the recording goes.
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
    /// Go on although the run writes at the provider, or may use up the account's refresh token.
    #[arg(long)]
    yes: bool,
}

impl Try {
    pub(super) fn run(&self, globals: &Globals) -> Result<Exit, CliError> {
        let settings = globals.load()?.settings;
        let file = &self.with;
        let recording = Recording::parse(&read(file, MAX_RECORDING_BYTES)?)
            .map_err(|error| CliError::bad_input(format!("{}: {error}", file.display())))?;
        let import = self.import.as_deref().map(import).transpose()?;
        let case = self.which.case(&settings, import.or_else(|| recording.import.clone()))?;
        let verdict = on_a_large_stack(|| replay(case, &recording))??;
        let mut output = globals.output();
        if output.is_json() {
            output.json(&verdict)?;
        } else {
            told::verdict(&mut output, &verdict)?;
        }
        Ok(if verdict.is_good() { Exit::Done } else { Exit::Findings })
    }
}

impl Record {
    pub(super) fn run(&self, globals: &Globals) -> Result<Exit, CliError> {
        let settings = globals.load()?.settings;
        let case = self.which.case(&settings, Some(import(&self.import)?))?;
        let effects = case.effects()?;
        if !self.yes && !effects.is_empty() {
            return Err(CliError::bad_input(format!("this run has side effects: {}", effects.join("; ")))
                .hint("use an account whose data may change, and say so with --yes"));
        }
        let upstream = app::open_upstream(&settings)?;
        let work = || block_on(record(case, &upstream, &SystemClock::default()));
        let recorded = on_a_large_stack(work)???;
        self.write(&recorded)?;
        self.tell(&mut globals.output(), &recorded)?;
        Ok(if recorded.is_true() { Exit::Done } else { Exit::Findings })
    }

    fn write(&self, recorded: &Recorded) -> Result<(), CliError> {
        let text = serde_json::to_string_pretty(&recorded.recording)
            .map_err(|error| CliError::unavailable(format!("the recording is no JSON: {error}")))?;
        let failed = |error| CliError::bad_input(format!("{} cannot be written: {error}", self.out.display()));
        fs::write(&self.out, format!("{text}\n")).map_err(failed)
    }

    fn tell(&self, output: &mut Output, recorded: &Recorded) -> Result<(), CliError> {
        let alike = recorded.is_true();
        if output.is_json() {
            let file = self.out.display().to_string();
            return output.json(&json!({ "recording": file, "alike": alike, "verdict": recorded.live }));
        }
        told::verdict(output, &recorded.live)?;
        output.line("")?;
        output.line(&format!("answers in {}: {}", self.out.display(), recorded.recording.exchanges.len()))?;
        if recorded.refreshed() {
            output.line("the account's token was refreshed, and the new one is not kept: connect the account anew")?;
        }
        if !alike {
            output.line("")?;
            output.line(
                "the recording comes to something else, most often because the definition looks into a secret whose \
                 place a stand-in has taken; mend the recording by hand:",
            )?;
            told::verdict(output, &recorded.replayed)?;
        }
        Ok(())
    }
}

impl Which {
    fn case(&self, settings: &Settings, import: Option<Value>) -> Result<Case, CliError> {
        if import.is_none() {
            return Err(TrialError::NoImport.into());
        }
        let (integration, install) = choose::chosen(settings, &self.name, self.install, import.as_ref())?;
        let case = Case::new(&integration, install.as_ref(), import);
        let max_context_bytes = settings.events.max_context_bytes;
        let action = self.action.clone();
        let policy = AddressPolicy::new(app::address_policy(settings));
        Ok(Case { action, budgets: app::budgets(settings), policy, max_context_bytes, ..case })
    }
}

/// An import request from a file.
fn import(file: &Path) -> Result<Value, CliError> {
    intake::json::parse(&read(file, intake::json::MAX_BYTES as u64)?)
        .map_err(|refusal| CliError::bad_input(format!("{}: {refusal}", file.display())))
}

fn read(file: &Path, most: u64) -> Result<Vec<u8>, CliError> {
    let failed = |error| CliError::bad_input(format!("{} cannot be read: {error}", file.display()));
    let mut bytes = Vec::new();
    let read = if file == Path::new("-") {
        std::io::stdin().lock().take(most + 1).read_to_end(&mut bytes)
    } else {
        fs::File::open(file).and_then(|file| file.take(most + 1).read_to_end(&mut bytes))
    };
    read.map_err(failed)?;
    if bytes.len() as u64 > most {
        return Err(CliError::bad_input(format!("{} has more than {most} bytes", file.display())));
    }
    Ok(bytes)
}

impl From<TrialError> for CliError {
    fn from(error: TrialError) -> Self {
        match error {
            TrialError::NoImport => Self::bad_input(error.to_string()).hint("give one with --import FILE"),
            TrialError::Definition(_) | TrialError::Recording(_) | TrialError::Refused(_) => {
                Self::bad_input(error.to_string())
            }
            TrialError::Leak | TrialError::Rejected(_) => Self::new(Exit::Findings, error.to_string()),
        }
    }
}
