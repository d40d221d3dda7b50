use crate::providers::work::{and, output_text};
use crate::providers::{Made, Outcome, Provider, Work};
use async_trait::async_trait;
use serde_json::{Value, json};

/// AWS::KMS::Key
pub(super) struct Key;

fn tags(list: &Value) -> Value {
    let one = |tag: &Value| json!({ "TagKey": tag.get("Key"), "TagValue": tag.get("Value") });
    list.as_array()
        .map_or(Value::Null, |list| list.iter().map(one).collect())
}

/// What has an operation of its own.
async fn settings(work: &Work<'_>, id: &str) -> Outcome<()> {
    if work.changes_any(&["EnableKeyRotation", "RotationPeriodInDays"]) {
        let days = json!({ "RotationPeriodInDays": work.get("RotationPeriodInDays") });
        match work.truth("EnableKeyRotation") {
            true => drop(
                work.call("kms", "EnableKeyRotation", and(json!({ "KeyId": id }), days))
                    .await?,
            ),
            false if work.old.is_some() => drop(work.call("kms", "DisableKeyRotation", json!({ "KeyId": id })).await?),
            false => {}
        }
    }
    if work.changes("Enabled") {
        match work.text("Enabled").as_deref() {
            Some("false") => drop(work.call("kms", "DisableKey", json!({ "KeyId": id })).await?),
            _ if work.old.is_some() => drop(work.call("kms", "EnableKey", json!({ "KeyId": id })).await?),
            _ => {}
        }
    }
    Ok(())
}

fn made(work: &Work<'_>, id: &str) -> Made {
    Made::new(id)
        .with("KeyId", id)
        .with("Arn", work.arn("kms", &format!("key/{id}")))
}

#[async_trait]
impl Provider for Key {
    fn kind(&self) -> &'static str {
        "AWS::KMS::Key"
    }
    fn replaced_by(&self) -> &'static [&'static str] {
        &["KeySpec", "KeyUsage", "MultiRegion", "Origin"]
    }
    fn takes_tags(&self) -> bool {
        true
    }

    async fn create(&self, work: &Work<'_>) -> Outcome<Made> {
        let picked = work.pick(&[
            "Description",
            "KeyUsage",
            "KeySpec",
            "Origin",
            "MultiRegion",
            "BypassPolicyLockoutSafetyCheck",
        ]);
        let further = json!({ "Policy": work.document("KeyPolicy"), "Tags": tags(&work.tag_list()) });
        let created = work.call("kms", "CreateKey", and(picked, further)).await?;
        let id = output_text(&created, "/KeyMetadata/KeyId")?;
        settings(work, &id).await.map_err(|failure| failure.after(&id))?;
        Ok(made(work, &id))
    }

    async fn update(&self, work: &Work<'_>, id: &str) -> Outcome<Made> {
        if work.changes("KeyPolicy")
            && let Some(policy) = work.document("KeyPolicy")
        {
            let bypass = json!({ "BypassPolicyLockoutSafetyCheck": work.get("BypassPolicyLockoutSafetyCheck") });
            work.call(
                "kms",
                "PutKeyPolicy",
                and(json!({ "KeyId": id, "Policy": policy }), bypass),
            )
            .await?;
        }
        if work.changes("Description") {
            let description = work.text("Description").unwrap_or_default();
            work.call(
                "kms",
                "UpdateKeyDescription",
                json!({ "KeyId": id, "Description": description }),
            )
            .await?;
        }
        settings(work, id).await?;
        let (set, gone) = work.tag_changes();
        if !set.is_empty() {
            let set = tags(&crate::providers::work::list(&set));
            work.call("kms", "TagResource", json!({ "KeyId": id, "Tags": set }))
                .await?;
        }
        if !gone.is_empty() {
            work.call("kms", "UntagResource", json!({ "KeyId": id, "TagKeys": gone }))
                .await?;
        }
        Ok(made(work, id))
    }

    async fn delete(&self, work: &Work<'_>, id: &str) -> Outcome<()> {
        let input = and(
            json!({ "KeyId": id }),
            json!({ "PendingWindowInDays": work.get("PendingWindowInDays") }),
        );
        match work.remove("kms", "ScheduleKeyDeletion", input).await {
            // It is on its way already.
            Err(failure) if failure.message.contains("pending deletion") => Ok(()),
            done => done,
        }
    }
}
