//! Definitions: what the operator's team wrote about a third-party service, and what the worker makes of it.

pub mod credential;
mod error;

pub use credential::CredentialPlan;
pub use error::CompileError;
