//! Definitions: what the operator's team wrote about a third-party service, and what the worker makes of it.
//!
//! A definition travels one way: [`load()`] reads the files, [`Effective`] merges an integration with an install's
//! override, and with an account's own, into the one document that a run pins by its hash, and [`Plan::compile`] turns
//! that document into what `actions` walks through. Everything that can be known to be wrong is refused at load, with the file, a JSON
//! pointer and what to mend; [`CompileError`] is the one error of it.
//!
//! A request has three layers of config: the integration, the method of `resources` that a step refers to, and the step
//! (`request/layers.rs`). A method that nothing refers to is never looked at.
//!
//! Lacks: members that this version does not execute (`webhook`, `tool_tags`) are kept in the document and have no effect.

mod compile;
pub mod credential;
mod diff;
mod effective;
mod error;
mod layer;
pub mod lint;
mod load;
mod model;
mod names;
mod node;
mod pagination;
mod plan;
mod rate_limit;
mod request;
mod request_plan;
mod size;
mod step;
mod target;
mod vocabulary;

#[cfg(test)]
mod tests;

pub use credential::CredentialPlan;
pub use diff::{Difference, Kind, differences};
pub use effective::Effective;
pub use error::{CompileError, LoadError, LoadErrors};
pub use layer::{check_layer, layer_differences, masked_layer, place_in_layer};
pub use load::{DefinitionSet, files, load, read_integration};
pub use model::{Install, Integration};
pub use names::Names;
pub use pagination::{
    Compared as PaginationCompared, Cursor as PaginationCursor, Format as PaginationFormat, Limit as PaginationLimit,
    Link as PaginationLink, MAX_PAGES, Pagination, Place as PaginationPlace,
};
pub use plan::{Action, OnUnknown, Plan, Probe, REFRESH_TOKEN, Step, StepKind};
pub use rate_limit::{LimitScope, RateLimit};
pub(crate) use request::header_name;
pub use request_plan::{
    AnswerFormat, Authorization, Body, BodyFormat, Header, Inputs, Method, Parameter, QueryArrayFormat, RequestPlan,
    ResponseFormat, ResponsePath, Scopes, Taken, Target,
};
pub(crate) use target::unresolved;
pub use vocabulary::{installs_schema, integration_schema};

// The two types that the store moves too are named here once, so that the rest of the module does not know the store.
pub use crate::store::{DefinitionHash, IntegrationRef};
