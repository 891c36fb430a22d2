//! Performing one run: the stepper says what to do, this does it, with no transaction open.
//!
//! When the process is asked to stop, the run goes on to the end of the request under way and is then given back with
//! its progress; a request that outlasts the drain is dropped. Whatever a crash leaves behind is found by the fence.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt as _;
use serde_json::{Map, Value};
use tokio::time::Instant;

use super::{Runner, refresh};
use crate::accounts::{AdvanceError, Ended, Held, PlanError, Slot, Started};
use crate::actions::{AccountFacts, Input, Limits, MAX_MESSAGE_BYTES, Outcome, Output, Progress, Start, Stepper, Tick};
use crate::credentials::{Redactor, grant, secrets, secrets::SecretPaths};
use crate::definitions::Plan;
use crate::lifecycle::{Ending, Failure, Phase, Reason, ReasonCode};
use crate::reconnect::Reconnect;
use crate::store::{Commit, Committed, Patience, RunChange};
use crate::upstream::{Request, Response, SendError};

/// Waits up to this long keep their slot; longer ones are handed to the store, which costs two writes.
const INLINE_WAIT: Duration = Duration::from_secs(2);

/// Evaluating an answer that is larger leaves the runtime's threads, in bytes.
const HEAVY_BYTES: usize = 64 * 1024;

/// The most of a provider's words that is shown, in bytes.
const MESSAGE_BYTES: usize = 500;

/// Why a run is no longer performed here.
#[derive(Debug)]
pub(super) enum Stop {
    /// It ended, or somebody else holds it.
    Over,
    /// It is to be given back with its progress.
    GiveBack,
    /// It cannot be continued by this process now; the reason was logged.
    Stuck,
}

impl From<AdvanceError> for Stop {
    fn from(error: AdvanceError) -> Self {
        tracing::error!(%error, "a run's end could not be committed; the run is taken up again");
        Self::Stuck
    }
}

/// Performs a run to its end, its wait or its return. The slot is free afterwards.
pub(super) async fn run(runner: Runner, started: Started) {
    let Started { claimed, context, slot } = started;
    let held = Held { run: claimed.run, account: claimed.account, credential: claimed.credential };
    let (run, fence, account) = (held.run.id, held.run.fence, held.account.id);
    let begun = Begun { elapsed: Duration::from_millis(claimed.elapsed_ms.max(0) as u64), at: Instant::now() };
    if begun.left(runner.budgets.run).is_zero() {
        // Looked at before anything that might fail in the same way each time.
        let phase = held.run.from_phase;
        end_without_stepper(&runner, held, Ending::DeadlineExceeded(phase), too_late(&runner)).await;
        return;
    }
    let driven = AssertUnwindSafe(perform(&runner, held, context, begun, slot)).catch_unwind().await;
    let give_back = match driven {
        Ok(Stop::Over | Stop::GiveBack) => false,
        Ok(Stop::Stuck) => true,
        Err(_panic) => {
            tracing::error!(run.id = %run, account.id = %account, "performing a run panicked; the run is taken up again");
            true
        }
    };
    if give_back {
        // A pause, so that a run that fails at once each time does not spin until its deadline.
        let _ = tokio::time::timeout(Duration::from_secs(5), runner.tasks.stop().cancelled()).await;
        let release = RunChange::Release { progress: None };
        let commit = Commit { run, fence, account, run_change: Some(release), transition: None, credential: None };
        if let Err(error) = runner.accounts.store.commit(commit, Patience::For(Duration::from_secs(10))).await {
            tracing::warn!(run.id = %run, %error, "a run could not be given back; it is requeued with this worker's end");
        }
    }
}

/// When the run began, here and at all.
#[derive(Debug, Clone, Copy)]
struct Begun {
    elapsed: Duration,
    at: Instant,
}

impl Begun {
    /// What is left of the run's time.
    fn left(&self, whole: Duration) -> Duration {
        whole.saturating_sub(self.elapsed + self.at.elapsed())
    }
}

/// A run under way.
pub(super) struct Driver<'a> {
    pub(super) runner: &'a Runner,
    pub(super) held: Held,
    pub(super) plan: Arc<Plan>,
    pub(super) paths: SecretPaths,
    pub(super) redactor: Redactor,
    begun: Begun,
    quadratic: bool,
    context_before: Map<String, Value>,
    _slot: Slot,
}

async fn perform(runner: &Runner, held: Held, context: Option<Map<String, Value>>, begun: Begun, slot: Slot) -> Stop {
    let plan = match plan_of(runner, &held).await {
        Ok(plan) => plan,
        Err(PlanProblem::Stop(stop)) => return stop,
        Err(PlanProblem::Failure(failure)) => {
            let phase = held.run.from_phase;
            return end_without_stepper(runner, held, Ending::PhaseFailed(phase), failure).await;
        }
    };
    let account = &held.account;
    let (environment, version) = (account.environment_id, held.credential.version);
    let secret = match runner.accounts.vault.open_secrets(environment, account.id, version, &held.credential.sealed) {
        Ok(secret) => secret,
        Err(error) => {
            tracing::error!(account.id = %account.id, %error, "the account's secrets do not open; its run waits for the key");
            return Stop::Stuck;
        }
    };
    let progress = match open_progress(runner, &held) {
        Ok(progress) => progress,
        Err(stop) => return stop,
    };
    let context = context.unwrap_or_else(|| secrets::merge(account.context.clone(), secret.clone()));
    let definition_secrets = secrets_of(&plan, &held, &context);
    let paths = SecretPaths::of(plan.credential(held.account.authentication_method));
    let redactor = Redactor::new(&secret, &definition_secrets, &paths);
    // A token that a refresh replaces stays a secret wherever the run copied it to.
    let paths = paths.with_values([definition_secrets, secrets::values(&secret)].concat());
    let stepper = Stepper::new(start_of(runner, &held, &plan, context.clone(), progress));
    let quadratic = plan.is_quadratic();
    let driver = Driver { runner, held, plan, paths, redactor, begun, quadratic, context_before: context, _slot: slot };
    driver.drive(stepper).await
}

/// The definition's own secrets: its secret environment variables and the OAuth client's.
fn secrets_of(plan: &Plan, held: &Held, context: &Map<String, Value>) -> Vec<String> {
    let mut values = secrets::values(&plan.secret_environment_variables);
    if let Some(refresh) = plan.credential(held.account.authentication_method).and_then(|plan| plan.refresh.as_ref()) {
        values.extend(refresh.secrets(&refresh::scope_of(plan, context, 0, 0)));
    }
    values
}

fn start_of(
    runner: &Runner,
    held: &Held,
    plan: &Arc<Plan>,
    context: Map<String, Value>,
    progress: Option<Progress>,
) -> Start {
    let account = &held.account;
    let refreshable = plan
        .credential(account.authentication_method)
        .is_some_and(|credential| grant::is_refreshable(credential, &context));
    Start {
        plan: Arc::clone(plan),
        run_id: held.run.id,
        account: AccountFacts {
            id: account.id,
            tenant_id: account.tenant_id.clone(),
            region: account.region,
            is_sandbox: account.is_sandbox,
            authentication_method: account.authentication_method,
        },
        context,
        from: held.run.from_phase,
        progress,
        // The same for every worker that takes the run up, so that a request rendered again has the same bytes.
        seed: held.run.id.as_u64_pair().1,
        retry: runner.budgets.retry,
        limits: Limits {
            request_timeout: runner.budgets.request,
            phase: runner.budgets.phase,
            wait: runner.budgets.wait,
        },
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

fn too_late(runner: &Runner) -> Failure {
    let minutes = runner.budgets.run.as_secs() / 60;
    let message = format!("the run did not end within {minutes} minutes of its first claim");
    Failure::permanent(ReasonCode::DeadlineExceeded, message)
}

/// Ends a run that has no plan, or no time: nothing of it was performed here.
async fn end_without_stepper(runner: &Runner, mut held: Held, ending: Ending, failure: Failure) -> Stop {
    let phase = held.run.from_phase;
    let ended = Ended {
        ending,
        reason: Some(failure.into_reason(Some(phase), None)),
        context_before: Map::new(),
        context_after: Map::new(),
        trace: "[]".to_owned(),
    };
    match runner.accounts.advance(&mut held, &ended, &SecretPaths::of(None)).await {
        Ok(_) => Stop::Over,
        Err(error) => error.into(),
    }
}

impl Driver<'_> {
    async fn drive(mut self, mut stepper: Stepper) -> Stop {
        let mut input = Input::Begin;
        loop {
            let left = self.begun.left(self.runner.budgets.run);
            if left.is_zero() {
                return self.deadline(&stepper).await;
            }
            let output = self.next(&mut stepper, input).await;
            if self.runner.tasks.stop().is_cancelled() && !matches!(output, Output::Done(_) | Output::Save) {
                // What was about to be sent was not: its intent must not look like a lost answer.
                stepper.withdraw();
                return self.give_back(&stepper).await;
            }
            let done = match output {
                Output::Done(outcome) => return self.end(&stepper, outcome).await,
                Output::Send(request) => self.send(request, left).await,
                Output::Save => self.save(&stepper).await.map(|()| Input::Saved),
                Output::Refresh => refresh::perform(&mut self, stepper.context()).await,
                Output::Wait { after, .. } => self.wait(after.min(left), &stepper).await,
            };
            input = match done {
                Ok(input) => input,
                Err(Stop::GiveBack) => return self.give_back(&stepper).await,
                Err(stop) => return stop,
            };
        }
    }

    /// Asks the stepper. What may take long does not hold up a thread that others' heartbeats and timers need.
    async fn next(&self, stepper: &mut Stepper, input: Input) -> Output {
        let large = matches!(&input, Input::Answered(response) if response.body.len() > HEAVY_BYTES);
        if !large && !self.quadratic {
            return stepper.next(input, self.tick());
        }
        let _turn = self.runner.heavy.acquire().await;
        tokio::task::block_in_place(|| stepper.next(input, self.tick()))
    }

    fn tick(&self) -> Tick {
        Tick {
            now_ms: self.runner.accounts.clock.now_ms(),
            active_ms: self.begun.at.elapsed().as_millis() as u64,
            jitter: self.runner.accounts.clock.jitter(),
        }
    }

    async fn send(&self, mut request: Request, left: Duration) -> Result<Input, Stop> {
        request.timeout = request.timeout.min(left);
        match self.exchange(request).await {
            Some(Ok(response)) => Ok(Input::Answered(response)),
            Some(Err(error)) => Ok(Input::Unanswered(error)),
            None => Err(Stop::GiveBack),
        }
    }

    /// One exchange; `None` when the process is stopping and its drain time is up.
    pub(super) async fn exchange(&self, request: Request) -> Option<Result<Response, SendError>> {
        let begun = Instant::now();
        let stop = self.runner.tasks.stop();
        let drain = self.runner.budgets.drain.saturating_sub(Duration::from_secs(5));
        let given_up = async {
            stop.cancelled().await;
            tokio::time::sleep(drain).await;
        };
        let answer = tokio::select! {
            answer = self.runner.upstream.send(request) => answer,
            () = given_up => return None,
        };
        let status = answer.as_ref().ok().map(|response| response.status);
        self.runner.accounts.metrics.observe_upstream(status, begun.elapsed());
        Some(answer)
    }

    fn commit(&self, run_change: RunChange) -> Commit {
        Commit {
            run: self.held.run.id,
            fence: self.held.run.fence,
            account: self.held.account.id,
            run_change: Some(run_change),
            transition: None,
            credential: None,
        }
    }

    fn sealed_progress(&self, stepper: &Stepper) -> Result<crate::seal::Sealed, Stop> {
        let environment = self.held.account.environment_id;
        let progress = stepper.progress().with_trace(|trace| self.redactor.value(trace));
        let sealed = self.runner.accounts.vault.seal_progress(environment, self.held.run.id, &progress);
        sealed.map_err(|error| {
            tracing::error!(run.id = %self.held.run.id, %error, "a run's progress could not be sealed");
            Stop::Stuck
        })
    }

    /// Writes a change of the run; anything but success means that it is not this worker's any more.
    pub(super) async fn write(&self, commit: Commit) -> Result<(), Stop> {
        match self.runner.accounts.store.commit(commit, Patience::Endless).await {
            Ok(Committed::Done) => Ok(()),
            Ok(Committed::FenceLost) => {
                tracing::warn!(run.id = %self.held.run.id, "another worker holds the run by now; it is dropped here");
                Err(Stop::Over)
            }
            Ok(Committed::SequenceMoved | Committed::CredentialMoved) => Err(Stop::Stuck),
            Err(error) => {
                tracing::warn!(run.id = %self.held.run.id, %error, "a run's progress could not be saved");
                Err(Stop::Stuck)
            }
        }
    }

    async fn save(&self, stepper: &Stepper) -> Result<(), Stop> {
        let progress = self.sealed_progress(stepper)?;
        self.write(self.commit(RunChange::Save { progress })).await
    }

    async fn wait(&self, after: Duration, stepper: &Stepper) -> Result<Input, Stop> {
        if after <= INLINE_WAIT {
            let stopped = tokio::time::timeout(after, self.runner.tasks.stop().cancelled()).await.is_ok();
            return if stopped { Err(Stop::GiveBack) } else { Ok(Input::Waited) };
        }
        let progress = self.sealed_progress(stepper)?;
        let for_ms = after.as_millis() as i64;
        self.write(self.commit(RunChange::Wait { progress, for_ms })).await?;
        Err(Stop::Over)
    }

    async fn give_back(&self, stepper: &Stepper) -> Stop {
        let Ok(progress) = self.sealed_progress(stepper) else { return Stop::Stuck };
        match self.write(self.commit(RunChange::Release { progress: Some(progress) })).await {
            Ok(()) => Stop::GiveBack,
            Err(stop) => stop,
        }
    }

    /// A provider's words as people may see them.
    fn excerpt(&self, text: &str) -> String {
        self.redactor.excerpt(text, MESSAGE_BYTES, text.len() < MAX_MESSAGE_BYTES)
    }

    /// The trace as people may see it.
    fn told(&self, mut trace: Value) -> Value {
        for entry in trace.as_array_mut().into_iter().flatten() {
            if let Some(Value::String(error)) = entry.get_mut("error") {
                *error = self.excerpt(error);
            }
        }
        self.redactor.value(trace)
    }

    /// Counts the run's attempts by what came of them. Steps that were skipped are none.
    fn count(&self, trace: &Value) {
        for entry in trace.as_array().into_iter().flatten().filter(|entry| entry["status"] != "skipped") {
            let class = entry["class"].as_str().and_then(|class| class.parse().ok());
            self.runner.accounts.metrics.count_attempt(class);
        }
    }

    async fn deadline(&mut self, stepper: &Stepper) -> Stop {
        let phase = stepper.phase();
        let reason = too_late(self.runner).into_reason(Some(phase), None);
        self.finish(stepper, Ending::DeadlineExceeded(phase), Some(reason)).await
    }

    async fn end(&mut self, stepper: &Stepper, outcome: Outcome) -> Stop {
        let told = |phase: Phase, step, failure: Failure| Some(failure.into_reason(Some(phase), step));
        let (ending, reason) = match outcome {
            Outcome::Succeeded => (Ending::Succeeded, None),
            Outcome::Failed { phase, step, failure } => (Ending::PhaseFailed(phase), told(phase, step, failure)),
            Outcome::CredentialRefused { phase, step, failure } => {
                (Ending::CredentialRefused, told(phase, step, failure))
            }
        };
        self.finish(stepper, ending, reason).await
    }

    async fn finish(&mut self, stepper: &Stepper, ending: Ending, reason: Option<Reason>) -> Stop {
        if *stepper.context() != self.context_before {
            // What the run itself wrote may be secret by its place.
            let (_, secret) = secrets::split(stepper.context().clone(), &self.paths);
            self.redactor.learn(&secret);
        }
        let reason = reason.map(|reason| Reason { message: self.excerpt(&reason.message), ..reason });
        if let Some(reason) = &reason {
            tracing::info!(
                account.id = %self.held.account.id, run.id = %self.held.run.id, reason.code = %reason.code,
                phase = reason.phase.map(Phase::as_str), step = reason.step, "the run failed: {}", reason.message
            );
        }
        let trace = self.told(stepper.trace());
        self.count(&trace);
        let ended = Ended {
            ending,
            reason,
            context_before: std::mem::take(&mut self.context_before),
            context_after: stepper.context().clone(),
            trace: trace.to_string(),
        };
        match self.runner.accounts.advance(&mut self.held, &ended, &self.paths).await {
            Ok(_) => Stop::Over,
            Err(error) => error.into(),
        }
    }
}
