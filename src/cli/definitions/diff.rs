//! `tidewaiter definitions diff`.

use std::path::Path;
use std::sync::Arc;

use serde_json::{Value, json};

use super::Diff;
use super::show::{named, no_version};
use crate::app;
use crate::cli::store::{Need, with_store};
use crate::cli::{CliError, Exit, Globals};
use crate::config::Settings;
use crate::definitions::{Difference, Effective, Kind, differences, read_integration};

pub(super) const HELP: &str = "\
Examples:
  tidewaiter definitions diff harbour                     # what `apply` would change
  tidewaiter definitions diff harbour --from 3            # from version 3 to the latest
  tidewaiter definitions diff harbour --from 3 --to 4
  tidewaiter definitions diff harbour --file draft.json";

impl Diff {
    pub(super) fn run(&self, globals: &Globals) -> Result<Exit, CliError> {
        let (from, to, found) = with_store(globals, Need::Existing, async |settings, store, metrics| {
            let parts = app::open_parts(&settings, Arc::clone(&store), None, metrics).await?;
            let entry = named(&store, &self.name).await?;
            let at = async |version: i64| {
                let found = parts.accounts.catalog.definition(entry.face.id, version).await?;
                found.ok_or_else(|| no_version(&self.name, version, entry.version))
            };
            let from = self.from.unwrap_or(entry.version);
            let old = at(from).await?;
            let to = match (&self.file, self.to, self.from) {
                (Some(file), ..) => Err(file.clone()),
                (None, Some(version), _) => Ok(version),
                (None, None, Some(_)) => Ok(entry.version),
                (None, None, None) => Err(self.configured(&settings)?),
            };
            let (to, new) = match to {
                Ok(version) => (format!("version {version}"), at(version).await?),
                Err(file) => (file.display().to_string(), of_file(&file)?),
            };
            Ok((format!("version {from}"), to, differences(&old, &new)))
        })?;
        self.tell(globals, &from, &to, &found)?;
        Ok(if found.is_empty() { Exit::Done } else { Exit::Findings })
    }

    /// The configured file that defines the integration.
    fn configured(&self, settings: &Settings) -> Result<std::path::PathBuf, CliError> {
        let directory = &settings.definitions.integrations_dir;
        let files = crate::definitions::files(directory).map_err(|error| CliError::bad_input(error.to_string()))?;
        let defines = |file: &&std::path::PathBuf| read_integration(file).is_ok_and(|it| it.name == self.name);
        let file = files.iter().find(defines).cloned();
        file.ok_or_else(|| {
            CliError::bad_input(format!("no file in {} defines an integration `{}`", directory.display(), self.name))
                .hint("name one with --file, or two versions with --from and --to")
        })
    }

    fn tell(&self, globals: &Globals, from: &str, to: &str, found: &[Difference]) -> Result<(), CliError> {
        let mut output = globals.output();
        if output.is_json() {
            return found.iter().try_for_each(|it| output.json(&difference_record(it)));
        }
        if found.is_empty() {
            return output.line(&format!("{}: {from} and {to} are the same", self.name));
        }
        output.line(&format!("{}: {from} → {to}", self.name))?;
        found.iter().try_for_each(|it| output.line(&difference(it)))
    }
}

/// A difference as a record. Values that are not to be shown at all are left out.
pub(in crate::cli) fn difference_record(it: &Difference) -> Value {
    let mut record = json!({ "change": it.kind.as_str(), "pointer": it.pointer });
    for (key, value) in [("from", &it.from), ("to", &it.to)] {
        if let Some(value) = value {
            record[key] = value.clone();
        }
    }
    record
}

/// A difference in a line.
pub(in crate::cli) fn difference(difference: &Difference) -> String {
    let shown = |value: &Option<Value>| value.as_ref().map(Value::to_string).unwrap_or_default();
    let (pointer, from, to) = (&difference.pointer, shown(&difference.from), shown(&difference.to));
    match difference.kind {
        kind if difference.from.is_none() && difference.to.is_none() => {
            let sign = match kind {
                Kind::Added => '+',
                Kind::Removed => '-',
                Kind::Changed => '~',
            };
            format!("{sign} {pointer}: a secret")
        }
        Kind::Added => format!("+ {pointer}: {to}"),
        Kind::Removed => format!("- {pointer}: {from}"),
        Kind::Changed if from == to => format!("~ {pointer}: {to}, another one"),
        Kind::Changed => format!("~ {pointer}: {from} → {to}"),
    }
}

fn of_file(file: &Path) -> Result<Effective, CliError> {
    let integration = read_integration(file).map_err(|error| CliError::bad_input(error.to_string()))?;
    Ok(Effective::of(&integration))
}
