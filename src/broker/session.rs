//! One connection: made within bounds, closed within bounds, and leaving nothing behind.
//!
//! `lapin` moves bytes on a thread of its own that ends with its socket, and waits for a silent peer without end. So
//! the socket is kept hold of here: whoever gives a session up shuts it down, and thread and socket go.

use std::fmt;
use std::net::Shutdown;
use std::os::fd::AsFd as _;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures_util::Stream;
use lapin::tcp::AMQPUriTcpExt as _;
use lapin::uri::{AMQPScheme, AMQPUri};
use lapin::{AsyncTcpStream, Channel, Connection, ConnectionProperties, Event};
use tokio::time::timeout;

use super::BrokerError;
use super::error::explain;
use super::receipt::Bond;
use super::tls::Tls;
use super::topology::{self, Plan};
use crate::config;

/// How long things at the broker may take.
#[derive(Debug, Clone, Copy)]
pub struct Timeouts {
    /// Address, TCP, TLS and AMQP handshake together; and again for setting up a channel.
    pub connect: Duration,
    /// Publishing until the confirm is there; and settling a delivery until that is written.
    pub publish: Duration,
    /// Closing in good order.
    pub close: Duration,
}

impl Default for Timeouts {
    fn default() -> Self {
        Self { connect: Duration::from_secs(15), publish: Duration::from_secs(10), close: Duration::from_secs(3) }
    }
}

/// Seconds between two heartbeats, whatever the URL says: a dead peer is noticed within two of them.
const HEARTBEAT_S: u16 = 10;

/// How to reach the broker. Cheap to clone; holds no connection.
#[derive(Clone)]
pub struct Broker {
    uri: Arc<AMQPUri>,
    place: Arc<str>,
    tls: Option<Tls>,
    declared: Option<Arc<Plan>>,
    pub(super) delivery_limit: u32,
    pub(super) timeouts: Timeouts,
}

impl fmt::Debug for Broker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Broker").field("place", &self.place).finish_non_exhaustive()
    }
}

impl Broker {
    /// Reads what is needed to connect.
    ///
    /// # Errors
    /// [`BrokerError::BadInput`] when `broker.url` or `broker.ca_file` cannot be used.
    pub fn new(settings: &config::Broker) -> Result<Self, BrokerError> {
        let unusable = |problem: String| BrokerError::BadInput(format!("`broker.url` cannot be used: {problem}"));
        let mut uri: AMQPUri = settings.url.expose().parse().map_err(unusable)?;
        uri.query.heartbeat = Some(HEARTBEAT_S);
        if uri.vhost.is_empty() {
            // `amqp://host/` names the empty virtual host, which nobody has; every other client takes it for `/`.
            "/".clone_into(&mut uri.vhost);
        }
        let tls = match uri.scheme {
            AMQPScheme::AMQPS => Some(Tls::new(settings.ca_file.as_deref())?),
            AMQPScheme::AMQP => None,
        };
        Ok(Self {
            uri: Arc::new(uri),
            place: settings.url.place().into(),
            tls,
            declared: None,
            delivery_limit: settings.delivery_limit,
            timeouts: Timeouts::default(),
        })
    }

    /// The same, and each new session declares `plan` first (`broker.declare`).
    #[must_use]
    pub fn declaring(self, plan: Plan) -> Self {
        Self { declared: Some(Arc::new(plan)), ..self }
    }

    /// The same with other bounds of time, for tests.
    #[must_use]
    pub const fn with_timeouts(mut self, timeouts: Timeouts) -> Self {
        self.timeouts = timeouts;
        self
    }

    /// Host, port and virtual host.
    #[must_use]
    pub fn place(&self) -> &str {
        &self.place
    }

    /// What became of a call, as a sentence.
    pub(super) fn away(&self, error: &lapin::Error) -> BrokerError {
        BrokerError::Away(explain(error, &self.place))
    }

    /// Connects, and declares what is to be declared. `name` is shown in the broker's list of connections.
    pub(super) async fn connect(&self, name: &str) -> Result<Session, BrokerError> {
        let session = self.open(name).await?;
        if let Some(plan) = &self.declared {
            topology::ensure(self, &session, plan).await?;
        }
        Ok(session)
    }

    pub(super) async fn open(&self, name: &str) -> Result<Session, BrokerError> {
        let runtime = lapin::runtime::default_runtime().map_err(|error| self.away(&error))?;
        let name = format!("tidewaiter {} {name}", env!("CARGO_PKG_VERSION"));
        let properties = ConnectionProperties::default().with_connection_name(name.into());
        let socket = Socket::default();
        let dial = {
            let (socket, tls, limit) = (socket.clone(), self.tls.clone(), self.timeouts.connect);
            let runtime = runtime.clone();
            async move |mut uri: AMQPUri, _| {
                let dialled = async {
                    uri.scheme = AMQPScheme::AMQP;
                    let stream = uri.connect_async(&runtime).await?;
                    if let AsyncTcpStream::Plain(stream) = &stream {
                        socket.hold(stream.get_ref())?;
                    }
                    match &tls {
                        Some(tls) => tls.wrap(stream, &uri.authority.host).await,
                        None => Ok(stream),
                    }
                };
                let late = || std::io::Error::from(std::io::ErrorKind::TimedOut);
                Ok(timeout(limit, dialled).await.unwrap_or_else(|_| Err(late()))?)
            }
        };
        let connecting = Connection::connector((*self.uri).clone(), runtime, dial, properties);
        match timeout(self.timeouts.connect, connecting).await {
            Ok(Ok(connection)) => {
                let bond = Bond::new(self.timeouts.publish);
                Ok(Session { connection, socket, close: self.timeouts.close, bond })
            }
            Ok(Err(error)) => {
                socket.shut();
                Err(self.away(&error))
            }
            Err(_) => {
                socket.shut();
                let (place, within) = (&self.place, self.timeouts.connect);
                Err(BrokerError::Away(format!("the broker at {place} did not finish its handshake within {within:?}")))
            }
        }
    }

    /// Bounds the setting up of a session.
    pub(super) async fn within<T>(&self, what: impl Future<Output = Result<T, BrokerError>>) -> Result<T, BrokerError> {
        let (place, limit) = (&self.place, self.timeouts.connect);
        let late = || BrokerError::Away(format!("the broker at {place} did not answer within {limit:?}"));
        timeout(limit, what).await.unwrap_or_else(|_| Err(late()))
    }
}

/// A connection. Dropping it ends it at once.
pub(super) struct Session {
    connection: Connection,
    socket: Socket,
    close: Duration,
    bond: Bond,
}

impl Session {
    pub(super) async fn channel(&self) -> lapin::Result<Channel> {
        self.connection.create_channel().await
    }

    /// What the broker says about the connection.
    pub(super) fn events(&self) -> impl Stream<Item = Event> + Send + Unpin + 'static {
        Box::pin(self.connection.events_listener())
    }

    /// What its deliveries' settlements hold on to.
    pub(super) const fn bond(&self) -> &Bond {
        &self.bond
    }

    /// Closes it in good order, if the broker answers in time.
    pub(super) async fn close(self) {
        self.bond.end();
        let _ = timeout(self.close, self.connection.close(200, "closed".into())).await;
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        self.bond.end();
        self.socket.shut();
    }
}

/// A second handle of the connection's socket.
#[derive(Clone, Default)]
struct Socket(Arc<Mutex<Option<std::net::TcpStream>>>);

impl Socket {
    fn hold(&self, stream: &tokio::net::TcpStream) -> std::io::Result<()> {
        let second = stream.as_fd().try_clone_to_owned()?;
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(second.into());
        Ok(())
    }

    /// Ends the connection, and with it the thread that serves it.
    fn shut(&self) {
        if let Some(socket) = self.0.lock().unwrap_or_else(PoisonError::into_inner).take() {
            // It may be closed already.
            let _ = socket.shutdown(Shutdown::Both);
        }
    }
}
