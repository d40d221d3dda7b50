//! Signing keys: four HMACs from a secret, kept for the day they are good for.

use super::TERMINATOR;
use super::claim::CredentialScope;
use danbi_core::SecretKey;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use std::collections::HashMap;
use std::fmt;
use std::sync::{Mutex, PoisonError};

/// The key of one (secret, date, region, service), ready to sign.
#[derive(Clone)]
pub(super) struct SigningKey(Hmac<Sha256>);

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SigningKey(…)")
    }
}

impl SigningKey {
    pub(super) fn derive(secret: &SecretKey, date: &str, region: &str, service: &str) -> Self {
        let mut first = Vec::with_capacity(4 + secret.expose().len());
        first.extend_from_slice(b"AWS4");
        first.extend_from_slice(secret.expose().as_bytes());
        let mut key = mac(&first);
        for part in [date, region, service, TERMINATOR] {
            key.update(part.as_bytes());
            key = mac(&key.finalize().into_bytes());
        }
        Self(key)
    }

    pub(super) fn sign(&self, text: &[u8]) -> [u8; 32] {
        let mut mac = self.0.clone();
        mac.update(text);
        mac.finalize().into_bytes().into()
    }
}

fn mac(key: &[u8]) -> Hmac<Sha256> {
    // Cannot fail: HMAC takes keys of every length.
    #[allow(clippy::expect_used)]
    Hmac::new_from_slice(key).expect("HMAC takes keys of every length")
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Name {
    access_key_id: String,
    date: String,
    region: String,
    service: String,
}

struct Entry {
    secret: SecretKey,
    key: SigningKey,
    used: u64,
}

/// The signing keys used last, at most [`KeyCache::CAPACITY`]; the one unused for longest goes first.
///
/// Only keys that have verified a signature are kept, so that strangers cannot push out the ones in use.
pub(super) struct KeyCache {
    inner: Mutex<(u64, HashMap<Name, Entry>)>,
}

impl KeyCache {
    pub(super) const CAPACITY: usize = 256;

    pub(super) fn new() -> Self {
        Self {
            inner: Mutex::new((0, HashMap::new())),
        }
    }

    /// The key kept for this scope, if it was derived from this same secret.
    pub(super) fn get(&self, access_key_id: &str, scope: &CredentialScope, secret: &SecretKey) -> Option<SigningKey> {
        let mut inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        inner.0 += 1;
        let now = inner.0;
        let entry = inner.1.get_mut(&name(access_key_id, scope))?;
        if entry.secret != *secret {
            return None;
        }
        entry.used = now;
        Some(entry.key.clone())
    }

    pub(super) fn keep(&self, access_key_id: &str, scope: &CredentialScope, secret: &SecretKey, key: SigningKey) {
        let mut inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        inner.0 += 1;
        let used = inner.0;
        let keys = &mut inner.1;
        let name = name(access_key_id, scope);
        if keys.len() >= Self::CAPACITY && !keys.contains_key(&name) {
            let oldest = keys
                .iter()
                .min_by_key(|(_, entry)| entry.used)
                .map(|(name, _)| name.clone());
            oldest.and_then(|oldest| keys.remove(&oldest));
        }
        keys.insert(
            name,
            Entry {
                secret: secret.clone(),
                key,
                used,
            },
        );
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.inner.lock().unwrap().1.len()
    }
}

fn name(access_key_id: &str, scope: &CredentialScope) -> Name {
    Name {
        access_key_id: access_key_id.into(),
        date: scope.date.clone(),
        region: scope.region.clone(),
        service: scope.service.clone(),
    }
}
