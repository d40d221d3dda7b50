use crate::names;
use crate::providers::work::{and, list};
use crate::providers::{Failure, Made, Outcome, Provider, Work};
use async_trait::async_trait;
use danbi_core::ApiCall;
use serde_json::json;

/// AWS::SSM::Parameter
pub(super) struct Parameter;

const INPUT: [&str; 7] = [
    "Type",
    "Value",
    "Description",
    "Policies",
    "AllowedPattern",
    "Tier",
    "DataType",
];

fn made(work: &Work<'_>, name: &str) -> Made {
    Made::new(name)
        .with("Type", work.get("Type").clone())
        .with("Value", work.get("Value").clone())
}

fn check(work: &Work<'_>) -> Outcome<()> {
    match work.text("Type").as_deref() {
        Some("SecureString") => Err(Failure::new(
            "InvalidRequest",
            "Properties validation failed: #/Type: failed validation constraint for keyword [enum]; a SecureString cannot \
             be made by a template",
        )),
        _ => Ok(()),
    }
}

#[async_trait]
impl Provider for Parameter {
    fn kind(&self) -> &'static str {
        "AWS::SSM::Parameter"
    }
    fn required(&self) -> &'static [&'static str] {
        &["Type", "Value"]
    }
    fn replaced_by(&self) -> &'static [&'static str] {
        &["Name"]
    }
    fn name_property(&self) -> Option<&'static str> {
        Some("Name")
    }
    fn takes_tags(&self) -> bool {
        true
    }
    fn probe(&self, name: &str) -> Option<ApiCall> {
        Some(ApiCall::new("ssm", "GetParameter", json!({ "Name": name })))
    }

    async fn create(&self, work: &Work<'_>) -> Outcome<Made> {
        check(work)?;
        let name = work
            .text("Name")
            .unwrap_or_else(|| format!("CFN-{}-{}", work.logical_id, names::suffix(work.token, 12)));
        let input = and(work.pick(&INPUT), json!({ "Name": name, "Tags": work.tag_list() }));
        work.make("ssm", "PutParameter", input).await?;
        Ok(made(work, &name))
    }

    async fn update(&self, work: &Work<'_>, id: &str) -> Outcome<Made> {
        check(work)?;
        if work.changes_any(&INPUT) {
            let mut input = and(work.pick(&INPUT), json!({ "Name": id, "Overwrite": true }));
            // What the template no longer says is taken away; the API keeps what it is not told.
            for (property, nothing) in [("Description", ""), ("AllowedPattern", ""), ("Policies", "[{}]")] {
                if work.get(property).is_null() && !work.before(property).is_null() {
                    input[property] = json!(nothing);
                }
            }
            work.call("ssm", "PutParameter", input).await?;
        }
        let (set, gone) = work.tag_changes();
        let resource = json!({ "ResourceType": "Parameter", "ResourceId": id });
        if !set.is_empty() {
            let input = and(resource.clone(), json!({ "Tags": list(&set) }));
            work.call("ssm", "AddTagsToResource", input).await?;
        }
        if !gone.is_empty() {
            let input = and(resource, json!({ "TagKeys": gone }));
            work.call("ssm", "RemoveTagsFromResource", input).await?;
        }
        Ok(made(work, id))
    }

    async fn delete(&self, work: &Work<'_>, id: &str) -> Outcome<()> {
        work.remove("ssm", "DeleteParameter", json!({ "Name": id })).await
    }
}
