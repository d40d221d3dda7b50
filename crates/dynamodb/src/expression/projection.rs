//! `ProjectionExpression`: which parts of an item are answered.

use super::lexer::Tokens;
use super::path::{Path, Step, check_disjoint};
use super::raw::{path, reserved_word};
use super::{Parameter, Placeholders};
use crate::{AttributeValue, Item, ValidationError};
use std::collections::BTreeMap;

/// The parts of an item that are asked for.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Projection {
    roots: BTreeMap<String, Part>,
    paths: Vec<Path>,
}

/// What is asked for of a value.
#[derive(Debug, Clone, PartialEq)]
enum Part {
    Whole,
    Fields(BTreeMap<String, Part>),
    Elements(BTreeMap<usize, Part>),
}

impl Projection {
    /// Reads a `ProjectionExpression`.
    ///
    /// # Errors
    /// DynamoDB's message for what is wrong with it.
    pub fn parse(text: &str, placeholders: &mut Placeholders<'_>) -> Result<Self, ValidationError> {
        Parameter::Projection.read(text, |text| {
            let mut tokens = Tokens::new(text);
            let mut raw = vec![path(&mut tokens)?];
            while tokens.eat(",") {
                raw.push(path(&mut tokens)?);
            }
            tokens.end()?;
            if let Some(name) = raw.iter().find_map(|path| path.reserved()) {
                return Err(reserved_word(name));
            }
            let paths = raw
                .iter()
                .map(|path| placeholders.path(path))
                .collect::<Result<Vec<_>, _>>()?;
            check_disjoint(paths.iter())?;
            Ok(Self::of_paths(paths))
        })
    }

    /// The parts at these paths, of which none lies within another.
    pub fn of_paths(paths: Vec<Path>) -> Self {
        let mut roots = BTreeMap::new();
        for path in &paths {
            insert(roots.entry(path.root().to_owned()).or_insert(None), path.steps());
        }
        let roots = roots
            .into_iter()
            .map(|(root, part)| (root, part.unwrap_or(Part::Whole)));
        Self {
            roots: roots.collect(),
            paths,
        }
    }

    /// The attributes of these names, as `AttributesToGet` and indexes ask for them.
    pub fn of_attributes(names: impl IntoIterator<Item = String>) -> Self {
        Self::of_paths(names.into_iter().map(Path::attribute).collect())
    }

    /// The paths, in the order of the expression.
    pub fn paths(&self) -> &[Path] {
        &self.paths
    }

    /// The names of the attributes of the item that are needed.
    pub fn attributes(&self) -> impl Iterator<Item = &str> {
        self.roots.keys().map(String::as_str)
    }

    /// The parts that `item` has: maps and lists around them hold nothing else, and lists close up.
    pub fn of(&self, item: &Item) -> Item {
        fields(&self.roots, item)
    }
}

fn insert(part: &mut Option<Part>, steps: &[Step]) {
    let Some((step, rest)) = steps.split_first() else {
        *part = Some(Part::Whole);
        return;
    };
    let inner = |slot: Option<Part>| {
        let mut slot = slot;
        insert(&mut slot, rest);
        slot.unwrap_or(Part::Whole)
    };
    match (step, part.take()) {
        (Step::Field(name), None) => *part = Some(Part::Fields([(name.clone(), inner(None))].into())),
        (Step::Field(name), Some(Part::Fields(mut fields))) => {
            let value = inner(fields.remove(name));
            fields.insert(name.clone(), value);
            *part = Some(Part::Fields(fields));
        }
        (Step::Index(index), None) => *part = Some(Part::Elements([(*index, inner(None))].into())),
        (Step::Index(index), Some(Part::Elements(mut elements))) => {
            let value = inner(elements.remove(index));
            elements.insert(*index, value);
            *part = Some(Part::Elements(elements));
        }
        // An overlap or a conflict, which the parser refuses; the wider part stands.
        (_, Some(other)) => *part = Some(other),
    }
}

fn fields(parts: &BTreeMap<String, Part>, item: &Item) -> Item {
    let found = parts.iter().filter_map(|(name, part)| {
        let value = project(part, item.get(name)?)?;
        Some((name.clone(), value))
    });
    found.collect()
}

fn project(part: &Part, value: &AttributeValue) -> Option<AttributeValue> {
    match (part, value) {
        (Part::Whole, value) => Some(value.clone()),
        (Part::Fields(parts), AttributeValue::M(entries)) => {
            let found = fields(parts, entries);
            (!found.is_empty()).then_some(AttributeValue::M(found))
        }
        (Part::Elements(parts), AttributeValue::L(items)) => {
            let found = parts
                .iter()
                .filter_map(|(index, part)| project(part, items.get(*index)?));
            let found: Vec<_> = found.collect();
            (!found.is_empty()).then_some(AttributeValue::L(found))
        }
        _ => None,
    }
}
