use std::ops::Range;

use bytes::{Buf, Bytes, BytesMut};
use ring::aead;

use super::segment::{
    SEALED_SEGMENT_BYTES, SEGMENT_BYTES, TAG_BYTES, nonce, plain_bytes, sealed_length, segments, touched,
};
use super::{CryptoError, SecretKey};

/// Decrypts a range of content as its encrypted bytes stream by, holding one segment.
///
/// Ask [`Decryptor::sealed_range`] which encrypted bytes to read, feed them in pieces of any size with
/// [`Decryptor::push`], and end with [`Decryptor::finish`]. Bytes come out only once they are known to be those that
/// were encrypted, at that place, in content of that length.
pub struct Decryptor {
    key: aead::LessSafeKey,
    length: u64,
    range: Range<u64>,
    segments: Range<u64>,
    gathered: BytesMut,
}

impl Decryptor {
    /// For `range` of content that has `length` plain bytes.
    ///
    /// # Errors
    /// [`CryptoError::Range`] when the range does not lie within the content.
    pub fn new(key: &SecretKey, length: u64, range: Range<u64>) -> Result<Self, CryptoError> {
        if range.start > range.end || range.end > length {
            return Err(CryptoError::Range);
        }
        Ok(Self {
            key: key.cipher(),
            length,
            segments: touched(&range, length),
            range,
            gathered: BytesMut::new(),
        })
    }

    /// The encrypted bytes that the rest of the range lies in.
    pub fn sealed_range(&self) -> Range<u64> {
        let total = sealed_length(self.length);
        let start = (self.segments.start * SEALED_SEGMENT_BYTES).min(total);
        start..(self.segments.end * SEALED_SEGMENT_BYTES).clamp(start, total)
    }

    /// Takes what it can from the front of `sealed`. Answers with plain bytes when a segment is complete, `None` when it
    /// needs more.
    ///
    /// # Errors
    /// [`CryptoError::Damaged`] when the bytes are not those that were encrypted; nothing may be read after that.
    pub fn push(&mut self, sealed: &mut Bytes) -> Result<Option<Bytes>, CryptoError> {
        if sealed.is_empty() {
            return Ok(None);
        }
        let index = self.segments.start;
        if self.segments.is_empty() {
            return Err(CryptoError::Damaged);
        }
        let wanted = (plain_bytes(index, self.length) + TAG_BYTES) as usize;
        if self.gathered.is_empty() {
            self.gathered.reserve(wanted);
        }
        let take = sealed.len().min(wanted - self.gathered.len());
        self.gathered.extend_from_slice(&sealed[..take]);
        sealed.advance(take);
        if self.gathered.len() < wanted {
            return Ok(None);
        }
        self.segments.start += 1;
        let mut segment = std::mem::take(&mut self.gathered);
        let nonce = aead::Nonce::assume_unique_for_key(nonce(index, index + 1 == segments(self.length)));
        let plain = self
            .key
            .open_in_place(nonce, aead::Aad::empty(), &mut segment)
            .map_err(|_| CryptoError::Damaged)?
            .len();
        segment.truncate(plain);
        let begins = index * SEGMENT_BYTES;
        let mut plain = segment.freeze();
        plain.truncate(self.range.end.saturating_sub(begins).min(plain.len() as u64) as usize);
        plain.advance(self.range.start.saturating_sub(begins).min(plain.len() as u64) as usize);
        Ok(Some(plain))
    }

    /// Makes sure that the whole range was read.
    ///
    /// # Errors
    /// [`CryptoError::Damaged`] when encrypted bytes are missing.
    pub fn finish(self) -> Result<(), CryptoError> {
        if self.segments.is_empty() && self.gathered.is_empty() {
            Ok(())
        } else {
            Err(CryptoError::Damaged)
        }
    }
}

/// Decrypts content that is known whole.
///
/// # Errors
/// [`CryptoError::Damaged`].
pub fn open(key: &SecretKey, length: u64, mut sealed: Bytes) -> Result<Bytes, CryptoError> {
    let mut decryptor = Decryptor::new(key, length, 0..length)?;
    let first = decryptor.push(&mut sealed)?.ok_or(CryptoError::Damaged)?;
    if segments(length) == 1 {
        return if sealed.is_empty() {
            Ok(first)
        } else {
            Err(CryptoError::Damaged)
        };
    }
    if sealed.len() as u64 + SEALED_SEGMENT_BYTES != sealed_length(length) {
        return Err(CryptoError::Damaged);
    }
    let mut plain = BytesMut::with_capacity(first.len() + sealed.len());
    plain.extend_from_slice(&first);
    while let Some(segment) = decryptor.push(&mut sealed)? {
        plain.extend_from_slice(&segment);
    }
    decryptor.finish()?;
    Ok(plain.freeze())
}
