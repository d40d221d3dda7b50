use std::fmt;
use std::str::FromStr;
use std::sync::atomic::{AtomicU64, Ordering};

/// The latest instant that a position can bear: 48 bits of milliseconds, the year 10889.
pub(crate) const MAX_TIMESTAMP: i64 = (1 << 48) - 1;
/// Digits of an event id, as AWS has them.
const DIGITS: usize = 56;
const LIMB: u128 = 1_000_000_000_000_000_000;

/// The place of an event among all of its group: by time, then by ingestion, then by its place in what was ingested.
///
/// Written as 56 decimal digits it is the event's id: unique in its group, and in the order of the events.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub(crate) struct Position {
    /// Milliseconds since the epoch, 0 to [`MAX_TIMESTAMP`].
    pub(crate) timestamp: i64,
    /// See [`Sequence`].
    pub(crate) sequence: u64,
    /// The stream's number.
    pub(crate) stream: u64,
    /// Within what was ingested under this sequence number.
    pub(crate) index: u16,
}

impl Position {
    /// Before every event at `timestamp`.
    pub(crate) fn at(timestamp: i64) -> Self {
        Self {
            timestamp: timestamp.clamp(0, MAX_TIMESTAMP),
            ..Self::default()
        }
    }

    /// The next position there can be.
    pub(crate) fn next(self) -> Self {
        let (index, carry) = self.index.overflowing_add(1);
        let (stream, carry) = self.stream.overflowing_add(u64::from(carry));
        let (sequence, carry) = self.sequence.overflowing_add(u64::from(carry));
        Self {
            timestamp: self.timestamp + i64::from(carry),
            sequence,
            stream,
            index,
        }
    }

    /// The position just before; the first one has none and stays.
    pub(crate) fn previous(self) -> Self {
        let (index, borrow) = self.index.overflowing_sub(1);
        let (stream, borrow) = self.stream.overflowing_sub(u64::from(borrow));
        let (sequence, borrow) = self.sequence.overflowing_sub(u64::from(borrow));
        let timestamp = self.timestamp - i64::from(borrow);
        if timestamp < 0 {
            self
        } else {
            Self {
                timestamp,
                sequence,
                stream,
                index,
            }
        }
    }

    fn limbs(self) -> [u64; 3] {
        let timestamp = self.timestamp.clamp(0, MAX_TIMESTAMP).cast_unsigned();
        [
            timestamp << 16 | self.sequence >> 48,
            self.sequence << 16 | self.stream >> 48,
            self.stream << 16 | u64::from(self.index),
        ]
    }

    fn from_limbs([high, middle, low]: [u64; 3]) -> Self {
        Self {
            timestamp: (high >> 16).cast_signed(),
            sequence: high << 48 | middle >> 16,
            stream: middle << 48 | low >> 16,
            // The lowest 16 bits.
            index: low as u16,
        }
    }
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut limbs = self.limbs();
        let mut groups = [0_u64; 4];
        for group in groups.iter_mut().rev() {
            let mut rest = 0_u128;
            for limb in &mut limbs {
                let value = rest << 64 | u128::from(*limb);
                // The remainder of the division before is below the divisor, so the quotient fits a limb.
                *limb = (value / LIMB) as u64;
                rest = value % LIMB;
            }
            *group = rest as u64;
        }
        let all = format!("{:018}{:018}{:018}{:018}", groups[0], groups[1], groups[2], groups[3]);
        let zeros = all.len() - all.trim_start_matches('0').len();
        f.write_str(&all[zeros.min(all.len() - DIGITS)..])
    }
}

impl FromStr for Position {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        if !(DIGITS..=DIGITS + 2).contains(&text.len()) || !text.bytes().all(|b| b.is_ascii_digit()) {
            return Err(());
        }
        let mut limbs = [0_u64; 3];
        for digit in text.bytes() {
            let mut carry = u128::from(digit - b'0');
            for limb in limbs.iter_mut().rev() {
                let value = u128::from(*limb) * 10 + carry;
                *limb = value as u64;
                carry = value >> 64;
            }
            if carry != 0 {
                return Err(());
            }
        }
        Ok(Self::from_limbs(limbs))
    }
}

/// Numbers what is ingested, in the order of ingestion.
///
/// A number is the millisecond (42 bits) and a count that starts at a random place each time the platform starts, so
/// that numbers of two nodes, or of one whose clock was set back, meet only by a rare chance; and then only the order of
/// two chunks is undecided, because a chunk's key also bears its stream.
#[derive(Debug)]
pub(crate) struct Sequence {
    last: AtomicU64,
    salt: u64,
}

const COUNT_BITS: u32 = 22;

impl Sequence {
    pub(crate) fn new(salt: u64) -> Self {
        Self {
            last: AtomicU64::new(0),
            salt: salt & ((1 << (COUNT_BITS - 4)) - 1),
        }
    }

    /// The next number: above all earlier ones, and above those of earlier milliseconds.
    pub(crate) fn next(&self, now: i64) -> u64 {
        let floor = (now.clamp(0, (1 << 42) - 1).cast_unsigned() << COUNT_BITS) | self.salt;
        let bump = |last: u64| Some(floor.max(last + 1));
        // The closure always gives a value, so there is no failure to report.
        let before = self
            .last
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, bump)
            .unwrap_or_default();
        floor.max(before + 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn an_id_has_56_digits_and_the_order_of_its_parts() {
        let early = Position {
            timestamp: 1_700_000_000_000,
            sequence: 9,
            stream: u64::MAX,
            index: 7,
        };
        let late = Position {
            timestamp: 1_700_000_000_001,
            sequence: 1,
            stream: 0,
            index: 0,
        };
        assert_eq!(early.to_string().len(), 56);
        assert!(early.to_string() < late.to_string());
        assert_eq!(Position::default().to_string(), "0".repeat(56));
        assert!("12".parse::<Position>().is_err());
        assert!("9".repeat(58).parse::<Position>().is_err());
        let end = Position {
            timestamp: MAX_TIMESTAMP,
            sequence: u64::MAX,
            stream: u64::MAX,
            index: u16::MAX,
        };
        assert_eq!(end.to_string().parse(), Ok(end));
    }

    #[test]
    fn numbers_grow_even_when_the_clock_does_not() {
        let sequence = Sequence::new(77);
        let numbers: Vec<_> = [5, 5, 4, 6].map(|now| sequence.next(now)).into();
        assert!(numbers.is_sorted_by(|a, b| a < b));
    }

    proptest! {
        #[test]
        fn an_id_reads_as_it_is_written(timestamp in 0..=MAX_TIMESTAMP, sequence: u64, stream: u64, index: u16) {
            let position = Position { timestamp, sequence, stream, index };
            prop_assert_eq!(position.to_string().parse(), Ok(position));
            prop_assert!(position.next() > position);
            prop_assert_eq!(position.next().previous(), position);
        }
    }
}
