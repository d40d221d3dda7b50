//! Resource types: one small file each, behind one trait, over the platform's public API.
//!
//! A provider turns properties into calls and says what `Ref` and `Fn::GetAtt` give, which properties need a new
//! resource when they change, and that what is gone counts as deleted. Calls may be repeated after a crash: a name that
//! is not given is made of the step's token, so it is the same again, and a conflict on the repetition means that the
//! first attempt was heard.

mod apigateway;
mod cloudformation;
mod dynamodb;
mod events;
mod iam;
mod kms;
mod lambda;
mod logs;
mod rds;
mod s3;
mod scheduler;
mod sns;
mod sqs;
mod ssm;
mod work;

pub(crate) use work::{Failure, Made, Outcome, Stacked, Work};

use crate::records::Policy;
use async_trait::async_trait;
use danbi_core::ApiCall;
use serde_json::Value;

/// One resource type.
#[async_trait]
pub(crate) trait Provider: Send + Sync {
    /// Its name, such as `AWS::S3::Bucket`.
    fn kind(&self) -> &'static str;

    /// Properties that a template must give.
    fn required(&self) -> &'static [&'static str] {
        &[]
    }

    /// Properties whose change needs a new resource.
    fn replaced_by(&self) -> &'static [&'static str] {
        &[]
    }

    /// Whether a change of this property needs a new resource.
    fn replaces(&self, property: &str) -> bool {
        self.replaced_by().contains(&property)
    }

    /// The property that names the resource, when it has one.
    fn name_property(&self) -> Option<&'static str> {
        None
    }

    /// Whether it gets the tags of the stack.
    fn takes_tags(&self) -> bool {
        false
    }

    /// Whether an update reaches it although nothing of its own has changed.
    fn always_updates(&self) -> bool {
        false
    }

    /// Whether it can be kept as a snapshot when it goes ([`Work::snapshot`]).
    fn takes_snapshots(&self) -> bool {
        false
    }

    /// What becomes of it when the template says nothing.
    fn unsaid_policy(&self, _properties: &Value) -> Policy {
        Policy::Delete
    }

    /// A call that succeeds only if a resource of the given name is there.
    fn probe(&self, _name: &str) -> Option<ApiCall> {
        None
    }

    /// Makes it.
    async fn create(&self, work: &Work<'_>) -> Outcome<Made>;

    /// Changes the resource `id` from `work.old` to `work.properties`.
    async fn update(&self, work: &Work<'_>, id: &str) -> Outcome<Made>;

    /// Removes it; what is not there is removed.
    async fn delete(&self, work: &Work<'_>, id: &str) -> Outcome<()>;
}

/// All that exist.
fn all() -> impl Iterator<Item = &'static dyn Provider> {
    [
        apigateway::ALL,
        cloudformation::ALL,
        dynamodb::ALL,
        events::ALL,
        iam::ALL,
        kms::ALL,
        lambda::ALL,
        logs::ALL,
        rds::ALL,
        s3::ALL,
        scheduler::ALL,
        sns::ALL,
        sqs::ALL,
        ssm::ALL,
    ]
    .into_iter()
    .flatten()
    .copied()
}

/// The provider of a type.
pub(crate) fn find(kind: &str) -> Option<&'static dyn Provider> {
    let kind = if kind.starts_with("Custom::") {
        "AWS::CloudFormation::CustomResource"
    } else {
        kind
    };
    all().find(|provider| provider.kind() == kind)
}

/// The names of all types.
pub(crate) fn kinds() -> Vec<&'static str> {
    let mut kinds: Vec<_> = all().map(Provider::kind).collect();
    kinds.sort_unstable();
    kinds
}

/// That types are unknown, and which ones there are.
pub(crate) fn unknown(kinds_asked: &[&str]) -> String {
    format!(
        "Unrecognized resource types: [{}]. This platform has: {}, Custom::*",
        kinds_asked.join(", "),
        kinds().join(", ")
    )
}
