use super::policies::Owner;
use crate::names::Naming;
use crate::providers::work::{and, output_text};
use crate::providers::{Made, Outcome, Provider, Work};
use crate::template::parameters::text_of;
use async_trait::async_trait;
use danbi_core::ApiCall;
use serde_json::{Value, json};

/// AWS::IAM::User
pub(super) struct User;

async fn made(work: &Work<'_>, name: &str) -> Outcome<Made> {
    let found = work.call("iam", "GetUser", json!({ "UserName": name })).await?;
    Ok(Made::new(name).with("Arn", output_text(&found, "/User/Arn")?))
}

async fn groups(work: &Work<'_>, name: &str) -> Outcome<()> {
    let texts = |value: &Value| -> Vec<String> { value.as_array().into_iter().flatten().map(text_of).collect() };
    let (old, new) = (texts(work.before("Groups")), texts(work.get("Groups")));
    for group in new.iter().filter(|group| !old.contains(group)) {
        work.call("iam", "AddUserToGroup", json!({ "UserName": name, "GroupName": group }))
            .await?;
    }
    for group in old.iter().filter(|group| !new.contains(group)) {
        work.remove(
            "iam",
            "RemoveUserFromGroup",
            json!({ "UserName": name, "GroupName": group }),
        )
        .await?;
    }
    Ok(())
}

#[async_trait]
impl Provider for User {
    fn kind(&self) -> &'static str {
        "AWS::IAM::User"
    }
    fn replaced_by(&self) -> &'static [&'static str] {
        &["UserName"]
    }
    fn name_property(&self) -> Option<&'static str> {
        Some("UserName")
    }
    fn takes_tags(&self) -> bool {
        true
    }
    fn probe(&self, name: &str) -> Option<ApiCall> {
        Some(ApiCall::new("iam", "GetUser", json!({ "UserName": name })))
    }

    async fn create(&self, work: &Work<'_>) -> Outcome<Made> {
        let name = work.name("UserName", Naming::up_to(64));
        let further = json!({ "UserName": name, "Tags": work.tag_list() });
        work.make(
            "iam",
            "CreateUser",
            and(work.pick(&["Path", "PermissionsBoundary"]), further),
        )
        .await?;
        let configured = async {
            Owner::USER.apply(work, &name).await?;
            groups(work, &name).await?;
            if let Some(profile) = work.get("LoginProfile").as_object() {
                let input = and(Value::Object(profile.clone()), json!({ "UserName": name }));
                work.make("iam", "CreateLoginProfile", input).await?;
            }
            made(work, &name).await
        };
        configured.await.map_err(|failure| failure.after(&name))
    }

    async fn update(&self, work: &Work<'_>, id: &str) -> Outcome<Made> {
        if work.changes("Path") {
            work.call(
                "iam",
                "UpdateUser",
                json!({ "UserName": id, "NewPath": work.text("Path").unwrap_or_else(|| "/".into()) }),
            )
            .await?;
        }
        if work.changes("PermissionsBoundary") {
            match work.text("PermissionsBoundary") {
                Some(arn) => {
                    let input = json!({ "UserName": id, "PermissionsBoundary": arn });
                    work.call("iam", "PutUserPermissionsBoundary", input).await?;
                }
                None => {
                    work.remove("iam", "DeleteUserPermissionsBoundary", json!({ "UserName": id }))
                        .await?
                }
            }
        }
        if work.changes("LoginProfile") {
            match work.get("LoginProfile").as_object() {
                Some(profile) => {
                    let input = and(Value::Object(profile.clone()), json!({ "UserName": id }));
                    let operation = if work.before("LoginProfile").is_null() {
                        "CreateLoginProfile"
                    } else {
                        "UpdateLoginProfile"
                    };
                    work.make("iam", operation, input).await?;
                }
                None => {
                    work.remove("iam", "DeleteLoginProfile", json!({ "UserName": id }))
                        .await?
                }
            }
        }
        Owner::USER.apply(work, id).await?;
        groups(work, id).await?;
        work.retag(
            "iam",
            ["TagUser", "UntagUser"],
            ["UserName", "Tags", "TagKeys"],
            id,
            true,
        )
        .await?;
        made(work, id).await
    }

    async fn delete(&self, work: &Work<'_>, id: &str) -> Outcome<()> {
        Owner::USER.clear(work, id).await?;
        for group in work.get("Groups").as_array().into_iter().flatten() {
            work.remove(
                "iam",
                "RemoveUserFromGroup",
                json!({ "UserName": id, "GroupName": group }),
            )
            .await?;
        }
        if !work.get("LoginProfile").is_null() {
            work.remove("iam", "DeleteLoginProfile", json!({ "UserName": id }))
                .await?;
        }
        work.remove("iam", "DeleteUser", json!({ "UserName": id })).await
    }
}
