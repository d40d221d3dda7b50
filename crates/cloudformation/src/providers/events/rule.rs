use crate::names::Naming;
use crate::providers::work::{and, output_text};
use crate::providers::{Failure, Made, Outcome, Provider, Work};
use crate::template::parameters::text_of;
use async_trait::async_trait;
use danbi_core::ApiCall;
use serde_json::{Value, json};

/// AWS::Events::Rule
pub(super) struct Rule;

/// The rule's bus and name in its id, `bus|name`, or the name alone on the default bus.
fn place(id: &str) -> (Option<&str>, &str) {
    match id.rsplit_once('|') {
        Some((bus, name)) => (Some(bus), name),
        None => (None, id),
    }
}

async fn put(work: &Work<'_>, name: &str) -> Outcome<String> {
    let picked = work.pick(&["ScheduleExpression", "State", "Description", "RoleArn", "EventBusName"]);
    let further = json!({ "Name": name, "EventPattern": work.document("EventPattern") });
    let tags = if work.old.is_none() {
        work.tag_list()
    } else {
        Value::Null
    };
    let put = work
        .call("events", "PutRule", and(and(picked, further), json!({ "Tags": tags })))
        .await?;
    output_text(&put, "/RuleArn")
}

async fn targets(work: &Work<'_>, name: &str) -> Outcome<()> {
    let list = |value: &Value| value.as_array().cloned().unwrap_or_default();
    let (old, new) = (list(work.before("Targets")), list(work.get("Targets")));
    let bus = json!({ "Rule": name, "EventBusName": work.get("EventBusName") });
    let base = |further: Value| and(and(json!({}), bus.clone()), further);
    let gone: Vec<String> = old
        .iter()
        .filter(|target| !new.iter().any(|other| other.get("Id") == target.get("Id")))
        .filter_map(|target| target.get("Id").map(text_of))
        .collect();
    if !gone.is_empty() {
        work.remove("events", "RemoveTargets", base(json!({ "Ids": gone })))
            .await?;
    }
    // Ten at most in one call.
    for some in new.chunks(10) {
        let put = work
            .call("events", "PutTargets", base(json!({ "Targets": some })))
            .await?;
        if let Some(failed) = put.pointer("/FailedEntries/0") {
            let why = failed.get("ErrorMessage").map(text_of).unwrap_or_default();
            return Err(Failure::new("InvalidRequest", why));
        }
    }
    Ok(())
}

#[async_trait]
impl Provider for Rule {
    fn kind(&self) -> &'static str {
        "AWS::Events::Rule"
    }
    fn replaced_by(&self) -> &'static [&'static str] {
        &["Name", "EventBusName"]
    }
    fn name_property(&self) -> Option<&'static str> {
        Some("Name")
    }
    fn takes_tags(&self) -> bool {
        true
    }
    fn probe(&self, name: &str) -> Option<ApiCall> {
        Some(ApiCall::new("events", "DescribeRule", json!({ "Name": name })))
    }

    async fn create(&self, work: &Work<'_>) -> Outcome<Made> {
        let name = work.name("Name", Naming::up_to(64));
        let arn = put(work, &name).await?;
        let id = match work.text("EventBusName").filter(|bus| bus != "default") {
            Some(bus) => format!("{bus}|{name}"),
            None => name.clone(),
        };
        targets(work, &name).await.map_err(|failure| failure.after(&id))?;
        Ok(Made::new(id).with("Arn", arn))
    }

    async fn update(&self, work: &Work<'_>, id: &str) -> Outcome<Made> {
        let (_, name) = place(id);
        let arn = put(work, name).await?;
        targets(work, name).await?;
        let members = ["ResourceARN", "Tags", "TagKeys"];
        work.retag("events", ["TagResource", "UntagResource"], members, &arn, true)
            .await?;
        Ok(Made::new(id).with("Arn", arn))
    }

    async fn delete(&self, work: &Work<'_>, id: &str) -> Outcome<()> {
        let (bus, name) = place(id);
        let base = and(json!({ "Rule": name }), json!({ "EventBusName": bus }));
        let found = match work.call("events", "ListTargetsByRule", base.clone()).await {
            Ok(found) => found,
            Err(failure) if failure.is_absent() => return Ok(()),
            Err(failure) => return Err(failure),
        };
        let ids: Vec<String> = found
            .get("Targets")
            .and_then(Value::as_array)
            .into_iter()
            .flatten()
            .filter_map(|target| target.get("Id").map(text_of))
            .collect();
        if !ids.is_empty() {
            work.remove("events", "RemoveTargets", and(base, json!({ "Ids": ids })))
                .await?;
        }
        work.remove(
            "events",
            "DeleteRule",
            and(json!({ "Name": name }), json!({ "EventBusName": bus })),
        )
        .await
    }
}
