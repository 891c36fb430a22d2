//! `tidewaiter accounts patch`.

use std::io::Read as _;
use std::path::PathBuf;
use std::sync::Arc;

use clap::Args;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::accounts::{Accounts, PatchError, PatchPreview, PatchRequest, account_answer};
use crate::app;
use crate::cli::definitions::{difference, difference_record};
use crate::cli::store::{Need, with_store};
use crate::cli::{CliError, Exit, Globals};
use crate::intake::{json as intake_json, read_patch};

pub(super) const HELP: &str = "\
The patch is the JSON body that PATCH /integrated-account/{id} takes: `tenant_id`, `context` (laid over the account's, key
by key at its root), `integration_override` (the account's own layer over its install's definition; null removes it).

Examples:
  echo '{\"integration_override\": {\"base_url\": \"https://eu.example.com\"}}' | tidewaiter accounts patch ID --file -
  tidewaiter accounts patch ID --file patch.json --dry-run";

/// Change an account's tenant, context or own override of its definition. A run that is under way keeps its definition.
#[derive(Debug, Args)]
#[command(after_help = HELP)]
pub(in crate::cli) struct Patch {
    /// The account's id.
    #[arg(value_parser = crate::cli::choice::id)]
    id: Uuid,
    /// The patch, a JSON file; `-` reads standard input.
    #[arg(long, value_name = "FILE")]
    file: PathBuf,
    /// Only say what would change.
    #[arg(long)]
    dry_run: bool,
}

impl Patch {
    pub(super) fn run(&self, globals: &Globals) -> Result<Exit, CliError> {
        let request = read_patch(&self.read()?).map_err(|refusal| CliError::bad_input(refusal.to_string()))?;
        with_store(globals, Need::Existing, async |settings, store, metrics| {
            let parts = app::open_parts(&settings, Arc::clone(&store), None, metrics).await?;
            self.perform(globals, &parts.accounts, &request).await
        })
    }

    async fn perform(&self, globals: &Globals, accounts: &Accounts, request: &PatchRequest) -> Result<Exit, CliError> {
        let preview = accounts.preview(self.id, request).await.map_err(|error| self.explain(error))?;
        if self.dry_run {
            return self.tell(globals, &preview);
        }
        let account = accounts.patch(self.id, request).await.map_err(|error| self.explain(error))?;
        if globals.output().is_json() {
            globals.output().json(&account_answer(accounts, &account).await?)?;
            return Ok(Exit::Done);
        }
        self.tell(globals, &preview)
    }

    fn tell(&self, globals: &Globals, preview: &PatchPreview) -> Result<Exit, CliError> {
        let mut output = globals.output();
        if output.is_json() {
            let changes: Vec<Value> = preview.changes.iter().map(difference_record).collect();
            output.json(&json!({
                "account": self.id, "dry_run": true, "changes": changes, "event": preview.is_told.then_some("updated"),
                "run_under_way": preview.has_run,
            }))?;
            return Ok(Exit::Done);
        }
        let would = if self.dry_run { "would be changed" } else { "changed" };
        if preview.changes.is_empty() {
            output.line(&format!("account {}: nothing differs from what it is", self.id))?;
            return Ok(Exit::Done);
        }
        output.line(&format!("account {}: {would}", self.id))?;
        preview.changes.iter().try_for_each(|it| output.line(&difference(it)))?;
        if !preview.is_told {
            output.line("no event: nothing changes that an outsider can see")?;
        }
        if preview.has_run {
            output.line("a run of it is under way and keeps the definition that it began with")?;
        }
        Ok(Exit::Done)
    }

    fn explain(&self, error: PatchError) -> CliError {
        let id = self.id;
        match error {
            PatchError::Absent => CliError::bad_input(format!("there is no account {id}")),
            PatchError::Fields(failures) => {
                let told: Vec<String> = failures.iter().map(|it| format!("{}: {}", it.pointer, it.message)).collect();
                CliError::bad_input(told.join("; "))
            }
            PatchError::Store(error) => error.into(),
            error @ (PatchError::RefreshUnderWay | PatchError::Contended | PatchError::Object(_)) => {
                CliError::unavailable(format!("account {id}: {error}"))
            }
            error => CliError::bad_input(format!("account {id}: {error}")),
        }
    }

    fn read(&self) -> Result<Vec<u8>, CliError> {
        let unreadable =
            |error: std::io::Error| CliError::bad_input(format!("{} cannot be read: {error}", self.file.display()));
        // One byte more than a patch may have, so that the refusal can say what the limit is.
        let most = intake_json::MAX_BYTES as u64 + 1;
        let mut bytes = Vec::new();
        if self.file.as_os_str() == "-" {
            std::io::stdin().lock().take(most).read_to_end(&mut bytes).map_err(unreadable)?;
        } else {
            let file = std::fs::File::open(&self.file).map_err(unreadable)?;
            file.take(most).read_to_end(&mut bytes).map_err(unreadable)?;
        }
        Ok(bytes)
    }
}
