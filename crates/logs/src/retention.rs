use crate::error::LogsError;
use crate::shapes::{DeleteRetentionPolicyRequest, PutRetentionPolicyRequest};
use crate::{Logs, groups};
use danbi_core::RequestContext;
use danbi_wire::Empty;
use std::sync::Arc;

/// The days that AWS allows.
const ALLOWED_DAYS: [i32; 22] = [
    1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288, 3653,
];

/// `PutRetentionPolicy`: older events are not shown from now on, and removed soon.
pub(crate) async fn put(
    logs: Arc<Logs>,
    context: RequestContext,
    input: PutRetentionPolicyRequest,
) -> Result<Empty, LogsError> {
    let days = input.retention_in_days;
    if !ALLOWED_DAYS.contains(&days) {
        let allowed: Vec<_> = ALLOWED_DAYS.iter().map(ToString::to_string).collect();
        return Err(LogsError::invalid(format!(
            "1 validation error detected: Value '{days}' at 'retentionInDays' failed to satisfy constraint: Member must satisfy enum value set: [{}]",
            allowed.join(", ")
        )));
    }
    groups::change(&logs, &context.scope, &input.log_group_name, |group| {
        group.retention_days = Some(days);
        Ok(())
    })
    .await?;
    logs.wake_sweeper();
    Ok(Empty {})
}

/// `DeleteRetentionPolicy`: events are kept for good.
pub(crate) async fn delete(
    logs: Arc<Logs>,
    context: RequestContext,
    input: DeleteRetentionPolicyRequest,
) -> Result<Empty, LogsError> {
    groups::change(&logs, &context.scope, &input.log_group_name, |group| {
        group.retention_days = None;
        Ok(())
    })
    .await?;
    Ok(Empty {})
}
