//! `tidewaiter definitions list` and `show`.

use std::sync::Arc;

use serde_json::Value;
use uuid::Uuid;

use super::Show;
use crate::accounts::{Accounts, PlanError, integration_record};
use crate::app;
use crate::cli::store::{Need, with_store};
use crate::cli::{CliError, Exit, Globals, Output, Table};
use crate::definitions::Effective;
use crate::store::{IntegrationEntry, Store};

impl From<PlanError> for CliError {
    fn from(error: PlanError) -> Self {
        match error {
            PlanError::Store(error) => error.into(),
            other => Self::bad_input(other.to_string()),
        }
    }
}

/// The integration of that name.
pub(super) async fn named(store: &Arc<dyn Store>, name: &str) -> Result<IntegrationEntry, CliError> {
    let mut all = store.integrations().await?;
    let place = all.iter().position(|entry| entry.face.name == name);
    place.map(|place| all.swap_remove(place)).ok_or_else(|| {
        CliError::bad_input(format!("the database has no integration `{name}`"))
            .hint("`tidewaiter definitions list` shows those that there are")
    })
}

pub(super) async fn list(globals: &Globals, store: &Arc<dyn Store>) -> Result<Exit, CliError> {
    let installs = store.installs().await?;
    let records: Vec<Value> =
        store.integrations().await?.iter().map(|entry| integration_record(entry, &installs)).collect();
    globals.output().records(&records, |records| {
        let mut table = Table::new(["integration", "label", "version", "installs"]);
        for record in records {
            let text = |key: &str| record[key].as_str().unwrap_or_default().to_owned();
            let installs = record["installs"].as_array().map_or(&[][..], Vec::as_slice);
            let ids: Vec<&str> = installs.iter().filter_map(|install| install["id"].as_str()).collect();
            table.row([&text("name"), &text("label"), &record["version"].to_string(), &ids.join(", ")]);
        }
        table
    })?;
    Ok(Exit::Done)
}

impl Show {
    pub(super) fn run(&self, globals: &Globals) -> Result<Exit, CliError> {
        let document = with_store(globals, Need::Existing, async |settings, store, metrics| {
            let parts = app::open_parts(&settings, Arc::clone(&store), None, metrics).await?;
            let catalog = &parts.accounts.catalog;
            let entry = named(&store, &self.name).await?;
            if let Some(id) = self.account {
                return of_account(&parts.accounts, &self.name, id).await;
            }
            let Some(id) = self.effective else {
                let version = self.version.unwrap_or(entry.version);
                let definition = catalog.definition(entry.face.id, version).await?;
                return Ok(definition.ok_or_else(|| no_version(&self.name, version, entry.version))?.masked());
            };
            let install = store.install(id).await?.filter(|install| install.integration.id == entry.face.id);
            let install = install.ok_or_else(|| {
                CliError::bad_input(format!("`{}` has no install {id}", self.name))
                    .hint("`tidewaiter definitions list` shows those that there are")
            })?;
            Ok(catalog.effective(&install).await.map(|effective: Effective| effective.masked())?)
        })?;
        let mut output = globals.output();
        if output.is_json() {
            output.json(&document)?;
        } else {
            pretty(&mut output, &document)?;
        }
        Ok(Exit::Done)
    }
}

async fn of_account(accounts: &Accounts, name: &str, id: Uuid) -> Result<Value, CliError> {
    let account = accounts.store.account(id).await?.filter(|account| account.integration.name == name);
    let account = account.ok_or_else(|| CliError::bad_input(format!("`{name}` has no account {id}")))?;
    let effective = accounts.effective_of(&account).await?;
    effective.map(|effective| effective.masked()).ok_or_else(|| {
        CliError::bad_input(format!("the install {} of account {id} is gone", account.environment_integration_id))
    })
}

pub(super) fn no_version(name: &str, version: i64, latest: i64) -> CliError {
    CliError::bad_input(format!("`{name}` has no version {version}; the latest is {latest}"))
}

/// A document for people: lines, each made safe for a terminal.
fn pretty(output: &mut Output, document: &Value) -> Result<(), CliError> {
    let text = format!("{document:#}");
    text.lines().try_for_each(|line| output.line(line))
}
