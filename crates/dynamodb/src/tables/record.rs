//! What is kept of a table: everything but its items.

use crate::keys::{IndexId, TableId};
use danbi_core::{Arn, Scope, Timestamp};
use serde::{Deserialize, Serialize};

/// The type of a key attribute.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub(crate) enum KeyType {
    /// Text.
    S,
    /// A number.
    N,
    /// Bytes.
    B,
}

impl KeyType {
    /// The letter that DynamoDB uses.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::S => "S",
            Self::N => "N",
            Self::B => "B",
        }
    }
}

/// One attribute of a key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct KeyAttribute {
    /// The attribute's name.
    pub name: String,
    /// Its type.
    pub kind: KeyType,
}

/// The key of a table or of an index.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct KeySchema {
    /// The `HASH` attributes, in order: one, or up to four in a global index.
    pub partition: Vec<KeyAttribute>,
    /// The `RANGE` attributes, in order: none, one, or up to four in a global index.
    pub sort: Vec<KeyAttribute>,
}

impl KeySchema {
    /// All attributes, partition first.
    pub(crate) fn attributes(&self) -> impl Iterator<Item = &KeyAttribute> {
        self.partition.iter().chain(&self.sort)
    }

    /// Whether an attribute of this name belongs to the key.
    pub(crate) fn contains(&self, name: &str) -> bool {
        self.attributes().any(|attribute| attribute.name == name)
    }
}

/// Which attributes of an item an index holds besides the keys of table and index.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Projection {
    /// All of them.
    All,
    /// None.
    KeysOnly,
    /// These.
    Include(Vec<String>),
}

/// Where an index stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum IndexState {
    /// Holds every item that has its key.
    Active,
    /// Writers maintain it, and the backfill is adding the items from before. It cannot be read.
    Backfilling,
}

/// Capacity units.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub(crate) struct Throughput {
    /// Units a second.
    pub read: i64,
    /// Units a second.
    pub write: i64,
}

/// Caps of an on-demand table or index, in request units a second; −1 lifts one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub(crate) struct OnDemandLimits {
    /// `MaxReadRequestUnits`.
    pub read: Option<i64>,
    /// `MaxWriteRequestUnits`.
    pub write: Option<i64>,
}

/// A provisioned capacity and its history.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub(crate) struct Provisioned {
    /// What is provisioned; zero on demand.
    pub units: Throughput,
    /// `LastIncreaseDateTime`.
    pub increased: Option<Timestamp>,
    /// `LastDecreaseDateTime`.
    pub decreased: Option<Timestamp>,
    /// `NumberOfDecreasesToday`.
    pub decreases_today: i64,
}

/// A secondary index.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct IndexRecord {
    /// The index's number in store keys: unique within the table, never given again.
    pub id: IndexId,
    /// `IndexName`.
    pub name: String,
    /// Its key.
    pub key: KeySchema,
    /// What it holds.
    pub projection: Projection,
    /// Where it stands; a local index is always active.
    pub state: IndexState,
    /// Of a global index of a provisioned table.
    pub provisioned: Provisioned,
    /// Of a global index of an on-demand table.
    pub on_demand: Option<OnDemandLimits>,
    /// `WarmThroughput`, as asked for.
    pub warm: Option<Throughput>,
}

impl IndexRecord {
    /// Whether it may be queried and scanned.
    pub(crate) fn is_readable(&self) -> bool {
        self.state == IndexState::Active
    }
}

/// How reads and writes are paid for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum BillingMode {
    /// `PROVISIONED`.
    Provisioned,
    /// `PAY_PER_REQUEST`.
    OnDemand,
}

/// Which images of a changed item a stream record holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum StreamView {
    /// `KEYS_ONLY`.
    KeysOnly,
    /// `NEW_IMAGE`.
    NewImage,
    /// `OLD_IMAGE`.
    OldImage,
    /// `NEW_AND_OLD_IMAGES`.
    NewAndOldImages,
}

/// The stream that a table has now, or had last.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct StreamSettings {
    /// When it was switched on, as in its ARN: `2026-11-22T00:08:44.123`.
    pub label: String,
    /// The stream's number in store keys, drawn at random.
    pub number: u64,
    /// What its records hold.
    pub view: StreamView,
    /// Into how many shards its items are divided.
    pub shards: u32,
    /// Whether changes are still recorded.
    pub enabled: bool,
}

/// Where a table stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum TableState {
    /// It is being filled by a restore or an import, and cannot be read or written.
    Creating,
    /// It can be used.
    Active,
}

/// Time to live.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct TimeToLive {
    /// The attribute that holds the second since the epoch at which an item expires.
    pub attribute: String,
    /// The number of the list of expiring items in store keys: another one each time it is switched on.
    pub number: IndexId,
    /// When it was switched on.
    pub since: Timestamp,
}

/// `TableClass`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub(crate) enum TableClass {
    /// `STANDARD`.
    #[default]
    Standard,
    /// `STANDARD_INFREQUENT_ACCESS`.
    InfrequentAccess,
}

/// Point-in-time recovery.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Recovery {
    /// Old images are kept from here on.
    pub since: Timestamp,
    /// For how many days, 1 to 35.
    pub days: u32,
}

/// Where a table was restored from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct RestoredFrom {
    /// `SourceBackupArn`.
    pub backup_arn: Option<String>,
    /// `SourceTableArn`.
    pub table_arn: String,
    /// `RestoreDateTime`.
    pub at: Timestamp,
}

/// Everything that is known of a table except its items, tags, policy and counts.
///
/// Every transaction that writes items reads this record, so a change of it is a barrier: a write that began before
/// the change either commits before it or runs again and sees it. So nothing that changes often may live here.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct TableRecord {
    /// `TableId`: a table deleted and made again under the same name has another one.
    pub id: TableId,
    /// Account and region.
    #[serde(with = "scope")]
    pub scope: Scope,
    /// `TableName`.
    pub name: String,
    /// Grows with each change of the record.
    pub version: u64,
    /// Where it stands.
    pub state: TableState,
    /// When it was made.
    pub created: Timestamp,
    /// The key.
    pub key: KeySchema,
    /// `AttributeDefinitions`, in the order in which they were given.
    pub attributes: Vec<KeyAttribute>,
    /// In the order in which they were given.
    pub global_indexes: Vec<IndexRecord>,
    /// In the order in which they were given.
    pub local_indexes: Vec<IndexRecord>,
    /// The number that the next index, or list of expiring items, gets.
    pub next_index: IndexId,
    /// How it is paid for.
    pub billing: BillingMode,
    /// `BillingModeSummary` is shown once a table was on demand, with this time.
    pub on_demand_since: Option<Timestamp>,
    /// Provisioned capacity.
    pub provisioned: Provisioned,
    /// Caps of an on-demand table.
    pub on_demand: Option<OnDemandLimits>,
    /// `WarmThroughput`, as asked for.
    pub warm: Option<Throughput>,
    /// The stream.
    pub stream: Option<StreamSettings>,
    /// Time to live, when it is on.
    pub time_to_live: Option<TimeToLive>,
    /// Whether `DeleteTable` is refused.
    pub deletion_protection: bool,
    /// The class.
    pub class: TableClass,
    /// When the class was changed last.
    pub class_changed: Option<Timestamp>,
    /// The key of `SSEType: KMS`, when it was asked for; data is as safe as the disk in either case.
    pub kms_key: Option<String>,
    /// Point-in-time recovery, when it is on.
    pub recovery: Option<Recovery>,
    /// Copies (backups, exports, restores) that are being made of the table: while there are any, old images are kept.
    pub copies: u32,
    /// Where it was restored from.
    pub restored: Option<RestoredFrom>,
}

impl TableRecord {
    /// `TableArn`.
    pub(crate) fn arn(&self) -> Arn {
        Arn::new("dynamodb", &self.scope, format!("table/{}", self.name))
    }

    /// `IndexArn`.
    pub(crate) fn index_arn(&self, index: &str) -> Arn {
        Arn::new("dynamodb", &self.scope, format!("table/{}/index/{index}", self.name))
    }

    /// `StreamArn` of the stream with this label.
    pub(crate) fn stream_arn(&self, label: &str) -> Arn {
        Arn::new("dynamodb", &self.scope, format!("table/{}/stream/{label}", self.name))
    }

    /// Every index, global ones first: what a writer maintains.
    pub(crate) fn indexes(&self) -> impl Iterator<Item = &IndexRecord> {
        self.global_indexes.iter().chain(&self.local_indexes)
    }

    /// The index of this name.
    pub(crate) fn index(&self, name: &str) -> Option<&IndexRecord> {
        self.indexes().find(|index| index.name == name)
    }

    /// Whether the index of this name is a local one, whose partition key is the table's.
    pub(crate) fn is_local(&self, index: &IndexRecord) -> bool {
        self.local_indexes.iter().any(|local| local.id == index.id)
    }

    /// Whether old images of changed items are kept.
    pub(crate) fn keeps_history(&self) -> bool {
        self.recovery.is_some() || self.copies > 0
    }

    /// The stream, while changes are recorded in it.
    pub(crate) fn live_stream(&self) -> Option<&StreamSettings> {
        self.stream.as_ref().filter(|stream| stream.enabled)
    }

    /// Whether anything wants to know of changes ([`crate::changes`]): then a write must know the old item.
    pub(crate) fn records_changes(&self) -> bool {
        self.live_stream().is_some() || self.keeps_history() || self.time_to_live.is_some()
    }
}

/// A scope as a pair of names.
mod scope {
    use super::Scope;
    use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error};

    pub(super) fn serialize<S: Serializer>(scope: &Scope, serializer: S) -> Result<S::Ok, S::Error> {
        (scope.account.as_str(), scope.region.as_str()).serialize(serializer)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Scope, D::Error> {
        let (account, region) = <(String, String)>::deserialize(deserializer)?;
        Ok(Scope {
            account: account.parse().map_err(D::Error::custom)?,
            region: region.parse().map_err(D::Error::custom)?,
        })
    }
}
