//! What is kept of databases, snapshots and groups.

use crate::Result;
use crate::backup::{Image, Position};
use crate::engines::Family;
use bytes::Bytes;
use danbi_core::Scope;
use danbi_store::{Direction, KeyRange, Page, Store, Transaction};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Records of one page of a scan.
const PAGE: usize = 500;

/// Where a database is in its life. The states are AWS's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Status {
    Creating,
    Available,
    BackingUp,
    Modifying,
    Rebooting,
    Stopping,
    Stopped,
    Starting,
    Deleting,
    Failed,
}

impl Status {
    pub(crate) fn text(self) -> &'static str {
        match self {
            Self::Creating => "creating",
            Self::Available => "available",
            Self::BackingUp => "backing-up",
            Self::Modifying => "modifying",
            Self::Rebooting => "rebooting",
            Self::Stopping => "stopping",
            Self::Stopped => "stopped",
            Self::Starting => "starting",
            Self::Deleting => "deleting",
            Self::Failed => "failed",
        }
    }
}

/// What a database is made from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Source {
    /// Nothing: an empty data folder.
    Nothing,
    /// An image as it is.
    Image(Image),
    /// An image and the logs of `resource` after it, up to and with second `until`; all of them without one. They
    /// reached to `logs_to` when it was asked for.
    Moment {
        image: Image,
        resource: String,
        until: Option<i64>,
        #[serde(default)]
        logs_to: Option<Position>,
    },
}

/// A password that the platform made, and the name under which it is known to those who may use it.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Managed {
    pub(crate) arn: String,
    pub(crate) password: String,
}

impl Managed {
    /// A new secret for a database.
    pub(crate) fn new(scope: &Scope, is_cluster: bool) -> Self {
        let random = || uuid::Uuid::new_v4().simple().to_string();
        let kind = if is_cluster { "cluster" } else { "db" };
        Self {
            arn: format!(
                "arn:aws:secretsmanager:{}:{}:secret:rds!{kind}-{}-{}",
                scope.region,
                scope.account,
                uuid::Uuid::new_v4(),
                &random()[..6]
            ),
            password: random(),
        }
    }

    /// The same secret with another password.
    pub(crate) fn rotated(&self) -> Self {
        Self {
            arn: self.arn.clone(),
            password: uuid::Uuid::new_v4().simple().to_string(),
        }
    }
}

/// A DB instance or a DB cluster.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct Record {
    /// The identifier, lower-case.
    pub(crate) name: String,
    #[serde(with = "scope_text")]
    pub(crate) scope: Scope,
    pub(crate) is_cluster: bool,
    /// `db-…` or `cluster-…`; the folder of its files, too.
    pub(crate) resource: String,
    /// Its own among all databases of this platform.
    pub(crate) number: u32,
    /// Of an instance: the cluster that has the database.
    #[serde(default)]
    pub(crate) cluster: Option<String>,
    pub(crate) status: Status,
    /// Why it is `failed`.
    #[serde(default)]
    pub(crate) reason: Option<String>,
    /// Milliseconds since the epoch.
    pub(crate) created: i64,
    pub(crate) engine: String,
    pub(crate) version: String,
    pub(crate) class: String,
    /// Where clients connect on this machine.
    pub(crate) port: u16,
    pub(crate) db_name: Option<String>,
    pub(crate) master: String,
    /// What the server shall keep of a new master password, in MySQL's form, until it does.
    #[serde(default)]
    pub(crate) new_password: Option<String>,
    /// The master user's password, where the platform made it.
    #[serde(default)]
    pub(crate) managed: Option<Managed>,
    pub(crate) source: Source,
    pub(crate) storage_gib: i32,
    pub(crate) storage_type: String,
    pub(crate) retention_days: i32,
    pub(crate) backup_window: String,
    pub(crate) maintenance_window: String,
    pub(crate) deletion_protection: bool,
    pub(crate) multi_az: bool,
    pub(crate) public: bool,
    pub(crate) minor_upgrades: bool,
    pub(crate) copy_tags: bool,
    pub(crate) http_endpoint: bool,
    pub(crate) parameter_group: String,
    pub(crate) subnet_group: Option<String>,
    pub(crate) security_groups: Vec<String>,
    pub(crate) tags: BTreeMap<String, String>,
    /// Capacity units of Aurora Serverless: least, most, seconds until a pause.
    #[serde(default)]
    pub(crate) capacity: Option<(f64, f64, Option<i32>)>,
    /// The snapshot to take before it is deleted.
    #[serde(default)]
    pub(crate) final_snapshot: Option<String>,
}

impl Record {
    pub(crate) fn kind(&self) -> crate::keys::Kind {
        match self.is_cluster {
            true => crate::keys::Kind::Cluster,
            false => crate::keys::Kind::Instance,
        }
    }

    /// Which server it has.
    pub(crate) fn family(&self) -> Family {
        Family::of(&self.engine)
    }

    /// Whether it has files and a server of its own.
    pub(crate) fn has_server(&self) -> bool {
        self.cluster.is_none()
    }

    pub(crate) fn arn(&self) -> String {
        crate::names::arn(self.kind(), &self.scope, &self.name)
    }
}

/// A snapshot of an instance or a cluster.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct SnapshotRecord {
    pub(crate) name: String,
    #[serde(with = "scope_text")]
    pub(crate) scope: Scope,
    /// What it is of, as it was.
    pub(crate) of: Record,
    /// `manual` or `automated`.
    pub(crate) kind: String,
    /// `creating`, `available`, `deleting` or `failed`. One `creating` that has an image is a copy.
    pub(crate) status: String,
    pub(crate) created: i64,
    /// When the data was what it holds.
    pub(crate) original: i64,
    pub(crate) image: Option<Image>,
    #[serde(default)]
    pub(crate) copied_from: Option<String>,
    /// Accounts that may restore it, or `all`.
    #[serde(default)]
    pub(crate) shared_with: Vec<String>,
    pub(crate) tags: BTreeMap<String, String>,
}

impl SnapshotRecord {
    pub(crate) fn store_kind(&self) -> crate::keys::Kind {
        match self.of.is_cluster {
            true => crate::keys::Kind::ClusterSnapshot,
            false => crate::keys::Kind::Snapshot,
        }
    }
}

/// A parameter group or a subnet group.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct GroupRecord {
    pub(crate) name: String,
    #[serde(with = "scope_text")]
    pub(crate) scope: Scope,
    pub(crate) description: String,
    /// Of a parameter group.
    #[serde(default)]
    pub(crate) family: String,
    #[serde(default)]
    pub(crate) parameters: BTreeMap<String, String>,
    /// Of a subnet group.
    #[serde(default)]
    pub(crate) subnets: Vec<String>,
    pub(crate) tags: BTreeMap<String, String>,
}

/// A scope as `account/region`.
mod scope_text {
    use danbi_core::Scope;
    use serde::{Deserialize, Deserializer, Serializer, de::Error};

    pub(super) fn serialize<S: Serializer>(scope: &Scope, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&format_args!("{}/{}", scope.account, scope.region))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Scope, D::Error> {
        let text = String::deserialize(deserializer)?;
        let (account, region) = text.split_once('/').ok_or_else(|| D::Error::custom("no scope"))?;
        Ok(Scope {
            account: account.parse().map_err(D::Error::custom)?,
            region: region.parse().map_err(D::Error::custom)?,
        })
    }
}

pub(crate) fn encode<T: Serialize>(record: &T) -> Result<Bytes> {
    Ok(serde_json::to_vec(record)?.into())
}

pub(crate) fn decode<T: DeserializeOwned>(value: &[u8]) -> Result<T> {
    Ok(serde_json::from_slice(value)?)
}

/// A record in a transaction.
pub(crate) async fn read<T: DeserializeOwned>(tx: &Transaction, key: &[u8]) -> Result<Option<T>> {
    tx.get(key).await?.map(|value| decode(&value)).transpose()
}

/// A record as it is now.
pub(crate) async fn load<T: DeserializeOwned>(store: &Store, key: &[u8]) -> Result<Option<T>> {
    let snapshot = store.snapshot().await?;
    snapshot.get(key).await?.map(|value| decode(&value)).transpose()
}

/// The next entries of a range.
pub(crate) async fn page(store: &Store, range: &KeyRange) -> Result<Page> {
    let snapshot = store.snapshot().await?;
    Ok(snapshot.scan(range.clone(), Direction::Forward, PAGE).await?)
}

/// All records of a range that is bounded by what an account may have.
pub(crate) async fn all<T: DeserializeOwned>(store: &Store, range: KeyRange) -> Result<Vec<T>> {
    let mut range = range;
    let mut records = Vec::new();
    loop {
        let found = page(store, &range).await?;
        for (_, value) in &found.entries {
            records.push(decode(value)?);
        }
        match found.entries.last() {
            Some((last, _)) if found.more => range = range.after(last),
            _ => return Ok(records),
        }
    }
}
