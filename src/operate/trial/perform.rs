//! One run without the world: asked what is next and told what became of it, it is what `runner` is with a store.

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Map, Value};

use super::verdict::REFRESH;
use super::{Case, TrialError, members};
use crate::accounts::Ended;
use crate::accounts::changes::{self, Entered, concluded, enter, event_of, judge, trigger_of};
use crate::actions::{Input, Output, Over, Renewal, Stepper, Tick, Turn, WaitReason};
use crate::credentials::grant::{self, NotRenewed};
use crate::credentials::{Redactor, SecretPaths, large, secrets};
use crate::definitions::Plan;
use crate::intake::{Refusal, check_context, read_body, read_line};
use crate::lifecycle::{Cause, CauseTrigger, Ending, Phase, Reason, Region, Status, Task};
use crate::runner::{ended, ending_of, start_of, too_late};
use crate::store::{Account, Event, Run};
use crate::upstream::{Request, Response, SendError};

/// What a trial wants of its driver.
pub(super) enum Ask {
    /// Send it once.
    Send(Request),
    /// Let this time pass.
    Wait(Duration),
    /// Nothing: it has ended.
    Over,
}

/// What became of it.
pub(super) enum Told {
    Begin,
    Answer(Result<Response, SendError>),
    Waited,
}

/// Time and chance.
#[derive(Clone, Copy)]
pub(super) struct Now {
    pub(super) at_ms: i64,
    /// Since the trial began.
    pub(super) elapsed: Duration,
    pub(super) jitter: u32,
}

/// What asked.
#[derive(Clone)]
pub(super) struct Asker {
    /// The phase, or what is performed beside the phases.
    pub(super) part: &'static str,
    /// The step's name or index; none for the refresh grant.
    pub(super) step: Option<String>,
}

/// A request that was made, and its answer.
pub(super) struct Heard {
    pub(super) by: Asker,
    pub(super) request: Request,
    pub(super) answer: Option<Result<Response, SendError>>,
}

/// A pause that was made.
pub(super) struct Paused {
    pub(super) reason: &'static str,
    pub(super) after: Duration,
    /// How many requests were made before.
    pub(super) requests: usize,
}

/// What is being waited for.
enum State {
    Begin,
    Answer,
    Refresh { renewal: Box<Renewal>, begun: Duration, repeated: bool },
    Settle,
    Wait,
    Over,
}

/// How an import begins.
pub(super) enum Begun {
    /// It is not accepted.
    Refused(Refusal),
    /// Its run begins.
    Running(Box<Trial>),
}

/// A run under way.
pub(super) struct Trial {
    pub(super) case: Case,
    pub(super) plan: Arc<Plan>,
    pub(super) run: Run,
    pub(super) account: Account,
    secret: Map<String, Value>,
    /// How many tokens were replaced.
    renewed: i64,
    pub(super) paths: SecretPaths,
    pub(super) redactor: Redactor,
    pub(super) events: Vec<Event>,
    pub(super) context_before: Arc<Map<String, Value>>,
    pub(super) stepper: Stepper,
    state: State,
    pub(super) heard: Vec<Heard>,
    pub(super) paused: Vec<Paused>,
    pub(super) saves: u32,
    pub(super) ended: Option<Ended>,
}

impl Trial {
    pub(super) fn begin(case: &Case) -> Result<Begun, TrialError> {
        let plan = Arc::new(Plan::compile(&case.effective)?);
        let import = case.import.clone().ok_or(TrialError::NoImport)?;
        let read = read_line(import).and_then(|envelope| {
            let mut request = read_body(for_install(envelope.body, case), Region::Wnam)?;
            let paths = check_context(&mut request, &plan, case.at_ms, envelope.timestamp_ms)?;
            Ok((request, paths, envelope.correlation_id, envelope.traceparent))
        });
        let (mut request, paths, correlation_id, traceparent) = match read {
            Ok(read) => read,
            Err(refusal) => return Ok(Begun::Refused(refusal)),
        };
        // There is no object store here: what would be kept there is at hand, and the account shows its mark.
        let large = large::take(&mut request.context);
        let task = case.action.clone().map_or(Task::Phases(Phase::PostInstall), Task::Action);
        let run = Run { task, correlation_id, traceparent, ..run_of(case) };
        let mut redactor = Redactor::new(&Map::new(), &[], &paths);
        let ids = (case.account, case.run);
        let Entered { account, secret, transition } =
            enter(request, &case.install, &paths, &mut redactor, ids, case.at_ms)?;
        redactor.learn(&secret);
        let created = event_of(&account, transition, CauseTrigger::Import, &run, case.max_context_bytes);
        let (account, events) = match &case.action {
            None => (account, vec![created]),
            // An action runs on an account that works.
            Some(_) => {
                (Account { status: Some(Status::Active), proven_at_ms: Some(case.at_ms), ..account }, Vec::new())
            }
        };
        let mut context = secrets::merge(account.context.clone(), secret.clone());
        let (_, hidden) = secrets::split(large.clone(), &paths, &mut redactor);
        redactor.learn(&hidden);
        context.extend(large);
        let context = Arc::new(context);
        for value in secrets::of_definition(&plan, account.authentication_method, &context) {
            redactor.learn_value(&value);
        }
        let stepper = Stepper::new(start_of(&case.budgets, (&account, &run), &plan, Arc::clone(&context), None));
        Ok(Begun::Running(Box::new(Self {
            case: case.clone(),
            plan,
            run,
            account,
            secret,
            renewed: 0,
            paths,
            redactor,
            events,
            context_before: context,
            stepper,
            state: State::Begin,
            heard: Vec::new(),
            paused: Vec::new(),
            saves: 0,
            ended: None,
        })))
    }

    /// What is next.
    pub(super) fn next(&mut self, told: Told, now: Now) -> Ask {
        if let (Told::Answer(answer), Some(heard)) = (&told, self.heard.last_mut()) {
            heard.answer = Some(answer.clone());
        }
        let mut input = match (std::mem::replace(&mut self.state, State::Over), told) {
            (State::Begin, _) => Input::Begin,
            (State::Answer, Told::Answer(Ok(response))) => Input::Answered(response),
            (State::Answer, Told::Answer(Err(error))) => Input::Unanswered(error),
            (State::Wait, _) => Input::Waited,
            (State::Settle, _) => match self.refresh(&now, true) {
                Ok(input) => input,
                Err(ask) => return ask,
            },
            (State::Refresh { renewal, begun, repeated }, Told::Answer(answer)) => {
                let answer = answer.map_or_else(Input::Unanswered, Input::Answered);
                match self.renew(renewal, answer, (begun, repeated), &now) {
                    Ok(input) => input,
                    Err(ask) => return ask,
                }
            }
            (State::Answer | State::Refresh { .. }, Told::Begin | Told::Waited) | (State::Over, _) => return Ask::Over,
        };
        loop {
            let left = self.case.budgets.run.saturating_sub(now.elapsed);
            if left.is_zero() && !matches!(input, Input::Answered(_) | Input::Unanswered(_)) {
                return self.too_late(&now);
            }
            let tick = Tick { now_ms: now.at_ms, active_ms: now.elapsed.as_millis() as u64, jitter: now.jitter };
            input = match self.stepper.next(input, tick) {
                Output::Done(outcome) => return self.end(ending_of(outcome, &self.stepper), now.at_ms),
                _ if left.is_zero() => {
                    self.stepper.withdraw();
                    return self.too_late(&now);
                }
                Output::Send(mut request) => {
                    request.timeout = request.timeout.min(left);
                    let part = self.stepper.phase().map_or("action", Phase::as_str);
                    let by = Asker { part, step: self.stepper.label() };
                    return self.ask(request, by, State::Answer);
                }
                Output::Save => {
                    self.saves += 1;
                    Input::Saved
                }
                Output::Refresh => match self.refresh(&now, false) {
                    Ok(input) => input,
                    Err(ask) => return ask,
                },
                // Not a pause, but a look up from a loop.
                Output::Wait { after, .. } if after.is_zero() => Input::Waited,
                Output::Wait { reason, after, .. } => return self.wait(word(reason), after.min(left), State::Wait),
            };
        }
    }

    /// The end of the run's time.
    fn too_late(&mut self, now: &Now) -> Ask {
        let phase = self.stepper.phase();
        let failure = self.stepper.doubt().unwrap_or_else(|| too_late(&self.case.budgets));
        self.end((Ending::deadline(phase), Some(failure.into_reason(phase, None))), now.at_ms)
    }

    fn ask(&mut self, request: Request, by: Asker, state: State) -> Ask {
        self.state = state;
        self.heard.push(Heard { by, request: request.clone(), answer: None });
        Ask::Send(request)
    }

    fn wait(&mut self, reason: &'static str, after: Duration, state: State) -> Ask {
        self.state = state;
        self.paused.push(Paused { reason, after, requests: self.heard.len() });
        Ask::Wait(after)
    }

    /// Refreshes the token; what the driver has to do first, if that is so.
    fn refresh(&mut self, now: &Now, repeated: bool) -> Result<Input, Ask> {
        match self.stepper.renewal(self.renewed, now.at_ms) {
            Ok(renewal) => self.renew(Box::new(renewal), Input::Begin, (now.elapsed, repeated), now),
            Err(failure) => Ok(Input::NotRefreshed(failure)),
        }
    }

    fn renew(
        &mut self,
        mut renewal: Box<Renewal>,
        mut input: Input,
        (begun, repeated): (Duration, bool),
        now: &Now,
    ) -> Result<Input, Ask> {
        let passed = now.elapsed.saturating_sub(begun);
        let left = grant::TIMEOUT.saturating_sub(passed);
        let tick = Tick { now_ms: now.at_ms, active_ms: passed.as_millis() as u64, jitter: 0 };
        let over = loop {
            match renewal.next(input, tick, &mut self.redactor) {
                Turn::Over(over) => break over,
                Turn::Send(_) | Turn::Again if left.is_zero() => break renewal.late(now.at_ms),
                Turn::Again => input = Input::Waited,
                Turn::Send(mut request) => {
                    request.timeout = request.timeout.min(left);
                    let by = Asker { part: REFRESH, step: renewal.step() };
                    return Err(self.ask(request, by, State::Refresh { renewal, begun, repeated }));
                }
            }
        };
        let (why, change) = match over {
            Over::Renewed(change) => (None, Some(change)),
            Over::NotRenewed(why, change) => (Some(why), change),
        };
        let lost_before = repeated && !change.as_ref().is_some_and(|change| change.replaces);
        if let Some(change) = change {
            self.stepper.adopt(&change);
            let (_, secret) = secrets::split(change.context, &self.paths, &mut self.redactor);
            self.redactor.learn(&secret);
            self.secret = secret;
            self.renewed += 1;
        }
        Ok(match why {
            None => Input::Refreshed { context: Map::clone(self.stepper.context()) },
            Some(NotRenewed::Refused(failure)) if lost_before => {
                Input::NotRefreshed(grant::refused_after_loss(&failure))
            }
            Some(
                NotRenewed::Refused(failure) | NotRenewed::ClientRefused(failure) | NotRenewed::Transient(failure),
            ) => Input::NotRefreshed(failure),
            Some(NotRenewed::Unknown(failure)) if repeated => Input::NotRefreshed(grant::lost_twice(failure)),
            Some(NotRenewed::Unknown(_)) => {
                return Err(self.wait("refresh_answer_lost", grant::SETTLED_AFTER, State::Settle));
            }
        })
    }

    /// Tells the account how its run ended.
    fn end(&mut self, ending: (Ending, Option<Reason>), now_ms: i64) -> Ask {
        let mut ended = ended(&self.stepper, ending, &self.context_before, &self.paths, &mut self.redactor);
        large::take(&mut ended.writes);
        let secret = std::mem::take(&mut self.secret);
        let (clear, secret) = changes::written(&self.account, secret, &ended, &self.paths, &mut self.redactor);
        self.secret = secret;
        let changed = clear != self.account.context;
        if let Ok(Some(transition)) = judge(&self.account, self.run.id, ended.ending, changed) {
            self.account = concluded(&self.account, &ended, transition, clear, now_ms);
            let trigger = trigger_of(&self.run, ended.ending);
            self.events.push(event_of(&self.account, transition, trigger, &self.run, self.case.max_context_bytes));
        }
        self.ended = Some(ended);
        self.state = State::Over;
        Ask::Over
    }
}

/// The case's run, but for what its request brings.
const fn run_of(case: &Case) -> Run {
    Run {
        id: case.run,
        account: case.account,
        cause: if case.action.is_some() { Cause::Action } else { Cause::Import },
        task: Task::Phases(Phase::PostInstall),
        fence: 1,
        definition: case.install.effective,
        progress: None,
        correlation_id: None,
        traceparent: None,
    }
}

/// The request's body, for the case's install where it names none.
fn for_install(body: Value, case: &Case) -> Value {
    if !body.is_object() {
        return body;
    }
    let mut body = members(body);
    body.entry("environment_integration_id").or_insert_with(|| case.install.id.to_string().into());
    Value::Object(body)
}

const fn word(reason: WaitReason) -> &'static str {
    match reason {
        WaitReason::Backoff => "backoff",
        WaitReason::RateLimited => "rate_limited",
        WaitReason::RefreshBackoff => "refresh_backoff",
        WaitReason::Gated => "gated",
    }
}
