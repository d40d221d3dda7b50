//! Snapshots of clusters.

use super::{Taken, begin, copied, load, removed};
use crate::describe::{page, passes, time};
use crate::keys::Kind;
use crate::records::{self, SnapshotRecord};
use crate::shapes::*;
use crate::{Error, Rds, Result, change, describe, keys, names};
use danbi_core::RequestContext;
use std::sync::Arc;

fn shape(record: &SnapshotRecord) -> DBClusterSnapshot {
    let of = &record.of;
    DBClusterSnapshot {
        availability_zones: Some(vec![format!("{}a", record.scope.region)]),
        db_cluster_snapshot_identifier: Some(record.name.clone()),
        db_cluster_identifier: Some(of.name.clone()),
        snapshot_create_time: Some(time(record.created)),
        engine: Some(of.engine.clone()),
        engine_mode: Some("provisioned".to_owned()),
        allocated_storage: Some(of.storage_gib),
        status: Some(record.status.clone()),
        // Of a cluster whose storage grows by itself.
        port: Some(0),
        cluster_create_time: Some(time(of.created)),
        master_username: Some(of.master.clone()),
        engine_version: Some(of.version.clone()),
        license_model: Some(of.family().license().to_owned()),
        snapshot_type: Some(record.kind.clone()),
        percent_progress: Some(if record.image.is_some() { 100 } else { 0 }),
        storage_encrypted: Some(false),
        db_cluster_snapshot_arn: Some(names::arn(Kind::ClusterSnapshot, &record.scope, &record.name)),
        source_db_cluster_snapshot_arn: record.copied_from.clone(),
        iam_database_authentication_enabled: Some(false),
        tag_list: Some(names::tag_list(&record.tags)),
        storage_type: Some(of.storage_type.clone()),
        db_cluster_resource_id: Some(of.resource.clone()),
        ..DBClusterSnapshot::default()
    }
}

pub(crate) async fn create(
    rds: Arc<Rds>,
    context: RequestContext,
    input: CreateDBClusterSnapshotMessage,
) -> Result<CreateDBClusterSnapshotResult> {
    let of = describe::load(&rds, Kind::Cluster, &context.scope, &input.db_cluster_identifier).await?;
    change::must_be_available(&of)?;
    let tags = names::tags(input.tags.as_ref())?;
    let record = begin(&rds, &of, &input.db_cluster_snapshot_identifier, tags).await?;
    super::take(&rds, &of, &record);
    Ok(CreateDBClusterSnapshotResult {
        db_cluster_snapshot: Some(shape(&record)),
    })
}

pub(crate) async fn copy(
    rds: Arc<Rds>,
    context: RequestContext,
    input: CopyDBClusterSnapshotMessage,
) -> Result<CopyDBClusterSnapshotResult> {
    let name = &input.source_db_cluster_snapshot_identifier;
    let source = load(&rds, Kind::ClusterSnapshot, &context.scope, name).await?;
    if input.kms_key_id.is_some() {
        return Err(Error::NotBuilt(
            "Encrypted snapshots of databases are not built here yet.".to_owned(),
        ));
    }
    let tags = Taken {
        tags: names::tags(input.tags.as_ref())?,
        copy_tags: input.copy_tags.unwrap_or(false),
    };
    let record = copied(&rds, source, &input.target_db_cluster_snapshot_identifier, tags).await?;
    Ok(CopyDBClusterSnapshotResult {
        db_cluster_snapshot: Some(shape(&record)),
    })
}

pub(crate) async fn delete(
    rds: Arc<Rds>,
    context: RequestContext,
    input: DeleteDBClusterSnapshotMessage,
) -> Result<DeleteDBClusterSnapshotResult> {
    let name = &input.db_cluster_snapshot_identifier;
    let record = load(&rds, Kind::ClusterSnapshot, &context.scope, name).await?;
    let mut gone = shape(&removed(&rds, record).await?);
    gone.status = Some("deleted".to_owned());
    Ok(DeleteDBClusterSnapshotResult {
        db_cluster_snapshot: Some(gone),
    })
}

pub(crate) async fn describe_all(
    rds: Arc<Rds>,
    context: RequestContext,
    input: DescribeDBClusterSnapshotsMessage,
) -> Result<DBClusterSnapshotMessage> {
    if let Some(name) = &input.db_cluster_snapshot_identifier {
        let record = load(&rds, Kind::ClusterSnapshot, &context.scope, name).await?;
        return Ok(DBClusterSnapshotMessage {
            marker: None,
            db_cluster_snapshots: Some(vec![shape(&record)]),
        });
    }
    let all = keys::all_named(Kind::ClusterSnapshot, &context.scope);
    let all: Vec<SnapshotRecord> = records::all(&rds.store, all).await?;
    let mut found = Vec::new();
    for record in all {
        let of = input
            .db_cluster_identifier
            .as_ref()
            .is_none_or(|name| name.eq_ignore_ascii_case(&record.of.name) || *name == record.of.arn());
        let id = input
            .db_cluster_resource_id
            .as_ref()
            .is_none_or(|id| *id == record.of.resource);
        let kind = input.snapshot_type.as_ref().is_none_or(|kind| *kind == record.kind);
        let wanted = passes(input.filters.as_ref(), |filter| match filter {
            "db-cluster-id" => Some(vec![record.of.name.clone(), record.of.arn()]),
            "db-cluster-snapshot-id" => Some(vec![record.name.clone()]),
            "snapshot-type" => Some(vec![record.kind.clone()]),
            "engine" => Some(vec![record.of.engine.clone()]),
            _ => None,
        })?;
        if of && id && kind && wanted {
            found.push((record.name.clone(), shape(&record)));
        }
    }
    let (snapshots, marker) = page(found, input.max_records, input.marker.as_ref())?;
    Ok(DBClusterSnapshotMessage {
        marker,
        db_cluster_snapshots: Some(snapshots),
    })
}
