//! What the store holds of a key, and what follows from it.

use crate::error::{Error, Result};
use crate::names;
use crate::shapes::{KeyMetadata, MultiRegionConfiguration, MultiRegionKey};
use crate::spec::{KeySpec, KeyUsage};
use bytes::Bytes;
use danbi_core::{Scope, Timestamp};
use danbi_store::{Direction, KeyRange, Page, Snapshot, StoreError, Transaction};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::future::Future;

/// A key of KMS, with all its material.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Key {
    pub id: String,
    #[serde(default)]
    pub description: String,
    pub spec: KeySpec,
    pub usage: KeyUsage,
    /// Whether its material was made here; else it is imported (`EXTERNAL`).
    pub made_here: bool,
    /// The service that it is managed for (`s3`); none for a customer's key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub managed_for: Option<String>,
    pub created: Timestamp,
    /// Whether it was disabled.
    #[serde(default)]
    pub disabled: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deletion: Option<Deletion>,
    pub policy: String,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub tags: BTreeMap<String, String>,
    /// Oldest first; those with `pending` after the current one.
    #[serde(default)]
    pub materials: Vec<Material>,
    /// Of a multi-region key, at the primary alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rotation: Option<Rotation>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub regions: Option<Regions>,
    /// How many grants there are, so that who has none need not look.
    #[serde(default)]
    pub grants: u32,
    /// The place in the table `due`, if time will do something to the key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub due: Option<Timestamp>,
}

/// A key that is to be removed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Deletion {
    pub window_days: i32,
    /// When; none while replicas of it are still there, which it waits for.
    pub at: Option<Timestamp>,
}

/// Automatic rotation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Rotation {
    pub period_days: i32,
    pub next: Timestamp,
}

/// The related keys of a multi-region key, in all regions alike.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Regions {
    pub primary: String,
    pub replicas: BTreeSet<String>,
}

/// One generation of key material.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Material {
    /// 64 hexadecimal digits.
    pub id: String,
    /// Sealed under the master key; none when imported material was deleted or has expired.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sealed: Option<String>,
    /// The public half of an asymmetric key: `SubjectPublicKeyInfo`, base64.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub public: Option<String>,
    /// Whether it waits for a rotation that makes it the current one.
    #[serde(default, skip_serializing_if = "is_false")]
    pub pending: bool,
    /// When a rotation made it the current one, and whether somebody asked for that.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rotated: Option<(Timestamp, bool)>,
    /// Until when imported material may be used; none when for good.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub valid_to: Option<Timestamp>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
}

/// An alias.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Alias {
    /// The id of the key that it is for.
    pub target: String,
    pub created: Timestamp,
    pub updated: Timestamp,
}

/// `KeyState`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum KeyState {
    Enabled,
    Disabled,
    PendingImport,
    PendingDeletion,
    PendingReplicaDeletion,
}

impl KeyState {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Enabled => "Enabled",
            Self::Disabled => "Disabled",
            Self::PendingImport => "PendingImport",
            Self::PendingDeletion => "PendingDeletion",
            Self::PendingReplicaDeletion => "PendingReplicaDeletion",
        }
    }
}

impl Material {
    /// Whether it can be used at `now`.
    pub(crate) fn is_there(&self, now: Timestamp) -> bool {
        self.sealed.is_some() && self.valid_to.is_none_or(|until| now < until)
    }
}

impl Key {
    pub(crate) fn arn(&self, scope: &Scope) -> String {
        names::key_arn(scope, &self.id)
    }

    pub(crate) fn state(&self, now: Timestamp) -> KeyState {
        match self.deletion {
            Some(Deletion { at: None, .. }) => return KeyState::PendingReplicaDeletion,
            Some(_) => return KeyState::PendingDeletion,
            None => {}
        }
        if !self.current().is_some_and(|material| material.is_there(now)) {
            return KeyState::PendingImport;
        }
        if self.disabled {
            KeyState::Disabled
        } else {
            KeyState::Enabled
        }
    }

    /// The material that encrypts and signs; it may be gone.
    pub(crate) fn current(&self) -> Option<&Material> {
        self.materials.iter().rev().find(|material| !material.pending)
    }

    /// Makes sure that the key may be used.
    ///
    /// # Errors
    /// `DisabledException`, `KMSInvalidStateException`.
    pub(crate) fn check_enabled(&self, scope: &Scope, now: Timestamp) -> Result<()> {
        let arn = || self.arn(scope);
        match self.state(now) {
            KeyState::Enabled => Ok(()),
            KeyState::Disabled => Err(Error::client("DisabledException", format!("{} is disabled.", arn()))),
            KeyState::PendingImport => Err(Error::state(format!("{} is pending import.", arn()))),
            KeyState::PendingDeletion => Err(Error::state(format!("{} is pending deletion.", arn()))),
            KeyState::PendingReplicaDeletion => Err(Error::state(format!("{} is pending replica deletion.", arn()))),
        }
    }

    /// Makes sure that the key is not on its way out.
    ///
    /// # Errors
    /// `KMSInvalidStateException`.
    pub(crate) fn check_not_doomed(&self, scope: &Scope) -> Result<()> {
        if self.deletion.is_none() {
            return Ok(());
        }
        Err(Error::state(format!("{} is pending deletion.", self.arn(scope))))
    }

    /// Makes sure that the key is for this operation.
    ///
    /// # Errors
    /// `InvalidKeyUsageException`.
    pub(crate) fn check_usage(&self, scope: &Scope, usage: KeyUsage, operation: &str) -> Result<()> {
        if self.usage == usage {
            return Ok(());
        }
        Err(Error::usage(format!(
            "{} key usage is {} which is not valid for {operation}.",
            self.arn(scope),
            self.usage.name()
        )))
    }

    /// Makes sure that the key's spec has the algorithm.
    ///
    /// # Errors
    /// `InvalidKeyUsageException`.
    pub(crate) fn check_algorithm(&self, algorithm: &str) -> Result<()> {
        if self.spec.algorithms(self.usage).contains(&algorithm) {
            return Ok(());
        }
        Err(Error::usage(format!(
            "Algorithm {algorithm} is incompatible with key spec {}.",
            self.spec.name()
        )))
    }

    /// `Origin`.
    pub(crate) fn origin(&self) -> &'static str {
        if self.made_here { "AWS_KMS" } else { "EXTERNAL" }
    }

    /// When time will next do something to the key.
    pub(crate) fn next_due(&self) -> Option<Timestamp> {
        if let Some(deletion) = self.deletion {
            return deletion.at;
        }
        let rotation = self.rotation.map(|rotation| rotation.next);
        let there = self.materials.iter().filter(|material| material.sealed.is_some());
        let expiry = there.filter_map(|material| material.valid_to).min();
        [rotation, expiry].into_iter().flatten().min()
    }

    pub(crate) fn metadata(&self, scope: &Scope, now: Timestamp) -> KeyMetadata {
        let state = self.state(now);
        let of_usage = |usage: KeyUsage| {
            let listed = self.spec.algorithms(self.usage).iter().map(|name| (*name).to_owned());
            (self.usage == usage).then(|| listed.collect::<Vec<_>>())
        };
        let current = self.current();
        let imported = current.filter(|material| !self.made_here && material.is_there(now));
        KeyMetadata {
            aws_account_id: Some(scope.account.to_string()),
            key_id: self.id.clone(),
            arn: Some(self.arn(scope)),
            creation_date: Some(self.created),
            enabled: Some(state == KeyState::Enabled),
            description: Some(self.description.clone()),
            key_usage: Some(self.usage.name().into()),
            key_state: Some(state.name().into()),
            deletion_date: self.deletion.and_then(|deletion| deletion.at),
            pending_deletion_window_in_days: self
                .deletion
                .filter(|deletion| deletion.at.is_none())
                .map(|deletion| deletion.window_days),
            valid_to: imported.and_then(|material| material.valid_to),
            origin: Some(self.origin().into()),
            expiration_model: imported.map(|material| expiration_model(material).into()),
            key_manager: Some(if self.managed_for.is_some() { "AWS" } else { "CUSTOMER" }.into()),
            customer_master_key_spec: Some(self.spec.name().into()),
            key_spec: Some(self.spec.name().into()),
            encryption_algorithms: of_usage(KeyUsage::Encrypt),
            signing_algorithms: of_usage(KeyUsage::Sign),
            key_agreement_algorithms: of_usage(KeyUsage::Agree),
            mac_algorithms: of_usage(KeyUsage::Mac),
            multi_region: Some(self.regions.is_some()),
            multi_region_configuration: self.regions.as_ref().map(|regions| regions.shown(scope, &self.id)),
            current_key_material_id: current
                .filter(|_| self.spec == KeySpec::Symmetric)
                .map(|material| material.id.clone()),
            ..KeyMetadata::default()
        }
    }
}

/// `ExpirationModel`.
pub(crate) fn expiration_model(material: &Material) -> &'static str {
    match material.valid_to {
        Some(_) => "KEY_MATERIAL_EXPIRES",
        None => "KEY_MATERIAL_DOES_NOT_EXPIRE",
    }
}

impl Regions {
    fn shown(&self, scope: &Scope, id: &str) -> MultiRegionConfiguration {
        let key = |region: &String| {
            let arn = format!("arn:aws:kms:{region}:{}:key/{id}", scope.account);
            MultiRegionKey {
                arn: Some(arn),
                region: Some(region.clone()),
            }
        };
        let is_primary = scope.region.as_str() == self.primary;
        MultiRegionConfiguration {
            multi_region_key_type: Some(if is_primary { "PRIMARY" } else { "REPLICA" }.into()),
            primary_key: Some(key(&self.primary)),
            replica_keys: Some(self.replicas.iter().map(key).collect()),
        }
    }

    /// All regions with a related key.
    pub(crate) fn all(&self) -> impl Iterator<Item = &String> {
        std::iter::once(&self.primary).chain(&self.replicas)
    }
}

fn is_false(value: &bool) -> bool {
    !value
}

/// A record as a value of the store.
pub(crate) fn encode(record: &impl Serialize) -> Result<Vec<u8>> {
    serde_json::to_vec(record).map_err(|error| Error::Damaged(format!("a record cannot be written: {error}")))
}

/// A record from a value of the store.
pub(crate) fn decode<T: DeserializeOwned>(value: &[u8]) -> Result<T> {
    serde_json::from_slice(value).map_err(|error| Error::Damaged(format!("a record cannot be read: {error}")))
}

/// A consistent view of the store: a snapshot, or a transaction.
pub(crate) trait View: Sync {
    fn value(&self, key: &[u8]) -> impl Future<Output = Result<Option<Bytes>, StoreError>> + Send;

    fn page(&self, range: KeyRange, limit: usize) -> impl Future<Output = Result<Page, StoreError>> + Send;

    /// The record under `key`, if there is one.
    fn record<T: DeserializeOwned + Send>(&self, key: &[u8]) -> impl Future<Output = Result<Option<T>>> + Send {
        async move { self.value(key).await?.map(|value| decode(&value)).transpose() }
    }
}

impl View for Snapshot {
    async fn value(&self, key: &[u8]) -> Result<Option<Bytes>, StoreError> {
        self.get(key).await
    }

    async fn page(&self, range: KeyRange, limit: usize) -> Result<Page, StoreError> {
        self.scan(range, Direction::Forward, limit).await
    }
}

impl View for Transaction {
    async fn value(&self, key: &[u8]) -> Result<Option<Bytes>, StoreError> {
        self.get(key).await
    }

    async fn page(&self, range: KeyRange, limit: usize) -> Result<Page, StoreError> {
        self.scan(range, Direction::Forward, limit).await
    }
}
