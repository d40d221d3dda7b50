//! One shard of a stream, read from its checkpoint on.

use super::batch::Stopped;
use super::filter::Filters;
use super::{Checkpoint, Mapping};
use crate::lambda::Lambda;
use crate::records::{Read, put};
use crate::{Error, keys};
use danbi_core::{ApiCall, ServiceError};
use futures_util::future::try_join_all;
use serde_json::{Value, json};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::watch;

/// How long an empty shard is left alone: AWS reads each four times a second.
const IDLE: Duration = Duration::from_millis(250);
/// The pause after a fault of the stream or the store.
const AFTER_FAULT: Duration = Duration::from_secs(2);
/// Most records of one GetRecords.
const MAX_RECORDS: usize = 1000;
/// Bytes of JSON at which records are delivered, however few they are: an event has at most 6 MiB.
const MAX_BYTES: usize = 4 * 1024 * 1024;
/// An iterator is good for 15 minutes; one that still waits for a first record is written down anew before that.
const REFRESH_MS: i64 = 5 * 60 * 1000;
const ITERATOR_MS: i64 = 14 * 60 * 1000;

/// Where a shard is being read.
struct Position {
    checkpoint: Checkpoint,
    /// For the next GetRecords.
    iterator: Option<String>,
}

/// Records that wait to be delivered.
#[derive(Default)]
struct Gathered {
    records: Vec<Value>,
    bytes: usize,
    /// The last record that was looked at, whether or not a filter kept it.
    last: Option<String>,
}

impl Lambda {
    /// Asks DynamoDB's streams.
    pub(super) async fn ask_stream(
        &self,
        mapping: &Mapping,
        operation: &str,
        input: Value,
    ) -> Result<Value, ServiceError> {
        let gone = || ServiceError::server("ServiceException", 503, "There are no streams here.");
        let (Some(api), Some(context)) = (&self.api, mapping.context()) else {
            return Err(gone());
        };
        api.call(&context, ApiCall::new("dynamodbstreams", operation, input))
            .await
    }

    /// Reads a shard until it ends or is to stop.
    pub(super) async fn read_shard(
        self: Arc<Self>,
        mapping: Arc<Mapping>,
        shard: String,
        mut stop: watch::Receiver<bool>,
    ) {
        let Some(filters) = Filters::parse(&mapping.filters) else {
            return tracing::error!(mapping = mapping.uuid, "a kept filter cannot be read");
        };
        while !*stop.borrow() {
            match self.follow_shard(&mapping, &shard, &filters, &stop).await {
                Ok(()) => return,
                Err(error) => {
                    self.note_result(&mapping, &format!("PROBLEM: {error}")).await;
                    tokio::select! {
                        () = tokio::time::sleep(AFTER_FAULT) => {}
                        _ = stop.wait_for(|stop| *stop) => return,
                    }
                }
            }
        }
    }

    async fn follow_shard(
        &self,
        mapping: &Mapping,
        shard: &str,
        filters: &Filters,
        stop: &watch::Receiver<bool>,
    ) -> Result<(), Error> {
        let key = keys::source_checkpoint(&mapping.uuid, shard);
        let checkpoint = self.snapshot().await?.record(&key).await?.unwrap_or_default();
        let mut position = Position {
            checkpoint,
            iterator: None,
        };
        loop {
            let gathered = self.gather(mapping, shard, filters, &mut position, stop).await?;
            if gathered.last.is_none() {
                if position.iterator.is_none() || *stop.borrow() {
                    return Ok(());
                }
                self.keep_iterator(&key, &mut position).await?;
                wait(IDLE, stop).await;
                continue;
            }
            if self.deliver_all(mapping, shard, gathered.records, stop).await.is_err() {
                return Ok(());
            }
            position.checkpoint = Checkpoint {
                after: gathered.last,
                iterator: None,
                since_ms: 0,
            };
            let checkpoint = &position.checkpoint;
            self.store.transact(async |tx| put(&tx, &key, checkpoint)).await?;
        }
    }

    /// Reads until there are enough records, or the window is over.
    async fn gather(
        &self,
        mapping: &Mapping,
        shard: &str,
        filters: &Filters,
        position: &mut Position,
        stop: &watch::Receiver<bool>,
    ) -> Result<Gathered, Error> {
        let wanted = (mapping.batch_size.saturating_mul(mapping.parallel)) as usize;
        let window = Duration::from_secs(mapping.window_secs.into());
        // Streams tell when a record came to the second only.
        let from = position.checkpoint.since_ms / 1000 * 1000;
        let mut gathered = Gathered::default();
        let mut first = None;
        loop {
            let left = wanted.saturating_sub(gathered.records.len()).clamp(1, MAX_RECORDS);
            let read = self.next_records(mapping, shard, position, left).await?;
            let nothing = read.is_empty();
            for mut record in read {
                gathered.last = record["dynamodb"]["SequenceNumber"].as_str().map(str::to_owned);
                let arrived = super::discarded::arrived_ms(&record);
                if arrived < from || !filters.keep(&record) {
                    continue;
                }
                record["eventSourceARN"] = mapping.source.as_str().into();
                in_lambdas_words(&mut record);
                gathered.bytes += record.to_string().len();
                gathered.records.push(record);
            }
            if !gathered.records.is_empty() {
                first = first.or_else(|| Some(Instant::now()));
            }
            let waited = first.map_or(Duration::ZERO, |first| first.elapsed());
            let full = gathered.records.len() >= wanted || gathered.bytes >= MAX_BYTES;
            let closed = position.iterator.is_none();
            // Without a window what is there is delivered at once.
            if full || closed || *stop.borrow() || gathered.records.is_empty() || waited >= window {
                return Ok(gathered);
            }
            if nothing {
                wait(IDLE.min(window - waited), stop).await;
            }
        }
    }

    async fn next_records(
        &self,
        mapping: &Mapping,
        shard: &str,
        position: &mut Position,
        limit: usize,
    ) -> Result<Vec<Value>, Error> {
        let iterator = match position.iterator.take() {
            Some(iterator) => iterator,
            None => self.iterator(mapping, shard, &position.checkpoint).await?,
        };
        let input = json!({"ShardIterator": iterator, "Limit": limit});
        let mut answer = match self.ask_stream(mapping, "GetRecords", input).await {
            // Whoever stopped for hours finds what was trimmed gone.
            Err(error) if error.code == "TrimmedDataAccessException" => {
                tracing::warn!(
                    mapping = mapping.uuid,
                    shard,
                    "records were trimmed before they were read"
                );
                position.checkpoint = Checkpoint::default();
                return Ok(Vec::new());
            }
            answer => answer?,
        };
        position.iterator = answer["NextShardIterator"].as_str().map(str::to_owned);
        Ok(match answer["Records"].take() {
            Value::Array(records) => records,
            _ => Vec::new(),
        })
    }

    async fn iterator(&self, mapping: &Mapping, shard: &str, checkpoint: &Checkpoint) -> Result<String, Error> {
        if let Some((iterator, given)) = &checkpoint.iterator
            && self.now_ms() - given < ITERATOR_MS
        {
            return Ok(iterator.clone());
        }
        let mut input = json!({"StreamArn": mapping.source, "ShardId": shard, "ShardIteratorType": "TRIM_HORIZON"});
        if let Some(after) = &checkpoint.after {
            input["ShardIteratorType"] = "AFTER_SEQUENCE_NUMBER".into();
            input["SequenceNumber"] = after.as_str().into();
        }
        let answer = self.ask_stream(mapping, "GetShardIterator", input.clone()).await;
        let answer = match answer {
            Err(error) if error.code == "TrimmedDataAccessException" => {
                input["ShardIteratorType"] = "TRIM_HORIZON".into();
                if let Some(input) = input.as_object_mut() {
                    input.remove("SequenceNumber");
                }
                self.ask_stream(mapping, "GetShardIterator", input).await?
            }
            answer => answer?,
        };
        Ok(answer["ShardIterator"].as_str().unwrap_or_default().to_owned())
    }

    /// While nothing has come yet, the position is only in the iterator.
    async fn keep_iterator(&self, key: &[u8], position: &mut Position) -> Result<(), Error> {
        let now = self.now_ms();
        let (Some((_, given)), Some(iterator)) = (&position.checkpoint.iterator, &position.iterator) else {
            return Ok(());
        };
        if now - given < REFRESH_MS {
            return Ok(());
        }
        position.checkpoint = Checkpoint {
            after: None,
            iterator: Some((iterator.clone(), now)),
            since_ms: now,
        };
        let checkpoint = &position.checkpoint;
        self.store.transact(async |tx| put(&tx, key, checkpoint)).await
    }

    /// Delivers records in batches; those of different keys at the same time, when the mapping has more than one lane.
    async fn deliver_all(
        &self,
        mapping: &Mapping,
        shard: &str,
        records: Vec<Value>,
        stop: &watch::Receiver<bool>,
    ) -> Result<(), Stopped> {
        let mut lanes: Vec<Vec<Value>> = vec![Vec::new(); mapping.parallel.max(1) as usize];
        for record in records {
            let lane = match lanes.len() {
                1 => 0,
                lanes => lane_of(&record) as usize % lanes,
            };
            lanes[lane].push(record);
        }
        let lanes = lanes.into_iter().filter(|lane| !lane.is_empty());
        try_join_all(lanes.map(async |lane| {
            for batch in batches(lane, mapping.batch_size as usize) {
                self.deliver(mapping, shard, batch, stop).await?;
            }
            Ok(())
        }))
        .await
        .map(|_| ())
    }
}

/// Records with the same key are in the same lane, so that they keep their order.
fn lane_of(record: &Value) -> u64 {
    let mut hasher = DefaultHasher::new();
    record["dynamodb"]["Keys"].to_string().hash(&mut hasher);
    hasher.finish()
}

/// Cuts records into batches of a count and a size.
fn batches(records: Vec<Value>, count: usize) -> Vec<Vec<Value>> {
    let mut batches: Vec<Vec<Value>> = Vec::new();
    let mut bytes = 0;
    for record in records {
        let size = record.to_string().len();
        match batches.last_mut() {
            Some(batch) if batch.len() < count && bytes + size <= MAX_BYTES => {
                bytes += size;
                batch.push(record);
            }
            _ => {
                bytes = size;
                batches.push(vec![record]);
            }
        }
    }
    batches
}

/// Lambda writes two members of a record otherwise than the stream.
fn in_lambdas_words(record: &mut Value) {
    let Some(identity) = record.get_mut("userIdentity").and_then(Value::as_object_mut) else {
        return;
    };
    for (theirs, ours) in [("PrincipalId", "principalId"), ("Type", "type")] {
        if let Some(value) = identity.remove(theirs) {
            identity.insert(ours.to_owned(), value);
        }
    }
}

async fn wait(time: Duration, stop: &watch::Receiver<bool>) {
    let mut stop = stop.clone();
    tokio::select! {
        () = tokio::time::sleep(time) => {}
        _ = stop.wait_for(|stop| *stop) => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn batches_end_by_count_and_by_size() {
        let records: Vec<Value> = (0..5).map(|number| json!({"n": number})).collect();
        let sizes = |batches: Vec<Vec<Value>>| batches.iter().map(Vec::len).collect::<Vec<_>>();
        assert_eq!(sizes(batches(records.clone(), 2)), [2, 2, 1]);
        assert_eq!(sizes(batches(records, 10)), [5]);
        let large: Vec<Value> = (0..3).map(|_| "x".repeat(MAX_BYTES / 2).into()).collect();
        assert_eq!(sizes(batches(large, 10)), [1, 1, 1]);
    }
}
