//! The lock beside the database file.

use std::path::{Path, PathBuf};

/// Holds a database file for one worker process; released when dropped or when the process ends, however it ends.
#[derive(Debug)]
pub struct FileLock {
    _file: std::fs::File,
    /// The lock's file, beside the database.
    pub path: PathBuf,
}

impl FileLock {
    /// Takes the lock of the database in `file`. Holding it proves that no other worker lives.
    ///
    /// # Errors
    /// `Ok(None)` when another process holds it; an I/O error when the lock file cannot be made.
    pub fn take(file: &Path) -> std::io::Result<Option<Self>> {
        let mut path = file.as_os_str().to_owned();
        path.push(".lock");
        let path = PathBuf::from(path);
        let lock = std::fs::OpenOptions::new().create(true).truncate(false).write(true).open(&path)?;
        match lock.try_lock() {
            Ok(()) => Ok(Some(Self { _file: lock, path })),
            Err(std::fs::TryLockError::WouldBlock) => Ok(None),
            Err(std::fs::TryLockError::Error(error)) => Err(error),
        }
    }
}
