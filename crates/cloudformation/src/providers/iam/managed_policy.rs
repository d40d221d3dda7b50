use super::policies::Owner;
use crate::names::Naming;
use crate::providers::work::{and, output_text};
use crate::providers::{Made, Outcome, Provider, Work};
use crate::template::parameters::text_of;
use async_trait::async_trait;
use serde_json::{Value, json};

/// AWS::IAM::ManagedPolicy
pub(super) struct ManagedPolicy;

const OWNERS: [(&str, Owner); 3] = [("Roles", Owner::ROLE), ("Users", Owner::USER), ("Groups", Owner::GROUP)];

fn names(value: &Value) -> Vec<String> {
    value.as_array().into_iter().flatten().map(text_of).collect()
}

async fn attach(work: &Work<'_>, arn: &str) -> Outcome<()> {
    for (property, owner) in OWNERS {
        let (old, new) = (names(work.before(property)), names(work.get(property)));
        for name in new.iter().filter(|name| !old.contains(name)) {
            owner.attach(work, name, arn).await?;
        }
        for name in old.iter().filter(|name| !new.contains(name)) {
            owner.detach(work, name, arn).await?;
        }
    }
    Ok(())
}

/// Removes the versions that are not the default one.
async fn prune(work: &Work<'_>, arn: &str) -> Outcome<()> {
    let found = work
        .call("iam", "ListPolicyVersions", json!({ "PolicyArn": arn }))
        .await?;
    for version in found.get("Versions").and_then(Value::as_array).into_iter().flatten() {
        if version.get("IsDefaultVersion") != Some(&Value::Bool(true)) {
            let input = json!({ "PolicyArn": arn, "VersionId": version.get("VersionId") });
            work.remove("iam", "DeletePolicyVersion", input).await?;
        }
    }
    Ok(())
}

#[async_trait]
impl Provider for ManagedPolicy {
    fn kind(&self) -> &'static str {
        "AWS::IAM::ManagedPolicy"
    }
    fn required(&self) -> &'static [&'static str] {
        &["PolicyDocument"]
    }
    fn replaced_by(&self) -> &'static [&'static str] {
        &["ManagedPolicyName", "Path", "Description"]
    }
    fn name_property(&self) -> Option<&'static str> {
        Some("ManagedPolicyName")
    }

    async fn create(&self, work: &Work<'_>) -> Outcome<Made> {
        let name = work.name("ManagedPolicyName", Naming::up_to(128));
        let further = json!({ "PolicyName": name, "PolicyDocument": work.document("PolicyDocument") });
        let made = work
            .make("iam", "CreatePolicy", and(work.pick(&["Path", "Description"]), further))
            .await?;
        let arn = match made {
            Some(made) => output_text(&made, "/Policy/Arn")?,
            None => {
                let path = work.text("Path").unwrap_or_else(|| "/".into());
                format!("arn:aws:iam::{}:policy{path}{name}", work.context.scope.account)
            }
        };
        attach(work, &arn).await.map_err(|failure| failure.after(&arn))?;
        Ok(Made::new(arn.clone()).with("PolicyArn", arn))
    }

    async fn update(&self, work: &Work<'_>, id: &str) -> Outcome<Made> {
        if work.changes("PolicyDocument") {
            prune(work, id).await?;
            let document = work.document("PolicyDocument");
            let input = json!({ "PolicyArn": id, "PolicyDocument": document, "SetAsDefault": true });
            work.call("iam", "CreatePolicyVersion", input).await?;
        }
        attach(work, id).await?;
        Ok(Made::new(id).with("PolicyArn", id))
    }

    async fn delete(&self, work: &Work<'_>, id: &str) -> Outcome<()> {
        let found = match work
            .call("iam", "ListEntitiesForPolicy", json!({ "PolicyArn": id }))
            .await
        {
            Ok(found) => found,
            Err(failure) if failure.is_absent() => return Ok(()),
            Err(failure) => return Err(failure),
        };
        for (list, member, owner) in [
            ("PolicyRoles", "RoleName", Owner::ROLE),
            ("PolicyUsers", "UserName", Owner::USER),
            ("PolicyGroups", "GroupName", Owner::GROUP),
        ] {
            for one in found.get(list).and_then(Value::as_array).into_iter().flatten() {
                owner
                    .detach(work, one.get(member).map(text_of).unwrap_or_default().as_str(), id)
                    .await?;
            }
        }
        prune(work, id).await?;
        work.remove("iam", "DeletePolicy", json!({ "PolicyArn": id })).await
    }
}
