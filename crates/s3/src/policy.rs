//! Bucket policies: `document` says which documents are one, `public` which of them are public, `actions` what actions
//! there are.

mod actions;
mod document;
mod public;

use crate::acl::Acl;
use crate::bucket_config::{self, kind};
use crate::records::{Bucket, PolicyFacts};
use crate::shapes::{
    DeleteBucketPolicyRequest, GetBucketPolicyOutput, GetBucketPolicyRequest, GetBucketPolicyStatusOutput,
    GetBucketPolicyStatusRequest, PolicyStatus, PutBucketPolicyRequest,
};
use crate::{Error, Result, S3};
use danbi_core::RequestContext;
use danbi_wire::{Empty, ResponseParts};
use std::sync::Arc;

/// PutBucketPolicy: answered with 204, which the model does not say.
pub(crate) async fn put(
    s3: Arc<S3>,
    context: RequestContext,
    input: PutBucketPolicyRequest,
) -> Result<(Empty, ResponseParts)> {
    let name = input.bucket.as_str();
    s3.store
        .transact(async |tx| {
            let expected = input.expected_bucket_owner.as_deref();
            let mut bucket = s3.bucket(&tx, &context, name, expected).await?;
            of_own_account(&context, &bucket)?;
            let checked = document::check(&input.policy, name, &*s3.accounts, &*s3.language)?;
            if checked.is_public && bucket.blocks().public_policies {
                return Err(Error::access_denied());
            }
            bucket.policy = Some(PolicyFacts {
                is_public: checked.is_public,
                reads_tags: checked.reads_tags,
            });
            bucket_config::put(&tx, name, &mut bucket, kind::POLICY, &checked.text)?;
            bucket_config::save(&tx, name, &bucket)?;
            Ok((Empty {}, ResponseParts::status(204)))
        })
        .await
}

/// GetBucketPolicy: the document as it was given.
pub(crate) async fn get(
    s3: Arc<S3>,
    context: RequestContext,
    input: GetBucketPolicyRequest,
) -> Result<GetBucketPolicyOutput> {
    let view = s3.snapshot().await?;
    let expected = input.expected_bucket_owner.as_deref();
    let bucket = s3.bucket(&view, &context, &input.bucket, expected).await?;
    of_own_account(&context, &bucket)?;
    let policy = bucket_config::get::<String>(&view, &bucket, kind::POLICY).await?;
    match policy {
        Some(policy) => Ok(GetBucketPolicyOutput { policy: Some(policy) }),
        None => Err(none(&input.bucket)),
    }
}

/// GetBucketPolicyStatus.
pub(crate) async fn status(
    s3: Arc<S3>,
    context: RequestContext,
    input: GetBucketPolicyStatusRequest,
) -> Result<GetBucketPolicyStatusOutput> {
    let view = s3.snapshot().await?;
    let expected = input.expected_bucket_owner.as_deref();
    let bucket = s3.bucket(&view, &context, &input.bucket, expected).await?;
    let is_public = match bucket.policy {
        Some(facts) => facts.is_public,
        None if s3.options.dialect.judges_lists() => {
            let list: Option<Acl> = bucket_config::get(&view, &bucket, kind::ACL).await?;
            list.is_some_and(|list| list.is_public())
        }
        None => return Err(none(&input.bucket)),
    };
    Ok(GetBucketPolicyStatusOutput {
        policy_status: Some(PolicyStatus {
            is_public: Some(is_public),
        }),
    })
}

/// DeleteBucketPolicy; there need not be one.
pub(crate) async fn delete(s3: Arc<S3>, context: RequestContext, input: DeleteBucketPolicyRequest) -> Result<Empty> {
    let name = input.bucket.as_str();
    s3.store
        .transact(async |tx| {
            let expected = input.expected_bucket_owner.as_deref();
            let mut bucket = s3.bucket(&tx, &context, name, expected).await?;
            of_own_account(&context, &bucket)?;
            bucket.policy = None;
            bucket_config::delete(&tx, name, &mut bucket, kind::POLICY)?;
            Ok(Empty {})
        })
        .await
}

/// Policies are the owning account's alone to read and write, whatever they allow.
fn of_own_account(context: &RequestContext, bucket: &Bucket) -> Result<()> {
    if context.scope.account.as_str() == bucket.owner {
        Ok(())
    } else {
        Err(Error::method_not_allowed("PUT", "BUCKETPOLICY"))
    }
}

fn none(bucket: &str) -> Error {
    Error::client("NoSuchBucketPolicy", 404, "The bucket policy does not exist").with("BucketName", bucket)
}
