//! The table of operations, each with the question that it puts to the authorizer.

use crate::keys::Kind;
use crate::shapes::operations::*;
use crate::{
    Rds, change, cluster_groups, create, describe, engines, events, groups, logs, names, reads, restore, snapshots,
    tags,
};
use danbi_core::{Access, RequestContext, ServiceError};
use danbi_wire::{Service, models};
use std::sync::Arc;

/// What an action asks for, on the resource of that kind and name; a name may be an ARN.
fn on(action: &'static str, kind: Kind, context: &RequestContext, name: &str) -> Result<Access, ServiceError> {
    let resource = match name.starts_with("arn:") {
        true => name.to_owned(),
        false => names::arn(kind, &context.scope, &name.to_ascii_lowercase()),
    };
    Ok(Access::new(action, resource))
}

/// The same for lists, which may name one.
fn any(
    action: &'static str,
    kind: Kind,
    context: &RequestContext,
    name: Option<&String>,
) -> Result<Access, ServiceError> {
    on(action, kind, context, name.map_or("*", String::as_str))
}

/// Amazon RDS for the wire.
#[rustfmt::skip]
pub fn service(rds: Arc<Rds>) -> Service {
    Service::builder(&models::RDS, rds)
        .on(CreateDBInstance, |_, c, i| on("rds:CreateDBInstance", Kind::Instance, c, &i.db_instance_identifier), create::instance)
        .on(DescribeDBInstances, |_, c, i| any("rds:DescribeDBInstances", Kind::Instance, c, i.db_instance_identifier.as_ref()), describe::instances)
        .on(ModifyDBInstance, |_, c, i| on("rds:ModifyDBInstance", Kind::Instance, c, &i.db_instance_identifier), change::modify_instance)
        .on(StartDBInstance, |_, c, i| on("rds:StartDBInstance", Kind::Instance, c, &i.db_instance_identifier), change::start_instance)
        .on(StopDBInstance, |_, c, i| on("rds:StopDBInstance", Kind::Instance, c, &i.db_instance_identifier), change::stop_instance)
        .on(RebootDBInstance, |_, c, i| on("rds:RebootDBInstance", Kind::Instance, c, &i.db_instance_identifier), change::reboot_instance)
        .on(DeleteDBInstance, |_, c, i| on("rds:DeleteDBInstance", Kind::Instance, c, &i.db_instance_identifier), change::delete_instance)
        .on(CreateDBCluster, |_, c, i| on("rds:CreateDBCluster", Kind::Cluster, c, &i.db_cluster_identifier), create::cluster)
        .on(DescribeDBClusters, |_, c, i| any("rds:DescribeDBClusters", Kind::Cluster, c, i.db_cluster_identifier.as_ref()), describe::clusters)
        .on(ModifyDBCluster, |_, c, i| on("rds:ModifyDBCluster", Kind::Cluster, c, &i.db_cluster_identifier), change::modify_cluster)
        .on(StartDBCluster, |_, c, i| on("rds:StartDBCluster", Kind::Cluster, c, &i.db_cluster_identifier), change::start_cluster)
        .on(StopDBCluster, |_, c, i| on("rds:StopDBCluster", Kind::Cluster, c, &i.db_cluster_identifier), change::stop_cluster)
        .on(DeleteDBCluster, |_, c, i| on("rds:DeleteDBCluster", Kind::Cluster, c, &i.db_cluster_identifier), change::delete_cluster)
        .on(CreateDBSnapshot, |_, c, i| Ok(vec![
            on("rds:CreateDBSnapshot", Kind::Snapshot, c, &i.db_snapshot_identifier)?,
            on("rds:CreateDBSnapshot", Kind::Instance, c, &i.db_instance_identifier)?,
        ]), snapshots::of_instances::create)
        .on(CopyDBSnapshot, |_, c, i| Ok(vec![
            on("rds:CopyDBSnapshot", Kind::Snapshot, c, &i.source_db_snapshot_identifier)?,
            on("rds:CopyDBSnapshot", Kind::Snapshot, c, &i.target_db_snapshot_identifier)?,
        ]), snapshots::of_instances::copy)
        .on(DescribeDBSnapshots, |_, c, i| any("rds:DescribeDBSnapshots", Kind::Snapshot, c, i.db_snapshot_identifier.as_ref()), snapshots::of_instances::describe_all)
        .on(DeleteDBSnapshot, |_, c, i| on("rds:DeleteDBSnapshot", Kind::Snapshot, c, &i.db_snapshot_identifier), snapshots::of_instances::delete)
        .on(RestoreDBInstanceFromDBSnapshot, |_, c, i| Ok(vec![
            on("rds:RestoreDBInstanceFromDBSnapshot", Kind::Instance, c, &i.db_instance_identifier)?,
            any("rds:RestoreDBInstanceFromDBSnapshot", Kind::Snapshot, c, i.db_snapshot_identifier.as_ref())?,
        ]), restore::restore_from_snapshot)
        .on(RestoreDBInstanceToPointInTime, |_, c, i| Ok(vec![
            on("rds:RestoreDBInstanceToPointInTime", Kind::Instance, c, &i.target_db_instance_identifier)?,
            any("rds:RestoreDBInstanceToPointInTime", Kind::Instance, c, i.source_db_instance_identifier.as_ref())?,
        ]), restore::restore_to_moment)
        .on(RestoreDBClusterToPointInTime, |_, c, i| Ok(vec![
            on("rds:RestoreDBClusterToPointInTime", Kind::Cluster, c, &i.db_cluster_identifier)?,
            any("rds:RestoreDBClusterToPointInTime", Kind::Cluster, c, i.source_db_cluster_identifier.as_ref())?,
        ]), restore::restore_cluster_to_moment)
        .on(CreateDBClusterSnapshot, |_, c, i| Ok(vec![
            on("rds:CreateDBClusterSnapshot", Kind::ClusterSnapshot, c, &i.db_cluster_snapshot_identifier)?,
            on("rds:CreateDBClusterSnapshot", Kind::Cluster, c, &i.db_cluster_identifier)?,
        ]), snapshots::of_clusters::create)
        .on(CopyDBClusterSnapshot, |_, c, i| Ok(vec![
            on("rds:CopyDBClusterSnapshot", Kind::ClusterSnapshot, c, &i.source_db_cluster_snapshot_identifier)?,
            on("rds:CopyDBClusterSnapshot", Kind::ClusterSnapshot, c, &i.target_db_cluster_snapshot_identifier)?,
        ]), snapshots::of_clusters::copy)
        .on(DescribeDBClusterSnapshots, |_, c, i| any("rds:DescribeDBClusterSnapshots", Kind::ClusterSnapshot, c, i.db_cluster_snapshot_identifier.as_ref()), snapshots::of_clusters::describe_all)
        .on(DeleteDBClusterSnapshot, |_, c, i| on("rds:DeleteDBClusterSnapshot", Kind::ClusterSnapshot, c, &i.db_cluster_snapshot_identifier), snapshots::of_clusters::delete)
        .on(RestoreDBClusterFromSnapshot, |_, c, i| Ok(vec![
            on("rds:RestoreDBClusterFromSnapshot", Kind::Cluster, c, &i.db_cluster_identifier)?,
            on("rds:RestoreDBClusterFromSnapshot", Kind::ClusterSnapshot, c, &i.snapshot_identifier)?,
        ]), restore::restore_cluster_from_snapshot)
        .on(DescribeDBSnapshotAttributes, |_, c, i| on("rds:DescribeDBSnapshotAttributes", Kind::Snapshot, c, &i.db_snapshot_identifier), snapshots::sharing::describe_instance)
        .on(ModifyDBSnapshotAttribute, |_, c, i| on("rds:ModifyDBSnapshotAttribute", Kind::Snapshot, c, &i.db_snapshot_identifier), snapshots::sharing::modify_instance)
        .on(DescribeDBClusterSnapshotAttributes, |_, c, i| on("rds:DescribeDBClusterSnapshotAttributes", Kind::ClusterSnapshot, c, &i.db_cluster_snapshot_identifier), snapshots::sharing::describe_cluster)
        .on(ModifyDBClusterSnapshotAttribute, |_, c, i| on("rds:ModifyDBClusterSnapshotAttribute", Kind::ClusterSnapshot, c, &i.db_cluster_snapshot_identifier), snapshots::sharing::modify_cluster)
        .on(CreateDBParameterGroup, |_, c, i| on("rds:CreateDBParameterGroup", Kind::ParameterGroup, c, &i.db_parameter_group_name), groups::create_parameters)
        .on(DescribeDBParameterGroups, |_, c, i| any("rds:DescribeDBParameterGroups", Kind::ParameterGroup, c, i.db_parameter_group_name.as_ref()), groups::describe_parameter_groups)
        .on(ModifyDBParameterGroup, |_, c, i| on("rds:ModifyDBParameterGroup", Kind::ParameterGroup, c, &i.db_parameter_group_name), groups::modify_parameters)
        .on(ResetDBParameterGroup, |_, c, i| on("rds:ResetDBParameterGroup", Kind::ParameterGroup, c, &i.db_parameter_group_name), groups::reset_parameters)
        .on(DeleteDBParameterGroup, |_, c, i| on("rds:DeleteDBParameterGroup", Kind::ParameterGroup, c, &i.db_parameter_group_name), groups::delete_parameters)
        .on(DescribeDBParameters, |_, c, i| on("rds:DescribeDBParameters", Kind::ParameterGroup, c, &i.db_parameter_group_name), groups::describe_parameters)
        .on(CreateDBClusterParameterGroup, |_, c, i| on("rds:CreateDBClusterParameterGroup", Kind::ClusterParameterGroup, c, &i.db_cluster_parameter_group_name), cluster_groups::create)
        .on(DescribeDBClusterParameterGroups, |_, c, i| any("rds:DescribeDBClusterParameterGroups", Kind::ClusterParameterGroup, c, i.db_cluster_parameter_group_name.as_ref()), cluster_groups::describe_all)
        .on(ModifyDBClusterParameterGroup, |_, c, i| on("rds:ModifyDBClusterParameterGroup", Kind::ClusterParameterGroup, c, &i.db_cluster_parameter_group_name), cluster_groups::modify)
        .on(ResetDBClusterParameterGroup, |_, c, i| on("rds:ResetDBClusterParameterGroup", Kind::ClusterParameterGroup, c, &i.db_cluster_parameter_group_name), cluster_groups::reset_to_defaults)
        .on(DeleteDBClusterParameterGroup, |_, c, i| on("rds:DeleteDBClusterParameterGroup", Kind::ClusterParameterGroup, c, &i.db_cluster_parameter_group_name), cluster_groups::delete)
        .on(DescribeDBClusterParameters, |_, c, i| on("rds:DescribeDBClusterParameters", Kind::ClusterParameterGroup, c, &i.db_cluster_parameter_group_name), cluster_groups::describe_parameters)
        .on(CreateDBSubnetGroup, |_, c, i| on("rds:CreateDBSubnetGroup", Kind::SubnetGroup, c, &i.db_subnet_group_name), groups::create_subnets)
        .on(DescribeDBSubnetGroups, |_, c, i| any("rds:DescribeDBSubnetGroups", Kind::SubnetGroup, c, i.db_subnet_group_name.as_ref()), groups::describe_subnets)
        .on(ModifyDBSubnetGroup, |_, c, i| on("rds:ModifyDBSubnetGroup", Kind::SubnetGroup, c, &i.db_subnet_group_name), groups::modify_subnets)
        .on(DeleteDBSubnetGroup, |_, c, i| on("rds:DeleteDBSubnetGroup", Kind::SubnetGroup, c, &i.db_subnet_group_name), groups::delete_subnets)
        .on(DescribeDBEngineVersions, |_, _, _| Ok(Access::any("rds:DescribeDBEngineVersions")), engines::describe_versions)
        .on(DescribeOrderableDBInstanceOptions, |_, _, _| Ok(Access::any("rds:DescribeOrderableDBInstanceOptions")), engines::describe_orderable)
        .on(DescribeCertificates, |_, _, _| Ok(Access::any("rds:DescribeCertificates")), reads::certificates)
        .on(DescribeGlobalClusters, |_, _, _| Ok(Access::any("rds:DescribeGlobalClusters")), reads::global_clusters)
        .on(DescribePendingMaintenanceActions, |_, _, _| Ok(Access::any("rds:DescribePendingMaintenanceActions")), reads::pending_maintenance)
        .on(DescribeEvents, |_, _, _| Ok(Access::any("rds:DescribeEvents")), events::describe)
        .on(DescribeEventCategories, |_, _, _| Ok(Access::any("rds:DescribeEventCategories")), events::describe_categories)
        .on(DescribeDBLogFiles, |_, c, i| on("rds:DescribeDBLogFiles", Kind::Instance, c, &i.db_instance_identifier), logs::describe_files)
        .on(DownloadDBLogFilePortion, |_, c, i| on("rds:DownloadDBLogFilePortion", Kind::Instance, c, &i.db_instance_identifier), logs::download)
        .on(AddTagsToResource, |_, _, i| Ok(Access::new("rds:AddTagsToResource", &i.resource_name)), tags::add)
        .on(ListTagsForResource, |_, _, i| Ok(Access::new("rds:ListTagsForResource", &i.resource_name)), tags::list)
        .on(RemoveTagsFromResource, |_, _, i| Ok(Access::new("rds:RemoveTagsFromResource", &i.resource_name)), tags::remove)
        .build()
}
