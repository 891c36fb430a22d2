//! `tidewaiter events tail`.

use std::sync::Arc;
use std::time::Duration;

use clap::{Args, Subcommand};
use serde_json::Value;
use tokio::sync::watch;
use uuid::Uuid;

use super::store::{Need, with_store};
use super::{CliError, Exit, Globals, Output};
use crate::relay::Tail;
use crate::store::{Store, StoredEvent};

/// Events.
#[derive(Debug, Subcommand)]
pub(super) enum Events {
    /// Print events as they are committed. Each at least once; an account's in order.
    Tail(TailArgs),
}

/// Which events.
#[derive(Debug, Args)]
pub(super) struct TailArgs {
    /// From the beginning, instead of from now.
    #[arg(long, conflicts_with = "since")]
    all: bool,
    /// From this time on (RFC 3339), and half a minute before it.
    #[arg(long, value_name = "TIME")]
    since: Option<jiff::Timestamp>,
    /// End when there are no more, instead of waiting for the next.
    #[arg(long)]
    no_follow: bool,
    /// Only this account's.
    #[arg(long, value_parser = super::choice::id)]
    account: Option<Uuid>,
}

impl Events {
    pub(super) fn run(&self, globals: &Globals) -> Result<Exit, CliError> {
        let Self::Tail(args) = self;
        with_store(globals, Need::Existing, async |_, store, _| args.tail(globals, store).await)
    }
}

impl TailArgs {
    async fn tail(&self, globals: &Globals, store: Arc<dyn Store>) -> Result<Exit, CliError> {
        let mut output = globals.output();
        let mut tail = match (self.all, self.since) {
            (true, _) => Tail::from(Arc::clone(&store), 0),
            (false, Some(since)) => Tail::from(Arc::clone(&store), since.as_millisecond()),
            (false, None) => Tail::from_now(Arc::clone(&store)).await?,
        };
        let mut changes = store.changes();
        loop {
            // What changes from here on is looked at again.
            changes.borrow_and_update();
            match tail.next().await {
                Ok(events) if events.is_empty() && self.no_follow => return Ok(Exit::Done),
                Ok(events) if events.is_empty() => rest(&mut changes).await,
                Ok(events) => self.print(&mut output, &events)?,
                Err(error) if self.no_follow => return Err(error.into()),
                Err(error) => {
                    tracing::warn!(%error, "events cannot be read; trying again");
                    rest(&mut changes).await;
                }
            }
        }
    }

    fn print(&self, output: &mut Output, events: &[StoredEvent]) -> Result<(), CliError> {
        let wanted = |event: &&StoredEvent| self.account.is_none_or(|account| event.account == account);
        for event in events.iter().filter(wanted) {
            if output.is_json() {
                output.line(&event.envelope)?;
            } else {
                output.line(&sentence(event))?;
            }
        }
        Ok(())
    }
}

/// An event on one line for people.
pub(super) fn sentence(event: &StoredEvent) -> String {
    let envelope: Value = serde_json::from_str(&event.envelope).unwrap_or_default();
    let data = &envelope["data"];
    let text = |value: &Value| value.as_str().unwrap_or("-").to_owned();
    let reason = if data["reason"].is_null() {
        String::new()
    } else {
        format!("  {}: {}", text(&data["reason"]["code"]), text(&data["reason"]["message"]))
    };
    format!(
        "{}  {}  {:>3}  {:<38}  {}{reason}",
        text(&envelope["time"]),
        event.account,
        event.sequence,
        event.event_type,
        text(&data["account"]["tenant_id"]),
    )
}

async fn rest(changes: &mut watch::Receiver<u64>) {
    let _ = tokio::time::timeout(Duration::from_secs(1), changes.changed()).await;
}
