use super::{check_known, identifier, retag, set_parameters};
use crate::providers::work::{and, output_text};
use crate::providers::{Made, Outcome, Provider, Work};
use async_trait::async_trait;
use danbi_core::ApiCall;
use serde_json::json;

/// AWS::RDS::DBParameterGroup
pub(super) struct DbParameterGroup;

const NAME: &str = "DBParameterGroupName";
const KNOWN: [&str; 5] = ["Description", "Family", "Parameters", "Tags", NAME];
const OPERATIONS: [&str; 3] = ["ModifyDBParameterGroup", "ResetDBParameterGroup", NAME];

#[async_trait]
impl Provider for DbParameterGroup {
    fn kind(&self) -> &'static str {
        "AWS::RDS::DBParameterGroup"
    }
    fn required(&self) -> &'static [&'static str] {
        &["Description", "Family"]
    }
    fn replaced_by(&self) -> &'static [&'static str] {
        &["Description", "Family", NAME]
    }
    fn name_property(&self) -> Option<&'static str> {
        Some(NAME)
    }
    fn takes_tags(&self) -> bool {
        true
    }
    fn probe(&self, name: &str) -> Option<ApiCall> {
        Some(ApiCall::new("rds", "DescribeDBParameterGroups", json!({ NAME: name })))
    }

    async fn create(&self, work: &Work<'_>) -> Outcome<Made> {
        check_known(work, &[&KNOWN])?;
        let name = identifier(work, NAME, 255);
        let input = json!({
            NAME: name,
            "DBParameterGroupFamily": work.get("Family"),
            "Description": work.get("Description"),
        });
        work.make(
            "rds",
            "CreateDBParameterGroup",
            and(input, json!({ "Tags": work.tag_list() })),
        )
        .await?;
        set_parameters(work, OPERATIONS, &name)
            .await
            .map_err(|failure| failure.after(&name))?;
        Ok(Made::new(name.clone()).with(NAME, name))
    }

    async fn update(&self, work: &Work<'_>, id: &str) -> Outcome<Made> {
        check_known(work, &[&KNOWN])?;
        set_parameters(work, OPERATIONS, id).await?;
        let found = work
            .call("rds", "DescribeDBParameterGroups", json!({ NAME: id }))
            .await?;
        retag(work, &output_text(&found, "/DBParameterGroups/0/DBParameterGroupArn")?).await?;
        Ok(Made::new(id))
    }

    async fn delete(&self, work: &Work<'_>, id: &str) -> Outcome<()> {
        work.remove("rds", "DeleteDBParameterGroup", json!({ NAME: id })).await
    }
}
