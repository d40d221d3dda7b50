use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use ring::{aead, hmac};
use zeroize::{Zeroize, Zeroizing};

use crate::KeyringError;

/// Bytes of every key.
pub const KEY_BYTES: usize = 32;
const SALT_BYTES: usize = 16;
const TAG_BYTES: usize = 16;
/// Bytes by which something grows when it is sealed: its salt and its tag.
pub const SEAL_BYTES: usize = SALT_BYTES + TAG_BYTES;

/// 256 bits that nobody may see: erased when dropped, without a `Debug` that shows them.
#[derive(Clone)]
pub struct SecretKey([u8; KEY_BYTES]);

impl Drop for SecretKey {
    fn drop(&mut self) {
        self.0.zeroize();
    }
}

impl SecretKey {
    /// From the system's randomness.
    ///
    /// # Errors
    /// [`KeyringError::Randomness`] when the system has none.
    pub fn random() -> Result<Self, KeyringError> {
        let mut key = Self([0; KEY_BYTES]);
        getrandom::fill(&mut key.0).map_err(|_| KeyringError::Randomness)?;
        Ok(key)
    }

    /// From its bytes; `None` unless there are [`KEY_BYTES`].
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        bytes.try_into().ok().map(Self)
    }

    /// The bytes, for the one who keeps or hands out the key.
    pub fn expose(&self) -> &[u8; KEY_BYTES] {
        &self.0
    }

    /// AES-256-GCM with this key. The caller must not use a nonce twice.
    pub fn cipher(&self) -> aead::LessSafeKey {
        // The key has the length that the algorithm asks for, the only thing that can be wrong with it.
        #[allow(clippy::unwrap_used)]
        let key = aead::UnboundKey::new(&aead::AES_256_GCM, &self.0).unwrap();
        aead::LessSafeKey::new(key)
    }

    /// The key that follows from this one for `purpose` and `salt`: HMAC-SHA256 of both.
    pub fn derive(&self, purpose: &[u8], salt: &[u8]) -> SecretKey {
        let key = hmac::Key::new(hmac::HMAC_SHA256, &self.0);
        let mut context = hmac::Context::with_key(&key);
        context.update(purpose);
        context.update(&[0]);
        context.update(salt);
        let mut derived = SecretKey([0; KEY_BYTES]);
        derived.0.copy_from_slice(context.sign().as_ref());
        derived
    }

    /// Seals `plain` for `purpose`: a salt, the encrypted bytes and their tag, [`SEAL_BYTES`] longer than `plain`. It opens
    /// with the same `purpose` and `bound` alone.
    ///
    /// # Errors
    /// [`KeyringError::Randomness`], [`KeyringError::TooLong`].
    pub fn seal(&self, purpose: &[u8], plain: &[u8], bound: &[u8]) -> Result<Vec<u8>, KeyringError> {
        let mut sealed = Vec::with_capacity(plain.len() + SEAL_BYTES);
        sealed.resize(SALT_BYTES, 0);
        getrandom::fill(&mut sealed).map_err(|_| KeyringError::Randomness)?;
        sealed.extend_from_slice(plain);
        let (salt, body) = sealed.split_at_mut(SALT_BYTES);
        // Every salt makes a key of its own, so the one nonce is used once a key, however much is sealed.
        let tag = self.derive(purpose, salt).cipher().seal_in_place_separate_tag(
            aead::Nonce::assume_unique_for_key([0; 12]),
            aead::Aad::from(associated(purpose, bound)),
            body,
        );
        let tag = tag.map_err(|_| KeyringError::TooLong)?;
        sealed.extend_from_slice(tag.as_ref());
        Ok(sealed)
    }

    /// Opens what [`SecretKey::seal`] made.
    ///
    /// # Errors
    /// [`KeyringError::Sealed`] when another key made it, for something else, or it was altered.
    pub fn open(&self, purpose: &[u8], sealed: &[u8], bound: &[u8]) -> Result<Zeroizing<Vec<u8>>, KeyringError> {
        let (salt, body) = sealed.split_at_checked(SALT_BYTES).ok_or(KeyringError::Sealed)?;
        let mut body = Zeroizing::new(body.to_vec());
        let opened = self.derive(purpose, salt).cipher().open_in_place(
            aead::Nonce::assume_unique_for_key([0; 12]),
            aead::Aad::from(associated(purpose, bound)),
            &mut body,
        );
        let length = opened.map_err(|_| KeyringError::Sealed)?.len();
        body.truncate(length);
        Ok(body)
    }

    /// Seals `key` under this one, as base64.
    ///
    /// # Errors
    /// As [`SecretKey::seal`].
    pub fn wrap(&self, purpose: &[u8], key: &SecretKey) -> Result<String, KeyringError> {
        Ok(STANDARD_NO_PAD.encode(self.seal(purpose, &key.0, &[])?))
    }

    /// Opens what [`SecretKey::wrap`] made.
    ///
    /// # Errors
    /// As [`SecretKey::open`].
    pub fn unwrap(&self, purpose: &[u8], wrapped: &str) -> Result<SecretKey, KeyringError> {
        let wrapped = STANDARD_NO_PAD.decode(wrapped).map_err(|_| KeyringError::Sealed)?;
        let opened = self.open(purpose, &wrapped, &[])?;
        SecretKey::from_bytes(&opened).ok_or(KeyringError::Sealed)
    }
}

/// What is authenticated beside the bytes.
fn associated(purpose: &[u8], bound: &[u8]) -> Vec<u8> {
    let mut both = purpose.to_vec();
    if !bound.is_empty() {
        both.push(0);
        both.extend_from_slice(bound);
    }
    both
}

impl fmt::Debug for SecretKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SecretKey(…)")
    }
}
