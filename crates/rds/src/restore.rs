//! New databases from snapshots and from moments in between.

use crate::backup::{Image, take};
use crate::create::{asked_port, blank, check_group, enter};
use crate::describe::missing;
use crate::engines::{Engine, Family};
use crate::keys::{self, Kind};
use crate::records::{self, Record, SnapshotRecord, Source};
use crate::shapes::*;
use crate::{Error, Rds, Result, create, describe, engines, names, snapshots, work};
use danbi_core::{RequestContext, Scope};
use std::sync::Arc;

/// What may differ in a database that is restored.
#[derive(Default)]
struct Wanted<'w> {
    /// Of a cluster from an instance's snapshot.
    engine: Option<Engine>,
    capacity: Option<(f64, f64, Option<i32>)>,
    copy_tags: Option<bool>,
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
    let is_cluster = of.is_cluster || wanted.engine.is_some();
    let engine = match wanted.engine {
        Some(engine) => engine,
        None => engines::engine(&of.engine)?,
    };
    let fresh = blank(name, scope, is_cluster, engine, version, rds.now());
    let kind = match is_cluster {
        true => Kind::ClusterParameterGroup,
        false => Kind::ParameterGroup,
    };
    let is_same = of.is_cluster == is_cluster && of.engine == engine.name;
    // As AWS has it: not the source's, which need not be there any more.
    let group = wanted.parameter_group.unwrap_or(&fresh.parameter_group);
    let parameter_group = check_group(rds, kind, scope, group).await?;
    let subnets = wanted.subnet_group.or(of.subnet_group.as_ref());
    let record = Record {
        source,
        db_name: of.db_name.clone(),
        master: of.master.clone(),
        class: match (wanted.class, is_same) {
            (Some(class), _) => class.clone(),
            (None, true) => of.class.clone(),
            (None, false) => "db.serverless".to_owned(),
        },
        storage_gib: if is_same { of.storage_gib } else { fresh.storage_gib },
        storage_type: if is_same {
            of.storage_type.clone()
        } else {
            fresh.storage_type.clone()
        },
        retention_days: wanted
            .retention
            .map_or(Ok(of.retention_days), crate::create::retention)?,
        deletion_protection: wanted.deletion_protection.unwrap_or(false),
        parameter_group,
        subnet_group: match subnets {
            Some(group) => Some(check_group(rds, Kind::SubnetGroup, scope, group).await?),
            None => None,
        },
        tags: names::tags(wanted.tags)?,
        capacity: wanted.capacity.or(of.capacity),
        copy_tags: wanted.copy_tags.unwrap_or(of.copy_tags),
        http_endpoint: of.http_endpoint,
        ..fresh
    };
    enter(rds, record, asked_port(wanted.port)?).await
}

/// The image that a database is made from, in its own name.
fn held(record: &Record) -> Option<Image> {
    match &record.source {
        Source::Nothing => None,
        Source::Image(image) | Source::Moment { image, .. } => Some(Image {
            owner: format!("restore/{}", record.resource),
            ..image.clone()
        }),
    }
}

/// Keeps the blobs of the image for the database that is made from it: the snapshot may be deleted meanwhile, and the
/// backup may grow too old. May be done again.
pub(crate) async fn hold(rds: &Rds, record: &Record) -> Result<()> {
    let Some(image) = held(record) else { return Ok(()) };
    take::hold(&rds.store, &rds.blobs, &image).await
}

/// Lets them go: the database has its data, or is being removed.
pub(crate) async fn release(rds: &Rds, record: &Record) -> Result<()> {
    let Some(image) = held(record) else { return Ok(()) };
    take::forget(&rds.store, &rds.blobs, &image).await?;
    work::change(rds, record, |record| record.source = Source::Nothing).await
}

fn image_in(snapshot: &SnapshotRecord) -> Result<Image> {
    let image = snapshot.image.clone();
    image.ok_or_else(|| Error::Damaged(format!("the snapshot {} has no image", snapshot.name)))
}

pub(crate) async fn restore_from_snapshot(
    rds: Arc<Rds>,
    context: RequestContext,
    input: RestoreDBInstanceFromDBSnapshotMessage,
) -> Result<RestoreDBInstanceFromDBSnapshotResult> {
    let name = names::database_identifier("DBInstanceIdentifier", &input.db_instance_identifier)?;
    let snapshot = input.db_snapshot_identifier.as_ref();
    let snapshot = snapshot.ok_or_else(|| Error::combination("DBSnapshotIdentifier is required."))?;
    let snapshot = snapshots::load(&rds, Kind::Snapshot, &context.scope, snapshot).await?;
    snapshots::must_be_whole(&snapshot)?;
    let image = image_in(&snapshot)?;
    let wanted = Wanted {
        class: input.db_instance_class.as_ref(),
        port: input.port,
        tags: input.tags.as_ref(),
        parameter_group: input.db_parameter_group_name.as_ref(),
        subnet_group: input.db_subnet_group_name.as_ref(),
        deletion_protection: input.deletion_protection,
        retention: input.backup_retention_period,
        copy_tags: input.copy_tags_to_snapshot,
        ..Wanted::default()
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
        let catching_up = async {
            let running = match of.family() {
                Family::MariaDb => database.running(),
                // After a crash it alone knows where its log ends.
                Family::Postgres => Some(database.awake(&lease).await?),
            };
            archive.catch_up(&database.volume, running.as_deref()).await
        };
        match catching_up.await {
            Ok(_) => *crate::rds::locked(&live.archived_until) = now,
            // A restore is what helps when the database's own files are lost.
            Err(error) => tracing::warn!(%error, name = of.name, "a restore has what was archived before, no more"),
        }
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
        copy_tags: input.copy_tags_to_snapshot,
        ..Wanted::default()
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
        copy_tags: input.copy_tags_to_snapshot,
        ..Wanted::default()
    };
    let record = restore(&rds, &context.scope, name, &of, source, wanted).await?;
    Ok(RestoreDBClusterToPointInTimeResult {
        db_cluster: Some(describe::cluster(&rds, &record).await?),
    })
}

pub(crate) async fn restore_cluster_from_snapshot(
    rds: Arc<Rds>,
    context: RequestContext,
    input: RestoreDBClusterFromSnapshotMessage,
) -> Result<RestoreDBClusterFromSnapshotResult> {
    let name = names::database_identifier("DBClusterIdentifier", &input.db_cluster_identifier)?;
    let engine = engines::engine(&input.engine)?;
    if input.kms_key_id.is_some() {
        return Err(Error::NotBuilt(
            "Encrypted storage of databases is not built here yet.".to_owned(),
        ));
    }
    let text = &input.snapshot_identifier;
    let snapshot = match snapshots::load(&rds, Kind::ClusterSnapshot, &context.scope, text).await {
        // A cluster is made of an instance's snapshot too.
        Err(Error::Aws("DBClusterSnapshotNotFoundFault", ..)) => {
            let found = snapshots::load(&rds, Kind::Snapshot, &context.scope, text).await;
            found.map_err(|error| match error {
                Error::Aws("DBSnapshotNotFound", ..) => snapshots::missing(Kind::ClusterSnapshot, text),
                error => error,
            })?
        }
        found => found?,
    };
    snapshots::must_be_whole(&snapshot)?;
    if engine.family != snapshot.of.family() || (snapshot.of.is_cluster && engine.name != snapshot.of.engine) {
        return Err(Error::combination(format!(
            "The engine {} is not compatible with the snapshot's, {}.",
            engine.name, snapshot.of.engine
        )));
    }
    engines::version(engine.family, input.engine_version.as_ref()).await?;
    let image = image_in(&snapshot)?;
    let wanted = Wanted {
        engine: Some(engine),
        class: input.db_cluster_instance_class.as_ref(),
        port: input.port,
        tags: input.tags.as_ref(),
        parameter_group: input.db_cluster_parameter_group_name.as_ref(),
        subnet_group: input.db_subnet_group_name.as_ref(),
        deletion_protection: input.deletion_protection,
        retention: input.backup_retention_period,
        capacity: input
            .serverless_v2_scaling_configuration
            .as_ref()
            .map(create::capacity)
            .transpose()?,
        copy_tags: input.copy_tags_to_snapshot,
    };
    let record = restore(&rds, &context.scope, name, &snapshot.of, Source::Image(image), wanted).await?;
    Ok(RestoreDBClusterFromSnapshotResult {
        db_cluster: Some(describe::cluster(&rds, &record).await?),
    })
}
