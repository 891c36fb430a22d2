//! Sealed values: secrets as they are stored.
//!
//! A sealed value opens only with the right key and only in the place it was made for: its table, field, environment,
//! row and version are bound to it, so a value copied elsewhere, cut or changed is an error. Its form is
//! `01 ‖ key id (8) ‖ nonce (12) ‖ ciphertext and tag`, AES-256-GCM under a key that HKDF-SHA-256 derives for each row
//! from the master key named by the key id.
//!
//! The first key of the key file seals and all of them open, so keys are changed by putting a new one first. There is
//! no key provider but the file, and nothing here re-encrypts rows.

mod fingerprint;
mod key_file;
#[cfg(test)]
mod tests;

use std::fmt;

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use aws_lc_rs::hkdf::Prk;
use secrecy::{ExposeSecretMut, SecretBox};
use uuid::Uuid;

pub use fingerprint::{Fingerprint, canonical_json, hex};
pub use key_file::{KeyId, KeyProblem, create_key_file};

/// The first byte of every sealed value.
const FORMAT: u8 = 1;
/// Where the nonce begins.
const NONCE_AT: usize = 1 + key_file::ID_LEN;
/// Where the ciphertext begins.
const CIPHERTEXT_AT: usize = NONCE_AT + NONCE_LEN;
/// Separates these derived keys from whatever else a master key may be used for one day.
const PURPOSE: &[u8] = b"tidewaiter seal 1";

/// Bytes that only a key opens.
#[derive(Clone, PartialEq, Eq)]
pub struct Sealed(Vec<u8>);

impl Sealed {
    /// Bytes that were read from the store; whether they open shows when they are opened.
    #[must_use]
    pub const fn from_bytes(bytes: Vec<u8>) -> Self {
        Self(bytes)
    }

    /// The bytes to store.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for Sealed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "[sealed, {} bytes]", self.0.len())
    }
}

/// The place a sealed value belongs to. It opens nowhere else.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Binding<'a> {
    /// The table.
    pub table: &'a str,
    /// The column.
    pub field: &'a str,
    /// The environment that owns the row; the nil id for what belongs to none.
    pub environment: Uuid,
    /// The row's id, as bytes.
    pub row: &'a [u8],
    /// The version of the value in its row; 0 where it never changes.
    pub version: i64,
}

impl Binding<'_> {
    /// The place as bytes. Each part carries its length, so no two places have the same bytes.
    fn associated_data(&self) -> Vec<u8> {
        let version = self.version.to_be_bytes();
        let parts: [&[u8]; 5] =
            [self.table.as_bytes(), self.field.as_bytes(), self.environment.as_bytes(), self.row, &version];
        let mut bytes = Vec::with_capacity(96);
        for part in parts {
            bytes.extend_from_slice(&(part.len() as u64).to_be_bytes());
            bytes.extend_from_slice(part);
        }
        bytes
    }
}

/// Why a value could not be sealed or opened.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SealError {
    /// The value was sealed with a key that the key file does not hold. Adding the key mends it.
    #[error("the value was sealed with key `{id}`, which is not in the key file; add that key's line again")]
    UnknownKey {
        /// The key's id.
        id: KeyId,
    },
    /// The value was changed, cut, or belongs to another place; or the key of this id is another one. It stays shut.
    #[error("the sealed value does not open in its place: it is damaged, was moved, or its key was replaced")]
    Damaged,
    /// The value is too large, or the machine gives no random numbers. Nothing was sealed.
    #[error("the value could not be sealed")]
    NotSealed,
}

/// Seals and opens values with the keys of one key file.
pub struct Sealer {
    /// The first seals. Never empty.
    keys: Vec<(KeyId, Prk)>,
}

impl fmt::Debug for Sealer {
    // Only the ids: they are in every sealed value anyway.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.keys.iter().map(|(id, _)| id)).finish()
    }
}

impl Sealer {
    /// Seals `plain` for the place `binding`, with a random nonce and the first key.
    ///
    /// # Errors
    /// [`SealError::NotSealed`] when the machine gives no random numbers.
    pub fn seal(&self, binding: &Binding<'_>, plain: &[u8]) -> Result<Sealed, SealError> {
        let (id, master) = self.keys.first().ok_or(SealError::NotSealed)?;
        let mut nonce = [0; NONCE_LEN];
        aws_lc_rs::rand::fill(&mut nonce).map_err(|_| SealError::NotSealed)?;
        let mut bytes = Vec::with_capacity(CIPHERTEXT_AT + plain.len() + AES_256_GCM.tag_len());
        bytes.push(FORMAT);
        bytes.extend_from_slice(id.as_bytes());
        bytes.extend_from_slice(&nonce);
        let mut ciphertext = plain.to_vec();
        row_key(master, binding.row)
            .and_then(|key| {
                let aad = Aad::from(binding.associated_data());
                key.seal_in_place_append_tag(Nonce::assume_unique_for_key(nonce), aad, &mut ciphertext).ok()
            })
            .ok_or(SealError::NotSealed)?;
        bytes.append(&mut ciphertext);
        Ok(Sealed(bytes))
    }

    /// Opens what was sealed for the place `binding`. The answer is wiped when it is dropped.
    ///
    /// # Errors
    /// [`SealError::UnknownKey`] or [`SealError::Damaged`].
    pub fn open(&self, binding: &Binding<'_>, sealed: &Sealed) -> Result<SecretBox<Vec<u8>>, SealError> {
        let (nonce, ciphertext, master) = self.parts(&sealed.0)?;
        let key = row_key(master, binding.row).ok_or(SealError::Damaged)?;
        let mut buffer = SecretBox::new(Box::new(ciphertext.to_vec()));
        let aad = Aad::from(binding.associated_data());
        let bytes = buffer.expose_secret_mut();
        let plain = key.open_in_place(nonce, aad, bytes).map_err(|_| SealError::Damaged)?.len();
        bytes.truncate(plain);
        Ok(buffer)
    }

    /// Cuts a sealed value into nonce, ciphertext and the master key it names.
    fn parts<'a>(&'a self, bytes: &'a [u8]) -> Result<(Nonce, &'a [u8], &'a Prk), SealError> {
        let (head, ciphertext) = bytes.split_at_checked(CIPHERTEXT_AT).ok_or(SealError::Damaged)?;
        let (named, nonce) = head.split_at_checked(NONCE_AT).ok_or(SealError::Damaged)?;
        let (&FORMAT, id) = named.split_first().ok_or(SealError::Damaged)? else {
            return Err(SealError::Damaged);
        };
        let id = KeyId::from_stored(id).ok_or(SealError::Damaged)?;
        let nonce = Nonce::try_assume_unique_for_key(nonce).map_err(|_| SealError::Damaged)?;
        let (_, master) = self.keys.iter().find(|(known, _)| *known == id).ok_or(SealError::UnknownKey { id })?;
        Ok((nonce, ciphertext, master))
    }
}

/// The key of one row. Deriving costs about as much as sealing a small value, so it is done each time.
fn row_key(master: &Prk, row: &[u8]) -> Option<LessSafeKey> {
    let info = [PURPOSE, row];
    let okm = master.expand(&info, &AES_256_GCM).ok()?;
    Some(LessSafeKey::new(UnboundKey::from(okm)))
}
