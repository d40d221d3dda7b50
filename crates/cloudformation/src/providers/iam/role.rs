use super::policies::Owner;
use crate::names::Naming;
use crate::providers::work::{and, output_text};
use crate::providers::{Made, Outcome, Provider, Work};
use async_trait::async_trait;
use danbi_core::ApiCall;
use serde_json::json;

/// AWS::IAM::Role
pub(super) struct Role;

async fn made(work: &Work<'_>, name: &str) -> Outcome<Made> {
    let found = work.call("iam", "GetRole", json!({ "RoleName": name })).await?;
    Ok(Made::new(name)
        .with("Arn", output_text(&found, "/Role/Arn")?)
        .with("RoleId", output_text(&found, "/Role/RoleId")?))
}

#[async_trait]
impl Provider for Role {
    fn kind(&self) -> &'static str {
        "AWS::IAM::Role"
    }
    fn required(&self) -> &'static [&'static str] {
        &["AssumeRolePolicyDocument"]
    }
    fn replaced_by(&self) -> &'static [&'static str] {
        &["RoleName", "Path"]
    }
    fn name_property(&self) -> Option<&'static str> {
        Some("RoleName")
    }
    fn takes_tags(&self) -> bool {
        true
    }
    fn probe(&self, name: &str) -> Option<ApiCall> {
        Some(ApiCall::new("iam", "GetRole", json!({ "RoleName": name })))
    }

    async fn create(&self, work: &Work<'_>) -> Outcome<Made> {
        let name = work.name("RoleName", Naming::up_to(64));
        let further = json!({
            "RoleName": name,
            "AssumeRolePolicyDocument": work.document("AssumeRolePolicyDocument"),
            "Tags": work.tag_list(),
        });
        let picked = work.pick(&["Path", "Description", "MaxSessionDuration", "PermissionsBoundary"]);
        work.make("iam", "CreateRole", and(picked, further)).await?;
        Owner::ROLE
            .apply(work, &name)
            .await
            .map_err(|failure| failure.after(&name))?;
        made(work, &name).await
    }

    async fn update(&self, work: &Work<'_>, id: &str) -> Outcome<Made> {
        if work.changes("AssumeRolePolicyDocument") {
            let input = json!({ "RoleName": id, "PolicyDocument": work.document("AssumeRolePolicyDocument") });
            work.call("iam", "UpdateAssumeRolePolicy", input).await?;
        }
        if work.changes_any(&["Description", "MaxSessionDuration"]) {
            let input = json!({
                "RoleName": id,
                "Description": work.text("Description").unwrap_or_default(),
                "MaxSessionDuration": work.text("MaxSessionDuration").unwrap_or_else(|| "3600".to_owned()),
            });
            work.call("iam", "UpdateRole", input).await?;
        }
        if work.changes("PermissionsBoundary") {
            match work.text("PermissionsBoundary") {
                Some(arn) => {
                    let input = json!({ "RoleName": id, "PermissionsBoundary": arn });
                    work.call("iam", "PutRolePermissionsBoundary", input).await?;
                }
                None => {
                    work.remove("iam", "DeleteRolePermissionsBoundary", json!({ "RoleName": id }))
                        .await?
                }
            }
        }
        Owner::ROLE.apply(work, id).await?;
        work.retag(
            "iam",
            ["TagRole", "UntagRole"],
            ["RoleName", "Tags", "TagKeys"],
            id,
            true,
        )
        .await?;
        made(work, id).await
    }

    async fn delete(&self, work: &Work<'_>, id: &str) -> Outcome<()> {
        Owner::ROLE.clear(work, id).await?;
        work.remove("iam", "DeleteRole", json!({ "RoleName": id })).await
    }
}
