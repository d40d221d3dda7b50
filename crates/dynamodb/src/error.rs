use danbi_core::ServiceError;
use danbi_store::StoreError;
use danbi_store::key::KeyError;
use serde_json::Value;
use std::collections::BTreeMap;

use crate::AttributeValue;
use crate::items::throttle::Throttled;

/// What DynamoDB answers when it does not do what it was asked; each variant is one of its error codes, with its own
/// words. Source: <https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Programming.Errors.html>.
#[derive(Debug, Clone, thiserror::Error)]
pub enum Error {
    /// The request is malformed or breaks a rule.
    #[error("{0}")]
    Validation(String),
    /// The body is not what the operation takes.
    #[error("{0}")]
    Serialization(String),
    /// A condition did not hold. With the item, when `ReturnValuesOnConditionCheckFailure` asked for it.
    #[error("The conditional request failed")]
    ConditionalCheckFailed(Option<Box<BTreeMap<String, AttributeValue>>>),
    /// There is no such table, index or stream.
    #[error("{0}")]
    ResourceNotFound(String),
    /// It exists already, or something is still going on with it.
    #[error("{0}")]
    ResourceInUse(String),
    /// `TableNotFoundException` of backups and restores.
    #[error("{0}")]
    TableNotFound(String),
    /// `TableInUseException` of backups and restores.
    #[error("{0}")]
    TableInUse(String),
    /// `TableAlreadyExistsException` of restores.
    #[error("{0}")]
    TableAlreadyExists(String),
    /// Too much of something at the same time, or in all.
    #[error("{0}")]
    LimitExceeded(String),
    /// An item collection of a table with local indexes is past 10 GB.
    #[error("Collection size exceeded.")]
    ItemCollectionSizeLimitExceeded,
    /// The throughput of a table or an index is used up, and throttling is switched on.
    #[error("{}", .0.message())]
    Throttled(Box<Throttled>),
    /// A transaction did nothing, for these reasons: one for each action, in order.
    #[error("Transaction cancelled, please refer cancellation reasons for specific reasons [{}]", codes(.0))]
    TransactionCanceled(Vec<Reason>),
    /// Another transaction holds the item.
    #[error("Transaction is ongoing for the item")]
    TransactionConflict,
    /// The same client request token is being worked on.
    #[error("{0}")]
    TransactionInProgress(String),
    /// The client request token was used for other parameters.
    #[error("{0}")]
    IdempotentParameterMismatch(String),
    /// PartiQL: an item with this key exists.
    #[error("{0}")]
    DuplicateItem(String),
    /// No such backup.
    #[error("{0}")]
    BackupNotFound(String),
    /// The backup is being made, deleted or restored.
    #[error("{0}")]
    BackupInUse(String),
    /// Continuous backups are not there for the table.
    #[error("{0}")]
    ContinuousBackupsUnavailable(String),
    /// Point-in-time recovery is off.
    #[error("{0}")]
    PointInTimeRecoveryUnavailable(String),
    /// The moment lies outside what can be restored.
    #[error("{0}")]
    InvalidRestoreTime(String),
    /// The moment lies outside what can be exported.
    #[error("{0}")]
    InvalidExportTime(String),
    /// No such export.
    #[error("{0}")]
    ExportNotFound(String),
    /// The client token of an export was used for another one.
    #[error("{0}")]
    ExportConflict(String),
    /// No such import.
    #[error("{0}")]
    ImportNotFound(String),
    /// The client token of an import was used for another one.
    #[error("{0}")]
    ImportConflict(String),
    /// The resource has no policy.
    #[error("{0}")]
    PolicyNotFound(String),
    /// A shard iterator is older than 15 minutes.
    #[error("{0}")]
    ExpiredIterator(String),
    /// The records asked for are older than 24 hours.
    #[error("{0}")]
    TrimmedDataAccess(String),
    /// What AWS has and this platform has not built; says which.
    #[error("{0}")]
    Unsupported(String),
    /// The platform's fault; the cause is in the platform's log.
    #[error("The request processing has failed because of an unknown error, exception or failure.")]
    Internal,
    /// The store did not do it. Kept apart from [`Error::Internal`], because a transaction that met it must end.
    #[error("{}", store_message(.0))]
    Store(StoreError),
    /// An error of another part, handed on as it is.
    #[error("{}", .0.message)]
    Other(ServiceError),
}

/// Why a transaction did nothing, seen from one of its actions.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Reason {
    /// `None`, or the error code without `Exception`, such as `ConditionalCheckFailed`.
    pub code: ReasonCode,
    /// Absent with code `None`.
    pub message: Option<String>,
    /// The item as it stands, when `ReturnValuesOnConditionCheckFailure` asked for it.
    pub item: Option<BTreeMap<String, AttributeValue>>,
}

/// The codes of cancellation reasons.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum ReasonCode {
    /// Nothing was wrong with this action.
    #[default]
    None,
    /// Its condition did not hold.
    ConditionalCheckFailed,
    /// Its item collection would grow past 10 GB.
    ItemCollectionSizeLimitExceeded,
    /// Its item is part of another transaction.
    TransactionConflict,
    /// The table's provisioned throughput is used up.
    ProvisionedThroughputExceeded,
    /// The account's throughput is used up.
    ThrottlingError,
    /// It breaks a rule that only the item shows.
    ValidationError,
    /// PartiQL: an item with this key exists.
    DuplicateItem,
}

impl ReasonCode {
    /// The code as AWS writes it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::None => "None",
            Self::ConditionalCheckFailed => "ConditionalCheckFailed",
            Self::ItemCollectionSizeLimitExceeded => "ItemCollectionSizeLimitExceeded",
            Self::TransactionConflict => "TransactionConflict",
            Self::ProvisionedThroughputExceeded => "ProvisionedThroughputExceeded",
            Self::ThrottlingError => "ThrottlingError",
            Self::ValidationError => "ValidationError",
            Self::DuplicateItem => "DuplicateItem",
        }
    }
}

fn store_message(error: &StoreError) -> &'static str {
    match error {
        StoreError::Contention { .. } => "Transaction is ongoing for the item",
        StoreError::TransactionTooLarge { .. } => {
            "Transaction request is too large: items, their index entries and stream records together exceed 10 MB"
        }
        _ => "The request processing has failed because of an unknown error, exception or failure.",
    }
}

fn codes(reasons: &[Reason]) -> String {
    let codes: Vec<&str> = reasons.iter().map(|reason| reason.code.as_str()).collect();
    codes.join(", ")
}

impl Error {
    /// A rule broken, in AWS's words.
    pub fn validation(message: impl Into<String>) -> Self {
        Self::Validation(message.into())
    }

    /// One constraint of the model broken, in the words of AWS's validator.
    pub fn constraint(value: &str, member: &str, constraint: impl std::fmt::Display) -> Self {
        Self::Validation(format!(
            "1 validation error detected: Value '{value}' at '{member}' failed to satisfy constraint: {constraint}"
        ))
    }

    /// What the operations on items say when there is no such table.
    pub fn no_such_table() -> Self {
        Self::ResourceNotFound("Requested resource not found".into())
    }

    /// What the operations on tables say when there is no such table.
    pub fn table_not_found(name: &str) -> Self {
        Self::ResourceNotFound(format!("Requested resource not found: Table: {name} not found"))
    }

    /// The platform's own fault: logs `cause` and hides it from the caller.
    pub fn internal(cause: impl std::fmt::Display) -> Self {
        tracing::error!(%cause, "dynamodb: internal fault");
        Self::Internal
    }

    /// The code, as the wire shows it.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Validation(_) => "ValidationException",
            Self::Serialization(_) => "SerializationException",
            Self::ConditionalCheckFailed(_) => "ConditionalCheckFailedException",
            Self::ResourceNotFound(_) => "ResourceNotFoundException",
            Self::ResourceInUse(_) => "ResourceInUseException",
            Self::TableNotFound(_) => "TableNotFoundException",
            Self::TableInUse(_) => "TableInUseException",
            Self::TableAlreadyExists(_) => "TableAlreadyExistsException",
            Self::LimitExceeded(_) => "LimitExceededException",
            Self::ItemCollectionSizeLimitExceeded => "ItemCollectionSizeLimitExceededException",
            Self::Throttled(throttled) => throttled.code(),
            Self::TransactionCanceled(_) => "TransactionCanceledException",
            Self::TransactionConflict => "TransactionConflictException",
            Self::TransactionInProgress(_) => "TransactionInProgressException",
            Self::IdempotentParameterMismatch(_) => "IdempotentParameterMismatchException",
            Self::DuplicateItem(_) => "DuplicateItemException",
            Self::BackupNotFound(_) => "BackupNotFoundException",
            Self::BackupInUse(_) => "BackupInUseException",
            Self::ContinuousBackupsUnavailable(_) => "ContinuousBackupsUnavailableException",
            Self::PointInTimeRecoveryUnavailable(_) => "PointInTimeRecoveryUnavailableException",
            Self::InvalidRestoreTime(_) => "InvalidRestoreTimeException",
            Self::InvalidExportTime(_) => "InvalidExportTimeException",
            Self::ExportNotFound(_) => "ExportNotFoundException",
            Self::ExportConflict(_) => "ExportConflictException",
            Self::ImportNotFound(_) => "ImportNotFoundException",
            Self::ImportConflict(_) => "ImportConflictException",
            Self::PolicyNotFound(_) => "PolicyNotFoundException",
            Self::ExpiredIterator(_) => "ExpiredIteratorException",
            Self::TrimmedDataAccess(_) => "TrimmedDataAccessException",
            Self::Unsupported(_) => "NotImplemented",
            Self::Store(StoreError::Contention { .. }) => "TransactionConflictException",
            Self::Store(StoreError::TransactionTooLarge { .. }) => "ValidationException",
            Self::Internal | Self::Store(_) => "InternalServerError",
            Self::Other(_) => "",
        }
    }
}

/// The members that few errors have besides their message.
fn with_members(answer: ServiceError, error: &Error) -> ServiceError {
    match error {
        Error::ConditionalCheckFailed(Some(item)) => answer.with_json("Item", json(item)),
        Error::Throttled(throttled) => {
            let (member, reasons) = throttled.reasons();
            answer.with_json(member, reasons)
        }
        Error::TransactionCanceled(reasons) => {
            let reasons = reasons.iter().map(|reason| {
                let mut shown = serde_json::Map::new();
                shown.insert("Code".into(), reason.code.as_str().into());
                if let Some(message) = &reason.message {
                    shown.insert("Message".into(), message.as_str().into());
                }
                if let Some(item) = &reason.item {
                    shown.insert("Item".into(), json(item));
                }
                Value::Object(shown)
            });
            answer.with_json("CancellationReasons", reasons.collect())
        }
        _ => answer,
    }
}

fn json(item: &BTreeMap<String, AttributeValue>) -> Value {
    // Maps with text keys always have a form in JSON.
    serde_json::to_value(item).unwrap_or_default()
}

impl From<Error> for ServiceError {
    fn from(error: Error) -> Self {
        let message = error.to_string();
        match error {
            Error::Store(StoreError::Contention { .. } | StoreError::TransactionTooLarge { .. }) => {
                Self::client(error.code(), 400, message)
            }
            Error::Store(cause) => {
                tracing::error!(%cause, "dynamodb: the store failed");
                Self::server("InternalServerError", 500, message)
            }
            Error::Internal => Self::server(error.code(), 500, message),
            Error::Unsupported(_) => Self::server(error.code(), 501, message),
            Error::Other(error) => error,
            error => with_members(Self::client(error.code(), 400, message), &error),
        }
    }
}

impl From<StoreError> for Error {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

impl From<KeyError> for Error {
    fn from(error: KeyError) -> Self {
        Self::internal(format!("a key in the store cannot be read: {error}"))
    }
}

impl From<ServiceError> for Error {
    fn from(error: ServiceError) -> Self {
        Self::Other(error)
    }
}
