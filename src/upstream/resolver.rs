//! Name resolution under the address policy.
//!
//! The client dials exactly what this hook returns and resolves nothing again, so a name cannot be shown one address
//! and dialled at another. A name with even one forbidden address is refused as a whole: an attacker who mixes public
//! and private answers gets neither. There is no cache; the connection pool is one.

use std::fmt;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use reqwest::dns::{Addrs, Name, Resolve, Resolving};

use super::policy::AddressPolicy;

/// Turns a name into addresses. The system's resolver, or a test's list.
#[async_trait::async_trait]
pub(super) trait Lookup: Send + Sync {
    /// All addresses of `host`.
    async fn lookup(&self, host: &str) -> io::Result<Vec<IpAddr>>;
}

/// The operating system's resolver, with its hosts file and search domains.
pub(super) struct SystemLookup;

#[async_trait::async_trait]
impl Lookup for SystemLookup {
    async fn lookup(&self, host: &str) -> io::Result<Vec<IpAddr>> {
        Ok(tokio::net::lookup_host((host, 0)).await?.map(|address| address.ip()).collect())
    }
}

/// Why a name has no usable address; found again in the client's error chain.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ResolveError {
    /// An answer is forbidden.
    Forbidden,
    /// The resolver knows no address, or failed.
    NoAddress,
    /// The resolver did not answer in time.
    TimedOut,
}

impl fmt::Display for ResolveError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Forbidden => "the name resolves to an address that is not public",
            Self::NoAddress => "the name has no address",
            Self::TimedOut => "the name was not resolved in time",
        })
    }
}

impl std::error::Error for ResolveError {}

/// The hook that the client is built with.
pub(super) struct PolicyResolver {
    pub(super) policy: Arc<AddressPolicy>,
    pub(super) lookup: Arc<dyn Lookup>,
    pub(super) timeout: Duration,
}

impl Resolve for PolicyResolver {
    fn resolve(&self, name: Name) -> Resolving {
        let (policy, lookup, timeout) = (Arc::clone(&self.policy), Arc::clone(&self.lookup), self.timeout);
        Box::pin(async move {
            let answers = tokio::time::timeout(timeout, lookup.lookup(name.as_str())).await;
            let answers = answers.map_err(|_| ResolveError::TimedOut)?.map_err(|_| ResolveError::NoAddress)?;
            if answers.is_empty() {
                return Err(ResolveError::NoAddress.into());
            }
            if !answers.iter().all(|&address| policy.permits(address)) {
                return Err(ResolveError::Forbidden.into());
            }
            // Port 0 stands for the URL's port.
            Ok(Box::new(answers.into_iter().map(|address| SocketAddr::new(address, 0))) as Addrs)
        })
    }
}
