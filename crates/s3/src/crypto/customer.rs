//! Keys that the customer keeps and sends with each request (SSE-C).

use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use md5::Md5;
use serde::{Deserialize, Serialize};
use sha2::Digest;
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

use super::CryptoError;
use super::key::{SecretKey, WrappedKey};

const CHECK: &[u8] = b"danbi s3 customer key";

/// The key of a request, proven to be what its MD5 says.
#[derive(Clone)]
pub struct CustomerKey {
    key: SecretKey,
    md5: String,
}

/// What is kept of a customer's key: a salted HMAC, by which it is known again and from which it does not follow.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CustomerKeyCheck {
    salt: String,
    hmac: String,
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
        let computed = STANDARD.encode(Md5::digest(key.as_bytes()));
        if computed.as_bytes().ct_eq(md5.as_bytes()).unwrap_u8() == 0 {
            return Err(CustomerKeyProblem::Md5);
        }
        Ok(Some(Self { key, md5: computed }))
    }

    /// The base64 MD5 of the key, which answers repeat.
    pub fn md5(&self) -> &str {
        &self.md5
    }

    /// What to keep of it.
    ///
    /// # Errors
    /// [`CryptoError::Randomness`].
    pub fn check(&self) -> Result<CustomerKeyCheck, CryptoError> {
        let mut salt = [0; 16];
        getrandom::fill(&mut salt).map_err(|_| CryptoError::Randomness)?;
        Ok(CustomerKeyCheck {
            salt: STANDARD.encode(salt),
            hmac: STANDARD.encode(*self.key.derive(CHECK, &salt)),
        })
    }

    /// Whether this is the key that `check` was made of.
    pub fn matches(&self, check: &CustomerKeyCheck) -> bool {
        let (Ok(salt), Ok(hmac)) = (STANDARD.decode(&check.salt), STANDARD.decode(&check.hmac)) else {
            return false;
        };
        self.key.derive(CHECK, &salt).as_slice().ct_eq(&hmac).into()
    }

    /// A fresh data key and what is to be kept of it.
    ///
    /// # Errors
    /// [`CryptoError::Randomness`].
    pub fn data_key(&self) -> Result<(SecretKey, WrappedKey), CryptoError> {
        let key = SecretKey::random()?;
        let wrapped = self.key.wrap(&key)?;
        Ok((key, wrapped))
    }

    /// Encrypts a data key, so that a copy need not encrypt the bytes anew.
    ///
    /// # Errors
    /// [`CryptoError::Randomness`].
    pub fn wrap(&self, key: &SecretKey) -> Result<WrappedKey, CryptoError> {
        self.key.wrap(key)
    }

    /// The data key that was kept as `wrapped`.
    ///
    /// # Errors
    /// [`CryptoError::Key`] when another key wrapped it.
    pub fn unwrap(&self, wrapped: &WrappedKey) -> Result<SecretKey, CryptoError> {
        self.key.unwrap(wrapped)
    }
}

impl fmt::Debug for CustomerKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("CustomerKey(…)")
    }
}
