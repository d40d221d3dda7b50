//! Every operation that is built, with the permission it needs and the function that does it.

use crate::shapes::operations as op;
use crate::{Sns, permissions, publish, subscription_attributes, subscriptions, tags, topic_attributes, topics};
use danbi_core::{Access, Arn, RequestContext, ServiceError};
use danbi_wire::{Service, models};
use std::sync::Arc;

/// The largest request, in bytes: a batch of 256 KiB, encoded as a form.
const MAX_REQUEST: usize = 2 << 20;

type Asked = Result<Access, ServiceError>;

/// The topic as it was named: what is wrong with the name is the handler's to say, to those with rights.
fn arn(action: &'static str, arn: &str) -> Asked {
    Ok(Access::new(action, arn))
}

fn named(context: &RequestContext, action: &'static str, name: &str) -> Asked {
    Ok(Access::new(action, Arn::new("sns", &context.scope, name)))
}

/// The topic of a subscription, which permissions on subscriptions are about.
fn topic_of(action: &'static str, subscription: &str) -> Asked {
    arn(
        action,
        subscription.rsplit_once(':').map_or(subscription, |(topic, _)| topic),
    )
}

impl Sns {
    /// The SNS API.
    pub fn service(self: &Arc<Self>) -> Service {
        Service::builder(&models::SNS, Arc::clone(self))
            .body_limit(MAX_REQUEST)
            .on(
                op::CreateTopic,
                |_, c, i| named(c, "sns:CreateTopic", &i.name),
                topics::create,
            )
            .on(
                op::DeleteTopic,
                |_, _, i| arn("sns:DeleteTopic", &i.topic_arn),
                topics::delete,
            )
            .on(
                op::ListTopics,
                |_, _, _| Ok(Access::any("sns:ListTopics")),
                topics::list,
            )
            .on(
                op::GetTopicAttributes,
                |_, _, i| arn("sns:GetTopicAttributes", &i.topic_arn),
                topic_attributes::get,
            )
            .on(
                op::SetTopicAttributes,
                |_, _, i| arn("sns:SetTopicAttributes", &i.topic_arn),
                topic_attributes::put_one,
            )
            .on(
                op::Subscribe,
                |_, _, i| {
                    Ok(Access::new("sns:Subscribe", &i.topic_arn)
                        .with("sns:Protocol", i.protocol.as_str())
                        .with("sns:Endpoint", i.endpoint.clone().unwrap_or_default()))
                },
                subscriptions::subscribe,
            )
            .on(
                op::ConfirmSubscription,
                |_, _, i| arn("sns:ConfirmSubscription", &i.topic_arn),
                subscriptions::confirm,
            )
            .on(
                op::Unsubscribe,
                |_, _, i| topic_of("sns:Unsubscribe", &i.subscription_arn),
                subscriptions::unsubscribe,
            )
            .on(
                op::ListSubscriptions,
                |_, _, _| Ok(Access::any("sns:ListSubscriptions")),
                subscriptions::list,
            )
            .on(
                op::ListSubscriptionsByTopic,
                |_, _, i| arn("sns:ListSubscriptionsByTopic", &i.topic_arn),
                subscriptions::list_of_topic,
            )
            .on(
                op::GetSubscriptionAttributes,
                |_, _, i| topic_of("sns:GetSubscriptionAttributes", &i.subscription_arn),
                subscription_attributes::get,
            )
            .on(
                op::SetSubscriptionAttributes,
                |_, _, i| topic_of("sns:SetSubscriptionAttributes", &i.subscription_arn),
                subscription_attributes::put_one,
            )
            .on(
                op::Publish,
                |_, _, i| {
                    arn(
                        "sns:Publish",
                        i.topic_arn.as_deref().or(i.target_arn.as_deref()).unwrap_or("*"),
                    )
                },
                publish::publish,
            )
            .on(
                op::PublishBatch,
                |_, _, i| arn("sns:Publish", &i.topic_arn),
                publish::publish_batch,
            )
            .on(
                op::AddPermission,
                |_, _, i| arn("sns:AddPermission", &i.topic_arn),
                permissions::add,
            )
            .on(
                op::RemovePermission,
                |_, _, i| arn("sns:RemovePermission", &i.topic_arn),
                permissions::remove,
            )
            .on(
                op::TagResource,
                |_, _, i| arn("sns:TagResource", &i.resource_arn),
                tags::tag,
            )
            .on(
                op::UntagResource,
                |_, _, i| arn("sns:UntagResource", &i.resource_arn),
                tags::untag,
            )
            .on(
                op::ListTagsForResource,
                |_, _, i| arn("sns:ListTagsForResource", &i.resource_arn),
                tags::list,
            )
            .build()
    }
}
