//! AWS::SQS

mod queue;
mod queue_inline_policy;
mod queue_policy;

use super::{Outcome, Provider, Work};
use serde_json::json;

pub(super) const ALL: &[&dyn Provider] = &[
    &queue::Queue,
    &queue_policy::QueuePolicy,
    &queue_inline_policy::QueueInlinePolicy,
];

/// Sets the policy of a queue; the empty one takes it away.
async fn set_policy(work: &Work<'_>, queue: &str, policy: &str) -> Outcome<()> {
    let input = json!({ "QueueUrl": queue, "Attributes": { "Policy": policy } });
    work.call("sqs", "SetQueueAttributes", input).await.map(drop)
}

/// Takes the policy of a queue away, if there is the queue.
async fn remove_policy(work: &Work<'_>, queue: &str) -> Outcome<()> {
    match set_policy(work, queue, "").await {
        Err(failure) if !failure.is_absent() => Err(failure),
        _ => Ok(()),
    }
}
