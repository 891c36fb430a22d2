//! Configuration: layers, their merging, typed settings, and where each value came from.
//!
//! Promises: a mistake in any layer stops the start with one message that names the key, the layer and what is wrong,
//! and never a secret's value; every key has a default and an explanation in config/default.toml. This is the only
//! module that reads the process's environment. It opens no database, port or definition: that such a thing is
//! unusable is found by whoever uses it.

mod broker;
mod error;
mod host;
mod layer;
mod nearest;
mod objects;
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

pub use broker::{Broker, BrokerUrl, QueueTemplate};
pub use error::ConfigError;
pub use host::HostName;
pub use layer::{DEFAULT, Origin};
pub(crate) use nearest::nearest;
pub use objects::{Bucket, ObjectPlace};
pub use reference::markdown;
pub use settings::{
    Circuit, ContentMode, Definitions, Events, Limits, LoadAtStart, Settings, Sink, SinkWord, Upstream, Worker,
};
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

/// This program, to be started once more as it was, with a variable added; `None` when the variable is set already.
///
/// # Errors
/// When the system does not tell where the program is.
#[expect(clippy::disallowed_methods, reason = "this is the door")]
pub fn again_with(variable: &str, value: &str) -> std::io::Result<Option<std::process::Command>> {
    if std::env::var_os(variable).is_some() {
        return Ok(None);
    }
    let mut program = std::process::Command::new(std::env::current_exe()?);
    program.args(std::env::args_os().skip(1)).env(variable, value);
    Ok(Some(program))
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
        let urls = Urls::read(&mut values)?;
        let settings = Self::read(&Reader::new(&values), urls)?;
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
        for section in URL_SECTIONS {
            choose_between_url_and_file(section, &mut higher.0)?;
        }
        lower.under(higher)
    })
}

/// The sections with a secret URL, each as `url` and `url_file`.
const URL_SECTIONS: [&str; 2] = ["database", "broker"];

/// Within a layer `url` and `url_file` of a section exclude each other; across layers the higher one counts.
fn choose_between_url_and_file(section: &str, layer: &mut Values) -> Result<(), ConfigError> {
    let none = config::Value::from("");
    let (url_key, file_key) = (format!("{section}.url"), format!("{section}.url_file"));
    let Some((url, url_origin)) = layer.get(&url_key).cloned() else { return Ok(()) };
    match layer.get(&file_key) {
        Some((path, _)) if path.kind != none.kind && url.kind == none.kind => {}
        Some((path, file)) if path.kind != none.kind => {
            return Err(ConfigError::key(&file_key, file, format!("`{url_key}` is set too ({url_origin})"))
                .hint("set one of the two"));
        }
        _ => {
            layer.insert(file_key, (none, url_origin));
        }
    }
    Ok(())
}

/// The secret URLs, out of their files where those are named.
struct Urls {
    database: DatabaseUrl,
    broker: Option<BrokerUrl>,
}

impl Urls {
    fn read(values: &mut Values) -> Result<Self, ConfigError> {
        let database = secret_url(values, "database", str::parse)?;
        let optional = |url: &str| if url.is_empty() { Ok(None) } else { url.parse().map(Some) };
        Ok(Self { database, broker: secret_url(values, "broker", optional)? })
    }
}

fn secret_url<T>(
    values: &mut Values,
    section: &str,
    parse: impl FnOnce(&str) -> Result<T, &'static str>,
) -> Result<T, ConfigError> {
    let (url_key, file_key) = (format!("{section}.url"), format!("{section}.url_file"));
    let reader = Reader::new(values);
    let Some(path) = reader.path(&file_key)? else {
        return parse(&reader.text(&url_key)?).map_err(|problem| reader.refuse(&url_key, problem));
    };
    let unreadable = |error| reader.refuse(&file_key, format!("{} cannot be read: {error}", path.display()));
    let text = std::fs::read_to_string(&path).map_err(unreadable)?.trim_end_matches(['\n', '\r']).to_owned();
    let url = parse(&text).map_err(|problem| reader.refuse(&file_key, problem))?;
    let origin = reader.origin(&file_key);
    values.insert(url_key, (config::Value::from(text), origin));
    Ok(url)
}
