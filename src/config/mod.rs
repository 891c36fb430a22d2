//! Configuration: layers, their merging, typed settings, and where each value came from.
//!
//! Promises: a mistake in any layer stops the start with one message that names the key, the layer and what is wrong,
//! and never a secret's value; every key has a default and an explanation in config/default.toml. This is the only
//! module that reads the process's environment. It opens no database, port or definition: that such a thing is
//! unusable is found by whoever uses it.

mod error;
mod host;
mod layer;
mod nearest;
mod reader;
mod reference;
mod settings;
mod show;
mod subnet;
#[cfg(test)]
mod tests;
mod url;

use std::ffi::OsString;
use std::path::PathBuf;

pub use error::ConfigError;
pub use host::HostName;
pub use layer::{DEFAULT, Origin};
pub use reference::markdown;
pub use settings::{Definitions, Events, Limits, LoadAtStart, Settings, Sink, SinkWord, Upstream, Worker};
pub use show::Effective;
pub use subnet::{Subnet, SubnetError};
pub use url::{DatabaseKind, DatabaseUrl};

use layer::{Layer, Values};
use reader::Reader;

/// The layers above the embedded default.
#[derive(Clone, Default)]
pub struct Sources {
    /// The file given with `--config`.
    pub file: Option<PathBuf>,
    /// The environment's variables.
    pub environment: Vec<(OsString, OsString)>,
    /// Options of the command line that stand for a key: key, value, name of the option.
    pub options: Vec<(&'static str, String, &'static str)>,
}

impl std::fmt::Debug for Sources {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // The environment holds the database's password, and whatever else the process was given.
        f.debug_struct("Sources").field("file", &self.file).finish_non_exhaustive()
    }
}

impl Sources {
    /// The file and this process's environment.
    #[must_use]
    pub fn of_process(file: Option<PathBuf>) -> Self {
        Self { file, environment: layer::process_environment(), options: Vec::new() }
    }

    /// With an option of the command line, such as `--slots`, that stands for `key`.
    #[must_use]
    pub fn with(mut self, key: &'static str, value: impl Into<String>, option: &'static str) -> Self {
        self.options.push((key, value.into(), option));
        self
    }
}

/// The directory for temporary files of this process.
#[must_use]
pub fn scratch_directory() -> PathBuf {
    std::env::temp_dir()
}

/// Settings, and the values they were read from.
#[derive(Clone)]
pub struct Loaded {
    /// The settings.
    pub settings: Settings,
    values: Values,
}

impl std::fmt::Debug for Loaded {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // The values hold the database's password.
        f.debug_struct("Loaded").field("settings", &self.settings).finish_non_exhaustive()
    }
}

impl Settings {
    /// Merges the layers and reads them.
    ///
    /// # Errors
    /// The first mistake found, with its key and layer.
    pub fn load(sources: &Sources) -> Result<Loaded, ConfigError> {
        let mut values = merged(sources)?.0;
        let database = database_url(&mut values)?;
        let reader = Reader::new(&values);
        let settings = Self::read(&reader, database)?;
        Ok(Loaded { settings, values })
    }
}

fn merged(sources: &Sources) -> Result<Layer, ConfigError> {
    let default = Layer::default_layer()?;
    let mut layers = Vec::new();
    if let Some(path) = &sources.file {
        layers.push(Layer::of_file(path, &default)?);
    }
    layers.push(Layer::of_environment(&sources.environment, &default)?);
    let mut options = Layer::default();
    for (key, value, option) in &sources.options {
        options.add_text((*key).to_owned(), value, Origin::Option((*option).to_owned()), &default)?;
    }
    layers.push(options);
    layers.into_iter().try_fold(default, |lower, mut higher| {
        choose_between_url_and_file(&mut higher.0)?;
        lower.under(higher)
    })
}

/// Within a layer `database.url` and `database.url_file` exclude each other; across layers the higher one counts.
fn choose_between_url_and_file(layer: &mut Values) -> Result<(), ConfigError> {
    let none = config::Value::from("");
    let Some((_, url)) = layer.get("database.url").cloned() else { return Ok(()) };
    match layer.get("database.url_file") {
        Some((path, file)) if path.kind != none.kind => {
            Err(ConfigError::key("database.url_file", file, format!("`database.url` is set too ({url})"))
                .hint("set one of the two"))
        }
        _ => {
            layer.insert("database.url_file".to_owned(), (none, url));
            Ok(())
        }
    }
}

/// The database's URL, out of its file where one is named.
fn database_url(values: &mut Values) -> Result<DatabaseUrl, ConfigError> {
    let reader = Reader::new(values);
    let mut text = reader.text("database.url")?;
    let mut key = "database.url";
    if let Some(path) = reader.path("database.url_file")? {
        key = "database.url_file";
        let problem = |error| reader.refuse(key, format!("{} cannot be read: {error}", path.display()));
        std::fs::read_to_string(&path).map_err(problem)?.trim_end_matches(['\n', '\r']).clone_into(&mut text);
    }
    let url = text.parse().map_err(|problem: &'static str| reader.refuse(key, problem))?;
    if key == "database.url_file" {
        let origin = reader.origin(key);
        values.insert("database.url".to_owned(), (config::Value::from(text), origin));
    }
    Ok(url)
}
