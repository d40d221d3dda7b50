//! Modify, start, stop, reboot and delete.

use crate::keys::{self, Kind};
use crate::records::{self, Managed, Record, SnapshotRecord, Status, encode};
use crate::shapes::*;
use crate::{Error, Rds, Result, create, describe, names, provision, snapshots};
use danbi_core::{RequestContext, Scope};
use std::sync::Arc;

/// Changes a record in one transaction and begins with the work that its new status asks for.
async fn turn(
    rds: &Rds,
    kind: Kind,
    scope: &Scope,
    name: &str,
    change: impl Fn(&mut Record) -> Result<()> + Send + Sync,
) -> Result<Record> {
    turn_with(rds, kind, scope, name, None, change).await
}

/// The same, with a last snapshot that is written down in that transaction.
async fn turn_with(
    rds: &Rds,
    kind: Kind,
    scope: &Scope,
    name: &str,
    last: Option<&SnapshotRecord>,
    change: impl Fn(&mut Record) -> Result<()> + Send + Sync,
) -> Result<Record> {
    let found = describe::load(rds, kind, scope, name).await?;
    let key = keys::named(kind, scope, &found.name);
    let (key, change) = (&key, &change);
    let record = rds
        .store
        .transact(async |tx| {
            let mut record = records::read::<Record>(&tx, key)
                .await?
                .ok_or_else(|| describe::missing(kind, name))?;
            change(&mut record)?;
            if let Some(last) = last {
                snapshots::put(&tx, last).await?;
                record.final_snapshot = Some(last.name.clone());
            }
            tx.put(key, encode(&record)?)?;
            Ok::<_, Error>(record)
        })
        .await?;
    if record.status != found.status || record.status != Status::Available {
        rds.carry_on(&record);
    }
    Ok(record)
}

fn wrong_state(record: &Record, wanted: &str) -> Error {
    match record.is_cluster {
        true => Error::cluster_state(format!("DbCluster {} is not in {wanted} state", record.name)),
        false => Error::instance_state(format!("Instance {} is not in {wanted} state.", record.name)),
    }
}

fn only_of_an_instance(record: &Record, what: &str) -> Result<()> {
    match &record.cluster {
        Some(cluster) => Err(Error::instance_state(format!(
            "{what} is the matter of the DB cluster {cluster}, of which {} is a member.",
            record.name
        ))),
        None => Ok(()),
    }
}

fn from_to(record: &mut Record, from: Status, to: Status) -> Result<()> {
    if record.status != from {
        return Err(wrong_state(record, from.text()));
    }
    record.status = to;
    record.reason = None;
    Ok(())
}

pub(crate) async fn start_instance(
    rds: Arc<Rds>,
    context: RequestContext,
    input: StartDBInstanceMessage,
) -> Result<StartDBInstanceResult> {
    let record = turn(
        &rds,
        Kind::Instance,
        &context.scope,
        &input.db_instance_identifier,
        |record| {
            only_of_an_instance(record, "Starting")?;
            from_to(record, Status::Stopped, Status::Starting)
        },
    );
    Ok(StartDBInstanceResult {
        db_instance: Some(describe::instance(&rds, &record.await?).await?),
    })
}

pub(crate) async fn stop_instance(
    rds: Arc<Rds>,
    context: RequestContext,
    input: StopDBInstanceMessage,
) -> Result<StopDBInstanceResult> {
    let found = describe::load(&rds, Kind::Instance, &context.scope, &input.db_instance_identifier).await?;
    only_of_an_instance(&found, "Stopping")?;
    let last = match &input.db_snapshot_identifier {
        Some(name) if found.status == Status::Available => Some(snapshots::of(&rds, &found, name, Default::default())?),
        _ => None,
    };
    let record = turn_with(
        &rds,
        Kind::Instance,
        &context.scope,
        &found.name,
        last.as_ref(),
        |record| {
            record.final_snapshot = None;
            from_to(record, Status::Available, Status::Stopping)
        },
    );
    Ok(StopDBInstanceResult {
        db_instance: Some(describe::instance(&rds, &record.await?).await?),
    })
}

pub(crate) async fn reboot_instance(
    rds: Arc<Rds>,
    context: RequestContext,
    input: RebootDBInstanceMessage,
) -> Result<RebootDBInstanceResult> {
    let record = turn(
        &rds,
        Kind::Instance,
        &context.scope,
        &input.db_instance_identifier,
        |record| {
            only_of_an_instance(record, "Rebooting")?;
            from_to(record, Status::Available, Status::Rebooting)
        },
    );
    Ok(RebootDBInstanceResult {
        db_instance: Some(describe::instance(&rds, &record.await?).await?),
    })
}

pub(crate) async fn start_cluster(
    rds: Arc<Rds>,
    context: RequestContext,
    input: StartDBClusterMessage,
) -> Result<StartDBClusterResult> {
    let record = turn(
        &rds,
        Kind::Cluster,
        &context.scope,
        &input.db_cluster_identifier,
        |record| from_to(record, Status::Stopped, Status::Starting),
    );
    Ok(StartDBClusterResult {
        db_cluster: Some(describe::cluster(&rds, &record.await?).await?),
    })
}

pub(crate) async fn stop_cluster(
    rds: Arc<Rds>,
    context: RequestContext,
    input: StopDBClusterMessage,
) -> Result<StopDBClusterResult> {
    let record = turn(
        &rds,
        Kind::Cluster,
        &context.scope,
        &input.db_cluster_identifier,
        |record| from_to(record, Status::Available, Status::Stopping),
    );
    Ok(StopDBClusterResult {
        db_cluster: Some(describe::cluster(&rds, &record.await?).await?),
    })
}

/// A new password and a new port, for whichever asks for them.
struct Access {
    password: Option<String>,
    managed: Option<Managed>,
    port: Option<u16>,
}

/// What is asked for of the master user's password.
struct Password<'p> {
    given: Option<&'p String>,
    managed: Option<bool>,
    rotate: Option<bool>,
}

impl Password<'_> {
    /// The new password, and the secret that there is then; `None` is no change.
    fn decide(&self, record: &Record) -> Result<Option<(String, Option<Managed>)>> {
        if self.rotate == Some(true) && (record.managed.is_none() || self.managed == Some(false)) {
            return Err(Error::combination(
                "You can rotate the master user password only where it is managed.",
            ));
        }
        let managed = match (&record.managed, self.managed) {
            (Some(managed), None | Some(true)) if self.rotate == Some(true) => managed.rotated(),
            (None, Some(true)) => Managed::new(&record.scope, record.is_cluster),
            (Some(_), None | Some(true)) if self.given.is_some() => {
                return Err(Error::combination(
                    "You can't specify MasterUserPassword for a database whose master user password is managed.",
                ));
            }
            (Some(_), Some(false)) if self.given.is_none() => {
                return Err(Error::combination(
                    "You must specify MasterUserPassword to end the management of the master user password.",
                ));
            }
            _ => {
                let Some(password) = self.given else { return Ok(None) };
                names::master_password(password)?;
                return Ok(Some((password.clone(), None)));
            }
        };
        if self.given.is_some() {
            return Err(Error::combination(
                "You can't specify MasterUserPassword for a database whose master user password is managed.",
            ));
        }
        Ok(Some((managed.password.clone(), Some(managed))))
    }
}

async fn access(rds: &Rds, record: &Record, password: Password<'_>, port: Option<i32>) -> Result<Access> {
    let password = password.decide(record)?;
    let port = match port {
        Some(port) if port != i32::from(record.port) => {
            let asked = create::asked_port(Some(port))?;
            Some(rds.choose_port(asked, record.family(), &record.resource).await?)
        }
        _ => None,
    };
    let (password, managed) = password.unzip();
    Ok(Access {
        password: password
            .map(|password| provision::kept(record.family(), &password))
            .transpose()?,
        managed: managed.flatten(),
        port,
    })
}

fn apply_access(record: &mut Record, access: &Access) {
    if access.password.is_some() {
        record.new_password.clone_from(&access.password);
        record.managed.clone_from(&access.managed);
    }
    record.port = access.port.unwrap_or(record.port);
}

pub(crate) async fn modify_instance(
    rds: Arc<Rds>,
    context: RequestContext,
    input: ModifyDBInstanceMessage,
) -> Result<ModifyDBInstanceResult> {
    let found = describe::load(&rds, Kind::Instance, &context.scope, &input.db_instance_identifier).await?;
    if found.cluster.is_some() && (input.master_user_password.is_some() || input.backup_retention_period.is_some()) {
        return Err(Error::combination(
            "The password and the backups of a member are its DB cluster's: modify that.",
        ));
    }
    if input
        .new_db_instance_identifier
        .as_deref()
        .is_some_and(|new| new != found.name)
    {
        return Err(Error::NotBuilt(
            "Renaming a DB instance is not built here yet.".to_owned(),
        ));
    }
    if found.status != Status::Available {
        return Err(wrong_state(&found, "available"));
    }
    let password = Password {
        given: input.master_user_password.as_ref(),
        managed: input.manage_master_user_password,
        rotate: input.rotate_master_user_password,
    };
    let access = access(&rds, &found, password, input.db_port_number).await?;
    let retention = input.backup_retention_period.map(create::retention).transpose()?;
    let group = match &input.db_parameter_group_name {
        Some(group) => Some(create::check_group(&rds, Kind::ParameterGroup, &context.scope, group).await?),
        None => None,
    };
    if input.allocated_storage.is_some_and(|gib| gib < found.storage_gib) {
        return Err(Error::combination(
            "Requested storage size is smaller than the current one: storage cannot shrink.",
        ));
    }
    let record = turn(&rds, Kind::Instance, &context.scope, &found.name, |record| {
        let before = (record.class.clone(), record.parameter_group.clone());
        apply_access(record, &access);
        record.class = input.db_instance_class.clone().unwrap_or_else(|| record.class.clone());
        record.parameter_group = group.clone().unwrap_or_else(|| record.parameter_group.clone());
        record.retention_days = retention.unwrap_or(record.retention_days);
        record.storage_gib = input.allocated_storage.unwrap_or(record.storage_gib);
        record.deletion_protection = input.deletion_protection.unwrap_or(record.deletion_protection);
        record.backup_window = input
            .preferred_backup_window
            .clone()
            .unwrap_or_else(|| record.backup_window.clone());
        let window = input
            .preferred_maintenance_window
            .as_ref()
            .map(|window| window.to_lowercase());
        record.maintenance_window = window.unwrap_or_else(|| record.maintenance_window.clone());
        record.multi_az = input.multi_az.unwrap_or(record.multi_az);
        record.public = input.publicly_accessible.unwrap_or(record.public);
        record.copy_tags = input.copy_tags_to_snapshot.unwrap_or(record.copy_tags);
        record.minor_upgrades = input.auto_minor_version_upgrade.unwrap_or(record.minor_upgrades);
        let is_other = before != (record.class.clone(), record.parameter_group.clone());
        if access.password.is_some() || access.port.is_some() || is_other {
            from_to(record, Status::Available, Status::Modifying)?;
        }
        Ok(())
    });
    Ok(ModifyDBInstanceResult {
        db_instance: Some(describe::instance(&rds, &record.await?).await?),
    })
}

pub(crate) async fn modify_cluster(
    rds: Arc<Rds>,
    context: RequestContext,
    input: ModifyDBClusterMessage,
) -> Result<ModifyDBClusterResult> {
    let found = describe::load(&rds, Kind::Cluster, &context.scope, &input.db_cluster_identifier).await?;
    if input
        .new_db_cluster_identifier
        .as_deref()
        .is_some_and(|new| new != found.name)
    {
        return Err(Error::NotBuilt(
            "Renaming a DB cluster is not built here yet.".to_owned(),
        ));
    }
    if found.status != Status::Available {
        return Err(wrong_state(&found, "available"));
    }
    let password = Password {
        given: input.master_user_password.as_ref(),
        managed: input.manage_master_user_password,
        rotate: input.rotate_master_user_password,
    };
    let access = access(&rds, &found, password, input.port).await?;
    let retention = input.backup_retention_period.map(create::retention).transpose()?;
    let capacity = input
        .serverless_v2_scaling_configuration
        .as_ref()
        .map(create::capacity)
        .transpose()?;
    let group = match &input.db_cluster_parameter_group_name {
        Some(group) => Some(create::check_group(&rds, Kind::ClusterParameterGroup, &context.scope, group).await?),
        None => None,
    };
    let record = turn(&rds, Kind::Cluster, &context.scope, &found.name, |record| {
        let before = record.parameter_group.clone();
        record.parameter_group = group.clone().unwrap_or_else(|| record.parameter_group.clone());
        apply_access(record, &access);
        record.retention_days = retention.unwrap_or(record.retention_days);
        record.deletion_protection = input.deletion_protection.unwrap_or(record.deletion_protection);
        record.http_endpoint = input.enable_http_endpoint.unwrap_or(record.http_endpoint);
        record.copy_tags = input.copy_tags_to_snapshot.unwrap_or(record.copy_tags);
        let is_other = (capacity.is_some() && capacity != record.capacity) || before != record.parameter_group;
        record.capacity = capacity.or(record.capacity);
        if access.password.is_some() || access.port.is_some() || is_other {
            from_to(record, Status::Available, Status::Modifying)?;
        }
        Ok(())
    });
    Ok(ModifyDBClusterResult {
        db_cluster: Some(describe::cluster(&rds, &record.await?).await?),
    })
}

pub(crate) async fn delete_instance(
    rds: Arc<Rds>,
    context: RequestContext,
    input: DeleteDBInstanceMessage,
) -> Result<DeleteDBInstanceResult> {
    let found = describe::load(&rds, Kind::Instance, &context.scope, &input.db_instance_identifier).await?;
    let skips = input.skip_final_snapshot.unwrap_or(false) || found.cluster.is_some();
    if found.deletion_protection {
        return Err(Error::combination(
            "Cannot delete protected DB Instance, please disable deletion protection and try again.",
        ));
    }
    if matches!(found.status, Status::Deleting) {
        return Err(Error::instance_state(format!(
            "Instance {} is already being deleted.",
            found.name
        )));
    }
    let last = last_snapshot(&rds, &found, input.final_db_snapshot_identifier.as_ref(), skips)?;
    let last = last.as_ref();
    let record = turn_with(&rds, Kind::Instance, &context.scope, &found.name, last, |record| {
        leave(record, last)
    });
    Ok(DeleteDBInstanceResult {
        db_instance: Some(describe::instance(&rds, &record.await?).await?),
    })
}

pub(crate) async fn delete_cluster(
    rds: Arc<Rds>,
    context: RequestContext,
    input: DeleteDBClusterMessage,
) -> Result<DeleteDBClusterResult> {
    let found = describe::load(&rds, Kind::Cluster, &context.scope, &input.db_cluster_identifier).await?;
    if found.deletion_protection {
        return Err(Error::combination(
            "Cannot delete protected Cluster, please disable deletion protection and try again.",
        ));
    }
    let members = rds.all(Kind::Instance, &context.scope).await?;
    if members
        .values()
        .any(|one| one.cluster.as_ref() == Some(&found.name) && one.status != Status::Deleting)
    {
        return Err(Error::cluster_state(
            "Cluster cannot be deleted, it still contains DB instances in non-deleting state.",
        ));
    }
    if matches!(found.status, Status::Deleting) {
        return Err(Error::cluster_state(format!(
            "Cluster {} is already being deleted.",
            found.name
        )));
    }
    let skips = input.skip_final_snapshot.unwrap_or(false);
    let last = last_snapshot(&rds, &found, input.final_db_snapshot_identifier.as_ref(), skips)?;
    let last = last.as_ref();
    let record = turn_with(&rds, Kind::Cluster, &context.scope, &found.name, last, |record| {
        leave(record, last)
    });
    Ok(DeleteDBClusterResult {
        db_cluster: Some(describe::cluster(&rds, &record.await?).await?),
    })
}

/// The snapshot that is to be taken of what is deleted.
fn last_snapshot(rds: &Rds, found: &Record, name: Option<&String>, skips: bool) -> Result<Option<SnapshotRecord>> {
    match (name, skips) {
        (Some(_), true) => Err(Error::combination(
            "FinalDBSnapshotIdentifier can not be specified when deleting with SkipFinalSnapshot",
        )),
        (None, false) => Err(Error::combination(
            "FinalDBSnapshotIdentifier is required unless SkipFinalSnapshot is specified.",
        )),
        (None, true) => Ok(None),
        (Some(name), false) if found.status == Status::Available => {
            snapshots::of(rds, found, name, Default::default()).map(Some)
        }
        (Some(_), false) => Err(wrong_state(found, "available")),
    }
}

/// From now on it is being deleted; only what runs can be taken a last snapshot of.
fn leave(record: &mut Record, last: Option<&SnapshotRecord>) -> Result<()> {
    if last.is_some() && record.status != Status::Available {
        return Err(wrong_state(record, "available"));
    }
    record.status = Status::Deleting;
    record.final_snapshot = None;
    Ok(())
}

/// Whether `record` can be taken a snapshot of now.
pub(crate) fn must_be_available(record: &Record) -> Result<()> {
    match record.status {
        Status::Available => Ok(()),
        _ => Err(wrong_state(record, "available")),
    }
}
