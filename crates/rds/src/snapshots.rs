//! Snapshots of instances, and new instances from them and from moments in between.

use crate::backup::{Image, image, take};
use crate::create::{asked_port, blank, check_group, enter};
use crate::describe::{missing, page, passes, time};
use crate::engines::Family;
use crate::keys::{self, Kind};
use crate::records::{self, Record, SnapshotRecord, Source, encode};
use crate::shapes::*;
use crate::{Error, Rds, Result, change, describe, engines, names, work};
use danbi_core::{RequestContext, Scope};
use std::collections::BTreeMap;
use std::sync::Arc;

fn exists(name: &str) -> Error {
    Error::Aws(
        "DBSnapshotAlreadyExists",
        400,
        format!("Cannot create the snapshot because a snapshot with the identifier {name} already exists."),
    )
}

/// Writes a snapshot down that is still to be taken.
pub(crate) async fn begin(
    rds: &Rds,
    of: &Record,
    name: &str,
    tags: BTreeMap<String, String>,
) -> Result<SnapshotRecord> {
    let name = names::identifier("DBSnapshotIdentifier", name)?;
    let mut tags = tags;
    if of.copy_tags {
        tags.extend(of.tags.clone());
    }
    let record = SnapshotRecord {
        name,
        scope: of.scope.clone(),
        of: Record {
            new_password: None,
            managed: None,
            final_snapshot: None,
            ..of.clone()
        },
        kind: "manual".to_owned(),
        status: "creating".to_owned(),
        created: rds.now(),
        original: rds.now(),
        image: None,
        copied_from: None,
        tags,
    };
    put_new(rds, &record).await?;
    Ok(record)
}

async fn put_new(rds: &Rds, record: &SnapshotRecord) -> Result<()> {
    let key = keys::named(Kind::Snapshot, &record.scope, &record.name);
    rds.store
        .transact(async |tx| {
            if tx.get(&key).await?.is_some() {
                return Err(exists(&record.name));
            }
            tx.put(&key, encode(record)?)?;
            Ok(())
        })
        .await
}

pub(crate) async fn load(rds: &Rds, scope: &Scope, name: &str) -> Result<SnapshotRecord> {
    let plain = match names::of_arn(scope, name) {
        Some((Kind::Snapshot, plain)) => plain,
        _ => name.to_ascii_lowercase(),
    };
    let found = records::load(&rds.store, &keys::named(Kind::Snapshot, scope, &plain)).await?;
    found.ok_or_else(|| Error::Aws("DBSnapshotNotFound", 404, format!("DBSnapshot {name} not found.")))
}

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
        license_model: Some("general-public-license".to_owned()),
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
    let record = begin(
        &rds,
        &of,
        &input.db_snapshot_identifier,
        names::tags(input.tags.as_ref())?,
    )
    .await?;
    if let Some(this) = rds.this() {
        let name = record.name.clone();
        rds.spawn(async move {
            if let Err(error) = work::snapshot(&this, &of, &name).await {
                tracing::error!(%error, name, "a snapshot could not be taken");
            }
        });
    }
    Ok(CreateDBSnapshotResult {
        db_snapshot: Some(shape(&record)),
    })
}

pub(crate) async fn copy(
    rds: Arc<Rds>,
    context: RequestContext,
    input: CopyDBSnapshotMessage,
) -> Result<CopyDBSnapshotResult> {
    let source = load(&rds, &context.scope, &input.source_db_snapshot_identifier).await?;
    change::must_be_whole(&source)?;
    let name = names::identifier("TargetDBSnapshotIdentifier", &input.target_db_snapshot_identifier)?;
    let mut tags = names::tags(input.tags.as_ref())?;
    if input.copy_tags.unwrap_or(false) {
        tags.extend(source.tags.clone());
    }
    if records::load::<SnapshotRecord>(&rds.store, &keys::named(Kind::Snapshot, &context.scope, &name))
        .await?
        .is_some()
    {
        return Err(exists(&name));
    }
    let mut image = source.image.clone();
    if let Some(image) = &mut image {
        // First its blobs are kept for the copy too, then there is one.
        image.owner = format!("snapshot/{}/{}", source.of.resource, uuid::Uuid::new_v4());
        let manifest = image::Manifest::read(&rds.blobs, &image.manifest).await?;
        let used: Vec<_> = manifest.blobs().chain([&image.manifest]).copied().collect();
        take::keep(&rds.store, &used, &image.owner).await?;
    }
    let record = SnapshotRecord {
        copied_from: Some(names::arn(Kind::Snapshot, &source.scope, &source.name)),
        name,
        created: rds.now(),
        image,
        tags,
        ..source
    };
    put_new(&rds, &record).await?;
    Ok(CopyDBSnapshotResult {
        db_snapshot: Some(shape(&record)),
    })
}

pub(crate) async fn delete(
    rds: Arc<Rds>,
    context: RequestContext,
    input: DeleteDBSnapshotMessage,
) -> Result<DeleteDBSnapshotResult> {
    let record = load(&rds, &context.scope, &input.db_snapshot_identifier).await?;
    if record.status == "creating" {
        change::must_be_whole(&record)?;
    }
    let key = keys::named(Kind::Snapshot, &record.scope, &record.name);
    rds.store
        .transact(async |tx| {
            tx.delete(&key)?;
            Ok::<_, Error>(())
        })
        .await?;
    if let Some(image) = &record.image {
        take::forget(&rds.store, &rds.blobs, image).await?;
    }
    let mut gone = shape(&record);
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
        let record = load(&rds, &context.scope, name).await?;
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

/// What may differ in a database that is restored.
struct Wanted<'w> {
    class: Option<&'w String>,
    port: Option<i32>,
    tags: Option<&'w Vec<Tag>>,
    parameter_group: Option<&'w String>,
    subnet_group: Option<&'w String>,
    deletion_protection: Option<bool>,
    retention: Option<i32>,
}

async fn restore(
    rds: &Rds,
    scope: &Scope,
    name: String,
    of: &Record,
    source: Source,
    wanted: Wanted<'_>,
) -> Result<Record> {
    let family = of.family();
    let version = engines::version(family, None).await?;
    let fresh = blank(
        name,
        scope,
        of.is_cluster,
        engines::engine(&of.engine)?,
        version,
        rds.now(),
    );
    let kind = match of.is_cluster {
        true => Kind::ClusterParameterGroup,
        false => Kind::ParameterGroup,
    };
    let group = wanted.parameter_group.unwrap_or(&of.parameter_group);
    let subnets = wanted.subnet_group.or(of.subnet_group.as_ref());
    let record = Record {
        source,
        db_name: of.db_name.clone(),
        master: of.master.clone(),
        class: wanted.class.unwrap_or(&of.class).clone(),
        storage_gib: of.storage_gib,
        storage_type: of.storage_type.clone(),
        retention_days: wanted
            .retention
            .map_or(Ok(of.retention_days), crate::create::retention)?,
        deletion_protection: wanted.deletion_protection.unwrap_or(false),
        parameter_group: check_group(rds, kind, scope, group).await?,
        subnet_group: match subnets {
            Some(group) => Some(check_group(rds, Kind::SubnetGroup, scope, group).await?),
            None => None,
        },
        tags: names::tags(wanted.tags)?,
        capacity: of.capacity,
        http_endpoint: of.http_endpoint,
        ..fresh
    };
    enter(rds, record, asked_port(wanted.port)?).await
}

pub(crate) async fn restore_from_snapshot(
    rds: Arc<Rds>,
    context: RequestContext,
    input: RestoreDBInstanceFromDBSnapshotMessage,
) -> Result<RestoreDBInstanceFromDBSnapshotResult> {
    let name = names::database_identifier("DBInstanceIdentifier", &input.db_instance_identifier)?;
    let snapshot = input.db_snapshot_identifier.as_ref();
    let snapshot = snapshot.ok_or_else(|| Error::combination("DBSnapshotIdentifier is required."))?;
    let snapshot = load(&rds, &context.scope, snapshot).await?;
    change::must_be_whole(&snapshot)?;
    let image = snapshot
        .image
        .clone()
        .ok_or_else(|| Error::Damaged(format!("the snapshot {} has no image", snapshot.name)))?;
    let wanted = Wanted {
        class: input.db_instance_class.as_ref(),
        port: input.port,
        tags: input.tags.as_ref(),
        parameter_group: input.db_parameter_group_name.as_ref(),
        subnet_group: input.db_subnet_group_name.as_ref(),
        deletion_protection: input.deletion_protection,
        retention: input.backup_retention_period,
    };
    let record = restore(&rds, &context.scope, name, &snapshot.of, Source::Image(image), wanted).await?;
    Ok(RestoreDBInstanceFromDBSnapshotResult {
        db_instance: Some(describe::instance(&rds, &record).await?),
    })
}

/// From which image and up to which second a database at a moment is made.
async fn moment(rds: &Rds, of: &Record, at: Option<i64>, latest: bool) -> Result<Source> {
    if at.is_some() == latest {
        return Err(Error::combination(
            "Either a time to restore to or UseLatestRestorableTime must be given, and not both.",
        ));
    }
    let images: Vec<Image> = records::all(&rds.store, keys::bases(&of.resource)).await?;
    if of.retention_days == 0 || images.is_empty() {
        return Err(match of.is_cluster {
            true => Error::Aws(
                "InvalidDBClusterStateFault",
                400,
                format!("The DB cluster {} has no automatic backup yet.", of.name),
            ),
            false => Error::Aws(
                "PointInTimeRestoreNotEnabled",
                400,
                format!(
                    "Point In Time Restore is not available for this instance: {} has no automatic backup.",
                    of.name
                ),
            ),
        });
    }
    let archive = rds.archive(&of.resource, of.family());
    if let Some(live) = rds.live(&of.resource) {
        // What was committed before this request can be restored to.
        let database = &live.front.database;
        let lease = database.lease();
        let now = rds.now();
        let running = match of.family() {
            Family::MariaDb => database.running(),
            // After a crash it alone knows where its log ends.
            Family::Postgres => Some(database.awake(&lease).await?),
        };
        archive.catch_up(&database.volume, running.as_deref()).await?;
        *crate::rds::locked(&live.archived_until) = now;
    }
    let last = describe::latest_restorable(rds, of).await?.unwrap_or(0);
    let until = at.map(|at| at.div_euclid(1000));
    let base = match until {
        None => images.last(),
        Some(until) => {
            if until * 1000 > last {
                return Err(Error::invalid(format!(
                    "The specified time is after the latest restorable time of {}.",
                    of.name
                )));
            }
            // An image within the wanted second may hold what was committed behind it.
            images.iter().rev().find(|image| image.taken / 1000 <= until)
        }
    };
    let base = base.ok_or_else(|| {
        Error::invalid(format!(
            "The specified time is before the earliest restorable time of {}.",
            of.name
        ))
    })?;
    Ok(Source::Moment {
        image: base.clone(),
        resource: of.resource.clone(),
        until,
        logs_to: archive.end().await?,
    })
}

pub(crate) async fn restore_to_moment(
    rds: Arc<Rds>,
    context: RequestContext,
    input: RestoreDBInstanceToPointInTimeMessage,
) -> Result<RestoreDBInstanceToPointInTimeResult> {
    let name = names::database_identifier("TargetDBInstanceIdentifier", &input.target_db_instance_identifier)?;
    let of = match (&input.source_db_instance_identifier, &input.source_dbi_resource_id) {
        (Some(source), _) => describe::load(&rds, Kind::Instance, &context.scope, source).await?,
        (None, Some(resource)) => {
            let all = rds.all(Kind::Instance, &context.scope).await?;
            let found = all.into_values().find(|record| record.resource == *resource);
            found.ok_or_else(|| missing(Kind::Instance, resource))?
        }
        (None, None) => return Err(Error::combination("A source DB instance must be given.")),
    };
    if of.cluster.is_some() {
        return Err(Error::combination(
            "The source is a member of a DB cluster: restore the cluster.",
        ));
    }
    let at = input.restore_time.map(|time| time.as_millis());
    let source = moment(&rds, &of, at, input.use_latest_restorable_time.unwrap_or(false)).await?;
    let wanted = Wanted {
        class: input.db_instance_class.as_ref(),
        port: input.port,
        tags: input.tags.as_ref(),
        parameter_group: input.db_parameter_group_name.as_ref(),
        subnet_group: input.db_subnet_group_name.as_ref(),
        deletion_protection: input.deletion_protection,
        retention: input.backup_retention_period,
    };
    let record = restore(&rds, &context.scope, name, &of, source, wanted).await?;
    Ok(RestoreDBInstanceToPointInTimeResult {
        db_instance: Some(describe::instance(&rds, &record).await?),
    })
}

pub(crate) async fn restore_cluster_to_moment(
    rds: Arc<Rds>,
    context: RequestContext,
    input: RestoreDBClusterToPointInTimeMessage,
) -> Result<RestoreDBClusterToPointInTimeResult> {
    let name = names::database_identifier("DBClusterIdentifier", &input.db_cluster_identifier)?;
    let source = input.source_db_cluster_identifier.as_ref();
    let source = source.ok_or_else(|| Error::combination("SourceDBClusterIdentifier is required."))?;
    let of = describe::load(&rds, Kind::Cluster, &context.scope, source).await?;
    let at = input.restore_to_time.map(|time| time.as_millis());
    let source = moment(&rds, &of, at, input.use_latest_restorable_time.unwrap_or(false)).await?;
    let wanted = Wanted {
        class: input.db_cluster_instance_class.as_ref(),
        port: input.port,
        tags: input.tags.as_ref(),
        parameter_group: input.db_cluster_parameter_group_name.as_ref(),
        subnet_group: input.db_subnet_group_name.as_ref(),
        deletion_protection: input.deletion_protection,
        retention: input.backup_retention_period,
    };
    let record = restore(&rds, &context.scope, name, &of, source, wanted).await?;
    Ok(RestoreDBClusterToPointInTimeResult {
        db_cluster: Some(describe::cluster(&rds, &record).await?),
    })
}
