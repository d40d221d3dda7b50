//! Which resource each operation asks for.
//!
//! Source: <https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazoneventbridge.html>.

use crate::names;
use danbi_core::{Access, RequestContext, ServiceError};

pub(crate) type Asked = Result<Access, ServiceError>;

pub(crate) fn any(action: &'static str) -> Asked {
    Ok(Access::any(action))
}

pub(crate) fn bus(context: &RequestContext, action: &'static str, given: Option<&str>) -> Asked {
    let (scope, name) = names::bus(&context.scope, given);
    Ok(Access::new(action, names::bus_arn(&scope, &name)))
}

pub(crate) fn rule(context: &RequestContext, action: &'static str, given: Option<&str>, name: &str) -> Asked {
    let (scope, bus) = names::bus(&context.scope, given);
    Ok(Access::new(action, names::rule_arn(&scope, &bus, name)))
}

pub(crate) fn archive(context: &RequestContext, action: &'static str, name: &str) -> Asked {
    Ok(Access::new(action, names::archive_arn(&context.scope, name)))
}

pub(crate) fn replay(context: &RequestContext, action: &'static str, name: &str) -> Asked {
    Ok(Access::new(action, names::replay_arn(&context.scope, name)))
}

pub(crate) fn arn(action: &'static str, arn: &str) -> Asked {
    Ok(Access::new(action, arn))
}

/// Adds the roles that a request hands to a service, which the caller must be allowed to pass: otherwise who may make a
/// rule or a schedule could act as anybody.
pub(crate) fn passing<'r>(
    asked: Asked,
    service: &'static str,
    roles: impl IntoIterator<Item = &'r String>,
) -> Result<Vec<Access>, ServiceError> {
    let mut asked = vec![asked?];
    for role in roles {
        asked.push(Access::new("iam:PassRole", role).with("iam:PassedToService", service));
    }
    Ok(asked)
}

/// The bus of each entry of PutEvents.
pub(crate) fn put_events(
    context: &RequestContext,
    input: &crate::shapes::PutEventsRequest,
) -> Result<Vec<Access>, ServiceError> {
    let mut asked: Vec<Access> = Vec::new();
    for entry in &input.entries {
        let mut access = bus(context, "events:PutEvents", entry.event_bus_name.as_deref())?;
        if let Some(source) = &entry.source {
            access = access.with("events:source", source);
        }
        if let Some(detail_type) = &entry.detail_type {
            access = access.with("events:detail-type", detail_type);
        }
        if !asked.contains(&access) {
            asked.push(access);
        }
    }
    Ok(asked)
}
