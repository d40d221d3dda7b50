//! AddPermission, RemovePermission, and the policies of topics as the authorizer asks for them.

use crate::names::TopicName;
use crate::records::put;
use crate::shapes::{AddPermissionInput, RemovePermissionInput};
use crate::{Error, Sns, keys, topics};
use async_trait::async_trait;
use danbi_core::{Arn, RequestContext, ResourcePolicySource, ServiceError};
use danbi_store::Store;
use danbi_wire::Empty;
use serde_json::{Value, json};
use std::sync::Arc;

/// What AddPermission can allow.
const ACTIONS: [&str; 8] = [
    "GetTopicAttributes",
    "SetTopicAttributes",
    "AddPermission",
    "RemovePermission",
    "DeleteTopic",
    "Subscribe",
    "ListSubscriptionsByTopic",
    "Publish",
];
/// The most bytes of a policy. Source: <https://docs.aws.amazon.com/general/latest/gr/sns.html>.
const MAX_POLICY: usize = 30 * 1024;

/// The policy that every topic begins with.
pub(crate) fn default_policy(topic: &TopicName) -> Value {
    let actions: Vec<String> = ACTIONS.iter().map(|action| format!("SNS:{action}")).collect();
    json!({
        "Version": "2008-10-17", "Id": "__default_policy_ID",
        "Statement": [{
            "Sid": "__default_statement_ID", "Effect": "Allow", "Principal": { "AWS": "*" }, "Action": actions,
            "Resource": topic.arn(),
            "Condition": { "StringEquals": { "AWS:SourceOwner": topic.scope.account.as_str() } },
        }],
    })
}

/// Reads a policy that a client gives.
pub(crate) fn read(text: &str) -> Result<Value, Error> {
    let wrong = || Error::invalid("Policy Error: null");
    if text.len() > MAX_POLICY {
        return Err(Error::invalid("Policy is too long"));
    }
    let policy: Value = serde_json::from_str(text).map_err(|_| wrong())?;
    if policy.is_object() && policy.get("Statement").is_some() {
        Ok(policy)
    } else {
        Err(wrong())
    }
}

/// The statements of a policy, as a list.
fn statements(policy: &mut Value) -> Option<&mut Vec<Value>> {
    let statement = policy.get_mut("Statement")?;
    if statement.is_object() {
        *statement = Value::Array(vec![statement.take()]);
    }
    statement.as_array_mut()
}

/// AddPermission.
pub(crate) async fn add(sns: Arc<Sns>, _: RequestContext, input: AddPermissionInput) -> Result<Empty, Error> {
    let name = &TopicName::of_arn(&input.topic_arn, "TopicArn")?;
    let one_or_all = |mut list: Vec<Value>| {
        if list.len() == 1 {
            list.remove(0)
        } else {
            Value::Array(list)
        }
    };
    let mut actions = Vec::new();
    for action in &input.action_name {
        match action.as_str() {
            "*" => actions.push("SNS:*".into()),
            action if ACTIONS.contains(&action) => actions.push(format!("SNS:{action}").into()),
            _ => return Err(Error::invalid("Policy statement action out of service scope!")),
        }
    }
    let principals = input
        .aws_account_id
        .iter()
        .map(|account| format!("arn:aws:iam::{account}:root").into())
        .collect();
    let statement = &json!({
        "Sid": input.label, "Effect": "Allow", "Principal": { "AWS": one_or_all(principals) },
        "Action": one_or_all(actions), "Resource": name.arn(),
    });
    sns.store
        .transact(async |tx| {
            let mut topic = topics::of(&tx, name).await?;
            let mut policy = topic.policy.take().unwrap_or_else(|| default_policy(name));
            let list = statements(&mut policy).ok_or_else(|| Error::invalid("Policy Error: null"))?;
            if list.iter().any(|other| other["Sid"] == statement["Sid"]) {
                return Err(Error::invalid("Statement already exists"));
            }
            list.push(statement.clone());
            if policy.to_string().len() > MAX_POLICY {
                return Err(Error::invalid("Policy is too long"));
            }
            topic.policy = Some(policy);
            put(&tx, &keys::topic(&name.scope, &name.name), &topic)?;
            Ok(Empty {})
        })
        .await
}

/// RemovePermission: a statement that is not there is removed too.
pub(crate) async fn remove(sns: Arc<Sns>, _: RequestContext, input: RemovePermissionInput) -> Result<Empty, Error> {
    let (name, label) = (&TopicName::of_arn(&input.topic_arn, "TopicArn")?, input.label.as_str());
    sns.store
        .transact(async |tx| {
            let mut topic = topics::of(&tx, name).await?;
            let mut policy = topic.policy.take().unwrap_or_else(|| default_policy(name));
            if let Some(list) = statements(&mut policy) {
                list.retain(|statement| statement["Sid"] != label);
            }
            topic.policy = Some(policy);
            put(&tx, &keys::topic(&name.scope, &name.name), &topic)?;
            Ok(Empty {})
        })
        .await
}

/// The policies of topics, for the authorizer.
pub struct TopicPolicies(Store);

impl TopicPolicies {
    /// Reads them from `store`.
    pub fn new(store: Store) -> Self {
        Self(store)
    }
}

#[async_trait]
impl ResourcePolicySource for TopicPolicies {
    async fn resource_policy(&self, resource: &Arn) -> Result<Option<String>, ServiceError> {
        let Some(scope) = resource.scope() else { return Ok(None) };
        // A subscription's ARN has its id behind the topic's name.
        let name = resource.resource.split(':').next().unwrap_or_default().to_owned();
        let name = TopicName { scope, name };
        let view = self.0.snapshot().await.map_err(Error::from)?;
        match topics::of(&view, &name).await {
            Ok(topic) => Ok(Some(topic.policy.unwrap_or_else(|| default_policy(&name)).to_string())),
            Err(Error::NotFound(_)) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }
}
