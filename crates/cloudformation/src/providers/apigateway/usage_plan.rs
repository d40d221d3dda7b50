use super::patch;
use crate::names::Naming;
use crate::providers::work::{and, lower_keys, output_text};
use crate::providers::{Made, Outcome, Provider, Work};
use crate::template::parameters::text_of;
use async_trait::async_trait;
use serde_json::{Value, json};

/// AWS::ApiGateway::UsagePlan
pub(super) struct UsagePlan;

/// The stages in the words of the API; the throttles of a stage are a map of methods, whose keys stay.
fn stages(value: &Value) -> Value {
    let one = |stage: &Value| {
        let throttle = stage.get("Throttle").and_then(Value::as_object).map(|map| {
            map.iter()
                .map(|(key, value)| (key.clone(), lower_keys(value)))
                .collect::<serde_json::Map<_, _>>()
        });
        let base = json!({ "apiId": stage.get("ApiId"), "stage": stage.get("Stage") });
        and(base, json!({ "throttle": throttle }))
    };
    value
        .as_array()
        .map_or(Value::Null, |list| list.iter().map(one).collect())
}

#[async_trait]
impl Provider for UsagePlan {
    fn kind(&self) -> &'static str {
        "AWS::ApiGateway::UsagePlan"
    }
    fn takes_tags(&self) -> bool {
        true
    }

    async fn create(&self, work: &Work<'_>) -> Outcome<Made> {
        let name = work.name("UsagePlanName", Naming::up_to(1024));
        if work.resumed {
            let all = work
                .call("apigateway", "GetUsagePlans", json!({ "limit": 500 }))
                .await?;
            let same = |item: &&Value| {
                work.text("UsagePlanName").is_none() && item.get("name").and_then(Value::as_str) == Some(&name)
            };
            if let Some(found) = all
                .get("items")
                .and_then(Value::as_array)
                .into_iter()
                .flatten()
                .find(same)
            {
                let id = output_text(found, "/id")?;
                return Ok(Made::new(id.clone()).with("Id", id));
            }
        }
        let tags = work.tag_map();
        let further = json!({
            "name": name,
            "apiStages": stages(work.get("ApiStages")),
            "throttle": lower_keys(work.get("Throttle")),
            "quota": lower_keys(work.get("Quota")),
            "tags": if tags.is_empty() { Value::Null } else { Value::Object(tags) },
        });
        let created = work
            .call(
                "apigateway",
                "CreateUsagePlan",
                and(work.pick_lower(&["Description"]), further),
            )
            .await?;
        let id = output_text(&created, "/id")?;
        Ok(Made::new(id.clone()).with("Id", id))
    }

    async fn update(&self, work: &Work<'_>, id: &str) -> Outcome<Made> {
        let mut patches = patch::plain(work, &[("UsagePlanName", "/name"), ("Description", "/description")]);
        for (property, path, members) in [
            ("Throttle", "/throttle", ["BurstLimit", "RateLimit", ""]),
            ("Quota", "/quota", ["Limit", "Offset", "Period"]),
        ] {
            if !work.changes(property) {
                continue;
            }
            match work.get(property) {
                Value::Null => patches.push(json!({ "op": "remove", "path": path })),
                value => {
                    for member in members {
                        if let Some(value) = value.get(member) {
                            let path = format!("{path}/{}", crate::providers::work::lower(member));
                            patches.push(json!({ "op": "replace", "path": path, "value": text_of(value) }));
                        }
                    }
                }
            }
        }
        let named = |value: &Value| -> Vec<String> {
            let name = |stage: &Value| {
                Some(format!(
                    "{}:{}",
                    text_of(stage.get("ApiId")?),
                    text_of(stage.get("Stage")?)
                ))
            };
            value.as_array().into_iter().flatten().filter_map(name).collect()
        };
        let (old, new) = (named(work.before("ApiStages")), named(work.get("ApiStages")));
        for stage in new.iter().filter(|stage| !old.contains(stage)) {
            patches.push(json!({ "op": "add", "path": "/apiStages", "value": stage }));
        }
        for stage in old.iter().filter(|stage| !new.contains(stage)) {
            patches.push(json!({ "op": "remove", "path": "/apiStages", "value": stage }));
        }
        if !patches.is_empty() {
            work.call(
                "apigateway",
                "UpdateUsagePlan",
                json!({ "usagePlanId": id, "patchOperations": patches }),
            )
            .await?;
        }
        let arn = format!("arn:aws:apigateway:{}::/usageplans/{id}", work.context.scope.region);
        let members = ["resourceArn", "tags", "tagKeys"];
        work.retag("apigateway", ["TagResource", "UntagResource"], members, &arn, false)
            .await?;
        Ok(Made::new(id).with("Id", id))
    }

    async fn delete(&self, work: &Work<'_>, id: &str) -> Outcome<()> {
        // A plan goes only when no stage belongs to it.
        let gone: Vec<Value> = work
            .get("ApiStages")
            .as_array()
            .into_iter()
            .flatten()
            .filter_map(|stage| {
                Some(format!(
                    "{}:{}",
                    text_of(stage.get("ApiId")?),
                    text_of(stage.get("Stage")?)
                ))
            })
            .map(|stage| json!({ "op": "remove", "path": "/apiStages", "value": stage }))
            .collect();
        if !gone.is_empty() {
            // Stages may be gone already: what counts is whether the plan goes.
            let _ = work
                .call(
                    "apigateway",
                    "UpdateUsagePlan",
                    json!({ "usagePlanId": id, "patchOperations": gone }),
                )
                .await;
        }
        work.remove("apigateway", "DeleteUsagePlan", json!({ "usagePlanId": id }))
            .await
    }
}
