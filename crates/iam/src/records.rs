//! What the store holds of IAM: its own types, apart from the API's shapes, so that neither binds the other.
//!
//! Written as JSON; a member that is new gets a default, so that records of older versions stay readable. The largest, a
//! role with everything that the quotas allow, has some 40 kB.

use crate::{IamError, Result};
use bytes::Bytes;
use danbi_core::{AccountId, Timestamp};
use danbi_store::{Direction, KeyRange, Page, Snapshot, StoreError, Transaction};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::future::Future;

/// What has policies of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Kind {
    User,
    Group,
    Role,
}

impl Kind {
    /// As in ARNs and keys.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::User => "user",
            Self::Group => "group",
            Self::Role => "role",
        }
    }

    /// As in messages.
    pub(crate) const fn title(self) -> &'static str {
        match self {
            Self::User => "User",
            Self::Group => "Group",
            Self::Role => "Role",
        }
    }

    /// What its unique ids begin with.
    /// Source: <https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_identifiers.html>.
    pub(crate) const fn id_prefix(self) -> &'static str {
        match self {
            Self::User => "AIDA",
            Self::Group => "AGPA",
            Self::Role => "AROA",
        }
    }

    pub(crate) fn parse(text: &str) -> Option<Self> {
        [Self::User, Self::Group, Self::Role]
            .into_iter()
            .find(|kind| kind.as_str() == text)
    }
}

/// Tags in the order in which they were given; no two keys differ in case alone.
pub(crate) type Tags = Vec<(String, String)>;

/// A user, group or role.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Identity {
    pub kind: Kind,
    pub name: String,
    /// Begins and ends with a slash.
    pub path: String,
    /// `AIDA…`, `AGPA…`, `AROA…`: never used twice, so that what was granted to somebody is not granted to who later has
    /// the same name.
    pub id: String,
    pub created: Timestamp,
    /// Inline policies by name, JSON text as it was given.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub inline: BTreeMap<String, String>,
    /// ARNs of the attached managed policies, in the order in which they were attached.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub attached: Vec<String>,
    /// ARN of the permissions boundary.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub boundary: Option<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tags: Tags,
    /// Of a user: its groups.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub groups: Vec<String>,
    /// Of a user: its access key ids, oldest first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub keys: Vec<String>,
    /// Of a role: what only roles have.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub role: Option<RoleFacts>,
}

/// What only roles have.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct RoleFacts {
    /// Who may assume it: JSON text as it was given.
    pub trust: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// The longest session, in seconds.
    pub max_session: i32,
    /// The service that a service-linked role belongs to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub service: Option<String>,
}

impl Identity {
    pub(crate) fn arn(&self, account: &AccountId) -> String {
        format!(
            "arn:aws:iam::{account}:{}{}{}",
            self.kind.as_str(),
            self.path,
            self.name
        )
    }

    /// What only roles have; a group or user has nothing of it.
    pub(crate) fn role(&self) -> Result<&RoleFacts> {
        self.role.as_ref().ok_or(IamError::Record)
    }

    pub(crate) fn role_mut(&mut self) -> Result<&mut RoleFacts> {
        self.role.as_mut().ok_or(IamError::Record)
    }
}

/// A customer-managed policy.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct ManagedPolicy {
    pub name: String,
    pub path: String,
    /// `ANPA…`.
    pub id: String,
    pub created: Timestamp,
    pub updated: Timestamp,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tags: Tags,
    /// At most five, oldest first.
    pub versions: Vec<PolicyVersion>,
    /// The number of the default version, which is the one that counts.
    pub default: u64,
    /// The number of the version made last.
    pub last: u64,
}

impl ManagedPolicy {
    pub(crate) fn arn(&self, account: &AccountId) -> String {
        format!("arn:aws:iam::{account}:policy{}{}", self.path, self.name)
    }

    /// The document of the version that counts.
    pub(crate) fn document(&self) -> Option<&str> {
        let default = self.versions.iter().find(|version| version.number == self.default);
        default.map(|version| version.document.as_str())
    }
}

/// A version of a managed policy.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct PolicyVersion {
    pub number: u64,
    pub document: String,
    pub created: Timestamp,
}

/// How often an account uses a managed policy.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Usage {
    pub attached: u32,
    pub boundaries: u32,
}

/// An access key. Its secret is not in it: it is made anew from the platform's key, the id and the salt.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct AccessKey {
    pub account: AccountIdText,
    pub user: String,
    pub user_id: String,
    pub active: bool,
    pub created: Timestamp,
    /// Random, hexadecimal.
    pub salt: String,
}

/// An account id as text, because ids from elsewhere are parsed where they are used.
pub(crate) type AccountIdText = String;

/// When and where an access key was last used.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct LastUsed {
    pub at: Timestamp,
    pub service: String,
    pub region: String,
}

/// An instance profile.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Profile {
    pub name: String,
    pub path: String,
    /// `AIPA…`.
    pub id: String,
    pub created: Timestamp,
    /// The one role that it may have.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub role: Option<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tags: Tags,
}

/// An OpenID Connect provider.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Provider {
    /// Without the scheme.
    pub url: String,
    pub created: Timestamp,
    #[serde(default)]
    pub clients: Vec<String>,
    #[serde(default)]
    pub thumbprints: Vec<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tags: Tags,
}

/// How many there are of each kind.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Counts {
    pub users: u32,
    pub groups: u32,
    pub roles: u32,
    pub policies: u32,
    pub profiles: u32,
    pub providers: u32,
}

/// What reads: a snapshot, or a transaction that remembers what it read.
pub(crate) trait View: Sync {
    fn value(&self, key: &[u8]) -> impl Future<Output = Result<Option<Bytes>, StoreError>> + Send;

    fn page(&self, range: KeyRange, limit: usize) -> impl Future<Output = Result<Page, StoreError>> + Send;

    /// The record under `key`, if there is one.
    fn record<T: DeserializeOwned + Send>(&self, key: &[u8]) -> impl Future<Output = Result<Option<T>>> + Send {
        async move { self.value(key).await?.map(|value| decode(&value)).transpose() }
    }

    /// Whether nothing is in the range.
    fn is_empty(&self, prefix: Bytes) -> impl Future<Output = Result<bool>> + Send {
        async move { Ok(self.page(KeyRange::prefix(prefix), 1).await?.entries.is_empty()) }
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

pub(crate) fn decode<T: DeserializeOwned>(value: &[u8]) -> Result<T> {
    serde_json::from_slice(value).map_err(|error| {
        tracing::error!(%error, "a record of IAM cannot be read");
        IamError::Record
    })
}

/// Writes a record.
pub(crate) fn put<T: Serialize>(tx: &Transaction, key: &[u8], record: &T) -> Result<()> {
    let bytes = serde_json::to_vec(record).map_err(|_| IamError::Record)?;
    Ok(tx.put(key, bytes)?)
}

/// The user, group or role of this very name: keys do not mind the case of letters, callers must.
pub(crate) async fn find(view: &impl View, account: &AccountId, kind: Kind, name: &str) -> Result<Option<Identity>> {
    let found: Option<Identity> = view.record(&keys_of(account, kind, name)).await?;
    Ok(found.filter(|found| found.name == name))
}

/// The same, or AWS's error.
pub(crate) async fn get(view: &impl View, account: &AccountId, kind: Kind, name: &str) -> Result<Identity> {
    let found = find(view, account, kind, name).await?;
    found.ok_or_else(|| {
        let kind = kind.as_str();
        IamError::NoSuchEntity(format!("The {kind} with name {name} cannot be found."))
    })
}

/// Writes a user, group or role back.
pub(crate) fn save(tx: &Transaction, account: &AccountId, identity: &Identity) -> Result<()> {
    put(tx, &keys_of(account, identity.kind, &identity.name), identity)
}

fn keys_of(account: &AccountId, kind: Kind, name: &str) -> Bytes {
    crate::keys::identity(account, kind, name)
}
