use crate::names::Naming;
use crate::providers::work::{and, output_text};
use crate::providers::{Made, Outcome, Provider, Work};
use crate::template::parameters::text_of;
use async_trait::async_trait;
use danbi_core::ApiCall;
use serde_json::{Map, Value, json};

/// AWS::SQS::Queue
pub(super) struct Queue;

/// Attributes, by the names of the properties, with what they are when nothing is said.
const ATTRIBUTES: [(&str, &str); 14] = [
    ("ContentBasedDeduplication", "false"),
    ("DeduplicationScope", "queue"),
    ("DelaySeconds", "0"),
    ("FifoQueue", ""),
    ("FifoThroughputLimit", "perQueue"),
    ("KmsDataKeyReusePeriodSeconds", "300"),
    ("KmsMasterKeyId", ""),
    ("MaximumMessageSize", "262144"),
    ("MessageRetentionPeriod", "345600"),
    ("ReceiveMessageWaitTimeSeconds", "0"),
    ("RedriveAllowPolicy", ""),
    ("RedrivePolicy", ""),
    ("SqsManagedSseEnabled", "true"),
    ("VisibilityTimeout", "30"),
];

fn attribute(value: &Value, unsaid: &str) -> Value {
    match value {
        Value::Null => json!(unsaid),
        Value::Object(_) | Value::Array(_) => json!(value.to_string()),
        value => json!(text_of(value)),
    }
}

fn made(work: &Work<'_>, url: &str) -> Made {
    let name = url.rsplit('/').next().unwrap_or_default();
    Made::new(url)
        .with("Arn", work.arn("sqs", name))
        .with("QueueName", name)
        .with("QueueUrl", url)
}

#[async_trait]
impl Provider for Queue {
    fn kind(&self) -> &'static str {
        "AWS::SQS::Queue"
    }
    fn replaced_by(&self) -> &'static [&'static str] {
        &["QueueName", "FifoQueue"]
    }
    fn name_property(&self) -> Option<&'static str> {
        Some("QueueName")
    }
    fn takes_tags(&self) -> bool {
        true
    }
    fn probe(&self, name: &str) -> Option<ApiCall> {
        Some(ApiCall::new("sqs", "GetQueueUrl", json!({ "QueueName": name })))
    }

    async fn create(&self, work: &Work<'_>) -> Outcome<Made> {
        let name = match work.text("QueueName") {
            Some(name) => name,
            None if work.truth("FifoQueue") => format!("{}.fifo", work.name("QueueName", Naming::up_to(75))),
            None => work.name("QueueName", Naming::up_to(80)),
        };
        let given = ATTRIBUTES.iter().filter_map(|(name, _)| {
            let value = work.properties.get(*name)?;
            // Only a queue that is one says so.
            let is_said = *name != "FifoQueue" || work.truth("FifoQueue");
            is_said.then(|| ((*name).to_owned(), attribute(value, "")))
        });
        let attributes: Map<String, Value> = given.collect();
        let tags = work.tag_map();
        let mut input = json!({ "QueueName": name });
        if !attributes.is_empty() {
            input = and(input, json!({ "Attributes": attributes }));
        }
        if !tags.is_empty() {
            input = and(input, json!({ "tags": tags }));
        }
        let created = work.call("sqs", "CreateQueue", input).await?;
        Ok(made(work, &output_text(&created, "/QueueUrl")?))
    }

    async fn update(&self, work: &Work<'_>, id: &str) -> Outcome<Made> {
        let changed = ATTRIBUTES
            .iter()
            .filter(|(name, _)| *name != "FifoQueue" && work.changes(name))
            .map(|(name, unsaid)| ((*name).to_owned(), attribute(work.get(name), unsaid)));
        let changed: Map<String, Value> = changed.collect();
        if !changed.is_empty() {
            let input = json!({ "QueueUrl": id, "Attributes": changed });
            work.call("sqs", "SetQueueAttributes", input).await?;
        }
        let members = ["QueueUrl", "Tags", "TagKeys"];
        work.retag("sqs", ["TagQueue", "UntagQueue"], members, id, false)
            .await?;
        Ok(made(work, id))
    }

    async fn delete(&self, work: &Work<'_>, id: &str) -> Outcome<()> {
        work.remove("sqs", "DeleteQueue", json!({ "QueueUrl": id })).await
    }
}
