//! Definitions as they are stored: what is clear, and what is sealed.

use uuid::Uuid;

use super::{DefinitionHash, IntegrationRef};
use crate::seal::Sealed;

/// An integration or install as it is stored: the clear part, and the sealed document.
#[derive(Debug, Clone)]
pub struct StoredIntegration {
    /// Its public face.
    pub face: IntegrationRef,
    /// SHA-256 of its canonical JSON.
    pub hash: DefinitionHash,
    /// The sealed definition.
    pub sealed: Sealed,
}

/// An install as it is stored.
#[derive(Debug, Clone)]
pub struct StoredInstall {
    /// Its id, the `environment_integration_id` of requests.
    pub id: Uuid,
    /// The environment.
    pub environment_id: Uuid,
    /// The integration it installs.
    pub integration_id: Uuid,
    /// Whether imports are accepted.
    pub is_enabled: bool,
    /// SHA-256 of the override's canonical JSON.
    pub hash: DefinitionHash,
    /// The sealed override.
    pub sealed: Sealed,
    /// The effective definition that new runs pin.
    pub effective: DefinitionHash,
}

/// An integration as it is listed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IntegrationEntry {
    /// Its public face.
    pub face: IntegrationRef,
    /// How often it was changed, from 1.
    pub version: i64,
    /// SHA-256 of its canonical JSON.
    pub hash: DefinitionHash,
}

/// A version of an integration as it is listed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VersionEntry {
    /// Its number.
    pub version: i64,
    /// SHA-256 of its canonical JSON.
    pub hash: DefinitionHash,
    /// When it was applied, by the database's clock.
    pub inserted_at_ms: i64,
}

/// An account's own override.
#[derive(Debug, Clone)]
pub struct UsedOverride {
    /// The account.
    pub account: Uuid,
    /// The sealed override.
    pub sealed: Sealed,
}

/// All definitions that belong together; applied whole.
#[derive(Debug, Clone, Default)]
pub struct StoredDefinitions {
    /// Environments: id and name.
    pub environments: Vec<(Uuid, String)>,
    /// Integrations.
    pub integrations: Vec<StoredIntegration>,
    /// Installs.
    pub installs: Vec<StoredInstall>,
    /// Effective definitions, content-addressed.
    pub effective: Vec<(DefinitionHash, Sealed)>,
    /// The versions that integrations must still have, `None` for one that is not there yet.
    pub over: Vec<(Uuid, Option<i64>)>,
}
