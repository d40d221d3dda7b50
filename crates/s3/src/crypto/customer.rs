//! Keys that the customer keeps and sends with each request (SSE-C).

use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use md5::Md5;
use sha2::Digest;
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

use super::{CryptoError, DATA_KEY, SecretKey};

/// The key of a request, proven to be what its MD5 says.
#[derive(Clone)]
pub struct CustomerKey {
    key: SecretKey,
    md5: String,
}

/// What is wrong with the three headers of a customer's key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CustomerKeyProblem {
    /// The algorithm is missing or is not `AES256`.
    Algorithm,
    /// There is no key.
    NoKey,
    /// The key is not base64 of 256 bits.
    Key,
    /// There is no MD5 of the key.
    NoMd5,
    /// The MD5 is not that of the key.
    Md5,
}

impl CustomerKey {
    /// From the headers `x-amz-server-side-encryption-customer-{algorithm,key,key-MD5}` (or those of a copy's source);
    /// `None` when there is none of them. That they came over TLS, as AWS demands, is for the edge to see to: this
    /// platform serves plain HTTP on loopback too.
    ///
    /// # Errors
    /// [`CustomerKeyProblem`].
    pub fn from_headers(
        algorithm: Option<&str>,
        key: Option<&str>,
        md5: Option<&str>,
    ) -> Result<Option<Self>, CustomerKeyProblem> {
        if algorithm.is_none() && key.is_none() && md5.is_none() {
            return Ok(None);
        }
        if algorithm.is_some_and(|algorithm| algorithm != "AES256") {
            return Err(CustomerKeyProblem::Algorithm);
        }
        let text = key.ok_or(CustomerKeyProblem::NoKey)?;
        if algorithm.is_none() {
            return Err(CustomerKeyProblem::Algorithm);
        }
        let md5 = md5.ok_or(CustomerKeyProblem::NoMd5)?;
        let bytes = Zeroizing::new(STANDARD.decode(text).map_err(|_| CustomerKeyProblem::Key)?);
        let key = SecretKey::from_bytes(&bytes).ok_or(CustomerKeyProblem::Key)?;
        let computed = STANDARD.encode(Md5::digest(key.expose()));
        if computed.as_bytes().ct_eq(md5.as_bytes()).unwrap_u8() == 0 {
            return Err(CustomerKeyProblem::Md5);
        }
        Ok(Some(Self { key, md5: computed }))
    }

    /// The base64 MD5 of the key, which answers repeat.
    pub fn md5(&self) -> &str {
        &self.md5
    }

    /// A data key, sealed under this key, as text that may be kept. It is salted and authenticated, so it is also how
    /// the key is known again; nothing else of a customer's key is kept. Sealing a data key for another key lets a copy
    /// share the bytes.
    ///
    /// # Errors
    /// [`CryptoError::Keyring`].
    pub fn seal_key(&self, key: &SecretKey) -> Result<String, CryptoError> {
        Ok(self.key.wrap(DATA_KEY, key)?)
    }

    /// The data key that [`CustomerKey::seal_key`] sealed.
    ///
    /// # Errors
    /// [`CryptoError::Key`] when another key sealed it.
    pub fn open_key(&self, sealed: &str) -> Result<SecretKey, CryptoError> {
        Ok(self.key.unwrap(DATA_KEY, sealed)?)
    }
}

impl fmt::Debug for CustomerKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("CustomerKey(…)")
    }
}
