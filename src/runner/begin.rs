//! Getting ready to perform a run: its definition, its secrets, what an earlier worker saved. And ending a run that has
//! no plan, or no time, where nothing of it was performed here.

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Map, Value};

use super::drive::{Begun, Driver, Stop};
use super::large::{self, Unfetched};
use super::{Budgets, Runner};
use crate::accounts::{Ended, Held, Opened, PlanError, Slot};
use crate::actions::{AccountFacts, Limits, Progress, Start, Stepper, interrupted};
use crate::credentials::{Redactor, grant, secrets, secrets::SecretPaths};
use crate::definitions::Plan;
use crate::lifecycle::{Ending, Failure, ReasonCode};
use crate::reconnect::Reconnect;
use crate::seal::Sealed;
use crate::store::{Account, Run};

pub(super) async fn perform(runner: &Runner, held: Held, opened: Option<Opened>, begun: Begun, slot: Slot) -> Stop {
    let plan = match plan_of(runner, &held).await {
        Ok(plan) => plan,
        Err(PlanProblem::Stop(stop)) => return stop,
        Err(PlanProblem::Failure(failure)) => {
            let ending = Ending::failed(held.run.task.phase());
            // Nothing can go on from where it is without its definition.
            return end_without_stepper(runner, held, ending, failure, None).await;
        }
    };
    let paths = SecretPaths::of(plan.credential(held.account.authentication_method));
    let Some(Opened { context, mut redactor }) = opened.or_else(|| open(runner, &held, &paths)) else {
        return Stop::Stuck;
    };
    let progress = match open_progress(runner, &held) {
        Ok(progress) => progress,
        Err(stop) => return stop,
    };
    let (context, fetched) = match large::fetch(runner, &held, &plan, context, (&paths, &mut redactor)).await {
        Ok(found) => found,
        Err(Unfetched::Stop(stop)) => return stop,
        Err(Unfetched::Failure(failure)) => {
            let (ending, left) = (Ending::failed(held.run.task.phase()), held.run.progress.clone());
            return end_without_stepper(runner, held, ending, failure, left).await;
        }
    };
    let context = Arc::new(context);
    for value in secrets::of_definition(&plan, held.account.authentication_method, &context) {
        redactor.learn_value(&value);
    }
    let run = (&held.account, &held.run);
    let stepper = Stepper::new(start_of(&runner.budgets, run, &plan, Arc::clone(&context), progress));
    let quadratic = plan.is_quadratic(held.run.task.action());
    let driver = Driver {
        runner,
        held,
        paths,
        redactor,
        fetched,
        begun,
        quadratic,
        context_before: context,
        way: None,
        queued: Duration::ZERO,
        _slot: slot,
    };
    driver.drive(stepper).await
}

/// Opens what is sealed of the account.
fn open(runner: &Runner, held: &Held, paths: &SecretPaths) -> Option<Opened> {
    let (account, credential) = (&held.account, &held.credential);
    let vault = &runner.accounts.vault;
    match vault.open_secrets(account.environment_id, account.id, credential.version, &credential.sealed) {
        Ok(secret) => {
            let redactor = Redactor::new(&secret, &[], paths);
            Some(Opened { context: secrets::merge(account.context.clone(), secret), redactor })
        }
        Err(error) => {
            tracing::error!(account.id = %account.id, %error, "the account's secrets do not open; its run waits for the key");
            None
        }
    }
}

/// What the stepper of a run begins with.
#[must_use]
pub fn start_of(
    budgets: &Budgets,
    (account, run): (&Account, &Run),
    plan: &Arc<Plan>,
    context: Arc<Map<String, Value>>,
    progress: Option<Progress>,
) -> Start {
    let refreshable = grant::is_refreshable(plan, account.authentication_method, &context);
    Start {
        plan: Arc::clone(plan),
        run_id: run.id,
        account: AccountFacts {
            id: account.id,
            tenant_id: account.tenant_id.clone(),
            region: account.region,
            is_sandbox: account.is_sandbox,
            authentication_method: account.authentication_method,
        },
        context,
        task: run.task.clone(),
        progress,
        // The same for every worker that takes the run up, so that a request rendered again has the same bytes.
        seed: run.id.as_u64_pair().1,
        retry: budgets.retry,
        limits: Limits { request_timeout: budgets.request, phase: budgets.phase, wait: budgets.wait },
        refreshable,
        proven: account.proven_at_ms.is_some(),
    }
}

fn open_progress(runner: &Runner, held: &Held) -> Result<Option<Progress>, Stop> {
    let Some(sealed) = &held.run.progress else { return Ok(None) };
    runner.accounts.vault.open_progress(held.account.environment_id, held.run.id, sealed).map(Some).map_err(|error| {
        tracing::error!(run.id = %held.run.id, %error, "a run's progress does not open; the run waits for the key");
        Stop::Stuck
    })
}

enum PlanProblem {
    Stop(Stop),
    Failure(Failure),
}

/// The run's definition; waits for a database that does not answer.
async fn plan_of(runner: &Runner, held: &Held) -> Result<Arc<Plan>, PlanProblem> {
    let mut pauses = Reconnect::default();
    loop {
        let failure = match runner.accounts.catalog.plan(held.run.definition).await {
            Ok(plan) => return Ok(plan),
            Err(PlanError::Missing(hash)) => {
                let message = format!("config: the definition {hash} that the run is bound to is gone");
                Failure::permanent(ReasonCode::DefinitionMissing, message)
            }
            Err(PlanError::Invalid(error)) => {
                Failure::permanent(ReasonCode::DefinitionInvalid, format!("config: {error}"))
            }
            Err(error @ PlanError::Vault(_)) => {
                tracing::error!(run.id = %held.run.id, %error, "a run waits for the key of its definition");
                return Err(PlanProblem::Stop(Stop::Stuck));
            }
            Err(PlanError::Store(error)) => {
                tracing::debug!(%error, "a definition cannot be read");
                if tokio::time::timeout(pauses.pause(), runner.tasks.stop().cancelled()).await.is_ok() {
                    return Err(PlanProblem::Stop(Stop::Stuck));
                }
                continue;
            }
        };
        return Err(PlanProblem::Failure(failure));
    }
}

/// Why a run failed whose time is up.
#[must_use]
pub fn too_late(budgets: &Budgets) -> Failure {
    let seconds = budgets.run.as_secs();
    let message = format!("the run did not end within {seconds} s of its first claim");
    Failure::permanent(ReasonCode::DeadlineExceeded, message)
}

/// Ends a run whose time is up and that cannot be performed here: that needs neither its secrets nor, to end it, its
/// progress. False when it could not be ended either.
pub(super) async fn end_unperformed(runner: &Runner, run: Run) -> bool {
    let store = &runner.accounts.store;
    let (account, credential) = (store.account(run.account).await, store.credential(run.account).await);
    let (Ok(Some(account)), Ok(Some(credential))) = (account, credential) else { return false };
    let ending = Ending::deadline(run.task.phase());
    let left = run.progress.clone();
    let held = Held { run, account, credential };
    matches!(end_without_stepper(runner, held, ending, too_late(&runner.budgets), left).await, Stop::Over)
}

/// Ends a run that has no plan, or no time: nothing of it was performed here. Where an earlier worker may have sent a
/// request that nobody knows the effect of, that is the reason, and another run may go on from what is `left`.
async fn end_without_stepper(
    runner: &Runner,
    mut held: Held,
    ending: Ending,
    failure: Failure,
    left: Option<Sealed>,
) -> Stop {
    let phase = held.run.task.phase();
    let is_in_doubt = held.run.progress.is_some()
        // What does not open may hold anything.
        && open_progress(runner, &held).map_or(true, |progress| progress.is_some_and(|found| found.is_in_doubt()));
    // Nothing goes on from what a custom action left: asking for it again is another run.
    let left = left.filter(|_| phase.is_some());
    let (failure, progress) = if is_in_doubt { (interrupted(&failure), left) } else { (failure, None) };
    let ended = Ended {
        ending,
        reason: Some(failure.into_reason(phase, None)),
        writes: Map::new(),
        trace: "[]".to_owned(),
        progress,
    };
    let paths = SecretPaths::of(None);
    let mut redactor = Redactor::new(&Map::new(), &[], &paths);
    match runner.accounts.advance(&mut held, &ended, &paths, &mut redactor).await {
        Ok(_) => Stop::Over,
        Err(error) => error.into(),
    }
}
