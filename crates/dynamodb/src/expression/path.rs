//! Document paths: where in an item something is.

use crate::value::check_name;
use crate::{AttributeValue, Item, MAX_DEPTH, ValidationError};
use std::fmt;

/// A place in an item: the name of an attribute, and steps into its value. At most 32 levels.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Path {
    root: String,
    steps: Vec<Step>,
}

/// One step into a value.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Step {
    /// The entry of a map.
    Field(String),
    /// The element of a list, from zero.
    Index(usize),
}

impl Path {
    /// The path from `root` on.
    ///
    /// # Errors
    /// DynamoDB's message when it has more than 32 levels, or a name that no attribute has.
    pub fn new(root: String, steps: Vec<Step>) -> Result<Self, ValidationError> {
        let levels = steps.len() + 1;
        if levels > MAX_DEPTH {
            return Err(ValidationError::new(format!(
                "The document path has too many nesting levels; nesting levels: {levels}"
            )));
        }
        check_name(&root)?;
        for step in &steps {
            if let Step::Field(name) = step {
                check_name(name)?;
            }
        }
        Ok(Self { root, steps })
    }

    /// The path of an attribute of the item itself.
    pub fn attribute(name: impl Into<String>) -> Self {
        Self {
            root: name.into(),
            steps: Vec::new(),
        }
    }

    /// The name of the attribute of the item in or under which this is.
    pub fn root(&self) -> &str {
        &self.root
    }

    /// The steps into the attribute's value; none for the attribute itself.
    pub fn steps(&self) -> &[Step] {
        &self.steps
    }

    /// What is there.
    pub fn get<'i>(&self, item: &'i Item) -> Option<&'i AttributeValue> {
        let mut value = item.get(&self.root)?;
        for step in &self.steps {
            value = match (step, value) {
                (Step::Field(name), AttributeValue::M(entries)) => entries.get(name)?,
                (Step::Index(index), AttributeValue::L(items)) => items.get(*index)?,
                _ => return None,
            };
        }
        Some(value)
    }
}

/// As DynamoDB prints paths in its messages: `[a, [1], b]`.
impl fmt::Display for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "[{}", self.root)?;
        for step in &self.steps {
            match step {
                Step::Field(name) => write!(f, ", {name}")?,
                Step::Index(index) => write!(f, ", [{index}]")?,
            }
        }
        f.write_str("]")
    }
}

/// Refuses paths of which one lies within another, or that take the same value for a map and for a list.
///
/// # Errors
/// DynamoDB's message, which names the first such pair.
pub(crate) fn check_disjoint<'p>(paths: impl Iterator<Item = &'p Path>) -> Result<(), ValidationError> {
    let paths: Vec<&Path> = paths.collect();
    let mut conflict = None;
    for (at, second) in paths.iter().enumerate() {
        for first in &paths[..at] {
            match relation(first, second) {
                Relation::Apart => {}
                Relation::Overlap => return Err(refusal("overlap", first, second)),
                Relation::Conflict => conflict = conflict.or(Some(refusal("conflict", first, second))),
            }
        }
    }
    conflict.map_or(Ok(()), Err)
}

enum Relation {
    Apart,
    Overlap,
    Conflict,
}

fn relation(first: &Path, second: &Path) -> Relation {
    if first.root != second.root {
        return Relation::Apart;
    }
    for steps in first.steps.iter().zip(&second.steps) {
        match steps {
            (Step::Field(_), Step::Index(_)) | (Step::Index(_), Step::Field(_)) => return Relation::Conflict,
            (first, second) if first != second => return Relation::Apart,
            _ => {}
        }
    }
    Relation::Overlap
}

fn refusal(how: &str, first: &Path, second: &Path) -> ValidationError {
    ValidationError::new(format!(
        "Two document paths {how} with each other; must remove or rewrite one of these paths; \
         path one: {first}, path two: {second}"
    ))
}
