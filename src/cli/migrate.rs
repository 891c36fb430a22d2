//! `tidewaiter migrate`: brings the database's schema up to date.

use clap::Args;

use super::store::{Need, with_store};
use super::{CliError, Exit, Globals, block_on};
use crate::config::DatabaseKind;
use crate::store::postgres::Postgres;

/// Bring the database's schema up to date. Forward only, safe to repeat; SQLite does it by itself.
#[derive(Debug, Args)]
pub(super) struct Migrate {}

impl Migrate {
    #[expect(clippy::unused_self, reason = "every verb has this form")]
    pub(super) fn run(&self, globals: &Globals) -> Result<Exit, CliError> {
        let settings = globals.load()?.settings;
        if settings.database.kind() == DatabaseKind::Postgres {
            block_on(Postgres::migrate(settings.database.expose()))??;
        } else {
            // Opening it is all there is to do.
            with_store(globals, Need::Made, async |_, _, _| Ok(()))?;
        }
        globals.output().line("the database has this version's schema")?;
        Ok(Exit::Done)
    }
}
