use crate::callback;
use crate::providers::{Failure, Made, Outcome, Provider, Work};
use async_trait::async_trait;
use std::time::Duration;

/// AWS::CloudFormation::WaitConditionHandle: a link that takes signals.
pub(super) struct WaitConditionHandle;

/// How long a link takes signals.
const LASTS: Duration = Duration::from_secs(24 * 3600);

#[async_trait]
impl Provider for WaitConditionHandle {
    fn kind(&self) -> &'static str {
        "AWS::CloudFormation::WaitConditionHandle"
    }

    async fn create(&self, work: &Work<'_>) -> Outcome<Made> {
        let opened = work
            .engine
            .open_link(&work.stack.uuid, work.logical_id, work.token, LASTS)
            .await;
        let token = opened.map_err(|error| Failure::new("InternalFailure", error.to_string()))?;
        // Who signals is outside, where the one who made the stack is, or a function of it.
        let base = match (work.context.host.as_str(), work.context.secure) {
            ("", _) => work.engine.options.inside.clone(),
            (host, true) => format!("https://{host}"),
            (host, false) => format!("http://{host}"),
        };
        Ok(Made::new(format!("{base}{}/{token}", callback::PATH)))
    }

    async fn update(&self, _: &Work<'_>, id: &str) -> Outcome<Made> {
        Ok(Made::new(id))
    }

    async fn delete(&self, work: &Work<'_>, id: &str) -> Outcome<()> {
        let token = id.rsplit('/').next().unwrap_or_default();
        work.engine
            .close_link(token)
            .await
            .map_err(|error| Failure::new("InternalFailure", error.to_string()))
    }
}
