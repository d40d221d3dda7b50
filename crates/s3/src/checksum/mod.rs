//! Checksums of objects and parts: the five algorithms, incrementally; what a client may say about them in headers and
//! trailers; and those of a multipart object from its parts.
//!
//! Promise: a value that a client sent is compared with what was computed over the bytes that arrived, and bytes that do
//! not match are never stored. The checksum of a multipart object never needs its bytes again.

mod algorithm;
mod combine;
mod declared;
mod fields;
mod hasher;
#[cfg(test)]
mod tests;

pub use algorithm::{ChecksumAlgorithm, ChecksumType};
pub use combine::{Combiner, multipart_etag};
pub(crate) use declared::{Declared, Digests, Verifier, mismatch, parse_algorithm, parse_upload};
pub(crate) use fields::ChecksumFields;
pub use hasher::{ChecksumValue, Hasher, Md5Hasher};
