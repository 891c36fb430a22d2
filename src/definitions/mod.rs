//! Definitions: what the operator's team wrote about a third-party service, and what the worker makes of it.
//!
//! A definition travels one way: [`load()`] reads the files, [`Effective`] merges an integration with an install's
//! override into the one document that a run pins by its hash, and [`Plan::compile`] turns that document into what
//! `actions` walks through. Everything that can be known to be wrong is refused at load, with the file, a JSON
//! pointer and what to mend; [`CompileError`] is the one error of it.
//!
//! Lacks: members that this version does not execute (`resources`, `webhook`, `pagination`, `rate_limit`,
//! `tool_tags`) are kept in the document and have no effect.

mod compile;
pub mod credential;
mod effective;
mod error;
mod load;
mod model;
mod names;
mod node;
mod plan;
mod request;
mod step;
mod target;

#[cfg(test)]
mod tests;

pub use credential::CredentialPlan;
pub use effective::Effective;
pub use error::{CompileError, LoadError};
pub use load::{DefinitionSet, load};
pub use model::{Install, Integration};
pub use names::Names;
pub use plan::{
    Action, Authorization, Body, BodyFormat, Header, Method, OnUnknown, Parameter, Plan, Probe, QueryArrayFormat,
    RequestPlan, ResponsePath, Step, StepKind, Target,
};
pub(crate) use request::header_name;
pub(crate) use target::unresolved;

// The two types that the store moves too are named here once, so that the rest of the module does not know the store.
pub use crate::store::{DefinitionHash, IntegrationRef};
