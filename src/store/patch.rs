//! A client's change of an account: what is written in one transaction, and what became of it.

use serde_json::{Map, Value};
use uuid::Uuid;

use super::rows::{Columns, RowError};
use super::{DefinitionHash, Event, RefreshIntent};
use crate::seal::Sealed;

/// A change that is no run's: one transaction. A run under way goes on and finds the account moved when it ends.
#[derive(Debug, Clone)]
pub struct Patch {
    /// The account.
    pub account: Uuid,
    /// The sequence that it must have.
    pub expected_sequence: i64,
    /// The new tenant.
    pub tenant_id: Option<String>,
    /// The new clear context.
    pub context: Option<Map<String, Value>>,
    /// How the secrets change.
    pub secrets: Option<SecretsPatch>,
    /// How its own override changes.
    pub overrides: Option<OverridePatch>,
    /// The effective definition that its next run pins, kept unless it is there.
    pub effective: Option<(DefinitionHash, Sealed)>,
    /// What is told, if anything that an outsider can see changes. Its time becomes the account's.
    pub event: Option<Event>,
}

/// How the secrets change with a [`Patch`].
#[derive(Debug, Clone)]
pub struct SecretsPatch {
    /// The version they must have; it becomes one more.
    pub expected_version: i64,
    /// The refresh intent they must have; its age does not count.
    pub expected_intent: Option<RefreshIntent>,
    /// The new secrets.
    pub sealed: Sealed,
    /// When the access token expires.
    pub expires_at_ms: Option<i64>,
    /// Whether the intent, if there is one, is about a token that is replaced.
    pub ends_intent: bool,
}

/// How an account's own override changes.
#[derive(Debug, Clone)]
pub enum OverridePatch {
    /// It has this one from now on.
    Set {
        /// The account's install.
        install: Uuid,
        /// The override.
        sealed: Sealed,
    },
    /// It has none any more.
    Remove,
}

/// What became of a [`Patch`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Patched {
    /// It is written.
    Done,
    /// The account changed meanwhile, or is gone. Nothing changed.
    SequenceMoved,
    /// The secrets changed meanwhile, or a refresh of them began or ended. Nothing changed.
    CredentialMoved,
}

/// A patch's account and secrets as they are stored.
#[derive(Debug, Default)]
pub(super) struct PatchStands {
    pub(super) sequence: Option<i64>,
    pub(super) version: Option<i64>,
    pub(super) sealed: Option<Vec<u8>>,
    /// Fence, version, and whether it was repeated.
    pub(super) intent: Option<(i64, i64, bool)>,
    /// The event that is stored where the patch's would go.
    pub(super) envelope: Option<String>,
}

impl PatchStands {
    /// Reads `version`, `sealed`, `intent_fence`, `intent_version` and `intent_repeated` of the secrets.
    pub(super) fn read_secrets(&mut self, row: &impl Columns) -> Result<(), RowError> {
        self.version = row.int("version")?;
        self.sealed = row.bytes("sealed")?;
        self.intent = match (row.int("intent_fence")?, row.int("intent_version")?) {
            (Some(fence), Some(version)) => Some((fence, version, row.flag("intent_repeated")?.unwrap_or(false))),
            _ => None,
        };
        Ok(())
    }

    /// What is to be answered without writing anything, if anything is.
    pub(super) fn answer(&self, patch: &Patch) -> Option<Patched> {
        let objection = if self.sequence != Some(patch.expected_sequence) {
            Some(Patched::SequenceMoved)
        } else if patch.secrets.as_ref().is_some_and(|secrets| !self.are_expected(secrets)) {
            Some(Patched::CredentialMoved)
        } else {
            None
        };
        objection.map(|objection| if self.is_applied(patch) { Patched::Done } else { objection })
    }

    fn are_expected(&self, secrets: &SecretsPatch) -> bool {
        let expected = secrets.expected_intent.map(|intent| (intent.fence, intent.version, intent.repeated));
        self.version == Some(secrets.expected_version) && self.intent == expected
    }

    /// Whether this very patch was written before, its answer lost: its event stands, or where it has none, its secrets.
    fn is_applied(&self, patch: &Patch) -> bool {
        match (&patch.event, &patch.secrets) {
            (Some(event), _) => self.envelope.as_deref() == Some(event.envelope.as_str()),
            (None, Some(secrets)) => {
                self.version == Some(secrets.expected_version + 1)
                    && self.sealed.as_deref() == Some(secrets.sealed.as_bytes())
            }
            (None, None) => false,
        }
    }
}
