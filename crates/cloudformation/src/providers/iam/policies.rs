//! Policies of roles, users and groups: inline ones and attached ones.

use crate::providers::{Outcome, Work};
use crate::template::parameters::text_of;
use serde_json::{Value, json};

/// Whose policies: the member that names it, and the word in the operations.
#[derive(Clone, Copy)]
pub(super) struct Owner(pub &'static str);

impl Owner {
    pub(super) const ROLE: Self = Self("Role");
    pub(super) const USER: Self = Self("User");
    pub(super) const GROUP: Self = Self("Group");

    pub(super) fn member(self) -> String {
        format!("{}Name", self.0)
    }

    pub(super) fn named(self, name: &str) -> Value {
        json!({ self.member(): name })
    }

    /// Brings attached and inline policies from the old properties to the new ones.
    pub(super) async fn apply(self, work: &Work<'_>, name: &str) -> Outcome<()> {
        let texts = |value: &Value| -> Vec<String> { value.as_array().into_iter().flatten().map(text_of).collect() };
        let (old, new) = (
            texts(work.before("ManagedPolicyArns")),
            texts(work.get("ManagedPolicyArns")),
        );
        for arn in new.iter().filter(|arn| !old.contains(arn)) {
            self.attach(work, name, arn).await?;
        }
        for arn in old.iter().filter(|arn| !new.contains(arn)) {
            self.detach(work, name, arn).await?;
        }
        let list = |value: &Value| value.as_array().cloned().unwrap_or_default();
        let (old, new) = (list(work.before("Policies")), list(work.get("Policies")));
        for policy in new.iter().filter(|policy| !old.contains(policy)) {
            let document = policy.get("PolicyDocument").map(text_of);
            self.put(
                work,
                name,
                policy.get("PolicyName").map(text_of).unwrap_or_default().as_str(),
                document,
            )
            .await?;
        }
        let has = |policy: &Value| {
            new.iter()
                .any(|other| other.get("PolicyName") == policy.get("PolicyName"))
        };
        for policy in old.iter().filter(|policy| !has(policy)) {
            self.take(
                work,
                name,
                policy.get("PolicyName").map(text_of).unwrap_or_default().as_str(),
            )
            .await?;
        }
        Ok(())
    }

    /// Takes away what this resource and others of the stack may have left on it, so that it can be deleted.
    pub(super) async fn clear(self, work: &Work<'_>, name: &str) -> Outcome<()> {
        let attached = format!("ListAttached{}Policies", self.0);
        if let Some(found) = absent_is_none(work.call("iam", &attached, self.named(name)).await)? {
            for policy in found
                .get("AttachedPolicies")
                .and_then(Value::as_array)
                .into_iter()
                .flatten()
            {
                self.detach(
                    work,
                    name,
                    policy.get("PolicyArn").map(text_of).unwrap_or_default().as_str(),
                )
                .await?;
            }
        }
        let inline = format!("List{}Policies", self.0);
        if let Some(found) = absent_is_none(work.call("iam", &inline, self.named(name)).await)? {
            for policy in found.get("PolicyNames").and_then(Value::as_array).into_iter().flatten() {
                self.take(work, name, &text_of(policy)).await?;
            }
        }
        Ok(())
    }

    pub(super) async fn attach(self, work: &Work<'_>, name: &str, arn: &str) -> Outcome<()> {
        let input = json!({ self.member(): name, "PolicyArn": arn });
        work.call("iam", &format!("Attach{}Policy", self.0), input)
            .await
            .map(drop)
    }

    pub(super) async fn detach(self, work: &Work<'_>, name: &str, arn: &str) -> Outcome<()> {
        let input = json!({ self.member(): name, "PolicyArn": arn });
        work.remove("iam", &format!("Detach{}Policy", self.0), input).await
    }

    pub(super) async fn put(self, work: &Work<'_>, name: &str, policy: &str, document: Option<String>) -> Outcome<()> {
        let input = json!({ self.member(): name, "PolicyName": policy, "PolicyDocument": document });
        work.call("iam", &format!("Put{}Policy", self.0), input).await.map(drop)
    }

    pub(super) async fn take(self, work: &Work<'_>, name: &str, policy: &str) -> Outcome<()> {
        let input = json!({ self.member(): name, "PolicyName": policy });
        work.remove("iam", &format!("Delete{}Policy", self.0), input).await
    }
}

fn absent_is_none(found: Outcome<Value>) -> Outcome<Option<Value>> {
    match found {
        Ok(found) => Ok(Some(found)),
        Err(failure) if failure.is_absent() => Ok(None),
        Err(failure) => Err(failure),
    }
}
