//! Reading definitions from files: one integration, or one environment with its installs, in a file of JSON or YAML.
//!
//! Everything is read and checked before anything is returned, so a set is applied whole or not at all, and whoever mends it
//! is told all that is wrong at once.

use std::collections::{HashMap, HashSet};
use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;
use uuid::Uuid;

use super::effective::Effective;
use super::error::{CompileError, LoadError, LoadErrors};
use super::lint;
use super::model::{Install, Installs, Integration};
use super::plan::Plan;

/// The size of one file.
const MAX_FILE_BYTES: u64 = 1024 * 1024;

/// Definitions that belong together and have been found sound.
#[derive(Debug, Clone, Default)]
pub struct DefinitionSet {
    /// Environments: id and name.
    pub environments: Vec<(Uuid, String)>,
    /// Integrations, by file name.
    pub integrations: Vec<Integration>,
    /// Installs; each refers to one of the integrations.
    pub installs: Vec<Install>,
}

impl DefinitionSet {
    /// The integration of that name.
    #[must_use]
    pub fn integration(&self, name: &str) -> Option<&Integration> {
        self.integrations.iter().find(|integration| integration.name == name)
    }

    /// What runs of `install` work with; `None` when its integration is not in this set.
    #[must_use]
    pub fn effective(&self, install: &Install) -> Option<Effective> {
        self.integration(&install.integration).map(|integration| Effective::merge(integration, install))
    }
}

/// Reads `*.json`, `*.yaml` and `*.yml` of both directories, in the order of their names.
///
/// # Errors
/// Everything that keeps the set from being used: a file that cannot be read, is too large, is not JSON or YAML, has a
/// member that is not allowed, repeats an id or name, refers to an unknown integration, or whose definition does not
/// compile.
pub fn load(integrations: &Path, installs: &Path) -> Result<DefinitionSet, LoadErrors> {
    let mut reading = Reading::default();
    for file in files(integrations)? {
        match read(&file) {
            Ok(document) => reading.integration(&file, &document),
            Err(error) => {
                reading.refuse(error);
                reading.nameless = true;
            }
        }
    }
    for file in files(installs)? {
        match read(&file) {
            Ok(document) => reading.installs(&file, &document),
            Err(error) => reading.refuse(error),
        }
    }
    if reading.wrong.is_empty() { Ok(reading.set) } else { Err(LoadErrors(reading.wrong)) }
}

/// A set as far as it was read, and what is wrong with it.
#[derive(Default)]
struct Reading {
    set: DefinitionSet,
    ids: HashMap<Uuid, PathBuf>,
    wrong: Vec<LoadError>,
    /// Integrations that are refused: nothing more is said of what uses them.
    refused: HashSet<String>,
    /// Whether there is one whose name could not be read.
    nameless: bool,
}

impl Reading {
    fn refuse(&mut self, error: LoadError) {
        self.wrong.push(error);
    }

    fn refuse_at(&mut self, file: &Path, pointer: impl Into<String>, message: String) {
        self.refuse(LoadError::at(file, CompileError::new(pointer, message)));
    }

    fn integration(&mut self, file: &Path, document: &Value) {
        let parsed = Integration::parse(document);
        if let Ok(integration) = &parsed {
            self.claim(integration.id, file, "/id");
            if self.set.integration(&integration.name).is_some() {
                let message = format!("another file defines an integration `{}`: rename one", integration.name);
                self.refuse_at(file, "/name", message);
            }
        }
        match parsed.and_then(|it| Plan::compile(&Effective::of(&it)).map(|_| it)) {
            Ok(integration) => self.set.integrations.push(integration),
            Err(first) => {
                let mut reasons = lint::refusals(document);
                if !reasons.contains(&first) {
                    reasons.insert(0, first);
                }
                self.wrong.extend(reasons.into_iter().map(|reason| LoadError::at(file, reason)));
                match document.get("name").and_then(Value::as_str) {
                    Some(name) => drop(self.refused.insert(name.to_owned())),
                    None => self.nameless = true,
                }
            }
        }
    }

    fn installs(&mut self, file: &Path, document: &Value) {
        let (Installs { environment, installs }, wrong) = Installs::parse(document);
        self.wrong.extend(wrong.into_iter().map(|error| LoadError::at(file, error)));
        match self.set.environments.iter().find(|known| known.0 == environment.0 || known.1 == environment.1) {
            Some(known) if known != &environment => {
                let message = format!("another file gives this id or name to environment {} `{}`", known.0, known.1);
                self.refuse_at(file, "/environment", message);
            }
            Some(_) => {}
            None => self.set.environments.push(environment),
        }
        for (pointer, install) in installs {
            self.claim(install.id, file, &format!("{pointer}/id"));
            self.install(file, &pointer, install);
        }
    }

    fn install(&mut self, file: &Path, pointer: &str, install: Install) {
        let Some(effective) = self.set.effective(&install) else {
            if !self.nameless && !self.refused.contains(&install.integration) {
                let message = format!("no file defines an integration `{}`", install.integration);
                self.refuse_at(file, format!("{pointer}/integration"), message);
            }
            return;
        };
        if Plan::compile(&effective).is_err() {
            for error in lint::compiled::refusals(&effective) {
                let message = format!("under this override `{}` cannot be run: {error}", install.integration);
                self.refuse_at(file, pointer, message);
            }
        }
        self.set.installs.push(install);
    }

    fn claim(&mut self, id: Uuid, file: &Path, pointer: &str) {
        if let Some(other) = self.ids.insert(id, file.to_owned()) {
            self.refuse_at(file, pointer, format!("{id} is used in {} too: every id is unique", other.display()));
        }
    }
}

/// The definitions' files in a directory, in the order of their names.
///
/// # Errors
/// When the directory cannot be read.
pub fn files(directory: &Path) -> Result<Vec<PathBuf>, LoadError> {
    let unreadable = |error| LoadError::new(directory, format!("the directory cannot be read: {error}"));
    let mut files = Vec::new();
    for entry in fs::read_dir(directory).map_err(unreadable)? {
        let path = entry.map_err(unreadable)?.path();
        if matches!(extension(&path), "json" | "yaml" | "yml") {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}

pub(super) fn extension(path: &Path) -> &str {
    path.extension().and_then(|extension| extension.to_str()).unwrap_or_default()
}

/// Reads one integration's file. Whether it can be run is not looked at.
///
/// # Errors
/// When it cannot be read, or is no integration's document.
pub fn read_integration(file: &Path) -> Result<Integration, LoadError> {
    Integration::parse(&read(file)?).map_err(|error| LoadError::at(file, error))
}

/// A file's text.
pub(super) fn text(file: &Path) -> Result<String, LoadError> {
    let unreadable = |error| LoadError::new(file, format!("the file cannot be read: {error}"));
    let size = fs::metadata(file).map_err(unreadable)?.len();
    if size > MAX_FILE_BYTES {
        return Err(LoadError::new(file, format!("the file has {size} bytes; at most {MAX_FILE_BYTES} are allowed")));
    }
    fs::read_to_string(file).map_err(unreadable)
}

fn read(file: &Path) -> Result<Value, LoadError> {
    let text = text(file)?;
    parse(file, &text).map_err(|error| LoadError::new(file, error.message))
}

/// A text that is not what its file's name says.
#[derive(Debug)]
pub(super) struct Unreadable {
    pub(super) message: String,
    /// Line and column, from 1.
    pub(super) line: Option<(usize, usize)>,
}

/// Reads the text of `file`, which is JSON or YAML by its name.
pub(super) fn parse(file: &Path, text: &str) -> Result<Value, Unreadable> {
    if extension(file) == "json" {
        return serde_json::from_str(text).map_err(|error| Unreadable {
            message: format!("is not JSON: {error}"),
            line: Some((error.line(), error.column())),
        });
    }
    serde_saphyr::from_str(text).map_err(|error| {
        // A snippet of the text may hold a secret.
        let error = error.without_snippet();
        let place = error.location().map(|at| (at.line() as usize, at.column() as usize));
        Unreadable { message: format!("is not YAML: {error}"), line: place.filter(|(line, _)| *line > 0) }
    })
}
