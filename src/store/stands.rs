//! What a write that did not go through means, decided the same way for both databases.

use super::rows::{self, Columns, RowError};
use super::{Accept, Accepted, Commit, Committed, RunChange};
use crate::seal::Sealed;

/// What an accept is worth when the run `row` (`id`, `account_id`, `fingerprint`) stood in its way.
pub(super) fn earlier(new: &Accept, row: &impl Columns) -> Result<Accepted, RowError> {
    if row.id("id")? == Some(new.run.id) {
        // Our own earlier write, whose COMMIT's answer was lost.
        return Ok(Accepted::Created);
    }
    let account = rows::must(row.id("account_id")?, "account_id")?;
    let same = row.bytes("fingerprint")?.as_deref() == new.run.fingerprint.as_ref().map(<[u8; 32]>::as_slice);
    Ok(if same { Accepted::Duplicate { account } } else { Accepted::Conflict { account } })
}

/// A commit's run, account and secrets as they are stored.
#[derive(Debug)]
pub(super) struct Stands {
    state: String,
    fence: i64,
    sequence: Option<i64>,
    version: Option<i64>,
    sealed: Option<Vec<u8>>,
}

impl Stands {
    /// Reads `state`, `fence`, `sequence`, `version` and `sealed`.
    pub(super) fn read(row: &impl Columns) -> Result<Self, RowError> {
        Ok(Self {
            state: rows::must(row.text("state")?, "state")?,
            fence: rows::must(row.int("fence")?, "fence")?,
            sequence: row.int("sequence")?,
            version: row.int("version")?,
            sealed: row.bytes("sealed")?,
        })
    }

    /// What forbids the commit, if anything does.
    pub(super) fn objection(&self, change: &Commit) -> Option<Committed> {
        let expected_sequence = change.transition.as_ref().map(|transition| transition.expected_sequence);
        let expected_version = change.credential.as_ref().map(|credential| credential.expected_version);
        if self.state != "running" || self.fence != change.fence {
            Some(Committed::FenceLost)
        } else if expected_sequence.is_some_and(|expected| self.sequence != Some(expected)) {
            Some(Committed::SequenceMoved)
        } else if expected_version.is_some_and(|expected| self.version != Some(expected)) {
            Some(Committed::CredentialMoved)
        } else {
            None
        }
    }

    /// Whether this very commit was written before, its answer lost: its event stands (`envelope` is what is stored at
    /// its sequence), or where it has none, its run's state or its secrets do.
    pub(super) fn applied(&self, change: &Commit, envelope: Option<&str>) -> bool {
        if let Some(transition) = &change.transition {
            return envelope == Some(transition.event.envelope.as_str());
        }
        if self.fence != change.fence {
            return false;
        }
        match (&change.run_change, &change.credential) {
            (Some(RunChange::Finish { .. }), _) => self.state == "finished",
            (Some(RunChange::Wait { .. } | RunChange::PutBack { .. }), _) => self.state == "waiting",
            (Some(RunChange::Release { .. }), _) => self.state == "queued",
            (Some(RunChange::Save { .. }) | None, Some(credential)) => {
                self.state == "running"
                    && self.version == Some(credential.expected_version + 1)
                    && self.sealed.as_deref() == credential.sealed.as_ref().map(Sealed::as_bytes)
            }
            (Some(RunChange::Save { .. }) | None, None) => false,
        }
    }
}
