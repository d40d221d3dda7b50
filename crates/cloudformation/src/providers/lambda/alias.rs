use super::version::provisioned;
use crate::providers::work::{and, output_text};
use crate::providers::{Made, Outcome, Provider, Work};
use async_trait::async_trait;
use serde_json::{Value, json};

/// AWS::Lambda::Alias
pub(super) struct Alias;

fn input(work: &Work<'_>) -> Outcome<Value> {
    let (name, _) = super::split(&work.must("FunctionName")?);
    let weights = work
        .get("RoutingConfig")
        .get("AdditionalVersionWeights")
        .and_then(Value::as_array);
    let weights = weights.map(|weights| {
        let one = |weight: &Value| {
            Some((
                weight.get("FunctionVersion")?.as_str()?.to_owned(),
                weight.get("FunctionWeight")?.clone(),
            ))
        };
        json!({ "AdditionalVersionWeights": weights.iter().filter_map(one).collect::<serde_json::Map<_, _>>() })
    });
    // Without weights an update takes away those that there were.
    let weights = weights.or_else(|| {
        work.changes("RoutingConfig")
            .then(|| json!({ "AdditionalVersionWeights": {} }))
    });
    Ok(and(
        work.pick(&["Name", "FunctionVersion", "Description"]),
        json!({ "FunctionName": name, "RoutingConfig": weights }),
    ))
}

#[async_trait]
impl Provider for Alias {
    fn kind(&self) -> &'static str {
        "AWS::Lambda::Alias"
    }
    fn required(&self) -> &'static [&'static str] {
        &["FunctionName", "FunctionVersion", "Name"]
    }
    fn replaced_by(&self) -> &'static [&'static str] {
        &["FunctionName", "Name"]
    }

    async fn create(&self, work: &Work<'_>) -> Outcome<Made> {
        work.make("lambda", "CreateAlias", input(work)?).await?;
        let (function, name) = (super::split(&work.must("FunctionName")?).0, work.must("Name")?);
        let found = work
            .call("lambda", "GetAlias", json!({ "FunctionName": function, "Name": name }))
            .await?;
        let arn = output_text(&found, "/AliasArn")?;
        provisioned(work, &function, &name)
            .await
            .map_err(|failure| failure.after(&arn))?;
        Ok(Made::new(arn.clone()).with("AliasArn", arn))
    }

    async fn update(&self, work: &Work<'_>, id: &str) -> Outcome<Made> {
        work.call("lambda", "UpdateAlias", input(work)?).await?;
        provisioned(work, &super::split(&work.must("FunctionName")?).0, &work.must("Name")?).await?;
        Ok(Made::new(id))
    }

    async fn delete(&self, work: &Work<'_>, id: &str) -> Outcome<()> {
        let (name, alias) = super::split(id);
        work.remove("lambda", "DeleteAlias", json!({ "FunctionName": name, "Name": alias }))
            .await
    }
}
