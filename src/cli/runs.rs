//! `tidewaiter runs start`, `list` and `show`.

use std::time::Duration;

use clap::{ArgGroup, Args, Subcommand};
use serde_json::Value;
use tokio::time::Instant;
use uuid::Uuid;

use super::accounts::{runs, steps};
use super::choice::{exit, id};
use super::store::{Need, with_accounts, with_store};
use super::{CliError, Exit, Globals, Output};
use crate::accounts::{Accounts, Demand, Ineligible, Refused, RunOrder, run_answer};
use crate::store::RunView;

const EXAMPLE: &str = "\
Example:
  tidewaiter runs start 0193… --action sync_users --wait 30
  tidewaiter runs start 0193… --post-install";

/// Between two looks at a run that is waited for.
const LOOK: Duration = Duration::from_millis(250);

/// Runs of accounts.
#[derive(Debug, Subcommand)]
pub(super) enum Runs {
    /// Let an account run: a custom action, its phases again, or a token refresh. A running worker performs it.
    ///
    /// Each call is a run of its own: what an earlier one did is done again. While a run of the account is unfinished,
    /// another is refused.
    #[command(after_help = EXAMPLE)]
    Start(Start),
    /// List an account's runs, latest first.
    List {
        /// The account's id.
        #[arg(value_parser = id)]
        account: Uuid,
        /// At most so many.
        #[arg(long, default_value_t = 100)]
        limit: u32,
    },
    /// Show one run and the attempts of its steps.
    Show {
        /// The run's id.
        #[arg(value_parser = id)]
        run: Uuid,
    },
}

/// What to do.
#[derive(Debug, Args)]
#[command(group(ArgGroup::new("what").required(true)))]
pub(super) struct Start {
    /// The account's id.
    #[arg(value_parser = id)]
    account: Uuid,
    /// Perform this custom action of the account's definition. It leaves the account's status as it is, unless the
    /// credential is refused.
    #[arg(long, group = "what", value_name = "NAME")]
    action: Option<String>,
    /// Run both phases again, from `post_install` on; the account is `connecting` meanwhile.
    #[arg(long, group = "what")]
    post_install: bool,
    /// Run the validation again; the account is `connecting` meanwhile.
    #[arg(long, group = "what")]
    revalidate: bool,
    /// Refresh the token.
    #[arg(long, group = "what")]
    refresh: bool,
    /// Wait so long for the run's end; exit code 1 when it failed, 3 when it has not ended by then.
    #[arg(long, value_name = "SECONDS")]
    wait: Option<u64>,
}

impl Runs {
    pub(super) fn run(&self, globals: &Globals) -> Result<Exit, CliError> {
        match self {
            Self::Start(start) => with_accounts(globals, async |accounts| start.run(globals, &accounts).await),
            Self::List { account, limit } => with_store(globals, Need::Existing, async |_, store, _| {
                if store.account(*account).await?.is_none() {
                    return Err(CliError::bad_input(format!("there is no account {account}")));
                }
                let found = store.runs(*account, *limit).await?;
                let mut output = globals.output();
                if output.is_json() {
                    found.iter().try_for_each(|run| output.json(&run_answer(run)))?;
                } else {
                    output.text(&runs(&found).to_string())?;
                }
                Ok(Exit::Done)
            }),
            Self::Show { run } => with_store(globals, Need::Existing, async |_, store, _| {
                let found = store.run(*run).await?;
                let found = found.ok_or_else(|| CliError::bad_input(format!("there is no run {run}")))?;
                tell(&mut globals.output(), &found)?;
                Ok(Exit::Done)
            }),
        }
    }
}

impl Start {
    fn demand(&self) -> Demand<'_> {
        match &self.action {
            Some(name) => Demand::Action(name),
            None if self.post_install => Demand::Rerun,
            None if self.revalidate => Demand::Revalidate,
            None => Demand::Refresh,
        }
    }

    async fn run(&self, globals: &Globals, accounts: &Accounts) -> Result<Exit, CliError> {
        let order = RunOrder { account: self.account, demand: self.demand(), correlation_id: None };
        let mut run = accounts.request_run(&order).await?.map_err(|refused| self.refused(&refused))?;
        let mut output = globals.output();
        let Some(seconds) = self.wait else {
            tell(&mut output, &run)?;
            return Ok(Exit::Done);
        };
        let until = Instant::now() + Duration::from_secs(seconds);
        while run.finished_at_ms.is_none() && Instant::now() < until {
            tokio::time::sleep(LOOK.min(until - Instant::now())).await;
            let found = accounts.store.run(run.id).await?;
            run = found.ok_or_else(|| CliError::bad_input(format!("run {} is gone", run.id)))?;
        }
        tell(&mut output, &run)?;
        if run.finished_at_ms.is_none() {
            let message = format!("run {} has not ended within {seconds} s; it goes on", run.id);
            return Err(CliError::unavailable(message)
                .hint(format!("`tidewaiter runs show {}` tells how it stands; is a worker running?", run.id)));
        }
        Ok(exit(run.outcome.as_deref() == Some("succeeded")))
    }

    fn refused(&self, refused: &Refused) -> CliError {
        let message = format!("account {}: {}: {refused}", self.account, refused.code());
        match refused {
            Refused::Account(Ineligible::RunInProgress | Ineligible::Changed | Ineligible::OutcomeUnknown) => {
                CliError::new(Exit::Findings, message)
            }
            _ => CliError::bad_input(message),
        }
    }
}

/// A run for people, or as a line of JSON.
fn tell(output: &mut Output, run: &RunView) -> Result<(), CliError> {
    let answer = run_answer(run);
    if output.is_json() {
        return output.json(&answer);
    }
    output.text(&runs(std::slice::from_ref(run)).to_string())?;
    let entries: Vec<&Value> = answer["steps"].as_array().into_iter().flatten().collect();
    if entries.is_empty() {
        return Ok(());
    }
    output.text("\n")?;
    output.text(&steps(entries.into_iter()).to_string())
}
