//! `GetShardIterator` and `GetRecords`.

use super::iterator::Iterator;
use super::order::FIRST;
use super::record::Record;
use super::{StreamRef, sequence_number, sequence_text};
use crate::layout::{self, Shelf};
use crate::{DynamoDb, Error, stream_shapes as shapes};
use danbi_core::{Arn, RequestContext, ServiceError};
use danbi_store::{Direction, KeyRange, Snapshot};
use std::sync::Arc;

/// Most records in one answer, and the bytes at which it ends.
const MAX_RECORDS: i32 = 1000;
const MAX_BYTES: usize = 1024 * 1024;

/// `GetShardIterator`.
pub(crate) async fn iterator(
    dynamodb: Arc<DynamoDb>,
    _context: RequestContext,
    input: shapes::GetShardIteratorInput,
) -> Result<shapes::GetShardIteratorOutput, ServiceError> {
    Ok(dynamodb.shard_iterator(&input).await?)
}

/// `GetRecords`.
pub(crate) async fn records(
    dynamodb: Arc<DynamoDb>,
    _context: RequestContext,
    input: shapes::GetRecordsInput,
) -> Result<shapes::GetRecordsOutput, ServiceError> {
    Ok(dynamodb.get_records(&input).await?)
}

/// The ARN of the stream that an iterator reads, for the authorizer.
pub(crate) fn stream_of(iterator: &str) -> Result<Arn, Error> {
    Ok(Iterator::parse(iterator)?.stream.arn())
}

fn trimmed() -> Error {
    Error::TrimmedDataAccess("The operation attempted to read past the oldest stream record in a shard".into())
}

impl DynamoDb {
    async fn shard_iterator(
        &self,
        input: &shapes::GetShardIteratorInput,
    ) -> Result<shapes::GetShardIteratorOutput, Error> {
        let stream = StreamRef::parse(&input.stream_arn)?;
        let (snapshot, record) = self.stream(&stream).await?;
        let shard = record.shard(&input.shard_id).ok_or_else(|| {
            Error::ResourceNotFound(format!(
                "Requested resource not found: Shard does not exist: {}",
                input.shard_id
            ))
        })?;
        let given = input.sequence_number.as_deref();
        let sequence = match (input.shard_iterator_type.as_str(), given) {
            ("TRIM_HORIZON" | "LATEST", Some(_)) => {
                return Err(Error::validation(format!(
                    "Sequence number must not be specified when ShardIteratorType is {}",
                    input.shard_iterator_type
                )));
            }
            ("TRIM_HORIZON", None) => self.horizon(&snapshot, record.number, shard).await?.unwrap_or(FIRST),
            ("LATEST", None) => self.order_shard(record.number, shard).await?,
            ("AT_SEQUENCE_NUMBER" | "AFTER_SEQUENCE_NUMBER", None) => {
                return Err(Error::validation(format!(
                    "Sequence number must be specified when ShardIteratorType is {}",
                    input.shard_iterator_type
                )));
            }
            (kind @ ("AT_SEQUENCE_NUMBER" | "AFTER_SEQUENCE_NUMBER"), Some(text)) => {
                let at = sequence_number(text)?;
                if self
                    .horizon(&snapshot, record.number, shard)
                    .await?
                    .is_some_and(|horizon| at < horizon)
                {
                    return Err(trimmed());
                }
                if kind == "AT_SEQUENCE_NUMBER" {
                    at
                } else {
                    at.saturating_add(1)
                }
            }
            (other, _) => {
                return Err(Error::constraint(
                    other,
                    "shardIteratorType",
                    "Member must satisfy enum value set: [AT_SEQUENCE_NUMBER, AFTER_SEQUENCE_NUMBER, LATEST, TRIM_HORIZON]",
                ));
            }
        };
        let iterator = Iterator {
            stream,
            shard,
            sequence,
            given: self.clock.now(),
        };
        Ok(shapes::GetShardIteratorOutput {
            shard_iterator: Some(iterator.text()),
        })
    }

    /// The number of the oldest record that can be read, if any has one.
    async fn horizon(&self, snapshot: &Snapshot, stream: u64, shard: u32) -> Result<Option<u64>, Error> {
        let ordered = KeyRange::prefix(layout::shelf(stream, shard, Shelf::Ordered));
        let page = snapshot.scan(ordered, Direction::Forward, 1).await?;
        Ok(page.entries.first().and_then(|(key, _)| layout::trailing(key)))
    }

    async fn get_records(&self, input: &shapes::GetRecordsInput) -> Result<shapes::GetRecordsOutput, Error> {
        let limit = match input.limit {
            None => MAX_RECORDS,
            Some(limit) if (1..=MAX_RECORDS).contains(&limit) => limit,
            Some(limit) => {
                let bound = if limit < 1 {
                    "greater than or equal to 1"
                } else {
                    "less than or equal to 1000"
                };
                return Err(Error::constraint(
                    &limit.to_string(),
                    "limit",
                    format_args!("Member must have value {bound}: Limit"),
                ));
            }
        };
        let mut iterator = Iterator::parse(&input.shard_iterator)?;
        let now = self.clock.now();
        iterator.check_age(now)?;
        let (_, record) = self.stream(&iterator.stream).await?;
        if iterator.shard >= record.shards {
            return Err(Error::validation("Invalid ShardIterator"));
        }
        let head = self.order_shard(record.number, iterator.shard).await?;
        let snapshot = self.store.snapshot().await?;
        let horizon = self.horizon(&snapshot, record.number, iterator.shard).await?;
        if horizon.is_some_and(|horizon| iterator.sequence < horizon && iterator.sequence > FIRST) {
            return Err(trimmed());
        }
        let start = layout::ordered(record.number, iterator.shard, iterator.sequence);
        let shelf = KeyRange::prefix(layout::shelf(record.number, iterator.shard, Shelf::Ordered));
        let range = match shelf.end() {
            Some(end) => KeyRange::new(start, end.clone()),
            None => KeyRange::starting_at(start),
        };
        let page = snapshot.scan(range, Direction::Forward, limit as usize).await?;
        let region = iterator.stream.scope.region.to_string();
        let mut records = Vec::with_capacity(page.entries.len());
        let mut bytes = 0;
        for (key, value) in &page.entries {
            let sequence = layout::trailing(key).ok_or_else(|| Error::internal("a stream key without its number"))?;
            let read = Record::read(&snapshot, record.number, iterator.shard, value).await?;
            let size = read.size();
            if !records.is_empty() && bytes + size > MAX_BYTES {
                break;
            }
            bytes += size;
            let id = event_id(record.number, iterator.shard, sequence);
            records.push(read.shown(&region, record.view, id, sequence_text(sequence)));
            iterator.sequence = sequence + 1;
        }
        iterator.given = now;
        // A closed shard ends behind its last record; an open one goes on.
        let over = record.ended.is_some() && iterator.sequence >= head;
        Ok(shapes::GetRecordsOutput {
            records: Some(records),
            next_shard_iterator: (!over).then(|| iterator.text()),
        })
    }
}

/// 32 digits that no other record has, and that are the same each time the record is read.
fn event_id(stream: u64, shard: u32, sequence: u64) -> String {
    let low = (u64::from(shard) << 48) ^ sequence;
    format!("{stream:016x}{low:016x}")
}
