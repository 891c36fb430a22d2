//! Credentials: what an account's secrets are, whether they are complete, how they are kept out of sight and how a
//! token is refreshed.
//!
//! Pure: no clock, no socket, no store. The driver sends the request that [`grant::refresh_request`] makes and hands the
//! answer to [`grant::classify`]. Tokens are refreshed here and never minted: a method that gets its token from a
//! client's own credentials has to bring one, which a definition's `refresh_token` action may replace.

pub mod fields;
pub mod grant;
pub mod large;
pub mod patch;
pub mod redact;
pub mod secrets;
pub mod token;

pub use fields::{FieldFailure, accept};
pub use redact::Redactor;
pub use secrets::SecretPaths;
