//! `tidewaiter accounts list`, `show` and `patch`.

mod patch;

use std::sync::Arc;

use clap::{Args, Subcommand};
use serde_json::{Value, json};
use uuid::Uuid;

use super::store::{Need, with_store};
use super::{CliError, Exit, Globals, Table};
use crate::accounts::account_answer_with;
use crate::app;
use crate::clock::rfc3339;
use crate::config::Settings;
use crate::events::account_object;
use crate::lifecycle::{Region, Status, status_word};
use crate::store::{Account, AccountFilter, ClosedGate, RunView, Store};
use crate::telemetry::Metrics;

/// Accounts.
#[derive(Debug, Subcommand)]
pub(super) enum Accounts {
    /// List accounts, oldest first.
    List(List),
    /// Show one account: what it is, why, what its latest run did, its runs, its events.
    Show {
        /// The account's id.
        #[arg(value_parser = super::choice::id)]
        id: Uuid,
    },
    Patch(patch::Patch),
}

/// Which accounts.
#[derive(Debug, Args)]
pub(super) struct List {
    /// Only this tenant's.
    #[arg(long)]
    tenant: Option<String>,
    /// Only in this status.
    #[arg(long)]
    status: Option<Status>,
    /// Only of this integration.
    #[arg(long)]
    integration: Option<String>,
    /// Only in this region.
    #[arg(long)]
    region: Option<Region>,
    /// Only with this reason code.
    #[arg(long)]
    reason: Option<String>,
    /// At most so many.
    #[arg(long, default_value_t = 100)]
    limit: u32,
    /// All of them.
    #[arg(long, conflicts_with = "limit")]
    all: bool,
}

/// Runs of an account that are shown.
const RUNS: u32 = 20;

/// Accounts of one read.
const PAGE: u32 = 1000;

impl Accounts {
    pub(super) fn run(&self, globals: &Globals) -> Result<Exit, CliError> {
        match self {
            Self::List(list) => {
                with_store(globals, Need::Existing, async |_, store, _| list.print(globals, &store).await)
            }
            Self::Show { id } => with_store(globals, Need::Existing, async |settings, store, metrics| {
                show(globals, (&settings, metrics), &store, *id).await
            }),
            Self::Patch(patch) => patch.run(globals),
        }
    }
}

impl List {
    async fn print(&self, globals: &Globals, store: &Arc<dyn Store>) -> Result<Exit, CliError> {
        let mut filter = AccountFilter {
            tenant_id: self.tenant.clone(),
            status: self.status,
            integration_name: self.integration.clone(),
            region: self.region,
            reason: self.reason.clone(),
            ..AccountFilter::default()
        };
        let mut output = globals.output();
        let mut left = if self.all { usize::MAX } else { self.limit as usize };
        let mut accounts = Vec::new();
        while left > 0 {
            let page = store.accounts(&filter, PAGE.min(u32::try_from(left).unwrap_or(PAGE))).await?;
            let Some(last) = page.last() else { break };
            filter.after = Some(last.id);
            left -= page.len().min(left);
            if output.is_json() {
                page.iter().try_for_each(|account| output.json(&account_object(account)))?;
            } else {
                accounts.extend(page);
            }
        }
        if !output.is_json() {
            output.text(&table(&accounts).to_string())?;
        }
        Ok(Exit::Done)
    }
}

/// Accounts for people.
pub(super) fn table(accounts: &[Account]) -> Table {
    let mut table = Table::new(["account", "tenant", "integration", "status", "reason", "what happened"]);
    for account in accounts {
        table.row([
            &account.id.to_string(),
            &account.tenant_id,
            &account.integration.name,
            status_word(account.status),
            account.reason.as_ref().map_or("", |reason| reason.code.as_str()),
            account.last_error.as_deref().unwrap_or_default(),
        ]);
    }
    table
}

/// The account's own override for people. Keys are needed only where there is one.
async fn override_of(
    (settings, metrics): (&Settings, Metrics),
    store: &Arc<dyn Store>,
    account: &Account,
) -> Result<Value, CliError> {
    if store.account_override(account.id).await?.is_none() {
        return Ok(Value::Null);
    }
    let parts = app::open_parts(settings, Arc::clone(store), None, metrics).await?;
    Ok(parts.accounts.shown_override(account).await?)
}

async fn show(
    globals: &Globals,
    process: (&Settings, Metrics),
    store: &Arc<dyn Store>,
    id: Uuid,
) -> Result<Exit, CliError> {
    let account = store.account(id).await?.ok_or_else(|| CliError::bad_input(format!("there is no account {id}")))?;
    let own = override_of(process, store, &account).await?;
    let mut answer = account_answer_with(store, &account, own).await?;
    let mut closed = store.closed_gates().await?;
    closed.retain(|gate| gate.install == account.environment_integration_id);
    let mut output = globals.output();
    if output.is_json() {
        answer["closed_gates"] = json!(closed);
        output.json(&answer)?;
        return Ok(Exit::Done);
    }
    let results = answer["last_action_result"].take();
    let mut fields = Table::new(["field", "value"]);
    for (name, value) in answer.as_object().into_iter().flatten().filter(|(_, value)| !value.is_null()) {
        fields.row([name, &plain(value)]);
    }
    output.text(&fields.to_string())?;
    output.text("\n")?;
    let entries = results.as_object().into_iter().flatten().filter_map(|(_, action)| action["steps"].as_array());
    output.text(&steps(entries.flatten()).to_string())?;
    output.text("\n")?;
    output.text(&runs(&store.runs(id, RUNS).await?).to_string())?;
    output.text("\n")?;
    if !closed.is_empty() {
        output.text(&gates(&closed).to_string())?;
        output.text("\n")?;
    }
    let mut told = Table::new(["sequence", "event"]);
    for event in store.account_events(id, 1, PAGE).await? {
        told.row([&event.sequence.to_string(), &event.event_type]);
    }
    output.text(&told.to_string())?;
    Ok(Exit::Done)
}

/// What runs of the account's install may be waiting for.
fn gates(closed: &[ClosedGate]) -> Table {
    let mut table = Table::new(["closed gate", "reason", "seconds left"]);
    for gate in closed {
        table.row([gate.host.as_str(), gate.reason.as_str(), &(gate.left_ms / 1000).to_string()]);
    }
    table
}

/// Runs for people, latest first.
pub(super) fn runs(runs: &[RunView]) -> Table {
    let mut table = Table::new(["run", "cause", "action", "state", "outcome", "made", "replay of"]);
    for run in runs {
        table.row([
            &run.id.to_string(),
            run.cause.as_str(),
            run.action.as_deref().unwrap_or_default(),
            &run.state,
            run.outcome.as_deref().unwrap_or_default(),
            &rfc3339(run.created_at_ms),
            &run.replay_of.map(|run| run.to_string()).unwrap_or_default(),
        ]);
    }
    table
}

/// The attempts of a run's steps.
pub(super) fn steps<'a>(entries: impl Iterator<Item = &'a Value>) -> Table {
    let mut table = Table::new(["phase", "step", "attempt", "status", "http", "ms", "error"]);
    for entry in entries {
        table.row([
            &plain(&entry["phase"]),
            &step(entry),
            &plain(&entry["attempt"]),
            &became(entry),
            &plain(&entry["http_status"]),
            &plain(&entry["duration_ms"]),
            &plain(&entry["error"]),
        ]);
    }
    table
}

/// A step's name or index, and which part of it an attempt was: of its loop, of its list's pages, its probe, or
/// the refresh of the token.
fn step(entry: &Value) -> String {
    let mut told = plain(if entry["name"].is_string() { &entry["name"] } else { &entry["index"] });
    for part in ["item", "page"] {
        if let Some(number) = entry[part].as_u64() {
            told = format!("{told}, {part} {number}");
        }
    }
    match entry["type"].as_str() {
        Some("probe") => told.push_str(", probe"),
        Some("refresh") if entry["phase"] == "refresh" => "token".clone_into(&mut told),
        Some("refresh") => told.push_str(", token"),
        _ => {}
    }
    told
}

/// What became of an attempt, with what a person would ask next.
fn became(entry: &Value) -> String {
    let status = plain(&entry["status"]);
    match entry["why"].as_str() {
        Some(why) => format!("{status}: {why}"),
        None if entry["continued"] == true => format!("{status}, continued"),
        None => status,
    }
}

fn plain(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_attempt_is_told_with_its_item_page_or_probe_and_why_it_was_skipped() {
        for (entry, told) in [
            (json!({ "index": 3, "type": "transform", "status": "success" }), ("3", "success")),
            (
                json!({ "index": 0, "name": "docks", "item": 1, "page": 2, "status": "success" }),
                ("docks, item 1, page 2", "success"),
            ),
            (json!({ "index": 2, "name": "hook", "type": "probe", "status": "error" }), ("hook, probe", "error")),
            (json!({ "index": 2, "name": "hook", "status": "skipped", "why": "run_if" }), ("hook", "skipped: run_if")),
            (json!({ "index": 2, "name": "logo", "status": "error", "continued": true }), ("logo", "error, continued")),
        ] {
            assert_eq!((step(&entry).as_str(), became(&entry).as_str()), told);
        }
    }
}
