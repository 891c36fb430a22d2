//! Actions: the pure machine that performs a run's phases.
//!
//! A [`Stepper`] is asked what is next and told what became of it; it knows nothing of sockets, stores or time. It
//! promises to end, to send each request a bounded number of times, never to repeat a request with side effects whose
//! answer is not known unless the definition allows that, and to show no secret in `Debug` output.
//!
//! In here `stepper` says what goes out and what is awaited, `walk` which step is next and whether it is performed, `turn`
//! what a step is performed for (the items of its loop), `exchange` asks the provider, `probe` whether a request
//! whose answer was lost had its effect, `react` decides what follows from a failure, `renewal` brings a new token,
//! `local` performs the steps that need nobody, `place` is what a step sees, `request` renders (`caller` what a step
//! brings for a resource's method, `body` and `multipart` what is sent, `paging` which page is asked for), `response`
//! reads (`parse` its bytes), `rate_limit` knows limited answers, `classify` sorts failures (`scopes` says more of a 403), `progress` is what survives a crash and
//! `trace` what people see.

mod body;
mod caller;
mod classify;
mod context;
mod exchange;
mod local;
mod model;
mod multipart;
mod paging;
mod parse;
mod place;
mod probe;
mod progress;
mod rate_limit;
mod react;
mod renewal;
mod request;
mod response;
mod scopes;
mod stepper;
mod trace;
mod turn;
mod url;
mod walk;

#[cfg(test)]
mod tests;

pub use classify::MAX_MESSAGE_BYTES;
pub use model::{AccountFacts, GateScope, Input, Limits, Outcome, Output, Start, Tick, WaitReason};
pub use probe::interrupted;
pub use progress::Progress;
pub use renewal::{Change, Over, Renewal, Turn};
pub use stepper::Stepper;
pub use trace::Trace;
