//! GetItem, PutItem, UpdateItem and DeleteItem.

use super::capacity::{Detail, Kind, Rate, Usage};
use super::key;
use super::members::{self, Violations};
use super::parameters::{self, Given};
use super::stored::{self, MAX_ITEM_BYTES};
use super::view::View;
use super::write::{Applied, Change, Write};
use crate::expression::{Placeholders, Projection};
use crate::shapes::*;
use crate::tables::catalog::TableRef;
use crate::tables::record::TableRecord;
use crate::value::check_name;
use crate::{DynamoDb, Error, Item, item_size};
use danbi_core::RequestContext;
use std::collections::BTreeMap;
use std::sync::Arc;

pub(crate) async fn get(
    dynamodb: Arc<DynamoDb>,
    context: RequestContext,
    input: GetItemInput,
) -> Result<GetItemOutput, Error> {
    let mut violations = Violations::of_table(&input.table_name);
    violations.attributes_to_get(input.attributes_to_get.as_ref());
    violations.one_of(
        "returnConsumedCapacity",
        input.return_consumed_capacity.as_ref(),
        members::CAPACITY,
    );
    violations.finish()?;
    Given {
        expressions: &[("ProjectionExpression", input.projection_expression.is_some())],
        others: &[("AttributesToGet", input.attributes_to_get.is_some())],
        names: input.expression_attribute_names.is_some(),
        values: false,
    }
    .check()?;
    let mut placeholders = Placeholders::new(input.expression_attribute_names.as_ref(), None)?;
    let projection = parameters::projection(
        input.projection_expression.as_deref(),
        input.attributes_to_get.as_deref(),
        &mut placeholders,
    )?;
    placeholders.finish()?;

    let snapshot = dynamodb.store.snapshot().await?;
    let table = TableRef::parse(&context, &input.table_name)?;
    let table = dynamodb.catalog.usable_in(&snapshot, &table).await?;
    dynamodb.admit_read(&table, None)?;
    let (item, size) = read(View::Snapshot(&snapshot), &table, &input.key, projection.as_ref()).await?;
    let usage = Usage::of_table(Rate::of(input.consistent_read).units(size));
    dynamodb.pay_read(&table, &usage);
    let detail = Detail::of(input.return_consumed_capacity.as_deref());
    Ok(GetItemOutput {
        item,
        consumed_capacity: usage.report(detail, &input.table_name, Kind::Plain),
    })
}

/// What is asked for of the item of this key, and what DynamoDB counts for the whole of it.
pub(crate) async fn read(
    view: View<'_>,
    table: &TableRecord,
    key: &Item,
    projection: Option<&Projection>,
) -> Result<(Option<Item>, usize), Error> {
    key::check_key(table, key)?;
    parameters::check_paths(table, projection.into_iter().flat_map(Projection::paths))?;
    let key = key::item_key(table, key)?;
    let Some(stored) = stored::get(view, &key.bytes).await? else {
        return Ok((None, 0));
    };
    let item = match projection {
        None => stored.item()?,
        Some(projection) => {
            let wanted = stored.some(|name| projection.attributes().any(|wanted| wanted == name))?;
            projection.of(&wanted)
        }
    };
    Ok((Some(item), stored.size))
}

pub(crate) async fn put(
    dynamodb: Arc<DynamoDb>,
    context: RequestContext,
    input: PutItemInput,
) -> Result<PutItemOutput, Error> {
    let replacing = Replacing {
        table_name: input.table_name,
        change: Change::Put(input.item),
        return_values: input.return_values,
        return_consumed_capacity: input.return_consumed_capacity,
        return_item_collection_metrics: input.return_item_collection_metrics,
        conditional_operator: input.conditional_operator,
        on_failure: input.return_values_on_condition_check_failure,
        condition_expression: input.condition_expression,
        expected: input.expected,
        names: input.expression_attribute_names,
        values: input.expression_attribute_values,
    };
    let replaced = replacing.apply(&dynamodb, &context).await?;
    Ok(PutItemOutput {
        attributes: replaced.attributes,
        consumed_capacity: replaced.capacity,
        item_collection_metrics: replaced.metrics,
    })
}

pub(crate) async fn delete(
    dynamodb: Arc<DynamoDb>,
    context: RequestContext,
    input: DeleteItemInput,
) -> Result<DeleteItemOutput, Error> {
    let replacing = Replacing {
        table_name: input.table_name,
        change: Change::Delete(input.key),
        return_values: input.return_values,
        return_consumed_capacity: input.return_consumed_capacity,
        return_item_collection_metrics: input.return_item_collection_metrics,
        conditional_operator: input.conditional_operator,
        on_failure: input.return_values_on_condition_check_failure,
        condition_expression: input.condition_expression,
        expected: input.expected,
        names: input.expression_attribute_names,
        values: input.expression_attribute_values,
    };
    let replaced = replacing.apply(&dynamodb, &context).await?;
    Ok(DeleteItemOutput {
        attributes: replaced.attributes,
        consumed_capacity: replaced.capacity,
        item_collection_metrics: replaced.metrics,
    })
}

/// What PutItem and DeleteItem share: they put something in the place of a whole item.
struct Replacing {
    table_name: String,
    change: Change,
    return_values: Option<String>,
    return_consumed_capacity: Option<String>,
    return_item_collection_metrics: Option<String>,
    conditional_operator: Option<String>,
    on_failure: Option<String>,
    condition_expression: Option<String>,
    expected: Option<BTreeMap<String, ExpectedAttributeValue>>,
    names: parameters::Names,
    values: parameters::Values,
}

/// What both answer.
struct Replaced {
    attributes: Option<Item>,
    capacity: Option<ConsumedCapacity>,
    metrics: Option<ItemCollectionMetrics>,
}

impl Replacing {
    async fn apply(self, dynamodb: &DynamoDb, context: &RequestContext) -> Result<Replaced, Error> {
        let mut violations = Violations::of_table(&self.table_name);
        violations.one_of("returnValues", self.return_values.as_ref(), members::RETURN_VALUES);
        write_members(
            &mut violations,
            self.return_consumed_capacity.as_ref(),
            self.return_item_collection_metrics.as_ref(),
            self.conditional_operator.as_ref(),
            self.on_failure.as_ref(),
        );
        violations.finish()?;
        Given {
            expressions: &[("ConditionExpression", self.condition_expression.is_some())],
            others: &[
                ("Expected", self.expected.is_some()),
                ("ConditionalOperator", self.conditional_operator.is_some()),
            ],
            names: self.names.is_some(),
            values: self.values.is_some(),
        }
        .check()?;
        let returns_old = only_old(self.return_values.as_deref())?;
        if let Change::Put(item) = &self.change {
            members::attribute_names(item.keys())?;
            check_size(item)?;
        }
        let mut placeholders = Placeholders::new(self.names.as_ref(), self.values.as_ref())?;
        let condition = parameters::condition(
            self.condition_expression.as_deref(),
            self.expected.as_ref(),
            self.conditional_operator.as_deref(),
            &mut placeholders,
        )?;
        placeholders.finish()?;
        let write = Write {
            table: TableRef::parse(context, &self.table_name)?,
            named: self.table_name,
            change: self.change,
            condition,
            show_on_failure: shows_old(self.on_failure.as_deref()),
            needs_old: returns_old,
            located: None,
        };
        let reported = Reported::of(
            &write,
            self.return_consumed_capacity.as_deref(),
            self.return_item_collection_metrics.as_deref(),
        );
        let applied = dynamodb.write(write).await?;
        Ok(Replaced {
            capacity: reported.capacity(&applied),
            metrics: reported.metrics(&applied),
            attributes: applied.old.filter(|_| returns_old),
        })
    }
}

pub(crate) async fn update(
    dynamodb: Arc<DynamoDb>,
    context: RequestContext,
    input: UpdateItemInput,
) -> Result<UpdateItemOutput, Error> {
    let mut violations = Violations::of_table(&input.table_name);
    violations.one_of("returnValues", input.return_values.as_ref(), members::RETURN_VALUES);
    write_members(
        &mut violations,
        input.return_consumed_capacity.as_ref(),
        input.return_item_collection_metrics.as_ref(),
        input.conditional_operator.as_ref(),
        input.return_values_on_condition_check_failure.as_ref(),
    );
    violations.finish()?;
    Given {
        expressions: &[
            ("UpdateExpression", input.update_expression.is_some()),
            ("ConditionExpression", input.condition_expression.is_some()),
        ],
        others: &[
            ("AttributeUpdates", input.attribute_updates.is_some()),
            ("Expected", input.expected.is_some()),
            ("ConditionalOperator", input.conditional_operator.is_some()),
        ],
        names: input.expression_attribute_names.is_some(),
        values: input.expression_attribute_values.is_some(),
    }
    .check()?;
    let mut placeholders = Placeholders::new(
        input.expression_attribute_names.as_ref(),
        input.expression_attribute_values.as_ref(),
    )?;
    let update = parameters::update(
        input.update_expression.as_deref(),
        input.attribute_updates.as_ref(),
        &mut placeholders,
    )?;
    let condition = parameters::condition(
        input.condition_expression.as_deref(),
        input.expected.as_ref(),
        input.conditional_operator.as_deref(),
        &mut placeholders,
    )?;
    placeholders.finish()?;
    let returned = input.return_values.as_deref().unwrap_or("NONE");
    let touched = returned.starts_with("UPDATED").then(|| update.touched());
    let write = Write {
        table: TableRef::parse(&context, &input.table_name)?,
        named: input.table_name,
        change: Change::Update {
            key: input.key,
            update,
            payload: 0,
        },
        condition,
        show_on_failure: shows_old(input.return_values_on_condition_check_failure.as_deref()),
        needs_old: returned.ends_with("OLD"),
        located: None,
    };
    let reported = Reported::of(
        &write,
        input.return_consumed_capacity.as_deref(),
        input.return_item_collection_metrics.as_deref(),
    );
    let applied = dynamodb.write(write).await?;
    let (consumed_capacity, item_collection_metrics) = (reported.capacity(&applied), reported.metrics(&applied));
    let side = match returned {
        "ALL_OLD" | "UPDATED_OLD" => applied.old,
        "ALL_NEW" | "UPDATED_NEW" => applied.new,
        _ => None,
    };
    let attributes = side.and_then(|item| match &touched {
        Some(touched) => Some(touched.of(&item)).filter(|part| !part.is_empty()),
        None => Some(item),
    });
    Ok(UpdateItemOutput {
        attributes,
        consumed_capacity,
        item_collection_metrics,
    })
}

fn write_members(
    violations: &mut Violations,
    capacity: Option<&String>,
    metrics: Option<&String>,
    operator: Option<&String>,
    on_failure: Option<&String>,
) {
    violations.one_of("returnConsumedCapacity", capacity, members::CAPACITY);
    violations.one_of("returnItemCollectionMetrics", metrics, members::METRICS);
    violations.one_of("conditionalOperator", operator, members::OPERATOR);
    violations.one_of("returnValuesOnConditionCheckFailure", on_failure, members::ON_FAILURE);
}

/// `ReturnValues` of what replaces or deletes: whether the old item is answered.
fn only_old(returned: Option<&str>) -> Result<bool, Error> {
    match returned {
        None | Some("NONE") => Ok(false),
        Some("ALL_OLD") => Ok(true),
        Some(_) => Err(Error::validation("ReturnValues can only be ALL_OLD or NONE")),
    }
}

pub(crate) fn shows_old(on_failure: Option<&str>) -> bool {
    on_failure == Some("ALL_OLD")
}

/// Refuses an item that is too large to be put, or has a name that no attribute may have.
pub(crate) fn check_size(item: &Item) -> Result<(), Error> {
    for name in item.keys() {
        check_name(name)?;
    }
    if item_size(item) > MAX_ITEM_BYTES {
        return Err(Error::validation("Item size has exceeded the maximum allowed size"));
    }
    Ok(())
}

/// What an answer says of the cost of a write.
struct Reported {
    detail: Detail,
    named: String,
    /// The item's attributes, while metrics are asked for.
    metrics: Option<Item>,
}

impl Reported {
    fn of(write: &Write, capacity: Option<&str>, metrics: Option<&str>) -> Self {
        let item = || match &write.change {
            Change::Put(item) | Change::Insert(item) => item.clone(),
            Change::Delete(key) | Change::Check(key) | Change::Update { key, .. } => key.clone(),
        };
        Self {
            detail: Detail::of(capacity),
            named: write.named.clone(),
            metrics: (metrics == Some("SIZE")).then(item),
        }
    }

    fn capacity(&self, applied: &Applied) -> Option<ConsumedCapacity> {
        applied.usage.report(self.detail, &self.named, Kind::Plain)
    }

    fn metrics(&self, applied: &Applied) -> Option<ItemCollectionMetrics> {
        collection_metrics(&applied.table, self.metrics.as_ref()?)
    }
}

/// `ItemCollectionMetrics` of a table with local indexes. Collections are not bounded here, so the estimate is the range
/// below the bound that DynamoDB would set, in whole.
pub(crate) fn collection_metrics(table: &TableRecord, item: &Item) -> Option<ItemCollectionMetrics> {
    if table.local_indexes.is_empty() {
        return None;
    }
    let partition = table.key.partition.iter();
    let key = partition.filter_map(|attribute| Some((attribute.name.clone(), item.get(&attribute.name)?.clone())));
    Some(ItemCollectionMetrics {
        item_collection_key: Some(key.collect()),
        size_estimate_range_gb: Some(vec![0.0, 1.0]),
    })
}
