//! `tidewaiter replay plan` and `start`.

use clap::{ArgGroup, Args, Subcommand};
use uuid::Uuid;

use super::choice::{actor, exit, id, since};
use super::store::with_accounts;
use super::{CliError, Exit, Globals, Output, Table};
use crate::accounts::Accounts;
use crate::intake::message::check_id;
use crate::lifecycle::{ReasonCode, Status, Unknown, status_word};
use crate::operate::OperateError;
use crate::operate::replay::{self, Chosen, Outcome, Report, Selection, Since, Terms};

/// Accounts that were left alone and are named to a person.
const NAMED: usize = 20;

const EXAMPLE: &str = "\
Example:
  tidewaiter replay plan --status post_install_error --reason upstream_unavailable --since 2h
  tidewaiter replay start --plan 0193…";

const REFUSED: &str = "Accounts that replay refuses are told with their reason, and the exit code is then 1.";

/// Run failed accounts again.
#[derive(Debug, Subcommand)]
pub(super) enum Replay {
    /// Show what a replay would do, and keep the choice under a plan id.
    #[command(after_help = EXAMPLE)]
    Plan(Plan),
    /// Run the chosen accounts again: each gets a new run, from `post_install` on, with its install's definition of now.
    ///
    /// The same key starts the same replay once, however often it is repeated: after a crash it goes on with the rest.
    #[command(after_help = format!("{EXAMPLE}\n\n{REFUSED}"))]
    Start(Start),
}

/// Which accounts: ids, or everything that all of the options match.
#[derive(Debug, Args)]
#[command(group(ArgGroup::new("filter").multiple(true).conflicts_with("accounts")))]
struct Choice {
    /// Accounts to replay.
    #[arg(value_name = "ACCOUNT", value_parser = id)]
    accounts: Vec<Uuid>,
    /// Only in this status (may be repeated): `post_install_error`, `validation_error`, `needs_reauth`. Without it the
    /// first two: what the provider refused for good (`needs_reauth`) it refuses again, unless it was mended there.
    #[arg(long, group = "filter", value_parser = failed_status)]
    status: Vec<Status>,
    /// Only with this reason code (docs/errors.md).
    #[arg(long, group = "filter", value_name = "CODE")]
    reason: Option<ReasonCode>,
    /// Only of this integration.
    #[arg(long, group = "filter", value_name = "NAME")]
    integration: Option<String>,
    /// Only this tenant's.
    #[arg(long, group = "filter", value_name = "ID")]
    tenant: Option<String>,
    /// Only of this install.
    #[arg(long, group = "filter", value_name = "ID", value_parser = id)]
    environment_integration: Option<Uuid>,
    /// Only those that failed at or after this time (RFC 3339) or within this age (90s, 30m, 2h, 3d).
    #[arg(long, group = "filter", value_name = "WHEN", value_parser = since_of)]
    since: Option<Since>,
    /// The most accounts; more are refused, never cut short.
    #[arg(long, value_name = "N", default_value_t = 500)]
    max: usize,
    /// Also run accounts whose last outcome is unknown (`outcome_unknown`): the request whose answer was lost is sent again,
    /// as it was and perhaps a second time, and the run goes on behind it.
    #[arg(long)]
    resend: bool,
    /// Also run accounts whose last outcome is unknown: the request whose answer was lost is taken for done, without a
    /// result, and the run goes on behind it.
    #[arg(long, conflicts_with = "resend")]
    skip: bool,
}

/// What to look at.
#[derive(Debug, Args)]
pub(super) struct Plan {
    #[command(flatten)]
    choice: Choice,
    /// Only show; keep no plan.
    #[arg(long)]
    dry_run: bool,
}

/// What to start.
#[derive(Debug, Args)]
pub(super) struct Start {
    #[command(flatten)]
    choice: Choice,
    /// Start this plan: exactly the accounts that it has, as far as they did not change since.
    #[arg(long, value_name = "ID", value_parser = id, conflicts_with_all = ["accounts", "filter", "resend", "skip", "max"])]
    plan: Option<Uuid>,
    /// The same key starts nothing twice. Without it the plan's or the replay's id is the key.
    #[arg(long)]
    key: Option<String>,
    /// Only show what would be done.
    #[arg(long, conflicts_with = "key")]
    dry_run: bool,
}

fn failed_status(word: &str) -> Result<Status, String> {
    match word.parse::<Status>() {
        Ok(status @ (Status::PostInstallError | Status::ValidationError | Status::NeedsReauth)) => Ok(status),
        _ => Err("has to be an error status: post_install_error, validation_error, needs_reauth".to_owned()),
    }
}

fn since_of(text: &str) -> Result<Since, String> {
    Ok(Since { text: text.to_owned(), from_ms: since(text)? })
}

impl Choice {
    fn selection(&self) -> Result<Selection, CliError> {
        let mut accounts = self.accounts.clone();
        accounts.sort_unstable();
        accounts.dedup();
        let selection = Selection {
            accounts,
            statuses: self.status.clone(),
            reason: self.reason,
            integration: self.integration.clone(),
            tenant: self.tenant.clone(),
            environment_integration: self.environment_integration,
            since: self.since.clone(),
        };
        if selection == Selection::default() {
            return Err(CliError::bad_input("nothing says which accounts: name them, or give at least one filter")
                .hint("`--status post_install_error --status validation_error` is everything that failed in a phase"));
        }
        Ok(selection)
    }

    const fn terms(&self) -> Terms {
        let unknown = match (self.resend, self.skip) {
            (true, _) => Some(Unknown::Resend),
            (_, true) => Some(Unknown::Skip),
            (false, false) => None,
        };
        Terms { cap: self.max, unknown }
    }
}

impl Replay {
    pub(super) fn run(&self, globals: &Globals) -> Result<Exit, CliError> {
        match self {
            Self::Plan(plan) => {
                let selection = plan.choice.selection()?;
                with_accounts(globals, async |accounts| plan.run(globals, &accounts, &selection).await)
            }
            Self::Start(start) => {
                if let Some(Err(wrong)) = start.key.as_deref().map(check_id) {
                    return Err(CliError::bad_input(format!("--key {wrong}")));
                }
                let selection = match start.plan {
                    Some(_) => Selection::default(),
                    None => start.choice.selection()?,
                };
                with_accounts(globals, async |accounts| start.run(globals, &accounts, &selection).await)
            }
        }
    }
}

impl Plan {
    async fn run(&self, globals: &Globals, accounts: &Accounts, selection: &Selection) -> Result<Exit, CliError> {
        let terms = self.choice.terms();
        let chosen = replay::choose(accounts, selection, terms).await?;
        let mut report = Report::of(accounts, &chosen).await?;
        if !self.dry_run && chosen.count > 0 {
            report.plan = Some(replay::plan(accounts, selection, terms, &chosen, &actor()).await?);
        }
        tell_report(&mut globals.output(), &report)?;
        Ok(Exit::Done)
    }
}

impl Start {
    async fn run(&self, globals: &Globals, accounts: &Accounts, selection: &Selection) -> Result<Exit, CliError> {
        if self.dry_run {
            let chosen = self.chosen(accounts, selection).await?;
            tell_report(&mut globals.output(), &Report::of(accounts, &chosen).await?)?;
            return Ok(Exit::Done);
        }
        let terms = self.choice.terms();
        let key = self.key.as_deref();
        let replay = match (self.plan, key) {
            (Some(plan), key) => replay::start_plan(accounts, plan, key).await?,
            (None, Some(key)) => match replay::find(accounts, selection, terms, key).await? {
                Some(replay) => replay,
                None => self.start(accounts, selection).await?,
            },
            (None, None) => self.start(accounts, selection).await?,
        };
        // Told before anything is done: after a crash this key goes on with it.
        tracing::info!(replay = %replay.id, key = replay.key, "replaying; the same key goes on with it after a crash");
        let outcome = Outcome::of(accounts, &replay).await?;
        tell_outcome(&mut globals.output(), &outcome)?;
        Ok(exit(outcome.refusals.is_empty()))
    }

    async fn chosen(&self, accounts: &Accounts, selection: &Selection) -> Result<Chosen, CliError> {
        let Some(plan) = self.plan else {
            return Ok(replay::choose(accounts, selection, self.choice.terms()).await?);
        };
        let found = accounts.store.replay(plan).await?;
        let found = found.ok_or(OperateError::UnknownPlan(plan))?;
        Ok(replay::choose_planned(accounts, &found).await?)
    }

    async fn start(&self, accounts: &Accounts, selection: &Selection) -> Result<crate::store::Replay, CliError> {
        let terms = self.choice.terms();
        let chosen = replay::choose(accounts, selection, terms).await?;
        let key = self.key.as_deref();
        Ok(replay::start(accounts, selection, terms, &chosen, key, &actor()).await?)
    }
}

fn tell_report(output: &mut Output, report: &Report) -> Result<(), CliError> {
    if output.is_json() {
        return output.json(report);
    }
    output
        .line(&format!("accounts that would run again: {}, that would not: {}", report.eligible, report.ineligible))?;
    let mut causes = Table::new(["status", "reason", "accounts"]);
    for cause in &report.causes {
        let reason = cause.reason.map_or("-", ReasonCode::as_str);
        causes.row([status_word(cause.status), reason, &cause.accounts.to_string()]);
    }
    let mut shares = Table::new(["integration", "accounts"]);
    for share in &report.integrations {
        shares.row([&share.integration, &share.accounts.to_string()]);
    }
    let mut obstacles = Table::new(["left alone", "accounts", "why"]);
    for obstacle in &report.reasons {
        obstacles.row([obstacle.code.as_str(), &obstacle.accounts.to_string(), obstacle.meaning]);
    }
    let tables =
        [(report.causes.len(), causes), (report.integrations.len(), shares), (report.reasons.len(), obstacles)];
    for (_, table) in tables.into_iter().filter(|(rows, _)| *rows > 0) {
        output.text("\n")?;
        output.text(&table.to_string())?;
    }
    if report.eligible > 0 {
        output.text("\n")?;
    }
    for host in &report.hosts {
        output.line(&format!("requests go to {host}"))?;
    }
    for write in &report.repeated_writes {
        output.line(&format!(
            "step `{}` ({}, {}) writes, and is done again even where it succeeded",
            write.step, write.integration, write.phase
        ))?;
    }
    match report.plan {
        Some(plan) => output.line(&format!("plan {plan}: `tidewaiter replay start --plan {plan}` starts it")),
        None => Ok(()),
    }
}

fn tell_outcome(output: &mut Output, outcome: &Outcome) -> Result<(), CliError> {
    if output.is_json() {
        return output.json(outcome);
    }
    let refused = outcome.refusals.len();
    output.line(&format!("accounts that run again: {}, left alone: {refused}", outcome.started))?;
    for refusal in outcome.refusals.iter().take(NAMED) {
        output.line(&format!("account {}: {}", refusal.account, refusal.code))?;
    }
    if refused > NAMED {
        output.line(&format!("… and {} more (--json names them all)", refused - NAMED))?;
    }
    let runs: Vec<String> = outcome.runs.iter().map(|(word, count)| format!("{count} {word}")).collect();
    if !runs.is_empty() {
        output.line(&format!("their runs: {}", runs.join(", ")))?;
    }
    output.line(&format!(
        "replay {}, key {}: the same key starts nothing more and shows how its runs stand",
        outcome.replay, outcome.key
    ))
}
