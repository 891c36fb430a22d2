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

use super::begin::{end_unperformed, perform};
use super::caps::{Place, UnderWay};
use super::circuit::Verdict;
use super::gate::{self, Closing, Entry, Way};
use super::{Runner, refresh};
use crate::accounts::{AdvanceError, Held, Slot, Started};
use crate::actions::{GateScope, Input, Output, Stepper, Tick, WaitReason};
use crate::credentials::{Redactor, secrets::SecretPaths};
use crate::store::{Commit, Committed, Patience, Run, RunChange};
use crate::upstream::{Request, Response, SendError};

/// Waits up to this long keep their slot; longer ones are handed to the store, which costs two writes.
const INLINE_WAIT: Duration = Duration::from_secs(2);

/// Evaluating an answer that is larger leaves the runtime's threads, in bytes.
const HEAVY_BYTES: usize = 64 * 1024;

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
    let Started { claimed, opened, slot } = started;
    let held = Held { run: claimed.run, account: claimed.account, credential: claimed.credential };
    let (run, fence, account) = (held.run.id, held.run.fence, held.account.id);
    let begun = Begun { elapsed: Duration::from_millis(claimed.elapsed_ms.max(0) as u64), at: Instant::now() };
    // A run whose time ends only here is claimed once more: what is known of it now may be older than what is saved.
    let was_late = begun.left(runner.budgets.run).is_zero();
    // What ends the run when nothing else can be done with it.
    let bare = Run {
        progress: held.run.progress.as_ref().filter(|_| was_late).cloned(),
        correlation_id: held.run.correlation_id.clone(),
        traceparent: held.run.traceparent.clone(),
        id: run,
        account,
        fence,
        cause: held.run.cause,
        task: held.run.task.clone(),
        definition: held.run.definition,
    };
    let driven = AssertUnwindSafe(perform(&runner, held, opened, begun, slot)).catch_unwind().await;
    let give_back = match driven {
        Ok(Stop::Over | Stop::GiveBack) => false,
        Ok(Stop::Stuck) => true,
        Err(_panic) => {
            tracing::error!(run.id = %run, account.id = %account, "performing a run panicked; the run is taken up again");
            true
        }
    };
    if give_back && was_late && end_unperformed(&runner, bare).await {
        return;
    }
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

/// Whether evaluating what was heard may take long.
pub(super) const fn is_large(input: &Input) -> bool {
    matches!(input, Input::Answered(response) if response.body.len() > HEAVY_BYTES)
}

/// Computes, off the runtime's threads what is heavy.
pub(super) async fn compute<T>(runner: &Runner, heavy: bool, work: impl FnOnce() -> T) -> T {
    if !heavy {
        return work();
    }
    let _turn = runner.heavy.acquire().await;
    tokio::task::block_in_place(work)
}

/// When the run began, here and at all.
#[derive(Debug, Clone, Copy)]
pub(super) struct Begun {
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
    pub(super) paths: SecretPaths,
    /// Knows every secret of the run: a token that a refresh replaced stays one wherever the run copied it to.
    pub(super) redactor: Redactor,
    pub(super) begun: Begun,
    /// Whether the plan has expressions that may take long.
    pub(super) quadratic: bool,
    /// The members of the context that came out of the object store, as the account has them.
    pub(super) fetched: Map<String, Value>,
    /// The context as the run found it, with the secrets that were stored since and not by its steps.
    pub(super) context_before: Arc<Map<String, Value>>,
    /// Where the last request went.
    pub(super) way: Option<Way>,
    /// How long requests waited for their host's cap, which is no time spent with the provider.
    pub(super) queued: Duration,
    /// Held to the end.
    pub(super) _slot: Slot,
}

impl Driver<'_> {
    pub(super) async fn drive(mut self, mut stepper: Stepper) -> Stop {
        let mut input = Input::Begin;
        loop {
            let left = self.begun.left(self.runner.budgets.run);
            // What came of a request is taken in first, or a lost answer would look like a request that never went out.
            if left.is_zero() && !matches!(input, Input::Answered(_) | Input::Unanswered(_)) {
                return self.deadline(&stepper).await;
            }
            let output = self.next(&mut stepper, input).await;
            if left.is_zero() && !matches!(output, Output::Done(_)) {
                stepper.withdraw();
                return self.deadline(&stepper).await;
            }
            if self.runner.tasks.stop().is_cancelled() && !matches!(output, Output::Done(_) | Output::Save) {
                // What was about to be sent was not: its intent must not look like a lost answer.
                stepper.withdraw();
                return self.give_back(&stepper).await;
            }
            let done = match output {
                Output::Done(outcome) => return self.end(&stepper, outcome).await,
                Output::Send(request) => self.send(request).await,
                Output::Save => self.save(&stepper).await.map(|()| Input::Saved),
                Output::Refresh => {
                    // What is to be kept in the object store goes there with the run's end and nowhere before.
                    self.fetched.extend(stepper.large_writes().map(|(key, _)| (key.clone(), Value::Null)));
                    refresh::perform(&mut self, &mut stepper).await
                }
                Output::Wait { reason, after, gate } => {
                    self.tell_wait(reason, after, gate);
                    self.wait(after.min(left), &stepper).await
                }
            };
            input = match done {
                Ok(input) => input,
                Err(Stop::GiveBack) => return self.give_back(&stepper).await,
                Err(stop) => return stop,
            };
        }
    }

    /// A context of the run with references where large values are.
    pub(super) fn at_rest(&self, context: &Map<String, Value>) -> Map<String, Value> {
        let mut context = context.clone();
        for (key, reference) in &self.fetched {
            context.insert(key.clone(), reference.clone());
        }
        context
    }

    /// Asks the stepper. What may take long does not hold up a thread that others' heartbeats and timers need.
    async fn next(&self, stepper: &mut Stepper, input: Input) -> Output {
        let heavy = self.quadratic || is_large(&input);
        compute(self.runner, heavy, || stepper.next(input, self.tick())).await
    }

    fn tick(&self) -> Tick {
        Tick {
            now_ms: self.runner.accounts.clock.now_ms(),
            active_ms: self.begun.at.elapsed().saturating_sub(self.queued).as_millis() as u64,
            jitter: self.runner.accounts.clock.jitter(),
        }
    }

    /// Sends a request if its host has a place for it and the way there is open.
    async fn send(&mut self, mut request: Request) -> Result<Input, Stop> {
        let host = gate::host_of(&request.url).into();
        let way = Way { install: self.held.account.environment_integration_id, host };
        self.way = Some(way.clone());
        // Not sent, and when it comes back there is the deadline or the stop to be seen.
        let Some(place) = self.place(&way).await else { return Ok(Input::Gated { after: Duration::ZERO }) };
        let probe = match self.runner.gates.enter(&way, &self.held.account.tenant_id) {
            Entry::Free(probe) => probe,
            Entry::Closed(after) => return Ok(Input::Gated { after }),
        };
        let left = self.begun.left(self.runner.budgets.run);
        if left.is_zero() {
            return Ok(Input::Gated { after: Duration::ZERO });
        }
        request.timeout = request.timeout.min(left);
        let answer = self.exchange(request).await;
        drop(place);
        let Some(answer) = answer else { return Err(Stop::GiveBack) };
        let (verdict, account) = (gate::verdict(&answer), self.held.account.id);
        let jitter = if verdict == Verdict::Fails { self.runner.accounts.clock.jitter() } else { 0 };
        if let Some(closing) = self.runner.gates.answered(&way, account, verdict, probe, jitter) {
            self.tell_others(&way, closing);
        }
        Ok(match answer {
            Ok(response) => Input::Answered(response),
            Err(error) => Input::Unanswered(error),
        })
    }

    /// A place among the requests to a host; none when the run or the process ends before there is one.
    async fn place(&mut self, way: &Way) -> Option<Option<Place>> {
        let wait = match self.runner.hosts.enter(&way.host) {
            Ok(place) => return Some(place),
            Err(wait) => wait,
        };
        let since = Instant::now();
        let left = self.begun.left(self.runner.budgets.run);
        let stop = self.runner.tasks.stop();
        let place = tokio::select! {
            place = tokio::time::timeout(left, wait) => place.ok(),
            () = stop.cancelled() => None,
        };
        self.queued += since.elapsed();
        place
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
        let _under_way = UnderWay::begin(&self.runner.accounts.metrics.upstream_in_flight);
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

    pub(super) fn sealed_progress(&self, stepper: &Stepper) -> Result<crate::seal::Sealed, Stop> {
        let environment = self.held.account.environment_id;
        let progress = stepper.progress().with_trace(|trace| self.redactor.value(&trace));
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

    /// Counts a wait, and closes the install's gate where the wait concerns all of it.
    fn tell_wait(&self, reason: WaitReason, after: Duration, gate: Option<GateScope>) {
        let metrics = &self.runner.accounts.metrics;
        match reason {
            WaitReason::RateLimited => metrics.count_rate_limited(gate.is_some()),
            WaitReason::Gated => {
                metrics.gated_waits.inc();
            }
            WaitReason::Backoff | WaitReason::RefreshBackoff => {}
        }
        if let (Some(GateScope::Install), Some(way)) = (gate, &self.way) {
            let closing = self.runner.gates.limit(way, after);
            self.tell_others(way, closing);
        }
    }

    /// Tells the other workers of a gate. This one goes by what it knows, so nothing here waits for it.
    fn tell_others(&self, way: &Way, closing: Closing) {
        let (runner, way) = (self.runner.clone(), way.clone());
        self.runner.upkeep.spawn_job("runner.gate", async move {
            let (Closing { reason, lasts }, store) = (closing, &runner.accounts.store);
            match store.close_gate(way.install, &way.host, reason, lasts.as_millis() as i64).await {
                Ok(stands) => runner.gates.learn(vec![stands]),
                Err(error) => {
                    tracing::warn!(host = %way.host, %error, "other workers could not be told of a closed gate");
                }
            }
        });
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
}
