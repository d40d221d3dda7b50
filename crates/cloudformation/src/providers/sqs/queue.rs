use crate::names::Naming;
use crate::providers::work::{and, output_text};
use crate::providers::{Made, Outcome, Provider, Work};
use crate::template::parameters::text_of;
use async_trait::async_trait;
use danbi_core::ApiCall;
use serde_json::{Map, Value, json};

/// AWS::SQS::Queue
pub(super) struct Queue;

/// Attributes, by the names of the properties, with what they become when they are not said any more; what has none here
/// stays as it is, as at AWS.
const ATTRIBUTES: [(&str, Option<&str>); 14] = [
    ("ContentBasedDeduplication", Some("false")),
    ("DeduplicationScope", None),
    ("DelaySeconds", Some("0")),
    ("FifoQueue", None),
    ("FifoThroughputLimit", None),
    ("KmsDataKeyReusePeriodSeconds", Some("300")),
    ("KmsMasterKeyId", Some("")),
    ("MaximumMessageSize", Some("262144")),
    ("MessageRetentionPeriod", Some("345600")),
    ("ReceiveMessageWaitTimeSeconds", Some("0")),
    ("RedriveAllowPolicy", Some("")),
    ("RedrivePolicy", Some("")),
    ("SqsManagedSseEnabled", None),
    ("VisibilityTimeout", Some("30")),
];

fn attribute(value: &Value) -> Value {
    match value {
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
            is_said.then(|| ((*name).to_owned(), attribute(value)))
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
            .filter_map(|(name, unsaid)| {
                let value = Some(work.get(name)).filter(|value| !value.is_null());
                let set = value.map(attribute).or_else(|| unsaid.map(|unsaid| json!(unsaid)));
                Some(((*name).to_owned(), set?))
            });
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
