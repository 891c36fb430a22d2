//! Where large values of contexts are kept: a directory, or a bucket of an S3-compatible service. The only home of the
//! `object_store` crate.
//!
//! Objects are sealed by their callers, never changed (a new value is a new object) and named by them. Lacks: a sweep for
//! objects that nothing names any more, which a crash between putting and committing leaves behind.

use std::fmt;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use object_store::aws::AmazonS3Builder;
use object_store::local::LocalFileSystem;
use object_store::path::Path as Name;
use object_store::prefix::PrefixStore;
use object_store::{ClientOptions, ObjectStore, ObjectStoreExt as _, PutPayload, RetryConfig};
use secrecy::ExposeSecret as _;

use crate::config::{Bucket, ObjectPlace};
use crate::seal::Sealed;

/// How long one request to a bucket may take, and all attempts of it.
const REQUEST: Duration = Duration::from_secs(10);
const ATTEMPTS: Duration = Duration::from_secs(20);

/// Why an object could not be kept or fetched.
#[derive(Debug, thiserror::Error)]
pub enum ObjectError {
    /// No place is configured.
    #[error("no object store is configured: set `objects.url`")]
    NotConfigured,
    /// There is no such object.
    #[error("the object `{0}` is not there")]
    Missing(String),
    /// The store did not take or give it.
    #[error("the object store does not answer as it should: {0}")]
    Unavailable(String),
}

/// An object store. Cheap to clone.
#[derive(Clone)]
pub struct Objects {
    store: Option<Arc<dyn ObjectStore>>,
}

impl fmt::Debug for Objects {
    // The store's own Debug output may hold a key.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Objects").field("configured", &self.store.is_some()).finish()
    }
}

impl Objects {
    /// The store at `place`; one without a place keeps nothing. Nothing is connected to yet.
    ///
    /// # Errors
    /// What is wrong with the configuration.
    pub fn open(place: Option<&ObjectPlace>) -> Result<Self, String> {
        let store = match place {
            None => None,
            Some(ObjectPlace::Directory(directory)) => Some(open_directory(directory)?),
            Some(ObjectPlace::Bucket(bucket)) => Some(open_bucket(bucket)?),
        };
        Ok(Self { store })
    }

    /// Whether there is a place to keep objects in.
    #[must_use]
    pub const fn is_configured(&self) -> bool {
        self.store.is_some()
    }

    /// Keeps an object.
    ///
    /// # Errors
    /// [`ObjectError::NotConfigured`] and [`ObjectError::Unavailable`].
    pub async fn put(&self, name: &str, object: &Sealed) -> Result<(), ObjectError> {
        let payload = PutPayload::from(object.as_bytes().to_vec());
        self.store()?.put(&Name::from(name), payload).await.map(drop).map_err(|error| failed(name, &error))
    }

    /// Fetches an object.
    ///
    /// # Errors
    /// [`ObjectError`].
    pub async fn get(&self, name: &str) -> Result<Sealed, ObjectError> {
        let found = self.store()?.get(&Name::from(name)).await.map_err(|error| failed(name, &error))?;
        let bytes = found.bytes().await.map_err(|error| failed(name, &error))?;
        Ok(Sealed::from_bytes(bytes.to_vec()))
    }

    /// Forgets an object; one that is not there is forgotten.
    ///
    /// # Errors
    /// [`ObjectError::NotConfigured`] and [`ObjectError::Unavailable`].
    pub async fn delete(&self, name: &str) -> Result<(), ObjectError> {
        match self.store()?.delete(&Name::from(name)).await {
            Ok(()) | Err(object_store::Error::NotFound { .. }) => Ok(()),
            Err(error) => Err(failed(name, &error)),
        }
    }

    fn store(&self) -> Result<&Arc<dyn ObjectStore>, ObjectError> {
        self.store.as_ref().ok_or(ObjectError::NotConfigured)
    }
}

fn failed(name: &str, error: &object_store::Error) -> ObjectError {
    match error {
        object_store::Error::NotFound { .. } => ObjectError::Missing(name.to_owned()),
        error => ObjectError::Unavailable(error.to_string()),
    }
}

/// The directory is made by the first object, so that an installation without large values has none.
fn open_directory(directory: &Path) -> Result<Arc<dyn ObjectStore>, String> {
    let absolute = std::path::absolute(directory).map_err(|error| format!("{}: {error}", directory.display()))?;
    let prefix = Name::from_absolute_path(&absolute).map_err(|error| error.to_string())?;
    // Without automatic cleanup, since an empty directory tells nobody anything; synced, since the database names what is here.
    Ok(Arc::new(PrefixStore::new(LocalFileSystem::new().with_fsync(true), prefix)))
}

fn open_bucket(bucket: &Bucket) -> Result<Arc<dyn ObjectStore>, String> {
    let plain = bucket.endpoint.as_deref().is_some_and(|endpoint| endpoint.starts_with("http://"));
    let client = ClientOptions::new().with_timeout(REQUEST).with_connect_timeout(REQUEST / 2).with_allow_http(plain);
    let retry = RetryConfig { max_retries: 3, retry_timeout: ATTEMPTS, ..RetryConfig::default() };
    let mut builder = AmazonS3Builder::from_env()
        .with_bucket_name(&bucket.name)
        .with_client_options(client)
        .with_retry(retry)
        // One object is deleted at a time, and not every service knows how to delete many.
        .with_disable_bulk_delete(true);
    if let Some(region) = &bucket.region {
        builder = builder.with_region(region);
    }
    if let Some(endpoint) = &bucket.endpoint {
        builder = builder.with_endpoint(endpoint);
    }
    if let Some(id) = &bucket.access_key_id {
        builder = builder.with_access_key_id(id);
    }
    if let Some(secret) = &bucket.secret_access_key {
        builder = builder.with_secret_access_key(secret.expose_secret());
    }
    let store = builder.build().map_err(|error| error.to_string())?;
    Ok(Arc::new(PrefixStore::new(store, bucket.prefix.as_str())))
}
