//! `tidewaiter definitions`: integrations and installs, checked, tried, applied and looked at.

mod diff;
mod lint;
mod show;

pub(super) use diff::{difference, difference_record};

use std::path::PathBuf;

use clap::{Args, Subcommand};
use serde_json::json;
use uuid::Uuid;

use super::choice::id;
use super::store::{Need, with_store};
use super::trial::{Record, Try};
use super::{CliError, Exit, Globals};
use crate::accounts::{Applied, BrokenOverride, Change};
use crate::app;

/// Integrations and installs.
#[derive(Debug, Subcommand)]
pub(super) enum Definitions {
    /// Find everything that is wrong or looks wrong in definitions, without applying them.
    #[command(after_help = lint::HELP)]
    Lint(lint::Lint),
    /// Read `definitions.integrations_dir` and `definitions.installs_dir`, check everything, and put what differs into
    /// the database. Running workers see it within seconds; runs that are under way keep theirs.
    Apply(Apply),
    Try(Try),
    Record(Record),
    /// List the integrations of the database with their versions and installs.
    List,
    /// Show a definition of the database as JSON. Secrets are masked.
    Show(Show),
    /// Show what is different between two versions of an integration, or between the database and a file. Secrets are
    /// masked. Ends with 1 when there is a difference.
    #[command(after_help = diff::HELP)]
    Diff(Diff),
}

/// Which definitions to apply.
#[derive(Debug, Args)]
pub(super) struct Apply {
    /// Apply only if this integration is still at this version in the database (`definitions list`). Repeatable.
    #[arg(long, value_name = "NAME=VERSION", value_parser = named_version)]
    over: Vec<(String, i64)>,
    /// Only say what would change.
    #[arg(long)]
    dry_run: bool,
}

/// Which definition.
#[derive(Debug, Args)]
pub(super) struct Show {
    /// The integration's name.
    name: String,
    /// The definition that this install's runs work with: integration, override and variables in one.
    #[arg(long, value_name = "INSTALL", value_parser = id, conflicts_with = "version")]
    effective: Option<Uuid>,
    /// The definition that this account's next run works with: that of its install, under its own override.
    #[arg(long, value_name = "ACCOUNT", value_parser = id, conflicts_with_all = ["version", "effective"])]
    account: Option<Uuid>,
    /// Another version than the latest.
    #[arg(long, value_name = "N")]
    version: Option<i64>,
}

/// Which two definitions.
#[derive(Debug, Args)]
pub(super) struct Diff {
    /// The integration's name.
    name: String,
    /// From this version; without it, from the latest.
    #[arg(long, value_name = "N")]
    from: Option<i64>,
    /// To this version. Without it and without --file: to the latest if --from is given, else to the file that
    /// `definitions apply` would read.
    #[arg(long, value_name = "N", conflicts_with = "file")]
    to: Option<i64>,
    /// To this file.
    #[arg(long)]
    file: Option<PathBuf>,
}

fn named_version(text: &str) -> Result<(String, i64), String> {
    let (name, version) = text.split_once('=').ok_or("must be NAME=VERSION, such as harbour=3")?;
    let version = version.parse().map_err(|_| format!("`{version}` is not a version"))?;
    Ok((name.to_owned(), version))
}

impl Definitions {
    pub(super) fn run(&self, globals: &Globals) -> Result<Exit, CliError> {
        match self {
            Self::Lint(lint) => lint.run(globals),
            Self::Apply(apply) => apply.run(globals),
            Self::Try(verb) => verb.run(globals),
            Self::Record(verb) => verb.run(globals),
            Self::List => with_store(globals, Need::Existing, async |_, store, _| show::list(globals, &store).await),
            Self::Show(show) => show.run(globals),
            Self::Diff(diff) => diff.run(globals),
        }
    }
}

impl Apply {
    fn run(&self, globals: &Globals) -> Result<Exit, CliError> {
        let (applied, broken) = with_store(globals, Need::Made, async |settings, store, metrics| {
            let parts = app::open_parts(&settings, store, None, metrics).await?;
            let set = app::read_definitions(&settings)?;
            let compared = parts.accounts.catalog.compare(&set).await?;
            let broken = parts.accounts.catalog.broken_overrides(&set, &compared).await?;
            if self.dry_run {
                return Ok((compared, broken));
            }
            Ok((parts.apply_set(&set, &self.over).await?, broken))
        })?;
        tell(globals, &applied, &broken, self.dry_run)?;
        Ok(Exit::Done)
    }
}

fn tell(globals: &Globals, applied: &Applied, broken: &[BrokenOverride], dry_run: bool) -> Result<(), CliError> {
    let mut output = globals.output();
    if output.is_json() {
        return output.json(&json!({
            "changed": applied.rows, "dry_run": dry_run,
            "integrations": applied.integrations, "installs": applied.installs, "broken_overrides": broken,
        }));
    }
    let would = if dry_run { "would be " } else { "" };
    for it in applied.integrations.iter().filter(|it| it.change != Change::Unchanged) {
        let what = if it.change == Change::New { "new" } else { "changed" };
        output.line(&format!("{}: {would}{what}, version {}", it.integration, it.version))?;
    }
    for it in applied.installs.iter().filter(|it| it.change != Change::Unchanged) {
        let what = if it.change == Change::New { "new" } else { "changed" };
        output.line(&format!("install {} of {}: {would}{what}", it.install, it.integration))?;
    }
    let cannot = if dry_run { "could not" } else { "cannot" };
    for it in broken {
        let (account, pointer, message) = (it.account, &it.pointer, &it.message);
        output.line(&format!("account {account} {cannot} be run any more, for its own {pointer}: {message}"))?;
    }
    let changes = applied.integrations.iter().map(|it| it.change).chain(applied.installs.iter().map(|it| it.change));
    let unchanged = changes.filter(|change| *change == Change::Unchanged).count();
    match (applied.integrations.len() + applied.installs.len(), unchanged) {
        (all, unchanged) if all == unchanged && applied.rows == 0 => {
            output.line("nothing differs from what the database has")
        }
        (_, 0) => Ok(()),
        (_, unchanged) => output.line(&format!("{unchanged} unchanged")),
    }
}
