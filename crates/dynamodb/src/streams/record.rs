//! One record of a stream, in the store and in an answer.

use crate::changes::Actor;
use crate::items::{codec, key};
use crate::layout::{self, Shelf};
use crate::tables::describe::view_type;
use crate::tables::record::{StreamSettings, StreamView, TableRecord};
use crate::{Error, Item, item_size, keys, stream_shapes as shapes};
use bytes::Bytes;
use danbi_core::Timestamp;
use danbi_store::{Snapshot, Transaction};

/// Bytes of a record in one value: below what the store takes.
const PART_BYTES: usize = 90_000;

/// The first byte of a record in the store.
const FORMAT: u8 = 1;

/// What makes a record's key unlike that of any other.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Place {
    /// The transaction's stamp.
    pub stamp: u64,
    /// Which process wrote it.
    pub node: u32,
    /// Which change of the transaction it was.
    pub number: u32,
}

impl Place {
    fn append_to(self, mut key: Vec<u8>) -> Vec<u8> {
        key.extend_from_slice(&self.stamp.to_be_bytes());
        key.extend_from_slice(&self.node.to_be_bytes());
        key.extend_from_slice(&self.number.to_be_bytes());
        key
    }

    fn of(bytes: &[u8]) -> Option<Self> {
        let (stamp, rest) = bytes.split_first_chunk()?;
        let (node, rest) = rest.split_first_chunk()?;
        let (number, _) = rest.split_first_chunk()?;
        Some(Self {
            stamp: u64::from_be_bytes(*stamp),
            node: u32::from_be_bytes(*node),
            number: u32::from_be_bytes(*number),
        })
    }
}

/// The shard of the item with this key: items of one partition key share one.
fn shard_of(stream: &StreamSettings, key: &[u8]) -> u32 {
    let digest = keys::item_suffix(key)
        .first_chunk()
        .map_or(0, |first| u32::from_be_bytes(*first));
    // Equal parts of the range of digests, as a table's partitions are.
    ((u64::from(digest) * u64::from(stream.shards.max(1))) >> 32) as u32
}

/// Writes the record of a change from `old` to `new`, which differ.
#[expect(clippy::too_many_arguments, reason = "each is one part of the record")]
pub(crate) fn put(
    tx: &Transaction,
    table: &TableRecord,
    stream: &StreamSettings,
    item_key: &[u8],
    place: Place,
    old: Option<&Item>,
    new: Option<&Item>,
    actor: Actor,
) -> Result<(), Error> {
    let Some(either) = new.or(old) else { return Ok(()) };
    let event = match (old, new) {
        (None, _) => Event::Insert,
        (_, None) => Event::Remove,
        _ => Event::Modify,
    };
    let keys_alone = key::key_of(&table.key, either);
    let shows_old = matches!(stream.view, StreamView::OldImage | StreamView::NewAndOldImages);
    let shows_new = matches!(stream.view, StreamView::NewImage | StreamView::NewAndOldImages);
    let record = Record {
        event,
        actor,
        at: Timestamp::from_millis((place.stamp / 1000) as i64),
        keys: keys_alone,
        old: old.filter(|_| shows_old).cloned(),
        new: new.filter(|_| shows_new).cloned(),
    };
    let body = record.encode();
    let parts = body.len().div_ceil(PART_BYTES).saturating_sub(1);
    let mut value = Vec::with_capacity(body.len().min(PART_BYTES) + 20);
    value.push(FORMAT);
    // A record has at most two images of 400 KB.
    value.push(parts as u8);
    value.extend_from_slice(&place.append_to(Vec::new()));
    value.extend_from_slice(&body[..body.len().min(PART_BYTES)]);
    let shard = shard_of(stream, item_key);
    tx.put(
        &place.append_to(layout::shelf(stream.number, shard, Shelf::Pending)),
        value,
    )?;
    for (part, further) in body.chunks(PART_BYTES).skip(1).enumerate() {
        tx.put(&part_key(stream.number, shard, place, part), further.to_vec())?;
    }
    Ok(())
}

fn part_key(stream: u64, shard: u32, place: Place, part: usize) -> Vec<u8> {
    let mut key = place.append_to(layout::shelf(stream, shard, Shelf::Part));
    key.push(part as u8);
    key
}

/// When the change was made that the record in this value is of.
pub(super) fn made_at(value: &[u8]) -> Option<Timestamp> {
    let place = Place::of(value.get(2..)?)?;
    Some(Timestamp::from_millis((place.stamp / 1000) as i64))
}

/// The keys of the further parts of the record in this value.
pub(super) fn further_keys(stream: u64, shard: u32, value: &[u8]) -> Vec<Vec<u8>> {
    let parts = value.get(1).copied().unwrap_or(0);
    let place = value.get(2..).and_then(Place::of);
    let keys = place.map(|place| (0..parts).map(move |part| part_key(stream, shard, place, part.into())));
    keys.into_iter().flatten().collect()
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Event {
    Insert,
    Modify,
    Remove,
}

/// A record without its place.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Record {
    event: Event,
    actor: Actor,
    at: Timestamp,
    keys: Item,
    old: Option<Item>,
    new: Option<Item>,
}

impl Record {
    /// `event actor at keys old new`: the items each behind their length, a missing one as the largest length.
    fn encode(&self) -> Vec<u8> {
        let mut out = vec![
            match self.event {
                Event::Insert => 1,
                Event::Modify => 2,
                Event::Remove => 3,
            },
            match self.actor {
                Actor::Caller => 0,
                Actor::TimeToLive => 1,
            },
        ];
        out.extend_from_slice(&self.at.as_millis().to_be_bytes());
        for item in [Some(&self.keys), self.old.as_ref(), self.new.as_ref()] {
            let at = out.len();
            out.extend_from_slice(&u32::MAX.to_be_bytes());
            if let Some(item) = item {
                codec::encode(item, &mut out);
                let length = (out.len() - at - 4) as u32;
                out[at..at + 4].copy_from_slice(&length.to_be_bytes());
            }
        }
        out
    }

    fn decode(bytes: &[u8]) -> Option<Self> {
        let (&[event, actor], rest) = bytes.split_first_chunk()?;
        let (at, mut rest) = rest.split_first_chunk()?;
        let mut item = || -> Option<Option<Item>> {
            let (length, behind) = rest.split_first_chunk()?;
            rest = behind;
            let length = u32::from_be_bytes(*length);
            if length == u32::MAX {
                return Some(None);
            }
            let (item, behind) = rest.split_at_checked(length as usize)?;
            rest = behind;
            codec::decode(item, |_| true).ok().map(Some)
        };
        Some(Self {
            event: match event {
                1 => Event::Insert,
                2 => Event::Modify,
                3 => Event::Remove,
                _ => return None,
            },
            actor: match actor {
                0 => Actor::Caller,
                1 => Actor::TimeToLive,
                _ => return None,
            },
            at: Timestamp::from_millis(i64::from_be_bytes(*at)),
            keys: item()??,
            old: item()?,
            new: item()?,
        })
    }

    /// Reads the record whose first value is known.
    pub(super) async fn read(snapshot: &Snapshot, stream: u64, shard: u32, value: &Bytes) -> Result<Self, Error> {
        let damaged = || Error::internal("a stream record cannot be read");
        let first = value
            .strip_prefix(&[FORMAT])
            .and_then(|rest| rest.get(1 + 16..))
            .ok_or_else(damaged)?;
        let further = further_keys(stream, shard, value);
        if further.is_empty() {
            return Self::decode(first).ok_or_else(damaged);
        }
        let mut body = first.to_vec();
        for key in further {
            body.extend_from_slice(&snapshot.get(&key).await?.ok_or_else(damaged)?);
        }
        Self::decode(&body).ok_or_else(damaged)
    }

    /// What DynamoDB counts for the record.
    pub(super) fn size(&self) -> usize {
        let images = [Some(&self.keys), self.old.as_ref(), self.new.as_ref()];
        images.into_iter().flatten().map(item_size).sum()
    }

    /// The record as `GetRecords` answers it.
    pub(super) fn shown(self, region: &str, view: StreamView, event_id: String, sequence: String) -> shapes::Record {
        let size = self.size();
        shapes::Record {
            event_id: Some(event_id),
            event_name: Some(
                match self.event {
                    Event::Insert => "INSERT",
                    Event::Modify => "MODIFY",
                    Event::Remove => "REMOVE",
                }
                .into(),
            ),
            event_version: Some("1.1".into()),
            event_source: Some("aws:dynamodb".into()),
            aws_region: Some(region.into()),
            dynamodb: Some(shapes::StreamRecord {
                // Whole seconds, as AWS gives them.
                approximate_creation_date_time: Some(danbi_wire::EpochSeconds(Timestamp::from_millis(
                    self.at.as_secs() * 1000,
                ))),
                keys: Some(self.keys),
                new_image: self.new,
                old_image: self.old,
                sequence_number: Some(sequence),
                size_bytes: Some(size as i64),
                stream_view_type: Some(view_type(view).into()),
            }),
            user_identity: (self.actor == Actor::TimeToLive).then(|| shapes::Identity {
                principal_id: Some("dynamodb.amazonaws.com".into()),
                r#type: Some("Service".into()),
            }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::AttributeValue;

    #[test]
    fn a_record_reads_as_it_was_written() {
        let item = |value: &str| Item::from([("k".to_owned(), AttributeValue::S(value.into()))]);
        let record = Record {
            event: Event::Modify,
            actor: Actor::TimeToLive,
            at: Timestamp::from_millis(1_700_000_000_123),
            keys: item("a"),
            old: None,
            new: Some(item("b")),
        };
        assert_eq!(Record::decode(&record.encode()), Some(record.clone()));
        assert_eq!(record.size(), 4);
        for cut in 0..record.encode().len() {
            assert_eq!(Record::decode(&record.encode()[..cut]), None);
        }
    }
}
