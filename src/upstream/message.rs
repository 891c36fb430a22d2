//! What goes to an upstream and what comes back: plain values, so that the stepper and its tests need no socket.

use std::fmt;
use std::time::Duration;

/// A rendered request.
#[derive(Clone, PartialEq, Eq)]
pub struct Request {
    /// The verb, upper case.
    pub method: String,
    /// The whole URL.
    pub url: String,
    /// Header names (lower case) and values, in order.
    pub headers: Vec<(String, String)>,
    /// The body, already encoded.
    pub body: Option<Vec<u8>>,
    /// The longest the whole exchange may take.
    pub timeout: Duration,
}

impl fmt::Debug for Request {
    // URLs, headers and bodies carry credentials.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Request").field("method", &self.method).finish_non_exhaustive()
    }
}

/// An upstream's answer, the body read to its end.
#[derive(Clone, PartialEq, Eq)]
pub struct Response {
    /// The status code.
    pub status: u16,
    /// Header names (lower case) and values; repeats joined with `, `.
    pub headers: Vec<(String, String)>,
    /// The decoded body, at most as large as the client's cap.
    pub body: Vec<u8>,
}

impl fmt::Debug for Response {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Response")
            .field("status", &self.status)
            .field("body_bytes", &self.body.len())
            .finish_non_exhaustive()
    }
}

/// Why a request has no answer. Messages name neither address nor URL beyond the host.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SendError {
    /// The policy forbids the URL or every address of its host. Nothing was sent.
    #[error("{0}")]
    AddressRefused(String),
    /// The upstream answered with a redirect, which is never followed.
    #[error("the upstream answered {status} with a redirect; redirects are not followed")]
    Redirect {
        /// The status code.
        status: u16,
    },
    /// The host name has no address. Nothing was sent.
    #[error("{0}")]
    Dns(String),
    /// TLS failed. Nothing was sent.
    #[error("{0}")]
    Tls(String),
    /// No connection could be made. Nothing was sent.
    #[error("{0}")]
    Connect(String),
    /// No complete answer came within the time; the request may have had its effect.
    #[error("{0}")]
    Timeout(String),
    /// The connection broke; the request may have had its effect.
    #[error("{0}")]
    Broken(String),
    /// The answer is larger than the cap or not HTTP; the request had its effect.
    #[error("{0}")]
    BadResponse(String),
    /// The request itself cannot be sent (a header value that is not allowed, say). Nothing was sent.
    #[error("{0}")]
    Unsendable(String),
}

impl SendError {
    /// Whether bytes of the request may have reached the upstream.
    #[must_use]
    pub const fn may_have_been_sent(&self) -> bool {
        match self {
            Self::Timeout(_) | Self::Broken(_) | Self::BadResponse(_) | Self::Redirect { .. } => true,
            Self::AddressRefused(_) | Self::Dns(_) | Self::Tls(_) | Self::Connect(_) | Self::Unsendable(_) => false,
        }
    }
}

/// Headers that frame or route the message, by their name in lower case (RFC 9110 §7.6.1, and what the client derives
/// from the request). They are the client's own to set: a second opinion about where a message ends or whom it is for
/// is how requests are smuggled.
#[must_use]
pub fn is_reserved_header(name: &str) -> bool {
    matches!(name, "connection" | "content-length" | "expect" | "host" | "keep-alive" | "te" | "trailer")
        || matches!(name, "transfer-encoding" | "upgrade")
        || name.starts_with("proxy-")
}

/// Performs requests. Two implementations: the real client and a test's scripted one.
#[async_trait::async_trait]
pub trait Upstream: fmt::Debug + Send + Sync {
    /// Sends `request` once and reads the answer to its end. Never retries, never follows.
    ///
    /// # Errors
    /// A [`SendError`] when there is no usable answer. An answer with an error status is an answer.
    async fn send(&self, request: Request) -> Result<Response, SendError>;
}
