use super::settings;
use crate::names::Naming;
use crate::providers::work::{and, list};
use crate::providers::{Failure, Made, Outcome, Provider, Work};
use async_trait::async_trait;
use danbi_core::ApiCall;
use serde_json::{Value, json};

/// AWS::S3::Bucket
pub(super) struct Bucket;

fn made(work: &Work<'_>, name: &str) -> Made {
    let region = &work.context.scope.region;
    Made::new(name)
        .with("Arn", format!("arn:aws:s3:::{name}"))
        .with("DomainName", format!("{name}.s3.amazonaws.com"))
        .with("RegionalDomainName", format!("{name}.s3.{region}.amazonaws.com"))
        .with(
            "DualStackDomainName",
            format!("{name}.s3.dualstack.{region}.amazonaws.com"),
        )
        .with("WebsiteURL", format!("http://{name}.s3-website-{region}.amazonaws.com"))
}

#[async_trait]
impl Provider for Bucket {
    fn kind(&self) -> &'static str {
        "AWS::S3::Bucket"
    }
    fn replaced_by(&self) -> &'static [&'static str] {
        &["BucketName", "ObjectLockEnabled"]
    }
    fn name_property(&self) -> Option<&'static str> {
        Some("BucketName")
    }
    fn takes_tags(&self) -> bool {
        true
    }
    fn probe(&self, name: &str) -> Option<ApiCall> {
        Some(ApiCall::new("s3", "HeadBucket", json!({ "Bucket": name })))
    }

    async fn create(&self, work: &Work<'_>) -> Outcome<Made> {
        let naming = Naming {
            longest: 63,
            lower_case: true,
        };
        let name = work.name("BucketName", naming);
        if let Some(unknown) = settings::unknown(work.properties) {
            let message = format!("{unknown} of a bucket is not built on this platform.");
            return Err(Failure::new("InvalidRequest", message));
        }
        let region = work.context.scope.region.as_str();
        let place = if region == "us-east-1" {
            Value::Null
        } else {
            json!({ "LocationConstraint": region })
        };
        let acl = match work.text("AccessControl").as_deref() {
            Some("PublicRead") => json!("public-read"),
            Some("PublicReadWrite") => json!("public-read-write"),
            Some("AuthenticatedRead") => json!("authenticated-read"),
            Some("LogDeliveryWrite") => json!("log-delivery-write"),
            Some("BucketOwnerRead") => json!("bucket-owner-read"),
            Some("BucketOwnerFullControl") => json!("bucket-owner-full-control"),
            _ => Value::Null,
        };
        let further = json!({
            "CreateBucketConfiguration": place,
            "ACL": acl,
            "ObjectLockEnabledForBucket": work.get("ObjectLockEnabled"),
            "ObjectOwnership": work.get("OwnershipControls").pointer("/Rules/0/ObjectOwnership").cloned(),
        });
        work.make("s3", "CreateBucket", and(json!({ "Bucket": name }), further))
            .await?;
        let configured = async {
            settings::apply(work, &name, true).await?;
            tag(work, &name).await
        };
        configured.await.map_err(|failure: Failure| failure.after(&name))?;
        Ok(made(work, &name))
    }

    async fn update(&self, work: &Work<'_>, id: &str) -> Outcome<Made> {
        if let Some(unknown) = settings::unknown(work.properties) {
            let message = format!("{unknown} of a bucket is not built on this platform.");
            return Err(Failure::new("InvalidRequest", message));
        }
        settings::apply(work, id, false).await?;
        let (set, gone) = work.tag_changes();
        if !set.is_empty() || !gone.is_empty() {
            tag(work, id).await?;
        }
        Ok(made(work, id))
    }

    async fn delete(&self, work: &Work<'_>, id: &str) -> Outcome<()> {
        work.remove("s3", "DeleteBucket", json!({ "Bucket": id })).await
    }
}

async fn tag(work: &Work<'_>, name: &str) -> Outcome<()> {
    let tags = work.tag_map();
    if tags.is_empty() {
        return match work.old {
            Some(_) => {
                work.remove("s3", "DeleteBucketTagging", json!({ "Bucket": name }))
                    .await
            }
            None => Ok(()),
        };
    }
    let input = json!({ "Bucket": name, "Tagging": { "TagSet": list(&tags) } });
    work.call("s3", "PutBucketTagging", input).await.map(drop)
}
