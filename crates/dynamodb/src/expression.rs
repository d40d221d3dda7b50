//! DynamoDB's expressions: text and placeholders into small trees, and what they say of an item.
//!
//! Source: <https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Expressions.html>; the order in which
//! mistakes are told, and their words, are the service's own.
//!
//! The syntax is read first, into a tree that still has its placeholders (`raw`); then the whole of it is checked, one
//! kind of mistake after the other. Nothing here recurses deeper than an expression may nest: parentheses are kept on a
//! stack of our own, operators are at most 300, functions at most 16 within one another and paths 32 levels.

mod compare;
mod condition;
mod condition_check;
mod condition_parser;
mod key_condition;
mod lexer;
mod path;
mod placeholders;
mod projection;
mod raw;
mod reserved;
mod update;
mod update_apply;

pub use compare::Comparator;
pub use condition::{Condition, Operand};
pub(crate) use condition_check::{between, comparison};
pub use key_condition::{KeyAttribute, KeyCondition, KeyConditions, SortCondition};
pub(crate) use path::check_disjoint;
pub use path::{Path, Step};
pub use placeholders::Placeholders;
pub use projection::Projection;
pub use update::{Update, UpdateAction, UpdateOperand, UpdateValue};

use crate::ValidationError;

/// The most bytes of an expression.
pub const MAX_EXPRESSION_BYTES: usize = 4096;
/// The most operators of an expression.
pub const MAX_OPERATORS: usize = 300;

/// The parameter that an expression is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Parameter {
    /// `ConditionExpression`
    Condition,
    /// `FilterExpression`
    Filter,
    /// `KeyConditionExpression`
    KeyCondition,
    /// `ProjectionExpression`
    Projection,
    /// `UpdateExpression`
    Update,
}

impl Parameter {
    /// The name of the parameter.
    pub fn name(self) -> &'static str {
        match self {
            Self::Condition => "ConditionExpression",
            Self::Filter => "FilterExpression",
            Self::KeyCondition => "KeyConditionExpression",
            Self::Projection => "ProjectionExpression",
            Self::Update => "UpdateExpression",
        }
    }

    /// Reads `text`, if it is not empty and not too long; refusals say which parameter they are about.
    fn read<T>(self, text: &str, read: impl FnOnce(&str) -> Result<T, ValidationError>) -> Result<T, ValidationError> {
        let bytes = text.len();
        let result = if text.trim_ascii().is_empty() {
            Err(ValidationError::new("The expression can not be empty;"))
        } else if bytes > MAX_EXPRESSION_BYTES {
            Err(ValidationError::new(format!(
                "Expression size has exceeded the maximum allowed size; expression size: {bytes}"
            )))
        } else {
            read(text)
        };
        result.map_err(|error| self.about(&error))
    }

    fn about(self, error: &ValidationError) -> ValidationError {
        ValidationError::new(format!("Invalid {}: {error}", self.name()))
    }
}

#[cfg(test)]
mod tests;
