//! The lists of buckets.

use super::{Acl, Resource, acl_headers, canonical_id, given, owner_shape};
use crate::bucket_config::{self, kind};
use crate::ownership::{self, Ownership};
use crate::shapes::{GetBucketAclOutput, GetBucketAclRequest, PutBucketAclRequest};
use crate::{Error, Result, S3};
use danbi_core::RequestContext;
use danbi_wire::Empty;
use std::sync::Arc;

/// GetBucketAcl.
pub(crate) async fn get(
    s3: Arc<S3>,
    context: RequestContext,
    input: GetBucketAclRequest,
) -> Result<GetBucketAclOutput> {
    let view = s3.snapshot().await?;
    let expected = input.expected_bucket_owner.as_deref();
    let bucket = s3.bucket(&view, &context, &input.bucket, expected).await?;
    let accounts = &*s3.accounts;
    let list: Option<Acl> = bucket_config::get(&view, &bucket, kind::ACL).await?;
    let list = list.unwrap_or_else(|| Acl::private(&canonical_id(&bucket.owner, accounts)));
    Ok(GetBucketAclOutput {
        owner: Some(owner_shape(&bucket.owner, accounts)),
        grants: Some(s3.options.dialect.ordered(list).shape(accounts)),
    })
}

/// PutBucketAcl.
pub(crate) async fn put(s3: Arc<S3>, context: RequestContext, input: PutBucketAclRequest) -> Result<Empty> {
    let name = input.bucket.as_str();
    let headers = acl_headers!(input);
    s3.store
        .transact(async |tx| {
            let expected = input.expected_bucket_owner.as_deref();
            let mut bucket = s3.bucket(&tx, &context, name, expected).await?;
            if bucket.ownership == Some(Ownership::BucketOwnerEnforced) {
                return Err(ownership::no_lists());
            }
            let owner = canonical_id(&bucket.owner, &*s3.accounts);
            let document = input.access_control_policy.as_ref();
            let list = given::either(&headers, document, Resource::Bucket, &owner, &owner, &*s3.accounts)?;
            if bucket.blocks().public_acls && list.is_public() {
                return Err(Error::access_denied());
            }
            if list == Acl::private(&owner) {
                bucket_config::delete(&tx, name, &mut bucket, kind::ACL)?;
            } else {
                bucket_config::put(&tx, name, &mut bucket, kind::ACL, &list)?;
            }
            Ok(Empty {})
        })
        .await
}
