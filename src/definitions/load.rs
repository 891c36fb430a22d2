//! Reading definitions from files: one integration, or one environment with its installs, in a file of JSON or YAML.
//!
//! Everything is read and checked before anything is returned, so a set is applied whole or not at all.

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;
use uuid::Uuid;

use super::effective::Effective;
use super::error::LoadError;
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
/// The first file that cannot be read, is too large, is not JSON or YAML, has a member that is not allowed, repeats an
/// id or name, refers to an unknown integration, or whose definition does not compile.
pub fn load(integrations: &Path, installs: &Path) -> Result<DefinitionSet, LoadError> {
    let mut set = DefinitionSet::default();
    let mut ids = HashMap::new();
    for file in files(integrations)? {
        let integration = Integration::parse(&read(&file)?).map_err(|error| LoadError::at(&file, error))?;
        claim(&mut ids, integration.id, &file, "/id")?;
        if set.integration(&integration.name).is_some() {
            return Err(LoadError {
                file,
                pointer: "/name".to_owned(),
                message: format!("another file defines an integration `{}`: rename one", integration.name),
            });
        }
        Plan::compile(&Effective::of(&integration)).map_err(|error| LoadError::at(&file, error))?;
        set.integrations.push(integration);
    }
    for file in files(installs)? {
        let document = Installs::parse(&read(&file)?).map_err(|error| LoadError::at(&file, error))?;
        add_installs(&mut set, document, &mut ids, &file)?;
    }
    Ok(set)
}

fn add_installs(
    set: &mut DefinitionSet,
    document: Installs,
    ids: &mut HashMap<Uuid, PathBuf>,
    file: &Path,
) -> Result<(), LoadError> {
    let (id, name) = &document.environment;
    match set.environments.iter().find(|known| known.0 == *id || known.1 == *name) {
        Some(known) if known != &document.environment => {
            return Err(LoadError {
                file: file.to_owned(),
                pointer: "/environment".to_owned(),
                message: format!("another file gives this id or name to environment {} `{}`", known.0, known.1),
            });
        }
        Some(_) => {}
        None => set.environments.push(document.environment),
    }
    for (index, install) in document.installs.into_iter().enumerate() {
        claim(ids, install.id, file, &format!("/installs/{index}/id"))?;
        let Some(effective) = set.effective(&install) else {
            return Err(LoadError {
                file: file.to_owned(),
                pointer: format!("/installs/{index}/integration"),
                message: format!("no file defines an integration `{}`", install.integration),
            });
        };
        Plan::compile(&effective).map_err(|error| LoadError {
            file: file.to_owned(),
            pointer: format!("/installs/{index}"),
            message: format!("under this override `{}` cannot be run: {error}", install.integration),
        })?;
        set.installs.push(install);
    }
    Ok(())
}

fn claim(ids: &mut HashMap<Uuid, PathBuf>, id: Uuid, file: &Path, pointer: &str) -> Result<(), LoadError> {
    match ids.insert(id, file.to_owned()) {
        None => Ok(()),
        Some(other) => Err(LoadError {
            file: file.to_owned(),
            pointer: pointer.to_owned(),
            message: format!("{id} is used in {} too: every id is unique", other.display()),
        }),
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
    if extension(file) == "json" {
        return serde_json::from_str(&text).map_err(|error| LoadError::new(file, format!("is not JSON: {error}")));
    }
    serde_saphyr::from_str(&text).map_err(|error| LoadError::new(file, format!("is not YAML: {error}")))
}
