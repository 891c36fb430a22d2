//! What a worker takes hold of before it touches its database: the lock, the ports, the sink, the client.
//!
//! All of it fails at once with one message, so that a mistake is seen whether the database answers or not.

use std::net::SocketAddr;
use std::sync::Arc;

use tokio::net::TcpListener;

use super::intake::open_broker;
use super::{StartError, check_keys};
use crate::broker::{Broker, Publisher};
use crate::config::{self, DatabaseKind, Settings, Sink};
use crate::relay::{EventSink, ExchangeSink, NdjsonSink, NoSink};
use crate::runner::{Budgets, CircuitPolicy};
use crate::store::sqlite::FileLock;
use crate::upstream::{ClientOptions, HttpUpstream, PolicyOptions};

/// Everything but the database.
#[derive(Debug)]
pub(super) struct Outfit {
    /// Proves that no other worker has the SQLite file.
    pub(super) lock: Option<FileLock>,
    pub(super) api: Option<TcpListener>,
    pub(super) probes: Option<TcpListener>,
    pub(super) sink: Arc<dyn EventSink>,
    /// The session of a sink that has one.
    pub(super) publisher: Option<Publisher>,
    pub(super) upstream: HttpUpstream,
    pub(super) broker: Option<Broker>,
}

impl Outfit {
    pub(super) async fn gather(settings: &Settings) -> Result<Self, StartError> {
        check_keys(settings)?;
        let broker = broker_of(settings)?;
        let (sink, publisher) = open_sink(settings, broker.as_ref())?;
        Ok(Self {
            lock: lock_file(settings)?,
            api: bind(settings.api_listen, "api.listen").await?,
            probes: bind(settings.probes_listen, "probes.listen").await?,
            sink,
            publisher,
            upstream: open_upstream(settings)?,
            broker,
        })
    }
}

fn broker_of(settings: &Settings) -> Result<Option<Broker>, StartError> {
    settings.broker.as_ref().map(|broker| open_broker(broker, &settings.worker.regions)).transpose()
}

fn lock_file(settings: &Settings) -> Result<Option<FileLock>, StartError> {
    let Some(file) = settings.database.sqlite_path().filter(|_| settings.database.kind() == DatabaseKind::Sqlite)
    else {
        return Ok(None);
    };
    match FileLock::take(&file) {
        Ok(Some(lock)) => Ok(Some(lock)),
        Ok(None) => Err(StartError::Unavailable(format!(
            "another worker runs on {}: a SQLite database has one worker (use PostgreSQL for several)",
            file.display()
        ))),
        Err(error) => Err(StartError::BadInput(format!("{}.lock cannot be made: {error}", file.display()))),
    }
}

async fn bind(address: Option<SocketAddr>, key: &str) -> Result<Option<TcpListener>, StartError> {
    let Some(address) = address else { return Ok(None) };
    let refused =
        |error: std::io::Error| StartError::Unavailable(format!("cannot listen on {address} (`{key}`): {error}"));
    let listener = TcpListener::bind(address).await.map_err(refused)?;
    // With port 0 only the system knows which one it is.
    tracing::info!(address = %listener.local_addr().map_err(refused)?, "listening (`{key}`)");
    Ok(Some(listener))
}

fn open_sink(
    settings: &Settings,
    broker: Option<&Broker>,
) -> Result<(Arc<dyn EventSink>, Option<Publisher>), StartError> {
    let sink: Arc<dyn EventSink> = match &settings.events.sink {
        Sink::Stdout => Arc::new(NdjsonSink::stdout()),
        Sink::None => Arc::new(NoSink),
        Sink::Broker => return open_exchange(settings, broker),
        Sink::File(path) => Arc::new(NdjsonSink::file(path).map_err(|error| {
            StartError::BadInput(format!("`events.file` {} cannot be appended to: {error}", path.display()))
        })?),
    };
    Ok((sink, None))
}

fn open_exchange(
    settings: &Settings,
    broker: Option<&Broker>,
) -> Result<(Arc<dyn EventSink>, Option<Publisher>), StartError> {
    let exchange = settings.broker.as_ref().and_then(|broker| broker.events_exchange.clone());
    let (Some(broker), Some(exchange)) = (broker, exchange) else {
        return Err(StartError::BadInput("`events.sink` is `broker`, but no exchange of events is set".to_owned()));
    };
    let publisher = Publisher::new(broker.clone(), "events").expecting(&exchange);
    let mode = settings.events.content_mode;
    Ok((Arc::new(ExchangeSink { publisher: publisher.clone(), exchange, mode }), Some(publisher)))
}

/// Where requests may go, as the settings say.
#[must_use]
pub fn address_policy(settings: &Settings) -> PolicyOptions {
    PolicyOptions {
        allow_addresses: settings.upstream.allow_networks.clone(),
        deny_addresses: settings.upstream.deny_networks.clone(),
        allow_http: settings.upstream.allow_http_hosts.iter().map(ToString::to_string).collect(),
        ports: settings.upstream.extra_ports.clone(),
    }
}

/// The client, as the settings want it.
///
/// # Errors
/// [`StartError::BadInput`] when it cannot be made.
pub fn open_upstream(settings: &Settings) -> Result<HttpUpstream, StartError> {
    let policy = address_policy(settings);
    if !policy.allow_addresses.is_empty() {
        let networks: Vec<String> = policy.allow_addresses.iter().map(ToString::to_string).collect();
        tracing::warn!(
            networks = networks.join(", "),
            "requests to these networks are allowed by `upstream.allow_networks`"
        );
    }
    let options = ClientOptions {
        policy,
        connect_timeout: settings.limits.connect_timeout,
        response_limit: settings.limits.response_bytes,
        ..ClientOptions::default()
    };
    HttpUpstream::new(&options).map_err(|error| StartError::BadInput(error.to_string()))
}

/// How long and how often, as the settings say.
#[must_use]
pub const fn budgets(settings: &Settings) -> Budgets {
    Budgets {
        retry: settings.retry,
        request: settings.limits.request_timeout,
        phase: settings.limits.phase_budget,
        wait: settings.limits.max_wait,
        run: settings.limits.run_deadline,
        drain: settings.limits.drain,
    }
}

pub(super) const fn circuit(settings: &Settings) -> CircuitPolicy {
    let config::Circuit { failures, accounts, base, cap } = settings.circuit;
    CircuitPolicy { failures, accounts, base, cap }
}
