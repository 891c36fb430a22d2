//! Connections: each task of the store owns one, and drops it when anything about it is in doubt.
//!
//! There is no pool: sqlx's hands out a connection whose transaction was cut short, and loses its places to connections
//! that died silently. A connection that was not given back in good order is closed, so nothing is ever inherited.

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use sqlx::postgres::PgConnectOptions;
use sqlx::{ConnectOptions as _, Connection as _, PgConnection};
use tokio::sync::{Mutex, MutexGuard};

use super::super::StoreError;

/// How long a connection may take to be made.
const CONNECT: Duration = Duration::from_secs(5);

/// How long a use case may take before its connection counts as dead. The server gives up a statement at 5 s, so this
/// only ends what the network swallowed.
const ANSWER: Duration = Duration::from_secs(10);

/// Set on every connection. The server ends what hangs, and notices a client that is gone.
const SESSION: &str = "SET statement_timeout = '5s'; SET lock_timeout = '2s'; \
    SET idle_in_transaction_session_timeout = '10s'; SET client_connection_check_interval = '2s'; \
    SET tcp_keepalives_idle = 10; SET tcp_keepalives_interval = 5; SET tcp_keepalives_count = 3; \
    SET default_transaction_isolation = 'read committed'; SET jit = off";

/// Set on connections with hot statements: their cached plans must not scan or merge whole tables, whatever the tables
/// held when the plan was made.
const HOT: &str = "SET enable_seqscan = off; SET enable_mergejoin = off";

/// A database server and the database in it.
#[derive(Debug)]
pub(super) struct Server {
    options: PgConnectOptions,
}

impl Server {
    /// Reads a URL; connects to nothing.
    pub(super) fn new(url: &str) -> Result<Self, StoreError> {
        let options: PgConnectOptions =
            url.parse().map_err(|error| StoreError::Schema(format!("the database URL cannot be used: {error}")))?;
        Ok(Self { options: options.application_name("tidewaiter").disable_statement_logging() })
    }

    pub(super) fn options(&self) -> PgConnectOptions {
        self.options.clone()
    }

    /// A new connection without any settings of ours.
    pub(super) async fn connect(&self) -> Result<PgConnection, StoreError> {
        match tokio::time::timeout(CONNECT, self.options.connect()).await {
            Ok(connected) => connected.map_err(|error| self.explain(&error)),
            Err(_) => Err(StoreError::Unavailable(format!("{} did not answer within 5 s", self.name()))),
        }
    }

    async fn connect_with(&self, hot: bool) -> Result<PgConnection, StoreError> {
        let mut connection = self.connect().await?;
        sqlx::raw_sql(SESSION).execute(&mut connection).await?;
        if hot {
            sqlx::raw_sql(HOT).execute(&mut connection).await?;
        }
        Ok(connection)
    }

    /// Host, port and database, never the password.
    pub(super) fn name(&self) -> String {
        let options = &self.options;
        let database = options.get_database().unwrap_or_else(|| options.get_username());
        match options.get_socket() {
            Some(socket) => format!("PostgreSQL at {} (database `{database}`)", socket.display()),
            None => format!("PostgreSQL at {}:{} (database `{database}`)", options.get_host(), options.get_port()),
        }
    }

    /// Says what is wrong with the way to the server and what to do.
    fn explain(&self, error: &sqlx::Error) -> StoreError {
        let name = self.name();
        let code = error.as_database_error().and_then(sqlx::error::DatabaseError::code);
        let why = match (error, code.as_deref()) {
            (sqlx::Error::Io(io), _) if io.kind() == std::io::ErrorKind::ConnectionRefused => {
                format!("{name} refuses connections: is it running, and are host and port right?")
            }
            (_, Some("28P01" | "28000")) => {
                format!("{name} rejects the user `{}`: check user and password", self.options.get_username())
            }
            (_, Some("3D000")) => format!("{name}: there is no such database; create it first"),
            (_, Some("53300")) => format!("{name} has no free connection: raise max_connections or run fewer workers"),
            (_, Some("57P03")) => format!("{name} is starting up or shutting down"),
            _ => format!("{name}: {error}"),
        };
        StoreError::Unavailable(why)
    }
}

/// One connection with one user at a time.
#[derive(Debug)]
pub(super) struct Line {
    server: Arc<Server>,
    hot: bool,
    idle: Mutex<Option<PgConnection>>,
}

impl Line {
    /// For statements that are repeated by their task when the connection fails.
    pub(super) fn hot(server: &Arc<Server>) -> Self {
        Self { server: Arc::clone(server), hot: true, idle: Mutex::new(None) }
    }

    /// For what nobody repeats: the connection is tried before each use, which costs a round trip.
    pub(super) fn cool(server: &Arc<Server>) -> Self {
        Self { server: Arc::clone(server), hot: false, idle: Mutex::new(None) }
    }

    /// Waits for its turn and takes the connection out, which closes it unless it is [kept](Taken::keep).
    pub(super) async fn take(&self) -> Result<Taken<'_>, StoreError> {
        let idle = self.idle.lock().await;
        self.open(idle).await
    }

    async fn open<'a>(&'a self, mut idle: MutexGuard<'a, Option<PgConnection>>) -> Result<Taken<'a>, StoreError> {
        if let Some(mut connection) = idle.take()
            && (self.hot || answers(&mut connection).await)
        {
            return Ok(Taken { connection, idle });
        }
        let connection = self.server.connect_with(self.hot).await?;
        Ok(Taken { connection, idle })
    }
}

async fn answers(connection: &mut PgConnection) -> bool {
    matches!(tokio::time::timeout(Duration::from_secs(2), connection.ping()).await, Ok(Ok(())))
}

/// A few lines for reads, whichever is free.
#[derive(Debug)]
pub(super) struct Lines {
    lines: Vec<Line>,
    turn: AtomicUsize,
}

impl Lines {
    pub(super) fn new(server: &Arc<Server>, count: usize) -> Self {
        Self { lines: (0..count).map(|_| Line::cool(server)).collect(), turn: AtomicUsize::new(0) }
    }

    pub(super) async fn take(&self) -> Result<Taken<'_>, StoreError> {
        for line in &self.lines {
            if let Ok(idle) = line.idle.try_lock() {
                return line.open(idle).await;
            }
        }
        self.lines[self.turn.fetch_add(1, Ordering::Relaxed) % self.lines.len()].take().await
    }
}

/// A connection in use.
#[derive(Debug)]
pub(super) struct Taken<'a> {
    connection: PgConnection,
    idle: MutexGuard<'a, Option<PgConnection>>,
}

impl Taken<'_> {
    pub(super) const fn get(&mut self) -> &mut PgConnection {
        &mut self.connection
    }

    /// Gives the connection back: all went well and no transaction is open.
    pub(super) fn keep(self) {
        let Self { connection, mut idle } = self;
        *idle = Some(connection);
    }
}

/// Bounds a use case by [`ANSWER`]. The future is dropped with its connection then, so nothing is left half done here;
/// what the server did is not known.
pub(super) async fn within<T>(work: impl Future<Output = Result<T, StoreError>>) -> Result<T, StoreError> {
    tokio::time::timeout(ANSWER, work)
        .await
        .unwrap_or_else(|_| Err(StoreError::Unavailable("no answer within 10 s".to_owned())))
}
