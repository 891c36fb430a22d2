//! A verdict for people.

use serde_json::Value;

use crate::cli::{CliError, Output};
use crate::operate::trial::{Exchanged, Unanswered, Verdict};

/// The longest JSON value that is shown on a line, in characters; `--json` shows all.
const LONGEST: usize = 400;

pub(super) fn verdict(output: &mut Output, verdict: &Verdict) -> Result<(), CliError> {
    output.line(&headline(verdict))?;
    if let Some(reason) = &verdict.reason {
        let place = reason.phase.map_or("the action", |phase| phase.as_str());
        let step = reason.step.as_ref().map_or_else(String::new, |step| format!(", step {step}"));
        output.line(&format!("  in {place}{step}; who acts: {}", reason.who_acts))?;
    }
    for failure in verdict.refusal.iter().flat_map(|refusal| &refusal.failures) {
        output.line(&format!("  {}: {}", failure.pointer, failure.message))?;
    }
    if let Some(missing) = &verdict.unanswered {
        unanswered(output, missing)?;
    }
    section(output, "events", verdict.events.iter().map(|event| vec![event_line(event.get())]))?;
    section(output, "requests", requests(verdict))?;
    section(output, "result", verdict.result.iter().map(|result| vec![short(result)]))?;
    section(output, "context", verdict.context.iter().map(|change| vec![changed(change)]))?;
    let unused =
        verdict.unused.iter().map(|unused| vec![format!("{} {} ({} left)", unused.method, unused.url, unused.times)]);
    section(output, "answers that nobody asked for", unused)
}

fn headline(verdict: &Verdict) -> String {
    let name = &verdict.integration;
    match (verdict.status, &verdict.reason, &verdict.refusal) {
        (_, _, Some(refusal)) => format!("{name}: the import is refused: {}: {}", refusal.code, refusal.message),
        (Some(_), Some(reason), _) if verdict.last_error.is_none() => {
            format!("{name}: the action failed, {}: {}", reason.code, reason.message)
        }
        (Some(status), Some(reason), _) => format!("{name}: {status}, {}: {}", reason.code, reason.message),
        (Some(_), None, _) if verdict.result.is_some() => format!("{name}: the action succeeded"),
        (Some(status), None, _) => format!("{name}: {status}"),
        (None, ..) => format!("{name}: no verdict, the recording has no answer for a request"),
    }
}

fn unanswered(output: &mut Output, missing: &Unanswered) -> Result<(), CliError> {
    output.line("")?;
    output.line("there is no answer for")?;
    for line in request(&missing.request) {
        output.line(&format!("  {line}"))?;
    }
    let Some(nearest) = &missing.nearest else {
        return output.line("the recording has no answers at all");
    };
    let place = missing.place.unwrap_or_default();
    output.line(&format!("what is recorded nearest, /exchanges/{place}"))?;
    for line in request(nearest) {
        output.line(&format!("  {line}"))?;
    }
    missing.differs.iter().try_for_each(|text| output.line(&format!("  - {text}")))
}

/// A headed list; nothing where it is empty.
fn section(output: &mut Output, head: &str, entries: impl Iterator<Item = Vec<String>>) -> Result<(), CliError> {
    for (at, lines) in entries.enumerate() {
        if at == 0 {
            output.line("")?;
            output.line(head)?;
        }
        lines.iter().try_for_each(|line| output.line(&format!("  {line}")))?;
    }
    Ok(())
}

fn event_line(envelope: &str) -> String {
    let event: Value = serde_json::from_str(envelope).unwrap_or_default();
    let text = |pointer: &str| event.pointer(pointer).and_then(Value::as_str).unwrap_or_default().to_owned();
    format!("{}  {}", text("/type"), text("/data/status"))
}

/// The requests, with the pauses between them.
fn requests(verdict: &Verdict) -> impl Iterator<Item = Vec<String>> {
    let pauses_after = |requests: usize| {
        let pauses = verdict.waits.iter().filter(move |wait| wait.requests == requests);
        pauses.map(|wait| format!("(waits {} ms: {})", wait.after_ms, wait.reason))
    };
    verdict.exchanges.iter().enumerate().map(move |(at, exchange)| {
        let mut lines = vec![format!("{}. {}", at + 1, place(exchange))];
        lines.extend(request(&exchange.request).into_iter().map(|line| format!("   {line}")));
        lines.extend(exchange.response.iter().map(|response| format!("   -> {}", answer(response))));
        lines.extend(pauses_after(at + 1));
        lines
    })
}

fn place(exchange: &Exchanged) -> String {
    let step = exchange.step.as_ref().map_or_else(String::new, |step| format!(", step {step}"));
    format!("{}{step}", exchange.phase)
}

fn request(request: &Value) -> Vec<String> {
    let text = |name: &str| request[name].as_str().unwrap_or_default();
    let mut lines = vec![format!("{} {}", text("method"), text("url"))];
    for (name, value) in request["headers"].as_object().into_iter().flatten() {
        lines.push(format!("{name}: {}", value.as_str().map_or_else(|| value.to_string(), str::to_owned)));
    }
    lines.extend(request.get("body").map(short));
    lines
}

fn answer(response: &Value) -> String {
    if let Some(error) = response.get("error").and_then(Value::as_str) {
        return format!("no answer: {error}");
    }
    let body = response.get("body").map(|body| format!(" {}", short(body)));
    format!("{}{}", response["status"], body.unwrap_or_default())
}

fn changed(change: &crate::operate::trial::Changed) -> String {
    match (&change.before, &change.after) {
        (None, Some(after)) => format!("+ {} {}", change.pointer, short(after)),
        (Some(before), None) => format!("- {} {}", change.pointer, short(before)),
        (before, after) => {
            let shown = |value: &Option<Value>| value.as_ref().map(short).unwrap_or_default();
            format!("~ {} {} -> {}", change.pointer, shown(before), shown(after))
        }
    }
}

fn short(value: &Value) -> String {
    let text = value.to_string();
    match text.char_indices().nth(LONGEST) {
        Some((end, _)) => format!("{} … ({} bytes)", &text[..end], text.len()),
        None => text,
    }
}
