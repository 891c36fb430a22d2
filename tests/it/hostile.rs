//! Definitions that do harm when they are performed, and answers that do, tried on recordings: each ends, and as it is
//! documented.

use std::thread;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tidewaiter::definitions::Integration;
use tidewaiter::operate::trial::{Case as Tried, Recording, Verdict, replay};

use crate::shared::hostile::{Case, HOST, all};

/// The longest that all of them may take together, in a build for tests.
const ALL: Duration = Duration::from_mins(4);

/// The stack that the program gives the threads which perform runs, and more for a build without optimisation.
const STACK_BYTES: usize = 64 << 20;

#[test]
fn whatever_a_definition_does_at_work_its_run_ends_as_it_is_documented() {
    let begun = Instant::now();
    let groups = all();
    let count: usize = groups.iter().map(|(_, cases)| cases.len()).sum();
    assert!(count >= 200, "{count}");
    let thread = thread::Builder::new().stack_size(STACK_BYTES);
    let performed = thread.spawn(move || groups.iter().flat_map(|(_, cases)| cases).filter_map(wrong).collect());
    let wrong: Vec<String> = performed.unwrap().join().unwrap();
    assert!(wrong.is_empty(), "{} of {count}:\n{}", wrong.len(), wrong.join("\n"));
    assert!(begun.elapsed() < ALL, "{:?}", begun.elapsed());
}

/// What is wrong with the end of a case, if anything is.
fn wrong(case: &Case) -> Option<String> {
    let verdict = match tried(case) {
        Ok(verdict) => verdict,
        Err(why) => return Some(format!("{}: {why}", case.name)),
    };
    let text = serde_json::to_string(&verdict).unwrap();
    if text.contains("canary") {
        return Some(format!("{}: a secret is told", case.name));
    }
    let message = verdict.reason.as_ref().map_or("", |reason| &reason.message);
    let context = verdict.shown_context().unwrap_or_default();
    if let Some(refusal) = &verdict.refusal {
        return Some(format!("{}: {}", case.name, refusal.message));
    }
    if let Some(missing) = &verdict.unanswered {
        let asked: String = missing.request.to_string().chars().take(200).collect();
        return Some(format!("{}: {asked} is not expected: {:?}", case.name, missing.differs.first()));
    }
    let waited = verdict.waits.first().map(|wait| wait.after_ms);
    if case.waits.is_some() && case.waits != waited {
        return Some(format!("{}: waited {waited:?} instead of {:?}", case.name, case.waits));
    }
    case.differs(&json!(verdict.status), &verdict.outcome, message, &context)
}

fn tried(case: &Case) -> Result<Verdict, String> {
    let document = case.integration("00000000-0000-7000-8000-000000000005", "hostile", HOST);
    let integration = Integration::parse(&document).map_err(|error| error.to_string())?;
    let import = json!({ "tenant_id": "t", "authentication_method": case.method, "context": case.context });
    let mut tried = Tried::new(&integration, None, Some(import));
    tried.action = case.action.map(str::to_owned);
    let recording: Value = json!({ "exchanges": case.exchanges });
    let recording = Recording::parse(recording.to_string().as_bytes())?;
    replay(tried, &recording).map_err(|error| error.to_string())
}
