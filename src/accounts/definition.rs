//! What a new run of an account works with: its install's definition, under the account's own override where it has one.
//!
//! The layers are merged when a run is made, so a definition that was mended and applied helps every account, and the
//! override is merged into it anew. The run pins the outcome by its hash.

use serde_json::{Map, Value};
use uuid::Uuid;

use super::{Accounts, Ineligible, PlanError};
use crate::definitions::Effective;
use crate::store::{Account, DefinitionHash, InstallEntry, StoreError};

impl Accounts {
    /// What a new run of this account would pin, or why there can be none. It is kept if it was not there.
    ///
    /// # Errors
    /// When the store does not answer.
    pub async fn definition_for(&self, account: &Account) -> Result<Result<DefinitionHash, Ineligible>, StoreError> {
        let (id, environment) = (account.id, account.environment_id);
        let Some(sealed) = self.store.account_override(id).await? else {
            return self.definition_of(account.environment_integration_id).await;
        };
        let install = match self.enabled(account.environment_integration_id).await? {
            Ok(install) => install,
            Err(ineligible) => return Ok(Err(ineligible)),
        };
        let kept = async {
            let own = self.vault.open_own_override(environment, id, &sealed)?;
            self.catalog.keep(&self.catalog.effective(&install).await?.under(&own)).await
        };
        match kept.await {
            Ok(hash) => Ok(Ok(hash)),
            Err(PlanError::Store(error)) => Err(error),
            // Where the install's own definition cannot be run, the override is not at fault.
            Err(PlanError::Invalid(_)) => {
                Ok(Err(self.definition_of(install.id).await?.err().unwrap_or(Ineligible::OverrideInvalid)))
            }
            Err(error) => Err(StoreError::Refused(format!("what account {id} runs with cannot be made: {error}"))),
        }
    }

    /// What a new run of this install's accounts would pin that have no override of their own, or why there can be none.
    ///
    /// # Errors
    /// When the store does not answer.
    pub async fn definition_of(&self, install: Uuid) -> Result<Result<DefinitionHash, Ineligible>, StoreError> {
        let entry = match self.enabled(install).await? {
            Ok(entry) => entry,
            Err(ineligible) => return Ok(Err(ineligible)),
        };
        match self.catalog.plan(entry.effective).await {
            Ok(_) => Ok(Ok(entry.effective)),
            Err(PlanError::Store(error)) => Err(error),
            Err(_) => Ok(Err(Ineligible::DefinitionInvalid)),
        }
    }

    async fn enabled(&self, install: Uuid) -> Result<Result<InstallEntry, Ineligible>, StoreError> {
        Ok(match self.catalog.install(install).await? {
            None => Err(Ineligible::InstallMissing),
            Some(entry) if !entry.is_enabled => Err(Ineligible::InstallDisabled),
            Some(entry) => Ok(InstallEntry::clone(&entry)),
        })
    }

    /// The account's own override, opened.
    ///
    /// # Errors
    /// When it does not open, or the store does not answer.
    pub async fn own_override(&self, account: &Account) -> Result<Option<Map<String, Value>>, PlanError> {
        let Some(sealed) = self.store.account_override(account.id).await? else { return Ok(None) };
        Ok(Some(self.vault.open_own_override(account.environment_id, account.id, &sealed)?))
    }

    /// What the account's next run works with, whether it can be run or not.
    ///
    /// # Errors
    /// When something is missing or does not open, or the store does not answer.
    pub async fn effective_of(&self, account: &Account) -> Result<Option<Effective>, PlanError> {
        let Some(install) = self.catalog.install(account.environment_integration_id).await? else { return Ok(None) };
        let effective = self.catalog.effective(&install).await?;
        Ok(Some(match self.own_override(account).await? {
            Some(own) => effective.under(&own),
            None => effective,
        }))
    }
}
