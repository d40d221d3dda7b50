//! How encrypted bytes lie: segments of a fixed size, so that a range decrypts only what it touches.

use std::ops::Range;

/// Plain bytes in every segment but the last, which has fewer or as many, and none only in empty content.
pub const SEGMENT_BYTES: u64 = 64 * 1024;
/// Bytes that each segment grows by: the authentication tag.
pub const TAG_BYTES: u64 = 16;
/// Bytes of a whole encrypted segment.
pub const SEALED_SEGMENT_BYTES: u64 = SEGMENT_BYTES + TAG_BYTES;

/// How many segments content of `length` bytes has: at least one.
pub fn segments(length: u64) -> u64 {
    length.div_ceil(SEGMENT_BYTES).max(1)
}

/// How many bytes content of `length` bytes has once it is encrypted.
pub fn sealed_length(length: u64) -> u64 {
    length + segments(length) * TAG_BYTES
}

/// The segments of content of `length` bytes that hold `range`, which lies within it. An empty range touches none,
/// except that empty content still has its one segment to be checked.
pub(super) fn touched(range: &Range<u64>, length: u64) -> Range<u64> {
    if length == 0 {
        0..1
    } else if range.is_empty() {
        0..0
    } else {
        range.start / SEGMENT_BYTES..(range.end - 1) / SEGMENT_BYTES + 1
    }
}

/// Plain bytes of segment `index` of content of `length` bytes.
pub(super) fn plain_bytes(index: u64, length: u64) -> u64 {
    length.saturating_sub(index * SEGMENT_BYTES).min(SEGMENT_BYTES)
}

/// The nonce of a segment: where it stands and whether it ends the content. A key encrypts one content, so a nonce
/// never comes twice; a segment at another place, and an end that is none, do not authenticate (the STREAM
/// construction of Hoang, Reyhanitabar, Rogaway and Vizár, <https://eprint.iacr.org/2015/189>).
pub(super) fn nonce(index: u64, last: bool) -> [u8; 12] {
    let mut nonce = [0; 12];
    nonce[3..11].copy_from_slice(&index.to_be_bytes());
    nonce[11] = u8::from(last);
    nonce
}
