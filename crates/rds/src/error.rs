use crate::server::ServerError;
use danbi_blobs::BlobError;
use danbi_core::ServiceError;
use danbi_store::StoreError;
use danbi_store::key::KeyError;

/// What an operation of RDS answers when it does not do what it was asked; worded as AWS words it where that is known.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// An error of AWS's: its code, status and message.
    #[error("{2}")]
    Aws(&'static str, u16, String),
    /// What is asked for exists at AWS and is not built here.
    #[error("{0}")]
    NotBuilt(String),
    /// The database server cannot be had.
    #[error(transparent)]
    Server(#[from] ServerError),
    /// Other requests changed the same resource until the platform gave up.
    #[error("The operation cannot be completed because of concurrent changes. Try again.")]
    Contention,
    /// The store failed.
    #[error(transparent)]
    Store(StoreError),
    /// The blobs failed.
    #[error(transparent)]
    Blobs(#[from] BlobError),
    /// What was stored is not what this crate wrote.
    #[error("a stored record cannot be read: {0}")]
    Damaged(String),
}

pub(crate) type Result<T, E = Error> = std::result::Result<T, E>;

impl Error {
    pub(crate) fn invalid(message: impl Into<String>) -> Self {
        Self::Aws("InvalidParameterValue", 400, message.into())
    }

    pub(crate) fn combination(message: impl Into<String>) -> Self {
        Self::Aws("InvalidParameterCombination", 400, message.into())
    }

    pub(crate) fn instance_state(message: impl Into<String>) -> Self {
        Self::Aws("InvalidDBInstanceState", 400, message.into())
    }

    pub(crate) fn cluster_state(message: impl Into<String>) -> Self {
        Self::Aws("InvalidDBClusterStateFault", 400, message.into())
    }
}

impl From<StoreError> for Error {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Contention { .. } => Self::Contention,
            error => Self::Store(error),
        }
    }
}

impl From<KeyError> for Error {
    fn from(error: KeyError) -> Self {
        Self::Damaged(error.to_string())
    }
}

impl From<serde_json::Error> for Error {
    fn from(error: serde_json::Error) -> Self {
        Self::Damaged(error.to_string())
    }
}

impl From<Error> for ServiceError {
    fn from(error: Error) -> Self {
        match error {
            Error::Aws(code, status, message) => Self::client(code, status, message),
            Error::NotBuilt(message) => Self {
                fault: danbi_core::Fault::Client,
                ..Self::server("NotImplemented", 501, message)
            },
            // The caller can do something about it: install the server.
            Error::Server(error @ ServerError::NotInstalled { .. }) => {
                Self::client("InsufficientDBInstanceCapacity", 400, error.to_string())
            }
            Error::Contention => Self::client("InvalidDBInstanceState", 400, error.to_string()),
            Error::Server(_) | Error::Store(_) | Error::Blobs(_) | Error::Damaged(_) => {
                tracing::error!(%error, "an operation of rds failed");
                Self::server(
                    "InternalFailure",
                    500,
                    "An internal error has occurred. Please try your query again at a later time.",
                )
            }
        }
    }
}
