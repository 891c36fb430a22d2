//! The HTTP client: the only home of reqwest.
//!
//! [`HttpUpstream`] sends one request, once, to an address that the operator's [`AddressPolicy`] permits, within a
//! time and a size. It never follows a redirect, never retries, keeps no cookies and asks no proxy. What a status
//! means, whether to try again and how a request is rendered is decided above.

mod client;
mod error;
mod message;
mod policy;
mod resolver;

pub use crate::config::{Subnet, SubnetError};
pub use client::{ClientError, ClientOptions, HttpUpstream};
pub use message::{Request, Response, SendError, Upstream, is_reserved_header};
pub use policy::{AddressPolicy, PolicyOptions, Refusal, is_public};
