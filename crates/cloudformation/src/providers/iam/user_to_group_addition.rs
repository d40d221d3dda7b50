use crate::providers::{Made, Outcome, Provider, Work};
use async_trait::async_trait;
use serde_json::{Value, json};

/// AWS::IAM::UserToGroupAddition
pub(super) struct UserToGroupAddition;

#[async_trait]
impl Provider for UserToGroupAddition {
    fn kind(&self) -> &'static str {
        "AWS::IAM::UserToGroupAddition"
    }
    fn required(&self) -> &'static [&'static str] {
        &["GroupName", "Users"]
    }
    fn replaced_by(&self) -> &'static [&'static str] {
        &["GroupName"]
    }

    async fn create(&self, work: &Work<'_>) -> Outcome<Made> {
        let id = work.made_up_id();
        for user in work.get("Users").as_array().into_iter().flatten() {
            let input = json!({ "GroupName": work.get("GroupName"), "UserName": user });
            work.call("iam", "AddUserToGroup", input)
                .await
                .map_err(|failure| failure.after(&id))?;
        }
        Ok(Made::new(id))
    }

    async fn update(&self, work: &Work<'_>, id: &str) -> Outcome<Made> {
        let list = |value: &Value| value.as_array().cloned().unwrap_or_default();
        let (old, new) = (list(work.before("Users")), list(work.get("Users")));
        for user in new.iter().filter(|user| !old.contains(user)) {
            work.call(
                "iam",
                "AddUserToGroup",
                json!({ "GroupName": work.get("GroupName"), "UserName": user }),
            )
            .await?;
        }
        for user in old.iter().filter(|user| !new.contains(user)) {
            let input = json!({ "GroupName": work.get("GroupName"), "UserName": user });
            work.remove("iam", "RemoveUserFromGroup", input).await?;
        }
        Ok(Made::new(id))
    }

    async fn delete(&self, work: &Work<'_>, _: &str) -> Outcome<()> {
        for user in work.get("Users").as_array().into_iter().flatten() {
            let input = json!({ "GroupName": work.get("GroupName"), "UserName": user });
            work.remove("iam", "RemoveUserFromGroup", input).await?;
        }
        Ok(())
    }
}
