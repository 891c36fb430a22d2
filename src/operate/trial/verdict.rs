//! What came of a trial, as people may see it.

use serde::Serialize;
use serde_json::value::RawValue;
use serde_json::{Map, Value, json};
use url::Url;
use uuid::Uuid;

use super::perform::{Asker, Heard, Trial};
use super::playback::{Missing, Playback};
use super::recording::{Exchange, body_of, bytes_of};
use super::{Case, diff};
use crate::credentials::Redactor;
use crate::credentials::redact::REDACTED;
use crate::intake::{FieldFailure, Refusal};
use crate::lifecycle::{IntakeCode, Reason, Status};
use crate::store::Event;
use crate::upstream::{Request, Response, SendError};

/// The longest text of a body that is shown, in bytes.
const MAX_TEXT: usize = 16 * 1024;

/// The end of a trial, without secrets. Its JSON form is stable: members are added and keep their meaning.
#[derive(Debug, Serialize)]
pub struct Verdict {
    /// The integration's name.
    pub integration: String,
    /// The install's id.
    pub install: Uuid,
    /// `succeeded`, the reason's code, `refused` for an import that is not accepted, or `unanswered` where the
    /// recording has no answer.
    pub outcome: String,
    /// The account's status in the end; none where there is no account, or no end.
    pub status: Option<Status>,
    /// Why it is not active.
    pub reason: Option<Reason>,
    /// The account's `last_error`.
    pub last_error: Option<String>,
    /// Why the import is not accepted.
    pub refusal: Option<Refused>,
    /// The request that the recording has no answer for.
    pub unanswered: Option<Unanswered>,
    /// The events, as they would be published.
    pub events: Vec<Box<RawValue>>,
    /// The requests in order, each with its answer.
    pub exchanges: Vec<Exchanged>,
    /// The pauses.
    pub waits: Vec<Waited>,
    /// How often the run's progress would be saved around side effects.
    pub saves: u32,
    /// What the run changed in the account's context.
    pub context: Vec<Changed>,
    /// The attempts, as `accounts show` tells them.
    pub trace: Box<RawValue>,
    /// What a custom action results in.
    pub result: Option<Value>,
    /// Recorded answers that nobody asked for.
    pub unused: Vec<Unused>,
}

/// Why an import is not accepted.
#[derive(Debug, Serialize)]
pub struct Refused {
    /// The stable code.
    pub code: IntakeCode,
    /// The sentence.
    pub message: String,
    /// The fields at fault.
    pub failures: Vec<FieldFailure>,
}

/// A request that has no recorded answer.
#[derive(Debug, Serialize)]
pub struct Unanswered {
    /// The request.
    pub request: Value,
    /// The recorded request that comes nearest.
    pub nearest: Option<Value>,
    /// Its place in the recording.
    pub place: Option<usize>,
    /// How the request differs from it.
    pub differs: Vec<String>,
}

/// A request and its answer.
#[derive(Debug, Serialize)]
pub struct Exchanged {
    /// The phase, `action` in a custom action, or `refresh` for a refresh of the token.
    pub phase: &'static str,
    /// The step's name or index; none for the refresh grant.
    pub step: Option<String>,
    /// What was asked.
    pub request: Value,
    /// What was answered.
    pub response: Option<Value>,
}

/// A pause.
#[derive(Debug, Serialize)]
pub struct Waited {
    /// Why.
    pub reason: &'static str,
    /// How long, in milliseconds.
    pub after_ms: u64,
    /// After how many requests.
    pub requests: usize,
}

/// A place of the context that the run changed.
#[derive(Debug, Serialize)]
pub struct Changed {
    /// Where, as a JSON pointer.
    pub pointer: String,
    /// What was there.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub before: Option<Value>,
    /// What is there.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub after: Option<Value>,
}

/// A recorded answer that was not used.
#[derive(Debug, Serialize)]
pub struct Unused {
    /// The verb.
    pub method: String,
    /// The URL.
    pub url: String,
    /// How often it was left.
    pub times: u32,
}

impl Verdict {
    /// Whether the account works.
    #[must_use]
    pub fn is_good(&self) -> bool {
        self.outcome == SUCCEEDED
    }

    /// The account's context in the end as events show it; none where there is no account.
    #[must_use]
    pub fn shown_context(&self) -> Option<Value> {
        let event: Value = serde_json::from_str(self.events.last()?.get()).ok()?;
        event.pointer("/data/account/context").cloned()
    }

    fn empty(case: &Case, outcome: &str) -> Self {
        Self {
            integration: case.install.integration.name.clone(),
            install: case.install.id,
            outcome: outcome.to_owned(),
            status: None,
            reason: None,
            last_error: None,
            refusal: None,
            unanswered: None,
            events: Vec::new(),
            exchanges: Vec::new(),
            waits: Vec::new(),
            saves: 0,
            context: Vec::new(),
            trace: raw("[]".to_owned()),
            result: None,
            unused: Vec::new(),
        }
    }

    pub(super) fn refused(case: &Case, refusal: &Refusal) -> Self {
        let Refusal { code, message, failures } = refusal.clone();
        Self { refusal: Some(Refused { code, message, failures }), ..Self::empty(case, "refused") }
    }

    pub(super) fn unanswered(trial: &Trial, recorded: &[Exchange], missing: &Missing) -> Self {
        let shown = Shown(&trial.redactor);
        let request = trial.heard.last().map(|heard| shown.request(&heard.request)).unwrap_or_default();
        let nearest = missing.nearest.and_then(|at| recorded.get(at)).map(|exchange| shown.expected(exchange));
        let differs = missing.differs.iter().map(|text| trial.redactor.text(text).into_owned()).collect();
        let unanswered = Some(Unanswered { request, nearest, place: missing.nearest, differs });
        Self { unanswered, ..Self::told(trial, "unanswered") }
    }

    pub(super) fn of(trial: &Trial, playback: &Playback<'_>) -> Self {
        let shown = Shown(&trial.redactor);
        let unused = playback.leftover().map(|(exchange, times)| Unused {
            method: exchange.request.method.clone(),
            url: shown.url(&exchange.request.url),
            times,
        });
        Self { unused: unused.collect(), ..Self::ended(trial) }
    }

    /// Of a run that ended.
    pub(super) fn ended(trial: &Trial) -> Self {
        let Some(ended) = &trial.ended else { return Self::told(trial, "unanswered") };
        let outcome = ended.outcome();
        let asked = trial.case.action.is_some() && ended.reason.is_none();
        let result = trial.stepper.result().filter(|_| asked);
        Self {
            status: trial.account.status,
            reason: ended.reason.clone(),
            last_error: trial.account.last_error.clone(),
            trace: raw(ended.trace.clone()),
            result: result.map(|result| trial.redactor.value(result)),
            ..Self::told(trial, outcome)
        }
    }

    /// What every run has.
    fn told(trial: &Trial, outcome: &str) -> Self {
        let shown = Shown(&trial.redactor);
        let waits = trial.paused.iter().map(|paused| Waited {
            reason: paused.reason,
            after_ms: paused.after.as_millis() as u64,
            requests: paused.requests,
        });
        Self {
            events: trial.events.iter().map(|event: &Event| raw(event.envelope.clone())).collect(),
            exchanges: trial.heard.iter().map(|heard| shown.exchange(heard)).collect(),
            waits: waits.collect(),
            saves: trial.saves,
            context: shown.changes(&trial.context_before, trial.stepper.context()),
            ..Self::empty(&trial.case, outcome)
        }
    }
}

const SUCCEEDED: &str = "succeeded";

/// Instead of a phase.
pub(super) const REFRESH: &str = "refresh";

/// JSON text as it is; it was written by this program, so it is JSON.
fn raw(json: String) -> Box<RawValue> {
    RawValue::from_string(json).unwrap_or_default()
}

/// Things as people may see them.
struct Shown<'a>(&'a Redactor);

impl Shown<'_> {
    fn exchange(&self, heard: &Heard) -> Exchanged {
        let response = heard.answer.as_ref().map(|answer| self.answer(answer));
        let Asker { part: phase, step } = heard.by.clone();
        Exchanged { phase, step, request: self.request(&heard.request), response }
    }

    fn request(&self, request: &Request) -> Value {
        let mut shown = Map::new();
        shown.insert("method".to_owned(), request.method.clone().into());
        shown.insert("url".to_owned(), self.url(&request.url).into());
        shown.insert("headers".to_owned(), self.headers(&request.headers));
        if let Some(body) = &request.body {
            shown.insert("body".to_owned(), self.body(&request.headers, body));
        }
        Value::Object(shown)
    }

    fn expected(&self, exchange: &Exchange) -> Value {
        let mut shown = json!({ "method": exchange.request.method, "url": self.url(&exchange.request.url) });
        if !exchange.request.headers.is_empty() {
            let headers = exchange.request.headers.iter().map(|(name, value)| (name.clone(), value.clone().into()));
            shown["headers"] = self.0.value(&Value::Object(headers.collect()));
        }
        if let Some((body, _)) = exchange.request.body.as_ref().and_then(|body| bytes_of(body).ok()) {
            shown["body"] = self.body(&[], &body);
        }
        shown
    }

    fn answer(&self, answer: &Result<Response, SendError>) -> Value {
        match answer {
            Ok(response) => {
                let mut shown = json!({ "status": response.status, "headers": self.headers(&response.headers) });
                if !response.body.is_empty() {
                    shown["body"] = self.body(&response.headers, &response.body);
                }
                shown
            }
            Err(error) => json!({ "error": self.0.text(&error.to_string()) }),
        }
    }

    /// A URL without secrets: neither by their value nor in a query's member whose name says so.
    fn url(&self, url: &str) -> String {
        let hidden = |pair: &str| {
            let (name, _) = pair.split_once('=')?;
            self.0.is_secret_name(name).then(|| format!("{name}={REDACTED}"))
        };
        let url = match url.split_once('?') {
            Some((before, query)) if Url::parse(url).is_ok() => {
                let pairs: Vec<_> =
                    query.split('&').map(|pair| hidden(pair).unwrap_or_else(|| pair.to_owned())).collect();
                format!("{before}?{}", pairs.join("&"))
            }
            _ => url.to_owned(),
        };
        self.0.text(&url).into_owned()
    }

    fn headers(&self, headers: &[(String, String)]) -> Value {
        let headers = headers.iter().map(|(name, value)| (name.clone(), value.clone().into()));
        self.0.value(&Value::Object(headers.collect()))
    }

    fn body(&self, headers: &[(String, String)], body: &[u8]) -> Value {
        let form = headers.iter().any(|(name, value)| name == "content-type" && value.starts_with(FORM));
        if form {
            let pairs = url::form_urlencoded::parse(body);
            let members = pairs.map(|(name, value)| (name.into_owned(), Value::from(value.into_owned())));
            return json!({ "form": self.0.value(&Value::Object(members.collect())) });
        }
        match body_of(body) {
            Value::String(text) => self.text(&text).into(),
            other if std::str::from_utf8(body).is_ok() => self.0.value(&other),
            _ => json!({ "bytes": body.len() }),
        }
    }

    fn text(&self, text: &str) -> String {
        let mut shown = self.0.text(text).into_owned();
        shown.truncate(shown.floor_char_boundary(MAX_TEXT));
        shown
    }

    fn changes(&self, before: &Map<String, Value>, after: &Map<String, Value>) -> Vec<Changed> {
        let (before, after) = (Value::Object(before.clone()), Value::Object(after.clone()));
        let (masked_before, masked_after) = (self.0.value(&before), self.0.value(&after));
        // What is masked as a whole has nothing at the pointer any more.
        let shown = |masked: &Value, change: &diff::Change, value: &Option<Value>| {
            value.as_ref().map(|_| masked.pointer(&change.pointer).cloned().unwrap_or_else(|| REDACTED.into()))
        };
        let changes = diff::of(&before, &after).into_iter().map(|change| Changed {
            before: shown(&masked_before, &change, &change.before),
            after: shown(&masked_after, &change, &change.after),
            pointer: self.0.text(&change.pointer).into_owned(),
        });
        changes.collect()
    }
}

/// The media type of forms.
const FORM: &str = "application/x-www-form-urlencoded";
