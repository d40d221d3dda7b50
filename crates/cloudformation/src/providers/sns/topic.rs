use crate::names::Naming;
use crate::providers::work::{and, output_text};
use crate::providers::{Made, Outcome, Provider, Work};
use crate::template::parameters::text_of;
use async_trait::async_trait;
use danbi_core::ApiCall;
use serde_json::{Map, Value, json};

/// AWS::SNS::Topic
pub(super) struct Topic;

const ATTRIBUTES: [&str; 9] = [
    "DisplayName",
    "KmsMasterKeyId",
    "FifoTopic",
    "ContentBasedDeduplication",
    "SignatureVersion",
    "TracingConfig",
    "ArchivePolicy",
    "DeliveryPolicy",
    "FifoThroughputScope",
];

fn attribute(value: &Value) -> Value {
    match value {
        Value::Null => json!(""),
        Value::Object(_) | Value::Array(_) => json!(value.to_string()),
        value => json!(text_of(value)),
    }
}

fn made(arn: &str) -> Made {
    Made::new(arn)
        .with("TopicArn", arn)
        .with("TopicName", arn.rsplit(':').next().unwrap_or_default())
}

async fn subscribe(work: &Work<'_>, arn: &str) -> Outcome<()> {
    let list = |value: &Value| value.as_array().cloned().unwrap_or_default();
    let (old, new) = (list(work.before("Subscription")), list(work.get("Subscription")));
    for one in new.iter().filter(|one| !old.contains(one)) {
        let input = json!({ "TopicArn": arn, "Protocol": one.get("Protocol"), "Endpoint": one.get("Endpoint") });
        work.call("sns", "Subscribe", input).await?;
    }
    for one in old.iter().filter(|one| !new.contains(one)) {
        let found = work
            .call("sns", "ListSubscriptionsByTopic", json!({ "TopicArn": arn }))
            .await?;
        for there in found
            .get("Subscriptions")
            .and_then(Value::as_array)
            .into_iter()
            .flatten()
        {
            if there.get("Endpoint") == one.get("Endpoint") && there.get("Protocol") == one.get("Protocol") {
                let input = json!({ "SubscriptionArn": there.get("SubscriptionArn") });
                work.remove("sns", "Unsubscribe", input).await?;
            }
        }
    }
    Ok(())
}

#[async_trait]
impl Provider for Topic {
    fn kind(&self) -> &'static str {
        "AWS::SNS::Topic"
    }
    fn replaced_by(&self) -> &'static [&'static str] {
        &["TopicName", "FifoTopic"]
    }
    fn name_property(&self) -> Option<&'static str> {
        Some("TopicName")
    }
    fn takes_tags(&self) -> bool {
        true
    }
    fn probe(&self, _: &str) -> Option<ApiCall> {
        // A topic of the same name in a stack is the same topic, as it is for CreateTopic.
        None
    }

    async fn create(&self, work: &Work<'_>) -> Outcome<Made> {
        let is_fifo = work.truth("FifoTopic");
        let mut name = work.name("TopicName", Naming::up_to(251));
        if is_fifo && !name.ends_with(".fifo") {
            name.push_str(".fifo");
        }
        let given = ATTRIBUTES
            .iter()
            .filter_map(|name| Some(((*name).to_owned(), attribute(work.properties.get(*name)?))));
        let attributes: Map<String, Value> = given.collect();
        let attributes = if attributes.is_empty() {
            Value::Null
        } else {
            Value::Object(attributes)
        };
        let further = json!({ "Attributes": attributes, "Tags": work.tag_list() });
        let created = work
            .call("sns", "CreateTopic", and(json!({ "Name": name }), further))
            .await?;
        let arn = output_text(&created, "/TopicArn")?;
        subscribe(work, &arn).await.map_err(|failure| failure.after(&arn))?;
        Ok(made(&arn))
    }

    async fn update(&self, work: &Work<'_>, id: &str) -> Outcome<Made> {
        for name in ATTRIBUTES.into_iter().filter(|name| work.changes(name)) {
            let input = json!({ "TopicArn": id, "AttributeName": name, "AttributeValue": attribute(work.get(name)) });
            work.call("sns", "SetTopicAttributes", input).await?;
        }
        subscribe(work, id).await?;
        let members = ["ResourceArn", "Tags", "TagKeys"];
        work.retag("sns", ["TagResource", "UntagResource"], members, id, true)
            .await?;
        Ok(made(id))
    }

    async fn delete(&self, work: &Work<'_>, id: &str) -> Outcome<()> {
        work.remove("sns", "DeleteTopic", json!({ "TopicArn": id })).await
    }
}
