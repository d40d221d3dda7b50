use crate::names::Naming;
use crate::providers::work::{and, output_text};
use crate::providers::{Failure, Made, Outcome, Provider, Work};
use async_trait::async_trait;
use danbi_core::ApiCall;
use serde_json::{Value, json};

/// AWS::DynamoDB::Table
pub(super) struct Table;

const INPUT: [&str; 10] = [
    "AttributeDefinitions",
    "KeySchema",
    "LocalSecondaryIndexes",
    "GlobalSecondaryIndexes",
    "BillingMode",
    "ProvisionedThroughput",
    "TableClass",
    "DeletionProtectionEnabled",
    "OnDemandThroughput",
    "WarmThroughput",
];
const OTHERS: [&str; 8] = [
    "TableName",
    "Tags",
    "StreamSpecification",
    "SSESpecification",
    "TimeToLiveSpecification",
    "PointInTimeRecoverySpecification",
    "ContributorInsightsSpecification",
    "ResourcePolicy",
];

fn streams(value: &Value) -> Value {
    match value.get("StreamViewType") {
        Some(view) => json!({ "StreamEnabled": true, "StreamViewType": view }),
        None => Value::Null,
    }
}

fn sealing(value: &Value) -> Value {
    match value {
        Value::Object(map) => {
            let members = map.iter().map(|(key, inner)| {
                (
                    if key == "SSEEnabled" { "Enabled" } else { key }.to_owned(),
                    inner.clone(),
                )
            });
            Value::Object(members.collect())
        }
        _ => Value::Null,
    }
}

/// The index properties that the API takes.
fn index(value: &Value) -> Value {
    let Value::Object(map) = value else {
        return value.clone();
    };
    let known = [
        "IndexName",
        "KeySchema",
        "Projection",
        "ProvisionedThroughput",
        "OnDemandThroughput",
        "WarmThroughput",
    ];
    Value::Object(
        map.iter()
            .filter(|(key, _)| known.contains(&key.as_str()))
            .map(|(a, b)| (a.clone(), b.clone()))
            .collect(),
    )
}

impl Table {
    async fn active(work: &Work<'_>, name: &str) -> Outcome<Value> {
        let is_active = |output: &Value| {
            let is = |status: Option<&Value>| status.is_none_or(|status| status == "ACTIVE");
            let indexes = output
                .pointer("/Table/GlobalSecondaryIndexes")
                .and_then(Value::as_array);
            is(output.pointer("/Table/TableStatus"))
                && indexes.into_iter().flatten().all(|one| is(one.get("IndexStatus")))
        };
        work.until("dynamodb", "DescribeTable", json!({ "TableName": name }), is_active)
            .await
    }

    /// What has an operation of its own.
    async fn settings(work: &Work<'_>, name: &str) -> Outcome<()> {
        if work.changes("TimeToLiveSpecification") {
            let wanted = match work.get("TimeToLiveSpecification") {
                Value::Null => {
                    json!({ "Enabled": false, "AttributeName": work.before("TimeToLiveSpecification").get("AttributeName") })
                }
                value => value.clone(),
            };
            let input = json!({ "TableName": name, "TimeToLiveSpecification": wanted });
            // A repetition after a crash finds it done.
            match work.call("dynamodb", "UpdateTimeToLive", input).await {
                Err(failure) if failure.message.contains("already") => {}
                done => drop(done?),
            }
        }
        if work.changes("PointInTimeRecoverySpecification") {
            let wanted = match work.get("PointInTimeRecoverySpecification") {
                Value::Null => json!({ "PointInTimeRecoveryEnabled": false }),
                value => value.clone(),
            };
            let input = json!({ "TableName": name, "PointInTimeRecoverySpecification": wanted });
            work.call("dynamodb", "UpdateContinuousBackups", input).await?;
        }
        if work.changes("ResourcePolicy") {
            let arn = work.arn("dynamodb", &format!("table/{name}"));
            match work.get("ResourcePolicy").get("PolicyDocument") {
                Some(policy) => {
                    let input = json!({ "ResourceArn": arn, "Policy": policy.to_string() });
                    work.call("dynamodb", "PutResourcePolicy", input).await?;
                }
                None => {
                    work.remove("dynamodb", "DeleteResourcePolicy", json!({ "ResourceArn": arn }))
                        .await?
                }
            }
        }
        Ok(())
    }

    async fn made(work: &Work<'_>, name: &str) -> Outcome<Made> {
        let table = Self::active(work, name).await?;
        let made = Made::new(name).with("Arn", output_text(&table, "/Table/TableArn")?);
        Ok(made.with(
            "StreamArn",
            table.pointer("/Table/LatestStreamArn").cloned().unwrap_or(Value::Null),
        ))
    }

    /// Indexes change one at a time.
    async fn indexes(work: &Work<'_>, name: &str) -> Outcome<()> {
        let list = |value: &Value| value.as_array().cloned().unwrap_or_default();
        let (old, new) = (
            list(work.before("GlobalSecondaryIndexes")),
            list(work.get("GlobalSecondaryIndexes")),
        );
        let named = |all: &[Value], one: &Value| {
            all.iter()
                .find(|other| other.get("IndexName") == one.get("IndexName"))
                .cloned()
        };
        let mut updates = Vec::new();
        for one in &old {
            let keeps = named(&new, one).is_some_and(|new| {
                new.get("KeySchema") == one.get("KeySchema") && new.get("Projection") == one.get("Projection")
            });
            if !keeps {
                updates.push(json!({ "Delete": { "IndexName": one.get("IndexName") } }));
            }
        }
        for one in &new {
            match named(&old, one) {
                Some(before)
                    if before.get("KeySchema") == one.get("KeySchema")
                        && before.get("Projection") == one.get("Projection") =>
                {
                    if let Some(throughput) = one
                        .get("ProvisionedThroughput")
                        .filter(|new| before.get("ProvisionedThroughput") != Some(*new))
                    {
                        let change = json!({ "IndexName": one.get("IndexName"), "ProvisionedThroughput": throughput });
                        updates.push(json!({ "Update": change }));
                    }
                }
                _ => updates.push(json!({ "Create": index(one) })),
            }
        }
        for update in updates {
            let definitions = work.get("AttributeDefinitions");
            let input = json!({ "TableName": name, "AttributeDefinitions": definitions, "GlobalSecondaryIndexUpdates": [update] });
            match work.call("dynamodb", "UpdateTable", input).await {
                Err(failure)
                    if work.resumed
                        && (failure.message.contains("already exists") || failure.message.contains("not found")) => {}
                done => drop(done?),
            }
            Self::active(work, name).await?;
        }
        Ok(())
    }
}

#[async_trait]
impl Provider for Table {
    fn kind(&self) -> &'static str {
        "AWS::DynamoDB::Table"
    }
    fn required(&self) -> &'static [&'static str] {
        &["KeySchema"]
    }
    fn replaced_by(&self) -> &'static [&'static str] {
        &[
            "TableName",
            "KeySchema",
            "LocalSecondaryIndexes",
            "ImportSourceSpecification",
        ]
    }
    fn name_property(&self) -> Option<&'static str> {
        Some("TableName")
    }
    fn takes_tags(&self) -> bool {
        true
    }
    fn probe(&self, name: &str) -> Option<ApiCall> {
        Some(ApiCall::new("dynamodb", "DescribeTable", json!({ "TableName": name })))
    }

    async fn create(&self, work: &Work<'_>) -> Outcome<Made> {
        let known = |name: &&String| INPUT.contains(&name.as_str()) || OTHERS.contains(&name.as_str());
        if let Some(unknown) = work
            .properties
            .as_object()
            .and_then(|map| map.keys().find(|name| !known(name)))
        {
            let message = format!("{unknown} of a table is not built on this platform.");
            return Err(Failure::new("InvalidRequest", message));
        }
        let name = work.name("TableName", Naming::up_to(255));
        let mut input = and(work.pick(&INPUT), json!({ "TableName": name, "Tags": work.tag_list() }));
        input = and(
            input,
            json!({
                "StreamSpecification": streams(work.get("StreamSpecification")),
                "SSESpecification": sealing(work.get("SSESpecification")),
            }),
        );
        if let Some(Value::Array(indexes)) = input.get_mut("GlobalSecondaryIndexes") {
            *indexes = indexes.iter().map(index).collect();
        }
        work.make("dynamodb", "CreateTable", input).await?;
        let configured = async {
            Self::active(work, &name).await?;
            Self::settings(work, &name).await?;
            Self::made(work, &name).await
        };
        configured.await.map_err(|failure| failure.after(&name))
    }

    async fn update(&self, work: &Work<'_>, id: &str) -> Outcome<Made> {
        let simple = [
            "BillingMode",
            "ProvisionedThroughput",
            "TableClass",
            "DeletionProtectionEnabled",
            "OnDemandThroughput",
        ];
        if work.changes_any(&simple) {
            let changed: Vec<&str> = simple.into_iter().filter(|name| work.changes(name)).collect();
            work.call(
                "dynamodb",
                "UpdateTable",
                and(work.pick(&changed), json!({ "TableName": id })),
            )
            .await?;
            Self::active(work, id).await?;
        }
        if work.changes("StreamSpecification") {
            let old = work.before("StreamSpecification");
            if !old.is_null() {
                let off = json!({ "TableName": id, "StreamSpecification": { "StreamEnabled": false } });
                match work.call("dynamodb", "UpdateTable", off).await {
                    Err(failure) if failure.message.contains("already disabled") => {}
                    done => drop(done?),
                }
            }
            let new = streams(work.get("StreamSpecification"));
            if !new.is_null() {
                work.call(
                    "dynamodb",
                    "UpdateTable",
                    json!({ "TableName": id, "StreamSpecification": new }),
                )
                .await?;
            }
        }
        if work.changes("SSESpecification") {
            let sealing = sealing(work.get("SSESpecification"));
            let sealing = if sealing.is_null() {
                json!({ "Enabled": false })
            } else {
                sealing
            };
            work.call(
                "dynamodb",
                "UpdateTable",
                json!({ "TableName": id, "SSESpecification": sealing }),
            )
            .await?;
        }
        Self::indexes(work, id).await?;
        Self::settings(work, id).await?;
        let arn = work.arn("dynamodb", &format!("table/{id}"));
        let members = ["ResourceArn", "Tags", "TagKeys"];
        work.retag("dynamodb", ["TagResource", "UntagResource"], members, &arn, true)
            .await?;
        Self::made(work, id).await
    }

    async fn delete(&self, work: &Work<'_>, id: &str) -> Outcome<()> {
        work.remove("dynamodb", "DeleteTable", json!({ "TableName": id }))
            .await?;
        // Its name is free only when it is gone.
        let gone = work
            .until("dynamodb", "DescribeTable", json!({ "TableName": id }), |_| false)
            .await;
        match gone {
            Err(failure) if !failure.is_absent() => Err(failure),
            _ => Ok(()),
        }
    }
}
