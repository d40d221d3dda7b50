//! AWS::RDS

mod db_cluster;
mod db_cluster_parameter_group;
mod db_instance;
mod db_parameter_group;
mod db_subnet_group;

use super::{Failure, Outcome, Provider, Work};
use crate::names::{self, Naming};
use serde_json::{Map, Value, json};

pub(super) const ALL: &[&dyn Provider] = &[
    &db_cluster::DbCluster,
    &db_cluster_parameter_group::DbClusterParameterGroup,
    &db_instance::DbInstance,
    &db_parameter_group::DbParameterGroup,
    &db_subnet_group::DbSubnetGroup,
];

/// Parameters that one call changes at most. Source: ModifyDBParameterGroup's reference.
const PARAMETERS_AT_ONCE: usize = 20;

/// The name that a template gives, in the small letters in which RDS keeps it, or one made up.
fn identifier(work: &Work<'_>, property: &str, longest: usize) -> String {
    let naming = Naming {
        longest,
        lower_case: true,
    };
    work.name(property, naming).to_ascii_lowercase()
}

/// The name of the snapshot that is taken when a database goes.
fn last_snapshot(work: &Work<'_>) -> String {
    let naming = Naming {
        longest: 255,
        lower_case: true,
    };
    names::generated(
        &format!("{}-snapshot", work.stack.name),
        work.logical_id,
        work.token,
        naming,
    )
}

/// Refuses properties that nothing here reads.
fn check_known(work: &Work<'_>, known: &[&[&str]]) -> Outcome<()> {
    let unknown = |name: &&String| !known.iter().any(|names| names.contains(&name.as_str()));
    match work.properties.as_object().and_then(|map| map.keys().find(unknown)) {
        None => Ok(()),
        Some(name) => Err(Failure::new(
            "InvalidRequest",
            format!("{name} of {} is not built on this platform.", work.kind),
        )),
    }
}

async fn retag(work: &Work<'_>, arn: &str) -> Outcome<()> {
    let operations = ["AddTagsToResource", "RemoveTagsFromResource"];
    work.retag("rds", operations, ["ResourceName", "Tags", "TagKeys"], arn, true)
        .await
}

/// Waits until a description says that nothing is under way, and that it went well.
async fn available(work: &Work<'_>, operation: &str, input: Value, list: &str, status: &str) -> Outcome<Value> {
    let mut pause = std::time::Duration::from_millis(20);
    loop {
        let output = work.call("rds", operation, input.clone()).await?;
        let found = output.pointer(&format!("/{list}/0")).cloned().unwrap_or(Value::Null);
        match found.get(status).and_then(Value::as_str) {
            Some("available" | "stopped") => return Ok(found),
            Some(failed @ ("failed" | "incompatible-restore" | "incompatible-parameters" | "storage-full")) => {
                return Err(Failure::new(
                    "NotStabilized",
                    format!("The database is in the state {failed}."),
                ));
            }
            _ => {}
        }
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(std::time::Duration::from_secs(1));
    }
}

/// Waits until a description finds nothing any more.
async fn gone(work: &Work<'_>, operation: &str, input: Value) -> Outcome<()> {
    match work.until("rds", operation, input, |_| false).await {
        Err(failure) if !failure.is_absent() => Err(failure),
        _ => Ok(()),
    }
}

/// Removes a database; that a removal is under way already is as good.
async fn remove(work: &Work<'_>, operation: &str, input: Value) -> Outcome<()> {
    match work.remove("rds", operation, input).await {
        Err(failure) if work.resumed && failure.code.contains("State") => Ok(()),
        done => done,
    }
}

/// Sets the parameters of a group, and those that are not said any more back to what they are by themselves.
async fn set_parameters(work: &Work<'_>, [modify, reset, key]: [&str; 3], name: &str) -> Outcome<()> {
    let nothing = Map::new();
    let (old, new) = (
        work.before("Parameters").as_object().unwrap_or(&nothing),
        work.get("Parameters").as_object().unwrap_or(&nothing),
    );
    let one = |name: &String, value: Option<&Value>| {
        let mut parameter = json!({ "ParameterName": name, "ApplyMethod": "pending-reboot" });
        if let Some(value) = value {
            parameter["ParameterValue"] = json!(crate::template::parameters::text_of(value));
        }
        parameter
    };
    let set: Vec<Value> = new
        .iter()
        .filter(|(name, value)| old.get(*name) != Some(value))
        .map(|(name, value)| one(name, Some(value)))
        .collect();
    let unset: Vec<Value> = old
        .keys()
        .filter(|name| !new.contains_key(*name))
        .map(|name| one(name, None))
        .collect();
    for (operation, parameters) in [(modify, set), (reset, unset)] {
        for some in parameters.chunks(PARAMETERS_AT_ONCE) {
            let input = json!({ key: name, "Parameters": some });
            work.call("rds", operation, input).await?;
        }
    }
    Ok(())
}
