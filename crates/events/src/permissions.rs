//! PutPermission, RemovePermission, and the policies of buses as the authorizer asks for them.

use crate::buses;
use crate::records::{Bus, put};
use crate::shapes::{PutPermissionRequest, RemovePermissionRequest};
use crate::{Error, Events, keys, names};
use async_trait::async_trait;
use danbi_core::{Arn, RequestContext, ResourcePolicySource, ServiceError};
use danbi_store::Store;
use danbi_wire::Empty;
use serde_json::{Value, json};
use std::sync::Arc;

/// The most bytes of a policy. Source: <https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-quota.html>.
const MAX_POLICY: usize = 10_240;

/// The policy document of these statements, if there are any.
pub(crate) fn document(statements: &[Value]) -> Option<String> {
    (!statements.is_empty()).then(|| json!({ "Version": "2012-10-17", "Statement": statements }).to_string())
}

/// PutPermission: one statement, or the whole policy.
pub(crate) async fn put_permission(
    events: Arc<Events>,
    context: RequestContext,
    input: PutPermissionRequest,
) -> Result<Empty, Error> {
    let (scope, name) = names::bus(&context.scope, input.event_bus_name.as_deref());
    let arn = names::bus_arn(&scope, &name);
    let given = given(&input, &arn)?;
    let (scope, name, given, now) = (&scope, name.as_str(), &given, events.now());
    events
        .store
        .transact(async |tx| {
            let mut bus = buses::of(&tx, scope, name).await?;
            match given {
                Given::Policy(statements) => bus.statements = statements.clone(),
                Given::Statement(statement) => {
                    bus.statements.retain(|other| other["Sid"] != statement["Sid"]);
                    bus.statements.push(statement.clone());
                }
            }
            if document(&bus.statements).is_some_and(|text| text.len() > MAX_POLICY) {
                return Err(Error::PolicyTooLong("The policy length exceeds the limit.".into()));
            }
            bus.modified = now;
            put(&tx, &keys::bus(scope, name), &bus)?;
            Ok(Empty {})
        })
        .await
}

enum Given {
    Policy(Vec<Value>),
    Statement(Value),
}

fn given(input: &PutPermissionRequest, bus: &str) -> Result<Given, Error> {
    if let Some(text) = &input.policy {
        if input.action.is_some() || input.principal.is_some() || input.statement_id.is_some() {
            let message = "Parameter Policy is not valid. Reason: Policy and other parameters are mutually exclusive.";
            return Err(Error::validation(message));
        }
        let policy: Option<Value> = serde_json::from_str(text).ok();
        let statements = policy.as_ref().and_then(|policy| match &policy["Statement"] {
            Value::Array(statements) if !statements.is_empty() => Some(statements.clone()),
            statement @ Value::Object(_) => Some(vec![statement.clone()]),
            _ => None,
        });
        return statements
            .map(Given::Policy)
            .ok_or_else(|| Error::validation("Parameter Policy is not valid."));
    }
    let needed = |name: &str, value: &Option<String>| {
        let missing = || {
            Error::validation(format!(
                "Parameter {name} is not valid. Reason: {name} is a required argument."
            ))
        };
        value.clone().ok_or_else(missing)
    };
    let action = needed("Action", &input.action)?;
    let principal = needed("Principal", &input.principal)?;
    let id = needed("StatementId", &input.statement_id)?;
    let principal = match principal.as_str() {
        "*" => json!("*"),
        account => json!({ "AWS": format!("arn:aws:iam::{account}:root") }),
    };
    let mut statement = json!({
        "Sid": id, "Effect": "Allow", "Principal": principal, "Action": action, "Resource": bus,
    });
    if let Some(condition) = &input.condition {
        statement["Condition"] = json!({ condition.r#type.as_str(): { condition.key.as_str(): condition.value } });
    }
    Ok(Given::Statement(statement))
}

/// RemovePermission.
pub(crate) async fn remove(
    events: Arc<Events>,
    context: RequestContext,
    input: RemovePermissionRequest,
) -> Result<Empty, Error> {
    let (scope, name) = names::bus(&context.scope, input.event_bus_name.as_deref());
    let (scope, name, input, now) = (&scope, name.as_str(), &input, events.now());
    events
        .store
        .transact(async |tx| {
            let mut bus: Bus = buses::of(&tx, scope, name).await?;
            if input.remove_all_permissions == Some(true) {
                bus.statements.clear();
            } else {
                let id = input.statement_id.as_deref();
                let before = bus.statements.len();
                bus.statements.retain(|statement| statement["Sid"].as_str() != id);
                if bus.statements.len() == before {
                    return Err(Error::NotFound("Statement with the provided id does not exist.".into()));
                }
            }
            bus.modified = now;
            put(&tx, &keys::bus(scope, name), &bus)?;
            Ok(Empty {})
        })
        .await
}

/// The policies of event buses, for the authorizer.
pub struct BusPolicies(Store);

impl BusPolicies {
    /// Reads them from `store`.
    pub fn new(store: Store) -> Self {
        Self(store)
    }
}

#[async_trait]
impl ResourcePolicySource for BusPolicies {
    async fn resource_policy(&self, resource: &Arn) -> Result<Option<String>, ServiceError> {
        let (Some(scope), Some(name)) = (resource.scope(), resource.resource.strip_prefix("event-bus/")) else {
            return Ok(None);
        };
        let view = self.0.snapshot().await.map_err(Error::from)?;
        match buses::of(&view, &scope, name).await {
            Ok(bus) => Ok(document(&bus.statements)),
            Err(Error::NotFound(_)) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }
}
