//! Making a recording: the run against the provider, and stand-ins in the place of every secret.
//!
//! Which URLs such a recording holds is found by running the definition once more on the stand-ins: a signature, say, is
//! then that of the stand-in, as it will be whenever the recording is played.

use std::sync::Arc;

use serde_json::{Map, Value};
use tokio::time::Instant;

use super::perform::{Ask, Begun, Heard, Now, Told, Trial};
use super::recording::{Answer, Exchange, Expected, Recording, bytes_of};
use super::scrub::Scrubber;
use super::verdict::{REFRESH, Verdict};
use super::{Case, JITTER, TrialError, replay};
use crate::clock::{Clock, rfc3339};
use crate::credentials::{grant, secrets};
use crate::definitions::{Action, Plan, StepKind};
use crate::lifecycle::Phase;
use crate::upstream::{Request, Upstream};

/// What was recorded.
#[derive(Debug)]
pub struct Recorded {
    /// The recording, without secrets.
    pub recording: Recording,
    /// What came of the run.
    pub live: Verdict,
    /// What comes of the recording.
    pub replayed: Verdict,
}

impl Recorded {
    /// Whether the account's token was refreshed.
    #[must_use]
    pub fn refreshed(&self) -> bool {
        self.live.exchanges.iter().any(|exchange| exchange.phase == REFRESH)
    }

    /// Whether the recording tells the same as the run.
    #[must_use]
    pub fn is_true(&self) -> bool {
        let end = |verdict: &Verdict| {
            let place = verdict.reason.as_ref().map(|reason| (reason.phase, reason.step.clone(), reason.http_status));
            (verdict.outcome.clone(), verdict.status, place)
        };
        end(&self.live) == end(&self.replayed)
    }
}

impl Case {
    /// What a run would do at the provider beside reading: its steps that write, and the refresh of a token, which most
    /// providers let be used once.
    ///
    /// # Errors
    /// When the definition does not compile.
    pub fn effects(&self) -> Result<Vec<String>, TrialError> {
        let plan = Plan::compile(&self.effective)?;
        let body = self.import.as_ref().map(|import| import.get("body").unwrap_or(import));
        let sandbox = body.is_some_and(|body| body.get("is_sandbox") == Some(&Value::Bool(true)));
        let mut found = Vec::new();
        for (part, action) in self.performed(&plan) {
            for (index, step) in action.steps.iter().enumerate() {
                if let StepKind::Request(request) = &step.kind
                    && !request.method.reads()
                    && (!sandbox || step.allow_in_sandbox)
                {
                    let name = step.name.clone().unwrap_or_else(|| index.to_string());
                    found.push(format!("{} of step `{name}` in {part}", request.method.as_str()));
                }
            }
        }
        let context = body.and_then(|body| body.get("context")?.as_object());
        let refreshes = |context| plan.credentials.iter().any(|(it, _)| grant::is_refreshable(&plan, *it, context));
        if context.is_some_and(refreshes) {
            found
                .push("it refreshes the account's token if that has expired, and does not keep the new one".to_owned());
        }
        Ok(found)
    }

    /// The actions that the run goes through, and what they are called.
    fn performed<'a>(&'a self, plan: &'a Plan) -> Vec<(&'a str, &'a Action)> {
        match &self.action {
            Some(name) => {
                plan.actions.get(name).and_then(|it| it.as_ref().ok()).map(|it| (&**name, it)).into_iter().collect()
            }
            None => Phase::ALL.iter().map(|phase| (phase.as_str(), plan.action(*phase))).collect(),
        }
    }
}

/// Performs the run of `case` against the provider, and keeps what it answered. Side effects are real, pauses are made.
///
/// # Errors
/// When the definition cannot be run, the import is not accepted, or a secret could not be kept out.
pub async fn record(mut case: Case, upstream: &dyn Upstream, clock: &dyn Clock) -> Result<Recorded, TrialError> {
    (case.account, case.run, case.at_ms) = (clock.new_id(), clock.new_id(), clock.now_ms());
    let mut trial = match Trial::begin(&case)? {
        Begun::Refused(refusal) => return Err(TrialError::Refused(refusal.to_string())),
        Begun::Running(trial) => *trial,
    };
    let begun = Instant::now();
    let mut told = Told::Begin;
    loop {
        let now = Now { at_ms: clock.now_ms(), elapsed: begun.elapsed(), jitter: clock.jitter() };
        told = match trial.next(told, now) {
            Ask::Send(request) => Told::Answer(upstream.send(request).await),
            Ask::Wait(after) => {
                tokio::time::sleep(after).await;
                Told::Waited
            }
            Ask::Over => break,
        };
    }
    let scrubber = learn(&case, &trial);
    let mut recording = Recording {
        at: Some(rfc3339(case.at_ms)),
        account_id: Some(case.account),
        run_id: Some(case.run),
        environment_variables: secret_variables(&trial.plan, &scrubber),
        import: case.import.as_ref().map(|import| scrubber.value(import)),
        exchanges: trial.heard.iter().filter_map(|heard| exchange(heard, &scrubber)).collect(),
    };
    case.import = None;
    let rehearsed = rehearse(&case, &recording)?;
    for (exchange, request) in recording.exchanges.iter_mut().zip(rehearsed) {
        exchange.request.url = scrubber.text(&request.url);
    }
    let text = serde_json::to_string(&recording).unwrap_or_default();
    if scrubber.finds(&text) {
        return Err(TrialError::Leak);
    }
    let replayed = replay(case, &recording)?;
    Ok(Recorded { recording, live: Verdict::ended(&trial), replayed })
}

/// Every secret of the run.
fn learn(case: &Case, trial: &Trial) -> Scrubber {
    let mut scrubber = Scrubber::new(&trial.paths);
    let before = &trial.context_before;
    let given = case.import.as_ref().map(|import| import.get("body").unwrap_or(import));
    if let Some(given) = given.and_then(|body| body.get("context")) {
        scrubber.learn_named(given);
        // Some fields are kept in another form than they came in.
        for (key, value) in given.as_object().into_iter().flatten() {
            if let Some(kept) = before.get(key).filter(|_| scrubber.is_secret_name(key)) {
                scrubber.alias(kept, value);
            }
        }
    }
    for context in [before, trial.stepper.context()] {
        let mut redactor = crate::credentials::Redactor::new(&Map::new(), &[], &trial.paths);
        for value in secrets::of_definition(&trial.plan, trial.account.authentication_method, before) {
            redactor.learn_value(&value);
        }
        let (_, secret) = secrets::split(Map::clone(context), &trial.paths, &mut redactor);
        secret.iter().for_each(|(key, value)| scrubber.learn(key, value));
    }
    for (name, value) in &trial.plan.secret_environment_variables {
        scrubber.learn(name, value);
    }
    let refresh = trial.plan.credential(trial.account.authentication_method).and_then(|plan| plan.refresh.as_ref());
    let scope = grant::scope_of(&trial.plan, before, 0, 0);
    for secret in refresh.into_iter().flat_map(|refresh| refresh.secrets(&scope)) {
        scrubber.learn_text("client_secret", &secret);
    }
    for response in trial.heard.iter().filter_map(|heard| heard.answer.as_ref()?.as_ref().ok()) {
        for (name, value) in
            response.headers.iter().filter(|(name, _)| scrubber.is_secret_name(name)).collect::<Vec<_>>()
        {
            scrubber.learn_text(name, value);
        }
        // A token endpoint may answer with a form.
        let body = serde_json::from_slice(&response.body).unwrap_or_else(|_| {
            let pairs = url::form_urlencoded::parse(&response.body);
            Value::Object(pairs.map(|(name, value)| (name.into_owned(), value.into())).collect())
        });
        scrubber.learn_named(&body);
    }
    scrubber
}

/// What the recording lays over the install's secret variables, so that it can be played where they are others.
fn secret_variables(plan: &Arc<Plan>, scrubber: &Scrubber) -> Map<String, Value> {
    plan.secret_environment_variables.iter().map(|(name, value)| (name.clone(), scrubber.whole(value))).collect()
}

fn exchange(heard: &Heard, scrubber: &Scrubber) -> Option<Exchange> {
    let mut response = Answer::of(heard.answer.as_ref()?);
    for (name, value) in &mut response.headers {
        let whole = scrubber.is_secret_name(name);
        *value = if whole { text_of(scrubber.whole(&value.clone().into())) } else { scrubber.text(value) };
    }
    response.message = response.message.map(|message| scrubber.text(&message));
    response.body = response.body.map(|body| clean_body(&body, scrubber));
    let request = Expected {
        method: heard.request.method.clone(),
        url: scrubber.text(&heard.request.url),
        headers: std::collections::BTreeMap::new(),
        body: None,
    };
    Some(Exchange { request, response, times: None })
}

fn text_of(value: Value) -> String {
    match value {
        Value::String(text) => text,
        other => other.to_string(),
    }
}

fn clean_body(body: &Value, scrubber: &Scrubber) -> Value {
    let Ok((bytes, _)) = bytes_of(body) else { return body.clone() };
    if std::str::from_utf8(&bytes).is_ok() {
        return scrubber.value(body);
    }
    // Bytes that are no text and hold a secret all the same are kept as a text without it.
    let text = String::from_utf8_lossy(&bytes);
    if scrubber.finds(&text) { scrubber.text(&text).into() } else { body.clone() }
}

/// The requests that the definition makes on the stand-ins when it is given the recorded answers in their order.
fn rehearse(case: &Case, recording: &Recording) -> Result<Vec<Request>, TrialError> {
    let case = case.clone().with(recording)?;
    let Begun::Running(mut trial) = Trial::begin(&case)? else { return Ok(Vec::new()) };
    let mut answers = recording.exchanges.iter();
    let mut waited = std::time::Duration::ZERO;
    let mut told = Told::Begin;
    loop {
        let now = Now { at_ms: case.at_ms + waited.as_millis() as i64, elapsed: waited, jitter: JITTER };
        told = match trial.next(told, now) {
            Ask::Send(request) => match answers.next() {
                Some(exchange) if exchange.request.method == request.method => Told::Answer(exchange.response.given()),
                // It goes another way from here on; what it asked before is right.
                _ => {
                    trial.heard.pop();
                    break;
                }
            },
            Ask::Wait(after) => {
                waited += after;
                Told::Waited
            }
            Ask::Over => break,
        };
    }
    Ok(trial.heard.into_iter().map(|heard| heard.request).collect())
}
