use crate::providers::work::and;
use crate::providers::{Failure, Made, Outcome, Provider, Work};
use async_trait::async_trait;
use serde_json::{Value, json};

/// AWS::Events::EventBusPolicy: one statement of a bus's policy.
pub(super) struct EventBusPolicy;

async fn put(work: &Work<'_>) -> Outcome<()> {
    let id = work.must("StatementId")?;
    let bus = json!({ "EventBusName": work.get("EventBusName") });
    if let Value::Object(statement) = work.get("Statement") {
        // The API takes a whole policy or the parts of a simple statement: this one joins the others of the bus.
        let name = work.text("EventBusName").unwrap_or_else(|| "default".into());
        let found = work.call("events", "DescribeEventBus", json!({ "Name": name })).await?;
        let policy = found.get("Policy").and_then(Value::as_str).unwrap_or("{}");
        let mut policy: Value = serde_json::from_str(policy).unwrap_or_else(|_| json!({}));
        let mut statements = policy
            .get("Statement")
            .and_then(Value::as_array)
            .cloned()
            .unwrap_or_default();
        statements.retain(|other| other.get("Sid").and_then(Value::as_str) != Some(&id));
        statements.push(and(Value::Object(statement.clone()), json!({ "Sid": id })));
        policy["Version"] = json!("2012-10-17");
        policy["Statement"] = Value::Array(statements);
        let input = and(json!({ "Policy": policy.to_string() }), bus);
        return work.call("events", "PutPermission", input).await.map(drop);
    }
    if work.get("Principal").is_null() {
        return Err(Failure::new(
            "InvalidRequest",
            "Either Statement or Principal and Action must be given.",
        ));
    }
    let picked = work.pick(&["StatementId", "Action", "Principal", "Condition"]);
    work.call("events", "PutPermission", and(picked, bus)).await.map(drop)
}

#[async_trait]
impl Provider for EventBusPolicy {
    fn kind(&self) -> &'static str {
        "AWS::Events::EventBusPolicy"
    }
    fn required(&self) -> &'static [&'static str] {
        &["StatementId"]
    }
    fn replaced_by(&self) -> &'static [&'static str] {
        &["EventBusName", "StatementId"]
    }

    async fn create(&self, work: &Work<'_>) -> Outcome<Made> {
        put(work).await?;
        let bus = work.text("EventBusName").unwrap_or_else(|| "default".into());
        Ok(Made::new(format!("{bus}|{}", work.must("StatementId")?)))
    }

    async fn update(&self, work: &Work<'_>, id: &str) -> Outcome<Made> {
        put(work).await?;
        Ok(Made::new(id))
    }

    async fn delete(&self, work: &Work<'_>, _: &str) -> Outcome<()> {
        let input = and(
            json!({ "StatementId": work.get("StatementId") }),
            json!({ "EventBusName": work.get("EventBusName") }),
        );
        work.remove("events", "RemovePermission", input).await
    }
}
