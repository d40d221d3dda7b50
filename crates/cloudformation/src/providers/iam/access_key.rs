use crate::providers::work::output_text;
use crate::providers::{Made, Outcome, Provider, Work};
use async_trait::async_trait;
use serde_json::{Value, json};

/// AWS::IAM::AccessKey
pub(super) struct AccessKey;

async fn status(work: &Work<'_>, id: &str) -> Outcome<()> {
    if !work.changes("Status") {
        return Ok(());
    }
    let status = work.text("Status").unwrap_or_else(|| "Active".into());
    let input = json!({ "UserName": work.get("UserName"), "AccessKeyId": id, "Status": status });
    work.call("iam", "UpdateAccessKey", input).await.map(drop)
}

#[async_trait]
impl Provider for AccessKey {
    fn kind(&self) -> &'static str {
        "AWS::IAM::AccessKey"
    }
    fn required(&self) -> &'static [&'static str] {
        &["UserName"]
    }
    fn replaced_by(&self) -> &'static [&'static str] {
        &["UserName", "Serial"]
    }

    async fn create(&self, work: &Work<'_>) -> Outcome<Made> {
        if work.resumed {
            // The secret of a key made before the end is known to nobody: the key is useless, and a user has only two.
            let found = work
                .call("iam", "ListAccessKeys", json!({ "UserName": work.get("UserName") }))
                .await?;
            for key in found
                .get("AccessKeyMetadata")
                .and_then(Value::as_array)
                .into_iter()
                .flatten()
            {
                let made = key.get("CreateDate").and_then(Value::as_f64).unwrap_or(0.0);
                if made >= work.started.as_secs() as f64 {
                    let input = json!({ "UserName": work.get("UserName"), "AccessKeyId": key.get("AccessKeyId") });
                    work.remove("iam", "DeleteAccessKey", input).await?;
                }
            }
        }
        let made = work
            .call("iam", "CreateAccessKey", json!({ "UserName": work.get("UserName") }))
            .await?;
        let id = output_text(&made, "/AccessKey/AccessKeyId")?;
        status(work, &id).await.map_err(|failure| failure.after(&id))?;
        Ok(Made::new(id).with("SecretAccessKey", output_text(&made, "/AccessKey/SecretAccessKey")?))
    }

    async fn update(&self, work: &Work<'_>, id: &str) -> Outcome<Made> {
        status(work, id).await?;
        Ok(Made::new(id))
    }

    async fn delete(&self, work: &Work<'_>, id: &str) -> Outcome<()> {
        work.remove(
            "iam",
            "DeleteAccessKey",
            json!({ "UserName": work.get("UserName"), "AccessKeyId": id }),
        )
        .await
    }
}
