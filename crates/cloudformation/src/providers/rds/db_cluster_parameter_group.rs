use super::{check_known, identifier, retag, set_parameters};
use crate::providers::work::{and, output_text};
use crate::providers::{Made, Outcome, Provider, Work};
use async_trait::async_trait;
use danbi_core::ApiCall;
use serde_json::json;

/// AWS::RDS::DBClusterParameterGroup
pub(super) struct DbClusterParameterGroup;

const NAME: &str = "DBClusterParameterGroupName";
const KNOWN: [&str; 5] = ["Description", "Family", "Parameters", "Tags", NAME];
const OPERATIONS: [&str; 3] = ["ModifyDBClusterParameterGroup", "ResetDBClusterParameterGroup", NAME];

#[async_trait]
impl Provider for DbClusterParameterGroup {
    fn kind(&self) -> &'static str {
        "AWS::RDS::DBClusterParameterGroup"
    }
    fn required(&self) -> &'static [&'static str] {
        &["Description", "Family", "Parameters"]
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
        Some(ApiCall::new(
            "rds",
            "DescribeDBClusterParameterGroups",
            json!({ NAME: name }),
        ))
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
            "CreateDBClusterParameterGroup",
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
            .call("rds", "DescribeDBClusterParameterGroups", json!({ NAME: id }))
            .await?;
        retag(
            work,
            &output_text(&found, "/DBClusterParameterGroups/0/DBClusterParameterGroupArn")?,
        )
        .await?;
        Ok(Made::new(id))
    }

    async fn delete(&self, work: &Work<'_>, id: &str) -> Outcome<()> {
        work.remove("rds", "DeleteDBClusterParameterGroup", json!({ NAME: id }))
            .await
    }
}
