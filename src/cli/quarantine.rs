//! `tidewaiter quarantine list`, `show`, `resubmit` and `drop`.

use std::fs;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::{Args, Subcommand};
use serde_json::{Value, json};
use uuid::Uuid;

use super::choice::{actor, exit, id, since};
use super::store::{Need, with_store};
use super::{CliError, Exit, Globals, Output, Table};
use crate::accounts::ImportError;
use crate::app;
use crate::broker::Broker;
use crate::clock::rfc3339;
use crate::config::Settings;
use crate::intake::{Address, Intake, json as strict};
use crate::lifecycle::IntakeCode;
use crate::operate::quarantine::{self, Resubmission, ResubmitError, Verdict, Way};
use crate::store::{Channel, QuarantineFilter, QuarantineRow, QuarantineState, Store};
use crate::tasks::Tasks;

/// How long the broker's connection may take to be closed in order.
const CLOSING: Duration = Duration::from_secs(5);

const EXAMPLE: &str = "\
Example:
  tidewaiter quarantine list --reason invalid
  tidewaiter quarantine show 0193… --body > body.json     # it holds credentials
  $EDITOR body.json
  tidewaiter quarantine resubmit 0193… --body body.json";

/// Requests that could not be accepted.
#[derive(Debug, Subcommand)]
pub(super) enum Quarantine {
    /// List them, oldest first; nothing that is sealed is opened.
    #[command(after_help = EXAMPLE)]
    List(List),
    /// Show one. Its body only with --body, and then nothing else.
    #[command(after_help = EXAMPLE)]
    Show(Show),
    /// Send requests again, as they came or with another body. What would be refused again is not sent and stays held.
    #[command(after_help = EXAMPLE)]
    Resubmit(Resubmit),
    /// Give requests up and erase their bodies.
    Drop(Drop),
}

/// Which requests.
#[derive(Debug, Args)]
pub(super) struct List {
    /// Only with this code (docs/errors.md).
    #[arg(long, value_name = "CODE")]
    reason: Option<IntakeCode>,
    /// Only those that came this way: amqp, file.
    #[arg(long)]
    channel: Option<Channel>,
    /// Only in this state: held, resubmitted, dropped. Without it all.
    #[arg(long)]
    state: Option<QuarantineState>,
    /// Only those that came at or after this time (RFC 3339) or within this age (90s, 30m, 2h, 3d).
    #[arg(long, value_name = "WHEN", value_parser = since)]
    since: Option<i64>,
    /// At most so many.
    #[arg(long, default_value_t = 100)]
    limit: u32,
    /// Go on behind this id: the last one of the list before.
    #[arg(long, value_name = "ID", value_parser = id)]
    after: Option<Uuid>,
}

/// Which request.
#[derive(Debug, Args)]
pub(super) struct Show {
    /// Its id.
    #[arg(value_parser = id)]
    id: Uuid,
    /// Print its body as it came, and nothing else. It may hold credentials.
    #[arg(long)]
    body: bool,
}

/// What to send again.
#[derive(Debug, Args)]
pub(super) struct Resubmit {
    /// The request.
    #[arg(required_unless_present = "all", value_parser = id)]
    id: Option<Uuid>,
    /// Send this file's content instead of what came; `-` is standard input.
    #[arg(long, value_name = "FILE", conflicts_with = "all")]
    body: Option<PathBuf>,
    /// All held requests with the code of --reason.
    #[arg(long, conflicts_with = "id", requires = "reason")]
    all: bool,
    /// The code.
    #[arg(long, value_name = "CODE", requires = "all")]
    reason: Option<IntakeCode>,
    /// The most requests; more are refused, never cut short.
    #[arg(long, value_name = "N", default_value_t = 500)]
    max: usize,
    /// Go straight into the database although a broker is configured.
    #[arg(long)]
    direct: bool,
    /// Only say what would be accepted.
    #[arg(long)]
    dry_run: bool,
}

/// What to give up.
#[derive(Debug, Args)]
pub(super) struct Drop {
    /// The requests.
    #[arg(required = true, value_name = "ID", value_parser = id)]
    ids: Vec<Uuid>,
    /// The most requests.
    #[arg(long, value_name = "N", default_value_t = 500)]
    max: usize,
    /// Only say what would be given up.
    #[arg(long)]
    dry_run: bool,
}

impl Quarantine {
    pub(super) fn run(&self, globals: &Globals) -> Result<Exit, CliError> {
        match self {
            Self::List(list) => {
                with_store(globals, Need::Existing, async |_, store, _| list.print(globals, store.as_ref()).await)
            }
            Self::Show(show) if show.body => {
                with_intake(globals, async |_, intake| show.print_body(&mut globals.output(), &intake).await)
            }
            Self::Show(show) => {
                with_store(globals, Need::Existing, async |_, store, _| show.print(globals, store.as_ref()).await)
            }
            Self::Resubmit(again) => {
                let body = again.body.as_deref().map(read_body).transpose()?;
                with_intake(globals, async |settings, intake| again.send(globals, &settings, &intake, body).await)
            }
            Self::Drop(drop) => {
                with_store(globals, Need::Existing, async |_, store, _| drop.give_up(globals, store.as_ref()).await)
            }
        }
    }
}

fn with_intake<F>(globals: &Globals, work: F) -> Result<Exit, CliError>
where
    F: AsyncFnOnce(Settings, Intake) -> Result<Exit, CliError>,
{
    with_store(globals, Need::Existing, async |settings, store, metrics| {
        let parts = app::open_parts(&settings, store, None, metrics).await?;
        work(settings, parts.intake).await
    })
}

/// Reads a body that an operator gives; one byte more than a message may have is enough to refuse it.
fn read_body(path: &Path) -> Result<Vec<u8>, CliError> {
    let most = strict::MAX_BYTES as u64 + 1;
    let mut body = Vec::new();
    let read = if path == Path::new("-") {
        std::io::stdin().lock().take(most).read_to_end(&mut body)
    } else {
        fs::File::open(path).and_then(|file| file.take(most).read_to_end(&mut body))
    };
    read.map_err(|error| CliError::bad_input(format!("{} cannot be read: {error}", path.display())))?;
    // An editor's last line feed is no part of a message.
    while body.last().is_some_and(u8::is_ascii_whitespace) {
        body.pop();
    }
    Ok(body)
}

impl List {
    async fn print(&self, globals: &Globals, store: &dyn Store) -> Result<Exit, CliError> {
        let filter = QuarantineFilter {
            state: self.state,
            reason: self.reason.map(|reason| reason.as_str().to_owned()),
            channel: self.channel,
            since_ms: self.since,
            after: self.after,
        };
        let rows = store.quarantined(&filter, self.limit).await?;
        let mut output = globals.output();
        if output.is_json() {
            rows.iter().try_for_each(|row| output.json(&object(row)))?;
            return Ok(Exit::Done);
        }
        let mut table =
            Table::new(["id", "state", "reason", "channel", "message", "arrivals", "last", "bytes", "detail"]);
        for row in &rows {
            table.row([
                &row.id.to_string(),
                row.state.as_str(),
                &row.reason,
                row.channel.as_str(),
                row.message_id.as_deref().unwrap_or("-"),
                &row.arrivals.to_string(),
                &rfc3339(row.last_at_ms),
                &row.body_bytes.to_string(),
                &row.detail,
            ]);
        }
        output.text(&table.to_string())?;
        if let Some(last) = rows.last().filter(|_| rows.len() == self.limit as usize) {
            output.line(&format!("there may be more: --after {}", last.id))?;
        }
        Ok(Exit::Done)
    }
}

/// A row for programs.
fn object(row: &QuarantineRow) -> Value {
    json!({
        "id": row.id, "state": row.state, "reason": row.reason, "detail": row.detail, "pointer": row.pointer,
        "channel": row.channel, "queue": row.queue, "message_id": row.message_id,
        "correlation_id": row.correlation_id, "body_bytes": row.body_bytes, "arrivals": row.arrivals,
        "first_at": rfc3339(row.first_at_ms), "last_at": rfc3339(row.last_at_ms),
        "settled_at": row.settled_at_ms.map(rfc3339), "settled_by": row.settled_by,
        "resubmitted_as": row.resubmitted_as,
    })
}

fn absent(id: Uuid) -> CliError {
    CliError::bad_input(format!(
        "there is no quarantined request {id}: `tidewaiter quarantine list` shows what there is"
    ))
}

impl Show {
    async fn print(&self, globals: &Globals, store: &dyn Store) -> Result<Exit, CliError> {
        let entry = store.quarantine_entry(self.id).await?.ok_or_else(|| absent(self.id))?;
        let shown = object(&entry.row);
        let mut output = globals.output();
        if output.is_json() {
            output.json(&shown)?;
            return Ok(Exit::Done);
        }
        let mut fields = Table::new(["field", "value"]);
        for (name, value) in shown.as_object().into_iter().flatten().filter(|(_, value)| !value.is_null()) {
            fields.row([name, &value.as_str().map_or_else(|| value.to_string(), str::to_owned)]);
        }
        output.text(&fields.to_string())?;
        Ok(Exit::Done)
    }

    async fn print_body(&self, output: &mut Output, intake: &Intake) -> Result<Exit, CliError> {
        let entry = intake.accounts.store.quarantine_entry(self.id).await?.ok_or_else(|| absent(self.id))?;
        if entry.row.state == QuarantineState::Dropped {
            return Err(CliError::bad_input(format!("request {} was dropped and its body erased", self.id)));
        }
        let body = quarantine::body_of(intake, &entry).map_err(|error| of_import(error.into()))?;
        if body.len() as i64 != entry.row.body_bytes {
            tracing::warn!(kept = body.len(), whole = entry.row.body_bytes, "only the beginning of the body is kept");
        }
        tracing::warn!("this is the body as it came; it may hold credentials");
        output.bytes(&body)?;
        Ok(Exit::Done)
    }
}

impl Resubmit {
    async fn send(
        &self,
        globals: &Globals,
        settings: &Settings,
        intake: &Intake,
        body: Option<Vec<u8>>,
    ) -> Result<Exit, CliError> {
        let ids = match (self.id, self.reason) {
            (Some(id), _) => vec![id],
            (None, reason) => {
                let reason = reason.map_or("", IntakeCode::as_str);
                quarantine::held(intake.accounts.store.as_ref(), reason, self.max).await?
            }
        };
        let tasks = Tasks::new();
        let way = self.way(settings, &tasks)?;
        let resubmission = Resubmission::new(intake, way, settings.broker.as_ref(), &actor(), self.dry_run);
        let mut told = Verdicts::new(globals);
        let mut ended = Ok(());
        for id in ids {
            ended = match resubmission.resubmit(id, body.clone()).await {
                Ok(verdict) => told.tell(verdict),
                Err(error) => Err(error.into()),
            };
            if ended.is_err() {
                break;
            }
        }
        tasks.shut_down(CLOSING).await;
        ended.and_then(|()| told.end())
    }

    /// To the broker where one is configured that imports can be published to.
    fn way(&self, settings: &Settings, tasks: &Tasks) -> Result<Way, CliError> {
        let broker = settings.broker.as_ref().filter(|_| !self.direct);
        let Some((broker, address)) = broker.and_then(|broker| Some((broker, Address::of(broker)?))) else {
            return Ok(Way::Direct);
        };
        let publisher = address.publisher(Broker::new(broker)?, "resubmissions");
        if !self.dry_run {
            tasks.spawn("publisher", publisher.clone().run(tasks.stop()));
        }
        Ok(Way::Broker(publisher, address))
    }
}

impl From<ResubmitError> for CliError {
    fn from(error: ResubmitError) -> Self {
        match error {
            ResubmitError::Import(error) => of_import(error),
            broker @ ResubmitError::Broker { .. } => Self::unavailable(broker.to_string()),
        }
    }
}

impl Drop {
    async fn give_up(&self, globals: &Globals, store: &dyn Store) -> Result<Exit, CliError> {
        if self.ids.len() > self.max {
            let (count, max) = (self.ids.len(), self.max);
            return Err(CliError::bad_input(format!("{count} requests are more than the cap of {max} (--max)")));
        }
        let mut told = Verdicts::new(globals);
        for id in &self.ids {
            told.tell(quarantine::drop_request(store, *id, &actor(), self.dry_run).await?)?;
        }
        told.end()
    }
}

/// Tells each request's verdict as it comes.
struct Verdicts {
    output: Output,
    done: u64,
    left: u64,
}

impl Verdicts {
    fn new(globals: &Globals) -> Self {
        Self { output: globals.output(), done: 0, left: 0 }
    }

    fn tell(&mut self, verdict: Verdict) -> Result<(), CliError> {
        if verdict.outcome.is_done() {
            self.done += 1;
        } else {
            self.left += 1;
        }
        if self.output.is_json() {
            return self.output.json(&verdict);
        }
        let account = verdict.account.map(|account| format!(", account {account}")).unwrap_or_default();
        let code = verdict.code.map(|code| format!(", {code}")).unwrap_or_default();
        let detail = verdict.detail.map(|detail| format!(": {detail}")).unwrap_or_default();
        self.output.line(&format!("{}  {}{account}{code}{detail}", verdict.id, verdict.outcome))
    }

    fn end(mut self) -> Result<Exit, CliError> {
        if !self.output.is_json() {
            self.output.line(&format!("{} done, {} left as they are", self.done, self.left))?;
        }
        Ok(exit(self.left == 0))
    }
}

fn of_import(error: ImportError) -> CliError {
    match error {
        ImportError::Store(error) => error.into(),
        other => CliError::bad_input(other.to_string()),
    }
}
