//! Functions of the engine that are switched off: bound to a failure, which wins by every route to them.

use jlens_core::{Error, HostFunction};

use super::Function;

pub(super) const FUNCTIONS: &[Function] =
    &[("eval", || HostFunction::new(1, |_, _| Err(Error::new("eval_disabled"))).without_input())];
