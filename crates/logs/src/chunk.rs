//! How events lie in the store: many of one stream in one value, compressed.
//!
//! A value is a header of variable-length integers (format, compression, further parts, time of the first event, span,
//! count, ingestion time, length before compression), then the events: each the time since the one before and its
//! message. Events of a chunk share ingestion time and sequence number, and are in the order of their times.

use crate::position::Position;
use bytes::Bytes;

/// Events of a chunk lie within this many milliseconds, so that a reader knows how far before an instant a chunk can
/// begin that still holds events of it. Batches that span more are split.
pub(crate) const SPAN_MS: i64 = 10_000;
/// Bytes of messages at which a chunk ends. Small enough to fit a value whatever it holds and to decode in a moment.
const TARGET_BYTES: usize = 64 * 1024;
/// Events at which a chunk ends; an event's index within it has 16 bits.
const MAX_EVENTS: usize = 4096;
/// Bytes of one part of a chunk that does not fit one value: a single event of up to 1 MiB.
const PART_BYTES: usize = 90_000;
/// Bytes that one chunk may decode to: one event of 1 MiB, or a full chunk, with room for the times.
const MAX_RAW_BYTES: usize = 2 * 1024 * 1024;
const FORMAT: u64 = 1;

/// One event of a stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Event {
    pub(crate) timestamp: i64,
    pub(crate) message: String,
}

/// A value of the store that is no chunk.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ChunkError {
    /// It was written by a later release.
    #[error("the chunk has a format of a later release")]
    Format,
    /// It ends early, or does not hold what its header says.
    #[error("the chunk is damaged")]
    Damaged,
}

/// A chunk as it is written: encoded, in one or more parts.
#[derive(Debug, Clone)]
pub(crate) struct Chunk {
    pub(crate) first: i64,
    pub(crate) last: i64,
    pub(crate) parts: Vec<Bytes>,
}

/// What a stream's index says of a chunk, so that a reader need not fetch those it does not want.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct IndexEntry {
    pub(crate) last: i64,
    pub(crate) stored_bytes: u64,
}

/// The header of a chunk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Header {
    compressed: bool,
    pub(crate) further_parts: u64,
    pub(crate) first: i64,
    pub(crate) last: i64,
    count: usize,
    pub(crate) ingestion_time: i64,
    raw_bytes: usize,
}

impl Chunk {
    /// Splits `events` (in the order of their times) into chunks and encodes them.
    pub(crate) fn encode_all(events: &[Event], ingestion_time: i64) -> Vec<Self> {
        let mut chunks = Vec::new();
        let mut rest = events;
        while let Some(first) = rest.first() {
            let mut bytes = 0;
            let fits = |event: &&Event| {
                bytes += event.message.len();
                event.timestamp - first.timestamp <= SPAN_MS && bytes <= TARGET_BYTES
            };
            let taken = rest.iter().take(MAX_EVENTS).take_while(fits).count().max(1);
            let (head, tail) = rest.split_at(taken);
            chunks.push(Self::encode(head, ingestion_time));
            rest = tail;
        }
        chunks
    }

    fn encode(events: &[Event], ingestion_time: i64) -> Self {
        let first = events.first().map_or(0, |event| event.timestamp);
        let last = events.last().map_or(first, |event| event.timestamp);
        let mut raw = Vec::with_capacity(events.iter().map(|event| event.message.len() + 6).sum());
        let mut before = first;
        for event in events {
            put_varint(&mut raw, (event.timestamp - before).max(0).cast_unsigned());
            put_varint(&mut raw, event.message.len() as u64);
            raw.extend_from_slice(event.message.as_bytes());
            before = event.timestamp;
        }
        let packed = lz4_flex::block::compress(&raw);
        let compressed = packed.len() < raw.len();
        let body = if compressed { &packed } else { &raw };
        let further_parts = body.len().div_ceil(PART_BYTES).saturating_sub(1);
        let mut head = Vec::with_capacity(40 + body.len().min(PART_BYTES));
        for number in [
            FORMAT,
            u64::from(compressed),
            further_parts as u64,
            first.cast_unsigned(),
            (last - first).cast_unsigned(),
            events.len() as u64,
            ingestion_time.cast_unsigned(),
            raw.len() as u64,
        ] {
            put_varint(&mut head, number);
        }
        let mut pieces = body.chunks(PART_BYTES);
        head.extend_from_slice(pieces.next().unwrap_or_default());
        let mut parts = vec![Bytes::from(head)];
        parts.extend(pieces.map(Bytes::copy_from_slice));
        Self { first, last, parts }
    }

    pub(crate) fn stored_bytes(&self) -> u64 {
        self.parts.iter().map(|part| part.len() as u64).sum()
    }

    pub(crate) fn index_entry(&self) -> IndexEntry {
        IndexEntry {
            last: self.last,
            stored_bytes: self.stored_bytes(),
        }
    }
}

impl Header {
    /// Reads the header of a chunk's first part; the rest is its body.
    pub(crate) fn read(mut part: &[u8]) -> Result<(Self, &[u8]), ChunkError> {
        if take_varint(&mut part)? != FORMAT {
            return Err(ChunkError::Format);
        }
        let compressed = take_varint(&mut part)? != 0;
        let further_parts = take_varint(&mut part)?;
        let first = take_varint(&mut part)?.cast_signed();
        let span = i64::try_from(take_varint(&mut part)?).map_err(|_| ChunkError::Damaged)?;
        let count = take_length(&mut part, usize::from(u16::MAX) + 1)?;
        let ingestion_time = take_varint(&mut part)?.cast_signed();
        let raw_bytes = take_length(&mut part, MAX_RAW_BYTES)?;
        let last = first.checked_add(span).ok_or(ChunkError::Damaged)?;
        Ok((
            Self {
                compressed,
                further_parts,
                first,
                last,
                count,
                ingestion_time,
                raw_bytes,
            },
            part,
        ))
    }

    /// Decodes a chunk's whole body and gives each event with its position to `each`.
    pub(crate) fn each_event(
        &self,
        at: Position,
        body: &[u8],
        mut each: impl FnMut(Position, &str),
    ) -> Result<(), ChunkError> {
        let unpacked;
        let mut raw = body;
        if self.compressed {
            unpacked = lz4_flex::block::decompress(body, self.raw_bytes).map_err(|_| ChunkError::Damaged)?;
            raw = &unpacked;
        }
        let mut timestamp = self.first;
        for index in 0..self.count {
            let step = i64::try_from(take_varint(&mut raw)?).map_err(|_| ChunkError::Damaged)?;
            timestamp = timestamp.checked_add(step).ok_or(ChunkError::Damaged)?;
            let length = take_length(&mut raw, MAX_RAW_BYTES)?;
            let message = raw.split_off(..length).ok_or(ChunkError::Damaged)?;
            let message = std::str::from_utf8(message).map_err(|_| ChunkError::Damaged)?;
            let index = u16::try_from(index).map_err(|_| ChunkError::Damaged)?;
            each(Position { timestamp, index, ..at }, message);
        }
        Ok(())
    }
}

impl IndexEntry {
    pub(crate) fn encode(self) -> Bytes {
        let mut bytes = Vec::with_capacity(12);
        put_varint(&mut bytes, self.last.cast_unsigned());
        put_varint(&mut bytes, self.stored_bytes);
        bytes.into()
    }

    pub(crate) fn decode(mut bytes: &[u8]) -> Result<Self, ChunkError> {
        Ok(Self {
            last: take_varint(&mut bytes)?.cast_signed(),
            stored_bytes: take_varint(&mut bytes)?,
        })
    }
}

fn put_varint(out: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        out.push((number & 0x7f) as u8 | 0x80);
        number >>= 7;
    }
    out.push(number as u8);
}

fn take_varint(bytes: &mut &[u8]) -> Result<u64, ChunkError> {
    let mut number = 0;
    for shift in (0..64).step_by(7) {
        let byte = *bytes.split_off_first().ok_or(ChunkError::Damaged)?;
        number |= u64::from(byte & 0x7f) << shift;
        if byte < 0x80 {
            return Ok(number);
        }
    }
    Err(ChunkError::Damaged)
}

fn take_length(bytes: &mut &[u8], most: usize) -> Result<usize, ChunkError> {
    let length = usize::try_from(take_varint(bytes)?).map_err(|_| ChunkError::Damaged)?;
    if length <= most {
        Ok(length)
    } else {
        Err(ChunkError::Damaged)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn event(timestamp: i64, message: impl Into<String>) -> Event {
        Event {
            timestamp,
            message: message.into(),
        }
    }

    fn decode(chunk: &Chunk) -> Result<(Header, Vec<Event>), ChunkError> {
        let (header, body) = Header::read(&chunk.parts[0])?;
        let mut whole = body.to_vec();
        chunk.parts[1..].iter().for_each(|part| whole.extend_from_slice(part));
        let mut events = Vec::new();
        header.each_event(Position::default(), &whole, |at, message| {
            assert_eq!(usize::from(at.index), events.len());
            events.push(event(at.timestamp, message));
        })?;
        Ok((header, events))
    }

    #[test]
    fn a_wide_batch_is_split_by_time_and_a_large_event_by_parts() {
        let wide: Vec<_> = (0..5).map(|n| event(n * 6_000, "x")).collect();
        assert_eq!(Chunk::encode_all(&wide, 9).len(), 3);
        let noise: String = (0..1_000_000_u64)
            .map(|n| char::from(b'!' + (n.wrapping_mul(n).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 40) as u8 % 90))
            .collect();
        let chunks = Chunk::encode_all(&[event(1, "small"), event(1, noise.clone()), event(2, "small")], 9);
        assert_eq!(chunks.len(), 3);
        assert!(chunks[1].parts.len() > 1);
        assert!(
            chunks
                .iter()
                .flat_map(|chunk| &chunk.parts)
                .all(|part| part.len() <= danbi_store::MAX_VALUE_BYTES)
        );
        assert_eq!(decode(&chunks[1]).unwrap().1[0].message, noise);
    }

    #[test]
    fn repetitive_lines_take_little() {
        let lines: Vec<_> = (0..500)
            .map(|n| event(n, format!("START RequestId: {n:036} Version: $LATEST")))
            .collect();
        let chunks = Chunk::encode_all(&lines, 9);
        let raw: usize = lines.iter().map(|line| line.message.len()).sum();
        assert!(chunks[0].stored_bytes() * 4 < raw as u64);
    }

    proptest! {
        #[test]
        fn what_was_encoded_is_decoded(
            mut events in proptest::collection::vec((0_i64..40_000, "\\PC{0,200}"), 0..60),
            ingestion in 0_i64..1_000_000,
        ) {
            events.sort_by_key(|(timestamp, _)| *timestamp);
            let events: Vec<_> = events.into_iter().map(|(timestamp, message)| event(timestamp, message)).collect();
            let mut found = Vec::new();
            for chunk in Chunk::encode_all(&events, ingestion) {
                let (header, decoded) = decode(&chunk).unwrap();
                prop_assert_eq!((header.first, header.last, header.ingestion_time), (chunk.first, chunk.last, ingestion));
                prop_assert!(header.last - header.first <= SPAN_MS);
                found.extend(decoded);
                let entry = chunk.index_entry();
                prop_assert_eq!(IndexEntry::decode(&entry.encode()), Ok(entry));
            }
            prop_assert_eq!(found, events);
        }

        #[test]
        fn no_bytes_make_the_decoder_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            if let Ok((header, body)) = Header::read(&bytes) {
                let _ = header.each_event(Position::default(), body, |_, _| {});
            }
            let mut valid = vec![1, 1, 0];
            valid.extend(bytes);
            if let Ok((header, body)) = Header::read(&valid) {
                let _ = header.each_event(Position::default(), body, |_, _| {});
            }
        }
    }
}
