//! The identities that the service gives: short byte strings, text outside.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use danbi_core::Timestamp;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use sha2::{Digest, Sha256};
use std::fmt;

/// Text that is no identity of ours.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not an identity of this kind")]
pub(crate) struct IdError;

fn random<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    for chunk in bytes.chunks_mut(16) {
        chunk.copy_from_slice(&uuid::Uuid::new_v4().as_bytes()[..chunk.len()]);
    }
    bytes
}

/// Declares an identity of `$length` bytes whose text form is base64url. A macro because `FromStr`, `Display` and serde
/// cannot be implemented for a family of newtypes by one generic function.
macro_rules! identity {
    ($(#[$doc:meta])* $name:ident, $length:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub(crate) struct $name([u8; $length]);

        impl $name {
            pub(crate) const fn as_bytes(&self) -> &[u8; $length] {
                &self.0
            }

            pub(crate) fn from_slice(bytes: &[u8]) -> Result<Self, IdError> {
                bytes.try_into().map(Self).map_err(|_| IdError)
            }
        }

        impl std::str::FromStr for $name {
            type Err = IdError;
            fn from_str(text: &str) -> Result<Self, IdError> {
                let mut bytes = [0; $length];
                match URL_SAFE_NO_PAD.decode_slice(text, &mut bytes) {
                    Ok($length) => Ok(Self(bytes)),
                    _ => Err(IdError),
                }
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                base64::display::Base64Display::new(&self.0, &URL_SAFE_NO_PAD).fmt(f)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}({self})", stringify!($name))
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = <std::borrow::Cow<'de, str>>::deserialize(deserializer)?;
                text.parse().map_err(serde::de::Error::custom)
            }
        }
    };
}

identity! {
    /// What a bucket's things are kept under; random, so that a bucket made again under an old name sees nothing of the old one.
    BucketId, 16
}

identity! {
    /// Who holds bytes: a version of an object, or one part of an upload. Begins with the time, so that the values of
    /// things written together lie together.
    ContentId, 16
}

identity! {
    /// A version of an object, as clients see it: its place in time ([`VersionId::sequence`]), then chance.
    VersionId, 24
}

identity! {
    /// A multipart upload, as clients see it: when it began ([`UploadId::sequence`]), then chance.
    UploadId, 24
}

impl BucketId {
    pub(crate) fn new() -> Self {
        Self(random())
    }
}

impl ContentId {
    pub(crate) fn new(now: Timestamp) -> Self {
        let mut bytes = random();
        bytes[..6].copy_from_slice(&now.as_millis().to_be_bytes()[2..]);
        Self(bytes)
    }
}

/// Steps of a sequence in a millisecond: so many versions of one key may be written in it and keep their order and its time.
const STEPS: u64 = 4096;

/// The sequence number of something that happens at `now`, behind everything up to `last`.
pub(crate) fn sequence(now: Timestamp, last: Option<u64>) -> u64 {
    let at = u64::try_from(now.as_millis()).unwrap_or(0).saturating_mul(STEPS);
    at.max(last.map_or(0, |last| last + 1))
}

/// Where in a version id its mark begins.
const MARK: usize = 20;

impl VersionId {
    /// A fresh id of a version of `key` at this place in time. Its end tells that it is of this bucket and key, so that
    /// a version that is gone and an id that never was one can be told apart.
    pub(crate) fn new(sequence: u64, bucket: &BucketId, key: &str) -> Self {
        let mut bytes: [u8; 24] = random();
        bytes[..8].copy_from_slice(&sequence.to_be_bytes());
        let mark = Self::mark(&bytes, bucket, key);
        bytes[MARK..].copy_from_slice(&mark);
        Self(bytes)
    }

    /// Whether it was made for this key.
    pub(crate) fn is_of(&self, bucket: &BucketId, key: &str) -> bool {
        self.0[MARK..] == Self::mark(&self.0, bucket, key)
    }

    fn mark(bytes: &[u8; 24], bucket: &BucketId, key: &str) -> [u8; 4] {
        let digest = Sha256::new()
            .chain_update(bucket.as_bytes())
            .chain_update(&bytes[..MARK])
            .chain_update(key)
            .finalize();
        std::array::from_fn(|at| digest[at])
    }

    /// Larger for a later version of the same key.
    pub(crate) fn sequence(&self) -> u64 {
        let mut first = [0; 8];
        first.copy_from_slice(&self.0[..8]);
        u64::from_be_bytes(first)
    }
}

impl UploadId {
    /// A fresh id of an upload that begins at `now`.
    pub(crate) fn new(now: Timestamp) -> Self {
        let mut bytes = random();
        bytes[..8].copy_from_slice(&sequence(now, None).to_be_bytes());
        Self(bytes)
    }

    /// Larger for a later upload (to the millisecond).
    pub(crate) fn sequence(&self) -> u64 {
        let mut first = [0; 8];
        first.copy_from_slice(&self.0[..8]);
        u64::from_be_bytes(first)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_read_as_they_are_written_and_order_by_time() {
        let bucket = BucketId::new();
        let id = VersionId::new(7, &bucket, "k");
        assert!(id.is_of(&bucket, "k") && !id.is_of(&bucket, "l") && !id.is_of(&BucketId::new(), "k"));
        assert_eq!(id.to_string().len(), 32);
        assert_eq!(id.to_string().parse(), Ok(id));
        assert_eq!(id.sequence(), 7);
        assert_eq!("null".parse::<VersionId>(), Err(IdError));
        assert_eq!("x".repeat(400).parse::<VersionId>(), Err(IdError));
        let now = Timestamp::from_millis(1_700_000_000_000);
        assert!(ContentId::new(now) < ContentId::new(now.plus_millis(1)));
        let first = sequence(now, None);
        assert_eq!(sequence(now, Some(first)), first + 1);
        assert!(sequence(now.plus_millis(1), Some(first)) > first + 1);
        // A clock that goes back does not bring an old version to the front.
        assert!(sequence(now.plus_millis(-5), Some(first)) > first);
    }
}
