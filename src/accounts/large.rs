//! Large values of contexts: kept in the object store before the commit that names them, fetched when a run needs them.

use serde_json::{Map, Value};
use uuid::Uuid;

use super::{Accounts, Ended, VaultError};
use crate::credentials::large;
use crate::objects::ObjectError;
use crate::reconnect::Reconnect;
use crate::store::{Account, StoreError};

/// Why a large value could not be kept.
#[derive(Debug, thiserror::Error)]
pub enum KeepError {
    /// The object store did not take it; trying again may help.
    #[error(transparent)]
    Object(#[from] ObjectError),
    /// It could not be sealed.
    #[error(transparent)]
    Vault(#[from] VaultError),
}

impl From<KeepError> for StoreError {
    /// Whoever waits for the database waits for the object store in the same way.
    fn from(error: KeepError) -> Self {
        match error {
            KeepError::Object(error @ ObjectError::Unavailable(_)) => Self::Unavailable(error.to_string()),
            error => Self::Refused(error.to_string()),
        }
    }
}

/// Why a large value could not be fetched.
#[derive(Debug, thiserror::Error)]
pub enum FetchError {
    /// The object is gone; the key of the context that names it.
    #[error("the value of the context's `{0}` is not in the object store any more")]
    Missing(String),
    /// The object store does not answer.
    #[error(transparent)]
    Object(#[from] ObjectError),
    /// It does not open.
    #[error(transparent)]
    Vault(#[from] VaultError),
}

/// The value itself, where a large one is marked.
fn unmark(value: &mut Value) {
    if let Some(data) = large::data(value) {
        *value = data.clone();
    }
}

/// The name of an object.
fn name(account: Uuid, key: &str, object: Uuid) -> String {
    format!("accounts/{account}/context/{key}/{object}")
}

impl Accounts {
    /// Keeps the marked values among `values` and puts references in their place; the names of the objects made.
    ///
    /// # Errors
    /// When one of them cannot be kept; those before it are left behind.
    pub(super) async fn keep(
        &self,
        environment: Uuid,
        account: Uuid,
        values: &mut Map<String, Value>,
    ) -> Result<Vec<String>, KeepError> {
        let mut names = Vec::new();
        for (key, value) in values.iter_mut() {
            let Some(data) = large::data(value) else { continue };
            let object = self.clock.new_id();
            let sealed = self.vault.seal_object(environment, object, data)?;
            let name = name(account, key, object);
            self.objects.put(&name, &sealed).await?;
            names.push(name);
            *value = large::reference(object);
        }
        Ok(names)
    }

    /// The ending with its large values kept; `None` when it has none. Waits for an object store that does not answer, as
    /// for the database. Where none is configured the values stay in the context: what a run did is not to be lost.
    pub(super) async fn kept(&self, account: &Account, ended: &Ended) -> Result<Option<Ended>, KeepError> {
        if !ended.writes.values().any(|value| large::data(value).is_some()) {
            return Ok(None);
        }
        let mut writes = ended.writes.clone();
        let mut pauses = Reconnect::default();
        loop {
            match self.keep(account.environment_id, account.id, &mut writes).await {
                Ok(_) => break,
                Err(KeepError::Object(ObjectError::Unavailable(why))) => {
                    tracing::warn!(account.id = %account.id, error = %why, "a large value cannot be kept; trying again until it can");
                    tokio::time::sleep(pauses.pause()).await;
                }
                Err(KeepError::Object(error)) => {
                    tracing::warn!(account.id = %account.id, %error, "a large value stays in the context");
                    writes.values_mut().for_each(unmark);
                    break;
                }
                Err(error) => return Err(error),
            }
        }
        Ok(Some(Ended { writes, ..ended.clone() }))
    }

    /// Forgets objects that nothing names; one that cannot be forgotten only takes room.
    pub(super) async fn forget(&self, names: &[String]) {
        for name in names {
            if let Err(error) = self.objects.delete(name).await {
                tracing::debug!(object = name, %error, "an object that nothing names is left behind");
            }
        }
    }

    /// The names of the objects that `before` names and `after` does not.
    pub(super) fn dropped(account: Uuid, before: &Map<String, Value>, after: &Map<String, Value>) -> Vec<String> {
        let named = before.iter().filter_map(|(key, value)| Some((key, large::object(value)?)));
        let gone = named.filter(|(key, object)| after.get(*key).and_then(large::object) != Some(*object));
        gone.map(|(key, object)| name(account, key, object)).collect()
    }

    /// Fetches the large values of `context` that are `wanted`, by their keys.
    ///
    /// # Errors
    /// [`FetchError`].
    pub async fn fetch(
        &self,
        account: &Account,
        context: &Map<String, Value>,
        wanted: impl Fn(&str) -> bool,
    ) -> Result<Map<String, Value>, FetchError> {
        let mut values = Map::new();
        for (key, value) in context {
            let Some(object) = large::object(value).filter(|_| wanted(key)) else { continue };
            let sealed = match self.objects.get(&name(account.id, key, object)).await {
                Err(ObjectError::Missing(_)) => return Err(FetchError::Missing(key.clone())),
                other => other?,
            };
            values.insert(key.clone(), self.vault.open_object(account.environment_id, object, &sealed)?);
        }
        Ok(values)
    }
}
