//! The real client: one shared reqwest client under the address policy.
//!
//! One request costs one parse of its URL, its headers and what reqwest costs. The answer is read to its end under a
//! cap. Errors name the host only; header values are marked sensitive, so that no library prints them.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use reqwest::Method;
use reqwest::header::{CONTENT_ENCODING, HeaderMap, HeaderName, HeaderValue};

use super::error;
use super::message::{Request, Response, SendError, Upstream, is_reserved_header};
use super::policy::{AddressPolicy, PolicyOptions};
use super::resolver::{Lookup, PolicyResolver, SystemLookup};

/// The longest header value that is sent, in bytes.
const LONGEST_HEADER: usize = 8 * 1024;
/// The most headers that a request carries.
const MOST_HEADERS: usize = 100;

/// How the client behaves. The defaults are production's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClientOptions {
    /// Where requests may go.
    pub policy: PolicyOptions,
    /// The longest until a connection stands, name and TLS included.
    pub connect_timeout: Duration,
    /// The longest for a name alone. Shorter than `connect_timeout`, so that the failure is called by its name.
    pub dns_timeout: Duration,
    /// The longest silence amid a body. The wait for the headers is bounded by the request's own timeout.
    pub chunk_timeout: Duration,
    /// The largest body that is accepted, in bytes.
    pub response_limit: usize,
    /// Idle connections kept for each host.
    pub idle_per_host: usize,
    /// How long an idle connection is kept. Shorter than most servers keep theirs, so that few requests meet a
    /// connection that is being closed.
    pub idle_timeout: Duration,
    /// The `User-Agent`; `tidewaiter/<version>` where absent. A request's own header goes before it.
    pub user_agent: Option<String>,
}

impl Default for ClientOptions {
    fn default() -> Self {
        Self {
            policy: PolicyOptions::default(),
            connect_timeout: Duration::from_secs(5),
            dns_timeout: Duration::from_millis(4500),
            chunk_timeout: Duration::from_secs(10),
            response_limit: 5 * 1024 * 1024,
            idle_per_host: 64,
            idle_timeout: Duration::from_secs(30),
            user_agent: None,
        }
    }
}

/// The client cannot be made.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ClientError {
    /// The `User-Agent` has characters that a header cannot carry.
    #[error("the user agent may have printable ASCII characters only")]
    UserAgent,
    /// TLS cannot be set up, most often because the machine has no root certificates.
    #[error("the HTTP client cannot be set up; check that root certificates (ca-certificates) are installed")]
    Setup,
}

/// Sends requests over the network.
pub struct HttpUpstream {
    client: reqwest::Client,
    policy: Arc<AddressPolicy>,
    chunk_timeout: Duration,
    response_limit: usize,
}

impl fmt::Debug for HttpUpstream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HttpUpstream").field("policy", &self.policy).finish_non_exhaustive()
    }
}

impl HttpUpstream {
    /// Makes the client. One serves the whole process: it holds the connection pool.
    ///
    /// # Errors
    /// [`ClientError`] for a bad user agent or a machine without root certificates.
    pub fn new(options: &ClientOptions) -> Result<Self, ClientError> {
        Self::with_lookup(options, Arc::new(SystemLookup))
    }

    pub(super) fn with_lookup(options: &ClientOptions, lookup: Arc<dyn Lookup>) -> Result<Self, ClientError> {
        let own = || format!("tidewaiter/{}", env!("CARGO_PKG_VERSION"));
        let agent = options.user_agent.clone().unwrap_or_else(own);
        let agent = header_value(&agent).ok_or(ClientError::UserAgent)?;
        let policy = Arc::new(AddressPolicy::new(options.policy.clone()));
        let resolver = PolicyResolver { policy: Arc::clone(&policy), lookup, timeout: options.dns_timeout };
        let client = reqwest::Client::builder()
            .http1_only()
            .redirect(reqwest::redirect::Policy::none())
            .referer(false)
            .no_proxy()
            .retry(reqwest::retry::never())
            .connect_timeout(options.connect_timeout)
            .pool_max_idle_per_host(options.idle_per_host)
            .pool_idle_timeout(options.idle_timeout)
            .user_agent(agent)
            .dns_resolver(resolver)
            .build()
            .map_err(|_| ClientError::Setup)?;
        Ok(Self { client, policy, chunk_timeout: options.chunk_timeout, response_limit: options.response_limit })
    }

    async fn read(&self, mut answer: reqwest::Response, host: &str, https: bool) -> Result<Response, SendError> {
        let status = answer.status().as_u16();
        if matches!(status, 301 | 302 | 303 | 307 | 308) {
            return Err(SendError::Redirect { status });
        }
        let headers = received(answer.headers());
        let expected = usize::try_from(answer.content_length().unwrap_or(0)).unwrap_or(usize::MAX);
        let too_large = || SendError::BadResponse(format!("{host} answered more than {} bytes", self.response_limit));
        if expected > self.response_limit {
            return Err(too_large());
        }
        let encoded = answer.headers().get(CONTENT_ENCODING).is_some_and(|coding| coding != "identity");
        let mut body = Vec::with_capacity(expected.min(64 * 1024));
        loop {
            let chunk = tokio::time::timeout(self.chunk_timeout, answer.chunk()).await.map_err(|_| {
                let seconds = self.chunk_timeout.as_secs_f64();
                SendError::Timeout(format!("{host} sent nothing for {seconds} s in the middle of its answer"))
            })?;
            match chunk.map_err(|e| error::sort(&e, host, https))? {
                None => break,
                Some(chunk) if body.len() + chunk.len() > self.response_limit => return Err(too_large()),
                Some(chunk) => body.extend_from_slice(&chunk),
            }
        }
        if encoded && !body.is_empty() {
            return Err(SendError::BadResponse(format!("{host} compressed its answer, which it was not asked to do")));
        }
        Ok(Response { status, headers, body })
    }
}

#[async_trait::async_trait]
impl Upstream for HttpUpstream {
    async fn send(&self, request: Request) -> Result<Response, SendError> {
        let url = self.policy.check(&request.url).map_err(|refusal| SendError::AddressRefused(refusal.to_string()))?;
        let host = url.host_str().unwrap_or_default().to_owned();
        let https = url.scheme() == "https";
        let mut outgoing = reqwest::Request::new(method(&request.method)?, url);
        *outgoing.headers_mut() = header_map(&request.headers)?;
        *outgoing.body_mut() = request.body.map(Into::into);
        *outgoing.timeout_mut() = Some(request.timeout);
        let answer = self.client.execute(outgoing).await.map_err(|e| error::sort(&e, &host, https))?;
        // The resolver let only permitted addresses pass, so this never fires unless a library changes its ways.
        if answer.remote_addr().is_some_and(|peer| !self.policy.permits(peer.ip())) {
            tracing::error!(host, "an answer came from an address that the policy forbids; it is thrown away");
            return Err(SendError::BadResponse(format!("the answer of {host} came from a forbidden address")));
        }
        self.read(answer, &host, https).await
    }
}

/// The verbs of APIs; CONNECT and TRACE are no business of a definition's.
fn method(name: &str) -> Result<Method, SendError> {
    Ok(match name {
        "GET" => Method::GET,
        "HEAD" => Method::HEAD,
        "POST" => Method::POST,
        "PUT" => Method::PUT,
        "PATCH" => Method::PATCH,
        "DELETE" => Method::DELETE,
        "OPTIONS" => Method::OPTIONS,
        _ => return Err(SendError::Unsendable("the request's method is not one that is sent".to_owned())),
    })
}

fn header_map(headers: &[(String, String)]) -> Result<HeaderMap, SendError> {
    let unsendable = |message: String| Err(SendError::Unsendable(message));
    if headers.len() > MOST_HEADERS {
        return unsendable(format!("the request has more than {MOST_HEADERS} headers"));
    }
    let mut map = HeaderMap::with_capacity(headers.len() + 2);
    for (name, value) in headers {
        let Ok(name) = HeaderName::from_bytes(name.as_bytes()) else {
            return unsendable("a header of the request has a name that is not valid".to_owned());
        };
        if is_reserved_header(name.as_str()) {
            return unsendable(format!("the header `{name}` is set by the client and cannot be chosen"));
        }
        let Some(value) = header_value(value) else {
            return unsendable(format!(
                "the value of the header `{name}` is longer than {LONGEST_HEADER} bytes or has characters other than \
                 printable ASCII"
            ));
        };
        map.append(name, value);
    }
    Ok(map)
}

fn header_value(text: &str) -> Option<HeaderValue> {
    if text.len() > LONGEST_HEADER || !text.bytes().all(|b| (0x20..=0x7e).contains(&b)) {
        return None;
    }
    let mut value = HeaderValue::from_str(text).ok()?;
    value.set_sensitive(true);
    Some(value)
}

fn received(headers: &HeaderMap) -> Vec<(String, String)> {
    let mut list: Vec<(String, String)> = Vec::with_capacity(headers.keys_len());
    // Values of one name come one after the other.
    for (name, value) in headers {
        let value = String::from_utf8_lossy(value.as_bytes());
        match list.last_mut() {
            Some((last, joined)) if last == name.as_str() => {
                joined.push_str(", ");
                joined.push_str(&value);
            }
            _ => list.push((name.as_str().to_owned(), value.into_owned())),
        }
    }
    list
}

#[cfg(test)]
mod tests;
