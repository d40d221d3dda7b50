use crate::providers::work::{and, output_text};
use crate::providers::{Made, Outcome, Provider, Work};
use async_trait::async_trait;
use serde_json::{Value, json};

/// AWS::Lambda::Url
pub(super) struct Url;

fn at(work: &Work<'_>) -> Outcome<Value> {
    let (name, qualifier) = super::split(&work.must("TargetFunctionArn")?);
    let qualifier = work.text("Qualifier").or(qualifier);
    Ok(and(json!({ "FunctionName": name }), json!({ "Qualifier": qualifier })))
}

async fn made(work: &Work<'_>) -> Outcome<Made> {
    let found = work.call("lambda", "GetFunctionUrlConfig", at(work)?).await?;
    let arn = output_text(&found, "/FunctionArn")?;
    Ok(Made::new(arn.clone())
        .with("FunctionArn", arn)
        .with("FunctionUrl", output_text(&found, "/FunctionUrl")?))
}

#[async_trait]
impl Provider for Url {
    fn kind(&self) -> &'static str {
        "AWS::Lambda::Url"
    }
    fn required(&self) -> &'static [&'static str] {
        &["AuthType", "TargetFunctionArn"]
    }
    fn replaced_by(&self) -> &'static [&'static str] {
        &["TargetFunctionArn", "Qualifier"]
    }

    async fn create(&self, work: &Work<'_>) -> Outcome<Made> {
        let input = and(work.pick(&["AuthType", "Cors", "InvokeMode"]), at(work)?);
        work.make("lambda", "CreateFunctionUrlConfig", input).await?;
        made(work).await
    }

    async fn update(&self, work: &Work<'_>, _: &str) -> Outcome<Made> {
        let mut input = and(work.pick(&["AuthType", "Cors", "InvokeMode"]), at(work)?);
        if work.changes("Cors") && work.get("Cors").is_null() {
            input["Cors"] = json!({});
        }
        work.call("lambda", "UpdateFunctionUrlConfig", input).await?;
        made(work).await
    }

    async fn delete(&self, work: &Work<'_>, _: &str) -> Outcome<()> {
        work.remove("lambda", "DeleteFunctionUrlConfig", at(work)?).await
    }
}
