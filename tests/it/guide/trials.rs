//! A definition, an account and a recording, and what comes of them.

use serde::Deserialize;
use serde_json::{Map, Value, json};
use tidewaiter::definitions::{Install, Integration};
use tidewaiter::operate::trial::{Case, Recording, Verdict, diff, replay};

/// An example's members. What is none of these is the recording's.
#[derive(Deserialize)]
struct Example {
    config: Map<String, Value>,
    /// The install's override.
    #[serde(default, rename = "override")]
    overrides: Map<String, Value>,
    /// A custom action, instead of what follows an import.
    action: Option<String>,
    /// Members of the import request; `tenant_id` is made up where it says none.
    account: Map<String, Value>,
    #[serde(flatten)]
    recording: Map<String, Value>,
    expect: Expected,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Expected {
    status: Option<String>,
    /// What a custom action results in.
    result: Option<Value>,
    /// How the run ended, where the status does not say it.
    outcome: Option<String>,
    /// Those members of the context that matter.
    #[serde(default)]
    context: Map<String, Value>,
    last_error: Option<String>,
    /// The reason's code.
    reason: Option<String>,
    /// Why the import is not accepted.
    refused: Option<String>,
}

/// What is wrong with an example.
pub fn fault(text: &str) -> Option<String> {
    let example: Example = match serde_json::from_str(text) {
        Ok(example) => example,
        Err(error) => return Some(format!("is no example: {error}")),
    };
    match tried(&example) {
        Ok(verdict) => compared(&example, &verdict),
        Err(error) => Some(error),
    }
}

fn tried(example: &Example) -> Result<Verdict, String> {
    let recording = Value::Object(example.recording.clone()).to_string();
    let recording = Recording::parse(recording.as_bytes())?;
    let mut import = example.account.clone();
    import.entry("tenant_id").or_insert_with(|| "example".into());
    let mut config = example.config.clone();
    // An example that is not about credentials says nothing of them.
    if let Some(method) = import.get("authentication_method").and_then(Value::as_str) {
        config.entry("credentials").or_insert_with(|| json!({ method: { "format": method } }));
    }
    let document = json!({ "id": "00000000-0000-7000-8000-000000000005", "name": "example", "config": config });
    let integration = Integration::parse(&document).map_err(|error| error.to_string())?;
    let install = Install {
        id: "00000000-0000-7000-8000-000000000003".parse().unwrap(),
        environment_id: "00000000-0000-7000-8000-000000000004".parse().unwrap(),
        integration: integration.name.clone(),
        is_enabled: true,
        overrides: example.overrides.clone(),
    };
    let mut case = Case::new(&integration, Some(&install), Some(Value::Object(import)));
    case.action.clone_from(&example.action);
    replay(case, &recording).map_err(|error| error.to_string())
}

fn compared(example: &Example, verdict: &Verdict) -> Option<String> {
    let expected = &example.expect;
    if let Some(missing) = &verdict.unanswered {
        let nearest = missing.nearest.as_ref().map_or_else(|| "nothing".to_owned(), Value::to_string);
        let differs = missing.differs.join("; ");
        return Some(format!(
            "no answer is given for\n    {}\nnearest is\n    {nearest}\n    {differs}",
            missing.request
        ));
    }
    let shown = verdict.shown_context().unwrap_or_default();
    // Secrets are not shown; those that came with the account may be told all the same.
    let came = example.account.get("context").cloned().unwrap_or_default();
    let value = |key: &String| shown.get(key).or_else(|| came.get(key)).cloned().unwrap_or_default();
    let context: Map<_, _> = expected.context.keys().map(|key| (key.clone(), value(key))).collect();
    let given = json!({
        "status": expected.status.as_ref().and(verdict.status),
        "result": expected.result.as_ref().and(verdict.result.as_ref()),
        "outcome": expected.outcome.as_ref().and(Some(&verdict.outcome)),
        "context": context,
        "last_error": expected.last_error.as_ref().and(verdict.last_error.as_ref()),
        "reason": expected.reason.as_ref().and(verdict.reason.as_ref()).map(|reason| reason.code),
        "refused": verdict.refusal.as_ref().map(|refusal| refusal.code),
        "unused": verdict.unused.iter().map(|unused| format!("{} {}", unused.method, unused.url)).collect::<Vec<_>>(),
    });
    let wanted = json!({
        "status": expected.status,
        "result": expected.result,
        "outcome": expected.outcome,
        "context": expected.context,
        "last_error": expected.last_error,
        "reason": expected.reason,
        "refused": expected.refused,
        "unused": [],
    });
    if expected.status.is_none() && expected.outcome.is_none() && expected.refused.is_none() {
        return Some("expects nothing: say `status`, `outcome` or `refused`".to_owned());
    }
    let changes = diff::of(&wanted, &given);
    if changes.is_empty() {
        return None;
    }
    let mut told = vec!["comes to something else:".to_owned()];
    for change in changes {
        let shown = |value: Option<Value>| value.map_or_else(|| "nothing".to_owned(), |value| value.to_string());
        told.push(format!("{}: expected {}, given {}", change.pointer, shown(change.before), shown(change.after)));
    }
    told.extend(verdict.last_error.iter().map(|error| format!("last_error: {error}")));
    told.extend(verdict.refusal.iter().map(|refusal| format!("refused: {}", refusal.message)));
    told.push(format!("trace: {}", verdict.trace));
    Some(told.join("\n    "))
}
