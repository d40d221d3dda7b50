//! The checksum and the entity tag of an object from those of its parts, without its bytes.

use super::{ChecksumAlgorithm, ChecksumType, ChecksumValue, Hasher, Md5Hasher};
use danbi_core::hex;

/// The checksum of a multipart object, taken together part by part in their order.
#[derive(Debug, Clone)]
pub enum Combiner {
    /// `base64(hash(hash₁ … hashₙ))-n`.
    Composite {
        /// Over the raw values of the parts so far.
        hasher: Hasher,
        /// Parts so far.
        parts: u32,
    },
    /// The checksum of the bytes.
    FullObject {
        /// Over the parts so far; nothing before the first.
        value: Option<ChecksumValue>,
    },
}

impl Combiner {
    /// Begins. `None` when the algorithm has no checksums of that kind.
    pub fn new(algorithm: ChecksumAlgorithm, kind: ChecksumType) -> Option<Self> {
        algorithm.supports(kind).then(|| match kind {
            ChecksumType::Composite => Self::Composite {
                hasher: Hasher::new(algorithm),
                parts: 0,
            },
            ChecksumType::FullObject => Self::FullObject { value: None },
        })
    }

    /// Takes the next part, of `length` bytes, all of one algorithm.
    pub fn push(&mut self, part: &ChecksumValue, length: u64) {
        match self {
            Self::Composite { hasher, parts } => {
                hasher.update(part.as_bytes());
                *parts += 1;
            }
            Self::FullObject { value } => {
                *value = match value {
                    Some(before) => before.followed_by(part, length),
                    None => Some(*part),
                };
            }
        }
    }

    /// The text S3 shows; `None` when there was no part.
    pub fn finish(self) -> Option<String> {
        match self {
            Self::Composite { parts: 0, .. } => None,
            Self::Composite { hasher, parts } => Some(format!("{}-{parts}", hasher.finish().to_base64())),
            Self::FullObject { value } => value.map(|value| value.to_base64()),
        }
    }
}

/// The entity tag of a multipart object, without quotes: the MD5 of its parts' MD5s, and how many parts it has.
pub fn multipart_etag<'a>(parts: impl IntoIterator<Item = &'a [u8; 16]>) -> String {
    let (mut hasher, mut count) = (Md5Hasher::default(), 0);
    for part in parts {
        hasher.update(part);
        count += 1;
    }
    format!("{}-{count}", hex::encode(hasher.finish()))
}
