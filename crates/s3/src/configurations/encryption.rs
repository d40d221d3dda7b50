//! How a bucket encrypts what is written into it without another wish.
//!
//! Source: <https://docs.aws.amazon.com/AmazonS3/latest/API/API_PutBucketEncryption.html>.

use super::{bucket_of, remove, set};
use crate::bucket_config::{self, kind};
use crate::records::{Bucket, View};
use crate::shapes::{
    DeleteBucketEncryptionRequest, GetBucketEncryptionOutput, GetBucketEncryptionRequest, PutBucketEncryptionRequest,
    ServerSideEncryptionByDefault, ServerSideEncryptionConfiguration, ServerSideEncryptionRule,
};
use crate::{Error, Result, S3};
use danbi_core::RequestContext;
use danbi_wire::Empty;
use std::sync::Arc;

/// PutBucketEncryption.
pub(crate) async fn put(s3: Arc<S3>, context: RequestContext, input: PutBucketEncryptionRequest) -> Result<Empty> {
    let mut given = input.server_side_encryption_configuration.clone();
    validate(&given)?;
    for rule in &mut given.rules {
        rule.bucket_key_enabled.get_or_insert(false);
    }
    set(&s3, &context, bucket_of!(input), kind::ENCRYPTION, &given).await
}

/// GetBucketEncryption: every bucket encrypts, with the platform's own key unless it was told otherwise; those that were
/// made as before 2023 have nothing to tell until then.
pub(crate) async fn get(
    s3: Arc<S3>,
    context: RequestContext,
    input: GetBucketEncryptionRequest,
) -> Result<GetBucketEncryptionOutput> {
    let of = bucket_of!(input);
    let view = s3.snapshot().await?;
    let bucket = s3.bucket(&view, &context, of.bucket, of.expected_owner).await?;
    let kept: Option<ServerSideEncryptionConfiguration> = bucket_config::get(&view, &bucket, kind::ENCRYPTION).await?;
    if kept.is_none() && bucket.no_usual_encryption {
        let message = "The server side encryption configuration was not found";
        let error = Error::client("ServerSideEncryptionConfigurationNotFoundError", 404, message);
        return Err(error.with("BucketName", of.bucket));
    }
    Ok(GetBucketEncryptionOutput {
        server_side_encryption_configuration: Some(kept.unwrap_or_else(usual)),
    })
}

/// DeleteBucketEncryption: back to the platform's own key.
pub(crate) async fn delete(
    s3: Arc<S3>,
    context: RequestContext,
    input: DeleteBucketEncryptionRequest,
) -> Result<Empty> {
    remove(&s3, &context, bucket_of!(input), kind::ENCRYPTION).await
}

/// What objects of the bucket are encrypted with unless their request says otherwise; `None` for the platform's own key.
pub(crate) async fn default_rule(view: &impl View, bucket: &Bucket) -> Result<Option<ServerSideEncryptionRule>> {
    let kept: Option<ServerSideEncryptionConfiguration> = bucket_config::get(view, bucket, kind::ENCRYPTION).await?;
    Ok(kept.and_then(|kept| kept.rules.into_iter().next()))
}

fn usual() -> ServerSideEncryptionConfiguration {
    ServerSideEncryptionConfiguration {
        rules: vec![ServerSideEncryptionRule {
            apply_server_side_encryption_by_default: Some(ServerSideEncryptionByDefault {
                sse_algorithm: "AES256".into(),
                kms_master_key_id: None,
            }),
            bucket_key_enabled: Some(false),
            blocked_encryption_types: None,
        }],
    }
}

fn validate(given: &ServerSideEncryptionConfiguration) -> Result<()> {
    let [rule] = given.rules.as_slice() else {
        return Err(Error::malformed_xml());
    };
    let Some(default) = &rule.apply_server_side_encryption_by_default else {
        // A rule may be about blocked types alone.
        return if rule.blocked_encryption_types.is_some() || rule.bucket_key_enabled.is_some() {
            check_blocked(rule)
        } else {
            Err(Error::malformed_xml())
        };
    };
    let of_kms = match default.sse_algorithm.as_str() {
        "AES256" => false,
        "aws:kms" | "aws:kms:dsse" => true,
        _ => return Err(Error::malformed_xml()),
    };
    if default.kms_master_key_id.is_some() && !of_kms {
        let message = "a KMSMasterKeyID is not applicable if the default sse algorithm is not aws:kms or aws:kms:dsse";
        return Err(
            Error::client("InvalidArgument", 400, message).with("ArgumentName", "ApplyServerSideEncryptionByDefault")
        );
    }
    check_blocked(rule)
}

fn check_blocked(rule: &ServerSideEncryptionRule) -> Result<()> {
    let types = rule
        .blocked_encryption_types
        .iter()
        .flat_map(|blocked| blocked.encryption_type.iter().flatten());
    for blocked in types {
        if !matches!(blocked.as_str(), "NONE" | "SSE-C") {
            return Err(Error::malformed_xml());
        }
    }
    Ok(())
}
