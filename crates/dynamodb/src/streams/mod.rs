//! DynamoDB Streams: what changed, in order, for 24 hours.
//!
//! # How records get their order
//! A counter that gave each record its sequence number when it is written would be a key that every writer of a shard
//! reads and writes: the store would run all but one of them again, and a table with a stream would have one writer at a
//! time. So a writer takes no number. It puts its record into the shard's PENDING shelf, under a key that is its own:
//! the transaction's stamp ([`crate::changes`]), its process and a number within the transaction. It reads nothing
//! that other writers write.
//!
//! The order is settled when somebody reads (`order`): a transaction moves what is pending, in the order of stamps, to
//! the ORDERED shelf, behind what is there, and gives each record the next number. Only this transaction reads and
//! writes the shard's HEAD, so two of them cannot number at the same time, and it never disturbs writers. A record
//! whose transaction commits late, with a stamp smaller than one that has a number already, is numbered later: a
//! reader that has passed does not miss it.
//!
//! Why that is the right order for each item: a later change of the same item began after the earlier one was
//! committed. So whoever sees the later record pending sees the earlier one too (or it has its number already), and the
//! earlier one has the smaller stamp.
//!
//! A record costs its writer one key. If somebody reads the stream it is written once more, many in one transaction; if
//! nobody does it is trimmed after a day where it lies.
//!
//! # Rooms
//! `record` (one record), `order`, `iterator` (an opaque position), `describe` (ListStreams, DescribeStream), `read`
//! (GetShardIterator, GetRecords), `trim`.

pub(crate) mod describe;
mod iterator;
mod order;
pub(crate) mod read;
pub(crate) mod record;
pub(crate) mod trim;

use crate::tables::record::{KeySchema, StreamSettings, StreamView, TableRecord};
use crate::{DynamoDb, Error, layout};
use danbi_core::{Arn, Scope, Timestamp};
use danbi_store::{Snapshot, Transaction};
use serde::{Deserialize, Serialize};

/// How long records can be read.
pub(crate) const RETENTION: std::time::Duration = std::time::Duration::from_secs(24 * 60 * 60);

/// What is known of a stream, for as long as it has records.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct StreamRecord {
    /// Its number in store keys.
    pub number: u64,
    /// What its records hold.
    pub view: StreamView,
    /// Its shards.
    pub shards: u32,
    /// The table's key.
    pub key: KeySchema,
    /// When it was switched on.
    pub created: Timestamp,
    /// When it was switched off, or its table deleted.
    pub ended: Option<Timestamp>,
}

impl StreamRecord {
    /// A shard's id.
    fn shard_id(&self, shard: u32) -> String {
        // As AWS's: the time, and eight digits that tell shards apart.
        let tag = (self.number as u32) & 0xffff_ff00 | shard;
        format!("shardId-{:020}-{tag:08x}", self.created.as_millis())
    }

    /// The shard of this id.
    fn shard(&self, id: &str) -> Option<u32> {
        (0..self.shards).find(|&shard| self.shard_id(shard) == id)
    }

    async fn find(snapshot: &Snapshot, stream: &StreamRef) -> Result<Self, Error> {
        let key = layout::stream(&stream.scope, &stream.table, &stream.label);
        match snapshot.get(&key).await? {
            Some(value) => serde_json::from_slice(&value).map_err(Error::internal),
            None => Err(Error::ResourceNotFound(format!(
                "Requested resource not found: Stream: {} not found",
                stream.arn()
            ))),
        }
    }
}

/// A stream, as its ARN names it; it need not exist.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct StreamRef {
    scope: Scope,
    table: String,
    label: String,
}

impl StreamRef {
    /// Reads `arn:aws:dynamodb:REGION:ACCOUNT:table/NAME/stream/LABEL`.
    pub(crate) fn parse(given: &str) -> Result<Self, Error> {
        let refused = || Error::validation("Invalid StreamArn");
        let arn: Arn = given.parse().map_err(|_| refused())?;
        let scope = arn.scope().filter(|_| arn.service == "dynamodb").ok_or_else(refused)?;
        let rest = arn.resource.strip_prefix("table/").ok_or_else(refused)?;
        let (table, label) = rest.split_once("/stream/").ok_or_else(refused)?;
        let valid = (3..=255).contains(&table.len()) && (1..=64).contains(&label.len()) && !label.contains('/');
        if !valid {
            return Err(refused());
        }
        Ok(Self {
            scope,
            table: table.into(),
            label: label.into(),
        })
    }

    pub(crate) fn arn(&self) -> Arn {
        Arn::new(
            "dynamodb",
            &self.scope,
            format!("table/{}/stream/{}", self.table, self.label),
        )
    }
}

/// Begins the stream of a table.
pub(crate) fn begin(
    tx: &Transaction,
    table: &TableRecord,
    stream: &StreamSettings,
    now: Timestamp,
) -> Result<(), Error> {
    let record = StreamRecord {
        number: stream.number,
        view: stream.view,
        shards: stream.shards,
        key: table.key.clone(),
        created: now,
        ended: None,
    };
    let value = serde_json::to_vec(&record).map_err(Error::internal)?;
    tx.put(&layout::stream(&table.scope, &table.name, &stream.label), value)?;
    Ok(())
}

/// Ends the stream of a table: it gets no more records, and those that it has can be read until they are trimmed.
pub(crate) async fn end(
    tx: &Transaction,
    table: &TableRecord,
    stream: &StreamSettings,
    now: Timestamp,
) -> Result<(), Error> {
    let key = layout::stream(&table.scope, &table.name, &stream.label);
    let Some(value) = tx.get(&key).await? else {
        return Ok(());
    };
    let mut record: StreamRecord = serde_json::from_slice(&value).map_err(Error::internal)?;
    record.ended = Some(now);
    tx.put(&key, serde_json::to_vec(&record).map_err(Error::internal)?)?;
    Ok(())
}

/// A sequence number, as answers write it: 21 digits, so that texts order as numbers do.
fn sequence_text(sequence: u64) -> String {
    format!("1{sequence:020}")
}

/// The sequence number that a text is.
fn sequence_number(text: &str) -> Result<u64, Error> {
    let digits = text.strip_prefix('1').filter(|digits| digits.len() == 20);
    digits
        .and_then(|digits| digits.parse().ok())
        .ok_or_else(|| Error::validation(format!("Invalid SequenceNumber: {text}")))
}

impl DynamoDb {
    async fn stream(&self, stream: &StreamRef) -> Result<(Snapshot, StreamRecord), Error> {
        let snapshot = self.store.snapshot().await?;
        let record = StreamRecord::find(&snapshot, stream).await?;
        Ok((snapshot, record))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sequence_numbers_order_as_texts() {
        assert_eq!(sequence_number(&sequence_text(77)).unwrap(), 77);
        assert!(sequence_text(9) < sequence_text(10));
        assert_eq!(sequence_text(0).len(), 21);
        assert!(sequence_number("").is_err() && sequence_number("100").is_err());
        assert!(sequence_number(&format!("1{}", "9".repeat(20))).is_err());
    }

    #[test]
    fn a_stream_is_named_by_its_arn() {
        let text = "arn:aws:dynamodb:us-east-1:000000000000:table/abc/stream/2026-11-22T00:00:00.000";
        assert_eq!(StreamRef::parse(text).unwrap().arn().to_string(), text);
        for wrong in [
            "x",
            "arn:aws:dynamodb:us-east-1:000000000000:table/abc",
            "arn:aws:s3:::b/stream/x",
        ] {
            assert!(StreamRef::parse(wrong).is_err());
        }
    }
}
