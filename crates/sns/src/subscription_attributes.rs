//! GetSubscriptionAttributes, SetSubscriptionAttributes.

use crate::names::{SubscriptionName, TopicName};
use crate::records::{Read, Subscription, put};
use crate::shapes::{
    GetSubscriptionAttributesInput, GetSubscriptionAttributesResponse, SetSubscriptionAttributesInput,
};
use crate::{Error, Sns, filter, keys, subscriptions};
use danbi_core::{Arn, RequestContext};
use danbi_wire::Empty;
use serde_json::Value;
use std::sync::Arc;

/// Sets one attribute of a record; `prefix` stands before the attribute's name in errors.
pub(crate) fn set(
    topic: &TopicName,
    subscription: &mut Subscription,
    name: &str,
    value: &str,
    prefix: &str,
) -> Result<(), Error> {
    let wrong = |message: String| Error::Invalid(format!("{prefix}{name}: {message}"));
    match name {
        "RawMessageDelivery" => {
            if !["true", "false"].contains(&value.to_ascii_lowercase().as_str()) {
                return Err(wrong(format!("Invalid value [{value}]. Must be true or false.")));
            }
            subscription.attributes.insert(name.into(), value.to_ascii_lowercase());
            return Ok(());
        }
        "FilterPolicyScope" => {
            if !["MessageAttributes", "MessageBody"].contains(&value) {
                return Err(Error::Invalid(format!(
                    "FilterPolicyScope: Invalid value [{value}]. Please use either MessageBody or MessageAttributes"
                )));
            }
        }
        "FilterPolicy" if value.is_empty() || value == "{}" => {
            subscription.attributes.remove(name);
            return Ok(());
        }
        "FilterPolicy" => {
            let body = subscription
                .attributes
                .get("FilterPolicyScope")
                .is_some_and(|scope| scope == "MessageBody");
            filter::check(value, body, prefix)?;
            subscription
                .attributes
                .entry("FilterPolicyScope".into())
                .or_insert_with(|| "MessageAttributes".into());
        }
        "RedrivePolicy" if value.is_empty() => {
            subscription.attributes.remove(name);
            return Ok(());
        }
        "RedrivePolicy" => {
            let policy: Value = serde_json::from_str(value).map_err(|_| wrong(broken(value)))?;
            let arn: Option<Arn> = policy["deadLetterTargetArn"]
                .as_str()
                .and_then(|text| text.parse().ok());
            match arn {
                Some(arn) if arn.service == "sqs" => {
                    if topic.is_fifo() && !arn.resource.ends_with(".fifo") {
                        return Err(wrong(
                            "must use a FIFO queue as DLQ for a FIFO Subscription to a FIFO Topic.".into(),
                        ));
                    }
                }
                _ => return Err(wrong("deadLetterTargetArn is an invalid arn".into())),
            }
        }
        "DeliveryPolicy" => {
            serde_json::from_str::<Value>(value).map_err(|_| wrong(broken(value)))?;
        }
        "ReplayPolicy" | "SubscriptionRoleArn" => {
            return Err(Error::Unsupported(format!(
                "The attribute {name} of subscriptions is not built."
            )));
        }
        _ => return Err(Error::invalid("AttributeName")),
    }
    subscription.attributes.insert(name.into(), value.into());
    Ok(())
}

/// What is wrong with a text that is no JSON.
fn broken(text: &str) -> String {
    let error = danbi_patterns::Pattern::compile_showing(text, danbi_patterns::Dialect::Sns, false).err();
    format!(
        "failed to parse JSON. {}",
        error.map_or_else(String::new, |error| error.0)
    )
}

/// GetSubscriptionAttributes.
pub(crate) async fn get(
    sns: Arc<Sns>,
    _: RequestContext,
    input: GetSubscriptionAttributesInput,
) -> Result<GetSubscriptionAttributesResponse, Error> {
    let name = SubscriptionName::of_arn(&input.subscription_arn)?;
    let key = keys::subscription(&name.topic.scope, &name.topic.name, &name.id);
    let record: Option<Subscription> = sns.snapshot().await?.record(&key).await?;
    let record = record.ok_or_else(subscriptions::missing)?;
    let mut attributes = record.attributes;
    attributes
        .entry("RawMessageDelivery".into())
        .or_insert_with(|| "false".into());
    for (key, value) in [
        ("SubscriptionArn", name.arn()),
        ("TopicArn", name.topic.arn()),
        ("Owner", record.owner),
        ("Protocol", record.protocol),
        ("Endpoint", record.endpoint),
        ("SubscriptionPrincipal", record.principal),
        ("PendingConfirmation", "false".into()),
        ("ConfirmationWasAuthenticated", "true".into()),
    ] {
        attributes.insert(key.into(), value);
    }
    Ok(GetSubscriptionAttributesResponse {
        attributes: Some(attributes),
    })
}

/// SetSubscriptionAttributes.
pub(crate) async fn put_one(
    sns: Arc<Sns>,
    _: RequestContext,
    input: SetSubscriptionAttributesInput,
) -> Result<Empty, Error> {
    let name = &SubscriptionName::of_arn(&input.subscription_arn)?;
    let (attribute, value) = (
        input.attribute_name.as_str(),
        input.attribute_value.as_deref().unwrap_or_default(),
    );
    sns.store
        .transact(async |tx| {
            let key = keys::subscription(&name.topic.scope, &name.topic.name, &name.id);
            let mut record: Subscription = tx.record(&key).await?.ok_or_else(subscriptions::missing)?;
            set(&name.topic, &mut record, attribute, value, "")?;
            put(&tx, &key, &record)?;
            Ok(Empty {})
        })
        .await
}
