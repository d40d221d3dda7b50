use crate::names::Naming;
use crate::providers::work::and;
use crate::providers::{Made, Outcome, Provider, Work};
use async_trait::async_trait;
use serde_json::json;

/// AWS::Lambda::Permission
pub(super) struct Permission;

#[async_trait]
impl Provider for Permission {
    fn kind(&self) -> &'static str {
        "AWS::Lambda::Permission"
    }
    fn required(&self) -> &'static [&'static str] {
        &["Action", "FunctionName", "Principal"]
    }
    fn replaces(&self, _: &str) -> bool {
        true
    }

    async fn create(&self, work: &Work<'_>) -> Outcome<Made> {
        let statement = work.name("Id", Naming::up_to(100));
        let picked = work.pick(&[
            "FunctionName",
            "Action",
            "Principal",
            "SourceArn",
            "SourceAccount",
            "EventSourceToken",
            "FunctionUrlAuthType",
            "InvokedViaFunctionUrl",
            "PrincipalOrgID",
        ]);
        work.make(
            "lambda",
            "AddPermission",
            and(picked, json!({ "StatementId": statement })),
        )
        .await?;
        Ok(Made::new(statement.clone()).with("Id", statement))
    }

    async fn update(&self, _: &Work<'_>, id: &str) -> Outcome<Made> {
        Ok(Made::new(id))
    }

    async fn delete(&self, work: &Work<'_>, id: &str) -> Outcome<()> {
        // The qualifier, where there is one, is part of the function's name.
        let (name, qualifier) = super::split(&work.must("FunctionName")?);
        let input = and(
            json!({ "FunctionName": name, "StatementId": id }),
            json!({ "Qualifier": qualifier }),
        );
        work.remove("lambda", "RemovePermission", input).await
    }
}
