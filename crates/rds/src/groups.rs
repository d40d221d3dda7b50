//! Parameter groups and subnet groups.
//!
//! Parameters are the server's variables; they hold from a database's next start. Subnets and their networks are not
//! built here, so a subnet group is kept for those who describe their infrastructure and changes nothing.

use crate::describe::page;
use crate::engines::Family;
use crate::keys::{self, Kind};
use crate::records::{self, GroupRecord, encode};
use crate::shapes::*;
use crate::{Error, Rds, Result, events, names};
use danbi_core::{RequestContext, Scope};
use danbi_store::Transaction;
use danbi_wire::Empty;
use std::collections::BTreeMap;
use std::sync::Arc;

/// Parameters that a group for MariaDB may set; the others are the platform's, or the server's own affair.
const MARIADB_PARAMETERS: [&str; 38] = [
    "auto_increment_increment",
    "auto_increment_offset",
    "back_log",
    "character_set_client",
    "character_set_connection",
    "character_set_database",
    "character_set_filesystem",
    "character_set_results",
    "character_set_server",
    "collation_connection",
    "collation_server",
    "connect_timeout",
    "default_storage_engine",
    "event_scheduler",
    "explicit_defaults_for_timestamp",
    "group_concat_max_len",
    "innodb_buffer_pool_size",
    "innodb_file_per_table",
    "innodb_ft_min_token_size",
    "innodb_lock_wait_timeout",
    "innodb_print_all_deadlocks",
    "innodb_strict_mode",
    "interactive_timeout",
    "join_buffer_size",
    "lock_wait_timeout",
    "long_query_time",
    "max_allowed_packet",
    "max_connections",
    "max_heap_table_size",
    "net_read_timeout",
    "net_write_timeout",
    "slow_query_log",
    "sort_buffer_size",
    "sql_mode",
    "tmp_table_size",
    "transaction_isolation",
    "tx_isolation",
    "wait_timeout",
];
/// The same for PostgreSQL.
const POSTGRES_PARAMETERS: [&str; 46] = [
    "array_nulls",
    "autovacuum",
    "autovacuum_analyze_scale_factor",
    "autovacuum_analyze_threshold",
    "autovacuum_max_workers",
    "autovacuum_naptime",
    "autovacuum_vacuum_cost_delay",
    "autovacuum_vacuum_cost_limit",
    "autovacuum_vacuum_scale_factor",
    "autovacuum_vacuum_threshold",
    "backslash_quote",
    "bytea_output",
    "checkpoint_timeout",
    "client_encoding",
    "constraint_exclusion",
    "cpu_tuple_cost",
    "cursor_tuple_fraction",
    "datestyle",
    "deadlock_timeout",
    "default_statistics_target",
    "default_transaction_deferrable",
    "default_transaction_isolation",
    "default_transaction_read_only",
    "effective_cache_size",
    "effective_io_concurrency",
    "extra_float_digits",
    "gin_fuzzy_search_limit",
    "idle_in_transaction_session_timeout",
    "intervalstyle",
    "jit",
    "lock_timeout",
    "log_lock_waits",
    "log_min_duration_statement",
    "log_statement",
    "maintenance_work_mem",
    "max_locks_per_transaction",
    "max_parallel_workers_per_gather",
    "random_page_cost",
    "search_path",
    "seq_page_cost",
    "shared_buffers",
    "statement_timeout",
    "temp_file_limit",
    "timezone",
    "track_activity_query_size",
    "work_mem",
];
/// Of one value.
const MAX_VALUE: usize = 1024;

pub(crate) fn missing(kind: Kind, name: &str) -> Error {
    match kind {
        Kind::SubnetGroup => Error::Aws(
            "DBSubnetGroupNotFoundFault",
            404,
            format!("DB subnet group '{name}' does not exist."),
        ),
        Kind::ClusterParameterGroup => Error::Aws(
            "DBParameterGroupNotFound",
            404,
            format!("DBClusterParameterGroup not found: {name}"),
        ),
        _ => Error::Aws(
            "DBParameterGroupNotFound",
            404,
            format!("DBParameterGroup not found: {name}"),
        ),
    }
}

pub(crate) async fn load(rds: &Rds, kind: Kind, scope: &Scope, name: &str) -> Result<GroupRecord> {
    let name = name.to_ascii_lowercase();
    let found = records::load(&rds.store, &keys::named(kind, scope, &name)).await?;
    found.ok_or_else(|| missing(kind, &name))
}

pub(crate) async fn make(rds: &Rds, kind: Kind, record: &GroupRecord) -> Result<()> {
    let key = keys::named(kind, &record.scope, &record.name);
    let exists = || match kind {
        Kind::SubnetGroup => Error::Aws(
            "DBSubnetGroupAlreadyExists",
            400,
            format!("The DB subnet group '{}' already exists.", record.name),
        ),
        _ => Error::Aws(
            "DBParameterGroupAlreadyExists",
            400,
            format!("Parameter group {} already exists", record.name),
        ),
    };
    rds.store
        .transact(async |tx| {
            if tx.get(&key).await?.is_some() {
                return Err(exists());
            }
            tx.put(&key, encode(record)?)?;
            Ok(())
        })
        .await
}

async fn change(
    rds: &Rds,
    kind: Kind,
    scope: &Scope,
    name: &str,
    change: impl Fn(&Transaction, &mut GroupRecord) -> Result<()> + Send + Sync,
) -> Result<GroupRecord> {
    let name = name.to_ascii_lowercase();
    let key = keys::named(kind, scope, &name);
    let (key, change, name) = (&key, &change, &name);
    rds.store
        .transact(async |tx| {
            let mut record: GroupRecord = records::read(&tx, key).await?.ok_or_else(|| missing(kind, name))?;
            change(&tx, &mut record)?;
            tx.put(key, encode(&record)?)?;
            Ok(record)
        })
        .await
}

pub(crate) async fn remove(rds: &Rds, kind: Kind, scope: &Scope, name: &str) -> Result<Empty> {
    let record = load(rds, kind, scope, name).await?;
    for owner in [Kind::Instance, Kind::Cluster] {
        for database in rds.all(owner, scope).await?.values() {
            let is_used = match kind {
                Kind::SubnetGroup => database.subnet_group.as_ref() == Some(&record.name),
                Kind::ClusterParameterGroup => database.is_cluster && database.parameter_group == record.name,
                _ => !database.is_cluster && database.parameter_group == record.name,
            };
            if is_used {
                return Err(match kind {
                    Kind::SubnetGroup => Error::Aws(
                        "InvalidDBSubnetGroupStateFault",
                        400,
                        format!(
                            "Cannot delete the subnet group '{}' because at least one database instance: {} is still using it.",
                            record.name, database.name
                        ),
                    ),
                    _ => Error::Aws(
                        "InvalidDBParameterGroupState",
                        400,
                        format!(
                            "One or more database instances are still members of this parameter group {}, so the group cannot be deleted",
                            record.name
                        ),
                    ),
                });
            }
        }
    }
    let key = keys::named(kind, scope, &record.name);
    rds.store
        .transact(async |tx| {
            tx.delete(&key)?;
            Ok::<_, Error>(Empty {})
        })
        .await
}

fn parameter_group(record: &GroupRecord) -> DBParameterGroup {
    DBParameterGroup {
        db_parameter_group_name: Some(record.name.clone()),
        db_parameter_group_family: Some(record.family.clone()),
        description: Some(record.description.clone()),
        db_parameter_group_arn: Some(names::arn(Kind::ParameterGroup, &record.scope, &record.name)),
    }
}

pub(crate) async fn create_parameters(
    rds: Arc<Rds>,
    context: RequestContext,
    input: CreateDBParameterGroupMessage,
) -> Result<CreateDBParameterGroupResult> {
    let record = GroupRecord {
        name: names::identifier("DBParameterGroupName", &input.db_parameter_group_name)?,
        scope: context.scope,
        description: input.description,
        family: input.db_parameter_group_family,
        parameters: BTreeMap::new(),
        subnets: Vec::new(),
        tags: names::tags(input.tags.as_ref())?,
    };
    if record.name.starts_with("default") {
        return Err(Error::invalid(
            "The parameter DBParameterGroupName must not begin with \"default\".",
        ));
    }
    make(&rds, Kind::ParameterGroup, &record).await?;
    Ok(CreateDBParameterGroupResult {
        db_parameter_group: Some(parameter_group(&record)),
    })
}

pub(crate) async fn describe_parameter_groups(
    rds: Arc<Rds>,
    context: RequestContext,
    input: DescribeDBParameterGroupsMessage,
) -> Result<DBParameterGroupsMessage> {
    if let Some(name) = &input.db_parameter_group_name {
        let record = load(&rds, Kind::ParameterGroup, &context.scope, name).await?;
        return Ok(DBParameterGroupsMessage {
            marker: None,
            db_parameter_groups: Some(vec![parameter_group(&record)]),
        });
    }
    let all: Vec<GroupRecord> = records::all(&rds.store, keys::all_named(Kind::ParameterGroup, &context.scope)).await?;
    let all = all
        .iter()
        .map(|record| (record.name.clone(), parameter_group(record)))
        .collect();
    let (groups, marker) = page(all, input.max_records, input.marker.as_ref())?;
    Ok(DBParameterGroupsMessage {
        marker,
        db_parameter_groups: Some(groups),
    })
}

/// What a group of a family of parameters, such as `postgres15`, may set.
fn settable(family: &str) -> &'static [&'static str] {
    match Family::of(family.trim_end_matches(|last: char| last.is_ascii_digit() || last == '.')) {
        Family::MariaDb => &MARIADB_PARAMETERS,
        Family::Postgres => &POSTGRES_PARAMETERS,
    }
}

/// A parameter's name and value, if a group of that family may set it.
fn checked(family: &str, parameter: &Parameter) -> Result<(String, String)> {
    let (Some(name), Some(value)) = (&parameter.parameter_name, &parameter.parameter_value) else {
        return Err(Error::combination(
            "A parameter needs a ParameterName and a ParameterValue.",
        ));
    };
    if !settable(family).contains(&name.as_str()) {
        return Err(Error::invalid(format!("Could not find parameter with name: {name}")));
    }
    let plain = value.chars().all(|letter| letter.is_ascii_graphic() || letter == ' ');
    // Formulas over the class's memory, which AWS has, are not computed here.
    if !plain || value.len() > MAX_VALUE || value.contains(['{', '}']) {
        return Err(Error::invalid(format!("Invalid parameter value: {value} for: {name}")));
    }
    Ok((name.clone(), value.clone()))
}

/// Sets parameters of a group.
pub(crate) async fn set(rds: &Rds, kind: Kind, scope: &Scope, name: &str, parameters: &[Parameter]) -> Result<String> {
    let now = rds.now();
    let record = change(rds, kind, scope, name, |tx, record| {
        let family = record.family.clone();
        for parameter in parameters {
            let (name, value) = checked(&family, parameter)?;
            if record.parameters.get(&name) != Some(&value) {
                events::note_parameter(tx, (kind, scope, &record.name), (&name, &value), now)?;
            }
            record.parameters.insert(name, value);
        }
        Ok(())
    });
    Ok(record.await?.name)
}

pub(crate) async fn modify_parameters(
    rds: Arc<Rds>,
    context: RequestContext,
    input: ModifyDBParameterGroupMessage,
) -> Result<DBParameterGroupNameMessage> {
    let (scope, name) = (&context.scope, &input.db_parameter_group_name);
    let name = set(&rds, Kind::ParameterGroup, scope, name, &input.parameters).await?;
    Ok(DBParameterGroupNameMessage {
        db_parameter_group_name: Some(name),
    })
}

/// Gives parameters of a group, or all of them, their defaults again.
pub(crate) async fn reset(
    rds: &Rds,
    kind: Kind,
    scope: &Scope,
    name: &str,
    (all, parameters): (Option<bool>, Option<&Vec<Parameter>>),
) -> Result<String> {
    let record = change(rds, kind, scope, name, |_, record| {
        if all.unwrap_or(parameters.is_none()) {
            record.parameters.clear();
        }
        for parameter in parameters.into_iter().flatten() {
            let name = parameter.parameter_name.as_deref().unwrap_or_default();
            record.parameters.remove(name);
        }
        Ok(())
    });
    Ok(record.await?.name)
}

pub(crate) async fn reset_parameters(
    rds: Arc<Rds>,
    context: RequestContext,
    input: ResetDBParameterGroupMessage,
) -> Result<DBParameterGroupNameMessage> {
    let (scope, name) = (&context.scope, &input.db_parameter_group_name);
    let which = (input.reset_all_parameters, input.parameters.as_ref());
    let name = reset(&rds, Kind::ParameterGroup, scope, name, which).await?;
    Ok(DBParameterGroupNameMessage {
        db_parameter_group_name: Some(name),
    })
}

pub(crate) async fn delete_parameters(
    rds: Arc<Rds>,
    context: RequestContext,
    input: DeleteDBParameterGroupMessage,
) -> Result<Empty> {
    remove(
        &rds,
        Kind::ParameterGroup,
        &context.scope,
        &input.db_parameter_group_name,
    )
    .await
}

/// All parameters of a group, set or not.
pub(crate) async fn parameters(
    rds: &Rds,
    kind: Kind,
    scope: &Scope,
    name: &str,
    source: Option<&String>,
) -> Result<Vec<(String, Parameter)>> {
    let name = name.to_ascii_lowercase();
    let (set, family) = match load(rds, kind, scope, &name).await {
        Ok(record) => (record.parameters, record.family),
        Err(error) => match name.strip_prefix("default.") {
            Some(family) => (BTreeMap::new(), family.to_owned()),
            None => return Err(error),
        },
    };
    let one = |name: &str| {
        let value = set.get(name).cloned();
        Parameter {
            parameter_name: Some(name.to_owned()),
            source: Some(if value.is_some() { "user" } else { "engine-default" }.to_owned()),
            parameter_value: value,
            apply_type: Some("static".to_owned()),
            data_type: Some("string".to_owned()),
            is_modifiable: Some(true),
            apply_method: Some("pending-reboot".to_owned()),
            ..Parameter::default()
        }
    };
    let all = settable(&family).iter().map(|name| ((*name).to_owned(), one(name)));
    let wanted = all.filter(|(_, one)| source.is_none() || source == one.source.as_ref());
    Ok(wanted.collect())
}

pub(crate) async fn describe_parameters(
    rds: Arc<Rds>,
    context: RequestContext,
    input: DescribeDBParametersMessage,
) -> Result<DBParameterGroupDetails> {
    let (scope, name) = (&context.scope, &input.db_parameter_group_name);
    let all = parameters(&rds, Kind::ParameterGroup, scope, name, input.source.as_ref()).await?;
    let (parameters, marker) = page(all, input.max_records, input.marker.as_ref())?;
    Ok(DBParameterGroupDetails {
        parameters: Some(parameters),
        marker,
    })
}

pub(crate) fn subnet_group(record: &GroupRecord) -> DBSubnetGroup {
    let subnet = |id: &String| Subnet {
        subnet_identifier: Some(id.clone()),
        subnet_availability_zone: Some(AvailabilityZone {
            name: Some(format!("{}a", record.scope.region)),
        }),
        subnet_status: Some("Active".to_owned()),
        ..Subnet::default()
    };
    DBSubnetGroup {
        db_subnet_group_name: Some(record.name.clone()),
        db_subnet_group_description: Some(record.description.clone()),
        subnet_group_status: Some("Complete".to_owned()),
        subnets: Some(record.subnets.iter().map(subnet).collect()),
        db_subnet_group_arn: Some(names::arn(Kind::SubnetGroup, &record.scope, &record.name)),
        ..DBSubnetGroup::default()
    }
}

pub(crate) async fn create_subnets(
    rds: Arc<Rds>,
    context: RequestContext,
    input: CreateDBSubnetGroupMessage,
) -> Result<CreateDBSubnetGroupResult> {
    let record = GroupRecord {
        name: names::identifier("DBSubnetGroupName", &input.db_subnet_group_name)?,
        scope: context.scope,
        description: input.db_subnet_group_description,
        family: String::new(),
        parameters: BTreeMap::new(),
        subnets: input.subnet_ids,
        tags: names::tags(input.tags.as_ref())?,
    };
    make(&rds, Kind::SubnetGroup, &record).await?;
    Ok(CreateDBSubnetGroupResult {
        db_subnet_group: Some(subnet_group(&record)),
    })
}

pub(crate) async fn describe_subnets(
    rds: Arc<Rds>,
    context: RequestContext,
    input: DescribeDBSubnetGroupsMessage,
) -> Result<DBSubnetGroupMessage> {
    if let Some(name) = &input.db_subnet_group_name {
        let record = load(&rds, Kind::SubnetGroup, &context.scope, name).await?;
        return Ok(DBSubnetGroupMessage {
            marker: None,
            db_subnet_groups: Some(vec![subnet_group(&record)]),
        });
    }
    let all: Vec<GroupRecord> = records::all(&rds.store, keys::all_named(Kind::SubnetGroup, &context.scope)).await?;
    let all = all
        .iter()
        .map(|record| (record.name.clone(), subnet_group(record)))
        .collect();
    let (groups, marker) = page(all, input.max_records, input.marker.as_ref())?;
    Ok(DBSubnetGroupMessage {
        marker,
        db_subnet_groups: Some(groups),
    })
}

pub(crate) async fn modify_subnets(
    rds: Arc<Rds>,
    context: RequestContext,
    input: ModifyDBSubnetGroupMessage,
) -> Result<ModifyDBSubnetGroupResult> {
    let record = change(
        &rds,
        Kind::SubnetGroup,
        &context.scope,
        &input.db_subnet_group_name,
        |_, record| {
            record.subnets.clone_from(&input.subnet_ids);
            if let Some(description) = &input.db_subnet_group_description {
                record.description.clone_from(description);
            }
            Ok(())
        },
    );
    Ok(ModifyDBSubnetGroupResult {
        db_subnet_group: Some(subnet_group(&record.await?)),
    })
}

pub(crate) async fn delete_subnets(
    rds: Arc<Rds>,
    context: RequestContext,
    input: DeleteDBSubnetGroupMessage,
) -> Result<Empty> {
    remove(&rds, Kind::SubnetGroup, &context.scope, &input.db_subnet_group_name).await
}
