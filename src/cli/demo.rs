//! `tidewaiter demo`: what a visitor sees first.

use std::io::Write as _;

use clap::Args;
use serde_json::{Value, json};

use super::accounts::table;
use super::events::sentence;
use super::{CliError, Exit, Globals, Output, block_on};
use crate::app::demo::{Demo as Story, Told};
use crate::intake::{Disposition, LineOutcome};
use crate::store::Account;

/// Show the whole story: a stub provider, imports that end in every status, events, and a table of the accounts.
///
/// Needs nothing, takes seconds. With --json: the events as the worker publishes them, then one summary object.
#[derive(Debug, Args)]
pub(super) struct Demo {}

impl Demo {
    #[expect(clippy::unused_self, reason = "every verb has this form")]
    pub(super) fn run(&self, globals: &Globals) -> Result<Exit, CliError> {
        let mut output = globals.output();
        let (story, accounts) = block_on(async {
            let story = Story::set_up(output.is_json()).await?;
            if !output.is_json() {
                introduce(&mut output, &story)?;
            }
            let accounts = story
                .perform(|told| {
                    if !output.is_json() {
                        // A reader that went away is found out by the next answer.
                        let _ = tell(&mut output, &told);
                    }
                })
                .await?;
            Ok::<_, CliError>((story, accounts))
        })??;
        if output.is_json() {
            output.json(&summary(&story, &accounts))?;
        } else {
            conclude(&mut output, &story, &accounts)?;
        }
        if Story::is_complete(&accounts) {
            Ok(Exit::Done)
        } else {
            let _ = writeln!(std::io::stderr(), "error: not every status was reached; this is a fault in Tidewaiter");
            Ok(Exit::Findings)
        }
    }
}

fn introduce(output: &mut Output, story: &Story) -> Result<(), CliError> {
    output.text(&format!(
        "A stub provider, a worker and a fresh database, all in this process and in\n  {}\n\n\
         Importing nine requests: one twice, one for a region that does not exist.\n\n",
        story.directory.display()
    ))
}

fn tell(output: &mut Output, told: &Told<'_>) -> Result<(), CliError> {
    match told {
        Told::Line(outcome) => output.line(&line(outcome)),
        Told::Event(event) => output.line(&format!("  event   {}", sentence(event))),
    }
}

fn line(outcome: &LineOutcome) -> String {
    let number = outcome.line;
    match &outcome.disposition {
        Disposition::Accepted(account) => {
            format!("  line {number}  accepted: {} is account {}", account.tenant_id, account.id)
        }
        Disposition::Duplicate(account) => format!("  line {number}  duplicate of the request that made {account}"),
        Disposition::Refused(refusal) => format!("  line {number}  refused: {refusal}"),
    }
}

fn conclude(output: &mut Output, story: &Story, accounts: &[Account]) -> Result<(), CliError> {
    output.text("\nWhere the accounts ended:\n\n")?;
    output.text(&table(accounts).to_string())?;
    let config = story.config.display();
    let failed = accounts.iter().find(|account| account.reason.is_some()).or(accounts.first());
    let id = failed.map_or_else(String::new, |account| account.id.to_string());
    output.text(&format!(
        "\nWhat to try next, on the demo's database:\n\n  \
         tidewaiter --config {config} accounts show {id}\n  \
         tidewaiter --config {config} accounts list --status needs_reauth --json\n  \
         tidewaiter --config {config} events tail --all --no-follow\n  \
         tidewaiter --config {config} import {directory}/imports.ndjson   # the same again: nothing twice\n  \
         echo '{{\"plan\":\"pro\"}}' | tidewaiter eval --jsonata '$uppercase(plan)' --input -\n\n\
         The binary is target/release/tidewaiter when cargo built it; the database is {database}.\n",
        directory = story.directory.display(),
        database = story.database.display(),
    ))
}

fn summary(story: &Story, accounts: &[Account]) -> Value {
    let accounts: Vec<Value> = accounts
        .iter()
        .map(|account| {
            json!({ "id": account.id, "tenant_id": account.tenant_id, "status": account.status, "reason": account.reason })
        })
        .collect();
    json!({ "accounts": accounts, "database": story.database })
}
