//! Accounts: the only callers of `lifecycle::decide`, and the only way in which an account changes.
//!
//! Every change is the same four moves: look at the account, decide, make the event, commit account, run and event in
//! one transaction; and decide again when somebody was faster. Which definitions there are and what is sealed for whom
//! is known here too, because both belong to the account's environment.

mod advance;
mod answer;
mod applied;
mod broken;
mod catalog;
pub mod changes;
mod definition;
mod draft;
mod enqueue;
mod fair;
mod import;
mod lane;
mod large;
mod outlet;
mod patch;
mod preview;
mod replay;
mod request;
mod tenants;
mod vault;

use std::sync::Arc;

use tokio::sync::Notify;

pub use advance::{AdvanceError, Advanced, Ended, Held};
pub use answer::{
    account_answer, account_answer_with, install_record, integration_record, new_account_answer, run_answer,
};
pub use applied::{Applied, AppliedInstall, AppliedIntegration, Change};
pub use broken::BrokenOverride;
pub use catalog::{Catalog, PlanError};
pub use fair::{FairKeys, Spacing};
pub use import::{ImportError, ImportRequest, Imported, Message};
pub use lane::{FastLane, Opened, Slot, Started};
pub use large::{FetchError, KeepError};
pub use outlet::{Fresh, Outlet, Told};
pub use patch::{OverrideRequest, PatchError, PatchRequest};
pub use preview::PatchPreview;
pub use replay::{Ineligible, ReplayOrder, Replayed, objection};
pub use request::{Demand, Refused, RunOrder};
pub use vault::{Vault, VaultError};

use crate::clock::Clock;
use crate::lifecycle::Word;
use crate::objects::Objects;
use crate::store::{Store, Unpublished};
use crate::telemetry::Metrics;

/// What changing accounts needs. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Accounts {
    /// Where they are kept.
    pub store: Arc<dyn Store>,
    /// Opens and seals their secrets.
    pub vault: Vault,
    /// Keeps the large values of their contexts.
    pub objects: Objects,
    /// Time and ids.
    pub clock: Arc<dyn Clock>,
    /// The definitions.
    pub catalog: Arc<Catalog>,
    /// Order among tenants.
    pub fair: Arc<FairKeys>,
    /// The way past the queue for requests that arrive while this process has a free slot.
    pub lane: Option<Arc<FastLane>>,
    /// Hands every committed event to the relay of this process.
    pub outlet: Outlet,
    /// Rung after every commit with an event, for everybody who waits for one.
    pub settled: Arc<Notify>,
    /// Counters.
    pub metrics: Metrics,
    /// A larger context is left out of events, in bytes.
    pub max_context_bytes: usize,
}

impl Accounts {
    /// Tells everybody in this process of an event that is committed.
    fn told(&self, word: Word, event: Unpublished) {
        self.metrics.count_transition(word);
        self.outlet.tell(event);
        self.settled.notify_waiters();
    }
}
