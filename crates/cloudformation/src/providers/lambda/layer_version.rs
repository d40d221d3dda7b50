use crate::names::Naming;
use crate::providers::work::{and, output_text};
use crate::providers::{Made, Outcome, Provider, Work};
use async_trait::async_trait;
use serde_json::{Value, json};

/// AWS::Lambda::LayerVersion
pub(super) struct LayerVersion;

#[async_trait]
impl Provider for LayerVersion {
    fn kind(&self) -> &'static str {
        "AWS::Lambda::LayerVersion"
    }
    fn required(&self) -> &'static [&'static str] {
        &["Content"]
    }
    fn replaces(&self, _: &str) -> bool {
        true
    }

    async fn create(&self, work: &Work<'_>) -> Outcome<Made> {
        let name = work.name("LayerName", Naming::up_to(140));
        if work.resumed {
            // The name is given by a template and shared by versions: the newest one since the step began is this one's.
            let listed = work
                .call("lambda", "ListLayerVersions", json!({ "LayerName": name }))
                .await;
            if let Ok(listed) = listed
                && let Some(newest) = listed.pointer("/LayerVersions/0")
                && newest.get("CreatedDate").and_then(Value::as_str) >= Some(&crate::names::iso(work.started)[..19])
            {
                let arn = output_text(newest, "/LayerVersionArn")?;
                return Ok(Made::new(arn.clone()).with("LayerVersionArn", arn));
            }
        }
        let picked = work.pick(&[
            "Content",
            "Description",
            "CompatibleRuntimes",
            "CompatibleArchitectures",
            "LicenseInfo",
        ]);
        let made = work
            .call(
                "lambda",
                "PublishLayerVersion",
                and(picked, json!({ "LayerName": name })),
            )
            .await?;
        let arn = output_text(&made, "/LayerVersionArn")?;
        Ok(Made::new(arn.clone()).with("LayerVersionArn", arn))
    }

    async fn update(&self, _: &Work<'_>, id: &str) -> Outcome<Made> {
        Ok(Made::new(id))
    }

    async fn delete(&self, work: &Work<'_>, id: &str) -> Outcome<()> {
        let Some((layer, version)) = id.rsplit_once(':') else {
            return Ok(());
        };
        work.remove(
            "lambda",
            "DeleteLayerVersion",
            json!({ "LayerName": layer, "VersionNumber": version }),
        )
        .await
    }
}
