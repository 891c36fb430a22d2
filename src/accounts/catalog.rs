//! Which definitions there are: installs for intake, compiled plans for the runner.
//!
//! The store is the truth; this is a copy that is looked at on every request. An install that it does not know is asked
//! for by its id; all are read anew by [`Catalog::refresh`], which the process calls regularly.

use std::collections::HashMap;
use std::num::NonZeroUsize;
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use lru::LruCache;
use uuid::Uuid;

use super::{Vault, VaultError};
use crate::definitions::{CompileError, Effective, Plan};
use crate::store::{DefinitionHash, InstallEntry, Store, StoreError, StoredDefinitions};

/// How many compiled plans are kept.
const PLANS: NonZeroUsize = NonZeroUsize::new(512).unwrap();

/// Why a pinned definition cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum PlanError {
    /// It is not in the store.
    #[error("the effective definition {0} is not in the database")]
    Missing(DefinitionHash),
    /// It does not compile.
    #[error("the definition cannot be run: {0}")]
    Invalid(CompileError),
    /// It does not open.
    #[error("the definition does not open: {0}")]
    Vault(#[from] VaultError),
    /// The store does not answer.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// The copy.
#[derive(Debug)]
pub struct Catalog {
    pub(super) store: Arc<dyn Store>,
    pub(super) vault: Vault,
    installs: RwLock<HashMap<Uuid, Arc<InstallEntry>>>,
    plans: Mutex<LruCache<DefinitionHash, Arc<Plan>>>,
    reading: tokio::sync::Mutex<()>,
}

impl Catalog {
    /// An empty copy.
    #[must_use]
    pub fn new(store: Arc<dyn Store>, vault: Vault) -> Self {
        Self {
            store,
            vault,
            installs: RwLock::default(),
            plans: Mutex::new(LruCache::new(PLANS)),
            reading: tokio::sync::Mutex::default(),
        }
    }

    /// Reads the installs anew.
    ///
    /// # Errors
    /// When the store does not answer.
    pub async fn refresh(&self) -> Result<(), StoreError> {
        let entries = self.store.installs().await?;
        let entries = entries.into_iter().map(|install| (install.id, Arc::new(install)));
        *self.installs.write().unwrap_or_else(PoisonError::into_inner) = entries.collect();
        Ok(())
    }

    /// The install with this id; the store is asked when the copy does not know it.
    ///
    /// # Errors
    /// When the store does not answer.
    pub async fn install(&self, id: Uuid) -> Result<Option<Arc<InstallEntry>>, StoreError> {
        if let Some(known) = self.known(id) {
            return Ok(Some(known));
        }
        // Asked anew each time, by its key: an install that another process has just applied is known at once.
        let found = self.store.install(id).await?.map(Arc::new);
        if let Some(found) = &found {
            self.installs.write().unwrap_or_else(PoisonError::into_inner).insert(id, Arc::clone(found));
        }
        Ok(found)
    }

    /// Whether it knows no install.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.installs.read().unwrap_or_else(PoisonError::into_inner).is_empty()
    }

    fn known(&self, id: Uuid) -> Option<Arc<InstallEntry>> {
        self.installs.read().unwrap_or_else(PoisonError::into_inner).get(&id).cloned()
    }

    /// The compiled form of an effective definition.
    ///
    /// # Errors
    /// When it is missing, cannot be compiled, or the store does not answer.
    pub async fn plan(&self, hash: DefinitionHash) -> Result<Arc<Plan>, PlanError> {
        if let Some(plan) = self.compiled(hash) {
            return Ok(plan);
        }
        // One reads, those that came after it wait in their order: nothing is compiled twice, and of two equal lines at
        // the head of a file the first one stays the first.
        let _turn = self.reading.lock().await;
        if let Some(plan) = self.compiled(hash) {
            return Ok(plan);
        }
        let sealed = self.store.effective_definition(hash).await?.ok_or(PlanError::Missing(hash))?;
        let bytes = self.vault.open_effective(hash, &sealed)?;
        let effective = Effective::from_bytes(&bytes).map_err(PlanError::Invalid)?;
        let plan = Arc::new(Plan::compile(&effective).map_err(PlanError::Invalid)?);
        self.remember(hash, Arc::clone(&plan));
        Ok(plan)
    }

    /// Compiles a definition that is not stored yet, or may not be.
    ///
    /// # Errors
    /// When it cannot be run.
    pub(super) fn plan_of(&self, effective: &Effective) -> Result<(DefinitionHash, Arc<Plan>), CompileError> {
        let hash = effective.hash();
        if let Some(plan) = self.compiled(hash) {
            return Ok((hash, plan));
        }
        Ok((hash, Arc::new(Plan::compile(effective)?)))
    }

    /// Remembers the plan of a definition that is stored.
    pub(super) fn remember(&self, hash: DefinitionHash, plan: Arc<Plan>) {
        self.plans.lock().unwrap_or_else(PoisonError::into_inner).put(hash, plan);
    }

    /// Keeps a definition with its plan, unless it is there.
    ///
    /// # Errors
    /// When it cannot be run or sealed, or the store does not answer.
    pub(super) async fn keep(&self, effective: &Effective) -> Result<DefinitionHash, PlanError> {
        let (hash, plan) = self.plan_of(effective).map_err(PlanError::Invalid)?;
        // What is remembered is stored.
        if self.compiled(hash).is_none() {
            if self.store.effective_definition(hash).await?.is_none() {
                let sealed = self.vault.seal_effective(hash, &effective.to_bytes())?;
                let effective = vec![(hash, sealed)];
                self.store.save_definitions(StoredDefinitions { effective, ..StoredDefinitions::default() }).await?;
            }
            self.remember(hash, plan);
        }
        Ok(hash)
    }

    fn compiled(&self, hash: DefinitionHash) -> Option<Arc<Plan>> {
        self.plans.lock().unwrap_or_else(PoisonError::into_inner).get(&hash).map(Arc::clone)
    }
}
