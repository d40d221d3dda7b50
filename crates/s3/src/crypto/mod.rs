//! Encryption at rest: each content under a random key of its own, kept encrypted by the platform's master key (SSE-S3),
//! by a key of KMS (SSE-KMS) or by the customer's (SSE-C).
//!
//! Bytes are AES-256-GCM in segments of 64 KiB that know their place and which of them is the last. So a range decrypts
//! only the segments it touches, and a segment that was altered, moved, repeated or left out is an error and never
//! bytes. Each segment grows by 16 bytes.
//!
//! The way: [`SecretKey::random`] is an object's data key, kept as the text of [`MasterKeys::seal_key`], of
//! [`CustomerKey::seal_key`], or of a data key of KMS that wraps it (`encryption`); each of its contents (one, or one a part) is encrypted under
//! [`content_key`] of its salt, by an [`Encryptor`], and read back by a [`Decryptor`].
//!
//! Because data keys are sealed apart from the bytes, a copy shares the encrypted bytes with its source whoever owns the keys: only
//! the data key is sealed anew.
//!
//! Never: no key is logged or shown; a customer's key is not kept; a data key encrypts one content only.

mod customer;
mod decrypt;
mod encrypt;
mod segment;
#[cfg(test)]
mod tests;

use danbi_keyring::KeyringError;

pub use customer::{CustomerKey, CustomerKeyProblem};
pub use danbi_keyring::{MasterKeys, SecretKey};
pub use decrypt::{Decryptor, open};
pub use encrypt::{Encryptor, seal};
pub use segment::{SEGMENT_BYTES, TAG_BYTES, sealed_length, segments};

/// What data keys are sealed for, under the master key, a customer's, or a data key of KMS.
pub const DATA_KEY: &[u8] = b"danbi s3 data key";
const CONTENT: &[u8] = b"danbi s3 content";

/// The key of one content among those that a data key is for. `salt` must never come twice with one data key.
pub fn content_key(key: &SecretKey, salt: &[u8]) -> SecretKey {
    key.derive(CONTENT, salt)
}

/// Why bytes could not be encrypted or decrypted.
#[derive(Debug, thiserror::Error)]
pub enum CryptoError {
    /// The bytes are not those that were encrypted: altered, cut, moved, or the key is another.
    #[error("encrypted bytes are damaged: they do not authenticate")]
    Damaged,
    /// A data key cannot be opened: its master key is gone, the customer's key is another, or it was altered.
    #[error("a data key cannot be opened with the key at hand")]
    Key,
    /// A range that the content does not have.
    #[error("the range lies outside the content")]
    Range,
    /// More bytes than one key may encrypt.
    #[error("too many bytes for one key")]
    TooLong,
    /// A key could not be made or sealed, or the master keys cannot be used.
    #[error(transparent)]
    Keyring(KeyringError),
}

impl From<KeyringError> for CryptoError {
    fn from(error: KeyringError) -> Self {
        match error {
            KeyringError::Sealed => Self::Key,
            KeyringError::TooLong => Self::TooLong,
            other => Self::Keyring(other),
        }
    }
}
