//! Parameter groups of clusters: what [`crate::groups`] has for instances, under names of its own.

use crate::describe::page;
use crate::groups::{load, make, parameters, remove, reset, set};
use crate::keys::{self, Kind};
use crate::records::{self, GroupRecord};
use crate::shapes::*;
use crate::{Error, Rds, Result, names};
use danbi_core::RequestContext;
use danbi_wire::Empty;
use std::collections::BTreeMap;
use std::sync::Arc;

const KIND: Kind = Kind::ClusterParameterGroup;

fn shape(record: &GroupRecord) -> DBClusterParameterGroup {
    DBClusterParameterGroup {
        db_cluster_parameter_group_name: Some(record.name.clone()),
        db_parameter_group_family: Some(record.family.clone()),
        description: Some(record.description.clone()),
        db_cluster_parameter_group_arn: Some(names::arn(KIND, &record.scope, &record.name)),
    }
}

pub(crate) async fn create(
    rds: Arc<Rds>,
    context: RequestContext,
    input: CreateDBClusterParameterGroupMessage,
) -> Result<CreateDBClusterParameterGroupResult> {
    let record = GroupRecord {
        name: names::identifier("DBClusterParameterGroupName", &input.db_cluster_parameter_group_name)?,
        scope: context.scope,
        description: input.description,
        family: input.db_parameter_group_family,
        parameters: BTreeMap::new(),
        subnets: Vec::new(),
        tags: names::tags(input.tags.as_ref())?,
    };
    if record.name.starts_with("default") {
        return Err(Error::invalid(
            "The parameter DBClusterParameterGroupName must not begin with \"default\".",
        ));
    }
    make(&rds, KIND, &record).await?;
    Ok(CreateDBClusterParameterGroupResult {
        db_cluster_parameter_group: Some(shape(&record)),
    })
}

pub(crate) async fn describe_all(
    rds: Arc<Rds>,
    context: RequestContext,
    input: DescribeDBClusterParameterGroupsMessage,
) -> Result<DBClusterParameterGroupsMessage> {
    if let Some(name) = &input.db_cluster_parameter_group_name {
        let record = load(&rds, KIND, &context.scope, name).await?;
        return Ok(DBClusterParameterGroupsMessage {
            marker: None,
            db_cluster_parameter_groups: Some(vec![shape(&record)]),
        });
    }
    let all: Vec<GroupRecord> = records::all(&rds.store, keys::all_named(KIND, &context.scope)).await?;
    let all = all.iter().map(|record| (record.name.clone(), shape(record))).collect();
    let (groups, marker) = page(all, input.max_records, input.marker.as_ref())?;
    Ok(DBClusterParameterGroupsMessage {
        marker,
        db_cluster_parameter_groups: Some(groups),
    })
}

pub(crate) async fn modify(
    rds: Arc<Rds>,
    context: RequestContext,
    input: ModifyDBClusterParameterGroupMessage,
) -> Result<DBClusterParameterGroupNameMessage> {
    let name = &input.db_cluster_parameter_group_name;
    let name = set(&rds, KIND, &context.scope, name, &input.parameters).await?;
    Ok(DBClusterParameterGroupNameMessage {
        db_cluster_parameter_group_name: Some(name),
    })
}

pub(crate) async fn reset_to_defaults(
    rds: Arc<Rds>,
    context: RequestContext,
    input: ResetDBClusterParameterGroupMessage,
) -> Result<DBClusterParameterGroupNameMessage> {
    let name = &input.db_cluster_parameter_group_name;
    let which = (input.reset_all_parameters, input.parameters.as_ref());
    let name = reset(&rds, KIND, &context.scope, name, which).await?;
    Ok(DBClusterParameterGroupNameMessage {
        db_cluster_parameter_group_name: Some(name),
    })
}

pub(crate) async fn delete(
    rds: Arc<Rds>,
    context: RequestContext,
    input: DeleteDBClusterParameterGroupMessage,
) -> Result<Empty> {
    remove(&rds, KIND, &context.scope, &input.db_cluster_parameter_group_name).await
}

pub(crate) async fn describe_parameters(
    rds: Arc<Rds>,
    context: RequestContext,
    input: DescribeDBClusterParametersMessage,
) -> Result<DBClusterParameterGroupDetails> {
    let (scope, name) = (&context.scope, &input.db_cluster_parameter_group_name);
    let all = parameters(&rds, KIND, scope, name, input.source.as_ref()).await?;
    let (parameters, marker) = page(all, input.max_records, input.marker.as_ref())?;
    Ok(DBClusterParameterGroupDetails {
        parameters: Some(parameters),
        marker,
    })
}
