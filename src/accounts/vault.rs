//! What is sealed, and for which place: the one list of bindings.

use std::sync::Arc;

use secrecy::ExposeSecret as _;
use serde_json::{Map, Value};
use uuid::Uuid;

use crate::seal::{Binding, SealError, Sealed, Sealer};
use crate::store::DefinitionHash;

/// Why a sealed document cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum VaultError {
    /// It does not open.
    #[error(transparent)]
    Seal(#[from] SealError),
    /// It opens, and is not what this version writes there.
    #[error("the sealed document is not what this version writes there")]
    Shape,
}

/// Seals and opens documents in their places. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Vault(Arc<Sealer>);

impl Vault {
    /// A vault with these keys.
    #[must_use]
    pub const fn new(sealer: Arc<Sealer>) -> Self {
        Self(sealer)
    }

    /// Seals an account's secrets as `version`.
    pub fn seal_secrets(
        &self,
        environment: Uuid,
        account: Uuid,
        version: i64,
        secrets: &Map<String, Value>,
    ) -> Result<Sealed, VaultError> {
        let plain = serde_json::to_vec(secrets).map_err(|_| VaultError::Shape)?;
        Ok(self.0.seal(&secrets_of(environment, account.as_bytes(), version), &plain)?)
    }

    /// Opens an account's secrets.
    pub fn open_secrets(
        &self,
        environment: Uuid,
        account: Uuid,
        version: i64,
        sealed: &Sealed,
    ) -> Result<Map<String, Value>, VaultError> {
        let plain = self.0.open(&secrets_of(environment, account.as_bytes(), version), sealed)?;
        serde_json::from_slice(plain.expose_secret()).map_err(|_| VaultError::Shape)
    }

    /// Seals a run's progress.
    pub fn seal_progress<T: serde::Serialize>(
        &self,
        environment: Uuid,
        run: Uuid,
        progress: &T,
    ) -> Result<Sealed, VaultError> {
        let plain = serde_json::to_vec(progress).map_err(|_| VaultError::Shape)?;
        Ok(self.0.seal(&progress_of(environment, run.as_bytes()), &plain)?)
    }

    /// Opens a run's progress.
    pub fn open_progress<T: serde::de::DeserializeOwned>(
        &self,
        environment: Uuid,
        run: Uuid,
        sealed: &Sealed,
    ) -> Result<T, VaultError> {
        let plain = self.0.open(&progress_of(environment, run.as_bytes()), sealed)?;
        serde_json::from_slice(plain.expose_secret()).map_err(|_| VaultError::Shape)
    }

    /// Seals the body of a request that was not accepted.
    pub fn seal_refused(&self, id: Uuid, body: &[u8]) -> Result<Sealed, VaultError> {
        Ok(self.0.seal(&shared("quarantine", "sealed", id.as_bytes()), body)?)
    }

    /// Opens a refused body.
    pub fn open_refused(&self, id: Uuid, sealed: &Sealed) -> Result<Vec<u8>, VaultError> {
        Ok(self.0.open(&shared("quarantine", "sealed", id.as_bytes()), sealed)?.expose_secret().clone())
    }

    /// Seals what came beside the body of such a request.
    pub fn seal_refused_properties(&self, id: Uuid, properties: &[u8]) -> Result<Sealed, VaultError> {
        Ok(self.0.seal(&shared("quarantine", "properties", id.as_bytes()), properties)?)
    }

    /// Opens what came beside the body of such a request: a JSON document.
    pub fn open_refused_properties(&self, id: Uuid, sealed: &Sealed) -> Result<Value, VaultError> {
        let plain = self.0.open(&shared("quarantine", "properties", id.as_bytes()), sealed)?;
        serde_json::from_slice(plain.expose_secret()).map_err(|_| VaultError::Shape)
    }

    /// Seals an integration's definition.
    pub fn seal_integration(&self, id: Uuid, document: &[u8]) -> Result<Sealed, VaultError> {
        Ok(self.0.seal(&shared("integrations", "sealed", id.as_bytes()), document)?)
    }

    /// Opens an integration's definition, of any of its versions.
    pub fn open_integration(&self, id: Uuid, sealed: &Sealed) -> Result<Vec<u8>, VaultError> {
        Ok(self.0.open(&shared("integrations", "sealed", id.as_bytes()), sealed)?.expose_secret().clone())
    }

    /// Seals an install's override.
    pub fn seal_override(&self, environment: Uuid, id: Uuid, document: &[u8]) -> Result<Sealed, VaultError> {
        let row = id.as_bytes();
        let binding = Binding { table: "environment_integrations", field: "sealed", environment, row, version: 0 };
        Ok(self.0.seal(&binding, document)?)
    }

    /// Seals an account's own override.
    pub fn seal_own_override(
        &self,
        environment: Uuid,
        account: Uuid,
        overrides: &Map<String, Value>,
    ) -> Result<Sealed, VaultError> {
        let plain = serde_json::to_vec(overrides).map_err(|_| VaultError::Shape)?;
        Ok(self.0.seal(&own_override_of(environment, account.as_bytes()), &plain)?)
    }

    /// Opens an account's own override.
    pub fn open_own_override(
        &self,
        environment: Uuid,
        account: Uuid,
        sealed: &Sealed,
    ) -> Result<Map<String, Value>, VaultError> {
        let plain = self.0.open(&own_override_of(environment, account.as_bytes()), sealed)?;
        serde_json::from_slice(plain.expose_secret()).map_err(|_| VaultError::Shape)
    }

    /// Seals an effective definition.
    pub fn seal_effective(&self, hash: DefinitionHash, document: &[u8]) -> Result<Sealed, VaultError> {
        Ok(self.0.seal(&shared("effective_definitions", "sealed", &hash.0), document)?)
    }

    /// Opens an effective definition.
    pub fn open_effective(&self, hash: DefinitionHash, sealed: &Sealed) -> Result<Vec<u8>, VaultError> {
        Ok(self.0.open(&shared("effective_definitions", "sealed", &hash.0), sealed)?.expose_secret().clone())
    }

    /// Seals a large value of a context.
    pub fn seal_object(&self, environment: Uuid, object: Uuid, value: &Value) -> Result<Sealed, VaultError> {
        let plain = serde_json::to_vec(value).map_err(|_| VaultError::Shape)?;
        Ok(self.0.seal(&object_of(environment, object.as_bytes()), &plain)?)
    }

    /// Opens a large value of a context.
    pub fn open_object(&self, environment: Uuid, object: Uuid, sealed: &Sealed) -> Result<Value, VaultError> {
        let plain = self.0.open(&object_of(environment, object.as_bytes()), sealed)?;
        serde_json::from_slice(plain.expose_secret()).map_err(|_| VaultError::Shape)
    }

    /// Seals a setting of the installation.
    pub fn seal_setting(&self, key: &str, value: &[u8]) -> Result<Sealed, VaultError> {
        Ok(self.0.seal(&shared("settings", "sealed", key.as_bytes()), value)?)
    }

    /// Opens a setting of the installation.
    pub fn open_setting(&self, key: &str, sealed: &Sealed) -> Result<Vec<u8>, VaultError> {
        Ok(self.0.open(&shared("settings", "sealed", key.as_bytes()), sealed)?.expose_secret().clone())
    }
}

fn secrets_of(environment: Uuid, row: &[u8], version: i64) -> Binding<'_> {
    Binding { table: "credentials", field: "sealed", environment, row, version }
}

fn progress_of(environment: Uuid, row: &[u8]) -> Binding<'_> {
    Binding { table: "runs", field: "progress", environment, row, version: 0 }
}

fn own_override_of(environment: Uuid, row: &[u8]) -> Binding<'_> {
    Binding { table: "account_overrides", field: "sealed", environment, row, version: 0 }
}

fn object_of(environment: Uuid, row: &[u8]) -> Binding<'_> {
    Binding { table: "objects", field: "context", environment, row, version: 0 }
}

/// What belongs to no environment.
fn shared<'a>(table: &'a str, field: &'a str, row: &'a [u8]) -> Binding<'a> {
    Binding { table, field, environment: Uuid::nil(), row, version: 0 }
}
