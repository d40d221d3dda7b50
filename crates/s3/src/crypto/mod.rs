//! Encryption at rest: each content under a random key of its own, kept encrypted by the platform's master key (SSE-S3)
//! or by the customer's (SSE-C).
//!
//! Bytes are AES-256-GCM in segments of 64 KiB that know their place and which of them is the last. So a range decrypts
//! only the segments it touches, and a segment that was altered, moved, repeated or left out is an error and never
//! bytes. Each segment grows by 16 bytes.
//!
//! The way: [`SecretKey::random`] is an object's data key, kept as the text of [`MasterKeys::seal_key`] or
//! [`CustomerKey::seal_key`]; each of its contents (one, or one a part) is encrypted under
//! [`SecretKey::for_content`] of its salt, by an [`Encryptor`], and read back by a [`Decryptor`].
//!
//! Because data keys are sealed apart from the bytes, a copy shares the encrypted bytes with its source whoever owns the keys: only
//! the data key is sealed anew.
//!
//! Never: no key is logged or shown; a customer's key is not kept; a data key encrypts one content only. SSE-KMS is not
//! built: asking for it is answered with an error that says so.

mod customer;
mod decrypt;
mod encrypt;
mod key;
mod master;
mod segment;
#[cfg(test)]
mod tests;

use std::path::PathBuf;

use crate::checksum::hex;

pub use customer::{CustomerKey, CustomerKeyProblem};
pub use decrypt::{Decryptor, open};
pub use encrypt::{Encryptor, seal};
pub use key::SecretKey;
pub use master::{MasterKeyId, MasterKeys};
pub use segment::{SEGMENT_BYTES, TAG_BYTES, sealed_length, segments};

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
    /// The system has no random bytes.
    #[error("the system gives no random bytes")]
    Randomness,
    /// The file of master keys cannot be used.
    #[error("the master keys in {} cannot be used: {reason}", path.display())]
    MasterKeys {
        /// The file.
        path: PathBuf,
        /// Why not.
        reason: String,
    },
}
