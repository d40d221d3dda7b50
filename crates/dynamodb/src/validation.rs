//! The refusal that all of the pure parts share.

use std::borrow::Cow;

/// What DynamoDB answers as `ValidationException`: its message, worded as the service words it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct ValidationError(Cow<'static, str>);

impl ValidationError {
    /// A refusal with this message.
    pub fn new(message: impl Into<Cow<'static, str>>) -> Self {
        Self(message.into())
    }

    /// DynamoDB's preface to most refusals of a parameter, and `message`.
    pub fn invalid_parameter(message: impl std::fmt::Display) -> Self {
        Self::new(format!("One or more parameter values were invalid: {message}"))
    }

    /// The message.
    pub fn message(&self) -> &str {
        &self.0
    }
}

impl From<ValidationError> for danbi_core::ServiceError {
    fn from(error: ValidationError) -> Self {
        Self::client("ValidationException", 400, error.0)
    }
}

impl From<ValidationError> for crate::Error {
    fn from(error: ValidationError) -> Self {
        Self::Validation(error.0.into_owned())
    }
}
