//! The lifecycle: what an account can be, what can happen to it, and what follows.
//!
//! Pure. There is no clock, randomness, I/O, logging or async in here, and there never will be: drivers bring what
//! happened as a [`Trigger`], and act on the [`Decision`].

mod decide;
mod failure;
mod reason;
mod retry;
mod status;
pub mod table;
mod task;
mod transition;
mod trigger;

#[cfg(test)]
mod tests;

pub use decide::{Decision, Next, Rejection, Snapshot, Work, decide};
pub use failure::{Class, Failure};
pub use reason::{IntakeCode, Reason, ReasonCode, WhoActs};
pub use retry::RetryPolicy;
pub(crate) use status::words;
pub use status::{AuthenticationMethod, Phase, Region, Status, UnknownWord, status_word};
pub use task::Task;
pub use transition::{Transition, Word};
pub use trigger::{Cause, CauseTrigger, Ending, Trigger, Unknown};
