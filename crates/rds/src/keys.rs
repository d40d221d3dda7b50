//! Where everything lies in the store.
//!
//! | key | value |
//! |---|---|
//! | `rds, KIND, account, region, name` | what users name: instances, clusters, snapshots, groups ([`Kind`]) |
//! | `rds, number` | the last number given to a database |
//! | `rds, base, resource id, millisecond` | an automatic backup |
//! | `rds, log, resource id, file, offset` | an archived piece of a binary log |
//! | `rds, event, account, region, millisecond, random` | what happened |
//! | `rds, blob, hash, owner` | that a blob is in use |

use bytes::Bytes;
use danbi_blobs::BlobId;
use danbi_core::Scope;
use danbi_store::KeyRange;
use danbi_store::key::{KeyBuilder, KeyError, KeyReader};

/// What users name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Instance,
    Cluster,
    Snapshot,
    ClusterSnapshot,
    ParameterGroup,
    ClusterParameterGroup,
    SubnetGroup,
}

impl Kind {
    fn text(self) -> &'static str {
        match self {
            Self::Instance => "instance",
            Self::Cluster => "cluster",
            Self::Snapshot => "snapshot",
            Self::ClusterSnapshot => "cluster-snapshot",
            Self::ParameterGroup => "parameter-group",
            Self::ClusterParameterGroup => "cluster-parameter-group",
            Self::SubnetGroup => "subnet-group",
        }
    }

    /// How ARNs call it.
    pub(crate) fn in_arn(self) -> &'static str {
        match self {
            Self::Instance => "db",
            Self::Cluster => "cluster",
            Self::Snapshot => "snapshot",
            Self::ClusterSnapshot => "cluster-snapshot",
            Self::ParameterGroup => "pg",
            Self::ClusterParameterGroup => "cluster-pg",
            Self::SubnetGroup => "subgrp",
        }
    }

    pub(crate) const ALL: [Self; 7] = [
        Self::Instance,
        Self::Cluster,
        Self::Snapshot,
        Self::ClusterSnapshot,
        Self::ParameterGroup,
        Self::ClusterParameterGroup,
        Self::SubnetGroup,
    ];
}

fn root() -> KeyBuilder {
    KeyBuilder::new().str("rds")
}

fn of_kind(kind: Kind, scope: &Scope) -> KeyBuilder {
    root()
        .str(kind.text())
        .str(scope.account.as_str())
        .str(scope.region.as_str())
}

pub(crate) fn named(kind: Kind, scope: &Scope, name: &str) -> Bytes {
    of_kind(kind, scope).str(name).build()
}

pub(crate) fn all_named(kind: Kind, scope: &Scope) -> KeyRange {
    KeyRange::prefix(of_kind(kind, scope).build())
}

/// Of all accounts and regions.
pub(crate) fn everywhere(kind: Kind) -> KeyRange {
    KeyRange::prefix(root().str(kind.text()).build())
}

pub(crate) fn number() -> Bytes {
    root().str("number").build()
}

pub(crate) fn base(resource: &str, taken: i64) -> Bytes {
    root().str("base").str(resource).i64(taken).build()
}

pub(crate) fn bases(resource: &str) -> KeyRange {
    KeyRange::prefix(root().str("base").str(resource).build())
}

pub(crate) fn log(resource: &str, file: u64, from: u64) -> Bytes {
    root().str("log").str(resource).u64(file).u64(from).build()
}

pub(crate) fn logs(resource: &str) -> KeyRange {
    KeyRange::prefix(root().str("log").str(resource).build())
}

pub(crate) fn logs_from(resource: &str, file: u64) -> KeyRange {
    match file.checked_sub(1) {
        Some(before) => logs(resource).after(&log(resource, before, u64::MAX)),
        None => logs(resource),
    }
}

fn events_of(account: &str, region: &str) -> KeyBuilder {
    root().str("event").str(account).str(region)
}

pub(crate) fn event(scope: &Scope, at: i64, number: &str) -> Bytes {
    events_of(scope.account.as_str(), scope.region.as_str())
        .i64(at)
        .str(number)
        .build()
}

/// Those of a scope from one millisecond to another, both included.
pub(crate) fn events(scope: &Scope, from: i64, to: i64) -> KeyRange {
    let key = |at: i64| events_of(scope.account.as_str(), scope.region.as_str()).i64(at).build();
    KeyRange::new(key(from), key(to.saturating_add(1)))
}

pub(crate) fn all_events() -> KeyRange {
    KeyRange::prefix(root().str("event").build())
}

/// Of the account and region of the event with this key: all events, and those before a millisecond.
pub(crate) fn events_beside(key: &[u8], before: i64) -> Result<(KeyRange, KeyRange), KeyError> {
    let everywhere = all_events();
    let mut reader = KeyReader::after_prefix(key, everywhere.start())?;
    let scope = events_of(&reader.str()?, &reader.str()?);
    let all = KeyRange::prefix(scope.clone().build());
    let old = all.clone().before(&scope.i64(before).build());
    Ok((all, old))
}

pub(crate) fn blob(id: &BlobId, owner: &str) -> Bytes {
    root().str("blob").bytes(id.as_bytes()).str(owner).build()
}

pub(crate) fn users_of_blob(id: &BlobId) -> KeyRange {
    KeyRange::prefix(root().str("blob").bytes(id.as_bytes()).build())
}
