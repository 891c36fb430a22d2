//! Definitions on their way into the store, and out of it for people to look at.

use std::collections::HashMap;

use uuid::Uuid;

use super::{Catalog, PlanError, VaultError};
use crate::definitions::{DefinitionSet, Effective};
use crate::store::{InstallEntry, IntegrationEntry, StoreError, StoredDefinitions, StoredInstall, StoredIntegration};

/// How often two processes that apply at once look again.
const ATTEMPTS: u32 = 5;

/// What applying does to one document.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Change {
    /// It is not in the store yet.
    New,
    /// The store has it otherwise.
    Changed,
    /// The store has it just so.
    Unchanged,
}

/// What applying does to an integration.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct AppliedIntegration {
    /// Its name.
    pub integration: String,
    /// What happens to it.
    pub change: Change,
    /// The version that it has then.
    pub version: i64,
}

/// What applying does to an install.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct AppliedInstall {
    /// Its id.
    pub install: Uuid,
    /// Its integration's name.
    pub integration: String,
    /// What happens to it. Its effective definition changes with its integration.
    pub change: Change,
}

/// What applying a set does.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Applied {
    /// The integrations, in the order of their files.
    pub integrations: Vec<AppliedIntegration>,
    /// The installs, in the order of their files.
    pub installs: Vec<AppliedInstall>,
    /// How many rows changed, environments included.
    pub rows: u64,
    /// The versions that this was found against.
    over: Vec<(Uuid, Option<i64>)>,
}

impl Applied {
    /// Whether the stored integration was at the version that somebody expects.
    fn check(&self, name: &str, expected: i64) -> Result<(), StoreError> {
        let place = self.integrations.iter().position(|it| it.integration == name);
        let found = place.and_then(|place| self.over.get(place));
        match found {
            None => Err(StoreError::Moved(format!("the files define no integration `{name}`"))),
            Some((_, Some(version))) if *version == expected => Ok(()),
            Some((_, version)) => {
                let now = version.map_or_else(|| "not there yet".to_owned(), |version| format!("at version {version}"));
                Err(StoreError::Moved(format!(
                    "`{name}` is {now}, and not at version {expected}: look at what changed with `definitions diff {name}`"
                )))
            }
        }
    }
}

impl Catalog {
    /// What applying the set would do; nothing is written.
    ///
    /// # Errors
    /// When the store does not answer.
    pub async fn compare(&self, set: &DefinitionSet) -> Result<Applied, PlanError> {
        let stored: HashMap<Uuid, IntegrationEntry> =
            self.store.integrations().await?.into_iter().map(|entry| (entry.face.id, entry)).collect();
        let installed: HashMap<Uuid, InstallEntry> =
            self.store.installs().await?.into_iter().map(|install| (install.id, install)).collect();
        let mut applied = Applied::default();
        for integration in &set.integrations {
            let hash = Effective::of(integration).hash();
            let entry = stored.get(&integration.id);
            let (change, version) = match entry {
                None => (Change::New, 1),
                Some(entry) if entry.hash == hash => (Change::Unchanged, entry.version),
                Some(entry) => (Change::Changed, entry.version + 1),
            };
            applied.over.push((integration.id, entry.map(|entry| entry.version)));
            applied.integrations.push(AppliedIntegration { integration: integration.name.clone(), change, version });
        }
        for install in &set.installs {
            let Some(effective) = set.effective(install) else { continue };
            let change = match installed.get(&install.id) {
                None => Change::New,
                Some(entry)
                    if entry.effective == effective.hash()
                        && entry.is_enabled == install.is_enabled
                        && entry.environment_id == install.environment_id =>
                {
                    Change::Unchanged
                }
                Some(_) => Change::Changed,
            };
            let integration = install.integration.clone();
            applied.installs.push(AppliedInstall { install: install.id, integration, change });
        }
        Ok(applied)
    }

    /// Puts definitions into the store, those that differ; answers what became of each. An integration that `over` names
    /// must still be at the version that it names.
    ///
    /// # Errors
    /// When something cannot be sealed, the store does not take it, or an integration is not at its version any more
    /// ([`StoreError::Moved`]).
    pub async fn apply(&self, set: &DefinitionSet, over: &[(String, i64)]) -> Result<Applied, PlanError> {
        let mut attempts = 0;
        loop {
            let mut applied = self.compare(set).await?;
            for (name, expected) in over {
                applied.check(name, *expected)?;
            }
            let mut stored = self.sealed(set)?;
            stored.over.clone_from(&applied.over);
            match self.store.save_definitions(stored).await {
                // Another process applied between the look and the write: what it did is looked at again.
                Err(StoreError::Moved(_)) if attempts < ATTEMPTS => attempts += 1,
                saved => {
                    applied.rows = saved?;
                    self.refresh().await?;
                    return Ok(applied);
                }
            }
        }
    }

    fn sealed(&self, set: &DefinitionSet) -> Result<StoredDefinitions, VaultError> {
        let mut stored = StoredDefinitions { environments: set.environments.clone(), ..StoredDefinitions::default() };
        for integration in &set.integrations {
            let effective = Effective::of(integration);
            let sealed = self.vault.seal_integration(integration.id, &effective.to_bytes())?;
            stored.integrations.push(StoredIntegration { face: integration.face(), hash: effective.hash(), sealed });
        }
        for install in &set.installs {
            let (Some(integration), Some(effective)) = (set.integration(&install.integration), set.effective(install))
            else {
                // `load` refuses a set whose install names an unknown integration.
                continue;
            };
            let hash = effective.hash();
            let overrides = serde_json::to_vec(&install.overrides).map_err(|_| VaultError::Shape)?;
            stored.effective.push((hash, self.vault.seal_effective(hash, &effective.to_bytes())?));
            stored.installs.push(StoredInstall {
                id: install.id,
                environment_id: install.environment_id,
                integration_id: integration.id,
                is_enabled: install.is_enabled,
                hash,
                sealed: self.vault.seal_override(install.environment_id, install.id, &overrides)?,
                effective: hash,
            });
        }
        Ok(stored)
    }

    /// An integration's definition as it was at a version; `None` when there is no such version.
    ///
    /// # Errors
    /// When it does not open, or the store does not answer.
    pub async fn definition(&self, id: Uuid, version: i64) -> Result<Option<Effective>, PlanError> {
        let Some(sealed) = self.store.integration_version(id, version).await? else { return Ok(None) };
        let bytes = self.vault.open_integration(id, &sealed)?;
        Effective::from_bytes(&bytes).map(Some).map_err(PlanError::Invalid)
    }

    /// What runs of an install work with.
    ///
    /// # Errors
    /// When it is missing or does not open, or the store does not answer.
    pub async fn effective(&self, install: &InstallEntry) -> Result<Effective, PlanError> {
        let hash = install.effective;
        let sealed = self.store.effective_definition(hash).await?.ok_or(PlanError::Missing(hash))?;
        let bytes = self.vault.open_effective(hash, &sealed)?;
        Effective::from_bytes(&bytes).map_err(PlanError::Invalid)
    }
}
