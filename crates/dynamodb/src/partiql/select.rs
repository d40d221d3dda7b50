//! How a SELECT is read: from partitions that its condition names, or by a scan.

use super::statement::Select;
use crate::expression::{Comparator, Condition, KeyConditions, Operand, Path, Projection, SortCondition, Step};
use crate::items::page::{self, Page, Source};
use crate::items::query::Asked;
use crate::items::view::View;
use crate::items::{index as index_entry, select};
use crate::keys::{self, Space};
use crate::tables::record::{IndexRecord, KeySchema, TableRecord};
use crate::{AttributeValue, Error, Item};
use danbi_store::{Direction, KeyRange};
use serde::{Deserialize, Serialize};

/// Bytes read at which an answer ends, as a page of a Query does.
const ANSWER_BYTES: usize = 1024 * 1024;

/// Where an answer ended.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Position {
    /// Which of the partitions was being read.
    pub partition: usize,
    /// The key of the last item that was looked at there.
    pub key: Item,
}

/// What was read.
#[derive(Debug, Default)]
pub(super) struct Selected {
    pub items: Vec<Item>,
    /// What was read for them, for the charge.
    pub page: Page,
    /// Where to go on.
    pub last: Option<Position>,
}

/// A SELECT held against its table.
pub(super) struct Plan<'p> {
    table: &'p TableRecord,
    pub index: Option<&'p IndexRecord>,
    select: &'p Select,
    /// The partitions that are read, one after the other; none for a scan.
    partitions: Vec<Asked>,
    /// What of the condition is not in the partitions.
    filter: Option<Condition>,
    projection: Option<Projection>,
    direction: Direction,
}

impl<'p> Plan<'p> {
    /// Plans `select` over `table`.
    ///
    /// # Errors
    /// For an index that is not there or not for this read, attributes that it does not have, and an order that no key
    /// gives.
    pub fn new(table: &'p TableRecord, select: &'p Select, consistent: Option<bool>) -> Result<Self, Error> {
        let index = find_index(table, select, consistent)?;
        let schema = select::schema(table, index);
        let (partitions, filter) = partitions(schema, select.condition.clone())?;
        let direction = direction(schema, select, !partitions.is_empty())?;
        let mut roots: Vec<String> = select.attributes.iter().map(|path| path.root().to_owned()).collect();
        roots.sort_unstable();
        roots.dedup();
        let projection = (!roots.is_empty()).then(|| Projection::of_attributes(roots));
        let plan = Self {
            table,
            index,
            select,
            partitions,
            filter,
            projection,
            direction,
        };
        plan.check_filter()?;
        select::check_paths(table, None, plan.filter.as_ref())?;
        Ok(plan)
    }

    /// Refuses a filter on what the index does not hold.
    fn check_filter(&self) -> Result<(), Error> {
        let Some(index) = self.index else { return Ok(()) };
        let mut missing: Vec<&str> = Vec::new();
        if let Some(filter) = &self.filter {
            filter.each_path(&mut |path| {
                if !index_entry::projects(self.table, index, path.root()) && !missing.contains(&path.root()) {
                    missing.push(path.root());
                }
            });
        }
        if missing.is_empty() {
            return Ok(());
        }
        Err(Error::validation(format!(
            "One or more parameter values were invalid: Secondary index {} does not project one or more filter \
             attributes: [{}]",
            index.name,
            missing.join(", ")
        )))
    }

    /// Reads up to `limit` items from `from` on, or from the beginning.
    pub async fn read(&self, view: View<'_>, limit: Option<usize>, from: Option<Position>) -> Result<Selected, Error> {
        let mut selected = Selected::default();
        let wanted = select::wanted(self.table, self.index, None, self.projection.as_ref())?;
        let (first, mut start) = from.map_or((0, None), |from| (from.partition, Some(from.key)));
        for partition in first..self.partitions.len().max(1) {
            let mut range = self.range(partition);
            if let Some(key) = start.take() {
                let at = select::start(self.table, self.index, &key)?;
                if !range.contains(&at) {
                    return Err(Error::validation("Invalid NextToken"));
                }
                range = match self.direction {
                    Direction::Forward => range.after(&at),
                    Direction::Reverse => range.before(&at),
                };
            }
            let source = Source {
                table: self.table,
                index: self.index,
                range,
                direction: self.direction,
                limit: limit.map(|limit| limit - selected.page.scanned),
                wanted,
                filter: self.filter.as_ref(),
                projection: None,
            };
            let page = page::read(view, &source).await?;
            selected.items.extend(page.items.iter().map(|item| self.answer(item)));
            selected.page.scanned += page.scanned;
            selected.page.bytes += page.bytes;
            selected.page.fetched.extend(page.fetched);
            if let Some(key) = page.last {
                selected.last = Some(Position { partition, key });
                return Ok(selected);
            }
            if selected.page.bytes >= ANSWER_BYTES {
                break;
            }
        }
        Ok(selected)
    }

    fn range(&self, partition: usize) -> KeyRange {
        match self.partitions.get(partition) {
            Some(asked) => asked.range(self.table, self.index),
            None => {
                let prefix = match self.index {
                    None => keys::space(self.table.id, Space::Item, 0),
                    Some(index) => keys::index(self.table.id, index.id),
                };
                keys::segment(&prefix, 0, 1)
            }
        }
    }

    /// What is asked for of an item: each path by its last name.
    fn answer(&self, item: &Item) -> Item {
        answer(&self.select.attributes, item)
    }
}

/// What is asked for of an item: everything, or the value at each path under the path's last name.
pub(super) fn answer(attributes: &[Path], item: &Item) -> Item {
    if attributes.is_empty() {
        return item.clone();
    }
    let name = |path: &Path| {
        let field = path.steps().iter().rev().find_map(|step| match step {
            Step::Field(name) => Some(name.clone()),
            Step::Index(_) => None,
        });
        field.unwrap_or_else(|| path.root().to_owned())
    };
    attributes
        .iter()
        .filter_map(|path| Some((name(path), path.get(item)?.clone())))
        .collect()
}

fn find_index<'t>(
    table: &'t TableRecord,
    select: &Select,
    consistent: Option<bool>,
) -> Result<Option<&'t IndexRecord>, Error> {
    let Some(name) = &select.index else { return Ok(None) };
    let Some(index) = table.index(name) else {
        return Err(Error::validation("The table does not have the specified index"));
    };
    if consistent == Some(true) && !table.is_local(index) {
        return Err(Error::validation(
            "Strongly consistent read is not supported on Global Secondary Indexes",
        ));
    }
    select::index(table, Some(name), consistent)
}

fn direction(schema: &KeySchema, select: &Select, in_partition: bool) -> Result<Direction, Error> {
    let mut direction = Direction::Forward;
    for (at, (name, descending)) in select.order.iter().enumerate() {
        if !in_partition {
            return Err(Error::validation(
                "Must have at least one non-optional hash key condition in WHERE clause when using ORDER BY clause.",
            ));
        }
        if !schema.contains(name) {
            return Err(Error::validation(format!(
                "Variable reference {name} in ORDER BY clause must be part of the primary key"
            )));
        }
        let is_sort = schema.sort.iter().any(|attribute| attribute.name == *name);
        if *descending && (is_sort || at == 0) {
            direction = Direction::Reverse;
        }
    }
    Ok(direction)
}

/// A condition's conjuncts.
fn conjuncts(condition: Option<Condition>) -> Vec<Condition> {
    match condition {
        None => Vec::new(),
        Some(Condition::And(conditions)) => conditions
            .into_iter()
            .flat_map(|condition| conjuncts(Some(condition)))
            .collect(),
        Some(condition) => vec![condition],
    }
}

/// The condition that all of these make.
pub(super) fn all(mut conditions: Vec<Condition>) -> Option<Condition> {
    match conditions.len() {
        0 | 1 => conditions.pop(),
        _ => Some(Condition::And(conditions)),
    }
}

/// The one attribute that a condition is on, and the condition as a key has it.
fn on_attribute(condition: &Condition) -> Option<(&str, SortCondition)> {
    fn name(path: &Path) -> Option<&str> {
        path.steps().is_empty().then(|| path.root())
    }
    match condition {
        Condition::Compare(Operand::Path(path), comparator, Operand::Value(value)) => {
            Some((name(path)?, SortCondition::compared(*comparator, value.clone())?))
        }
        Condition::Compare(Operand::Value(value), comparator, Operand::Path(path)) => Some((
            name(path)?,
            SortCondition::compared(comparator.mirrored(), value.clone())?,
        )),
        Condition::Between {
            operand: Operand::Path(path),
            low: Operand::Value(low),
            high: Operand::Value(high),
        } => Some((name(path)?, SortCondition::Between(low.clone(), high.clone()))),
        Condition::BeginsWith(Operand::Path(path), Operand::Value(prefix)) => {
            Some((name(path)?, SortCondition::BeginsWith(prefix.clone())))
        }
        _ => None,
    }
}

/// The values of `IN` on this attribute.
fn candidates(condition: &Condition, attribute: &str) -> Option<Vec<AttributeValue>> {
    let Condition::In(Operand::Path(path), operands) = condition else {
        return None;
    };
    if path.root() != attribute || !path.steps().is_empty() {
        return None;
    }
    let mut values: Vec<AttributeValue> = Vec::new();
    for operand in operands {
        let Operand::Value(value) = operand else { return None };
        if !values.contains(value) {
            values.push(value.clone());
        }
    }
    Some(values)
}

/// The partitions that a condition names, with what it says of their sort keys, and the rest of the condition. No
/// partitions when it does not name the whole of the partition key.
fn partitions(schema: &KeySchema, condition: Option<Condition>) -> Result<(Vec<Asked>, Option<Condition>), Error> {
    let whole = condition.clone();
    let mut rest = conjuncts(condition);
    let mut equal = Vec::new();
    let mut several = None;
    for attribute in &schema.partition {
        let is_equal = |condition: &Condition| matches!(on_attribute(condition), Some((name, SortCondition::Equal(_))) if name == attribute.name);
        if let Some(at) = rest.iter().position(is_equal) {
            let condition = rest.remove(at);
            equal.extend(on_attribute(&condition).map(|(name, condition)| (name.to_owned(), Some(condition))));
            continue;
        }
        let found = rest
            .iter()
            .position(|condition| candidates(condition, &attribute.name).is_some());
        match found {
            Some(at) if schema.partition.len() == 1 => {
                several = candidates(&rest.remove(at), &attribute.name).map(|values| (&attribute.name, values));
            }
            _ => return Ok((Vec::new(), whole)),
        }
    }
    for attribute in &schema.sort {
        let kind = attribute.kind.attribute_type();
        let fits = |condition: &Condition| match on_attribute(condition) {
            Some((name, condition)) => name == attribute.name && condition.is_of(kind),
            None => false,
        };
        let Some(at) = rest.iter().position(fits) else { break };
        let condition = rest.remove(at);
        let goes_on = matches!(condition, Condition::Compare(_, Comparator::Equal, _));
        equal.extend(on_attribute(&condition).map(|(name, condition)| (name.to_owned(), Some(condition))));
        if !goes_on {
            break;
        }
    }
    let conditions = match several {
        None => vec![equal],
        Some((name, values)) => {
            let with = |value| {
                let mut conditions = equal.clone();
                conditions.push((name.clone(), Some(SortCondition::Equal(value))));
                conditions
            };
            values.into_iter().map(with).collect()
        }
    };
    let asked = conditions
        .into_iter()
        .map(|conditions| Asked::of(KeyConditions::of(conditions), schema));
    Ok((asked.collect::<Result<_, _>>()?, all(rest)))
}

/// The whole primary key that a condition names, and the rest of the condition.
pub(super) fn primary_key(table: &TableRecord, condition: Option<Condition>) -> Option<(Item, Option<Condition>)> {
    let mut rest = conjuncts(condition);
    let mut key = Item::new();
    for attribute in table.key.attributes() {
        let at = rest.iter().position(|condition| {
            matches!(on_attribute(condition), Some((name, SortCondition::Equal(_))) if name == attribute.name)
        })?;
        if let Some((name, SortCondition::Equal(value))) = on_attribute(&rest.remove(at)) {
            key.insert(name.to_owned(), value);
        }
    }
    Some((key, all(rest)))
}
