//! Contents are encrypted as their queue says: by the platform's key, by one of KMS, or not at all.
//!
//! What is kept says by its first byte how, so that a message stays readable when its queue's attributes change and when
//! it moves to another queue. A data key of KMS is used again for as long as the queue says
//! (`KmsDataKeyReusePeriodSeconds`), by the same caller alone: then KMS is asked anew, as on AWS.

use crate::Error;
use crate::names::QueueName;
use crate::records::Queue;
use bytes::Bytes;
use danbi_core::{DataKeys, KeyUse, Principal, RequestContext, ServiceError};
use danbi_keyring::SecretKey;
use sha2::{Digest, Sha256};
use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

const PURPOSE: &[u8] = b"sqs content";
const PLAIN: u8 = 0;
const MANAGED: u8 = 1;
const BY_KMS: u8 = 2;
/// Data keys that are remembered at most.
const MAX_CACHED: usize = 1_024;

/// Encrypts and decrypts contents.
pub(crate) struct Sealing {
    pub key: SecretKey,
    data_keys: Option<Arc<dyn DataKeys>>,
    cached: Mutex<HashMap<Use, Cached>>,
}

/// Who uses which data key: the fingerprint of what names it, and the caller.
type Use = ([u8; 32], String);

#[derive(Clone)]
struct Cached {
    key: SecretKey,
    sealed: Arc<[u8]>,
    until: Instant,
}

/// A caller as far as KMS tells callers apart.
fn caller(context: &RequestContext) -> String {
    let who = match &context.principal {
        Principal::Service(name) => name.clone(),
        principal => principal.arn().unwrap_or_default(),
    };
    let key = context
        .facts
        .signature
        .as_ref()
        .map_or("", |signature| &signature.access_key_id);
    format!("{who} {key}")
}

fn fingerprint(parts: &[&[u8]]) -> [u8; 32] {
    let mut digest = Sha256::new();
    for part in parts {
        digest.update((part.len() as u64).to_be_bytes());
        digest.update(part);
    }
    digest.finalize().into()
}

fn bound_to(arn: &str) -> BTreeMap<String, String> {
    BTreeMap::from([("aws:sqs:arn".to_owned(), arn.to_owned())])
}

impl Sealing {
    pub(crate) fn new(key: SecretKey, data_keys: Option<Arc<dyn DataKeys>>) -> Self {
        Self {
            key,
            data_keys,
            cached: Mutex::default(),
        }
    }

    /// `plain` as it is kept.
    ///
    /// # Errors
    /// [`Error::Kms`] when the caller may not use the queue's key.
    pub(crate) async fn seal(
        &self,
        context: &RequestContext,
        name: &QueueName,
        queue: &Queue,
        plain: &[u8],
    ) -> Result<Bytes, Error> {
        let with = |kind: u8, bytes: &[u8]| {
            let mut out = Vec::with_capacity(1 + bytes.len());
            out.push(kind);
            out.extend_from_slice(bytes);
            Bytes::from(out)
        };
        if let Some(key_id) = queue.attributes.get("KmsMasterKeyId") {
            let arn = name.arn().to_string();
            let cached = self.generate(context, queue, key_id, &arn).await?;
            let body = cached.key.seal(PURPOSE, plain, &[])?;
            let mut out = Vec::with_capacity(5 + cached.sealed.len() + arn.len() + body.len());
            out.push(BY_KMS);
            for part in [&*cached.sealed, arn.as_bytes()] {
                // A sealed data key and an ARN have some hundred bytes.
                out.extend_from_slice(&(part.len() as u16).to_be_bytes());
                out.extend_from_slice(part);
            }
            out.extend_from_slice(&body);
            return Ok(out.into());
        }
        if queue
            .attributes
            .get("SqsManagedSseEnabled")
            .is_some_and(|value| value == "false")
        {
            return Ok(with(PLAIN, plain));
        }
        Ok(with(MANAGED, &self.key.seal(PURPOSE, plain, &[])?))
    }

    /// What [`Sealing::seal`] was given.
    ///
    /// # Errors
    /// [`Error::Kms`] when the caller may not use the key it is under.
    pub(crate) async fn open(&self, context: &RequestContext, queue: &Queue, kept: &[u8]) -> Result<Vec<u8>, Error> {
        let broken = || Error::internal("a message's content is damaged");
        let (kind, rest) = kept.split_first().ok_or_else(broken)?;
        match *kind {
            PLAIN => Ok(rest.to_vec()),
            MANAGED => Ok(std::mem::take(&mut *self.key.open(PURPOSE, rest, &[])?)),
            BY_KMS => {
                let (sealed, rest) = part(rest).ok_or_else(broken)?;
                let (arn, body) = part(rest).ok_or_else(broken)?;
                let arn = std::str::from_utf8(arn).map_err(|_| broken())?;
                let key = self.decrypt(context, queue, sealed, arn).await?;
                Ok(std::mem::take(&mut *key.open(PURPOSE, body, &[])?))
            }
            _ => Err(broken()),
        }
    }

    async fn generate(
        &self,
        context: &RequestContext,
        queue: &Queue,
        key_id: &str,
        arn: &str,
    ) -> Result<Cached, Error> {
        let place = (
            fingerprint(&[b"generate", arn.as_bytes(), key_id.as_bytes()]),
            caller(context),
        );
        if let Some(found) = self.cached(&place) {
            return Ok(found);
        }
        let bound = bound_to(arn);
        let usage = KeyUse {
            service: "sqs",
            encryption_context: &bound,
        };
        // What AWS would manage for the service is asked for by no name.
        let named = Some(key_id).filter(|id| *id != "alias/aws/sqs");
        let made = self.kms()?.generate(context, named, usage).await.map_err(Error::Kms)?;
        let key =
            SecretKey::from_bytes(made.plain.expose()).ok_or_else(|| Error::internal("a data key of 256 bits"))?;
        Ok(self.remember(place, queue, key, &made.sealed))
    }

    async fn decrypt(
        &self,
        context: &RequestContext,
        queue: &Queue,
        sealed: &[u8],
        arn: &str,
    ) -> Result<SecretKey, Error> {
        let place = (fingerprint(&[b"decrypt", arn.as_bytes(), sealed]), caller(context));
        if let Some(found) = self.cached(&place) {
            return Ok(found.key);
        }
        let bound = bound_to(arn);
        let usage = KeyUse {
            service: "sqs",
            encryption_context: &bound,
        };
        let plain = self.kms()?.decrypt(context, sealed, usage).await.map_err(Error::Kms)?;
        let key = SecretKey::from_bytes(plain.expose()).ok_or_else(|| Error::internal("a data key of 256 bits"))?;
        Ok(self.remember(place, queue, key, sealed).key)
    }

    fn kms(&self) -> Result<&Arc<dyn DataKeys>, Error> {
        self.data_keys.as_ref().ok_or_else(|| {
            Error::Kms(ServiceError::client(
                "NotFoundException",
                400,
                "This platform has no KMS, so queues cannot be encrypted under its keys.",
            ))
        })
    }

    fn cached(&self, place: &Use) -> Option<Cached> {
        let cached = self.cached.lock().unwrap_or_else(PoisonError::into_inner);
        cached.get(place).filter(|found| found.until > Instant::now()).cloned()
    }

    fn remember(&self, place: Use, queue: &Queue, key: SecretKey, sealed: &[u8]) -> Cached {
        let seconds = u64::try_from(queue.number("KmsDataKeyReusePeriodSeconds")).unwrap_or(0);
        let now = Instant::now();
        let found = Cached {
            key,
            sealed: sealed.into(),
            until: now + Duration::from_secs(seconds),
        };
        let mut cached = self.cached.lock().unwrap_or_else(PoisonError::into_inner);
        if cached.len() >= MAX_CACHED {
            cached.retain(|_, found| found.until > now);
        }
        if cached.len() >= MAX_CACHED {
            cached.clear();
        }
        cached.insert(place, found.clone());
        found
    }
}

/// A part with its length before it, and what is behind.
fn part(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (length, rest) = bytes.split_first_chunk::<2>()?;
    rest.split_at_checked(usize::from(u16::from_be_bytes(*length)))
}
