use super::{remove_policy, set_policy};
use crate::providers::{Made, Outcome, Provider, Work};
use async_trait::async_trait;

/// AWS::SQS::QueueInlinePolicy: the policy of one queue.
pub(super) struct QueueInlinePolicy;

#[async_trait]
impl Provider for QueueInlinePolicy {
    fn kind(&self) -> &'static str {
        "AWS::SQS::QueueInlinePolicy"
    }
    fn required(&self) -> &'static [&'static str] {
        &["PolicyDocument", "Queue"]
    }
    fn replaced_by(&self) -> &'static [&'static str] {
        &["Queue"]
    }

    async fn create(&self, work: &Work<'_>) -> Outcome<Made> {
        let queue = work.must("Queue")?;
        set_policy(work, &queue, &work.document("PolicyDocument").unwrap_or_default()).await?;
        Ok(Made::new(queue))
    }

    async fn update(&self, work: &Work<'_>, id: &str) -> Outcome<Made> {
        set_policy(work, id, &work.document("PolicyDocument").unwrap_or_default()).await?;
        Ok(Made::new(id))
    }

    async fn delete(&self, work: &Work<'_>, id: &str) -> Outcome<()> {
        remove_policy(work, id).await
    }
}
