use crate::providers::work::{and, output_text};
use crate::providers::{Made, Outcome, Provider, Work};
use async_trait::async_trait;
use serde_json::json;

/// AWS::Lambda::Version. Publishing code that has not changed gives the version that is there, so it may be repeated.
pub(super) struct Version;

#[async_trait]
impl Provider for Version {
    fn kind(&self) -> &'static str {
        "AWS::Lambda::Version"
    }
    fn required(&self) -> &'static [&'static str] {
        &["FunctionName"]
    }
    fn replaced_by(&self) -> &'static [&'static str] {
        &["FunctionName", "CodeSha256", "Description", "RuntimePolicy"]
    }

    async fn create(&self, work: &Work<'_>) -> Outcome<Made> {
        let (name, _) = super::split(&work.must("FunctionName")?);
        let input = and(
            work.pick(&["CodeSha256", "Description"]),
            json!({ "FunctionName": name }),
        );
        let made = work.call("lambda", "PublishVersion", input).await?;
        let (arn, version) = (output_text(&made, "/FunctionArn")?, output_text(&made, "/Version")?);
        provisioned(work, &name, &version)
            .await
            .map_err(|failure| failure.after(&arn))?;
        Ok(Made::new(arn.clone()).with("FunctionArn", arn).with("Version", version))
    }

    async fn update(&self, work: &Work<'_>, id: &str) -> Outcome<Made> {
        let (name, version) = super::split(id);
        provisioned(work, &name, &version.unwrap_or_default()).await?;
        Ok(Made::new(id))
    }

    async fn delete(&self, work: &Work<'_>, id: &str) -> Outcome<()> {
        work.remove("lambda", "DeleteFunction", json!({ "FunctionName": id }))
            .await
    }
}

/// The environments that a version or alias keeps ready.
pub(super) async fn provisioned(work: &Work<'_>, function: &str, qualifier: &str) -> Outcome<()> {
    if !work.changes("ProvisionedConcurrencyConfig") {
        return Ok(());
    }
    let input = json!({ "FunctionName": function, "Qualifier": qualifier });
    match work
        .get("ProvisionedConcurrencyConfig")
        .get("ProvisionedConcurrentExecutions")
    {
        Some(count) => {
            let input = and(input, json!({ "ProvisionedConcurrentExecutions": count }));
            work.call("lambda", "PutProvisionedConcurrencyConfig", input)
                .await
                .map(drop)
        }
        None => work.remove("lambda", "DeleteProvisionedConcurrencyConfig", input).await,
    }
}
