//! Overrides of accounts that do not go with what their install is about to become.

use serde_json::{Map, Value};
use uuid::Uuid;

use super::{Applied, Catalog, Change, PlanError};
use crate::definitions::{DefinitionSet, Effective, Plan, place_in_layer};

/// Overrides of one read.
const PAGE: u32 = 500;

/// An account that no run can be made for.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct BrokenOverride {
    /// The account.
    pub account: Uuid,
    /// Its install.
    pub install: Uuid,
    /// Where in its override, as a JSON pointer into the account object.
    pub pointer: String,
    /// What is wrong.
    pub message: String,
}

impl Catalog {
    /// The accounts whose own override could not be run any more under what `set` changes.
    ///
    /// # Errors
    /// When an override does not open, or the store does not answer.
    pub async fn broken_overrides(
        &self,
        set: &DefinitionSet,
        applied: &Applied,
    ) -> Result<Vec<BrokenOverride>, PlanError> {
        let mut broken = Vec::new();
        for install in applied.installs.iter().filter(|install| install.change == Change::Changed) {
            let found = set.installs.iter().find(|it| it.id == install.install);
            let Some(effective) = found.and_then(|install| set.effective(install)) else { continue };
            let mut after = Uuid::nil();
            loop {
                let page = self.store.used_overrides(install.install, after, PAGE).await?;
                let Some(last) = page.last() else { break };
                after = last.account;
                for used in &page {
                    let account = self.store.account(used.account).await?;
                    let Some(account) = account.filter(|account| account.status.is_some()) else { continue };
                    let own = self.vault.open_own_override(account.environment_id, account.id, &used.sealed)?;
                    broken.extend(judge(&effective, &own).map(|(pointer, message)| BrokenOverride {
                        account: account.id,
                        install: install.install,
                        pointer,
                        message,
                    }));
                }
            }
        }
        Ok(broken)
    }
}

fn judge(effective: &Effective, own: &Map<String, Value>) -> Option<(String, String)> {
    let error = Plan::compile(&effective.clone().under(own)).err()?;
    Some((place_in_layer(own, "/integration_override", &error.pointer), error.to_string()))
}
