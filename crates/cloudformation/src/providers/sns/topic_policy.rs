use crate::providers::{Made, Outcome, Provider, Work};
use crate::template::parameters::text_of;
use async_trait::async_trait;
use serde_json::{Value, json};

/// AWS::SNS::TopicPolicy
pub(super) struct TopicPolicy;

fn topics(value: &Value) -> Vec<String> {
    value.as_array().into_iter().flatten().map(text_of).collect()
}

async fn put(work: &Work<'_>, topic: &str, policy: Option<String>) -> Outcome<()> {
    // What everybody has without a policy: the owner may do everything.
    let account = &work.context.scope.account;
    let own = json!({ "Version": "2008-10-17", "Id": "__default_policy_ID", "Statement": [{
        "Sid": "__default_statement_ID", "Effect": "Allow", "Principal": { "AWS": "*" },
        "Action": ["SNS:GetTopicAttributes", "SNS:SetTopicAttributes", "SNS:AddPermission", "SNS:RemovePermission",
                   "SNS:DeleteTopic", "SNS:Subscribe", "SNS:ListSubscriptionsByTopic", "SNS:Publish"],
        "Resource": topic, "Condition": { "StringEquals": { "AWS:SourceOwner": account.as_str() } } }] });
    let value = policy.unwrap_or_else(|| own.to_string());
    let input = json!({ "TopicArn": topic, "AttributeName": "Policy", "AttributeValue": value });
    work.call("sns", "SetTopicAttributes", input).await.map(drop)
}

#[async_trait]
impl Provider for TopicPolicy {
    fn kind(&self) -> &'static str {
        "AWS::SNS::TopicPolicy"
    }
    fn required(&self) -> &'static [&'static str] {
        &["PolicyDocument", "Topics"]
    }

    async fn create(&self, work: &Work<'_>) -> Outcome<Made> {
        let id = work.made_up_id();
        for topic in topics(work.get("Topics")) {
            put(work, &topic, work.document("PolicyDocument"))
                .await
                .map_err(|failure| failure.after(&id))?;
        }
        Ok(Made::new(id.clone()).with("Id", id))
    }

    async fn update(&self, work: &Work<'_>, id: &str) -> Outcome<Made> {
        let new = topics(work.get("Topics"));
        for topic in &new {
            put(work, topic, work.document("PolicyDocument")).await?;
        }
        for topic in topics(work.before("Topics"))
            .iter()
            .filter(|topic| !new.contains(topic))
        {
            put(work, topic, None).await?;
        }
        Ok(Made::new(id))
    }

    async fn delete(&self, work: &Work<'_>, _: &str) -> Outcome<()> {
        for topic in topics(work.get("Topics")) {
            match put(work, &topic, None).await {
                Err(failure) if !failure.is_absent() => return Err(failure),
                _ => {}
            }
        }
        Ok(())
    }
}
