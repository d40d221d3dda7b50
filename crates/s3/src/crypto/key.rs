use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use ring::{aead, hmac};
use zeroize::{Zeroize, Zeroizing};

use super::CryptoError;

/// Bytes of every key.
pub const KEY_BYTES: usize = 32;
const SALT_BYTES: usize = 16;
const WRAPPED_BYTES: usize = SALT_BYTES + KEY_BYTES + 16;

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
    /// [`CryptoError::Randomness`] when the system has none.
    pub fn random() -> Result<Self, CryptoError> {
        let mut key = Self([0; KEY_BYTES]);
        getrandom::fill(&mut key.0).map_err(|_| CryptoError::Randomness)?;
        Ok(key)
    }

    /// From its bytes; `None` unless there are [`KEY_BYTES`].
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        bytes.try_into().ok().map(Self)
    }

    pub(super) fn as_bytes(&self) -> &[u8; KEY_BYTES] {
        &self.0
    }

    pub(super) fn cipher(&self) -> aead::LessSafeKey {
        // The key has the length that the algorithm asks for, the only thing that can be wrong with it.
        #[allow(clippy::unwrap_used)]
        let key = aead::UnboundKey::new(&aead::AES_256_GCM, &self.0).unwrap();
        aead::LessSafeKey::new(key)
    }

    /// HMAC-SHA256 of `salt` under this key, for one purpose.
    pub(super) fn derive(&self, purpose: &[u8], salt: &[u8]) -> Zeroizing<[u8; KEY_BYTES]> {
        let key = hmac::Key::new(hmac::HMAC_SHA256, &self.0);
        let mut context = hmac::Context::with_key(&key);
        context.update(purpose);
        context.update(&[0]);
        context.update(salt);
        let mut derived = Zeroizing::new([0; KEY_BYTES]);
        derived.copy_from_slice(context.sign().as_ref());
        derived
    }

    /// The key of one content among those that this data key is for. `salt` must never come twice with one data key.
    pub fn for_content(&self, salt: &[u8]) -> SecretKey {
        SecretKey(*self.derive(CONTENT, salt))
    }

    /// Seals `key` under this one: base64 of a salt, the encrypted key and its tag.
    pub(super) fn wrap(&self, key: &SecretKey) -> Result<String, CryptoError> {
        let mut wrapped = [0; WRAPPED_BYTES];
        let (salt, sealed) = wrapped.split_at_mut(SALT_BYTES);
        getrandom::fill(salt).map_err(|_| CryptoError::Randomness)?;
        let (body, tag) = sealed.split_at_mut(KEY_BYTES);
        body.copy_from_slice(&key.0);
        // Every salt makes a key of its own, so the one nonce is used once a key, however many keys are wrapped.
        let made = SecretKey(*self.derive(WRAP, salt)).cipher().seal_in_place_separate_tag(
            aead::Nonce::assume_unique_for_key([0; 12]),
            aead::Aad::from(WRAP),
            body,
        );
        tag.copy_from_slice(made.map_err(|_| CryptoError::TooLong)?.as_ref());
        Ok(STANDARD_NO_PAD.encode(wrapped))
    }

    /// Opens what [`SecretKey::wrap`] made; [`CryptoError::Key`] when another key made it, or it was altered.
    pub(super) fn unwrap(&self, wrapped: &str) -> Result<SecretKey, CryptoError> {
        let mut wrapped = Zeroizing::new(STANDARD_NO_PAD.decode(wrapped).map_err(|_| CryptoError::Key)?);
        if wrapped.len() != WRAPPED_BYTES {
            return Err(CryptoError::Key);
        }
        let (salt, sealed) = wrapped.split_at_mut(SALT_BYTES);
        let opened = SecretKey(*self.derive(WRAP, salt)).cipher().open_in_place(
            aead::Nonce::assume_unique_for_key([0; 12]),
            aead::Aad::from(WRAP),
            sealed,
        );
        SecretKey::from_bytes(opened.map_err(|_| CryptoError::Key)?).ok_or(CryptoError::Key)
    }
}

const CONTENT: &[u8] = b"danbi s3 content";
const WRAP: &[u8] = b"danbi s3 data key";

impl fmt::Debug for SecretKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SecretKey(…)")
    }
}
