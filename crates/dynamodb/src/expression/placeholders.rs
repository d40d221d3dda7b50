//! `ExpressionAttributeNames` and `ExpressionAttributeValues`: what expressions stand in for.

use super::path::{Path, Step};
use super::raw::{RawPath, RawStep};
use crate::{AttributeValue, ValidationError};
use std::collections::{BTreeMap, BTreeSet};

/// The placeholders of a request, and which of them its expressions have used.
#[derive(Debug)]
pub struct Placeholders<'r> {
    names: Option<&'r BTreeMap<String, String>>,
    values: Option<&'r BTreeMap<String, AttributeValue>>,
    used_names: BTreeSet<&'r str>,
    used_values: BTreeSet<&'r str>,
}

impl<'r> Placeholders<'r> {
    /// The placeholders of a request whose expressions are to be read.
    ///
    /// # Errors
    /// DynamoDB's message for an empty map and for a key that is no placeholder.
    pub fn new(
        names: Option<&'r BTreeMap<String, String>>,
        values: Option<&'r BTreeMap<String, AttributeValue>>,
    ) -> Result<Self, ValidationError> {
        if let Some(names) = names {
            check_keys("ExpressionAttributeNames", '#', names.keys())?;
        }
        if let Some(values) = values {
            check_keys("ExpressionAttributeValues", ':', values.keys())?;
        }
        Ok(Self {
            names,
            values,
            used_names: BTreeSet::new(),
            used_values: BTreeSet::new(),
        })
    }

    /// Says that all expressions were read.
    ///
    /// # Errors
    /// DynamoDB's message when one was given and not used.
    pub fn finish(self) -> Result<(), ValidationError> {
        let names = self.names.into_iter().flat_map(BTreeMap::keys);
        check_used("ExpressionAttributeNames", names, &self.used_names)?;
        let values = self.values.into_iter().flat_map(BTreeMap::keys);
        check_used("ExpressionAttributeValues", values, &self.used_values)
    }

    /// What `#placeholder` stands for.
    fn name(&mut self, placeholder: &str) -> Result<&'r str, ValidationError> {
        let Some((key, name)) = self.names.and_then(|names| names.get_key_value(placeholder)) else {
            return Err(ValidationError::new(format!(
                "An expression attribute name used in the document path is not defined; attribute name: {placeholder}"
            )));
        };
        self.used_names.insert(key);
        Ok(name)
    }

    /// What `:placeholder` stands for.
    pub(super) fn value(&mut self, placeholder: &str) -> Result<&'r AttributeValue, ValidationError> {
        let Some((key, value)) = self.values.and_then(|values| values.get_key_value(placeholder)) else {
            return Err(ValidationError::new(format!(
                "An expression attribute value used in expression is not defined; attribute value: {placeholder}"
            )));
        };
        self.used_values.insert(key);
        Ok(value)
    }

    /// A path as it was written, with its names filled in.
    pub(super) fn path(&mut self, raw: &RawPath<'_>) -> Result<Path, ValidationError> {
        let mut name = |step: &RawStep<'_>| match step {
            RawStep::Name(name) => Ok(Step::Field((*name).to_owned())),
            RawStep::Placeholder(name) => Ok(Step::Field(self.name(name)?.to_owned())),
            RawStep::Index(index) => Ok(Step::Index(*index)),
        };
        let root = match name(&raw.root)? {
            Step::Field(root) => root,
            // The parser begins a path with a name only.
            Step::Index(index) => index.to_string(),
        };
        let steps = raw.steps.iter().map(name).collect::<Result<Vec<_>, _>>()?;
        Path::new(root, steps)
    }
}

fn check_keys<'k>(
    parameter: &str,
    sigil: char,
    mut keys: impl ExactSizeIterator<Item = &'k String>,
) -> Result<(), ValidationError> {
    if keys.len() == 0 {
        return Err(ValidationError::new(format!("{parameter} must not be empty")));
    }
    let is_placeholder = |key: &str| {
        let name = key.strip_prefix(sigil).unwrap_or_default();
        !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
    };
    match keys.find(|key| !is_placeholder(key)) {
        None => Ok(()),
        Some(key) => Err(ValidationError::new(format!(
            "{parameter} contains invalid key: Syntax error; key: \"{key}\""
        ))),
    }
}

fn check_used<'k>(
    parameter: &str,
    keys: impl Iterator<Item = &'k String>,
    used: &BTreeSet<&str>,
) -> Result<(), ValidationError> {
    let unused: Vec<&str> = keys.map(String::as_str).filter(|key| !used.contains(key)).collect();
    if unused.is_empty() {
        return Ok(());
    }
    Err(ValidationError::new(format!(
        "Value provided in {parameter} unused in expressions: keys: {{{}}}",
        unused.join(", ")
    )))
}
