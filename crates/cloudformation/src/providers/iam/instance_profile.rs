use crate::names::Naming;
use crate::providers::work::{and, output_text};
use crate::providers::{Made, Outcome, Provider, Work};
use crate::template::parameters::text_of;
use async_trait::async_trait;
use serde_json::{Value, json};

/// AWS::IAM::InstanceProfile
pub(super) struct InstanceProfile;

async fn roles(work: &Work<'_>, name: &str) -> Outcome<()> {
    let texts = |value: &Value| -> Vec<String> { value.as_array().into_iter().flatten().map(text_of).collect() };
    let (old, new) = (texts(work.before("Roles")), texts(work.get("Roles")));
    for role in old.iter().filter(|role| !new.contains(role)) {
        let input = json!({ "InstanceProfileName": name, "RoleName": role });
        work.remove("iam", "RemoveRoleFromInstanceProfile", input).await?;
    }
    for role in new.iter().filter(|role| !old.contains(role)) {
        let input = json!({ "InstanceProfileName": name, "RoleName": role });
        match work.call("iam", "AddRoleToInstanceProfile", input).await {
            Err(failure) if work.resumed && failure.code.starts_with("LimitExceeded") => {}
            done => drop(done?),
        }
    }
    Ok(())
}

async fn made(work: &Work<'_>, name: &str) -> Outcome<Made> {
    let found = work
        .call("iam", "GetInstanceProfile", json!({ "InstanceProfileName": name }))
        .await?;
    Ok(Made::new(name).with("Arn", output_text(&found, "/InstanceProfile/Arn")?))
}

#[async_trait]
impl Provider for InstanceProfile {
    fn kind(&self) -> &'static str {
        "AWS::IAM::InstanceProfile"
    }
    fn required(&self) -> &'static [&'static str] {
        &["Roles"]
    }
    fn replaced_by(&self) -> &'static [&'static str] {
        &["InstanceProfileName", "Path"]
    }
    fn name_property(&self) -> Option<&'static str> {
        Some("InstanceProfileName")
    }

    async fn create(&self, work: &Work<'_>) -> Outcome<Made> {
        let name = work.name("InstanceProfileName", Naming::up_to(128));
        let input = and(work.pick(&["Path"]), json!({ "InstanceProfileName": name }));
        work.make("iam", "CreateInstanceProfile", input).await?;
        roles(work, &name).await.map_err(|failure| failure.after(&name))?;
        made(work, &name).await
    }

    async fn update(&self, work: &Work<'_>, id: &str) -> Outcome<Made> {
        roles(work, id).await?;
        made(work, id).await
    }

    async fn delete(&self, work: &Work<'_>, id: &str) -> Outcome<()> {
        for role in work.get("Roles").as_array().into_iter().flatten() {
            let input = json!({ "InstanceProfileName": id, "RoleName": role });
            work.remove("iam", "RemoveRoleFromInstanceProfile", input).await?;
        }
        work.remove("iam", "DeleteInstanceProfile", json!({ "InstanceProfileName": id }))
            .await
    }
}
