//! `ListStreams` and `DescribeStream`.

use super::order::FIRST;
use super::{StreamRecord, StreamRef, sequence_text};
use crate::tables::catalog::TableRef;
use crate::tables::describe::view_type;
use crate::{DynamoDb, Error, layout, stream_shapes as shapes};
use danbi_core::{RequestContext, ServiceError};
use danbi_store::Direction;
use danbi_store::key::KeyReader;
use danbi_wire::EpochSeconds;
use std::sync::Arc;

/// Most streams, or shards, in one answer.
const MAX_LIMIT: usize = 100;

fn limit(given: Option<i32>) -> Result<usize, Error> {
    match given {
        None => Ok(MAX_LIMIT),
        Some(limit @ 1..=100) => Ok(limit as usize),
        Some(limit) => {
            let bound = if limit < 1 {
                "greater than or equal to 1"
            } else {
                "less than or equal to 100"
            };
            Err(Error::constraint(
                &limit.to_string(),
                "limit",
                format_args!("Member must have value {bound}"),
            ))
        }
    }
}

/// `ListStreams`.
pub(crate) async fn list(
    dynamodb: Arc<DynamoDb>,
    context: RequestContext,
    input: shapes::ListStreamsInput,
) -> Result<shapes::ListStreamsOutput, ServiceError> {
    Ok(dynamodb.list_streams(&context, &input).await?)
}

impl DynamoDb {
    async fn list_streams(
        &self,
        context: &RequestContext,
        input: &shapes::ListStreamsInput,
    ) -> Result<shapes::ListStreamsOutput, Error> {
        let limit = limit(input.limit)?;
        let table = match &input.table_name {
            Some(given) => Some(TableRef::parse(context, given)?),
            None => None,
        };
        let scope = table.as_ref().map_or(&context.scope, |table| &table.scope);
        let mut range = layout::streams(scope, table.as_ref().map(|table| table.name.as_str()));
        if let Some(start) = &input.exclusive_start_stream_arn {
            let start = StreamRef::parse(start)?;
            range = range.after(&layout::stream(scope, &start.table, &start.label));
        }
        let snapshot = self.store.snapshot().await?;
        // A page of the store may hold fewer than asked for only past a megabyte, which a hundred of these are not.
        let page = snapshot.scan(range, Direction::Forward, limit).await?;
        let mut streams = Vec::with_capacity(page.entries.len());
        for (key, _) in &page.entries {
            let stream = named(key)?;
            streams.push(shapes::Stream {
                stream_arn: Some(stream.arn().to_string()),
                table_name: Some(stream.table),
                stream_label: Some(stream.label),
            });
        }
        Ok(shapes::ListStreamsOutput {
            last_evaluated_stream_arn: streams
                .last()
                .filter(|_| page.more)
                .and_then(|stream| stream.stream_arn.clone()),
            streams: Some(streams),
        })
    }
}

/// The stream that a key of [`layout::all_streams`] names.
pub(super) fn named(key: &[u8]) -> Result<StreamRef, Error> {
    let mut reader = KeyReader::new(key);
    reader.str()?;
    reader.u64()?;
    let (account, region) = (reader.str()?, reader.str()?);
    let scope = danbi_core::Scope {
        account: account.parse().map_err(Error::internal)?,
        region: region.parse().map_err(Error::internal)?,
    };
    Ok(StreamRef {
        scope,
        table: reader.str()?,
        label: reader.str()?,
    })
}

/// `DescribeStream`.
pub(crate) async fn describe(
    dynamodb: Arc<DynamoDb>,
    _context: RequestContext,
    input: shapes::DescribeStreamInput,
) -> Result<shapes::DescribeStreamOutput, ServiceError> {
    let stream = StreamRef::parse(&input.stream_arn)?;
    let limit = limit(input.limit)?;
    let (_, record) = dynamodb.stream(&stream).await?;
    let wanted = wanted_shards(&record, &input)?;
    let mut shards = Vec::new();
    for &shard in wanted.iter().take(limit) {
        shards.push(dynamodb.shard(&record, shard).await?);
    }
    let last = shards.last().filter(|_| wanted.len() > limit);
    Ok(shapes::DescribeStreamOutput {
        stream_description: Some(shapes::StreamDescription {
            stream_arn: Some(stream.arn().to_string()),
            stream_label: Some(stream.label),
            stream_status: Some(if record.ended.is_some() { "DISABLED" } else { "ENABLED" }.into()),
            stream_view_type: Some(view_type(record.view).into()),
            creation_request_date_time: Some(EpochSeconds(record.created)),
            table_name: Some(stream.table),
            key_schema: Some(
                crate::tables::describe::key_schema(&record.key)
                    .into_iter()
                    .map(|element| shapes::KeySchemaElement {
                        attribute_name: element.attribute_name,
                        key_type: element.key_type,
                    })
                    .collect(),
            ),
            last_evaluated_shard_id: last.and_then(|shard: &shapes::Shard| shard.shard_id.clone()),
            shards: Some(shards),
        }),
    })
}

/// Which shards the request asks for. Shards are never split, so none has children.
fn wanted_shards(record: &StreamRecord, input: &shapes::DescribeStreamInput) -> Result<Vec<u32>, Error> {
    if let Some(filter) = &input.shard_filter {
        let missing = |member: &str| {
            Error::validation(format!(
                "1 validation error detected: Value null at '{member}' failed to satisfy constraint: Member must not be \
                 null"
            ))
        };
        match filter.r#type.as_deref() {
            Some("CHILD_SHARDS") => {}
            Some(other) => {
                return Err(Error::constraint(
                    other,
                    "shardFilter.type",
                    "Member must satisfy enum value set: [CHILD_SHARDS]",
                ));
            }
            None => return Err(missing("shardFilter.type")),
        }
        let id = filter
            .shard_id
            .as_deref()
            .ok_or_else(|| missing("ShardFilter.ShardId"))?;
        if record.shard(id).is_none() {
            return Err(Error::validation(format!("Invalid ShardFilter.ShardId: {id}")));
        }
        return Ok(Vec::new());
    }
    let first = match &input.exclusive_start_shard_id {
        None => 0,
        Some(id) => record.shard(id).map_or(record.shards, |shard| shard + 1),
    };
    Ok((first..record.shards).collect())
}

impl DynamoDb {
    async fn shard(&self, record: &StreamRecord, shard: u32) -> Result<shapes::Shard, Error> {
        let ending = match record.ended {
            // Nothing comes any more, so the last number is known once all have theirs.
            Some(_) => Some(self.order_shard(record.number, shard).await?.saturating_sub(1)),
            None => None,
        };
        Ok(shapes::Shard {
            shard_id: Some(record.shard_id(shard)),
            sequence_number_range: Some(shapes::SequenceNumberRange {
                starting_sequence_number: Some(sequence_text(FIRST)),
                ending_sequence_number: ending.map(|ending| sequence_text(ending.max(FIRST))),
            }),
            parent_shard_id: None,
        })
    }
}
