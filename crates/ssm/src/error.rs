use danbi_core::ServiceError;
use danbi_keyring::KeyringError;
use danbi_outbox::OutboxError;
use danbi_store::StoreError;

/// What an operation answers when it does not do what it was asked; worded as AWS words it.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// An answer that AWS gives, in its words.
    #[error("{0}")]
    Answer(Box<ServiceError>),
    /// The store failed.
    #[error("the store failed: {0}")]
    Store(#[from] StoreError),
    /// A value could not be sealed or opened.
    #[error("{0}")]
    Keyring(#[from] KeyringError),
    /// What EventBridge is to be told could not be written down.
    #[error("{0}")]
    Outbox(#[from] OutboxError),
    /// What is stored is not what was written.
    #[error("stored data is damaged: {0}")]
    Damaged(String),
}

/// What an operation of this crate results in.
pub(crate) type Result<T, E = Error> = std::result::Result<T, E>;

impl From<ServiceError> for Error {
    fn from(error: ServiceError) -> Self {
        Self::Answer(Box::new(error))
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
            Error::Answer(answer) => *answer,
            Error::Store(StoreError::Contention { .. })
            | Error::Outbox(OutboxError::Store(StoreError::Contention { .. })) => Self::client(
                "TooManyUpdates",
                400,
                "The parameter is being changed by other requests. Try again.",
            ),
            error => {
                tracing::error!(%error, "a request to the Parameter Store failed");
                Self::server("InternalServerError", 500, "An error occurred on the server side.")
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

    /// AWS says nothing more.
    pub(crate) fn not_found() -> Self {
        Self::client("ParameterNotFound", "")
    }

    pub(crate) fn no_version(version: impl std::fmt::Display, name: &str) -> Self {
        Self::client(
            "ParameterVersionNotFound",
            format!("Systems Manager could not find version {version} of {name}. Verify the version and try again."),
        )
    }

    pub(crate) fn no_label(label: &str, name: &str) -> Self {
        Self::client(
            "ParameterVersionNotFound",
            format!(
                "Systems Manager could not find label {label} for parameter {name}. Verify the label and try again."
            ),
        )
    }

    /// Something that AWS has and that is not built, by its name.
    pub(crate) fn not_built(what: impl Into<String>) -> Self {
        ServiceError::client("NotImplementedException", 501, what).into()
    }

    /// Whether it says that a parameter, or the version asked for, is not there.
    pub(crate) fn is_absence(&self) -> bool {
        matches!(self, Self::Answer(answer) if matches!(answer.code, "ParameterNotFound" | "ParameterVersionNotFound"))
    }
}
