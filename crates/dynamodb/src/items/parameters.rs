//! What requests say in expressions, or in the parameters that came before them, as conditions, edits and projections.

use super::members;
use crate::expression::{Condition, Parameter, Path, Placeholders, Projection, Update};
use crate::shapes::{AttributeValueUpdate, ExpectedAttributeValue};
use crate::tables::record::{IndexRecord, TableRecord};
use crate::value::check_name;
use crate::{AttributeValue, Error, legacy};
use std::collections::BTreeMap;

/// `ExpressionAttributeNames`.
pub(crate) type Names = Option<BTreeMap<String, String>>;
/// `ExpressionAttributeValues`.
pub(crate) type Values = Option<BTreeMap<String, AttributeValue>>;

/// Which parameters a request has: expressions exclude those that came before them, and placeholders need expressions.
pub(crate) struct Given<'a> {
    /// Expressions, by name, and whether they are there.
    pub expressions: &'a [(&'a str, bool)],
    /// The parameters that came before them.
    pub others: &'a [(&'a str, bool)],
    /// Whether there are `ExpressionAttributeNames`.
    pub names: bool,
    /// Whether there are `ExpressionAttributeValues`.
    pub values: bool,
}

impl Given<'_> {
    /// Refuses what does not go together, in AWS's words.
    pub(crate) fn check(&self) -> Result<(), Error> {
        let present = |list: &[(&str, bool)]| -> Vec<String> {
            list.iter()
                .filter(|(_, there)| *there)
                .map(|(name, _)| (*name).to_owned())
                .collect()
        };
        let (expressions, others) = (present(self.expressions), present(self.others));
        if !expressions.is_empty() && !others.is_empty() {
            return Err(Error::validation(format!(
                "Can not use both expression and non-expression parameters in the same request: Non-expression \
                 parameters: {{{}}} Expression parameters: {{{}}}",
                others.join(", "),
                expressions.join(", ")
            )));
        }
        if self.names && expressions.is_empty() {
            return Err(Error::validation(
                "ExpressionAttributeNames can only be specified when using expressions",
            ));
        }
        let with_values: Vec<&(&str, bool)> = self
            .expressions
            .iter()
            .filter(|(name, _)| *name != "ProjectionExpression")
            .collect();
        if self.values && with_values.iter().all(|(_, there)| !there) {
            let names: Vec<&str> = with_values.iter().map(|(name, _)| *name).collect();
            return Err(Error::validation(format!(
                "ExpressionAttributeValues can only be specified when using expressions: {} {} null",
                names.join(" and "),
                if names.len() > 1 { "are" } else { "is" }
            )));
        }
        Ok(())
    }
}

/// What must hold of an item before it is written.
pub(crate) fn condition(
    expression: Option<&str>,
    expected: Option<&BTreeMap<String, ExpectedAttributeValue>>,
    operator: Option<&str>,
    placeholders: &mut Placeholders<'_>,
) -> Result<Option<Condition>, Error> {
    if let Some(text) = expression {
        return Ok(Some(Condition::parse(Parameter::Condition, text, placeholders)?));
    }
    Ok(legacy::expected(expected, operator)?)
}

/// How an item is updated. Without either parameter nothing changes, but an item is made.
pub(crate) fn update(
    expression: Option<&str>,
    updates: Option<&BTreeMap<String, AttributeValueUpdate>>,
    placeholders: &mut Placeholders<'_>,
) -> Result<Update, Error> {
    match (expression, updates) {
        (Some(text), _) => Ok(Update::parse(text, placeholders)?),
        (None, Some(updates)) => {
            members::attribute_names(updates.keys())?;
            Ok(legacy::attribute_updates(updates)?)
        }
        (None, None) => Ok(Update::default()),
    }
}

/// What is answered of an item.
pub(crate) fn projection(
    expression: Option<&str>,
    attributes: Option<&[String]>,
    placeholders: &mut Placeholders<'_>,
) -> Result<Option<Projection>, Error> {
    match (expression, attributes) {
        (Some(text), _) => Ok(Some(Projection::parse(text, placeholders)?)),
        (None, Some([])) => Err(Error::constraint(
            "[]",
            "attributesToGet",
            "Member must have length greater than or equal to 1",
        )),
        (None, Some(names)) => {
            members::attribute_names(names)?;
            for (at, name) in names.iter().enumerate() {
                check_name(name)?;
                if names[..at].contains(name) {
                    return Err(Error::validation(format!(
                        "One or more parameter values were invalid: Duplicate value in attribute name: {name}"
                    )));
                }
            }
            Ok(Some(Projection::of_attributes(names.iter().cloned())))
        }
        (None, None) => Ok(None),
    }
}

/// Refuses paths into key attributes, which are scalars.
pub(crate) fn check_paths<'p>(table: &TableRecord, paths: impl IntoIterator<Item = &'p Path>) -> Result<(), Error> {
    for path in paths.into_iter().filter(|path| !path.steps().is_empty()) {
        let kind = if table.key.contains(path.root()) {
            "Key"
        } else if table
            .indexes()
            .any(|index: &IndexRecord| index.key.contains(path.root()))
        {
            "IndexKey"
        } else {
            continue;
        };
        return Err(Error::validation(format!(
            "Key attributes must be scalars; list random access '[]' and map lookup '.' are not allowed: {kind}: {}",
            path.root()
        )));
    }
    Ok(())
}

/// The paths of a condition.
pub(crate) fn condition_paths(condition: Option<&Condition>) -> Vec<&Path> {
    let mut paths = Vec::new();
    if let Some(condition) = condition {
        condition.each_path(&mut |path| paths.push(path));
    }
    paths
}
