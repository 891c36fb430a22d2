//! The layers: the embedded default, a file, the environment, the command line; higher ones win, key by key.
//!
//! Each layer is checked by itself against the default, which knows every key and its kind, so that a mistake is told
//! with the layer that holds it. Merging is the `config` crate's.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fmt;
use std::path::{Path, PathBuf};

use config::{Config, File, FileFormat, Map, Source, Value, ValueKind};

use super::error::ConfigError;
use super::nearest::nearest;

/// The embedded lowest layer: every key, with comments that are its reference.
pub const DEFAULT: &str = include_str!("../../config/default.toml");

/// The prefix of environment variables that are keys.
const PREFIX: &str = "TIDEWAITER__";

/// Variables that are keys by an older and wider custom.
const ALIASES: [(&str, &str); 3] =
    [("DATABASE_URL", "database.url"), ("AMQP_URL", "broker.url"), ("RUST_LOG", "log.filter")];

/// Where a value comes from.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Origin {
    /// The embedded default.
    Default,
    /// The file given with `--config`.
    File(PathBuf),
    /// An environment variable.
    Variable(String),
    /// An option of the command line.
    Option(String),
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => f.write_str("default"),
            Self::File(path) => write!(f, "file {}", path.display()),
            Self::Variable(name) => write!(f, "environment variable {name}"),
            Self::Option(name) => write!(f, "option {name}"),
        }
    }
}

/// Values by key `section.key`, each with its origin.
pub(super) type Values = BTreeMap<String, (Value, Origin)>;

/// One layer, or all of them merged.
#[derive(Debug, Clone, Default)]
pub(super) struct Layer(pub(super) Values);

impl Source for Layer {
    fn clone_into_box(&self) -> Box<dyn Source + Send + Sync> {
        Box::new(self.clone())
    }

    fn collect(&self) -> Result<Map<String, Value>, config::ConfigError> {
        Ok(self.0.iter().map(|(key, (value, _))| (key.clone(), value.clone())).collect())
    }
}

impl Layer {
    /// The embedded default.
    pub(super) fn default_layer() -> Result<Self, ConfigError> {
        Self::of_toml(DEFAULT, &Origin::Default)
    }

    /// A file's keys, all of them known and of the right kind.
    pub(super) fn of_file(path: &Path, default: &Self) -> Result<Self, ConfigError> {
        let origin = Origin::File(path.to_owned());
        let text = std::fs::read_to_string(path)
            .map_err(|error| ConfigError::layer(&origin, format!("the file cannot be read: {error}")))?;
        let layer = Self::of_toml(&text, &origin)?;
        for (key, (value, origin)) in &layer.0 {
            let known = default.known(key, origin)?;
            if std::mem::discriminant(&known.kind) != std::mem::discriminant(&value.kind) {
                return Err(ConfigError::key(
                    key,
                    origin,
                    format!("must be {}, not {}", kind_of(known), kind_of(value)),
                ));
            }
        }
        Ok(layer)
    }

    /// The keys among the environment's variables.
    pub(super) fn of_environment(environment: &[(OsString, OsString)], default: &Self) -> Result<Self, ConfigError> {
        let mut layer = Self::default();
        for (name, value) in environment {
            let Some((key, name)) = key_of_variable(name) else { continue };
            let origin = Origin::Variable(name);
            let Some(text) = value.to_str() else {
                return Err(ConfigError::key(&key, &origin, "is not UTF-8"));
            };
            if key_is_alias(&origin) && text.is_empty() {
                continue;
            }
            layer.add_text(key, text, origin, default)?;
        }
        Ok(layer)
    }

    /// Adds a value that was given as text, and reads it as the kind its key has.
    pub(super) fn add_text(
        &mut self,
        key: String,
        text: &str,
        origin: Origin,
        default: &Self,
    ) -> Result<(), ConfigError> {
        let kind = typed(text, default.known(&key, &origin)?)
            .map_err(|must| ConfigError::key(&key, &origin, format!("{must}, not `{text}`")))?;
        let value = Value::new(None, kind);
        if let Some((other, other_origin)) = self.0.get(&key)
            && *other != value
        {
            return Err(ConfigError::key(&key, &origin, format!("is also set, to another value, by {other_origin}"))
                .hint("unset one of the two"));
        }
        self.0.insert(key, (value, origin));
        Ok(())
    }

    /// This layer with `higher` laid over it.
    pub(super) fn under(self, higher: Self) -> Result<Self, ConfigError> {
        let merged = Config::builder()
            .add_source(self.clone())
            .add_source(higher.clone())
            .build()
            .map_err(|error| ConfigError::layer(&Origin::Default, error.to_string()))?;
        let mut origins = self.0;
        origins.extend(higher.0);
        let mut values = BTreeMap::new();
        flatten(String::new(), merged.cache, &mut values);
        let with_origin = values.into_iter().filter_map(|(key, value)| {
            let (_, origin) = origins.remove(&key)?;
            Some((key, (value, origin)))
        });
        Ok(Self(with_origin.collect()))
    }

    fn of_toml(text: &str, origin: &Origin) -> Result<Self, ConfigError> {
        let read = File::from_str(text, FileFormat::Toml).collect();
        let tables = read.map_err(|error| ConfigError::layer(origin, without_snippet(&error.to_string())))?;
        let mut values = BTreeMap::new();
        for (key, value) in tables {
            flatten(key, value, &mut values);
        }
        Ok(Self(values.into_iter().map(|(key, value)| (key, (value, origin.clone()))).collect()))
    }

    /// The default's value of `key`, or that there is no such key.
    fn known(&self, key: &str, origin: &Origin) -> Result<&Value, ConfigError> {
        if let Some((value, _)) = self.0.get(key) {
            return Ok(value);
        }
        let inside: Vec<&str> = self.0.keys().filter_map(|known| known.strip_prefix(key)?.strip_prefix('.')).collect();
        if !inside.is_empty() {
            let problem = format!("is a section, not a key; it holds {}", inside.join(", "));
            return Err(ConfigError::key(key, origin, problem));
        }
        let error = ConfigError::key(key, origin, "there is no such key");
        Err(match nearest(key, self.0.keys().map(String::as_str)) {
            Some(known) => error.hint(format!("did you mean `{known}`?")),
            None => error.hint("`tidewaiter config show` prints every key"),
        })
    }
}

/// The environment of this process. The one place that reads it.
#[expect(clippy::disallowed_methods, reason = "this is the door")]
pub(super) fn process_environment() -> Vec<(OsString, OsString)> {
    std::env::vars_os().collect()
}

/// The key that a variable is for, and the variable's name as text.
fn key_of_variable(name: &OsString) -> Option<(String, String)> {
    let name = name.to_string_lossy().into_owned();
    let alias = ALIASES.iter().find(|(alias, _)| *alias == name).map(|(_, key)| (*key).to_owned());
    let key = alias.or_else(|| Some(name.strip_prefix(PREFIX)?.to_lowercase().replace("__", ".")))?;
    Some((key, name))
}

fn key_is_alias(origin: &Origin) -> bool {
    matches!(origin, Origin::Variable(name) if ALIASES.iter().any(|(alias, _)| alias == name))
}

/// Puts the leaves of `value` into `out`, under `key` and the keys of its tables.
fn flatten(key: String, value: Value, out: &mut BTreeMap<String, Value>) {
    let ValueKind::Table(table) = value.kind else {
        out.insert(key, value);
        return;
    };
    for (name, value) in table {
        flatten(if key.is_empty() { name } else { format!("{key}.{name}") }, value, out);
    }
}

/// `text` as the kind of value that `known` is, or what it must be.
fn typed(text: &str, known: &Value) -> Result<ValueKind, &'static str> {
    let items = || text.split(',').map(str::trim).filter(|item| !item.is_empty());
    match known.kind {
        ValueKind::I64(_) => text.parse().map(ValueKind::I64).map_err(|_| "must be an integer"),
        ValueKind::Boolean(_) => text.parse().map(ValueKind::Boolean).map_err(|_| "must be `true` or `false`"),
        ValueKind::Array(_) => Ok(ValueKind::Array(items().map(Value::from).collect())),
        _ => Ok(ValueKind::String(text.to_owned())),
    }
}

const fn kind_of(value: &Value) -> &'static str {
    match value.kind {
        ValueKind::Boolean(_) => "`true` or `false`",
        ValueKind::I64(_) | ValueKind::I128(_) | ValueKind::U64(_) | ValueKind::U128(_) => "an integer",
        ValueKind::Float(_) => "a number with a fraction",
        ValueKind::String(_) => "a text in quotes",
        ValueKind::Array(_) => "a list in brackets",
        ValueKind::Table(_) => "a section",
        ValueKind::Nil => "nothing",
    }
}

/// The parser's message without the line of the file that it quotes, which may hold a secret.
fn without_snippet(message: &str) -> String {
    let lines = message.lines().filter(|line| !line.split_once('|').is_some_and(|(number, _)| is_margin(number)));
    lines.map(str::trim).filter(|line| !line.is_empty()).collect::<Vec<_>>().join(": ")
}

fn is_margin(number: &str) -> bool {
    number.chars().all(|sign| sign.is_ascii_digit() || sign == ' ')
}
