use crate::providers::work::{and, output_text};
use crate::providers::{Made, Outcome, Provider, Work};
use async_trait::async_trait;
use serde_json::{Value, json};

/// AWS::Lambda::EventSourceMapping
pub(super) struct EventSourceMapping;

const CHANGEABLE: [&str; 15] = [
    "FunctionName",
    "Enabled",
    "BatchSize",
    "FilterCriteria",
    "KmsKeyArn",
    "MaximumBatchingWindowInSeconds",
    "ParallelizationFactor",
    "DestinationConfig",
    "MaximumRecordAgeInSeconds",
    "BisectBatchOnFunctionError",
    "MaximumRetryAttempts",
    "TumblingWindowInSeconds",
    "SourceAccessConfigurations",
    "FunctionResponseTypes",
    "ScalingConfig",
];
const AT_CREATION: [&str; 6] = [
    "EventSourceArn",
    "StartingPosition",
    "StartingPositionTimestamp",
    "Topics",
    "Queues",
    "SelfManagedEventSource",
];

fn input(work: &Work<'_>, members: &[&str]) -> Value {
    let mut input = work.pick(members);
    if let Some(map) = input.as_object_mut()
        && let Some(key) = map.remove("KmsKeyArn")
    {
        map.insert("KMSKeyArn".to_owned(), key);
    }
    input
}

#[async_trait]
impl Provider for EventSourceMapping {
    fn kind(&self) -> &'static str {
        "AWS::Lambda::EventSourceMapping"
    }
    fn required(&self) -> &'static [&'static str] {
        &["FunctionName"]
    }
    fn replaced_by(&self) -> &'static [&'static str] {
        &AT_CREATION
    }

    async fn create(&self, work: &Work<'_>) -> Outcome<Made> {
        let made = work
            .make(
                "lambda",
                "CreateEventSourceMapping",
                and(input(work, &CHANGEABLE), work.pick(&AT_CREATION)),
            )
            .await?;
        let id = match made {
            Some(made) => output_text(&made, "/UUID")?,
            None => {
                // One source and one function have one mapping.
                let found = work
                    .call(
                        "lambda",
                        "ListEventSourceMappings",
                        work.pick(&["FunctionName", "EventSourceArn"]),
                    )
                    .await?;
                output_text(&found, "/EventSourceMappings/0/UUID")?
            }
        };
        Ok(Made::new(id.clone()).with("Id", id))
    }

    async fn update(&self, work: &Work<'_>, id: &str) -> Outcome<Made> {
        let input = and(input(work, &CHANGEABLE), json!({ "UUID": id }));
        work.call("lambda", "UpdateEventSourceMapping", input).await?;
        Ok(Made::new(id))
    }

    async fn delete(&self, work: &Work<'_>, id: &str) -> Outcome<()> {
        work.remove("lambda", "DeleteEventSourceMapping", json!({ "UUID": id }))
            .await
    }
}
