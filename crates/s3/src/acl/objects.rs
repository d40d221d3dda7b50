//! The lists of objects.

use super::{Acl, Resource, acl_headers, canonical_id, given, owner_shape};
use crate::notifications::{Happened, emit};
use crate::ownership;
use crate::records::{Bucket, Version, Versioning};
use crate::shapes::{GetObjectAclOutput, GetObjectAclRequest, PutObjectAclOutput, PutObjectAclRequest};
use crate::{Error, Result, S3, names, versions};
use danbi_core::RequestContext;
use std::sync::Arc;

/// GetObjectAcl.
pub(crate) async fn get(
    s3: Arc<S3>,
    context: RequestContext,
    input: GetObjectAclRequest,
) -> Result<GetObjectAclOutput> {
    names::check_key(&input.key)?;
    let view = s3.snapshot().await?;
    let expected = input.expected_bucket_owner.as_deref();
    let bucket = s3.bucket(&view, &context, &input.bucket, expected).await?;
    let (version, object) = versions::object(&view, &bucket, &input.key, input.version_id.as_deref(), "GET").await?;
    let accounts = &*s3.accounts;
    let owner = ownership::shown(&bucket, &version);
    let list = object.acl.filter(|_| bucket.has_lists());
    let list = list.unwrap_or_else(|| Acl::private(&canonical_id(owner, accounts)));
    Ok(GetObjectAclOutput {
        owner: Some(owner_shape(owner, accounts)),
        grants: Some(s3.options.dialect.ordered(list).shape(accounts)),
        request_charged: None,
    })
}

/// PutObjectAcl.
pub(crate) async fn put(
    s3: Arc<S3>,
    context: RequestContext,
    input: PutObjectAclRequest,
) -> Result<PutObjectAclOutput> {
    names::check_key(&input.key)?;
    let told = s3
        .store
        .transact(async |tx| {
            let expected = input.expected_bucket_owner.as_deref();
            let bucket = s3.bucket(&tx, &context, &input.bucket, expected).await?;
            let (mut version, mut object) = find(&tx, &bucket, &input).await?;
            object.acl = list(&s3, &bucket, &version, &input)?;
            version.object = Some(object);
            versions::rewrite(&tx, &bucket, &input.key, &version).await?;
            let happened = Happened {
                event: "s3:ObjectAcl:Put",
                key: &input.key,
                version: &version,
            };
            emit(&s3, &tx, &context, &input.bucket, &bucket, happened).await
        })
        .await?;
    s3.tell(told);
    Ok(PutObjectAclOutput::default())
}

async fn find(
    tx: &danbi_store::Transaction,
    bucket: &Bucket,
    input: &PutObjectAclRequest,
) -> Result<(Version, crate::records::Object)> {
    let found = versions::object(tx, bucket, &input.key, input.version_id.as_deref(), "PUT").await;
    match found {
        // A current delete marker has no list to be set, and S3 says so.
        Err(error) if error.code() == Some("NoSuchKey") && bucket.versioning != Versioning::Never => {
            match versions::current(tx, bucket, &input.key).await? {
                Some(_) => Err(Error::method_not_allowed("PUT", "DeleteMarker")),
                None => Err(error),
            }
        }
        found => found,
    }
}

fn list(s3: &S3, bucket: &Bucket, version: &Version, input: &PutObjectAclRequest) -> Result<Option<Acl>> {
    let accounts = &*s3.accounts;
    let headers = acl_headers!(input);
    let bucket_owner = canonical_id(&bucket.owner, accounts);
    if !bucket.has_lists() {
        return if headers.only_bucket_owner(&bucket_owner) {
            Ok(None)
        } else {
            Err(ownership::no_lists())
        };
    }
    let owner = canonical_id(&version.owner, accounts);
    let document = input.access_control_policy.as_ref();
    let list = given::either(&headers, document, Resource::Object, &owner, &bucket_owner, accounts)?;
    if bucket.blocks().public_acls && list.is_public() {
        return Err(Error::access_denied());
    }
    Ok(Some(list).filter(|list| *list != Acl::private(&owner)))
}
