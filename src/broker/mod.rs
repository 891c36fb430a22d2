//! RabbitMQ: sessions that are rebuilt, consuming, publishing with confirms, the topology.
//!
//! Promises: nothing here gives up while it is not asked to stop; every wait has an end; nothing that was confirmed is
//! lost, and what was settled comes again only where the broker forgets an acknowledgement; no error, log line or `Debug`
//! output holds a password or a body. The only module that knows `lapin`, whose own recovery stays off. It decides
//! nothing about imports or events: `intake` and `relay` do.

mod attend;
mod caution;
mod consume;
mod error;
mod message;
mod outage;
mod publish;
mod receipt;
mod session;
mod tls;
pub mod topology;

pub use consume::{Subscription, Unreadable};
pub use error::{BrokerError, PublishError};
pub use message::{Arrival, Death, HeaderValue, Outgoing, Properties, Published};
pub use outage::SessionState;
pub use publish::Publisher;
pub use session::{Broker, Timeouts};
