//! New instances and clusters, empty or from a backup.

use crate::engines::{self, Engine};
use crate::keys::{self, Kind};
use crate::records::{self, Managed, Record, Source, Status, encode};
use crate::shapes::*;
use crate::steps::Step;
use crate::{Error, Rds, Result, describe, names, provision};
use danbi_core::{RequestContext, Scope};
use std::collections::BTreeMap;
use std::sync::Arc;

/// What every new database has unless something else is asked for.
pub(crate) fn blank(
    name: String,
    scope: &Scope,
    is_cluster: bool,
    engine: Engine,
    version: String,
    now: i64,
) -> Record {
    let id = uuid::Uuid::new_v4().simple().to_string()[..26].to_uppercase();
    let family = engines::major(engine.family, &version);
    Record {
        name,
        scope: scope.clone(),
        is_cluster,
        resource: format!("{}-{id}", if is_cluster { "cluster" } else { "db" }),
        number: 0,
        cluster: None,
        status: Status::Creating,
        reason: None,
        created: now,
        engine: engine.name.to_owned(),
        class: "db.t3.micro".to_owned(),
        port: engine.family.port(),
        db_name: None,
        master: String::new(),
        new_password: None,
        managed: None,
        source: Source::Nothing,
        storage_gib: if engine.is_aurora { 1 } else { 20 },
        storage_type: if engine.is_aurora { "aurora" } else { "gp2" }.to_owned(),
        retention_days: 1,
        backup_window: "03:00-03:30".to_owned(),
        maintenance_window: "sun:04:00-sun:04:30".to_owned(),
        deletion_protection: false,
        multi_az: false,
        public: false,
        minor_upgrades: true,
        copy_tags: false,
        http_endpoint: false,
        parameter_group: format!("default.{}{family}", engine.name),
        version,
        subnet_group: None,
        security_groups: Vec::new(),
        tags: BTreeMap::new(),
        capacity: None,
        final_snapshot: None,
    }
}

/// Master user and password of a new database.
fn credentials(
    record: &mut Record,
    user: Option<&String>,
    password: Option<&String>,
    managed: Option<bool>,
) -> Result<()> {
    let user =
        user.ok_or_else(|| Error::invalid("The parameter MasterUsername must be provided and must not be blank."))?;
    record.master = names::master_user(record.family(), user)?;
    let password = match (password, managed) {
        (Some(_), Some(true)) => {
            return Err(Error::combination(
                "You can't specify MasterUserPassword for a database whose master user password is managed.",
            ));
        }
        (None, Some(true)) => {
            let made = Managed::new(&record.scope, record.is_cluster);
            record.managed.insert(made).password.clone()
        }
        (Some(password), _) => password.clone(),
        (None, _) => {
            return Err(Error::invalid(
                "The parameter MasterUserPassword must be provided and must not be blank.",
            ));
        }
    };
    names::master_password(&password)?;
    record.new_password = Some(provision::kept(record.family(), &password)?);
    Ok(())
}

pub(crate) fn retention(days: i32) -> Result<i32> {
    match (0..=35).contains(&days) {
        true => Ok(days),
        false => Err(Error::invalid(format!(
            "Invalid backup retention period: {days}. Retention period must be between 0 and 35."
        ))),
    }
}

pub(crate) fn asked_port(port: Option<i32>) -> Result<Option<u16>> {
    let Some(port) = port else { return Ok(None) };
    let valid = u16::try_from(port).ok().filter(|port| *port >= 1150);
    valid.map(Some).ok_or_else(|| {
        Error::invalid(format!(
            "Invalid database port: {port}. The port must be between 1150 and 65535."
        ))
    })
}

pub(crate) fn capacity(wanted: &ServerlessV2ScalingConfiguration) -> Result<(f64, f64, Option<i32>)> {
    let (least, most) = (wanted.min_capacity.unwrap_or(0.5), wanted.max_capacity.unwrap_or(1.0));
    let steps = |capacity: f64| (capacity * 2.0).fract() == 0.0;
    if !(0.0..=256.0).contains(&least)
        || !(1.0..=256.0).contains(&most)
        || least > most
        || !steps(least)
        || !steps(most)
    {
        return Err(Error::invalid(
            "Serverless v2 capacity must be between 0 and 256 in steps of 0.5, and the minimum no more than the maximum.",
        ));
    }
    if wanted
        .seconds_until_auto_pause
        .is_some_and(|pause| !(300..=86_400).contains(&pause))
    {
        return Err(Error::invalid("SecondsUntilAutoPause must be between 300 and 86400."));
    }
    Ok((least, most, wanted.seconds_until_auto_pause))
}

/// A group that is named must be there; the default ones always are.
pub(crate) async fn check_group(rds: &Rds, kind: Kind, scope: &Scope, name: &str) -> Result<String> {
    let name = name.to_ascii_lowercase();
    let is_default = name.starts_with("default");
    let found: Option<records::GroupRecord> = records::load(&rds.store, &keys::named(kind, scope, &name)).await?;
    if found.is_none() && !is_default {
        return Err(crate::groups::missing(kind, &name));
    }
    Ok(name)
}

/// Writes a new record down, gives it its number and its port, and begins with the work.
pub(crate) async fn enter(rds: &Rds, mut record: Record, port: Option<u16>) -> Result<Record> {
    let taken = || match record.is_cluster {
        true => Error::Aws(
            "DBClusterAlreadyExistsFault",
            400,
            "DB Cluster already exists".to_owned(),
        ),
        false => Error::Aws("DBInstanceAlreadyExists", 400, "DB instance already exists".to_owned()),
    };
    let key = keys::named(record.kind(), &record.scope, &record.name);
    if records::load::<Record>(&rds.store, &key).await?.is_some() {
        return Err(taken());
    }
    if record.has_server() {
        record.port = rds.choose_port(port, record.family(), "").await?;
    }
    let entered = rds
        .store
        .transact(async |tx| {
            if records::read::<Record>(&tx, &key).await?.is_some() {
                return Ok(None);
            }
            let number: u32 = records::read(&tx, &keys::number()).await?.unwrap_or(0) + 1;
            let record = Record {
                number,
                ..record.clone()
            };
            tx.put(&keys::number(), encode(&number)?)?;
            tx.put(&key, encode(&record)?)?;
            Ok::<_, Error>(Some(record))
        })
        .await;
    let entered = entered.and_then(|entered| entered.ok_or_else(taken));
    if entered.is_err() && record.has_server() {
        drop(rds.ports.take(record.port));
    }
    let record = entered?;
    rds.reached(&record, Step::Entered).await;
    rds.carry_on(&record);
    Ok(record)
}

pub(crate) async fn instance(
    rds: Arc<Rds>,
    context: RequestContext,
    input: CreateDBInstanceMessage,
) -> Result<CreateDBInstanceResult> {
    let name = names::database_identifier("DBInstanceIdentifier", &input.db_instance_identifier)?;
    let engine = engines::engine(&input.engine)?;
    let version = engines::version(engine.family, input.engine_version.as_ref()).await?;
    let mut record = blank(name, &context.scope, false, engine, version, rds.now());
    if !input.db_instance_class.starts_with("db.") {
        return Err(Error::invalid(format!(
            "Invalid DB Instance class: {}",
            input.db_instance_class
        )));
    }
    record.class.clone_from(&input.db_instance_class);
    record.tags = names::tags(input.tags.as_ref())?;
    record.deletion_protection = input.deletion_protection.unwrap_or(false);
    if let Some(cluster) = &input.db_cluster_identifier {
        let cluster = describe::load(&rds, Kind::Cluster, &context.scope, &cluster.to_ascii_lowercase()).await?;
        if cluster.engine != record.engine {
            return Err(Error::combination(
                "The engine of the DB instance must be that of its DB cluster.",
            ));
        }
        if input.master_username.is_some() || input.master_user_password.is_some() {
            return Err(Error::combination(
                "The requested DB Instance will be a member of a DB Cluster and its master user is the cluster's.",
            ));
        }
        record.cluster = Some(cluster.name);
    } else {
        if engine.is_aurora {
            return Err(Error::combination(format!(
                "The engine {} needs a DB cluster: create it first and name it in DBClusterIdentifier.",
                engine.name
            )));
        }
        if input.storage_encrypted == Some(true) || input.kms_key_id.is_some() {
            return Err(Error::NotBuilt(
                "Encrypted storage of databases is not built here yet.".to_owned(),
            ));
        }
        credentials(
            &mut record,
            input.master_username.as_ref(),
            input.master_user_password.as_ref(),
            input.manage_master_user_password,
        )?;
        let gib = input.allocated_storage.ok_or_else(|| {
            Error::combination(format!(
                "Invalid storage size for engine name {} and storage type gp2: none",
                engine.name
            ))
        })?;
        if !(5..=65_536).contains(&gib) {
            return Err(Error::invalid(format!(
                "Invalid storage size for engine name {} and storage type gp2: {gib}",
                engine.name
            )));
        }
        record.storage_gib = gib;
    }
    record.db_name = input
        .db_name
        .as_deref()
        .filter(|name| !name.is_empty())
        .map(names::db_name)
        .transpose()?;
    record.retention_days = input.backup_retention_period.map_or(Ok(1), retention)?;
    record.backup_window = input.preferred_backup_window.unwrap_or(record.backup_window);
    record.maintenance_window = input
        .preferred_maintenance_window
        .unwrap_or(record.maintenance_window)
        .to_lowercase();
    record.public = input.publicly_accessible.unwrap_or(false);
    record.multi_az = input.multi_az.unwrap_or(false);
    record.minor_upgrades = input.auto_minor_version_upgrade.unwrap_or(true);
    record.copy_tags = input.copy_tags_to_snapshot.unwrap_or(false);
    record.storage_type = input.storage_type.unwrap_or(record.storage_type);
    record.security_groups = input.vpc_security_group_ids.unwrap_or_default();
    if let Some(group) = &input.db_parameter_group_name {
        record.parameter_group = check_group(&rds, Kind::ParameterGroup, &context.scope, group).await?;
    }
    if let Some(group) = &input.db_subnet_group_name {
        record.subnet_group = Some(check_group(&rds, Kind::SubnetGroup, &context.scope, group).await?);
    }
    let record = enter(&rds, record, asked_port(input.port)?).await?;
    Ok(CreateDBInstanceResult {
        db_instance: Some(describe::instance(&rds, &record).await?),
    })
}

pub(crate) async fn cluster(
    rds: Arc<Rds>,
    context: RequestContext,
    input: CreateDBClusterMessage,
) -> Result<CreateDBClusterResult> {
    let name = names::database_identifier("DBClusterIdentifier", &input.db_cluster_identifier)?;
    let engine = engines::engine(&input.engine)?;
    let version = engines::version(engine.family, input.engine_version.as_ref()).await?;
    if input.storage_encrypted == Some(true) || input.kms_key_id.is_some() {
        return Err(Error::NotBuilt(
            "Encrypted storage of databases is not built here yet.".to_owned(),
        ));
    }
    let mut record = blank(name, &context.scope, true, engine, version, rds.now());
    credentials(
        &mut record,
        input.master_username.as_ref(),
        input.master_user_password.as_ref(),
        input.manage_master_user_password,
    )?;
    record.class = input
        .db_cluster_instance_class
        .unwrap_or_else(|| "db.serverless".to_owned());
    record.tags = names::tags(input.tags.as_ref())?;
    record.deletion_protection = input.deletion_protection.unwrap_or(false);
    record.db_name = input
        .database_name
        .as_deref()
        .filter(|name| !name.is_empty())
        .map(names::db_name)
        .transpose()?;
    record.retention_days = input.backup_retention_period.map_or(Ok(1), retention)?;
    record.backup_window = input.preferred_backup_window.unwrap_or(record.backup_window);
    record.maintenance_window = input
        .preferred_maintenance_window
        .unwrap_or(record.maintenance_window)
        .to_lowercase();
    record.copy_tags = input.copy_tags_to_snapshot.unwrap_or(false);
    record.http_endpoint = input.enable_http_endpoint.unwrap_or(false);
    record.security_groups = input.vpc_security_group_ids.unwrap_or_default();
    record.capacity = input
        .serverless_v2_scaling_configuration
        .as_ref()
        .map(capacity)
        .transpose()?;
    record.parameter_group = match &input.db_cluster_parameter_group_name {
        Some(group) => check_group(&rds, Kind::ClusterParameterGroup, &context.scope, group).await?,
        None => record.parameter_group,
    };
    if let Some(group) = &input.db_subnet_group_name {
        record.subnet_group = Some(check_group(&rds, Kind::SubnetGroup, &context.scope, group).await?);
    }
    let record = enter(&rds, record, asked_port(input.port)?).await?;
    Ok(CreateDBClusterResult {
        db_cluster: Some(describe::cluster(&rds, &record).await?),
    })
}
