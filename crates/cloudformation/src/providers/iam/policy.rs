use super::policies::Owner;
use crate::providers::{Failure, Made, Outcome, Provider, Work};
use crate::template::parameters::text_of;
use async_trait::async_trait;
use serde_json::Value;

/// AWS::IAM::Policy: one inline policy of several roles, users and groups.
pub(super) struct Policy;

const OWNERS: [(&str, Owner); 3] = [("Roles", Owner::ROLE), ("Users", Owner::USER), ("Groups", Owner::GROUP)];

fn names(value: &Value) -> Vec<String> {
    value.as_array().into_iter().flatten().map(text_of).collect()
}

#[async_trait]
impl Provider for Policy {
    fn kind(&self) -> &'static str {
        "AWS::IAM::Policy"
    }
    fn required(&self) -> &'static [&'static str] {
        &["PolicyDocument", "PolicyName"]
    }

    async fn create(&self, work: &Work<'_>) -> Outcome<Made> {
        let policy = work.must("PolicyName")?;
        if OWNERS.iter().all(|(property, _)| names(work.get(property)).is_empty()) {
            return Err(Failure::new(
                "InvalidRequest",
                "At least one of [Groups,Roles,Users] must be non-empty.",
            ));
        }
        let id = work.made_up_id();
        for (property, owner) in OWNERS {
            for name in names(work.get(property)) {
                let put = owner.put(work, &name, &policy, work.document("PolicyDocument")).await;
                put.map_err(|failure| failure.after(&id))?;
            }
        }
        Ok(Made::new(id))
    }

    async fn update(&self, work: &Work<'_>, id: &str) -> Outcome<Made> {
        let policy = work.must("PolicyName")?;
        let before = text_of(work.before("PolicyName"));
        for (property, owner) in OWNERS {
            let (old, new) = (names(work.before(property)), names(work.get(property)));
            for name in &new {
                owner.put(work, name, &policy, work.document("PolicyDocument")).await?;
            }
            for name in old.iter().filter(|name| before != policy || !new.contains(name)) {
                owner.take(work, name, &before).await?;
            }
        }
        Ok(Made::new(id))
    }

    async fn delete(&self, work: &Work<'_>, _: &str) -> Outcome<()> {
        let policy = work.must("PolicyName")?;
        for (property, owner) in OWNERS {
            for name in names(work.get(property)) {
                owner.take(work, &name, &policy).await?;
            }
        }
        Ok(())
    }
}
