//! The network between the workers and their servers, and what is done to it.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use url::Url;

use crate::history::Break;
use crate::shared::proxy::Proxy;

/// How long all connections are held up; long enough for every time limit of the worker to be met by some.
const HOLD: Duration = Duration::from_secs(12);

/// One proxy in front of each server.
pub struct Network {
    broker: Proxy,
    database: Proxy,
    /// How many breaks there were.
    done: usize,
    /// When what is held goes on.
    heal_at: Option<Instant>,
}

impl Network {
    pub fn make(broker: SocketAddr, database: &str) -> anyhow::Result<Self> {
        let database = Url::parse(database)?.socket_addrs(|| Some(5432))?;
        let database = database.first().context("the database has no address")?;
        Ok(Self { broker: Proxy::start(broker)?, database: Proxy::start(*database)?, done: 0, heal_at: None })
    }

    /// The port behind which the broker is.
    pub const fn broker_port(&self) -> u16 {
        self.broker.address.port()
    }

    /// The database's URL by way of its proxy.
    pub fn database_url(&self, direct: &str) -> anyhow::Result<String> {
        let mut url = Url::parse(direct)?;
        url.set_host(Some("127.0.0.1"))?;
        url.set_port(Some(self.database.address.port())).map_err(|()| anyhow::anyhow!("{url} cannot have a port"))?;
        Ok(url.into())
    }

    /// The next break: in turn each kind, on each server.
    pub fn disturb(&mut self) -> Break {
        let (server, proxy) = match self.done % 2 {
            0 => ("the broker", &self.broker),
            _ => ("the database", &self.database),
        };
        let (kind, met) = match self.done / 2 % 3 {
            0 => ("cut", proxy.cut()),
            1 => ("silence", proxy.silence()),
            _ => {
                self.heal_at = Some(Instant::now() + HOLD);
                ("hold", proxy.hold())
            }
        };
        self.done += 1;
        Break { server, kind, met }
    }

    /// Whether something is held up now. When its time is over, or `now`, it goes on.
    pub fn held(&mut self, now: bool) -> bool {
        if self.heal_at.is_some_and(|at| now || Instant::now() >= at) {
            self.broker.heal();
            self.database.heal();
            self.heal_at = None;
        }
        self.heal_at.is_some()
    }
}
