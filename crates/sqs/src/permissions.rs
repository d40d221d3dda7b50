//! AddPermission, RemovePermission, and the policies of queues as the authorizer asks for them.

use crate::names::QueueName;
use crate::records::{Read, put};
use crate::shapes::{AddPermissionRequest, RemovePermissionRequest};
use crate::{Error, Sqs, keys};
use async_trait::async_trait;
use danbi_core::{AccountId, Arn, PolicyLanguage, RequestContext, ResourcePolicySource, ServiceError};
use danbi_store::Store;
use danbi_wire::Empty;
use serde_json::{Value, json};
use std::sync::Arc;

/// What AddPermission can allow. Source:
/// <https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_AddPermission.html>.
const ACTIONS: [&str; 9] = [
    "*",
    "ChangeMessageVisibility",
    "DeleteMessage",
    "GetQueueAttributes",
    "GetQueueUrl",
    "ListDeadLetterSourceQueues",
    "PurgeQueue",
    "ReceiveMessage",
    "SendMessage",
];
/// Actions of one statement that AddPermission writes.
const MOST_ACTIONS: usize = 7;
const MAX_LABEL: usize = 80;
/// The most bytes of a policy: what AWS takes, and far below a value of the store.
const MAX_POLICY: usize = 20_480;

/// Checks a policy that a client gives.
pub(crate) fn check(language: &dyn PolicyLanguage, text: &str) -> Result<(), Error> {
    let good = text.len() <= MAX_POLICY && language.check_resource_policy(text).is_ok();
    if good {
        Ok(())
    } else {
        Err(Error::attribute_value("Policy"))
    }
}

/// The policy of a queue to be changed, and its statements as a list.
fn opened(name: &QueueName, text: Option<&String>) -> Result<Value, Error> {
    let mut policy = match text {
        Some(text) => serde_json::from_str(text)?,
        None => json!({ "Version": "2008-10-17", "Id": format!("{}/SQSDefaultPolicy", name.arn()), "Statement": [] }),
    };
    if policy["Statement"].is_object() {
        policy["Statement"] = Value::Array(vec![policy["Statement"].take()]);
    }
    if !policy["Statement"].is_array() {
        policy["Statement"] = json!([]);
    }
    Ok(policy)
}

fn one_or_all(mut list: Vec<Value>) -> Value {
    match list.len() {
        1 => list.remove(0),
        _ => Value::Array(list),
    }
}

/// AddPermission.
pub(crate) async fn add(sqs: Arc<Sqs>, context: RequestContext, input: AddPermissionRequest) -> Result<Empty, Error> {
    let name = &QueueName::of_url(&context, &input.queue_url)?;
    let label = &input.label;
    if label.is_empty() {
        return Err(Error::Missing("Label"));
    }
    let letter = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
    if label.len() > MAX_LABEL || !label.bytes().all(letter) {
        let shown: String = label.chars().take(1024).collect();
        let reason = "Label can only include alphanumeric characters, hyphens, or underscores. 1 to 80 in length.";
        return Err(Error::value(shown, "Label", reason));
    }
    if input.actions.is_empty() {
        return Err(Error::Missing("Actions"));
    }
    if input.aws_account_ids.is_empty() {
        return Err(Error::Missing("AWSAccountIds"));
    }
    if let Some(other) = input.actions.iter().find(|action| !ACTIONS.contains(&action.as_str())) {
        let shown: String = other.chars().take(1024).collect();
        let reason = "Please refer to the appropriate WSDL for a list of valid actions. ";
        return Err(Error::value(format!("SQS:{shown}"), "ActionName", reason));
    }
    if input.actions.len() > MOST_ACTIONS {
        return Err(Error::OverLimit(format!(
            "{} Actions were found, maximum allowed is {MOST_ACTIONS}.",
            input.actions.len()
        )));
    }
    let mut principals = Vec::with_capacity(input.aws_account_ids.len());
    for account in &input.aws_account_ids {
        let id: Result<AccountId, _> = account.parse();
        let shown = || account.chars().take(64).collect::<String>();
        let reason = "Unable to verify.";
        let id = id.map_err(|_| Error::value(format!("[{}]", shown()), "PrincipalId", reason))?;
        principals.push(format!("arn:aws:iam::{id}:root").into());
    }
    let actions = input
        .actions
        .iter()
        .map(|action| format!("SQS:{action}").into())
        .collect();
    let statement = &json!({
        "Sid": label, "Effect": "Allow", "Principal": { "AWS": one_or_all(principals) },
        "Action": one_or_all(actions), "Resource": name.arn().to_string(),
    });
    let sqs = &sqs;
    sqs.store
        .transact(async |tx| {
            let mut queue = tx.queue(name).await?;
            let mut policy = opened(name, queue.attributes.get("Policy"))?;
            if let Some(list) = policy["Statement"].as_array_mut() {
                if list.iter().any(|other| other["Sid"] == statement["Sid"]) {
                    return Err(Error::value(label, "Label", "Already exists."));
                }
                list.push(statement.clone());
            }
            let text = policy.to_string();
            check(&*sqs.language, &text)?;
            queue.attributes.insert("Policy".into(), text);
            queue.modified_ms = sqs.now_ms();
            put(&tx, &keys::queue(name), &queue)?;
            Ok(Empty {})
        })
        .await
}

/// RemovePermission.
pub(crate) async fn remove(
    sqs: Arc<Sqs>,
    context: RequestContext,
    input: RemovePermissionRequest,
) -> Result<Empty, Error> {
    let name = &QueueName::of_url(&context, &input.queue_url)?;
    let (label, sqs) = (&input.label, &sqs);
    if label.is_empty() {
        return Err(Error::Missing("Label"));
    }
    sqs.store
        .transact(async |tx| {
            let mut queue = tx.queue(name).await?;
            let mut policy = opened(name, queue.attributes.get("Policy"))?;
            let missing = || {
                let shown: String = label.chars().take(1024).collect();
                Error::value(shown, "Label", "can't find label.")
            };
            let list = policy["Statement"].as_array_mut().ok_or_else(missing)?;
            let before = list.len();
            list.retain(|statement| statement["Sid"] != label.as_str());
            if list.len() == before {
                return Err(missing());
            }
            let text = (!list.is_empty()).then(|| policy.to_string());
            match text {
                Some(text) => queue.attributes.insert("Policy".into(), text),
                None => queue.attributes.remove("Policy"),
            };
            queue.modified_ms = sqs.now_ms();
            put(&tx, &keys::queue(name), &queue)?;
            Ok(Empty {})
        })
        .await
}

/// The policies of queues, for the authorizer.
pub struct QueuePolicies(Store);

impl QueuePolicies {
    /// Reads them from `store`.
    pub fn new(store: Store) -> Self {
        Self(store)
    }
}

#[async_trait]
impl ResourcePolicySource for QueuePolicies {
    async fn resource_policy(&self, resource: &Arn) -> Result<Option<String>, ServiceError> {
        let Some(name) = QueueName::of_arn(&resource.to_string()) else {
            return Ok(None);
        };
        let view = self.0.snapshot().await.map_err(Error::from)?;
        match view.queue(&name).await {
            Ok(mut queue) => Ok(queue.attributes.remove("Policy")),
            Err(Error::NoQueue) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }
}
