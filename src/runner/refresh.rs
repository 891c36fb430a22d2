//! A token refresh inside a run: at most one is in flight for a credential, and a token whose successor was stored is
//! never sent again.
//!
//! The intent is committed before the request, the new pair before it is used. An intent without an outcome means that
//! the earlier answer was lost: once that call cannot be alive any more, the old token is sent once more, and never a
//! third time. Whether the account then has to be connected again is said with `refresh_outcome_unknown`.
//!
//! Somebody else may write the secrets meanwhile. If that replaced the token, the run goes on with theirs; if it did not,
//! the refresh goes on over what they wrote.
//!
//! Where the definition's action takes the grant's place, one intent covers all its requests, and what it writes to the
//! context is kept even if it fails: that may be a token which replaced the old one.

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Map, Value};
use tokio::time::Instant;

use super::drive::{Driver, Stop, compute, is_large};
use crate::actions::{Change, Input, Over, Renewal, Stepper, Tick, Turn};
use crate::credentials::grant::{self, NotRenewed};
use crate::credentials::{secrets, token};
use crate::lifecycle::{Failure, ReasonCode};
use crate::store::{Commit, Committed, CredentialChange, Patience, RefreshIntent, RunChange};

/// What a commit of the credential came to.
enum Written {
    Done,
    /// Somebody else wrote the secrets meanwhile; the driver has loaded theirs.
    Moved(Token),
}

/// What somebody else's write of the secrets left of the token.
enum Token {
    /// It is the one that was to be renewed still.
    Same,
    /// It was replaced.
    Another,
}

/// Refreshes the token of the run's account and tells the stepper.
pub(super) async fn perform(driver: &mut Driver<'_>, stepper: &mut Stepper) -> Result<Input, Stop> {
    let mut repeated = match earlier(driver).await? {
        Ok(repeated) => repeated,
        Err(failure) => return Ok(Input::NotRefreshed(failure)),
    };
    loop {
        let now_ms = driver.runner.accounts.clock.now_ms();
        let renewal = match stepper.renewal(driver.held.credential.version, now_ms) {
            Ok(renewal) => renewal,
            Err(failure) => return Ok(Input::NotRefreshed(failure)),
        };
        let begun = Instant::now();
        let (why, change) = match attempt(driver, renewal, repeated).await? {
            Ok(Over::Renewed(change)) => return renewed(driver, stepper, change).await,
            Ok(Over::NotRenewed(why, change)) => (why, change),
            // Nothing was sent. Other secrets than the token are no reason to go on with a token that was refused.
            Err(Token::Same) => {
                stepper.rebase(theirs(driver, stepper.context())?);
                continue;
            }
            Err(Token::Another) => return taken_over(driver, stepper),
        };
        let is_replaced = change.as_ref().is_some_and(|change| change.replaces);
        match why {
            NotRenewed::Refused(failure) => {
                // A refusal counts only for the token that is still the account's: a lost race is no refusal.
                if let Written::Moved(_) = keep(driver, stepper, change, None).await? {
                    return taken_over(driver, stepper);
                }
                let lost = repeated && !is_replaced;
                return Ok(Input::NotRefreshed(if lost { grant::refused_after_loss(&failure) } else { failure }));
            }
            NotRenewed::ClientRefused(failure) | NotRenewed::Transient(failure) => {
                // The token was not used now. Whether an earlier, lost call used it stays unknown.
                let earlier = (repeated && !is_replaced).then(|| intent_of(driver, false));
                if let Written::Moved(_) = keep(driver, stepper, change, earlier).await? {
                    return taken_over(driver, stepper);
                }
                return Ok(Input::NotRefreshed(failure));
            }
            // The intent stays: nobody sends this token a third time.
            NotRenewed::Unknown(failure) => {
                if change.is_some() {
                    let lost = intent_of(driver, repeated && !is_replaced);
                    if let Written::Moved(_) = keep(driver, stepper, change, Some(lost)).await? {
                        return taken_over(driver, stepper);
                    }
                }
                if repeated {
                    return Ok(Input::NotRefreshed(grant::lost_twice(failure)));
                }
                let age_ms = begun.elapsed().as_millis() as i64;
                settle(driver, RefreshIntent { age_ms, ..intent_of(driver, false) }).await?;
                repeated = true;
            }
        }
    }
}

/// Whether an earlier call may have used the token, waited for until it cannot be alive; an error within where there were
/// two.
async fn earlier(driver: &Driver<'_>) -> Result<Result<bool, Failure>, Stop> {
    let Some(intent) = driver.held.credential.refresh_intent else { return Ok(Ok(false)) };
    if intent.repeated {
        let message = "the answers to two token refreshes were lost; the old token is not sent a third time";
        return Ok(Err(Failure::permanent(ReasonCode::RefreshOutcomeUnknown, message)));
    }
    settle(driver, intent).await?;
    Ok(Ok(true))
}

/// Waits until the call behind an unresolved intent cannot be alive.
async fn settle(driver: &Driver<'_>, intent: RefreshIntent) -> Result<(), Stop> {
    let left = grant::SETTLED_AFTER.saturating_sub(Duration::from_millis(intent.age_ms.max(0) as u64));
    let stopped = tokio::time::timeout(left, driver.runner.tasks.stop().cancelled()).await.is_ok();
    if stopped { Err(Stop::GiveBack) } else { Ok(()) }
}

/// Performs a refresh once: announced before its first request, and over before whoever finds the announcement goes on.
/// An error within where somebody else wrote the secrets before it was announced: nothing was sent then.
async fn attempt(driver: &mut Driver<'_>, mut renewal: Renewal, repeated: bool) -> Result<Result<Over, Token>, Stop> {
    let runner = driver.runner;
    let quadratic = renewal.is_quadratic();
    let (mut begun, mut is_announced) = (Instant::now(), false);
    let mut input = Input::Begin;
    loop {
        let now_ms = runner.accounts.clock.now_ms();
        let tick = Tick { now_ms, active_ms: begun.elapsed().as_millis() as u64, jitter: 0 };
        let heavy = quadratic || is_large(&input);
        let turn = compute(runner, heavy, || renewal.next(input, tick, &mut driver.redactor)).await;
        let request = match turn {
            Turn::Over(over) => return Ok(Ok(over)),
            Turn::Again => None,
            Turn::Send(request) => Some(request),
        };
        if request.is_some() && !is_announced {
            let intent = intent_of(driver, repeated);
            if let Written::Moved(token) = write(driver, None, Some(intent), None).await? {
                return Ok(Err(token));
            }
            (begun, is_announced) = (Instant::now(), true);
        }
        let left = grant::TIMEOUT.saturating_sub(begun.elapsed());
        if left.is_zero() {
            return Ok(Ok(renewal.late(now_ms)));
        }
        input = match request {
            None => {
                // The loop that looks up may have held the thread for long.
                tokio::task::yield_now().await;
                Input::Waited
            }
            Some(mut request) => {
                request.timeout = request.timeout.min(left);
                match driver.exchange(request).await {
                    None => return Err(Stop::GiveBack),
                    Some(Ok(response)) => Input::Answered(response),
                    Some(Err(error)) => Input::Unanswered(error),
                }
            }
        };
    }
}

fn intent_of(driver: &Driver<'_>, repeated: bool) -> RefreshIntent {
    let (fence, version) = (driver.held.run.fence, driver.held.credential.version);
    RefreshIntent { fence, version, age_ms: 0, repeated }
}

/// The new token: stored before anything uses it, however long the database is away.
async fn renewed(driver: &mut Driver<'_>, stepper: &mut Stepper, change: Change) -> Result<Input, Stop> {
    match keep(driver, stepper, Some(change), None).await? {
        Written::Done => Ok(Input::Refreshed { context: Map::clone(stepper.context()) }),
        Written::Moved(_) => taken_over(driver, stepper),
    }
}

/// Stores what a refresh changed and what is left of its intent. What an action wrote beside the secrets is the run's, and
/// saved with it. Where somebody else wrote other secrets meanwhile, both are kept.
async fn keep(
    driver: &mut Driver<'_>,
    stepper: &mut Stepper,
    mut change: Option<Change>,
    intent: Option<RefreshIntent>,
) -> Result<Written, Stop> {
    loop {
        let intent = intent.map(|intent| RefreshIntent { version: driver.held.credential.version, ..intent });
        let written = match &change {
            None => write(driver, None, intent, None).await?,
            Some(change) => adopt(driver, stepper, change, intent).await?,
        };
        let Written::Moved(Token::Same) = written else {
            if let (Written::Done, Some(_)) = (&written, &change) {
                // The run did not write this token, and does not lay it over a later one at its end.
                token::replace(Arc::make_mut(&mut driver.context_before), stepper.context());
            }
            return Ok(written);
        };
        let mut context = theirs(driver, stepper.context())?;
        match &mut change {
            None => stepper.rebase(context),
            Some(change) => {
                token::replace(&mut context, &change.context);
                change.context = context;
            }
        }
    }
}

async fn adopt(
    driver: &mut Driver<'_>,
    stepper: &mut Stepper,
    change: &Change,
    intent: Option<RefreshIntent>,
) -> Result<Written, Stop> {
    stepper.adopt(change);
    driver.fetched.extend(stepper.large_writes().map(|(key, _)| (key.clone(), Value::Null)));
    let context = Arc::clone(stepper.context());
    let save = if change.writes.is_empty() {
        None
    } else {
        let (_, secret) = secrets::split(driver.at_rest(&context), &driver.paths, &mut driver.redactor);
        driver.redactor.learn(&secret);
        Some(RunChange::Save { progress: driver.sealed_progress(stepper)? })
    };
    write(driver, Some(&context), intent, save).await
}

/// Goes on with the token that somebody else stored.
fn taken_over(driver: &mut Driver<'_>, stepper: &Stepper) -> Result<Input, Stop> {
    Ok(Input::Refreshed { context: theirs(driver, stepper.context())? })
}

/// The run's context with the secrets that somebody else stored. The run found them rather than wrote them.
fn theirs(driver: &mut Driver<'_>, context: &Map<String, Value>) -> Result<Map<String, Value>, Stop> {
    let secret = stored(driver)?;
    driver.redactor.learn(&secret);
    let before = with_secrets(driver, &Arc::clone(&driver.context_before), secret.clone());
    driver.context_before = Arc::new(before);
    Ok(with_secrets(driver, context, secret))
}

fn with_secrets(driver: &mut Driver<'_>, of: &Map<String, Value>, secret: Map<String, Value>) -> Map<String, Value> {
    let (clear, _) = secrets::split(driver.at_rest(of), &driver.paths, &mut driver.redactor);
    let mut merged = secrets::merge(clear, secret);
    let fetched = driver.fetched.keys().filter_map(|key| of.get_key_value(key));
    merged.extend(fetched.map(|(key, value)| (key.clone(), value.clone())));
    merged
}

/// The account's secrets as they were last loaded.
fn stored(driver: &Driver<'_>) -> Result<Map<String, Value>, Stop> {
    let (account, credential) = (&driver.held.account, &driver.held.credential);
    let vault = &driver.runner.accounts.vault;
    vault.open_secrets(account.environment_id, account.id, credential.version, &credential.sealed).map_err(|error| {
        tracing::error!(account.id = %account.id, %error, "the account's secrets do not open");
        Stop::Stuck
    })
}

/// Writes the secrets of `context` (or leaves them), the intent and what becomes of the run, under its fence.
async fn write(
    driver: &mut Driver<'_>,
    context: Option<&Map<String, Value>>,
    refresh_intent: Option<RefreshIntent>,
    run_change: Option<RunChange>,
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
    let commit = Commit { run, fence, account, run_change, transition: None, credential: Some(change.clone()) };
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
            let (accounts, before) = (accounts.clone(), stored(driver)?);
            match accounts.reload(&mut driver.held).await {
                Ok(true) if token::is_another(&before, &stored(driver)?) => Ok(Written::Moved(Token::Another)),
                Ok(true) => Ok(Written::Moved(Token::Same)),
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
