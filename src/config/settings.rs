//! The settings as the rest of the program sees them: typed, checked, consistent.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use super::Urls;
use super::broker::{self, Broker};
use super::error::ConfigError;
use super::host::HostName;
use super::layer::Origin;
use super::objects::{self, ObjectPlace};
use super::reader::Reader;
use super::subnet::Subnet;
use super::url::{DatabaseKind, DatabaseUrl};
use crate::lifecycle::{Region, RetryPolicy, words};
use crate::telemetry::{Log, check_filter};

/// Everything that can be configured. config/default.toml explains each key.
#[derive(Debug, Clone)]
pub struct Settings {
    /// `database.url`
    pub database: DatabaseUrl,
    /// `broker`; `None` without a URL.
    pub broker: Option<Broker>,
    /// `worker`
    pub worker: Worker,
    /// `api.listen`; `None` = off. Always loopback.
    pub api_listen: Option<SocketAddr>,
    /// `probes.listen`; `None` = off.
    pub probes_listen: Option<SocketAddr>,
    /// `events`
    pub events: Events,
    /// `definitions`
    pub definitions: Definitions,
    /// `objects`; `None` = large values are not taken.
    pub objects: Option<ObjectPlace>,
    /// `seal.key_file`; see [`Settings::key_file`].
    pub seal_key_file: Option<PathBuf>,
    /// `retry`
    pub retry: RetryPolicy,
    /// `limits`
    pub limits: Limits,
    /// `upstream`
    pub upstream: Upstream,
    /// `circuit`
    pub circuit: Circuit,
    /// `log`
    pub log: Log,
}

/// What the process works on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Worker {
    /// Runs at once.
    pub slots: usize,
    /// Of which one tenant takes so many while others have work here.
    pub share: usize,
    /// Regions served, at least one, each once.
    pub regions: Vec<Region>,
}

/// Where events are published.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Sink {
    /// The broker's exchange of events.
    Broker,
    /// One CloudEvent a line on standard output.
    Stdout,
    /// The same, appended to this file.
    File(PathBuf),
    /// Nowhere: the database keeps them.
    None,
}

/// Publication of events.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Events {
    /// Where to.
    pub sink: Sink,
    /// The form of events on the broker.
    pub content_mode: ContentMode,
    /// Bytes of context beyond which an event leaves it out.
    pub max_context_bytes: usize,
}

words! {
    /// How events are published.
    SinkWord {
        /// The broker where one is configured, else standard output.
        Auto = "auto",
        /// The broker's exchange of events.
        Broker = "broker",
        /// Standard output.
        Stdout = "stdout",
        /// A file.
        File = "file",
        /// Nowhere.
        None = "none",
    }
}

words! {
    /// The form of a CloudEvent on the broker.
    ContentMode {
        /// The whole event is the body.
        Structured = "structured",
        /// The event's attributes are headers, its data is the body.
        Binary = "binary",
    }
}

words! {
    /// Whether files of definitions are applied when the worker starts.
    LoadAtStart {
        /// With SQLite yes, with PostgreSQL no.
        Auto = "auto",
        /// Yes.
        Always = "always",
        /// No.
        Never = "never",
    }
}

/// Files of integrations and installs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Definitions {
    /// Directory of integrations.
    pub integrations_dir: PathBuf,
    /// Directory of installs.
    pub installs_dir: PathBuf,
    /// Whether one of the directories was named; the default ones may be missing.
    pub configured: bool,
    /// Whether `run` applies them; `auto` is decided by the database.
    pub load_at_start: bool,
}

/// Bounds of time and size.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// One request to a provider.
    pub request_timeout: Duration,
    /// Connecting to a provider.
    pub connect_timeout: Duration,
    /// Active time of a phase.
    pub phase_budget: Duration,
    /// One wait of a run.
    pub max_wait: Duration,
    /// A run from its first claim.
    pub run_deadline: Duration,
    /// A provider's answer, decoded, in bytes.
    pub response_bytes: usize,
    /// How long runs may go on after SIGTERM.
    pub drain: Duration,
}

/// Exceptions to the address policy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Upstream {
    /// Allowed although not public; over plain http too, and on any port.
    pub allow_networks: Vec<Subnet>,
    /// Never asked, public or allowed.
    pub deny_networks: Vec<Subnet>,
    /// Allowed over plain http and on any port, as far as their addresses are allowed.
    pub allow_http_hosts: Vec<HostName>,
    /// Ports allowed besides 443.
    pub extra_ports: Vec<u16>,
    /// Requests to one host at once; 0 = no limit.
    pub host_requests: usize,
}

/// When a failing host is left alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Circuit {
    /// After so many failures in a row; 0 = never.
    pub failures: u32,
    /// Of at least so many accounts.
    pub accounts: usize,
    /// For how long at first.
    pub base: Duration,
    /// For how long at most.
    pub cap: Duration,
}

impl Settings {
    /// The file of keys: `seal.key_file`, or beside the SQLite database.
    ///
    /// # Errors
    /// With PostgreSQL, or a database in memory, and no `seal.key_file`.
    pub fn key_file(&self) -> Result<PathBuf, ConfigError> {
        let beside = || {
            let mut path = self.database.sqlite_path()?.into_os_string();
            path.push(".keys");
            Some(path.into())
        };
        self.seal_key_file.clone().or_else(beside).ok_or_else(|| {
            ConfigError::key(
                "seal.key_file",
                &Origin::Default,
                "must be set: this database has no file to keep keys beside",
            )
            .hint("set it to a file of lines `ID:BASE64` (32 random bytes each), the same for every worker")
        })
    }

    pub(super) fn read(reader: &Reader<'_>, urls: Urls) -> Result<Self, ConfigError> {
        let broker = broker::read(reader, urls.broker)?;
        let definitions = read_definitions(reader, urls.database.kind())?;
        let objects = objects::read(reader, &urls.database)?;
        Ok(Self {
            definitions,
            objects,
            database: urls.database,
            events: read_events(reader, broker.as_ref())?,
            broker,
            worker: read_worker(reader)?,
            api_listen: read_api(reader)?,
            probes_listen: listen(reader, "probes.listen")?,
            seal_key_file: reader.path("seal.key_file")?,
            retry: read_retry(reader)?,
            limits: read_limits(reader)?,
            upstream: Upstream {
                allow_networks: reader.list("upstream.allow_networks")?,
                deny_networks: reader.list("upstream.deny_networks")?,
                allow_http_hosts: reader.list("upstream.allow_http_hosts")?,
                extra_ports: read_ports(reader)?,
                host_requests: reader.integer("upstream.host_requests", 0..=10_000)? as usize,
            },
            circuit: read_circuit(reader)?,
            log: read_log(reader)?,
        })
    }
}

fn read_worker(reader: &Reader<'_>) -> Result<Worker, ConfigError> {
    let key = "worker.regions";
    let regions: Vec<Region> = reader.list(key)?;
    if regions.is_empty() {
        return Err(reader.refuse(key, "must name at least one region"));
    }
    if let Some(twice) = regions.iter().enumerate().find(|(at, region)| regions[..*at].contains(region)) {
        return Err(reader.refuse(key, format!("names `{}` twice", twice.1)));
    }
    let slots = reader.integer("worker.slots", 1..=10_000)? as usize;
    let share = reader.integer("worker.tenant_share_percent", 1..=100)? as usize;
    Ok(Worker { slots, share: (slots * share).div_ceil(100), regions })
}

fn listen(reader: &Reader<'_>, key: &str) -> Result<Option<SocketAddr>, ConfigError> {
    let text = reader.text(key)?;
    if text.is_empty() {
        return Ok(None);
    }
    let form = || reader.refuse(key, format!("`{text}` is not an address with a port, like `127.0.0.1:8080`"));
    text.parse().map(Some).map_err(|_| form())
}

fn read_api(reader: &Reader<'_>) -> Result<Option<SocketAddr>, ConfigError> {
    let key = "api.listen";
    let address = listen(reader, key)?;
    match address.filter(|address| !address.ip().is_loopback()) {
        Some(address) => Err(reader
            .refuse(key, format!("{address} can be reached from other machines, and the API has no access tokens yet"))
            .hint("listen on 127.0.0.1 or [::1], and put a proxy that authenticates in front of it")),
        None => Ok(address),
    }
}

fn read_events(reader: &Reader<'_>, broker: Option<&Broker>) -> Result<Events, ConfigError> {
    Ok(Events {
        sink: read_sink(reader, broker)?,
        content_mode: reader.parsed("events.content_mode")?,
        max_context_bytes: reader.integer("events.max_context_bytes", 0..=1_048_576)? as usize,
    })
}

fn read_sink(reader: &Reader<'_>, broker: Option<&Broker>) -> Result<Sink, ConfigError> {
    let key = "events.sink";
    let file = reader.path("events.file")?;
    let exchange = broker.and_then(|broker| broker.events_exchange.as_ref());
    let unused = file.is_some() && reader.origin(key) == Origin::Default;
    Ok(match (reader.parsed(key)?, file) {
        (SinkWord::File, Some(path)) => Sink::File(path),
        (SinkWord::File, None) => return Err(reader.refuse(key, "is `file`, but `events.file` is not set")),
        (_, Some(_)) if unused => {
            return Err(
                reader.refuse("events.file", "is set, but `events.sink` is not `file`, so nothing would be written")
            );
        }
        (SinkWord::Broker, _) if broker.is_none() => {
            return Err(reader.refuse(key, "is `broker`, but `broker.url` is not set"));
        }
        (SinkWord::Broker, _) if exchange.is_none() => {
            return Err(reader.refuse(key, "is `broker`, but `broker.events_exchange` is empty"));
        }
        (SinkWord::Broker, _) => Sink::Broker,
        (SinkWord::Auto, _) if exchange.is_some() => Sink::Broker,
        (SinkWord::Auto | SinkWord::Stdout, _) => Sink::Stdout,
        (SinkWord::None, _) => Sink::None,
    })
}

fn read_definitions(reader: &Reader<'_>, database: DatabaseKind) -> Result<Definitions, ConfigError> {
    Ok(Definitions {
        integrations_dir: reader.required_path("definitions.integrations_dir")?,
        installs_dir: reader.required_path("definitions.installs_dir")?,
        configured: ["definitions.integrations_dir", "definitions.installs_dir"]
            .iter()
            .any(|key| reader.origin(key) != Origin::Default),
        load_at_start: match reader.parsed("definitions.load_at_start")? {
            LoadAtStart::Auto => database == DatabaseKind::Sqlite,
            LoadAtStart::Always => true,
            LoadAtStart::Never => false,
        },
    })
}

fn read_retry(reader: &Reader<'_>) -> Result<RetryPolicy, ConfigError> {
    let base_ms = reader.integer("retry.base_ms", 1..=600_000)?;
    Ok(RetryPolicy {
        attempts: reader.integer("retry.attempts", 1..=100)? as u32,
        base_ms,
        cap_ms: reader.at_least("retry.cap_ms", 1..=900_000, "retry.base_ms")?,
    })
}

fn read_limits(reader: &Reader<'_>) -> Result<Limits, ConfigError> {
    let request_timeout = reader.duration("limits.request_timeout_ms", 100..=600_000)?;
    reader.at_least("limits.request_timeout_ms", 100..=600_000, "limits.connect_timeout_ms")?;
    reader.at_least("limits.phase_budget_ms", 100..=86_400_000, "limits.request_timeout_ms")?;
    reader.at_least("limits.run_deadline_ms", 1_000..=604_800_000, "limits.phase_budget_ms")?;
    reader.at_least("limits.run_deadline_ms", 1_000..=604_800_000, "limits.max_wait_ms")?;
    Ok(Limits {
        request_timeout,
        connect_timeout: reader.duration("limits.connect_timeout_ms", 50..=600_000)?,
        phase_budget: reader.duration("limits.phase_budget_ms", 100..=86_400_000)?,
        max_wait: reader.duration("limits.max_wait_ms", 1_000..=604_800_000)?,
        run_deadline: reader.duration("limits.run_deadline_ms", 1_000..=604_800_000)?,
        response_bytes: reader.integer("limits.response_bytes", 1_024..=67_108_864)? as usize,
        drain: reader.duration("limits.drain_ms", 0..=600_000)?,
    })
}

fn read_circuit(reader: &Reader<'_>) -> Result<Circuit, ConfigError> {
    let bounds = 100..=900_000;
    reader.at_least("circuit.cap_ms", bounds.clone(), "circuit.base_ms")?;
    Ok(Circuit {
        failures: reader.integer("circuit.failures", 0..=10_000)? as u32,
        accounts: reader.integer("circuit.accounts", 2..=1_000)? as usize,
        base: reader.duration("circuit.base_ms", bounds.clone())?,
        cap: reader.duration("circuit.cap_ms", bounds)?,
    })
}

fn read_ports(reader: &Reader<'_>) -> Result<Vec<u16>, ConfigError> {
    let key = "upstream.extra_ports";
    let numbers: Vec<String> = reader.list(key)?;
    let port = |text: &String| {
        let port: Option<u16> = text.parse().ok().filter(|port| *port != 0);
        port.ok_or_else(|| reader.refuse(key, format!("`{text}` is not a port, 1 to 65535")))
    };
    numbers.iter().map(port).collect()
}

fn read_log(reader: &Reader<'_>) -> Result<Log, ConfigError> {
    let filter = reader.text("log.filter")?;
    check_filter(&filter)
        .map_err(|error| reader.refuse("log.filter", format!("`{filter}` cannot be understood: {error}")))?;
    Ok(Log { format: reader.parsed("log.format")?, filter })
}
