//! Query: the items of one partition of a table or an index, in the order of their sort keys.

use super::capacity::{Detail, Kind};
use super::key;
use super::members::{self, Violations};
use super::page::{self, Source, Wanted};
use super::parameters::{self, Given};
use super::select;
use super::view::View;
use crate::expression::{Condition, KeyCondition, KeyConditions, Parameter, Placeholders, SortCondition};
use crate::keys::{self, Space};
use crate::shapes::{QueryInput, QueryOutput};
use crate::tables::catalog::TableRef;
use crate::tables::record::{IndexRecord, KeyAttribute, KeySchema, TableRecord};
use crate::{AttributeValue, DynamoDb, Error, Item, expression, legacy};
use danbi_core::RequestContext;
use danbi_store::{Direction, KeyRange};
use std::sync::Arc;

pub(crate) async fn query(
    dynamodb: Arc<DynamoDb>,
    context: RequestContext,
    input: QueryInput,
) -> Result<QueryOutput, Error> {
    check(&input)?;
    let mut placeholders = Placeholders::new(
        input.expression_attribute_names.as_ref(),
        input.expression_attribute_values.as_ref(),
    )?;
    let conditions = match (&input.key_condition_expression, &input.key_conditions) {
        (Some(text), _) => KeyCondition::parse(text, &mut placeholders)?,
        (None, Some(conditions)) => legacy::key_conditions(conditions)?,
        (None, None) => {
            return Err(Error::validation(
                "Either the KeyConditions or KeyConditionExpression parameter must be specified in the request.",
            ));
        }
    };
    let filter = match &input.filter_expression {
        Some(text) => Some(Condition::parse(Parameter::Filter, text, &mut placeholders)?),
        None => legacy::filter(input.query_filter.as_ref(), input.conditional_operator.as_deref())?,
    };
    let projection = parameters::projection(
        input.projection_expression.as_deref(),
        input.attributes_to_get.as_deref(),
        &mut placeholders,
    )?;
    placeholders.finish()?;

    let snapshot = dynamodb.store.snapshot().await?;
    let table = TableRef::parse(&context, &input.table_name)?;
    let table = dynamodb.catalog.usable_in(&snapshot, &table).await?;
    let index = select::index(&table, input.index_name.as_ref(), input.consistent_read)?;
    let schema = select::schema(&table, index);
    let asked = Asked::of(conditions, schema)?;
    let mut range = asked.range(&table, index);
    let direction = if input.scan_index_forward == Some(false) {
        Direction::Reverse
    } else {
        Direction::Forward
    };
    // Of a partition of one item there is nothing behind the first page.
    let single = index.is_none() && schema.sort.is_empty();
    if let Some(start) = &input.exclusive_start_key {
        if single {
            return Err(Error::validation(format!(
                "The provided exclusive start key is invalid: ExclusiveStartKey: {}",
                shown(start)
            )));
        }
        let at = select::start(&table, index, start)?;
        asked.check_start(schema, start)?;
        range = match direction {
            Direction::Forward => range.after(&at),
            Direction::Reverse => range.before(&at),
        };
    }
    select::check_paths(&table, projection.as_ref(), None)?;
    let property = if input.filter_expression.is_some() {
        "Filter Expression"
    } else {
        "QueryFilter"
    };
    check_filter(schema, filter.as_ref(), property)?;
    let wanted = select::wanted(&table, index, input.select.as_deref(), projection.as_ref())?;
    select::check_paths(&table, None, filter.as_ref())?;
    let source = Source {
        table: &table,
        index,
        range,
        direction,
        limit: input.limit.map(|limit| limit as usize),
        wanted,
        filter: filter.as_ref(),
        projection: projection.as_ref(),
    };
    dynamodb.admit_read(&table, index)?;
    let page = page::read(View::Snapshot(&snapshot), &source).await?;
    let usage = select::charge(&table, index, &page, None, input.consistent_read);
    dynamodb.pay_read(&table, &usage);
    let detail = Detail::of(input.return_consumed_capacity.as_deref());
    Ok(QueryOutput {
        consumed_capacity: usage.report(detail, &input.table_name, Kind::Plain),
        items: (wanted != Wanted::Count).then_some(page.items),
        count: Some(page.count as i32),
        scanned_count: Some(page.scanned as i32),
        last_evaluated_key: page.last.filter(|_| !single),
    })
}

/// A key as AWS's messages show it: `{p=AttributeValue: {S:x}}`.
fn shown(key: &Item) -> String {
    let values = key.iter().map(|(name, value)| {
        let text = match value {
            AttributeValue::S(text) => text.clone(),
            AttributeValue::N(number) => number.to_string(),
            _ => String::new(),
        };
        format!("{name}=AttributeValue: {{{}:{text}}}", value.kind().name())
    });
    format!("{{{}}}", values.collect::<Vec<_>>().join(", "))
}

fn check(input: &QueryInput) -> Result<(), Error> {
    let mut violations = Violations::of_table(&input.table_name);
    violations.index(input.index_name.as_ref());
    violations.attributes_to_get(input.attributes_to_get.as_ref());
    violations.one_of("select", input.select.as_ref(), members::SELECT);
    violations.query_limit(input.limit);
    violations.one_of(
        "conditionalOperator",
        input.conditional_operator.as_ref(),
        members::OPERATOR,
    );
    violations.one_of(
        "returnConsumedCapacity",
        input.return_consumed_capacity.as_ref(),
        members::CAPACITY,
    );
    violations.finish()?;
    let expressed = input.key_condition_expression.is_some();
    Given {
        expressions: &[
            ("ProjectionExpression", input.projection_expression.is_some()),
            ("FilterExpression", input.filter_expression.is_some()),
            ("KeyConditionExpression", expressed),
        ],
        others: &[
            ("AttributesToGet", input.attributes_to_get.is_some()),
            ("QueryFilter", input.query_filter.is_some()),
            ("ConditionalOperator", input.conditional_operator.is_some()),
            // The old key conditions go with the new expressions, but not with the new key condition.
            ("KeyConditions", input.key_conditions.is_some() && expressed),
        ],
        names: input.expression_attribute_names.is_some(),
        values: input.expression_attribute_values.is_some(),
    }
    .check()?;
    let asking = match (&input.attributes_to_get, &input.projection_expression) {
        (Some(_), _) => Some("AttributesToGet"),
        (None, Some(_)) => Some("ProjectionExpression"),
        (None, None) => None,
    };
    select::check_select(input.select.as_deref(), asking, input.index_name.is_some(), "Querying")
}

fn check_filter(schema: &KeySchema, filter: Option<&Condition>, property: &str) -> Result<(), Error> {
    let paths = parameters::condition_paths(filter);
    match schema
        .attributes()
        .find(|attribute| paths.iter().any(|path| path.root() == attribute.name))
    {
        Some(attribute) => Err(Error::validation(format!(
            "{property} can only contain non-primary key attributes: Primary key attribute: {}",
            attribute.name
        ))),
        None => Ok(()),
    }
}

/// One partition and what of its sort keys.
pub(crate) struct Asked {
    /// The values of the partition attributes, in the order of the schema.
    partition: Vec<AttributeValue>,
    /// The values of the first sort attributes, as far as they must be equal.
    equal: Vec<AttributeValue>,
    /// What holds of the sort attribute behind those.
    sort: Option<SortCondition>,
}

impl Asked {
    /// Holds conditions against a key schema.
    pub(crate) fn of(conditions: KeyConditions, schema: &KeySchema) -> Result<Self, Error> {
        if let ([partition], sort @ ([] | [_])) = (&schema.partition[..], &schema.sort[..]) {
            let condition = conditions.against(attribute(partition), sort.first().map(attribute))?;
            return Ok(Self {
                partition: vec![condition.partition],
                equal: Vec::new(),
                sort: condition.sort,
            });
        }
        Self::of_several(conditions, schema)
    }

    /// A global index may have up to four attributes in each part of its key. All of the partition must be equal to
    /// something; of the sort key the first ones, and then one more may have any condition.
    fn of_several(mut conditions: KeyConditions, schema: &KeySchema) -> Result<Self, Error> {
        let mut take = |key: &KeyAttribute| conditions.take(attribute(key));
        let mut partition = Vec::new();
        for attribute in &schema.partition {
            match take(attribute)? {
                Some(SortCondition::Equal(value)) => partition.push(value),
                _ => return Err(unequal("HASH", &attribute.name)),
            }
        }
        let (mut equal, mut sort, mut open) = (Vec::new(), None, None);
        for attribute in &schema.sort {
            match (take(attribute)?, open) {
                (None, _) => open = open.or(Some(&attribute.name)),
                (Some(_), Some(before)) => return Err(unequal("RANGE", before)),
                (Some(SortCondition::Equal(value)), None) => equal.push(value),
                (Some(condition), None) => {
                    sort = Some(condition);
                    open = Some(&attribute.name);
                }
            }
        }
        if conditions.is_empty() {
            return Ok(Self { partition, equal, sort });
        }
        Err(Error::validation("Query key condition not supported"))
    }

    /// The keys of the store that are asked for.
    pub(crate) fn range(&self, table: &TableRecord, index: Option<&IndexRecord>) -> KeyRange {
        let encoded = |values: &[AttributeValue], mut out: Vec<u8>| {
            values.iter().for_each(|value| key::encode(value, &mut out));
            out
        };
        let partition = keys::digest(table.id, &encoded(&self.partition, Vec::new()));
        let mut prefix = match index {
            None => keys::space(table.id, Space::Item, 64),
            Some(index) => keys::index(table.id, index.id),
        };
        prefix.extend_from_slice(&partition);
        let prefix = encoded(&self.equal, prefix);
        let at = |value: &AttributeValue| encoded(std::slice::from_ref(value), prefix.clone());
        // Every key begins with a text, so there is something behind each.
        let behind = |key: Vec<u8>| KeyRange::prefix(key).end().cloned().unwrap_or_default();
        match &self.sort {
            None => KeyRange::prefix(prefix),
            Some(SortCondition::Equal(value)) => KeyRange::prefix(at(value)),
            Some(SortCondition::Less(value)) => KeyRange::new(prefix.clone(), at(value)),
            Some(SortCondition::LessOrEqual(value)) => KeyRange::new(prefix.clone(), behind(at(value))),
            Some(SortCondition::Greater(value)) => KeyRange::new(behind(at(value)), behind(prefix.clone())),
            Some(SortCondition::GreaterOrEqual(value)) => KeyRange::new(at(value), behind(prefix.clone())),
            Some(SortCondition::Between(low, high)) => KeyRange::new(at(low), behind(at(high))),
            Some(SortCondition::BeginsWith(value)) => {
                let mut begun = prefix.clone();
                key::encode_prefix(value, &mut begun);
                KeyRange::prefix(begun)
            }
        }
    }

    /// Refuses a start key outside of what is asked for.
    fn check_start(&self, schema: &KeySchema, start: &Item) -> Result<(), Error> {
        let same = |attribute: &KeyAttribute, value: &AttributeValue| start.get(&attribute.name) == Some(value);
        let in_partition = schema
            .partition
            .iter()
            .zip(&self.partition)
            .all(|(name, value)| same(name, value))
            && schema
                .sort
                .iter()
                .zip(&self.equal)
                .all(|(name, value)| same(name, value));
        let Some(sort) = &self.sort else {
            return if in_partition {
                Ok(())
            } else {
                Err(Error::validation(
                    "The provided starting key is outside query boundaries based on provided conditions",
                ))
            };
        };
        let value = schema
            .sort
            .get(self.equal.len())
            .and_then(|attribute| start.get(&attribute.name));
        if !value.is_some_and(|value| sort.holds(value)) {
            return Err(Error::validation(
                "The provided starting key does not match the range key predicate",
            ));
        }
        if !in_partition {
            return Err(Error::validation(
                "The query can return at most one row and cannot be restarted",
            ));
        }
        Ok(())
    }
}

/// An attribute of a key schema as conditions know it.
fn attribute(attribute: &KeyAttribute) -> expression::KeyAttribute<'_> {
    expression::KeyAttribute {
        name: &attribute.name,
        kind: attribute.kind.attribute_type(),
    }
}

/// Every partition attribute, and every sort attribute before another condition, must be equal to something.
fn unequal(kind: &str, name: &str) -> Error {
    Error::validation(format!(
        "Query key condition not supported: the {kind} key attribute {name} needs an equality condition"
    ))
}
