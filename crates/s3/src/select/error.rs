//! S3 Select's own errors: code and message as AWS gives them, all 400.

use crate::Error;

/// An error of the query, its input or its output.
pub(super) fn refused(code: &'static str, message: impl Into<String>) -> Error {
    Error::client(code, 400, message)
}

/// A token where the grammar has none such.
pub(super) fn unexpected(found: &str, at: usize) -> Error {
    refused(
        "ParseUnexpectedToken",
        format!("Unexpected token found {found} at position {at}"),
    )
}

/// A value that is of the wrong kind for a function.
pub(super) fn argument(function: &str) -> Error {
    refused(
        "IncorrectSqlFunctionArgumentType",
        format!("Incorrect type of arguments in function call {function} in the SQL expression."),
    )
}
