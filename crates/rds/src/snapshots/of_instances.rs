//! Snapshots of instances.

use super::{Taken, begin, copied, load, removed};
use crate::describe::{page, passes, time};
use crate::keys::Kind;
use crate::records::{self, SnapshotRecord};
use crate::shapes::*;
use crate::{Error, Rds, Result, change, describe, keys, names};
use danbi_core::RequestContext;
use std::sync::Arc;

fn shape(record: &SnapshotRecord) -> DBSnapshot {
    let of = &record.of;
    DBSnapshot {
        db_snapshot_identifier: Some(record.name.clone()),
        db_instance_identifier: Some(of.name.clone()),
        snapshot_create_time: (record.status != "creating").then(|| time(record.created)),
        original_snapshot_create_time: (record.status != "creating").then(|| time(record.original)),
        engine: Some(of.engine.clone()),
        allocated_storage: Some(of.storage_gib),
        status: Some(record.status.clone()),
        port: Some(i32::from(of.port)),
        availability_zone: Some(format!("{}a", record.scope.region)),
        instance_create_time: Some(time(of.created)),
        master_username: Some(of.master.clone()),
        engine_version: Some(of.version.clone()),
        license_model: Some(of.family().license().to_owned()),
        snapshot_type: Some(record.kind.clone()),
        percent_progress: Some(if record.image.is_some() { 100 } else { 0 }),
        source_db_snapshot_identifier: record.copied_from.clone(),
        storage_type: Some(of.storage_type.clone()),
        encrypted: Some(false),
        db_snapshot_arn: Some(names::arn(Kind::Snapshot, &record.scope, &record.name)),
        iam_database_authentication_enabled: Some(false),
        dbi_resource_id: Some(of.resource.clone()),
        tag_list: Some(names::tag_list(&record.tags)),
        ..DBSnapshot::default()
    }
}

pub(crate) async fn create(
    rds: Arc<Rds>,
    context: RequestContext,
    input: CreateDBSnapshotMessage,
) -> Result<CreateDBSnapshotResult> {
    let of = describe::load(&rds, Kind::Instance, &context.scope, &input.db_instance_identifier).await?;
    change::must_be_available(&of)?;
    if of.cluster.is_some() {
        return Err(Error::instance_state(
            "The specified instance is a member of a cluster and a snapshot cannot be created directly.",
        ));
    }
    let tags = names::tags(input.tags.as_ref())?;
    let record = begin(&rds, &of, &input.db_snapshot_identifier, tags).await?;
    super::take(&rds, &of, &record);
    Ok(CreateDBSnapshotResult {
        db_snapshot: Some(shape(&record)),
    })
}

pub(crate) async fn copy(
    rds: Arc<Rds>,
    context: RequestContext,
    input: CopyDBSnapshotMessage,
) -> Result<CopyDBSnapshotResult> {
    let source = load(
        &rds,
        Kind::Snapshot,
        &context.scope,
        &input.source_db_snapshot_identifier,
    )
    .await?;
    if input.kms_key_id.is_some() {
        return Err(Error::NotBuilt(
            "Encrypted snapshots of databases are not built here yet.".to_owned(),
        ));
    }
    let tags = Taken {
        tags: names::tags(input.tags.as_ref())?,
        copy_tags: input.copy_tags.unwrap_or(false),
    };
    let record = copied(&rds, source, &input.target_db_snapshot_identifier, tags).await?;
    Ok(CopyDBSnapshotResult {
        db_snapshot: Some(shape(&record)),
    })
}

pub(crate) async fn delete(
    rds: Arc<Rds>,
    context: RequestContext,
    input: DeleteDBSnapshotMessage,
) -> Result<DeleteDBSnapshotResult> {
    let record = load(&rds, Kind::Snapshot, &context.scope, &input.db_snapshot_identifier).await?;
    let mut gone = shape(&removed(&rds, record).await?);
    gone.status = Some("deleted".to_owned());
    Ok(DeleteDBSnapshotResult {
        db_snapshot: Some(gone),
    })
}

pub(crate) async fn describe_all(
    rds: Arc<Rds>,
    context: RequestContext,
    input: DescribeDBSnapshotsMessage,
) -> Result<DBSnapshotMessage> {
    if let Some(name) = &input.db_snapshot_identifier {
        let record = load(&rds, Kind::Snapshot, &context.scope, name).await?;
        return Ok(DBSnapshotMessage {
            marker: None,
            db_snapshots: Some(vec![shape(&record)]),
        });
    }
    let all: Vec<SnapshotRecord> = records::all(&rds.store, keys::all_named(Kind::Snapshot, &context.scope)).await?;
    let mut found = Vec::new();
    for record in all {
        let of = input
            .db_instance_identifier
            .as_ref()
            .is_none_or(|name| name.eq_ignore_ascii_case(&record.of.name));
        let id = input
            .dbi_resource_id
            .as_ref()
            .is_none_or(|id| *id == record.of.resource);
        let kind = input.snapshot_type.as_ref().is_none_or(|kind| *kind == record.kind);
        let wanted = passes(input.filters.as_ref(), |filter| match filter {
            "db-instance-id" => Some(vec![record.of.name.clone(), record.of.arn()]),
            "db-snapshot-id" => Some(vec![record.name.clone()]),
            "dbi-resource-id" => Some(vec![record.of.resource.clone()]),
            "snapshot-type" => Some(vec![record.kind.clone()]),
            "engine" => Some(vec![record.of.engine.clone()]),
            _ => None,
        })?;
        if of && id && kind && wanted {
            found.push((record.name.clone(), shape(&record)));
        }
    }
    let (snapshots, marker) = page(found, input.max_records, input.marker.as_ref())?;
    Ok(DBSnapshotMessage {
        marker,
        db_snapshots: Some(snapshots),
    })
}
