use bytes::{Bytes, BytesMut};
use ring::aead;

use super::segment::{SEGMENT_BYTES, nonce};
use super::{CryptoError, SecretKey};

/// Encrypts content as it streams by, holding one segment.
///
/// Feed it with [`Encryptor::push`], and end with [`Encryptor::finish`]. A key must encrypt one content only.
pub struct Encryptor {
    key: aead::LessSafeKey,
    index: u64,
    /// The last bytes that came: not more than a segment, which waits until more comes, because the last one is marked.
    held: BytesMut,
}

impl Encryptor {
    /// Begins, under a key that was made for this content.
    pub fn new(key: &SecretKey) -> Self {
        Self {
            key: key.cipher(),
            index: 0,
            held: BytesMut::new(),
        }
    }

    /// Takes all of `plain`, and appends the segments that are full to `sealed`.
    ///
    /// # Errors
    /// [`CryptoError::TooLong`], which content within S3's bounds never meets.
    pub fn push(&mut self, mut plain: &[u8], sealed: &mut BytesMut) -> Result<(), CryptoError> {
        let full = SEGMENT_BYTES as usize;
        if !self.held.is_empty() {
            let (missing, rest) = plain.split_at(plain.len().min(full - self.held.len()));
            self.held.extend_from_slice(missing);
            plain = rest;
            if plain.is_empty() {
                return Ok(());
            }
            let held = std::mem::take(&mut self.held);
            self.seal(&held, false, sealed)?;
            // Its room is used again.
            self.held = held;
            self.held.clear();
        }
        while plain.len() > full {
            let (segment, rest) = plain.split_at(full);
            self.seal(segment, false, sealed)?;
            plain = rest;
        }
        self.held.extend_from_slice(plain);
        Ok(())
    }

    /// Appends the last segment.
    ///
    /// # Errors
    /// [`CryptoError::TooLong`], which content within S3's bounds never meets.
    pub fn finish(mut self, sealed: &mut BytesMut) -> Result<(), CryptoError> {
        let held = std::mem::take(&mut self.held);
        self.seal(&held, true, sealed)
    }

    fn seal(&mut self, segment: &[u8], last: bool, sealed: &mut BytesMut) -> Result<(), CryptoError> {
        let nonce = aead::Nonce::assume_unique_for_key(nonce(self.index, last));
        let begins = sealed.len();
        sealed.extend_from_slice(segment);
        let tag = self
            .key
            .seal_in_place_separate_tag(nonce, aead::Aad::empty(), &mut sealed[begins..])
            .map_err(|_| CryptoError::TooLong)?;
        sealed.extend_from_slice(tag.as_ref());
        self.index += 1;
        Ok(())
    }
}

/// Encrypts content that is known whole.
///
/// # Errors
/// [`CryptoError::TooLong`], which content within S3's bounds never meets.
pub fn seal(key: &SecretKey, plain: &[u8]) -> Result<Bytes, CryptoError> {
    let mut encryptor = Encryptor::new(key);
    let mut sealed = BytesMut::with_capacity(super::sealed_length(plain.len() as u64) as usize);
    let full = SEGMENT_BYTES as usize;
    // All but the last segment, which is sealed from where it lies.
    let last = plain.len().saturating_sub(1) / full * full;
    for segment in plain[..last].chunks(full) {
        encryptor.seal(segment, false, &mut sealed)?;
    }
    encryptor.seal(&plain[last..], true, &mut sealed)?;
    Ok(sealed.freeze())
}
