//! A client changes an account: its tenant, its context, its own override of the definition.
//!
//! The same moves as every change, whether a run is under way or not: look, decide, make the event, write in one
//! transaction, and look again when somebody was faster. A run under way goes on with the definition that it has pinned;
//! its end finds the account moved and is decided on anew.

use serde_json::{Map, Value};
use uuid::Uuid;

use super::{Accounts, KeepError, VaultError};
use crate::credentials::FieldFailure;
use crate::lifecycle::Rejection;
use crate::objects::ObjectError;
use crate::store::{Account, Patched, StoreError, Unpublished};

/// How often an account is looked at anew that changes all the time.
const ATTEMPTS: u32 = 5;

/// The largest context that patches may add up to, in bytes of JSON.
pub(super) const MAX_CONTEXT_BYTES: usize = 1024 * 1024;

/// What a client wants changed. What is left out stays.
#[derive(Clone, Default, PartialEq)]
pub struct PatchRequest {
    /// The caller's own key.
    pub tenant_id: Option<String>,
    /// Laid over the context.
    pub context: Option<Map<String, Value>>,
    /// The account's own layer over its install's definition.
    pub integration_override: OverrideRequest,
}

/// What becomes of an account's own override.
#[derive(Clone, Default, PartialEq)]
pub enum OverrideRequest {
    /// It stays.
    #[default]
    Keep,
    /// It goes.
    Remove,
    /// It becomes this.
    Set(Map<String, Value>),
}

impl std::fmt::Debug for PatchRequest {
    // Context and override hold secrets.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("PatchRequest").field("tenant_id", &self.tenant_id).finish_non_exhaustive()
    }
}

/// Why an account is not changed.
#[derive(Debug, thiserror::Error)]
pub enum PatchError {
    /// There is no such account (any more).
    #[error("there is no such account")]
    Absent,
    /// Fields of the request are wrong.
    #[error("the request's fields are wrong")]
    Fields(Vec<FieldFailure>),
    /// The context would become too large.
    #[error("the context would have more than {MAX_CONTEXT_BYTES} bytes with this")]
    TooLarge,
    /// A field asks for what this installation does not do.
    #[error("{}: {}", .0.pointer, .0.message)]
    NotSupported(FieldFailure),
    /// What the account's runs would work with cannot be run.
    #[error("{}: {}", .0.pointer, .0.message)]
    Definition(FieldFailure),
    /// A token refresh of the account may be in flight, and its outcome must not be lost.
    #[error("a token refresh of the account is under way: its new token would be lost; repeat in a minute")]
    RefreshUnderWay,
    /// Others changed the account all the time.
    #[error("the account is changed by others all the time: repeat")]
    Contended,
    /// The lifecycle does not allow it.
    #[error(transparent)]
    Rejected(#[from] Rejection),
    /// The store did not take it. Whether it was written may be unknown; repeating is safe.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A secret could not be opened or sealed.
    #[error("the account's secrets could not be opened or sealed: {0}")]
    Vault(#[from] VaultError),
    /// A large value could not be kept.
    #[error("a large value could not be kept: {0}")]
    Object(ObjectError),
}

impl From<KeepError> for PatchError {
    fn from(error: KeepError) -> Self {
        match error {
            KeepError::Object(error) => Self::Object(error),
            KeepError::Vault(error) => Self::Vault(error),
        }
    }
}

impl Accounts {
    /// Changes an account; answers it as it is then. Repeating a request changes nothing a second time.
    ///
    /// # Errors
    /// [`PatchError`]. Nothing is changed then, unless the store did not say.
    pub async fn patch(&self, id: Uuid, request: &PatchRequest) -> Result<Account, PatchError> {
        for _ in 0..ATTEMPTS {
            let draft = self.draft(id, request, true).await?;
            if !draft.changes_something() {
                self.forget(&draft.kept).await;
                return Ok(draft.before);
            }
            let event = draft.patch.event.as_ref().map(|event| Unpublished::of(id, event));
            match self.store.patch(draft.patch).await? {
                Patched::Done => {
                    if let Some((hash, plan)) = draft.compiled {
                        self.catalog.remember(hash, plan);
                    }
                    if let (Some(transition), Some(event)) = (draft.transition, event) {
                        self.told(transition.word, event);
                    }
                    self.forget_dropped(&draft.before, &draft.after).await;
                    return Ok(draft.after);
                }
                Patched::SequenceMoved | Patched::CredentialMoved => self.forget(&draft.kept).await,
            }
        }
        Err(PatchError::Contended)
    }

    /// A run that is under way may still read what it found: its objects are left behind then.
    async fn forget_dropped(&self, before: &Account, after: &Account) {
        let dropped = Self::dropped(before.id, &before.context, &after.context);
        if dropped.is_empty() {
            return;
        }
        let latest = self.store.runs(before.id, 1).await.ok().and_then(|mut runs| runs.pop());
        if latest.is_some_and(|run| run.state == "finished") {
            self.forget(&dropped).await;
        }
    }
}
