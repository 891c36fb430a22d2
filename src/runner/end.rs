//! How a run's end is told: the reason and the trace without secrets, the ending to `accounts`.

use std::sync::Arc;

use serde_json::{Map, Value};

use super::begin::too_late;
use super::drive::{Driver, Stop};
use crate::accounts::Ended;
use crate::actions::{MAX_MESSAGE_BYTES, Outcome, Stepper};
use crate::credentials::secrets::{self, SecretPaths};
use crate::credentials::{Redactor, token};
use crate::lifecycle::{Ending, Failure, Phase, Reason, ReasonCode};

/// The most of a provider's words that is shown, in bytes.
const MESSAGE_BYTES: usize = 500;

impl Driver<'_> {
    pub(super) async fn deadline(&mut self, stepper: &Stepper) -> Stop {
        let phase = stepper.phase();
        let failure = stepper.doubt().unwrap_or_else(|| too_late(&self.runner.budgets));
        self.finish(stepper, (Ending::deadline(phase), Some(failure.into_reason(phase, None)))).await
    }

    pub(super) async fn end(&mut self, stepper: &Stepper, outcome: Outcome) -> Stop {
        self.finish(stepper, ending_of(outcome, stepper)).await
    }

    async fn finish(&mut self, stepper: &Stepper, ending: (Ending, Option<Reason>)) -> Stop {
        let mut ended = ended(stepper, ending, &self.context_before, &self.paths, &mut self.redactor);
        if let Some(reason) = &ended.reason {
            tracing::info!(
                account.id = %self.held.account.id, run.id = %self.held.run.id, reason.code = %reason.code,
                phase = reason.phase.map(Phase::as_str), step = reason.step, "the run failed: {}", reason.message
            );
        }
        stepper.trace().outcomes().for_each(|failure| self.runner.accounts.metrics.count_attempt(failure));
        // Whoever knows what became of the last request can go on from here. Nothing goes on from a custom action: asking
        // for it again is another run.
        let unknown = stepper.phase().is_some()
            && ended.reason.as_ref().is_some_and(|reason| reason.code == ReasonCode::OutcomeUnknown);
        ended.progress = match unknown.then(|| self.sealed_progress(stepper)).transpose() {
            Ok(progress) => progress,
            Err(stop) => return stop,
        };
        match self.runner.accounts.advance(&mut self.held, &ended, &self.paths, &mut self.redactor).await {
            Ok(_) => Stop::Over,
            Err(error) => error.into(),
        }
    }
}

/// What an outcome means for the account.
#[must_use]
pub fn ending_of(outcome: Outcome, stepper: &Stepper) -> (Ending, Option<Reason>) {
    let told = |phase, step, failure: Failure| Some(failure.into_reason(phase, step));
    match outcome {
        Outcome::Succeeded if stepper.proves() => (Ending::Succeeded, None),
        Outcome::Succeeded => (Ending::Beside, None),
        Outcome::Failed { phase, step, failure } => (Ending::failed(phase), told(phase, step, failure)),
        Outcome::CredentialRefused { phase, step, failure } => (Ending::CredentialRefused, told(phase, step, failure)),
    }
}

/// How a run ended, as people may see it; `redactor` learns what the run wrote.
#[must_use]
pub fn ended(
    stepper: &Stepper,
    (ending, reason): (Ending, Option<Reason>),
    before: &Arc<Map<String, Value>>,
    paths: &SecretPaths,
    redactor: &mut Redactor,
) -> Ended {
    let mut writes = written(before, stepper.context(), paths, redactor);
    writes.extend(stepper.large_writes().map(|(key, marked)| (key.clone(), marked.clone())));
    // A provider's words as people may see them.
    let excerpt = |text: &str| redactor.excerpt(text, MESSAGE_BYTES, text.len() < MAX_MESSAGE_BYTES);
    let reason = reason.map(|reason| Reason { message: excerpt(&reason.message), ..reason });
    let trace = stepper.trace().told(redactor, excerpt);
    Ended { ending, reason, writes, trace, progress: None }
}

/// What the run wrote: the keys at the root that differ. It may be secret by its place, and a key that was left alone is
/// a secret place from now on if it holds one of the new secrets: `redactor` learns all of that, as it will be kept.
fn written(
    before: &Arc<Map<String, Value>>,
    after: &Arc<Map<String, Value>>,
    paths: &SecretPaths,
    redactor: &mut Redactor,
) -> Map<String, Value> {
    if Arc::ptr_eq(before, after) {
        return Map::new();
    }
    let differ = after.iter().filter(|(key, value)| before.get(*key) != Some(*value));
    let mut writes: Map<_, _> = differ.map(|(key, value)| (key.clone(), value.clone())).collect();
    if token::token(before) == token::token(after)
        && let Some(Value::Object(oauth)) = writes.get_mut("oauth")
    {
        // What stands beside the token may be written, and somebody else may have replaced the token meanwhile.
        oauth.shift_remove("token");
    }
    if !writes.is_empty() {
        let (_, secret) = secrets::split(Map::clone(after), paths, redactor);
        redactor.learn(&secret);
    }
    writes
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn what_stands_beside_a_new_secret_in_a_key_that_was_left_alone_is_secret_too() {
        let context =
            json!({ "note": { "seen": "canary-token", "beside": "canary-beside" }, "oauth": { "id": "plain" } });
        let before = Arc::new(context.as_object().cloned().unwrap());
        let mut after = Arc::clone(&before);
        Arc::make_mut(&mut after).insert("api_key".to_owned(), json!("canary-token"));
        let paths = SecretPaths::of(None);
        let mut redactor = Redactor::new(&Map::new(), &[], &paths);
        let writes = written(&before, &after, &paths, &mut redactor);
        assert_eq!(Value::Object(writes), json!({ "api_key": "canary-token" }));
        assert_eq!(redactor.text("canary-token canary-beside plain"), "[redacted] [redacted] plain");
    }
}
