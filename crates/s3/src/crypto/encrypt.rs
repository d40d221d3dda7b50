use bytes::{Buf, Bytes, BytesMut};
use ring::aead;

use super::segment::{SEALED_SEGMENT_BYTES, SEGMENT_BYTES, nonce};
use super::{CryptoError, SecretKey};

/// Encrypts content as it streams by, holding one segment.
///
/// Feed it with [`Encryptor::push`] until the input is empty, and end with [`Encryptor::finish`]. A key must encrypt one
/// content only.
pub struct Encryptor {
    key: aead::LessSafeKey,
    index: u64,
    segment: BytesMut,
}

impl Encryptor {
    /// Begins, under a key that was made for this content.
    pub fn new(key: &SecretKey) -> Self {
        Self {
            key: key.cipher(),
            index: 0,
            segment: BytesMut::new(),
        }
    }

    /// Takes what it can from the front of `plain`. Answers with a segment when one is full, `None` when `plain` is
    /// empty. Cheap: at most one segment is encrypted.
    ///
    /// # Errors
    /// [`CryptoError::TooLong`], which content within S3's bounds never meets.
    pub fn push(&mut self, plain: &mut Bytes) -> Result<Option<Bytes>, CryptoError> {
        let full = SEGMENT_BYTES as usize;
        if plain.is_empty() {
            return Ok(None);
        }
        // A full segment waits until more comes, because the last one is marked.
        let sealed = if self.segment.len() == full {
            Some(self.seal(false)?)
        } else {
            None
        };
        if self.segment.is_empty() {
            // Small content takes no more than it needs.
            let known = plain.len().min(full) + (SEALED_SEGMENT_BYTES - SEGMENT_BYTES) as usize;
            self.segment.reserve(known);
        } else if self.segment.capacity() < SEALED_SEGMENT_BYTES as usize {
            self.segment.reserve(SEALED_SEGMENT_BYTES as usize - self.segment.len());
        }
        let take = plain.len().min(full - self.segment.len());
        self.segment.extend_from_slice(&plain[..take]);
        plain.advance(take);
        if sealed.is_none() && !plain.is_empty() {
            return self.push(plain);
        }
        Ok(sealed)
    }

    /// The last segment.
    ///
    /// # Errors
    /// [`CryptoError::TooLong`], which content within S3's bounds never meets.
    pub fn finish(mut self) -> Result<Bytes, CryptoError> {
        self.seal(true)
    }

    fn seal(&mut self, last: bool) -> Result<Bytes, CryptoError> {
        let nonce = aead::Nonce::assume_unique_for_key(nonce(self.index, last));
        let mut segment = std::mem::take(&mut self.segment);
        let tag = self
            .key
            .seal_in_place_separate_tag(nonce, aead::Aad::empty(), &mut segment)
            .map_err(|_| CryptoError::TooLong)?;
        segment.extend_from_slice(tag.as_ref());
        self.index += 1;
        Ok(segment.freeze())
    }
}

/// Encrypts content that is known whole.
///
/// # Errors
/// [`CryptoError::TooLong`], which content within S3's bounds never meets.
pub fn seal(key: &SecretKey, mut plain: Bytes) -> Result<Bytes, CryptoError> {
    let mut encryptor = Encryptor::new(key);
    let length = super::sealed_length(plain.len() as u64) as usize;
    let Some(first) = encryptor.push(&mut plain)? else {
        return encryptor.finish();
    };
    let mut sealed = BytesMut::with_capacity(length);
    sealed.extend_from_slice(&first);
    while let Some(segment) = encryptor.push(&mut plain)? {
        sealed.extend_from_slice(&segment);
    }
    sealed.extend_from_slice(&encryptor.finish()?);
    Ok(sealed.freeze())
}
