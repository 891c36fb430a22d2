//! A new account: its row, its sealed secrets, its first run and its `created` event in one transaction.

use serde_json::{Map, Value};
use uuid::Uuid;

use super::changes::{Entered, enter};
use super::{Accounts, Opened, Slot, Spacing, Started, VaultError};
use crate::credentials::{Redactor, secrets, token};
use crate::events::{EventCause, EventInput, envelope};
use crate::lifecycle::{AuthenticationMethod, Cause, CauseTrigger, Phase, Region, Rejection, Task};
use crate::store::{
    Accept, Accepted, Account, Channel, Claimed, Credential, InstallEntry, NewRun, Patience, Run, StoreError,
    Unpublished,
};

/// What a producer asks for, checked against everything but the install's definition.
#[derive(Clone, PartialEq)]
pub struct ImportRequest {
    /// The caller's own key.
    pub tenant_id: String,
    /// The install.
    pub install: Uuid,
    /// How the account authenticates.
    pub authentication_method: AuthenticationMethod,
    /// Where it is to live.
    pub region: Region,
    /// Whether it may write upstream.
    pub is_sandbox: bool,
    /// Credentials and instance data.
    pub context: Map<String, Value>,
}

impl std::fmt::Debug for ImportRequest {
    // The context holds credentials.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ImportRequest")
            .field("tenant_id", &self.tenant_id)
            .field("install", &self.install)
            .field("region", &self.region)
            .finish_non_exhaustive()
    }
}

/// How the request came.
#[derive(Debug, Clone)]
pub struct Message {
    /// The channel.
    pub channel: Channel,
    /// The deduplication key, unique in the environment; without one every request makes an account.
    pub id: Option<String>,
    /// The keyed fingerprint of the body.
    pub fingerprint: [u8; 32],
    /// What the producer wants to see again.
    pub correlation_id: Option<String>,
    /// The producer's W3C trace context, valid.
    pub traceparent: Option<String>,
}

/// What became of a request.
#[derive(Debug, Clone, PartialEq)]
pub enum Imported {
    /// A new account.
    Created(Box<Account>),
    /// The message came before; its account.
    Duplicate(Uuid),
    /// The message id came before with another body; the account of the first.
    Conflict(Uuid),
}

/// Why an import was not even tried.
#[derive(Debug, thiserror::Error)]
pub enum ImportError {
    /// The store did not take it.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The secrets could not be sealed.
    #[error("the secrets could not be sealed: {0}")]
    Vault(#[from] VaultError),
    /// The lifecycle does not allow it.
    #[error(transparent)]
    Rejected(#[from] Rejection),
}

impl Accounts {
    /// Makes the account that `request` asks for, unless its message came before.
    ///
    /// # Errors
    /// When the store does not answer in time (repeating is safe) or the secrets cannot be sealed.
    pub async fn import(
        &self,
        mut request: ImportRequest,
        install: &InstallEntry,
        paths: &secrets::SecretPaths,
        message: Message,
        patience: Patience,
    ) -> Result<Imported, ImportError> {
        let now_ms = self.clock.now_ms();
        let (account_id, run_id) = (self.clock.new_id(), self.clock.new_id());
        let kept =
            self.keep(install.environment_id, account_id, &mut request.context).await.map_err(StoreError::from)?;
        let slot = self
            .lane
            .as_ref()
            .and_then(|lane| lane.enter(request.region, &request.tenant_id, run_id).map(|slot| (lane, slot)));
        let expires_at_ms = token::expires_at_ms(&request.context);
        let mut redactor = Redactor::new(&Map::new(), &[], paths);
        let ids = (account_id, run_id);
        let Entered { account, secret, transition } = enter(request, install, paths, &mut redactor, ids, now_ms)?;
        let sealed = self.vault.seal_secrets(account.environment_id, account_id, 1, &secret)?;
        let credential = Credential { sealed, version: 1, expires_at_ms, refresh_intent: None };
        let fair_key = self.fair.next(&account.tenant_id, now_ms, Spacing::Live);
        let claimed_by = slot.as_ref().map(|(lane, _)| lane.worker);
        let run = NewRun { id: run_id, fair_key, claimed_by, ..first_run(message, install) };
        let event = envelope(&EventInput {
            account: &account,
            transition,
            cause: EventCause {
                trigger: CauseTrigger::Import,
                run: Some(run_id),
                correlation_id: run.correlation_id.as_deref(),
                traceparent: run.traceparent.as_deref(),
            },
            max_context_bytes: self.max_context_bytes,
        });
        let accept = Accept { account, credential, run, event };
        let started = slot.map(|(lane, slot)| (lane, started(&accept, secret, redactor, slot)));
        let account = accept.account.clone();
        let event = Unpublished::of(account_id, &accept.event);
        let accepted = self.store.accept(accept, patience).await?;
        if !matches!(accepted, Accepted::Created) {
            self.forget(&kept).await;
        }
        match accepted {
            Accepted::Created => {
                self.told(transition.word, event);
                match (started, &self.lane) {
                    (Some((lane, started)), _) => lane.start(started),
                    (None, Some(lane)) => lane.queued.notify_one(),
                    (None, None) => {}
                }
                Ok(Imported::Created(Box::new(account)))
            }
            Accepted::Duplicate { account } => Ok(Imported::Duplicate(account)),
            Accepted::Conflict { account } => Ok(Imported::Conflict(account)),
        }
    }
}

/// The run of a new account, but for what is decided about it.
fn first_run(message: Message, install: &InstallEntry) -> NewRun {
    NewRun {
        id: Uuid::nil(),
        cause: Cause::Import,
        task: Task::Phases(Phase::PostInstall),
        fair_key: 0,
        definition: install.effective,
        replay_of: None,
        message_id: message.id,
        fingerprint: Some(message.fingerprint),
        channel: message.channel,
        correlation_id: message.correlation_id,
        traceparent: message.traceparent,
        progress: None,
        claimed_by: None,
    }
}

/// The run as the runner takes it: what a claim would read from the store, without reading it.
fn started(accept: &Accept, secret: Map<String, Value>, mut redactor: Redactor, slot: Slot) -> Started {
    let run = Run {
        id: accept.run.id,
        account: accept.account.id,
        cause: accept.run.cause,
        task: accept.run.task.clone(),
        fence: 1,
        definition: accept.run.definition,
        progress: None,
        correlation_id: accept.run.correlation_id.clone(),
        traceparent: accept.run.traceparent.clone(),
    };
    redactor.learn(&secret);
    let opened = Opened { context: secrets::merge(accept.account.context.clone(), secret), redactor };
    let claimed =
        Claimed { run, account: accept.account.clone(), credential: accept.credential.clone(), elapsed_ms: 0 };
    Started { claimed, opened: Some(opened), slot }
}
