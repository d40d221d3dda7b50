use crate::providers::work::{and, output_text};
use crate::providers::{Made, Outcome, Provider, Work};
use crate::template::parameters::text_of;
use async_trait::async_trait;
use serde_json::{Map, Value, json};

/// AWS::SNS::Subscription
pub(super) struct Subscription;

const ATTRIBUTES: [&str; 7] = [
    "DeliveryPolicy",
    "FilterPolicy",
    "FilterPolicyScope",
    "RawMessageDelivery",
    "RedrivePolicy",
    "SubscriptionRoleArn",
    "ReplayPolicy",
];

fn attribute(value: &Value) -> Value {
    match value {
        Value::Null => json!(""),
        Value::Object(_) | Value::Array(_) => json!(value.to_string()),
        value => json!(text_of(value)),
    }
}

#[async_trait]
impl Provider for Subscription {
    fn kind(&self) -> &'static str {
        "AWS::SNS::Subscription"
    }
    fn required(&self) -> &'static [&'static str] {
        &["Protocol", "TopicArn"]
    }
    fn replaced_by(&self) -> &'static [&'static str] {
        &["Endpoint", "Protocol", "TopicArn"]
    }

    async fn create(&self, work: &Work<'_>) -> Outcome<Made> {
        let given = ATTRIBUTES
            .iter()
            .filter_map(|name| Some(((*name).to_owned(), attribute(work.properties.get(*name)?))));
        let attributes: Map<String, Value> = given.collect();
        let attributes = if attributes.is_empty() {
            Value::Null
        } else {
            Value::Object(attributes)
        };
        let further = json!({ "Attributes": attributes, "ReturnSubscriptionArn": true });
        let made = work
            .call(
                "sns",
                "Subscribe",
                and(work.pick(&["TopicArn", "Protocol", "Endpoint"]), further),
            )
            .await?;
        let arn = output_text(&made, "/SubscriptionArn")?;
        Ok(Made::new(arn.clone()).with("Arn", arn))
    }

    async fn update(&self, work: &Work<'_>, id: &str) -> Outcome<Made> {
        for name in ATTRIBUTES.into_iter().filter(|name| work.changes(name)) {
            let value = match (name, work.get(name)) {
                ("RawMessageDelivery", Value::Null) => json!("false"),
                ("FilterPolicyScope", Value::Null) => json!("MessageAttributes"),
                ("FilterPolicy", Value::Null) => json!("{}"),
                (_, value) => attribute(value),
            };
            let input = json!({ "SubscriptionArn": id, "AttributeName": name, "AttributeValue": value });
            work.call("sns", "SetSubscriptionAttributes", input).await?;
        }
        Ok(Made::new(id))
    }

    async fn delete(&self, work: &Work<'_>, id: &str) -> Outcome<()> {
        work.remove("sns", "Unsubscribe", json!({ "SubscriptionArn": id }))
            .await
    }
}
