//! Subscribe, ConfirmSubscription, Unsubscribe, ListSubscriptions, ListSubscriptionsByTopic.

use crate::names::{SubscriptionName, TopicName};
use crate::records::{Read, Subscription, Topic, decode, put};
use crate::shapes::{
    ConfirmSubscriptionInput, ConfirmSubscriptionResponse, ListSubscriptionsByTopicInput,
    ListSubscriptionsByTopicResponse, ListSubscriptionsInput, ListSubscriptionsResponse, SubscribeInput,
    SubscribeResponse, Subscription as Shape, UnsubscribeInput,
};
use crate::topics::{self, PAGE, name_of_token, token_of};
use crate::{Error, MOST_SUBSCRIPTIONS, Sns, keys, subscription_attributes};
use danbi_core::{Arn, RequestContext, Scope};
use danbi_store::KeyRange;
use danbi_wire::Empty;
use std::sync::Arc;
use uuid::Uuid;

pub(crate) fn missing() -> Error {
    Error::NotFound("Subscription")
}

/// Checks that an endpoint fits its protocol, and that there is somebody to bring messages there.
fn check_endpoint(protocol: &str, endpoint: &str, topic: &TopicName) -> Result<(), Error> {
    let arn = |service: &str| endpoint.parse::<Arn>().ok().filter(|arn| arn.service == service);
    match protocol {
        "lambda" if arn("lambda").is_some_and(|arn| arn.resource.starts_with("function:")) => Ok(()),
        "lambda" => Err(Error::invalid("Lambda endpoint ARN")),
        "sqs" => match arn("sqs") {
            None => Err(Error::invalid("SQS endpoint ARN")),
            Some(arn) if arn.resource.ends_with(".fifo") && !topic.is_fifo() => Err(Error::invalid(
                "Invalid parameter: Endpoint Reason: FIFO SQS Queues can not be subscribed to standard SNS topics",
            )),
            Some(_) => Ok(()),
        },
        "http" | "https" | "email" | "email-json" | "sms" | "application" | "firehose" => Err(Error::Unsupported(
            format!("Subscriptions by {protocol} are not built: subscribe a function (lambda) or a queue (sqs)."),
        )),
        other => Err(Error::Invalid(format!(
            "Amazon SNS does not support this protocol string: {other}"
        ))),
    }
}

/// Subscribe: the same request again gives the same subscription.
pub(crate) async fn subscribe(
    sns: Arc<Sns>,
    context: RequestContext,
    input: SubscribeInput,
) -> Result<SubscribeResponse, Error> {
    let topic = &TopicName::of_arn(&input.topic_arn, "TopicArn")?;
    let endpoint = input.endpoint.clone().unwrap_or_default();
    check_endpoint(&input.protocol, &endpoint, topic)?;
    let mut new = Subscription {
        protocol: input.protocol.clone(),
        endpoint,
        owner: context.scope.account.to_string(),
        principal: context
            .principal
            .arn()
            .unwrap_or_else(|| format!("arn:aws:iam::{}:root", context.scope.account)),
        ..Subscription::default()
    };
    let given = input.attributes.unwrap_or_default();
    // The scope first: what a filter may say depends on it.
    let mut ordered: Vec<_> = given.iter().collect();
    ordered.sort_by_key(|(name, _)| *name != "FilterPolicyScope");
    for (name, value) in ordered {
        subscription_attributes::set(topic, &mut new, name, value, "Attributes Reason: ")?;
    }
    let (new, given, id) = (&new, &given, &Uuid::new_v4().to_string());
    let id = sns
        .store
        .transact(async |tx| {
            topics::of(&tx, topic).await?;
            let others = tx.all(keys::subscriptions(&topic.scope, &topic.name)).await?;
            for (key, value) in &others {
                let other: Subscription = decode(value)?;
                if other.protocol != new.protocol || other.endpoint != new.endpoint {
                    continue;
                }
                if given
                    .keys()
                    .any(|name| other.attributes.get(name) != new.attributes.get(name))
                {
                    return Err(Error::invalid(
                        "Attributes Reason: Subscription already exists with different attributes",
                    ));
                }
                return Ok(keys::subscription_of(&topic.scope, key).map_err(Error::internal)?.1);
            }
            if others.len() >= MOST_SUBSCRIPTIONS {
                let message = "Subscription limit for the topic exceeded";
                return Err(Error::Limit("SubscriptionLimitExceeded", message.into()));
            }
            put(&tx, &keys::subscription(&topic.scope, &topic.name, id), new)?;
            Ok(id.clone())
        })
        .await?;
    let name = SubscriptionName {
        topic: topic.clone(),
        id,
    };
    Ok(SubscribeResponse {
        subscription_arn: Some(name.arn()),
    })
}

/// ConfirmSubscription: functions and queues are confirmed as they subscribe, so no token was given to anybody.
pub(crate) async fn confirm(
    sns: Arc<Sns>,
    _: RequestContext,
    input: ConfirmSubscriptionInput,
) -> Result<ConfirmSubscriptionResponse, Error> {
    let topic = TopicName::of_arn(&input.topic_arn, "TopicArn").map_err(|_| Error::invalid("Topic"))?;
    if input.token.len() < 100 || !input.token.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return Err(Error::InvalidWords("Invalid parameter: Token".into()));
    }
    topics::of(&sns.snapshot().await?, &topic).await?;
    Err(Error::InvalidWords("Invalid token".into()))
}

/// Unsubscribe: what is not there any more is unsubscribed too.
pub(crate) async fn unsubscribe(sns: Arc<Sns>, _: RequestContext, input: UnsubscribeInput) -> Result<Empty, Error> {
    let name = &SubscriptionName::of_arn(&input.subscription_arn)?;
    sns.store
        .transact(async |tx| {
            let topic = &name.topic;
            let key = keys::subscription(&topic.scope, &topic.name, &name.id);
            if tx.read(&key).await?.is_some() {
                tx.delete(&key)?;
                let key = keys::topic(&topic.scope, &topic.name);
                if let Some(mut record) = tx.record::<Topic>(&key).await? {
                    record.deleted += 1;
                    put(&tx, &key, &record)?;
                }
            }
            Ok(Empty {})
        })
        .await
}

fn show(topic: TopicName, id: String, subscription: Subscription) -> Shape {
    let topic_arn = topic.arn();
    Shape {
        subscription_arn: Some(SubscriptionName { topic, id }.arn()),
        owner: Some(subscription.owner),
        protocol: Some(subscription.protocol),
        endpoint: Some(subscription.endpoint),
        topic_arn: Some(topic_arn),
    }
}

async fn page(
    sns: &Sns,
    scope: &Scope,
    range: KeyRange,
    token: Option<&str>,
) -> Result<(Vec<Shape>, Option<String>), Error> {
    let mut range = range;
    if let Some(token) = token {
        let place = name_of_token(token)?;
        let (topic, id) = place.split_once('/').ok_or_else(|| Error::invalid("NextToken"))?;
        range = range.after(&keys::subscription(scope, topic, id));
    }
    let page = sns.snapshot().await?.page(range, PAGE).await?;
    let mut shapes = Vec::with_capacity(page.entries.len());
    let mut last = None;
    for (key, value) in &page.entries {
        let (topic, id) = keys::subscription_of(scope, key).map_err(Error::internal)?;
        last = Some(token_of(&format!("{topic}/{id}")));
        shapes.push(show(
            TopicName {
                scope: scope.clone(),
                name: topic,
            },
            id,
            decode(value)?,
        ));
    }
    Ok((shapes, last.filter(|_| page.more)))
}

/// ListSubscriptions.
pub(crate) async fn list(
    sns: Arc<Sns>,
    context: RequestContext,
    input: ListSubscriptionsInput,
) -> Result<ListSubscriptionsResponse, Error> {
    let range = KeyRange::prefix(keys::all_subscriptions(&context.scope));
    let (subscriptions, next_token) = page(&sns, &context.scope, range, input.next_token.as_deref()).await?;
    Ok(ListSubscriptionsResponse {
        subscriptions: Some(subscriptions),
        next_token,
    })
}

/// ListSubscriptionsByTopic.
pub(crate) async fn list_of_topic(
    sns: Arc<Sns>,
    _: RequestContext,
    input: ListSubscriptionsByTopicInput,
) -> Result<ListSubscriptionsByTopicResponse, Error> {
    let topic = TopicName::of_arn(&input.topic_arn, "TopicArn")?;
    topics::of(&sns.snapshot().await?, &topic).await?;
    let range = keys::subscriptions(&topic.scope, &topic.name);
    let (subscriptions, next_token) = page(&sns, &topic.scope, range, input.next_token.as_deref()).await?;
    Ok(ListSubscriptionsByTopicResponse {
        subscriptions: Some(subscriptions),
        next_token,
    })
}
