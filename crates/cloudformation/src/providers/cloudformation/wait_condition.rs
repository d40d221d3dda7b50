use crate::providers::{Failure, Made, Outcome, Provider, Work};
use crate::template::parameters::text_of;
use async_trait::async_trait;
use serde_json::{Map, Value};
use std::time::Duration;

/// AWS::CloudFormation::WaitCondition
pub(super) struct WaitCondition;

/// Longest wait. Source: the type's reference.
const LONGEST: u64 = 43_200;

#[async_trait]
impl Provider for WaitCondition {
    fn kind(&self) -> &'static str {
        "AWS::CloudFormation::WaitCondition"
    }
    fn required(&self) -> &'static [&'static str] {
        &["Handle", "Timeout"]
    }

    async fn create(&self, work: &Work<'_>) -> Outcome<Made> {
        let handle = work.must("Handle")?;
        let token = handle.rsplit('/').next().unwrap_or_default();
        let count = work
            .text("Count")
            .and_then(|text| text.parse::<usize>().ok())
            .unwrap_or(1);
        let seconds = work.must("Timeout")?.parse::<u64>().unwrap_or(0);
        if !(1..=LONGEST).contains(&seconds) {
            let message = format!("Timeout must be between 1 and {LONGEST} seconds");
            return Err(Failure::new("InvalidRequest", message));
        }
        let look = || async {
            let all = super::answers(work, token).await?;
            let read = |document: &String| serde_json::from_str::<Value>(document).unwrap_or(Value::Null);
            let failed = all
                .iter()
                .map(|(id, document)| (id, read(document)))
                .find(|(_, document)| document.get("Status").and_then(Value::as_str) != Some("SUCCESS"));
            if let Some((id, document)) = failed {
                let why = document.get("Reason").map(text_of).unwrap_or_default();
                let message = format!("WaitCondition received failed message: '{why}' for uniqueId: {id}");
                return Err(Failure::new("Failed", message));
            }
            if all.len() < count {
                return Ok(None);
            }
            let data = all.iter().map(|(id, document)| {
                (
                    id.clone(),
                    read(document)
                        .get("Data")
                        .cloned()
                        .unwrap_or_else(|| Value::String(String::new())),
                )
            });
            Ok(Some(Value::Object(data.collect::<Map<_, _>>())))
        };
        match super::wait(work, Duration::from_secs(seconds), look).await? {
            Some(data) => Ok(Made::new(work.made_up_id()).with("Data", data.to_string())),
            None => {
                let received = super::answers(work, token).await?.len();
                let message = format!("WaitCondition timed out. Received {received} conditions when expecting {count}");
                Err(Failure::new("NotStabilized", message))
            }
        }
    }

    async fn update(&self, _: &Work<'_>, _: &str) -> Outcome<Made> {
        Err(Failure::new(
            "NotUpdatable",
            "Update to resource type AWS::CloudFormation::WaitCondition is not supported.",
        ))
    }

    async fn delete(&self, _: &Work<'_>, _: &str) -> Outcome<()> {
        Ok(())
    }
}
