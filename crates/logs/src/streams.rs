use crate::append::{create_stream, find_group};
use crate::error::LogsError;
use crate::position::Position;
use crate::records::StreamRecord;
use crate::shapes::{
    CreateLogStreamRequest, DeleteLogStreamRequest, DescribeLogStreamsRequest, DescribeLogStreamsResponse, LogStream,
};
use crate::{Logs, groups, keys, names, token};
use bytes::Bytes;
use danbi_core::{RequestContext, Scope};
use danbi_store::{Direction, KeyRange, Snapshot};
use danbi_wire::Empty;
use std::sync::Arc;

/// Streams on a page when the request does not say.
const DEFAULT_LIMIT: i32 = 50;

/// `CreateLogStream`.
pub(crate) async fn create(
    logs: Arc<Logs>,
    context: RequestContext,
    input: CreateLogStreamRequest,
) -> Result<Empty, LogsError> {
    let created = logs.now();
    let (scope, group, name) = (&context.scope, &input.log_group_name, &input.log_stream_name);
    logs.store
        .transact(async |tx| {
            let group = find_group(&tx, scope, group).await?.ok_or(LogsError::NoGroup)?;
            if tx.get(&keys::stream(group.id, name)).await?.is_some() {
                return Err(LogsError::StreamExists);
            }
            create_stream(&tx, group.id, name, created).await?;
            Ok(Empty {})
        })
        .await
}

/// `DeleteLogStream`: the stream is gone at once, its events are removed behind it.
pub(crate) async fn delete(
    logs: Arc<Logs>,
    context: RequestContext,
    input: DeleteLogStreamRequest,
) -> Result<Empty, LogsError> {
    let (scope, group, name) = (&context.scope, &input.log_group_name, &input.log_stream_name);
    logs.store
        .transact(async |tx| {
            let group = find_group(&tx, scope, group).await?.ok_or(LogsError::NoGroup)?;
            let key = keys::stream(group.id, name);
            let record = tx.get(&key).await?.ok_or(LogsError::NoStream)?;
            let record: StreamRecord = serde_json::from_slice(&record)?;
            tx.delete(&key)?;
            tx.delete(&keys::name(group.id, record.id))?;
            tx.delete(&keys::recent(group.id, record.last_event(), name))?;
            tx.put(&keys::trash(group.id, Some(record.id)), Bytes::new())?;
            Ok::<_, LogsError>(())
        })
        .await?;
    logs.wake_sweeper();
    Ok(Empty {})
}

/// `DescribeLogStreams`.
pub(crate) async fn describe(
    logs: Arc<Logs>,
    context: RequestContext,
    input: DescribeLogStreamsRequest,
) -> Result<DescribeLogStreamsResponse, LogsError> {
    let group_name = names::group_of(
        &context,
        input.log_group_name.as_deref(),
        input.log_group_identifier.as_deref(),
    )?;
    let by_time = input.order_by.as_deref() == Some("LastEventTime");
    let prefix = input.log_stream_name_prefix.as_deref().unwrap_or_default();
    if by_time && !prefix.is_empty() {
        return Err(LogsError::invalid(
            "Cannot order by LastEventTime with a logStreamNamePrefix.",
        ));
    }
    let snapshot = logs.store.snapshot().await?;
    let group = groups::read(&snapshot, &context.scope, &group_name)
        .await?
        .ok_or(LogsError::NoGroup)?;
    let limit = usize::try_from(input.limit.unwrap_or(DEFAULT_LIMIT))
        .unwrap_or(1)
        .max(1);
    let direction = if input.descending == Some(true) {
        Direction::Reverse
    } else {
        Direction::Forward
    };
    let range = if by_time {
        keys::all_recent(group.id)
    } else {
        keys::streams(group.id, prefix)
    };
    let range = match &input.next_token {
        None => range,
        Some(token) => resume(range, direction, &last_key(group.id, by_time, token)?),
    };
    let page = snapshot.scan(range, direction, limit).await?;
    let mut streams = Vec::with_capacity(page.entries.len());
    let mut last = None;
    for (key, value) in &page.entries {
        let name = keys::stream_name(key)?;
        let record = if by_time {
            read(&snapshot, group.id, &name).await?
        } else {
            Some(serde_json::from_slice(value)?)
        };
        if let Some(record) = record {
            last = Some(if by_time {
                format!("{}:{name}", record.last_event())
            } else {
                name.clone()
            });
            streams.push(shape(&context.scope, &group_name, name, &record));
        }
    }
    let kind = token_kind(by_time);
    let next_token = last.filter(|_| page.more).map(|last| token::encode(kind, &last));
    Ok(DescribeLogStreamsResponse {
        log_streams: Some(streams),
        next_token,
    })
}

fn token_kind(by_time: bool) -> &'static str {
    if by_time { "t" } else { "s" }
}

/// The key that a token names.
fn last_key(group: u64, by_time: bool, token: &str) -> Result<Bytes, LogsError> {
    let last = token::decode(token_kind(by_time), token)?;
    if !by_time {
        return Ok(keys::stream(group, &last));
    }
    let (time, name) = last.split_once(':').ok_or_else(LogsError::token)?;
    Ok(keys::recent(group, time.parse().map_err(|_| LogsError::token())?, name))
}

fn resume(range: KeyRange, direction: Direction, last: &[u8]) -> KeyRange {
    match direction {
        Direction::Forward => range.after(last),
        Direction::Reverse => range.before(last),
    }
}

fn shape(scope: &Scope, group: &str, name: String, record: &StreamRecord) -> LogStream {
    let span = record.span;
    LogStream {
        arn: Some(names::stream_arn(scope, group, &name)),
        creation_time: Some(record.created),
        first_event_timestamp: span.map(|span| span.first),
        last_event_timestamp: span.map(|span| span.last),
        last_ingestion_time: span.map(|span| span.ingested),
        log_stream_name: Some(name),
        // AWS answers zero for every stream since 2019.
        stored_bytes: Some(0),
        upload_sequence_token: span.map(|span| sequence_token(span.ingested, record.id)),
    }
}

/// A token as AWS still gives and no longer reads.
pub(crate) fn sequence_token(ingested: i64, stream: u64) -> String {
    Position {
        stream,
        ..Position::at(ingested)
    }
    .to_string()
}

/// The stream's record, if there is such a stream.
pub(crate) async fn read(snapshot: &Snapshot, group: u64, name: &str) -> Result<Option<StreamRecord>, LogsError> {
    let record = snapshot.get(&keys::stream(group, name)).await?;
    Ok(record.map(|bytes| serde_json::from_slice(&bytes)).transpose()?)
}
