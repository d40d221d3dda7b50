use super::{check_known, identifier, retag};
use crate::providers::work::{and, output_text};
use crate::providers::{Made, Outcome, Provider, Work};
use async_trait::async_trait;
use danbi_core::ApiCall;
use serde_json::json;

/// AWS::RDS::DBSubnetGroup
pub(super) struct DbSubnetGroup;

const INPUT: [&str; 2] = ["DBSubnetGroupDescription", "SubnetIds"];
const NAME: &str = "DBSubnetGroupName";

#[async_trait]
impl Provider for DbSubnetGroup {
    fn kind(&self) -> &'static str {
        "AWS::RDS::DBSubnetGroup"
    }
    fn required(&self) -> &'static [&'static str] {
        &INPUT
    }
    fn replaced_by(&self) -> &'static [&'static str] {
        &[NAME]
    }
    fn name_property(&self) -> Option<&'static str> {
        Some(NAME)
    }
    fn takes_tags(&self) -> bool {
        true
    }
    fn probe(&self, name: &str) -> Option<ApiCall> {
        Some(ApiCall::new("rds", "DescribeDBSubnetGroups", json!({ NAME: name })))
    }

    async fn create(&self, work: &Work<'_>) -> Outcome<Made> {
        check_known(work, &[&INPUT, &[NAME, "Tags"]])?;
        let name = identifier(work, NAME, 255);
        let input = and(work.pick(&INPUT), json!({ NAME: name, "Tags": work.tag_list() }));
        work.make("rds", "CreateDBSubnetGroup", input).await?;
        Ok(Made::new(name))
    }

    async fn update(&self, work: &Work<'_>, id: &str) -> Outcome<Made> {
        check_known(work, &[&INPUT, &[NAME, "Tags"]])?;
        let input = and(work.pick(&INPUT), json!({ NAME: id }));
        let group = work.call("rds", "ModifyDBSubnetGroup", input).await?;
        retag(work, &output_text(&group, "/DBSubnetGroup/DBSubnetGroupArn")?).await?;
        Ok(Made::new(id))
    }

    async fn delete(&self, work: &Work<'_>, id: &str) -> Outcome<()> {
        work.remove("rds", "DeleteDBSubnetGroup", json!({ NAME: id })).await
    }
}
