//! How a run's end changes its account.

use serde_json::{Map, Value};

use super::changes::{self, concluded, event_of, trigger_of};
use super::{Accounts, KeepError, VaultError};
use crate::credentials::{Redactor, secrets, token};
use crate::lifecycle::{Ending, Reason, Rejection, Transition, Word};
use crate::reconnect::Reconnect;
use crate::seal::Sealed;
use crate::store::{
    Account, AccountChange, Commit, Committed, Credential, CredentialChange, Patience, Run, RunChange, StoreError,
    TransitionWrite, Unpublished,
};

/// What a worker holds while it performs a run.
#[derive(Debug, Clone)]
pub struct Held {
    /// The run, with the fence under which it is held.
    pub run: Run,
    /// The account as the worker last saw it.
    pub account: Account,
    /// The secrets as the worker last saw them, sealed.
    pub credential: Credential,
}

/// How a run ended.
#[derive(Clone)]
pub struct Ended {
    /// What the account is told.
    pub ending: Ending,
    /// Why, when it did not succeed.
    pub reason: Option<Reason>,
    /// What the run wrote to the context, secrets included: the keys at its root that differ.
    pub writes: Map<String, Value>,
    /// What happened, redacted, as JSON text.
    pub trace: String,
    /// What another run may go on from, sealed.
    pub progress: Option<Sealed>,
}

impl Ended {
    /// What the run is said to have come to: `succeeded`, or a reason code.
    #[must_use]
    pub fn outcome(&self) -> &'static str {
        self.reason.as_ref().map_or("succeeded", |reason| reason.code.as_str())
    }
}

impl std::fmt::Debug for Ended {
    // What was written may hold secrets.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Ended").field("ending", &self.ending).field("reason", &self.reason).finish_non_exhaustive()
    }
}

/// What became of an ending.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Advanced {
    /// It is committed; the event's word, if there was one.
    Committed(Option<Word>),
    /// Somebody else holds the run by now: the ending was dropped.
    Lost,
}

/// Why an ending could not be committed.
#[derive(Debug, thiserror::Error)]
pub enum AdvanceError {
    /// The store did not take it.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A large value could not be kept.
    #[error(transparent)]
    Keep(#[from] KeepError),
    /// Secrets could not be opened or sealed.
    #[error(transparent)]
    Vault(#[from] VaultError),
}

impl Accounts {
    /// Tells the account how its run ended; waits for a database that does not answer.
    ///
    /// # Errors
    /// When the store is closing or refuses the data, or the secrets cannot be sealed.
    pub async fn advance(
        &self,
        held: &mut Held,
        ended: &Ended,
        paths: &secrets::SecretPaths,
        redactor: &mut Redactor,
    ) -> Result<Advanced, AdvanceError> {
        let kept = self.kept(&held.account, ended).await?;
        let ended = kept.as_ref().unwrap_or(ended);
        loop {
            let (clear, credential) = self.written(held, ended, (paths, redactor))?;
            let transition = match judge(held, ended.ending, clear != held.account.context) {
                Verdict::Ends(transition) => transition,
                Verdict::Superseded => return Ok(Advanced::Lost),
            };
            let commit = self.commit_of(held, ended, transition, (clear, credential));
            let after = commit.transition.as_ref().and_then(|write| write.change.context.as_ref());
            let dropped =
                after.map_or_else(Vec::new, |after| Self::dropped(commit.account, &held.account.context, after));
            let event = commit.transition.as_ref().map(|write| Unpublished::of(commit.account, &write.event));
            match self.store.commit(commit, Patience::Endless).await? {
                Committed::Done => {
                    if let (Some(transition), Some(event)) = (transition, event) {
                        self.told(transition.word, event);
                    }
                    // Nobody waits for a bucket to hear of the transition.
                    self.forget(&dropped).await;
                    return Ok(Advanced::Committed(transition.map(|transition| transition.word)));
                }
                Committed::FenceLost => return Ok(Advanced::Lost),
                Committed::SequenceMoved | Committed::CredentialMoved => {
                    if !self.reload_patiently(held).await? {
                        return Ok(Advanced::Lost);
                    }
                }
            }
        }
    }

    /// Looks at account and secrets again; false when they are gone.
    pub async fn reload(&self, held: &mut Held) -> Result<bool, StoreError> {
        let account = self.store.account(held.run.account).await?;
        let credential = self.store.credential(held.run.account).await?;
        let (Some(account), Some(credential)) = (account, credential) else { return Ok(false) };
        held.account = account;
        held.credential = credential;
        Ok(true)
    }

    /// The same, waiting for a database that does not answer.
    async fn reload_patiently(&self, held: &mut Held) -> Result<bool, StoreError> {
        let mut pauses = Reconnect::default();
        loop {
            match self.reload(held).await {
                Err(StoreError::Unavailable(_)) => tokio::time::sleep(pauses.pause()).await,
                other => return other,
            }
        }
    }

    fn commit_of(
        &self,
        held: &Held,
        ended: &Ended,
        transition: Option<Transition>,
        (clear, credential): (Map<String, Value>, Option<CredentialChange>),
    ) -> Commit {
        let account = &held.account;
        Commit {
            run: held.run.id,
            fence: held.run.fence,
            account: account.id,
            run_change: Some(RunChange::Finish {
                outcome: ended.outcome().to_owned(),
                trace: ended.trace.clone(),
                progress: ended.progress.clone(),
            }),
            transition: transition.map(|transition| self.transition_of(held, ended, transition, clear)),
            credential,
        }
    }

    /// The account's context with the run's writes laid over it, which may have changed meanwhile: its clear part, and
    /// the secrets' change.
    fn written(
        &self,
        held: &Held,
        ended: &Ended,
        (paths, redactor): (&secrets::SecretPaths, &mut Redactor),
    ) -> Result<(Map<String, Value>, Option<CredentialChange>), VaultError> {
        let (account, credential) = (&held.account, &held.credential);
        if ended.writes.is_empty() {
            return Ok((account.context.clone(), None));
        }
        let (environment, version) = (account.environment_id, credential.version);
        let before = self.vault.open_secrets(environment, account.id, version, &credential.sealed)?;
        let (clear, secret) = changes::written(account, before.clone(), ended, paths, redactor);
        if secret == before {
            return Ok((clear, None));
        }
        let expires_at_ms = token::expires_at_ms(&secret);
        let sealed = self.vault.seal_secrets(environment, account.id, version + 1, &secret)?;
        let refresh_intent = credential.refresh_intent;
        Ok((
            clear,
            Some(CredentialChange { expected_version: version, sealed: Some(sealed), expires_at_ms, refresh_intent }),
        ))
    }

    fn transition_of(
        &self,
        held: &Held,
        ended: &Ended,
        transition: Transition,
        clear: Map<String, Value>,
    ) -> TransitionWrite {
        let now_ms = self.clock.now_ms();
        let context_changed = clear != held.account.context;
        let account = concluded(&held.account, ended, transition, clear, now_ms);
        let trigger = trigger_of(&held.run, ended.ending);
        let event = event_of(&account, transition, trigger, &held.run, self.max_context_bytes);
        let change = AccountChange {
            status: account.status,
            reason: account.reason,
            last_error: account.last_error,
            context: context_changed.then_some(account.context),
            proven_at_ms: account.proven_at_ms,
            updated_at_ms: now_ms,
        };
        TransitionWrite { expected_sequence: held.account.sequence, change, event }
    }
}

/// What an ending does.
enum Verdict {
    /// The run is finished, with a transition or without one.
    Ends(Option<Transition>),
    /// The account no longer waits for this run.
    Superseded,
}

fn judge(held: &Held, ending: Ending, changed: bool) -> Verdict {
    let run = held.run.id;
    match changes::judge(&held.account, run, ending, changed) {
        Ok(transition) => Verdict::Ends(transition),
        Err(Rejection::Illegal { status, trigger }) => {
            tracing::error!(account.id = %held.account.id, run.id = %run, %status, trigger, "a run ended in a way its account's status cannot have; the run is finished, the account left as it is");
            Verdict::Ends(None)
        }
        Err(rejection) => {
            tracing::info!(account.id = %held.account.id, run.id = %run, "{rejection}");
            Verdict::Superseded
        }
    }
}
