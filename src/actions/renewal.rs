//! Renewing an account's token, once: by the refresh grant, or by the definition's `refresh_token` action in its place.
//!
//! Whoever drives it has announced it before the first request goes out, so that nothing in here has to be durable. Within
//! the action each step has one attempt and nothing waits: a failure that may pass is one of the refresh, and that is made
//! again as a whole. A lost answer of a step with side effects leaves the outcome unknown, as that of the grant's request.
//!
//! An action brings its token in one of two ways: it writes `oauth.token` to the context, or it results in an object with
//! an `access_token`. Both are laid over the old token as the grant's answer is. An action that does neither and writes
//! something else renews what is elsewhere in the context.

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Map, Value};
use uuid::Uuid;

use super::context;
use super::model::{Input, Limits, Outcome, Output, Start, Tick, WaitReason};
use super::stepper::Stepper;
use crate::credentials::grant::{self, NewToken, NotRenewed};
use crate::credentials::{Redactor, token};
use crate::definitions::{Plan, REFRESH_TOKEN};
use crate::lifecycle::{AuthenticationMethod, Class, Failure, ReasonCode, RetryPolicy, Task};
use crate::upstream::{Request, Response};

/// A refresh under way.
pub struct Renewal {
    plan: Arc<Plan>,
    method: AuthenticationMethod,
    /// As it was before.
    context: Arc<Map<String, Value>>,
    means: Means,
}

enum Means {
    Grant(Request),
    Action(Box<Performed>),
}

/// The action.
struct Performed {
    stepper: Stepper,
    /// The step that asked last.
    asked: Option<String>,
    /// The error word of its answer.
    word: Option<String>,
}

/// What to do next.
pub enum Turn {
    /// Send it once and report the answer.
    Send(Request),
    /// Look whether there is time left, and report that this was waited for.
    Again,
    /// It is over.
    Over(Over),
}

/// What a refresh came to.
pub enum Over {
    /// There is a new token.
    Renewed(Change),
    /// There is none, and why; and what the action wrote all the same, which may be a token that replaced the old one.
    NotRenewed(NotRenewed, Option<Change>),
}

/// What a refresh changes.
pub struct Change {
    /// The account's context with it, secrets included.
    pub context: Map<String, Value>,
    /// What an action wrote beside the token.
    pub writes: Map<String, Value>,
    /// Whether the refresh token is another than before: only then a lost answer no longer concerns it.
    pub replaces: bool,
}

impl Stepper {
    /// Begins to renew the token, of which `version` counts the predecessors: a refresh that is made once more, because its
    /// answer was lost, has the same idempotency keys, and the next one has others.
    ///
    /// # Errors
    /// There is nothing to renew it with; nothing is to be sent.
    pub fn renewal(&self, version: i64, now_ms: i64) -> Result<Renewal, Failure> {
        let (start, context) = (&self.start, Arc::clone(self.context()));
        let (plan, method) = (Arc::clone(&start.plan), start.account.authentication_method);
        let means = if plan.renewal(method).is_some() {
            let nested = Start {
                plan: Arc::clone(&plan),
                run_id: Uuid::from_u128(start.account.id.as_u128().wrapping_add(version as u128)),
                account: start.account.clone(),
                context: Arc::clone(&context),
                task: Task::Action(REFRESH_TOKEN.to_owned()),
                progress: None,
                seed: start.seed,
                retry: RetryPolicy { attempts: 1, ..start.retry },
                limits: Limits { phase: grant::TIMEOUT, wait: Duration::ZERO, ..start.limits },
                refreshable: false,
                proven: true,
            };
            Means::Action(Box::new(Performed { stepper: Stepper::new(nested), asked: None, word: None }))
        } else {
            let missing = |what| Failure::permanent(ReasonCode::DefinitionInvalid, format!("config: {what}"));
            let credential = plan.credential(method).ok_or_else(|| missing("the definition has no such credential"))?;
            if credential.refresh.is_none() {
                return Err(missing(match method {
                    AuthenticationMethod::ApiKey => {
                        "an API key is renewed only by a `refresh_token` action, and only where the definition offers no \
                         other credential"
                    }
                    _ => "the account's credential has no token address, and there is no action `refresh_token`",
                }));
            }
            let scope = grant::scope_of(&plan, &context, now_ms, start.seed);
            Means::Grant(grant::refresh_request(credential, &context, &scope)?)
        };
        Ok(Renewal { plan, method, context, means })
    }

    /// Takes in what a refresh changed beside the token, as written by the run, and the context with all of it.
    pub fn adopt(&mut self, change: &Change) {
        self.dirty |= context::forget_token(&mut self.progress.writes);
        context::write(&mut self.progress.writes, &change.writes);
        self.rebase(change.context.clone());
    }

    /// Takes the account's context as it became, under what the run wrote to it.
    pub fn rebase(&mut self, mut context: Map<String, Value>) {
        context::lay(&mut context, &self.progress.writes);
        self.context = Arc::new(context);
        self.scope = None;
    }
}

impl Renewal {
    /// What to do next, given what became of the last turn. `redactor` learns the secrets of the answers.
    pub fn next(&mut self, input: Input, tick: Tick, redactor: &mut Redactor) -> Turn {
        if let Input::Answered(response) = &input {
            redactor.learn_named(&Value::Object(grant::parsed(response)));
        }
        match &mut self.means {
            Means::Action(performed) => {
                performed.hear(&input);
                self.perform(input, tick)
            }
            Means::Grant(request) => {
                let answer = match input {
                    Input::Answered(response) => Ok(response),
                    Input::Unanswered(error) => Err(error),
                    _ => return Turn::Send(request.clone()),
                };
                let Some(plan) = self.plan.credential(self.method) else { return Turn::Again };
                Turn::Over(match grant::classify(plan, answer, redactor) {
                    Ok(NewToken(token)) => {
                        let context = Map::clone(&self.context);
                        let context = grant::apply(context, token, tick.now_ms, plan.fallback_expiry_s);
                        let replaces = self.replaces(&context);
                        Over::Renewed(Change { context, writes: Map::new(), replaces })
                    }
                    Err(why) => Over::NotRenewed(why, None),
                })
            }
        }
    }

    /// Ends it because its time is up before another request went out.
    #[must_use]
    pub fn late(self, now_ms: i64) -> Over {
        let message = format!("the action `{REFRESH_TOKEN}` did not end within {} s", grant::TIMEOUT.as_secs());
        let failure = Failure::transient(ReasonCode::DeadlineExceeded, message);
        Over::NotRenewed(NotRenewed::Transient(failure), self.change(now_ms, false).map(|(change, _)| change))
    }

    /// Whether it may hold a thread for long between two requests.
    #[must_use]
    pub fn is_quadratic(&self) -> bool {
        self.plan.renewal(self.method).is_some_and(crate::definitions::Action::is_quadratic)
    }

    /// The step that asked last; none of the grant.
    #[must_use]
    pub fn step(&self) -> Option<String> {
        match &self.means {
            Means::Grant(_) => None,
            Means::Action(performed) => performed.asked.clone(),
        }
    }

    fn perform(&mut self, mut input: Input, tick: Tick) -> Turn {
        let Means::Action(performed) = &mut self.means else { return Turn::Again };
        let stepper = &mut performed.stepper;
        let over = loop {
            match stepper.next(input, tick) {
                // The refresh as a whole is announced.
                Output::Save => input = Input::Saved,
                Output::Send(request) => {
                    (performed.asked, performed.word) = (stepper.label(), None);
                    return Turn::Send(request);
                }
                // Not a pause, but a look up from a loop. A probe would come before the lost request can have ended.
                Output::Wait { reason: WaitReason::Backoff, after, .. }
                    if after.is_zero() && stepper.doubt().is_none() =>
                {
                    return Turn::Again;
                }
                Output::Wait { .. } | Output::Refresh => {
                    let passing = || Failure::transient(ReasonCode::UpstreamUnavailable, "it has to wait");
                    let failure = stepper.doubt().or_else(|| stepper.last.clone()).unwrap_or_else(passing);
                    break Some((stepper.label(), failure));
                }
                Output::Done(Outcome::Succeeded) => break None,
                Output::Done(
                    Outcome::Failed { step, failure, .. } | Outcome::CredentialRefused { step, failure, .. },
                ) => break Some((step, failure)),
            }
        };
        let change = self.change(tick.now_ms, over.is_none());
        Turn::Over(match (over, change) {
            (Some((step, failure)), change) => {
                Over::NotRenewed(self.sorted(step.as_deref(), failure), change.map(|(change, _)| change))
            }
            (None, Some((change, true))) => Over::Renewed(change),
            (None, change) => {
                let message = format!(
                    "the action `{REFRESH_TOKEN}` brought no access token: let it result in an object with `access_token`, \
                     or write one to `oauth.token`"
                );
                let failure = Failure::transient(ReasonCode::BadResponse, message);
                Over::NotRenewed(NotRenewed::Transient(failure), change.map(|(change, _)| change))
            }
        })
    }

    /// What the action brought so far, and whether that renews the token; none when it brought nothing. Of an action that
    /// did not succeed, a result is none: an access token in it may be another's. A refresh token that came with it is
    /// kept all the same, since it may have replaced the old one.
    fn change(&self, now_ms: i64, has_succeeded: bool) -> Option<(Change, bool)> {
        let Means::Action(performed) = &self.means else { return None };
        let mut writes = performed.stepper.progress.writes.clone();
        let written = take_token(&mut writes);
        let is_written = written.is_some();
        let mut token = written.unwrap_or_default();
        if let Some(result) = performed.stepper.result().and_then(Value::as_object).filter(|it| has_access(it))
            && !has_access(&token)
        {
            let counts = |name: &str, value| match name {
                "refresh_token" => token::is_sendable(value),
                _ => has_succeeded,
            };
            let members = result.iter().filter(|(name, value)| counts(name, value));
            token.extend(members.map(|(name, value)| (name.clone(), value.clone())));
        }
        if token.is_empty() && !is_written && writes.is_empty() {
            return None;
        }
        let brings = has_access(&token);
        let mut context = Map::clone(&self.context);
        context::lay(&mut context, &writes);
        if brings {
            let expiry = self.plan.credential(self.method).and_then(|plan| plan.fallback_expiry_s);
            context = grant::apply(context, token, now_ms, expiry);
        } else if !token.is_empty() {
            // The access token is the old one, and so is its expiry.
            let token = Map::from_iter([("token".to_owned(), Value::Object(token))]);
            context::write(&mut context, &Map::from_iter([("oauth".to_owned(), Value::Object(token))]));
        }
        let replaces = self.replaces(&context);
        Some((Change { context, writes, replaces }, brings || !is_written))
    }

    fn replaces(&self, context: &Map<String, Value>) -> bool {
        token::refresh_token(context) != token::refresh_token(&self.context)
    }

    /// What the failure of a step means for the token.
    fn sorted(&self, step: Option<&str>, failure: Failure) -> NotRenewed {
        use ReasonCode::{
            BadResponse, ClientRefused, CredentialRefused, DeadlineExceeded, Forbidden, Tls, Unauthorized,
            UpstreamRejected, UpstreamUnavailable,
        };
        let Means::Action(performed) = &self.means else { return NotRenewed::Transient(failure) };
        // An error word counts only where the answer that holds it is what failed.
        let word = performed.word.as_deref().filter(|_| step == performed.asked.as_deref());
        let name = step.unwrap_or("?");
        let message = format!("the action `{REFRESH_TOKEN}`, step `{name}`: {}", failure.message);
        let told = |class, code| Failure { class, code, message, http_status: failure.http_status };
        let refuses = |word| {
            self.plan.credential(self.method).is_some_and(|plan| grant::refuses(plan, word)) || word == "invalid_grant"
        };
        match (failure.class, failure.code) {
            (Class::OutcomeUnknown, code) => NotRenewed::Unknown(told(Class::OutcomeUnknown, code)),
            // What was answered cannot be read: it may have held the new token.
            (Class::Permanent, BadResponse) => NotRenewed::Unknown(told(Class::OutcomeUnknown, BadResponse)),
            _ if word.is_some_and(refuses) => NotRenewed::Refused(told(Class::Unauthorized, CredentialRefused)),
            (Class::Transient | Class::RateLimited, code) => NotRenewed::Transient(told(Class::Transient, code)),
            (_, Tls | UpstreamUnavailable | DeadlineExceeded) => {
                NotRenewed::Transient(told(Class::Transient, failure.code))
            }
            _ if matches!(failure.http_status, Some(408 | 425)) || word.is_some_and(grant::is_passing) => {
                NotRenewed::Transient(told(Class::Transient, UpstreamUnavailable))
            }
            (Class::Unauthorized, _) if !word.is_some_and(grant::blames_client) => {
                NotRenewed::Refused(told(Class::Unauthorized, CredentialRefused))
            }
            (_, UpstreamRejected | Forbidden | Unauthorized) => {
                NotRenewed::ClientRefused(told(Class::Permanent, ClientRefused))
            }
            (_, code) => NotRenewed::ClientRefused(told(Class::Permanent, code)),
        }
    }
}

impl Performed {
    fn hear(&mut self, input: &Input) {
        if let Input::Answered(response) = input {
            self.word = word_of(response);
        }
    }
}

fn word_of(response: &Response) -> Option<String> {
    grant::error_word(&grant::parsed(response)).map(str::to_owned)
}

fn has_access(token: &Map<String, Value>) -> bool {
    token.get("access_token").is_some_and(token::is_sendable)
}

/// Takes a token out of what was written to a context.
fn take_token(writes: &mut Map<String, Value>) -> Option<Map<String, Value>> {
    let Value::Object(oauth) = writes.get_mut("oauth")? else { return None };
    let token = oauth.shift_remove("token");
    if oauth.is_empty() {
        writes.shift_remove("oauth");
    }
    match token {
        Some(Value::Object(token)) => Some(token),
        _ => None,
    }
}
