//! What an import and a run's end make of an account: the half of them that needs no store, no key and no clock.

use serde_json::{Map, Value};
use uuid::Uuid;

use super::{Ended, ImportRequest};
use crate::credentials::{Redactor, secrets};
use crate::events::{EventCause, EventInput, envelope};
use crate::lifecycle::{CauseTrigger, Ending, Rejection, Snapshot, Status, Transition, Trigger, Word, decide};
use crate::store::{Account, Event, InstallEntry, Run};

/// The transition of every import.
const CREATED: Transition = Transition { from: None, to: Some(Status::Connecting), word: Word::Created };

/// A new account, before its run.
pub struct Entered {
    /// The account, with the clear part of its context.
    pub account: Account,
    /// The part that is to be sealed.
    pub secret: Map<String, Value>,
    /// What is told.
    pub transition: Transition,
}

impl std::fmt::Debug for Entered {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Entered").field("account", &self.account.id).finish_non_exhaustive()
    }
}

/// Makes the account that `request` asks for; `redactor` learns its secrets.
///
/// # Errors
/// When the lifecycle does not allow it.
pub fn enter(
    mut request: ImportRequest,
    install: &InstallEntry,
    paths: &secrets::SecretPaths,
    redactor: &mut Redactor,
    (id, run): (Uuid, Uuid),
    now_ms: i64,
) -> Result<Entered, Rejection> {
    let transition = decide(&Snapshot::Absent, &Trigger::Import)?.transition.unwrap_or(CREATED);
    let (clear, secret) = secrets::split(std::mem::take(&mut request.context), paths, redactor);
    let account = Account {
        id,
        tenant_id: request.tenant_id,
        environment_id: install.environment_id,
        environment_integration_id: install.id,
        integration: install.integration.clone(),
        region: request.region,
        authentication_method: request.authentication_method,
        is_sandbox: request.is_sandbox,
        status: transition.to,
        reason: None,
        last_error: None,
        last_forbidden_error: None,
        context: clear,
        latest_run: Some(run),
        sequence: 1,
        proven_at_ms: None,
        created_at_ms: now_ms,
        updated_at_ms: now_ms,
    };
    Ok(Entered { account, secret, transition })
}

/// The event of a transition that `run` caused.
#[must_use]
pub fn event_of(
    account: &Account,
    transition: Transition,
    trigger: CauseTrigger,
    run: &Run,
    max_context_bytes: usize,
) -> Event {
    envelope(&EventInput {
        account,
        transition,
        cause: EventCause {
            trigger,
            run: Some(run.id),
            correlation_id: run.correlation_id.as_deref(),
            traceparent: run.traceparent.as_deref(),
        },
        max_context_bytes,
    })
}

/// What an ending does. Where it says nothing about the account, what the run wrote to the context is told if that can
/// be seen (`changed`).
///
/// # Errors
/// A [`Rejection`] when the account does not wait for this run, or its status cannot have such an ending.
pub fn judge(account: &Account, run: Uuid, ending: Ending, changed: bool) -> Result<Option<Transition>, Rejection> {
    let snapshot = match account.status {
        Some(status) => Snapshot::Present { status, unfinished_run: Some(run) },
        None => Snapshot::Deleted,
    };
    match decide(&snapshot, &Trigger::RunEnded { run, ending })?.transition {
        None => decide(&snapshot, &Trigger::Patch { changed }).map(|decision| decision.transition),
        some => Ok(some),
    }
}

/// An account's context with what a run wrote laid over it, cut into its clear and its secret part. `before` is the
/// secret part as it was.
#[must_use]
pub fn written(
    account: &Account,
    before: Map<String, Value>,
    ended: &Ended,
    paths: &secrets::SecretPaths,
    redactor: &mut Redactor,
) -> (Map<String, Value>, Map<String, Value>) {
    let mut context = secrets::merge(account.context.clone(), before);
    for (key, value) in ended.writes.clone() {
        match (context.get_mut(&key), value) {
            // A token that was not written is left out, and may be another by now.
            (Some(Value::Object(oauth)), Value::Object(over)) if key == "oauth" => oauth.extend(over),
            (_, value) => {
                context.insert(key, value);
            }
        }
    }
    secrets::split(context, paths, redactor)
}

/// The account after the transition that ends its run. What does not change its status leaves its reason as well.
#[must_use]
pub fn concluded(
    account: &Account,
    ended: &Ended,
    transition: Transition,
    clear: Map<String, Value>,
    now_ms: i64,
) -> Account {
    let mut account = account.clone();
    if transition.from != transition.to {
        account.last_error = ended.reason.as_ref().map(|reason| reason.message.clone());
        account.reason.clone_from(&ended.reason);
    }
    account.status = transition.to;
    account.context = clear;
    if transition.to == Some(Status::Active) {
        account.proven_at_ms = account.proven_at_ms.or(Some(now_ms));
    }
    account.sequence += 1;
    account.updated_at_ms = now_ms;
    account
}

/// What an event says raised the ending of a run.
#[must_use]
pub fn trigger_of(run: &Run, ending: Ending) -> CauseTrigger {
    match ending {
        Ending::DeadlineExceeded(_) => CauseTrigger::Deadline,
        Ending::Succeeded | Ending::PhaseFailed(_) | Ending::CredentialRefused | Ending::Beside => run.cause.into(),
    }
}
