//! EventBridge Scheduler: `groups`, `schedules`, what they send (`target`) and when (`ticks`).
//!
//! Source: <https://docs.aws.amazon.com/scheduler/latest/UserGuide/what-is-scheduler.html>.

pub(crate) mod groups;
mod records;
pub(crate) mod schedules;
pub(crate) mod target;
pub(crate) mod ticks;

use danbi_core::{Access, Arn, RequestContext, Scope, ServiceError};

/// The group that everybody has.
const DEFAULT: &str = "default";

fn schedule_arn(scope: &Scope, group: &str, name: &str) -> String {
    Arn::new("scheduler", scope, format!("schedule/{group}/{name}")).to_string()
}

fn group_arn(scope: &Scope, name: &str) -> String {
    Arn::new("scheduler", scope, format!("schedule-group/{name}")).to_string()
}

pub(crate) fn asked_schedule(
    context: &RequestContext,
    action: &'static str,
    group: Option<&str>,
    name: &str,
) -> Result<Access, ServiceError> {
    Ok(Access::new(
        action,
        schedule_arn(&context.scope, group.unwrap_or(DEFAULT), name),
    ))
}

pub(crate) fn asked_group(context: &RequestContext, action: &'static str, name: &str) -> Result<Access, ServiceError> {
    Ok(Access::new(action, group_arn(&context.scope, name)))
}
