//! KMS's errors: code and message as AWS gives them; every one of a client has status 400.
//!
//! Source: <https://docs.aws.amazon.com/kms/latest/APIReference/CommonErrors.html> and AWS's own answers.

use danbi_core::ServiceError;
use danbi_keyring::KeyringError;
use danbi_store::StoreError;

/// Why KMS did not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// An answer that AWS gives, in its words.
    #[error("{0}")]
    Answer(Box<ServiceError>),
    /// The store failed.
    #[error("the store failed: {0}")]
    Store(#[from] StoreError),
    /// Key material could not be sealed or opened, or the master keys cannot be used.
    #[error("{0}")]
    Keyring(#[from] KeyringError),
    /// What is stored is not what was written.
    #[error("stored data is damaged: {0}")]
    Damaged(String),
    /// A computation with a key failed that cannot fail with a good one.
    #[error("a computation with a key failed: {0}")]
    Computation(&'static str),
}

/// What an operation of this crate results in.
pub(crate) type Result<T, E = Error> = std::result::Result<T, E>;

impl From<ServiceError> for Error {
    fn from(error: ServiceError) -> Self {
        Self::Answer(Box::new(error))
    }
}

impl From<Error> for ServiceError {
    fn from(error: Error) -> Self {
        match error {
            Error::Answer(answer) => *answer,
            Error::Store(StoreError::Contention { .. }) => {
                let message = "The key is being changed by other requests. Try again.";
                Self::client("ConflictException", 400, message)
            }
            error => {
                tracing::error!(%error, "a request to KMS failed");
                let message =
                    "The request was rejected because an internal exception occurred. The request can be retried.";
                Self::server("KMSInternalException", 500, message)
            }
        }
    }
}

impl Error {
    pub(crate) fn client(code: &'static str, message: impl Into<String>) -> Self {
        ServiceError::client(code, 400, message).into()
    }

    pub(crate) fn validation(message: impl Into<String>) -> Self {
        Self::client("ValidationException", message)
    }

    pub(crate) fn not_found(message: impl Into<String>) -> Self {
        Self::client("NotFoundException", message)
    }

    pub(crate) fn no_such_key(arn: &str) -> Self {
        Self::not_found(format!("Key '{arn}' does not exist"))
    }

    pub(crate) fn invalid_key_id(given: &str) -> Self {
        Self::not_found(format!("Invalid keyId '{given}'"))
    }

    pub(crate) fn state(message: impl Into<String>) -> Self {
        Self::client("KMSInvalidStateException", message)
    }

    pub(crate) fn usage(message: impl Into<String>) -> Self {
        Self::client("InvalidKeyUsageException", message)
    }

    pub(crate) fn unsupported(message: impl Into<String>) -> Self {
        Self::client("UnsupportedOperationException", message)
    }

    /// AWS says nothing more, so that nobody learns why.
    pub(crate) fn invalid_ciphertext() -> Self {
        Self::client("InvalidCiphertextException", "")
    }

    pub(crate) fn incorrect_key() -> Self {
        let message = "The key ID in the request does not identify a CMK that can perform this operation.";
        Self::client("IncorrectKeyException", message)
    }

    pub(crate) fn dry_run() -> Self {
        let message = "The request would have succeeded, but the DryRun option is set.";
        Self::client("DryRunOperationException", message)
    }

    /// Something that AWS has and that is not built, by its name.
    pub(crate) fn not_built(what: &str) -> Self {
        Self::unsupported(format!("{what} is not built."))
    }
}
