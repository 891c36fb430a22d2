//! The HTTP client: the only home of reqwest.
mod message;
pub use message::{Request, Response, SendError, Upstream};
