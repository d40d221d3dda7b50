use danbi_core::ServiceError;
use danbi_store::StoreError;

/// What an operation of CloudWatch answers when it does not do what it was asked; worded as AWS words it.
#[derive(Debug, thiserror::Error)]
pub enum MetricsError {
    /// Parameters that exclude each other.
    #[error("{0}")]
    Combination(String),
    /// A value that is wrong.
    #[error("{0}")]
    Value(String),
    /// A parameter that is missing.
    #[error("{0}")]
    Missing(String),
    /// An expression or query that is wrong.
    #[error("{0}")]
    Validation(String),
    /// A token that no earlier answer gave.
    #[error("The provided NextToken is invalid.")]
    Token,
    /// What is not built, by name (501).
    #[error("{0}")]
    Unsupported(String),
    /// A fault of the platform; its cause is logged.
    #[error("{0}")]
    Internal(String),
}

impl From<StoreError> for MetricsError {
    fn from(error: StoreError) -> Self {
        Self::Internal(error.to_string())
    }
}

impl From<serde_json::Error> for MetricsError {
    fn from(error: serde_json::Error) -> Self {
        Self::Internal(error.to_string())
    }
}

impl From<danbi_store::key::KeyError> for MetricsError {
    fn from(error: danbi_store::key::KeyError) -> Self {
        Self::Internal(error.to_string())
    }
}

impl From<MetricsError> for ServiceError {
    fn from(error: MetricsError) -> Self {
        let (code, status) = match &error {
            MetricsError::Combination(_) => ("InvalidParameterCombination", 400),
            MetricsError::Value(_) => ("InvalidParameterValue", 400),
            MetricsError::Missing(_) => ("MissingParameter", 400),
            MetricsError::Validation(_) => ("ValidationError", 400),
            MetricsError::Token => ("InvalidNextToken", 400),
            MetricsError::Unsupported(_) => ("NotImplementedException", 501),
            MetricsError::Internal(cause) => {
                tracing::error!(%cause, "metrics: an operation failed in the platform");
                let message = "Request processing has failed due to some unknown error, exception, or failure.";
                return Self::server("InternalServiceError", 500, message);
            }
        };
        Self::client(code, status, error.to_string())
    }
}
