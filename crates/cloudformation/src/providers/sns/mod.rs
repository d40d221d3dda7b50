//! AWS::SNS

mod subscription;
mod topic;
mod topic_policy;

use super::Provider;

pub(super) const ALL: &[&dyn Provider] = &[&topic::Topic, &subscription::Subscription, &topic_policy::TopicPolicy];
