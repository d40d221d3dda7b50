//! A statement as a request bears it.

use super::parser::parse;
use super::statement::Statement;
use crate::{AttributeValue, ValidationError};
use serde::{Deserialize, Serialize};
use std::sync::OnceLock;

/// The most bytes of a statement.
pub(super) const MAX_BYTES: usize = 8192;

/// A statement's text, which is read once, by whoever is first to ask what it says: the question to the authorizer, and
/// then the operation.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct StatementText {
    text: String,
    #[serde(skip)]
    read: OnceLock<Result<Statement, ValidationError>>,
}

impl StatementText {
    pub(super) fn text(&self) -> &str {
        &self.text
    }

    /// What it says with these parameters; nothing when it is none, or too long to be looked at.
    pub(super) fn read(&self, parameters: Option<&Vec<AttributeValue>>) -> Option<&Statement> {
        if self.text.len() > MAX_BYTES {
            return None;
        }
        let read = self.read.get_or_init(|| parse(&self.text, slice(parameters)));
        read.as_ref().ok()
    }

    /// What it says with these parameters, to be kept. Its length must have been checked.
    ///
    /// # Errors
    /// Those of [`parse`].
    pub(super) fn take(&mut self, parameters: Option<&Vec<AttributeValue>>) -> Result<Statement, ValidationError> {
        let read = self.read.take();
        read.unwrap_or_else(|| parse(&self.text, slice(parameters)))
    }
}

fn slice(parameters: Option<&Vec<AttributeValue>>) -> &[AttributeValue] {
    parameters.map(Vec::as_slice).unwrap_or_default()
}
