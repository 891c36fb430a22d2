//! The key file: lines `ID:BASE64`, the first key seals and all of them open.
//!
//! Blank lines and lines that begin with `#` mean nothing. The file must not be readable by anybody but its owner.

use std::fmt;
use std::fs::{File, OpenOptions};
use std::io::{ErrorKind, Read, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use aws_lc_rs::hkdf::{HKDF_SHA256, Prk, Salt};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use secrecy::{ExposeSecret, ExposeSecretMut, SecretBox};

use super::Sealer;
use crate::clock::Clock;

/// Bytes of a key's id in a sealed value.
pub(super) const ID_LEN: usize = 8;
/// Bytes of a master key.
const KEY_LEN: usize = 32;
/// A key file holds a few lines; a file beyond this many bytes is another one.
const MAX_BYTES: u64 = 64 * 1024;

/// The name of a master key: 1 to 8 characters of `a` to `z` and `0` to `9`.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct KeyId([u8; ID_LEN]);

impl KeyId {
    /// Reads an id as people write it.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let mut stored = [0; ID_LEN];
        stored.get_mut(..text.len())?.copy_from_slice(text.as_bytes());
        Self::from_stored(&stored)
    }

    /// Reads an id as it is stored: filled up with zero bytes.
    pub(super) fn from_stored(bytes: &[u8]) -> Option<Self> {
        let stored: [u8; ID_LEN] = bytes.try_into().ok()?;
        let len = stored.iter().position(|byte| *byte == 0).unwrap_or(ID_LEN);
        let (name, rest) = stored.split_at_checked(len)?;
        let named = !name.is_empty() && name.iter().all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9'));
        (named && rest.iter().all(|byte| *byte == 0)).then_some(Self(stored))
    }

    /// The id as it is stored.
    pub(super) const fn as_bytes(&self) -> &[u8; ID_LEN] {
        &self.0
    }
}

impl fmt::Display for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().take_while(|byte| **byte != 0).try_for_each(|byte| write!(f, "{}", char::from(*byte)))
    }
}

impl fmt::Debug for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// What is wrong with a key file. Each stops the start; none says anything about a key but its line.
#[derive(Debug, thiserror::Error)]
pub enum KeyProblem {
    /// There is no such file.
    #[error("the key file {} does not exist; make one (one line, `k1:` and 32 random bytes in base64, mode 0600) or \
             correct its path", path.display())]
    Missing {
        /// The file.
        path: PathBuf,
    },
    /// The file cannot be read.
    #[error("the key file {} cannot be read: {cause}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the operating system says.
        cause: std::io::Error,
    },
    /// Others than its owner may use the file.
    #[error("the key file {} is open to others (mode {mode:04o}); run `chmod 600` on it", path.display())]
    Exposed {
        /// The file.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// A line is not what it must be.
    #[error("line {line} of the key file {}: {what}", path.display())]
    Malformed {
        /// The file.
        path: PathBuf,
        /// The line, from 1.
        line: usize,
        /// What is wrong, without the line's text.
        what: &'static str,
    },
    /// The file holds no key.
    #[error("the key file {} holds no key; it needs a line `ID:BASE64` with 32 random bytes", path.display())]
    Empty {
        /// The file.
        path: PathBuf,
    },
    /// A new key file was to be made where there is a file already.
    #[error("{} exists already and is left as it is; a key that is lost opens nothing any more", path.display())]
    Exists {
        /// The file.
        path: PathBuf,
    },
    /// The new key file cannot be written.
    #[error("the key file {} cannot be written: {cause}", path.display())]
    Unwritable {
        /// The file.
        path: PathBuf,
        /// What the operating system says.
        cause: std::io::Error,
    },
}

impl Sealer {
    /// Reads the keys of a key file.
    ///
    /// # Errors
    /// A [`KeyProblem`] that says what to change.
    pub fn from_key_file(path: &Path) -> Result<Self, KeyProblem> {
        let text = read_private(path)?;
        let mut keys: Vec<(KeyId, Prk)> = Vec::new();
        for (index, line) in text.expose_secret().lines().enumerate() {
            let line = line.trim();
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            let malformed = |what| KeyProblem::Malformed { path: path.to_owned(), line: index + 1, what };
            let (id, master) = parse_line(line).map_err(malformed)?;
            if keys.iter().any(|(known, _)| *known == id) {
                return Err(malformed("another line has the same id"));
            }
            keys.push((id, master));
        }
        if keys.is_empty() {
            return Err(KeyProblem::Empty { path: path.to_owned() });
        }
        Ok(Self { keys })
    }
}

/// Makes a key file with one new random key, `k1`, that only its owner may read.
///
/// # Errors
/// [`KeyProblem::Exists`] when there is a file already, [`KeyProblem::Unwritable`] when it cannot be written.
pub fn create_key_file(path: &Path, clock: &dyn Clock) -> Result<(), KeyProblem> {
    let mut key = SecretBox::new(Box::new([0_u8; KEY_LEN]));
    clock.fill(key.expose_secret_mut());
    let line = SecretBox::new(Box::new(format!(
        "# Tidewaiter seals its secrets with the first key and opens them with all. Keep a copy: nothing else opens \
         them.\nk1:{}\n",
        STANDARD.encode(key.expose_secret())
    )));
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path).map_err(|cause| {
        let path = path.to_owned();
        if cause.kind() == ErrorKind::AlreadyExists {
            KeyProblem::Exists { path }
        } else {
            KeyProblem::Unwritable { path, cause }
        }
    })?;
    file.write_all(line.expose_secret().as_bytes()).and_then(|()| file.sync_all()).map_err(|cause| {
        // A file without a whole key would stop the next start; what is left of it helps nobody.
        let _ = std::fs::remove_file(path);
        KeyProblem::Unwritable { path: path.to_owned(), cause }
    })
}

/// Reads a file that nobody but its owner may use.
fn read_private(path: &Path) -> Result<SecretBox<String>, KeyProblem> {
    let unreadable = |cause| KeyProblem::Unreadable { path: path.to_owned(), cause };
    let file = File::open(path).map_err(|cause| match cause.kind() {
        ErrorKind::NotFound => KeyProblem::Missing { path: path.to_owned() },
        _ => unreadable(cause),
    })?;
    // Asked of the open file, so that it cannot be exchanged in between.
    let mode = file.metadata().map_err(unreadable)?.mode() & 0o7777;
    if mode & 0o077 != 0 {
        return Err(KeyProblem::Exposed { path: path.to_owned(), mode });
    }
    // With its room from the start, so that growing leaves no copies behind.
    let mut text = SecretBox::new(Box::new(String::with_capacity(MAX_BYTES as usize + 1)));
    file.take(MAX_BYTES + 1).read_to_string(text.expose_secret_mut()).map_err(unreadable)?;
    if text.expose_secret().len() as u64 > MAX_BYTES {
        return Err(unreadable(std::io::Error::other("it is too large for a key file")));
    }
    Ok(text)
}

fn parse_line(line: &str) -> Result<(KeyId, Prk), &'static str> {
    let (id, key) = line.split_once(':').ok_or("it is not `ID:BASE64`")?;
    let id = KeyId::parse(id).ok_or("the id is not 1 to 8 characters of a-z and 0-9")?;
    let mut bytes = SecretBox::new(Box::new([0_u8; KEY_LEN + 4]));
    let len = STANDARD
        .decode_slice(key.trim(), bytes.expose_secret_mut())
        .map_err(|_| "the key is not 32 bytes in base64")?;
    let key: &[u8] = bytes.expose_secret().get(..len).unwrap_or_default();
    let first = key.first().copied().filter(|_| key.len() == KEY_LEN).ok_or("the key is not 32 bytes in base64")?;
    if key.iter().all(|byte| *byte == first) {
        return Err("the key is the same byte again and again; make it from 32 random bytes");
    }
    Ok((id, Salt::new(HKDF_SHA256, &[]).extract(key)))
}
