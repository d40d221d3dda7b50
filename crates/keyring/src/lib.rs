//! Keys that nobody may see, and the file of the data folder that all others are sealed under.
//!
//! # Table of contents
//! [`SecretKey`] (`key`) is 256 bits, with what is done with them; [`MasterKeys`] (`master`) is a file of such keys, one
//! for each service that seals anything.
//!
//! # Promises
//! - What is sealed is AES-256-GCM under a key of its own, derived from a random salt by HMAC-SHA256, so that no nonce
//!   ever comes twice however much is sealed.
//! - A master key that was ever used must still be in its file: the store remembers their names, and [`MasterKeys::open`]
//!   refuses to go on with a file that has lost one instead of making a new key silently.
//!
//! # Never
//! - No key is logged, shown by `Debug`, or written anywhere but into its file, which only its owner can read.
//! - It knows no service and no meaning of what it seals.

mod key;
mod master;
#[cfg(test)]
mod tests;

pub use key::{KEY_BYTES, SEAL_BYTES, SecretKey};
pub use master::{MasterKeyId, MasterKeys};

use std::path::PathBuf;

/// Why something could not be sealed or opened.
#[derive(Debug, thiserror::Error)]
pub enum KeyringError {
    /// What was sealed cannot be opened: its master key is gone, another key sealed it, or it was altered.
    #[error("what was sealed cannot be opened with the keys at hand")]
    Sealed,
    /// More bytes than one key may encrypt.
    #[error("too many bytes for one key")]
    TooLong,
    /// The system has no random bytes.
    #[error("the system gives no random bytes")]
    Randomness,
    /// The file of master keys cannot be used.
    #[error("the master keys in {} cannot be used: {reason}", path.display())]
    Unusable {
        /// The file.
        path: PathBuf,
        /// Why not.
        reason: String,
    },
    /// Master keys that things are sealed under are not in the file any more.
    #[error(
        "the master keys {} are lost: {} does not have them, and what is sealed under them cannot be read without. Put the \
         file back from your backup of the data folder (mode 600). If there is none, what was encrypted is gone; to go on \
         without it, start with a new data folder",
        ids.join(", "),
        path.display()
    )]
    Lost {
        /// The file.
        path: PathBuf,
        /// The names of the keys.
        ids: Vec<String>,
    },
    /// The store failed.
    #[error("the names of the master keys could not be read or kept: {0}")]
    Store(#[from] danbi_store::StoreError),
}
