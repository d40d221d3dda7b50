//! GetTopicAttributes, SetTopicAttributes.

use crate::names::TopicName;
use crate::permissions;
use crate::records::{Read, Topic, put};
use crate::shapes::{GetTopicAttributesInput, GetTopicAttributesResponse, SetTopicAttributesInput};
use crate::{Error, Sns, keys, topics};
use danbi_core::RequestContext;
use danbi_wire::Empty;
use std::sync::Arc;

/// What a topic without a delivery policy of its own does, in AWS's words.
const DELIVERY_POLICY: &str = r#"{"http":{"defaultHealthyRetryPolicy":{"minDelayTarget":20,"maxDelayTarget":20,"numRetries":3,"numMaxDelayRetries":0,"numNoDelayRetries":0,"numMinDelayRetries":0,"backoffFunction":"linear"},"disableSubscriptionOverrides":false,"defaultRequestPolicy":{"headerContentType":"text/plain; charset=UTF-8"}}}"#;

/// Attributes that are kept as they are given.
const KEPT: [&str; 19] = [
    "DisplayName",
    "DeliveryPolicy",
    "TracingConfig",
    "ArchivePolicy",
    "HTTPSuccessFeedbackRoleArn",
    "HTTPSuccessFeedbackSampleRate",
    "HTTPFailureFeedbackRoleArn",
    "LambdaSuccessFeedbackRoleArn",
    "LambdaSuccessFeedbackSampleRate",
    "LambdaFailureFeedbackRoleArn",
    "SQSSuccessFeedbackRoleArn",
    "SQSSuccessFeedbackSampleRate",
    "SQSFailureFeedbackRoleArn",
    "FirehoseSuccessFeedbackRoleArn",
    "FirehoseSuccessFeedbackSampleRate",
    "FirehoseFailureFeedbackRoleArn",
    "ApplicationSuccessFeedbackRoleArn",
    "ApplicationSuccessFeedbackSampleRate",
    "ApplicationFailureFeedbackRoleArn",
];

/// Sets one attribute of a record.
pub(crate) fn set(
    name: &TopicName,
    topic: &mut Topic,
    attribute: &str,
    value: &str,
    creating: bool,
) -> Result<(), Error> {
    let boolean = || {
        let fits = ["true", "false"].contains(&value.to_ascii_lowercase().as_str());
        fits.then(|| value.to_ascii_lowercase()).ok_or_else(|| {
            Error::Invalid(format!(
                "Attributes Reason: {attribute}: Invalid value [{value}]. Must be true or false."
            ))
        })
    };
    match attribute {
        "Policy" => {
            topic.policy = if value.is_empty() {
                None
            } else {
                Some(permissions::read(value)?)
            };
            return Ok(());
        }
        "KmsMasterKeyId" if !value.is_empty() => {
            return Err(Error::Unsupported(
                "Encryption of topics with a key (KmsMasterKeyId) is not built.".into(),
            ));
        }
        "KmsMasterKeyId" => return Ok(()),
        "ArchivePolicy" => {
            return Err(Error::Unsupported(
                "Archives of topics (ArchivePolicy) are not built.".into(),
            ));
        }
        "FifoTopic" if creating => {
            if boolean()? == "true" {
                topic.attributes.insert(attribute.into(), "true".into());
                topic
                    .attributes
                    .entry("ContentBasedDeduplication".into())
                    .or_insert_with(|| "false".into());
            }
            return Ok(());
        }
        "ContentBasedDeduplication" | "FifoThroughputScope" if !name.is_fifo() => {
            return Err(Error::invalid(attribute));
        }
        "ContentBasedDeduplication" => {
            let value = boolean()?;
            topic.attributes.insert(attribute.into(), value);
            return Ok(());
        }
        "FifoThroughputScope" if ["Topic", "MessageGroup"].contains(&value) => {}
        "SignatureVersion" if ["1", "2"].contains(&value) => {}
        "DisplayName" if value.chars().count() > 100 => return Err(Error::invalid("DisplayName")),
        "DeliveryPolicy" if serde_json::from_str::<serde_json::Value>(value).is_err() && !value.is_empty() => {
            return Err(Error::invalid("DeliveryPolicy: failed to parse JSON."));
        }
        kept if KEPT.contains(&kept) => {}
        _ => return Err(Error::invalid("AttributeName")),
    }
    topic.attributes.insert(attribute.into(), value.into());
    Ok(())
}

/// GetTopicAttributes.
pub(crate) async fn get(
    sns: Arc<Sns>,
    _: RequestContext,
    input: GetTopicAttributesInput,
) -> Result<GetTopicAttributesResponse, Error> {
    let name = TopicName::of_arn(&input.topic_arn, "TopicArn")?;
    let view = sns.snapshot().await?;
    let topic = topics::of(&view, &name).await?;
    let confirmed = view.all(keys::subscriptions(&name.scope, &name.name)).await?.len();
    let policy = topic.policy.unwrap_or_else(|| permissions::default_policy(&name));
    let mut attributes = topic.attributes;
    attributes.entry("DisplayName".into()).or_default();
    let effective = attributes
        .get("DeliveryPolicy")
        .cloned()
        .unwrap_or_else(|| DELIVERY_POLICY.into());
    attributes.insert("EffectiveDeliveryPolicy".into(), effective);
    attributes.insert("Owner".into(), name.scope.account.to_string());
    attributes.insert("Policy".into(), policy.to_string());
    attributes.insert("SubscriptionsConfirmed".into(), confirmed.to_string());
    attributes.insert("SubscriptionsDeleted".into(), topic.deleted.to_string());
    attributes.insert("SubscriptionsPending".into(), "0".into());
    attributes.insert("TopicArn".into(), name.arn());
    Ok(GetTopicAttributesResponse {
        attributes: Some(attributes),
    })
}

/// SetTopicAttributes.
pub(crate) async fn put_one(sns: Arc<Sns>, _: RequestContext, input: SetTopicAttributesInput) -> Result<Empty, Error> {
    let name = &TopicName::of_arn(&input.topic_arn, "TopicArn")?;
    let (attribute, value) = (
        input.attribute_name.as_str(),
        input.attribute_value.as_deref().unwrap_or_default(),
    );
    sns.store
        .transact(async |tx| {
            let mut topic = topics::of(&tx, name).await?;
            set(name, &mut topic, attribute, value, false)?;
            put(&tx, &keys::topic(&name.scope, &name.name), &topic)?;
            Ok(Empty {})
        })
        .await
}
