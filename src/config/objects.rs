//! The settings of the object store: where the large values of contexts are kept.

use std::path::PathBuf;

use secrecy::SecretString;

use super::error::ConfigError;
use super::reader::Reader;
use super::url::DatabaseUrl;

/// Where objects are kept.
#[derive(Debug, Clone)]
pub enum ObjectPlace {
    /// A directory; made when something is kept there.
    Directory(PathBuf),
    /// A bucket of an S3-compatible service.
    Bucket(Box<Bucket>),
}

/// A bucket, and how to get at it. What is not given is taken from the `AWS_*` variables or the machine's role, as AWS's
/// own tools do.
#[derive(Debug, Clone)]
pub struct Bucket {
    /// Its name.
    pub name: String,
    /// Stands before the names of all objects; may be empty.
    pub prefix: String,
    /// The region.
    pub region: Option<String>,
    /// The service's URL where it is not AWS.
    pub endpoint: Option<String>,
    /// The access key's id.
    pub access_key_id: Option<String>,
    /// Its secret.
    pub secret_access_key: Option<SecretString>,
}

/// Reads `objects`: without a URL a directory beside the SQLite file, and none with PostgreSQL.
pub(super) fn read(reader: &Reader<'_>, database: &DatabaseUrl) -> Result<Option<ObjectPlace>, ConfigError> {
    const KEY: &str = "objects.url";
    let text = reader.text(KEY)?;
    let optional = |key: &str| reader.text(key).map(|text| Some(text).filter(|text| !text.is_empty()));
    let (region, endpoint) = (optional("objects.region")?, optional("objects.endpoint")?);
    let (access_key_id, secret) = (optional("objects.access_key_id")?, reader.path("objects.secret_access_key_file")?);
    if access_key_id.is_some() != secret.is_some() {
        let key = if secret.is_some() { "objects.secret_access_key_file" } else { "objects.access_key_id" };
        return Err(reader
            .refuse(key, "is set alone")
            .hint("set both `objects.access_key_id` and `objects.secret_access_key_file`, or neither"));
    }
    if let Some(rest) = text.strip_prefix("s3://") {
        let (name, prefix) = rest.split_once('/').unwrap_or((rest, ""));
        if name.is_empty() {
            return Err(reader.refuse(KEY, "names no bucket; its form is `s3://BUCKET/PREFIX`"));
        }
        if let Some(endpoint) = &endpoint
            && !endpoint.starts_with("https://")
            && !endpoint.starts_with("http://")
        {
            return Err(reader.refuse("objects.endpoint", "must begin with `https://` (or `http://`)"));
        }
        let unreadable = |path: &PathBuf, error| {
            reader.refuse("objects.secret_access_key_file", format!("{} cannot be read: {error}", path.display()))
        };
        let secret = secret.map(|path| std::fs::read_to_string(&path).map_err(|error| unreadable(&path, error)));
        return Ok(Some(ObjectPlace::Bucket(Box::new(Bucket {
            name: name.to_owned(),
            prefix: prefix.trim_end_matches('/').to_owned(),
            region,
            endpoint,
            access_key_id,
            secret_access_key: secret.transpose()?.map(|text| text.trim().into()),
        }))));
    }
    if text.contains("://") {
        return Err(reader.refuse(KEY, "must be a directory or `s3://BUCKET/PREFIX`"));
    }
    if !text.is_empty() {
        return Ok(Some(ObjectPlace::Directory(text.into())));
    }
    Ok(database.sqlite_path().map(|file| {
        let mut path = file.into_os_string();
        path.push(".objects");
        ObjectPlace::Directory(path.into())
    }))
}
