//! What operators do to many at once: replay failed accounts, work off the quarantine. And what authors of definitions do
//! before there is one account: try them.
//!
//! Everything here is bounded by a cap that refuses instead of cutting short, is shown by a dry run before it is done,
//! and can be repeated after a crash without doing anything twice. What happens to an account is decided in `accounts`,
//! what is a good request in `intake`.

pub mod quarantine;
pub mod replay;
pub mod trial;

use uuid::Uuid;

use crate::store::StoreError;

/// Why nothing was done.
#[derive(Debug, thiserror::Error)]
pub enum OperateError {
    /// The store does not answer.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// More match than the cap allows.
    #[error("{count} {what} match, more than the cap of {cap}: narrow the choice, or raise the cap with --max {count}")]
    TooMany {
        /// How many match.
        count: u64,
        /// Of what.
        what: &'static str,
        /// The cap.
        cap: usize,
    },
    /// There is no replay with this id.
    #[error("there is no replay plan {0}: `tidewaiter replay plan` makes one and tells its id")]
    UnknownPlan(Uuid),
    /// The plan was started under another key, which goes on with it.
    #[error("plan {plan} was started under the key `{key}`: repeat it with that key")]
    OtherKey {
        /// The plan.
        plan: Uuid,
        /// The key it was started under.
        key: String,
    },
    /// The key belongs to another replay.
    #[error("the key `{key}` belongs to replay {replay}, which was chosen differently: use another key")]
    KeyTaken {
        /// The key.
        key: String,
        /// Whose it is.
        replay: Uuid,
    },
}
