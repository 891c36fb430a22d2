//! Which definition a new run of an existing account is bound to.

use uuid::Uuid;

use super::{Accounts, Ineligible, PlanError};
use crate::store::{Account, DefinitionHash, StoreError};

impl Accounts {
    /// What a new run of this account would pin, or why there can be none.
    ///
    /// # Errors
    /// When the store does not answer.
    pub async fn definition_for(&self, account: &Account) -> Result<Result<DefinitionHash, Ineligible>, StoreError> {
        self.definition_of(account.environment_integration_id).await
    }

    /// What a new run of this install's accounts would pin, or why there can be none.
    ///
    /// # Errors
    /// When the store does not answer.
    pub async fn definition_of(&self, install: Uuid) -> Result<Result<DefinitionHash, Ineligible>, StoreError> {
        let Some(entry) = self.catalog.install(install).await? else { return Ok(Err(Ineligible::InstallMissing)) };
        if !entry.is_enabled {
            return Ok(Err(Ineligible::InstallDisabled));
        }
        match self.catalog.plan(entry.effective).await {
            Ok(_) => Ok(Ok(entry.effective)),
            Err(PlanError::Store(error)) => Err(error),
            Err(_) => Ok(Err(Ineligible::DefinitionInvalid)),
        }
    }
}
