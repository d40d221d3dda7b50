//! What instances and clusters look like to their users.

use crate::keys::{self, Kind};
use crate::rds::{host, locked};
use crate::records::{self, Record, Status};
use crate::shapes::*;
use crate::{Error, Rds, Result, names};
use danbi_core::{RequestContext, Scope};
use danbi_wire::Timestamp;
use std::sync::Arc;

/// Entries of an answer if nothing is asked for, and at most.
const PAGE: i32 = 100;

/// The state of a database whose port another program has, in AWS's words for an endpoint that cannot be had.
const UNREACHABLE: &str = "incompatible-network";

/// No such instance or cluster.
pub(crate) fn missing(kind: Kind, name: &str) -> Error {
    match kind {
        Kind::Cluster => Error::Aws("DBClusterNotFoundFault", 404, format!("DBCluster {name} not found.")),
        _ => Error::Aws("DBInstanceNotFound", 404, format!("DBInstance {name} not found.")),
    }
}

/// An instance or cluster, by its identifier or ARN.
pub(crate) async fn load(rds: &Rds, kind: Kind, scope: &Scope, name: &str) -> Result<Record> {
    let plain = match names::of_arn(scope, name) {
        Some((named, plain)) if named == kind => plain,
        _ => name.to_owned(),
    };
    let key = keys::named(kind, scope, &plain.to_ascii_lowercase());
    records::load(&rds.store, &key)
        .await?
        .ok_or_else(|| missing(kind, name))
}

/// One page of entries in the order of their names, and where the next begins.
pub(crate) fn page<T>(
    all: Vec<(String, T)>,
    limit: Option<i32>,
    marker: Option<&String>,
) -> Result<(Vec<T>, Option<String>)> {
    let limit = limit.unwrap_or(PAGE);
    if !(20..=PAGE).contains(&limit) {
        return Err(Error::invalid(format!(
            "Invalid value {limit} for MaxRecords. Must be between 20 and 100"
        )));
    }
    let limit = usize::try_from(limit).unwrap_or(20);
    let mut rest = all
        .into_iter()
        .filter(|(name, _)| marker.is_none_or(|marker| name > marker));
    let mut entries = Vec::new();
    let mut last = None;
    for (name, entry) in rest.by_ref().take(limit) {
        entries.push(entry);
        last = Some(name);
    }
    let more = rest.next().is_some();
    Ok((entries, last.filter(|_| more)))
}

/// Whether a record passes filters; `value` gives what it has of each name, `None` for a name that is not known.
pub(crate) fn passes(filters: Option<&Vec<Filter>>, value: impl Fn(&str) -> Option<Vec<String>>) -> Result<bool> {
    for filter in filters.into_iter().flatten() {
        let values =
            value(&filter.name).ok_or_else(|| Error::invalid(format!("Unrecognized filter name: {}", filter.name)))?;
        if !filter.values.iter().any(|wanted| values.contains(wanted)) {
            return Ok(false);
        }
    }
    Ok(true)
}

pub(crate) fn time(millis: i64) -> Timestamp {
    Timestamp::from_millis(millis)
}

pub(crate) async fn subnet_group(rds: &Rds, scope: &Scope, name: Option<&String>) -> Result<Option<DBSubnetGroup>> {
    let Some(name) = name else { return Ok(None) };
    let group: Option<records::GroupRecord> =
        records::load(&rds.store, &keys::named(Kind::SubnetGroup, scope, name)).await?;
    Ok(group.as_ref().map(crate::groups::subnet_group))
}

/// Up to when a database can be restored, in milliseconds; `None` without backups.
pub(crate) async fn latest_restorable(rds: &Rds, record: &Record) -> Result<Option<i64>> {
    let bases: Vec<crate::backup::Image> = records::all(&rds.store, keys::bases(&record.resource)).await?;
    let Some(base) = bases.last() else {
        return Ok(None);
    };
    let archived = match rds.live(&record.resource) {
        Some(live) => *locked(&live.archived_until),
        // Nothing is written while it is stopped.
        None => rds.now(),
    };
    Ok(Some(archived.max(base.taken)))
}

pub(crate) async fn instance(rds: &Rds, record: &Record) -> Result<DBInstance> {
    let owner = match &record.cluster {
        Some(cluster) => load(rds, Kind::Cluster, &record.scope, cluster).await.ok(),
        None => None,
    };
    let database = owner.as_ref().unwrap_or(record);
    let is_made = record.status != Status::Creating && database.status != Status::Creating;
    let latest = latest_restorable(rds, database).await?;
    let is_unreachable = rds.is_unreachable(database);
    let status = match (&owner, record.status) {
        (_, Status::Available) if is_unreachable => UNREACHABLE,
        (Some(owner), Status::Available) => owner.status.text(),
        (_, status) => status.text(),
    };
    let taken = is_unreachable.then(|| format!("Port {} of this machine is another program's.", database.port));
    Ok(DBInstance {
        db_instance_identifier: Some(record.name.clone()),
        db_instance_class: Some(record.class.clone()),
        engine: Some(record.engine.clone()),
        db_instance_status: Some(status.to_owned()),
        master_username: Some(database.master.clone()),
        db_name: database.db_name.clone(),
        endpoint: is_made.then(|| Endpoint {
            address: Some(host(database)),
            port: Some(i32::from(database.port)),
            hosted_zone_id: Some("Z2R2ITUGPM61AM".to_owned()),
        }),
        allocated_storage: Some(database.storage_gib),
        instance_create_time: is_made.then(|| time(record.created)),
        preferred_backup_window: Some(record.backup_window.clone()),
        backup_retention_period: Some(database.retention_days),
        db_security_groups: Some(Vec::new()),
        vpc_security_groups: Some(security_groups(&record.security_groups)),
        db_parameter_groups: Some(vec![DBParameterGroupStatus {
            db_parameter_group_name: Some(record.parameter_group.clone()),
            parameter_apply_status: Some("in-sync".to_owned()),
        }]),
        availability_zone: Some(format!("{}a", record.scope.region)),
        db_subnet_group: subnet_group(rds, &record.scope, record.subnet_group.as_ref()).await?,
        preferred_maintenance_window: Some(record.maintenance_window.clone()),
        pending_modified_values: Some(PendingModifiedValues::default()),
        latest_restorable_time: latest.map(time),
        multi_az: Some(record.multi_az),
        engine_version: Some(record.version.clone()),
        auto_minor_version_upgrade: Some(record.minor_upgrades),
        read_replica_db_instance_identifiers: Some(Vec::new()),
        license_model: Some(record.family().license().to_owned()),
        option_group_memberships: Some(Vec::new()),
        publicly_accessible: Some(record.public),
        status_infos: taken.or_else(|| record.reason.clone()).map(|reason| {
            vec![DBInstanceStatusInfo {
                status_type: Some("danbi".to_owned()),
                normal: Some(false),
                status: Some("error".to_owned()),
                message: Some(reason),
            }]
        }),
        storage_type: Some(record.storage_type.clone()),
        db_instance_port: Some(0),
        db_cluster_identifier: record.cluster.clone(),
        storage_encrypted: Some(false),
        dbi_resource_id: Some(record.resource.clone()),
        ca_certificate_identifier: Some(crate::reads::CERTIFICATE.to_owned()),
        domain_memberships: Some(Vec::new()),
        copy_tags_to_snapshot: Some(record.copy_tags),
        monitoring_interval: Some(0),
        db_instance_arn: Some(record.arn()),
        iam_database_authentication_enabled: Some(false),
        performance_insights_enabled: Some(false),
        deletion_protection: Some(record.deletion_protection),
        associated_roles: Some(Vec::new()),
        tag_list: Some(names::tag_list(&record.tags)),
        promotion_tier: record.cluster.as_ref().map(|_| 1),
        network_type: Some("IPV4".to_owned()),
        backup_target: Some("region".to_owned()),
        master_user_secret: master_secret(record),
        ..DBInstance::default()
    })
}

fn master_secret(record: &Record) -> Option<MasterUserSecret> {
    record.managed.as_ref().map(|managed| MasterUserSecret {
        secret_arn: Some(managed.arn.clone()),
        secret_status: Some("active".to_owned()),
        ..MasterUserSecret::default()
    })
}

fn security_groups(ids: &[String]) -> Vec<VpcSecurityGroupMembership> {
    let one = |id: &String| VpcSecurityGroupMembership {
        vpc_security_group_id: Some(id.clone()),
        status: Some("active".to_owned()),
    };
    ids.iter().map(one).collect()
}

pub(crate) async fn cluster(rds: &Rds, record: &Record) -> Result<DBCluster> {
    let members = rds.all(Kind::Instance, &record.scope).await?;
    let mut members: Vec<&Record> = members
        .values()
        .filter(|one| one.cluster.as_ref() == Some(&record.name))
        .collect();
    members.sort_by_key(|one| one.created);
    let bases: Vec<crate::backup::Image> = records::all(&rds.store, keys::bases(&record.resource)).await?;
    let endpoint = host(record);
    Ok(DBCluster {
        allocated_storage: Some(1),
        availability_zones: Some(vec![format!("{}a", record.scope.region)]),
        backup_retention_period: Some(record.retention_days),
        database_name: record.db_name.clone(),
        db_cluster_identifier: Some(record.name.clone()),
        db_cluster_parameter_group: Some(record.parameter_group.clone()),
        db_subnet_group: Some(record.subnet_group.clone().unwrap_or_else(|| "default".to_owned())),
        status: Some(match record.status {
            Status::Available if rds.is_unreachable(record) => UNREACHABLE.to_owned(),
            status => status.text().to_owned(),
        }),
        earliest_restorable_time: bases.first().map(|base| time(base.taken)),
        latest_restorable_time: latest_restorable(rds, record).await?.map(time),
        // One server writes and reads.
        reader_endpoint: Some(endpoint.clone()),
        endpoint: Some(endpoint),
        multi_az: Some(false),
        engine: Some(record.engine.clone()),
        engine_version: Some(record.version.clone()),
        port: Some(i32::from(record.port)),
        master_username: Some(record.master.clone()),
        preferred_backup_window: Some(record.backup_window.clone()),
        preferred_maintenance_window: Some(record.maintenance_window.clone()),
        read_replica_identifiers: Some(Vec::new()),
        db_cluster_members: Some(
            members
                .iter()
                .enumerate()
                .map(|(at, member)| DBClusterMember {
                    db_instance_identifier: Some(member.name.clone()),
                    is_cluster_writer: Some(at == 0),
                    db_cluster_parameter_group_status: Some("in-sync".to_owned()),
                    promotion_tier: Some(1),
                })
                .collect(),
        ),
        vpc_security_groups: Some(security_groups(&record.security_groups)),
        hosted_zone_id: Some("Z2R2ITUGPM61AM".to_owned()),
        storage_encrypted: Some(false),
        db_cluster_resource_id: Some(record.resource.clone()),
        db_cluster_arn: Some(record.arn()),
        associated_roles: Some(Vec::new()),
        iam_database_authentication_enabled: Some(false),
        cluster_create_time: Some(time(record.created)),
        engine_mode: Some("provisioned".to_owned()),
        deletion_protection: Some(record.deletion_protection),
        http_endpoint_enabled: Some(record.http_endpoint),
        copy_tags_to_snapshot: Some(record.copy_tags),
        cross_account_clone: Some(false),
        domain_memberships: Some(Vec::new()),
        tag_list: Some(names::tag_list(&record.tags)),
        auto_minor_version_upgrade: Some(record.minor_upgrades),
        serverless_v2_scaling_configuration: record.capacity.map(|(least, most, pause)| {
            ServerlessV2ScalingConfigurationInfo {
                min_capacity: Some(least),
                max_capacity: Some(most),
                seconds_until_auto_pause: pause,
            }
        }),
        network_type: Some("IPV4".to_owned()),
        master_user_secret: master_secret(record),
        ..DBCluster::default()
    })
}

pub(crate) async fn instances(
    rds: Arc<Rds>,
    context: RequestContext,
    input: DescribeDBInstancesMessage,
) -> Result<DBInstanceMessage> {
    if let Some(name) = &input.db_instance_identifier {
        let record = load(&rds, Kind::Instance, &context.scope, name).await?;
        return Ok(DBInstanceMessage {
            marker: None,
            db_instances: Some(vec![instance(&rds, &record).await?]),
        });
    }
    let mut found = Vec::new();
    for (name, record) in rds.all(Kind::Instance, &context.scope).await? {
        let wanted = passes(input.filters.as_ref(), |filter| match filter {
            "db-instance-id" => Some(vec![record.name.clone(), record.arn()]),
            "db-cluster-id" => Some(record.cluster.clone().into_iter().collect()),
            "dbi-resource-id" => Some(vec![record.resource.clone()]),
            "engine" => Some(vec![record.engine.clone()]),
            _ => None,
        })?;
        if wanted {
            found.push((name, record));
        }
    }
    let (records, marker) = page(found, input.max_records, input.marker.as_ref())?;
    let mut all = Vec::new();
    for record in &records {
        all.push(instance(&rds, record).await?);
    }
    Ok(DBInstanceMessage {
        marker,
        db_instances: Some(all),
    })
}

pub(crate) async fn clusters(
    rds: Arc<Rds>,
    context: RequestContext,
    input: DescribeDBClustersMessage,
) -> Result<DBClusterMessage> {
    if let Some(name) = &input.db_cluster_identifier {
        let record = load(&rds, Kind::Cluster, &context.scope, name).await?;
        return Ok(DBClusterMessage {
            marker: None,
            db_clusters: Some(vec![cluster(&rds, &record).await?]),
        });
    }
    let mut found = Vec::new();
    for (name, record) in rds.all(Kind::Cluster, &context.scope).await? {
        let wanted = passes(input.filters.as_ref(), |filter| match filter {
            "db-cluster-id" => Some(vec![record.name.clone(), record.arn()]),
            "db-cluster-resource-id" => Some(vec![record.resource.clone()]),
            "engine" => Some(vec![record.engine.clone()]),
            _ => None,
        })?;
        if wanted {
            found.push((name, record));
        }
    }
    let (records, marker) = page(found, input.max_records, input.marker.as_ref())?;
    let mut all = Vec::new();
    for record in &records {
        all.push(cluster(&rds, record).await?);
    }
    Ok(DBClusterMessage {
        marker,
        db_clusters: Some(all),
    })
}
