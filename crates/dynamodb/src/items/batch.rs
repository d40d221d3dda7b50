//! BatchGetItem and BatchWriteItem: many items at once, each for itself.

use super::capacity::{Detail, Kind, Rate, Usage};
use super::members::{self, Violations};
use super::parameters::{self, Given};
use super::single::{self, check_size};
use super::view::View;
use super::write::{Change, Write};
use crate::expression::{Placeholders, Projection};
use crate::shapes::*;
use crate::tables::catalog::TableRef;
use crate::tables::record::TableRecord;
use crate::{DynamoDb, Error, Item, item_size};
use danbi_core::RequestContext;
use danbi_store::StoreError;
use std::collections::{BTreeMap, HashSet, VecDeque};
use std::sync::Arc;

/// Keys of one BatchGetItem.
const MAX_GETS: usize = 100;
/// Writes of one BatchWriteItem.
const MAX_WRITES: usize = 25;
/// Bytes of items, as DynamoDB counts them, that one BatchGetItem answers.
const MAX_ANSWER_BYTES: usize = 16 * 1024 * 1024;
/// Bytes of items that are written in one transaction of the store: with indexes and old images far below its bound.
const CHUNK_BYTES: usize = 512 * 1024;

fn duplicates() -> Error {
    Error::validation("Provided list of item keys contains duplicates")
}

/// What is asked for of one table.
struct Gets {
    named: String,
    table: Arc<TableRecord>,
    asked: KeysAndAttributes,
    projection: Option<Projection>,
}

pub(crate) async fn get(
    dynamodb: Arc<DynamoDb>,
    context: RequestContext,
    input: BatchGetItemInput,
) -> Result<BatchGetItemOutput, Error> {
    if input.request_items.is_empty() {
        return Err(Error::validation(
            "The requestItems parameter is required for BatchGetItem",
        ));
    }
    let mut violations = Violations::default();
    violations.length("requestItems", input.request_items.len(), 1, MAX_GETS, || "{}".into());
    violations.one_of(
        "returnConsumedCapacity",
        input.return_consumed_capacity.as_ref(),
        members::CAPACITY,
    );
    for (table, asked) in &input.request_items {
        violations.keys(table, asked.keys.len(), MAX_GETS);
    }
    violations.finish()?;
    if input
        .request_items
        .values()
        .map(|asked| asked.keys.len())
        .sum::<usize>()
        > MAX_GETS
    {
        return Err(Error::validation("Too many items requested for the BatchGetItem call"));
    }
    let mut projections = Vec::new();
    for asked in input.request_items.values() {
        projections.push(projection_of(asked)?);
    }
    let snapshot = dynamodb.store.snapshot().await?;
    let view = View::Snapshot(&snapshot);
    let mut tables = Vec::new();
    for ((named, asked), projection) in input.request_items.into_iter().zip(projections) {
        let table = TableRef::parse(&context, &named)?;
        let table = dynamodb.catalog.usable_in(&snapshot, &table).await?;
        let mut seen = HashSet::new();
        for key in &asked.keys {
            super::key::check_key(&table, key)?;
            if !seen.insert(super::key::item_key(&table, key)?.bytes) {
                return Err(duplicates());
            }
        }
        tables.push(Gets {
            named,
            table,
            asked,
            projection,
        });
    }

    let detail = Detail::of(input.return_consumed_capacity.as_deref());
    let (mut responses, mut unprocessed, mut capacity) = (BTreeMap::new(), BTreeMap::new(), Vec::new());
    let (mut bytes, mut read, mut throttled) = (0, false, None);
    for Gets {
        named,
        table,
        asked,
        projection,
    } in tables
    {
        let rate = Rate::of(asked.consistent_read);
        let (mut items, mut left, mut usage) = (Vec::new(), Vec::new(), Usage::default());
        for key in &asked.keys {
            if bytes >= MAX_ANSWER_BYTES {
                left.push(key.clone());
                continue;
            }
            if let Err(error) = dynamodb.admit_read(&table, None) {
                throttled = Some(error);
                left.push(key.clone());
                continue;
            }
            let (item, size) = single::read(view, &table, key, projection.as_ref()).await?;
            if bytes + size > MAX_ANSWER_BYTES {
                bytes = MAX_ANSWER_BYTES;
                left.push(key.clone());
                continue;
            }
            bytes += size;
            read = true;
            let charged = Usage::of_table(rate.units(size));
            dynamodb.pay_read(&table, &charged);
            usage.add(&charged, 1.0);
            items.extend(item);
        }
        capacity.extend(usage.report(detail, &named, Kind::Plain));
        if !left.is_empty() {
            unprocessed.insert(named.clone(), KeysAndAttributes { keys: left, ..asked });
        }
        responses.insert(named, items);
    }
    // Only when nothing at all was let in is the request refused.
    if let Some(error) = throttled.filter(|_| !read) {
        return Err(error);
    }
    Ok(BatchGetItemOutput {
        responses: Some(responses),
        unprocessed_keys: Some(unprocessed),
        consumed_capacity: (detail != Detail::None).then_some(capacity),
    })
}

fn projection_of(asked: &KeysAndAttributes) -> Result<Option<Projection>, Error> {
    Given {
        expressions: &[("ProjectionExpression", asked.projection_expression.is_some())],
        others: &[("AttributesToGet", asked.attributes_to_get.is_some())],
        names: asked.expression_attribute_names.is_some(),
        values: false,
    }
    .check()?;
    if let Some(names) = &asked.attributes_to_get {
        members::attribute_names(names)?;
    }
    let mut placeholders = Placeholders::new(asked.expression_attribute_names.as_ref(), None)?;
    let projection = parameters::projection(
        asked.projection_expression.as_deref(),
        asked.attributes_to_get.as_deref(),
        &mut placeholders,
    )?;
    placeholders.finish()?;
    Ok(projection)
}

pub(crate) async fn write(
    dynamodb: Arc<DynamoDb>,
    context: RequestContext,
    input: BatchWriteItemInput,
) -> Result<BatchWriteItemOutput, Error> {
    check_writes(&input)?;
    let mut writes = Vec::new();
    for (named, requests) in input.request_items {
        for request in requests {
            let change = match (request.put_request, request.delete_request) {
                (Some(put), None) => {
                    members::attribute_names(put.item.keys())?;
                    check_size(&put.item)?;
                    Change::Put(put.item)
                }
                (None, Some(delete)) => Change::Delete(delete.key),
                _ => {
                    return Err(Error::validation(
                        "Supplied AttributeValue has more than one datatypes set, must contain exactly one of the \
                         supported datatypes",
                    ));
                }
            };
            writes.push(Write {
                table: TableRef::parse(&context, &named)?,
                named: named.clone(),
                change,
                condition: None,
                show_on_failure: false,
                needs_old: false,
                located: None,
            });
        }
    }
    locate_all(&dynamodb, &mut writes).await?;

    let detail = Detail::of(input.return_consumed_capacity.as_deref());
    let with_metrics = input.return_item_collection_metrics.as_deref() == Some("SIZE");
    let mut usages: BTreeMap<String, Usage> = BTreeMap::new();
    let mut metrics: BTreeMap<String, Vec<ItemCollectionMetrics>> = BTreeMap::new();
    let mut unprocessed: BTreeMap<String, Vec<WriteRequest>> = BTreeMap::new();
    let (mut waiting, mut throttled) = (VecDeque::from(chunks(writes)), None);
    while let Some(chunk) = waiting.pop_front() {
        let done = dynamodb.write_together(&chunk).await;
        let applied = match done {
            // Some of them may still be let in.
            Err(Error::Throttled(_)) if chunk.len() > 1 => {
                chunk
                    .into_iter()
                    .rev()
                    .for_each(|write| waiting.push_front(vec![write]));
                continue;
            }
            // Others write these items all the time, or there is no throughput left; DynamoDB hands such writes back.
            Err(error @ (Error::Store(StoreError::Contention { .. }) | Error::Throttled(_))) => {
                throttled = Some(error)
                    .filter(|error| matches!(error, Error::Throttled(_)))
                    .or(throttled);
                for write in chunk {
                    unprocessed
                        .entry(write.named.clone())
                        .or_default()
                        .push(request(write.change));
                }
                continue;
            }
            done => done?,
        };
        for (write, applied) in chunk.iter().zip(applied) {
            usages.entry(write.named.clone()).or_default().add(&applied.usage, 1.0);
            if with_metrics && let Some(found) = single::collection_metrics(&applied.table, &write.key(&applied.table))
            {
                metrics.entry(write.named.clone()).or_default().push(found);
            }
        }
    }
    if let Some(error) = throttled.filter(|_| usages.is_empty()) {
        return Err(error);
    }
    let capacity = usages
        .iter()
        .filter_map(|(named, usage)| usage.report(detail, named, Kind::Plain));
    Ok(BatchWriteItemOutput {
        unprocessed_items: Some(unprocessed),
        item_collection_metrics: (!metrics.is_empty()).then_some(metrics),
        consumed_capacity: (detail != Detail::None).then(|| capacity.collect()),
    })
}

fn check_writes(input: &BatchWriteItemInput) -> Result<(), Error> {
    if input.request_items.is_empty() {
        return Err(Error::validation(
            "The requestItems parameter is required for BatchWriteItem",
        ));
    }
    let mut violations = Violations::default();
    violations.length("requestItems", input.request_items.len(), 1, MAX_WRITES, || "{}".into());
    violations.one_of(
        "returnConsumedCapacity",
        input.return_consumed_capacity.as_ref(),
        members::CAPACITY,
    );
    violations.one_of(
        "returnItemCollectionMetrics",
        input.return_item_collection_metrics.as_ref(),
        members::METRICS,
    );
    let wrong = |requests: &Vec<WriteRequest>| !(1..=MAX_WRITES).contains(&requests.len());
    if let Some((table, _)) = input.request_items.iter().find(|(_, requests)| wrong(requests)) {
        violations.map_value("requestItems", table, 1, MAX_WRITES);
    }
    violations.finish()?;
    if input.request_items.values().map(Vec::len).sum::<usize>() > MAX_WRITES {
        return Err(Error::validation(
            "Too many items requested for the BatchWriteItem call",
        ));
    }
    Ok(())
}

/// Checks all writes before any is done.
async fn locate_all(dynamodb: &DynamoDb, writes: &mut [Write]) -> Result<(), Error> {
    let snapshot = dynamodb.store.snapshot().await?;
    let mut seen = HashSet::with_capacity(writes.len());
    let mut last: Option<(TableRef, Arc<TableRecord>)> = None;
    for write in writes {
        // The writes of one table stand together.
        let table = match &last {
            Some((known, table)) if *known == write.table => Arc::clone(table),
            _ => {
                let table = dynamodb.catalog.usable_in(&snapshot, &write.table).await?;
                last = Some((write.table.clone(), Arc::clone(&table)));
                table
            }
        };
        let key = write.located(table).map_err(|error| match error {
            Error::Validation(message)
                if message.contains("Missing the key") || message.contains("Type mismatch for key") =>
            {
                Error::validation("The provided key element does not match the schema")
            }
            error => error,
        })?;
        if !seen.insert(key.bytes.clone()) {
            return Err(duplicates());
        }
    }
    Ok(())
}

/// Writes in groups that fit into one transaction of the store each.
fn chunks(writes: Vec<Write>) -> Vec<Vec<Write>> {
    let mut chunks: Vec<Vec<Write>> = Vec::new();
    let mut bytes = 0;
    for write in writes {
        let size = match &write.change {
            Change::Put(item) => item_size(item),
            _ => 0,
        };
        if chunks.is_empty() || bytes + size > CHUNK_BYTES {
            chunks.push(Vec::new());
            bytes = 0;
        }
        bytes += size;
        if let Some(chunk) = chunks.last_mut() {
            chunk.push(write);
        }
    }
    chunks
}

fn request(change: Change) -> WriteRequest {
    let put = |item: Item| WriteRequest {
        put_request: Some(PutRequest { item }),
        delete_request: None,
    };
    match change {
        Change::Put(item) | Change::Insert(item) => put(item),
        Change::Delete(key) | Change::Check(key) | Change::Update { key, .. } => WriteRequest {
            put_request: None,
            delete_request: Some(DeleteRequest { key }),
        },
    }
}
