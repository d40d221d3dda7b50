use super::policies::Owner;
use crate::names::Naming;
use crate::providers::work::{and, output_text};
use crate::providers::{Made, Outcome, Provider, Work};
use async_trait::async_trait;
use danbi_core::ApiCall;
use serde_json::json;

/// AWS::IAM::Group
pub(super) struct Group;

async fn made(work: &Work<'_>, name: &str) -> Outcome<Made> {
    let found = work.call("iam", "GetGroup", json!({ "GroupName": name })).await?;
    Ok(Made::new(name).with("Arn", output_text(&found, "/Group/Arn")?))
}

#[async_trait]
impl Provider for Group {
    fn kind(&self) -> &'static str {
        "AWS::IAM::Group"
    }
    fn replaced_by(&self) -> &'static [&'static str] {
        &["GroupName"]
    }
    fn name_property(&self) -> Option<&'static str> {
        Some("GroupName")
    }
    fn probe(&self, name: &str) -> Option<ApiCall> {
        Some(ApiCall::new("iam", "GetGroup", json!({ "GroupName": name })))
    }

    async fn create(&self, work: &Work<'_>) -> Outcome<Made> {
        let name = work.name("GroupName", Naming::up_to(128));
        work.make(
            "iam",
            "CreateGroup",
            and(work.pick(&["Path"]), json!({ "GroupName": name })),
        )
        .await?;
        Owner::GROUP
            .apply(work, &name)
            .await
            .map_err(|failure| failure.after(&name))?;
        made(work, &name).await
    }

    async fn update(&self, work: &Work<'_>, id: &str) -> Outcome<Made> {
        if work.changes("Path") {
            let path = work.text("Path").unwrap_or_else(|| "/".into());
            work.call("iam", "UpdateGroup", json!({ "GroupName": id, "NewPath": path }))
                .await?;
        }
        Owner::GROUP.apply(work, id).await?;
        made(work, id).await
    }

    async fn delete(&self, work: &Work<'_>, id: &str) -> Outcome<()> {
        Owner::GROUP.clear(work, id).await?;
        work.remove("iam", "DeleteGroup", json!({ "GroupName": id })).await
    }
}
