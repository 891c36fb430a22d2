//! A token refresh inside a run: at most one is in flight for a credential, and a token whose successor was stored is
//! never sent again.
//!
//! The intent is committed before the request, the new pair before it is used. An intent without an outcome means that
//! the earlier answer was lost: once that call cannot be alive any more, the old token is sent once more, and never a
//! third time. Whether the account then has to be connected again is said with `refresh_outcome_unknown`.

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Map, Value};
use tokio::time::Instant;

use super::drive::{Driver, Stop};
use crate::actions::Input;
use crate::credentials::grant::{self, GrantOutcome};
use crate::credentials::{secrets, token};
use crate::definitions::CredentialPlan;
use crate::definitions::credential::RefreshPlan;
use crate::lifecycle::{Failure, ReasonCode};
use crate::store::{Commit, Committed, CredentialChange, Patience, RefreshIntent};

/// What a commit of the credential came to.
enum Written {
    Done,
    /// Somebody rotated the credential meanwhile; the driver has loaded theirs.
    Moved,
}

/// Refreshes the token of the run's account and tells the stepper.
pub(super) async fn perform(driver: &mut Driver<'_>, context: &Arc<Map<String, Value>>) -> Result<Input, Stop> {
    let plan = Arc::clone(&driver.plan);
    let Some(credential) = plan.credential(driver.held.account.authentication_method) else {
        return Ok(not_refreshed(ReasonCode::DefinitionInvalid, "config: the definition has no such credential"));
    };
    let Some(refresh) = &credential.refresh else {
        return Ok(not_refreshed(ReasonCode::DefinitionInvalid, "config: the definition has no token address"));
    };
    let repeated = match driver.held.credential.refresh_intent {
        None => false,
        Some(intent) if intent.repeated => {
            let message = "the answers to two token refreshes were lost; the old token is not sent a third time";
            return Ok(not_refreshed(ReasonCode::RefreshOutcomeUnknown, message));
        }
        Some(intent) => {
            settle(driver, intent).await?;
            true
        }
    };
    attempt(driver, credential, refresh, context, repeated).await
}

/// Waits until the call behind an unresolved intent cannot be alive.
async fn settle(driver: &Driver<'_>, intent: RefreshIntent) -> Result<(), Stop> {
    let left = grant::SETTLED_AFTER.saturating_sub(Duration::from_millis(intent.age_ms.max(0) as u64));
    let stopped = tokio::time::timeout(left, driver.runner.tasks.stop().cancelled()).await.is_ok();
    if stopped { Err(Stop::GiveBack) } else { Ok(()) }
}

async fn attempt(
    driver: &mut Driver<'_>,
    credential: &CredentialPlan,
    refresh: &RefreshPlan,
    context: &Arc<Map<String, Value>>,
    mut repeated: bool,
) -> Result<Input, Stop> {
    loop {
        let (now_ms, seed) = (driver.runner.accounts.clock.now_ms(), driver.held.run.id.as_u64_pair().1);
        let scope = grant::scope_of(&driver.plan, context, now_ms, seed);
        let request = match grant::refresh_request(credential, context, &scope) {
            Ok(request) => request,
            Err(failure) => return Ok(Input::NotRefreshed(failure)),
        };
        if let Written::Moved = write(driver, None, Some(intent_of(driver, repeated))).await? {
            return theirs(driver, context);
        }
        let begun = Instant::now();
        let Some(answer) = driver.exchange(request).await else { return Err(Stop::GiveBack) };
        match grant::classify(refresh, answer, &driver.redactor) {
            GrantOutcome::Renewed { token } => return renewed(driver, refresh, context, token).await,
            GrantOutcome::Refused(failure) => return refused(driver, context, failure, repeated).await,
            GrantOutcome::ClientRefused(failure) | GrantOutcome::Transient(failure) => {
                // The token was not used now. Whether an earlier, lost call used it stays unknown.
                let earlier = repeated.then(|| intent_of(driver, false));
                write(driver, None, earlier).await?;
                return Ok(Input::NotRefreshed(failure));
            }
            // The intent stays: nobody sends this token a third time.
            GrantOutcome::Unknown(failure) if repeated => return Ok(Input::NotRefreshed(grant::lost_twice(failure))),
            GrantOutcome::Unknown(_) => {
                let age_ms = begun.elapsed().as_millis() as i64;
                settle(driver, RefreshIntent { age_ms, ..intent_of(driver, false) }).await?;
                repeated = true;
            }
        }
    }
}

fn intent_of(driver: &Driver<'_>, repeated: bool) -> RefreshIntent {
    let (fence, version) = (driver.held.run.fence, driver.held.credential.version);
    RefreshIntent { fence, version, age_ms: 0, repeated }
}

/// The new pair: stored before anything uses it, however long the database is away.
async fn renewed(
    driver: &mut Driver<'_>,
    refresh: &RefreshPlan,
    context: &Map<String, Value>,
    new: Map<String, Value>,
) -> Result<Input, Stop> {
    let now_ms = driver.runner.accounts.clock.now_ms();
    let context = grant::apply(context.clone(), new, now_ms, refresh.fallback_expiry_s);
    match write(driver, Some(&context), None).await? {
        Written::Done => Ok(Input::Refreshed { context }),
        Written::Moved => theirs(driver, &context),
    }
}

/// A refusal counts only for the token that is still the account's: a lost race is no refusal.
async fn refused(
    driver: &mut Driver<'_>,
    context: &Map<String, Value>,
    failure: Failure,
    repeated: bool,
) -> Result<Input, Stop> {
    if let Written::Moved = write(driver, None, None).await? {
        return theirs(driver, context);
    }
    Ok(Input::NotRefreshed(if repeated { grant::refused_after_loss(&failure) } else { failure }))
}

/// Goes on with the credential that somebody else stored.
fn theirs(driver: &mut Driver<'_>, context: &Map<String, Value>) -> Result<Input, Stop> {
    let account = &driver.held.account;
    let credential = &driver.held.credential;
    let opened = driver.runner.accounts.vault.open_secrets(
        account.environment_id,
        account.id,
        credential.version,
        &credential.sealed,
    );
    let secret = opened.map_err(|error| {
        tracing::error!(account.id = %account.id, %error, "the account's secrets do not open");
        Stop::Stuck
    })?;
    driver.redactor.learn(&secret);
    let (clear, _) = secrets::split(driver.at_rest(context), &driver.paths, &mut driver.redactor);
    let mut merged = secrets::merge(clear, secret);
    merged.extend(
        driver.fetched.keys().filter_map(|key| context.get_key_value(key)).map(|(key, it)| (key.clone(), it.clone())),
    );
    Ok(Input::Refreshed { context: merged })
}

/// Writes the secrets of `context` (or leaves them) and the intent, under the run's fence.
async fn write(
    driver: &mut Driver<'_>,
    context: Option<&Map<String, Value>>,
    refresh_intent: Option<RefreshIntent>,
) -> Result<Written, Stop> {
    let accounts = &driver.runner.accounts;
    let (run, fence, account) = (driver.held.run.id, driver.held.run.fence, driver.held.account.id);
    let expected_version = driver.held.credential.version;
    let mut change = CredentialChange { expected_version, sealed: None, expires_at_ms: None, refresh_intent };
    if let Some(context) = context {
        let (_, secret) = secrets::split(driver.at_rest(context), &driver.paths, &mut driver.redactor);
        driver.redactor.learn(&secret);
        let environment = driver.held.account.environment_id;
        let sealed = accounts.vault.seal_secrets(environment, account, expected_version + 1, &secret);
        change.sealed = Some(sealed.map_err(|error| {
            tracing::error!(account.id = %account, %error, "a refreshed token could not be sealed");
            Stop::Stuck
        })?);
        change.expires_at_ms = token::expires_at_ms(context);
    }
    let commit = Commit { run, fence, account, run_change: None, transition: None, credential: Some(change.clone()) };
    match accounts.store.commit(commit, Patience::Endless).await {
        Ok(Committed::Done) => {
            let credential = &mut driver.held.credential;
            credential.refresh_intent = refresh_intent;
            if let Some(sealed) = change.sealed {
                credential.sealed = sealed;
                credential.version += 1;
                credential.expires_at_ms = change.expires_at_ms;
            }
            Ok(Written::Done)
        }
        Ok(Committed::FenceLost) => Err(Stop::Over),
        Ok(Committed::CredentialMoved | Committed::SequenceMoved) => {
            let accounts = accounts.clone();
            match accounts.reload(&mut driver.held).await {
                Ok(true) => Ok(Written::Moved),
                Ok(false) => Err(Stop::Over),
                Err(_) => Err(Stop::Stuck),
            }
        }
        Err(error) => {
            tracing::warn!(run.id = %run, %error, "a refresh could not be written");
            Err(Stop::Stuck)
        }
    }
}

fn not_refreshed(code: ReasonCode, message: impl Into<String>) -> Input {
    Input::NotRefreshed(Failure::permanent(code, message))
}
