//! Shard iterators: opaque positions that expire.

use super::StreamRef;
use crate::Error;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use danbi_core::Timestamp;
use std::time::Duration;

/// How long an iterator can be used.
const LIFETIME: Duration = Duration::from_secs(15 * 60);
/// How far ahead of our clock another node's may be.
const SKEW: Duration = Duration::from_secs(60);

/// A position in a shard.
///
/// As text: the stream's ARN, `|1|`, and base64 of shard, sequence number and time. It is no secret and needs no
/// signature: who forges one is asked for the right to read the stream it names, and reaches no other.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Iterator {
    pub stream: StreamRef,
    pub shard: u32,
    /// The number of the first record to read.
    pub sequence: u64,
    /// When it was given out.
    pub given: Timestamp,
}

impl Iterator {
    pub(super) fn text(&self) -> String {
        let mut bytes = Vec::with_capacity(20);
        bytes.extend_from_slice(&self.shard.to_be_bytes());
        bytes.extend_from_slice(&self.sequence.to_be_bytes());
        bytes.extend_from_slice(&self.given.as_millis().to_be_bytes());
        format!("{}|1|{}", self.stream.arn(), STANDARD.encode(bytes))
    }

    /// Reads an iterator, whatever its age.
    pub(super) fn parse(text: &str) -> Result<Self, Error> {
        let refused = || Error::validation("Invalid ShardIterator");
        let (arn, position) = text.split_once("|1|").ok_or_else(refused)?;
        let bytes = STANDARD.decode(position).map_err(|_| refused())?;
        let (shard, rest) = bytes.split_first_chunk().ok_or_else(refused)?;
        let (sequence, rest) = rest.split_first_chunk().ok_or_else(refused)?;
        let given: &[u8; 8] = rest.try_into().map_err(|_| refused())?;
        Ok(Self {
            stream: StreamRef::parse(arn).map_err(|_| refused())?,
            shard: u32::from_be_bytes(*shard),
            sequence: u64::from_be_bytes(*sequence),
            given: Timestamp::from_millis(i64::from_be_bytes(*given)),
        })
    }

    /// Fails with [`Error::ExpiredIterator`] when it is too old.
    pub(super) fn check_age(&self, now: Timestamp) -> Result<(), Error> {
        let age = now.as_millis().saturating_sub(self.given.as_millis());
        if age > LIFETIME.as_millis() as i64 || age < -(SKEW.as_millis() as i64) {
            return Err(Error::ExpiredIterator(
                "Iterator expired. The iterator was created at time and is older than 15 minutes".into(),
            ));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_iterator_reads_as_it_was_written_and_expires() {
        let arn = "arn:aws:dynamodb:us-east-1:000000000000:table/abc/stream/2026-11-22T00:00:00.000";
        let iterator = Iterator {
            stream: StreamRef::parse(arn).unwrap(),
            shard: 3,
            sequence: 12,
            given: Timestamp::from_millis(1_000_000),
        };
        assert_eq!(Iterator::parse(&iterator.text()).unwrap(), iterator);
        assert!(iterator.check_age(Timestamp::from_millis(1_000_000 + 900_000)).is_ok());
        assert!(iterator.check_age(Timestamp::from_millis(1_000_000 + 900_001)).is_err());
        for wrong in ["", "x|1|y", &format!("{arn}|1|AAAA"), &iterator.text()[1..]] {
            assert!(Iterator::parse(wrong).is_err());
        }
    }
}
