//! Who else may restore a snapshot. It is kept and told; this platform has one account, so nobody else asks.

use super::load;
use crate::keys::{self, Kind};
use crate::records::{self, SnapshotRecord, encode};
use crate::shapes::*;
use crate::{Error, Rds, Result};
use danbi_core::{RequestContext, Scope};
use std::sync::Arc;

/// The one attribute that there is.
const RESTORE: &str = "restore";
/// Accounts with which a snapshot may be shared.
const MOST: usize = 20;

fn is_account(value: &str) -> bool {
    value == "all" || (value.len() == 12 && value.bytes().all(|byte| byte.is_ascii_digit()))
}

async fn shared(
    rds: &Rds,
    kind: Kind,
    scope: &Scope,
    name: &str,
    attribute: &str,
    [added, removed]: [Option<Vec<String>>; 2],
) -> Result<SnapshotRecord> {
    if attribute != RESTORE {
        return Err(Error::invalid(format!("Invalid snapshot attribute: {attribute}")));
    }
    let (added, removed) = (added.unwrap_or_default(), removed.unwrap_or_default());
    if let Some(wrong) = added.iter().chain(&removed).find(|value| !is_account(value)) {
        return Err(Error::invalid(format!(
            "Invalid value for the attribute restore: {wrong}"
        )));
    }
    let found = load(rds, kind, scope, name).await?;
    super::must_be_whole(&found)?;
    let key = keys::named(kind, &found.scope, &found.name);
    let (key, added, removed) = (&key, &added, &removed);
    rds.store
        .transact(async |tx| {
            let record = records::read::<SnapshotRecord>(&tx, key).await?;
            let mut record = record.ok_or_else(|| super::missing(kind, name))?;
            record
                .shared_with
                .retain(|one| !removed.contains(one) && !added.contains(one));
            record.shared_with.extend(added.iter().cloned());
            record.shared_with.sort_unstable();
            record.shared_with.dedup();
            if record.shared_with.len() > MOST {
                return Err(Error::Aws(
                    "SharedSnapshotQuotaExceeded",
                    400,
                    format!("A snapshot can be shared with at most {MOST} accounts."),
                ));
            }
            tx.put(key, encode(&record)?)?;
            Ok(record)
        })
        .await
}

fn of_instance(record: SnapshotRecord) -> DBSnapshotAttributesResult {
    DBSnapshotAttributesResult {
        db_snapshot_identifier: Some(record.name),
        db_snapshot_attributes: Some(vec![DBSnapshotAttribute {
            attribute_name: Some(RESTORE.to_owned()),
            attribute_values: Some(record.shared_with),
        }]),
    }
}

fn of_cluster(record: SnapshotRecord) -> DBClusterSnapshotAttributesResult {
    DBClusterSnapshotAttributesResult {
        db_cluster_snapshot_identifier: Some(record.name),
        db_cluster_snapshot_attributes: Some(vec![DBClusterSnapshotAttribute {
            attribute_name: Some(RESTORE.to_owned()),
            attribute_values: Some(record.shared_with),
        }]),
    }
}

pub(crate) async fn describe_instance(
    rds: Arc<Rds>,
    context: RequestContext,
    input: DescribeDBSnapshotAttributesMessage,
) -> Result<DescribeDBSnapshotAttributesResult> {
    let record = load(&rds, Kind::Snapshot, &context.scope, &input.db_snapshot_identifier).await?;
    Ok(DescribeDBSnapshotAttributesResult {
        db_snapshot_attributes_result: Some(of_instance(record)),
    })
}

pub(crate) async fn modify_instance(
    rds: Arc<Rds>,
    context: RequestContext,
    input: ModifyDBSnapshotAttributeMessage,
) -> Result<ModifyDBSnapshotAttributeResult> {
    let changes = [input.values_to_add, input.values_to_remove];
    let (name, attribute) = (&input.db_snapshot_identifier, &input.attribute_name);
    let record = shared(&rds, Kind::Snapshot, &context.scope, name, attribute, changes).await?;
    Ok(ModifyDBSnapshotAttributeResult {
        db_snapshot_attributes_result: Some(of_instance(record)),
    })
}

pub(crate) async fn describe_cluster(
    rds: Arc<Rds>,
    context: RequestContext,
    input: DescribeDBClusterSnapshotAttributesMessage,
) -> Result<DescribeDBClusterSnapshotAttributesResult> {
    let name = &input.db_cluster_snapshot_identifier;
    let record = load(&rds, Kind::ClusterSnapshot, &context.scope, name).await?;
    Ok(DescribeDBClusterSnapshotAttributesResult {
        db_cluster_snapshot_attributes_result: Some(of_cluster(record)),
    })
}

pub(crate) async fn modify_cluster(
    rds: Arc<Rds>,
    context: RequestContext,
    input: ModifyDBClusterSnapshotAttributeMessage,
) -> Result<ModifyDBClusterSnapshotAttributeResult> {
    let changes = [input.values_to_add, input.values_to_remove];
    let (name, attribute) = (&input.db_cluster_snapshot_identifier, &input.attribute_name);
    let record = shared(&rds, Kind::ClusterSnapshot, &context.scope, name, attribute, changes).await?;
    Ok(ModifyDBClusterSnapshotAttributeResult {
        db_cluster_snapshot_attributes_result: Some(of_cluster(record)),
    })
}
