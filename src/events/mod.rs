//! What the outside is told: the account as people see it, and the CloudEvents envelope around a transition.
//!
//! Pure. An envelope is made before it is stored, stored as text and never rewritten. Nothing in here sees a secret:
//! accounts come without theirs.

mod envelope;
mod outline;
mod view;

pub use envelope::{EventCause, EventInput, envelope, type_of};
pub use outline::{Outline, Parts, outline, parts};
pub use view::{account_object, account_view};
