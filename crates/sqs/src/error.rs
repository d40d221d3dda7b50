use danbi_core::{Fault, ServiceError};
use danbi_keyring::KeyringError;
use danbi_store::StoreError;

/// What an operation of SQS answers when it does not do what it was asked; worded as AWS words it.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// There is no such queue.
    #[error("The specified queue does not exist.")]
    NoQueue,
    /// A parameter is wrong.
    #[error("{0}")]
    Parameter(String),
    /// A parameter is missing.
    #[error("The request must contain the parameter {0}.")]
    Missing(&'static str),
    /// There is no such attribute, or not for this kind of queue.
    #[error("{0}")]
    AttributeName(String),
    /// The value of an attribute is wrong.
    #[error("{0}")]
    AttributeValue(String),
    /// A message holds characters that XML has not.
    #[error(
        "Invalid characters found. Valid unicode characters are #x9 | #xA | #xD | #x20 to #xD7FF | #xE000 to #xFFFD | #x10000 to #x10FFFF"
    )]
    Contents,
    /// What is no receipt handle.
    #[error("The input receipt handle \"{0}\" is not a valid receipt handle.")]
    Handle(String),
    /// What is no queue URL.
    #[error("The address {0} is not valid for this endpoint.")]
    Address(String),
    /// A queue of that name has another value for this attribute.
    #[error("A queue already exists with the same name and a different value for attribute {0}")]
    NameExists(String),
    /// A queue of that name was deleted a moment ago.
    #[error("You must wait 60 seconds after deleting a queue before you can create another with the same name.")]
    DeletedRecently,
    /// The queue was purged a moment ago.
    #[error("Only one PurgeQueue operation on {0} is allowed every 60 seconds.")]
    PurgeInProgress(String),
    /// A batch without entries.
    #[error("There should be at least one {0} in the request.")]
    EmptyBatch(&'static str),
    /// A batch of too many entries.
    #[error("Maximum number of entries per request are 10. You have sent {0}.")]
    TooManyEntries(usize),
    /// The id of an entry is none.
    #[error(
        "A batch entry id can only contain alphanumeric characters, hyphens and underscores. It can be at most 80 letters long."
    )]
    EntryId,
    /// Two entries with this id.
    #[error("Id {0} repeated.")]
    EntryIdsNotDistinct(String),
    /// A batch that is too large as a whole.
    #[error("Batch requests cannot be longer than {most} bytes. You have sent {sent} bytes.")]
    BatchTooLong {
        /// Bytes that may be sent.
        most: usize,
        /// Bytes that were.
        sent: usize,
    },
    /// A resource that a parameter names is not there.
    #[error("{0}")]
    NoResource(String),
    /// Too many of something.
    #[error("{0}")]
    OverLimit(String),
    /// The caller may not do it.
    #[error("{0}")]
    Denied(ServiceError),
    /// What KMS answered.
    #[error("{0}")]
    Kms(ServiceError),
    /// A fault of the platform; its cause is logged.
    #[error("{0}")]
    Internal(String),
}

impl Error {
    pub(crate) fn parameter(message: impl Into<String>) -> Self {
        Self::Parameter(message.into())
    }

    /// `Value 3 for parameter Name is invalid. Reason: why`.
    pub(crate) fn value(value: impl std::fmt::Display, parameter: &str, reason: &str) -> Self {
        Self::Parameter(format!(
            "Value {value} for parameter {parameter} is invalid. Reason: {reason}"
        ))
    }

    pub(crate) fn attribute_value(parameter: &str) -> Self {
        Self::AttributeValue(format!("Invalid value for the parameter {parameter}."))
    }

    pub(crate) fn internal(error: impl std::fmt::Display) -> Self {
        Self::Internal(error.to_string())
    }

    /// The code that entries of a batch bear, and whether the sender is to blame.
    pub(crate) fn of_entry(&self) -> (&'static str, bool) {
        match self {
            Self::Parameter(_) => ("InvalidParameterValue", true),
            Self::Missing(_) => ("MissingParameter", true),
            Self::Contents => ("InvalidMessageContents", true),
            Self::Handle(_) => ("ReceiptHandleIsInvalid", true),
            Self::Internal(_) => ("InternalError", false),
            _ => ("InvalidParameterValue", true),
        }
    }
}

impl From<StoreError> for Error {
    fn from(error: StoreError) -> Self {
        Self::Internal(error.to_string())
    }
}

impl From<KeyringError> for Error {
    fn from(error: KeyringError) -> Self {
        Self::Internal(error.to_string())
    }
}

impl From<serde_json::Error> for Error {
    fn from(error: serde_json::Error) -> Self {
        Self::Internal(error.to_string())
    }
}

/// What SQS calls the refusals of KMS. Source:
/// <https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_SendMessage.html>.
fn of_kms(error: ServiceError) -> ServiceError {
    let code = match error.code {
        "AccessDeniedException" | "AccessDenied" => "KmsAccessDenied",
        "DisabledException" => "KmsDisabled",
        "KMSInvalidStateException" => "KmsInvalidState",
        "InvalidKeyUsageException" => "KmsInvalidKeyUsage",
        "NotFoundException" => "KmsNotFound",
        _ if error.fault == Fault::Server => return error,
        _ => "KmsInvalidState",
    };
    ServiceError::client(code, 400, error.message)
}

impl From<Error> for ServiceError {
    fn from(error: Error) -> Self {
        let error = match error {
            Error::Kms(error) => return of_kms(error),
            Error::Denied(error) => return error,
            error => error,
        };
        let (code, status) = match &error {
            Error::NoQueue => ("QueueDoesNotExist", 400),
            Error::Parameter(_) => ("InvalidParameterValueException", 400),
            Error::Missing(_) => ("MissingRequiredParameterException", 400),
            Error::AttributeName(_) => ("InvalidAttributeName", 400),
            Error::AttributeValue(_) => ("InvalidAttributeValue", 400),
            Error::Contents => ("InvalidMessageContents", 400),
            Error::Handle(_) => ("ReceiptHandleIsInvalid", 400),
            Error::Address(_) => ("InvalidAddress", 404),
            Error::NameExists(_) => ("QueueNameExists", 400),
            Error::DeletedRecently => ("QueueDeletedRecently", 400),
            Error::PurgeInProgress(_) => ("PurgeQueueInProgress", 403),
            Error::EmptyBatch(_) => ("EmptyBatchRequest", 400),
            Error::TooManyEntries(_) => ("TooManyEntriesInBatchRequest", 400),
            Error::EntryId => ("InvalidBatchEntryId", 400),
            Error::EntryIdsNotDistinct(_) => ("BatchEntryIdsNotDistinct", 400),
            Error::BatchTooLong { .. } => ("BatchRequestTooLong", 400),
            Error::NoResource(_) => ("ResourceNotFoundException", 404),
            Error::OverLimit(_) => ("OverLimit", 403),
            // These were dealt with above.
            Error::Denied(_) => ("AccessDeniedException", 403),
            Error::Kms(_) => ("KmsInvalidState", 400),
            Error::Internal(cause) => {
                tracing::error!(%cause, "sqs: an operation failed in the platform");
                return Self::server(
                    "InternalFailure",
                    500,
                    "We encountered an internal error. Please try again.",
                );
            }
        };
        Self::client(code, status, error.to_string())
    }
}
