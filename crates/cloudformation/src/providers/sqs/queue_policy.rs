use super::{remove_policy, set_policy};
use crate::providers::{Made, Outcome, Provider, Work};
use crate::template::parameters::text_of;
use async_trait::async_trait;
use serde_json::Value;

/// AWS::SQS::QueuePolicy: one policy for several queues.
pub(super) struct QueuePolicy;

fn queues(value: &Value) -> Vec<String> {
    value.as_array().into_iter().flatten().map(text_of).collect()
}

#[async_trait]
impl Provider for QueuePolicy {
    fn kind(&self) -> &'static str {
        "AWS::SQS::QueuePolicy"
    }
    fn required(&self) -> &'static [&'static str] {
        &["PolicyDocument", "Queues"]
    }

    async fn create(&self, work: &Work<'_>) -> Outcome<Made> {
        let id = work.made_up_id();
        let policy = work.document("PolicyDocument").unwrap_or_default();
        for queue in queues(work.get("Queues")) {
            set_policy(work, &queue, &policy)
                .await
                .map_err(|failure| failure.after(&id))?;
        }
        Ok(Made::new(id.clone()).with("Id", id))
    }

    async fn update(&self, work: &Work<'_>, id: &str) -> Outcome<Made> {
        let new = queues(work.get("Queues"));
        let policy = work.document("PolicyDocument").unwrap_or_default();
        for queue in &new {
            set_policy(work, queue, &policy).await?;
        }
        for queue in queues(work.before("Queues")).iter().filter(|old| !new.contains(old)) {
            remove_policy(work, queue).await?;
        }
        Ok(Made::new(id))
    }

    async fn delete(&self, work: &Work<'_>, _: &str) -> Outcome<()> {
        for queue in queues(work.get("Queues")) {
            remove_policy(work, &queue).await?;
        }
        Ok(())
    }
}
