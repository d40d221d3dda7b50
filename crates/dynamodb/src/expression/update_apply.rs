//! What becomes of an item that is updated.

use super::path::{Path, Step};
use super::update::{Update, UpdateAction, UpdateOperand, UpdateValue};
use crate::value::too_deep;
use crate::{AttributeValue, Item, MAX_DEPTH, ValidationError};
use std::borrow::Cow;

impl Update {
    /// The item after the update of `old`, the item before; one that does not exist is an empty one.
    ///
    /// Values are set and added first, in the order of the paths; a list index beyond the end appends. What is removed
    /// goes last, from the back of lists, so that indexes mean the elements of the old list.
    ///
    /// # Errors
    /// DynamoDB's message when a path leads nowhere, an operand is missing or of another type than its place needs, a
    /// number leaves its bounds, or the item would nest deeper than 32 levels.
    pub fn apply(&self, old: &Item) -> Result<Item, ValidationError> {
        let mut sets = Vec::with_capacity(self.actions.len());
        let mut removals = Vec::new();
        for (path, action) in &self.actions {
            match action {
                UpdateAction::Set(value) => sets.push((path, value.evaluate(old)?)),
                UpdateAction::Remove => removals.push(path),
                UpdateAction::Add(value) => {
                    let sum = add(path.get(old), value).unwrap_or_else(|| Err(self.wrong_type()))?;
                    sets.push((path, sum));
                }
                UpdateAction::Append(items) => {
                    let list = append(path.get(old), items).ok_or_else(|| self.wrong_type())?;
                    sets.push((path, list));
                }
                UpdateAction::Delete(value) => match delete(path.get(old), value).ok_or_else(|| self.wrong_type())? {
                    Deleted::Left(set) => sets.push((path, set)),
                    Deleted::Nothing => removals.push(path),
                },
            }
        }
        sets.sort_by_key(|(path, _)| *path);
        removals.sort_unstable_by(|first, second| second.cmp(first));
        let mut item = old.clone();
        for (path, value) in sets {
            let nested = value.depth() + path.steps().len() > MAX_DEPTH;
            set(&mut item, path, value)?;
            if nested {
                return Err(too_deep());
            }
        }
        for path in removals {
            remove(&mut item, path)?;
        }
        Ok(item)
    }

    /// The refusal of an attribute that cannot be added to or deleted from.
    fn wrong_type(&self) -> ValidationError {
        if self.legacy {
            ValidationError::new("Type mismatch for attribute to update")
        } else {
            wrong_type()
        }
    }
}

fn invalid_path() -> ValidationError {
    ValidationError::new("The document path provided in the update expression is invalid for update")
}

fn wrong_type() -> ValidationError {
    ValidationError::new("An operand in the update expression has an incorrect data type")
}

fn missing_operand() -> ValidationError {
    ValidationError::new("The provided expression refers to an attribute that does not exist in the item")
}

impl UpdateValue {
    fn evaluate(&self, old: &Item) -> Result<AttributeValue, ValidationError> {
        let number = |operand: &UpdateOperand| match *operand.evaluate(old)? {
            AttributeValue::N(number) => Ok(number),
            _ => Err(wrong_type()),
        };
        match self {
            Self::Operand(operand) => operand.evaluate(old).map(Cow::into_owned),
            Self::Plus(left, right) => number(left)?.checked_add(number(right)?).map(AttributeValue::N),
            Self::Minus(left, right) => number(left)?.checked_sub(number(right)?).map(AttributeValue::N),
        }
    }
}

impl UpdateOperand {
    fn evaluate<'v>(&'v self, old: &'v Item) -> Result<Cow<'v, AttributeValue>, ValidationError> {
        match self {
            Self::Path(path) => path.get(old).map(Cow::Borrowed).ok_or_else(missing_operand),
            Self::Value(value) => Ok(Cow::Borrowed(value)),
            Self::IfNotExists(path, operand) => match path.get(old) {
                Some(value) => Ok(Cow::Borrowed(value)),
                None => operand.evaluate(old),
            },
            Self::ListAppend(first, second) => {
                let (first, second) = (first.evaluate(old)?, second.evaluate(old)?);
                match (first.into_owned(), second.into_owned()) {
                    (AttributeValue::L(mut items), AttributeValue::L(more)) => {
                        items.extend(more);
                        Ok(Cow::Owned(AttributeValue::L(items)))
                    }
                    _ => Err(wrong_type()),
                }
            }
        }
    }
}

/// The sum; `None` when the types do not go together.
fn add(old: Option<&AttributeValue>, value: &AttributeValue) -> Option<Result<AttributeValue, ValidationError>> {
    use AttributeValue::{Bs, N, Ns, Ss};
    Some(match (old, value) {
        (None, value) => Ok(value.clone()),
        (Some(N(old)), N(number)) => old.checked_add(*number).map(N),
        (Some(Ss(old)), Ss(more)) => Ok(Ss(old.clone().union(more.clone()))),
        (Some(Ns(old)), Ns(more)) => Ok(Ns(old.clone().union(more.clone()))),
        (Some(Bs(old)), Bs(more)) => Ok(Bs(old.clone().union(more.clone()))),
        _ => return None,
    })
}

/// The longer list; `None` when the old value is none.
fn append(old: Option<&AttributeValue>, items: &[AttributeValue]) -> Option<AttributeValue> {
    match old {
        None => Some(AttributeValue::L(items.to_vec())),
        Some(AttributeValue::L(old)) => Some(AttributeValue::L([old, items].concat())),
        Some(_) => None,
    }
}

/// What `DELETE` leaves of a set.
enum Deleted {
    Left(AttributeValue),
    Nothing,
}

/// What is left; `None` when the types do not go together.
fn delete(old: Option<&AttributeValue>, value: &AttributeValue) -> Option<Deleted> {
    use AttributeValue::{Bs, Ns, Ss};
    let left = match (old, value) {
        (None, _) => None,
        (Some(Ss(old)), Ss(gone)) => old.clone().difference(gone).map(Ss),
        (Some(Ns(old)), Ns(gone)) => old.clone().difference(gone).map(Ns),
        (Some(Bs(old)), Bs(gone)) => old.clone().difference(gone).map(Bs),
        _ => return None,
    };
    Some(left.map_or(Deleted::Nothing, Deleted::Left))
}

/// The map or list that holds the last step of a path into a value, and that step.
fn holder<'i, 'p>(item: &'i mut Item, path: &'p Path) -> Result<(&'i mut AttributeValue, &'p Step), ValidationError> {
    let (last, steps) = path.steps().split_last().ok_or_else(invalid_path)?;
    let mut value = item.get_mut(path.root()).ok_or_else(invalid_path)?;
    for step in steps {
        value = match (step, value) {
            (Step::Field(name), AttributeValue::M(entries)) => entries.get_mut(name),
            (Step::Index(index), AttributeValue::L(items)) => items.get_mut(*index),
            _ => None,
        }
        .ok_or_else(invalid_path)?;
    }
    Ok((value, last))
}

fn set(item: &mut Item, path: &Path, value: AttributeValue) -> Result<(), ValidationError> {
    if path.steps().is_empty() {
        item.insert(path.root().to_owned(), value);
        return Ok(());
    }
    match holder(item, path)? {
        (AttributeValue::M(entries), Step::Field(name)) => {
            entries.insert(name.clone(), value);
        }
        (AttributeValue::L(items), Step::Index(index)) => match items.get_mut(*index) {
            Some(slot) => *slot = value,
            None => items.push(value),
        },
        _ => return Err(invalid_path()),
    }
    Ok(())
}

fn remove(item: &mut Item, path: &Path) -> Result<(), ValidationError> {
    if path.steps().is_empty() {
        item.remove(path.root());
        return Ok(());
    }
    match holder(item, path)? {
        (AttributeValue::M(entries), Step::Field(name)) => {
            entries.remove(name);
        }
        (AttributeValue::L(items), Step::Index(index)) => {
            if *index < items.len() {
                items.remove(*index);
            }
        }
        _ => return Err(invalid_path()),
    }
    Ok(())
}
