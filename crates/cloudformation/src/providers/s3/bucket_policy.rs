use crate::providers::{Made, Outcome, Provider, Work};
use async_trait::async_trait;
use serde_json::json;

/// AWS::S3::BucketPolicy
pub(super) struct BucketPolicy;

impl BucketPolicy {
    async fn put(work: &Work<'_>) -> Outcome<()> {
        let input = json!({ "Bucket": work.get("Bucket"), "Policy": work.document("PolicyDocument") });
        work.call("s3", "PutBucketPolicy", input).await.map(drop)
    }
}

#[async_trait]
impl Provider for BucketPolicy {
    fn kind(&self) -> &'static str {
        "AWS::S3::BucketPolicy"
    }
    fn required(&self) -> &'static [&'static str] {
        &["Bucket", "PolicyDocument"]
    }
    fn replaced_by(&self) -> &'static [&'static str] {
        &["Bucket"]
    }

    async fn create(&self, work: &Work<'_>) -> Outcome<Made> {
        Self::put(work).await?;
        Ok(Made::new(work.must("Bucket")?))
    }

    async fn update(&self, work: &Work<'_>, id: &str) -> Outcome<Made> {
        Self::put(work).await?;
        Ok(Made::new(id))
    }

    async fn delete(&self, work: &Work<'_>, id: &str) -> Outcome<()> {
        work.remove("s3", "DeleteBucketPolicy", json!({ "Bucket": id })).await
    }
}
