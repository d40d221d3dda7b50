//! Who owns the objects that others write into a bucket, and whether its access control lists count.
//!
//! Source: <https://docs.aws.amazon.com/AmazonS3/latest/userguide/about-object-ownership.html>.

use crate::acl::{Acl, AclHeaders};
use crate::bucket_config::{self, kind};
use crate::records::{Bucket, Version};
use crate::shapes::{
    DeleteBucketOwnershipControlsRequest, GetBucketOwnershipControlsOutput, GetBucketOwnershipControlsRequest,
    OwnershipControls, OwnershipControlsRule, PutBucketOwnershipControlsRequest,
};
use crate::{Error, Result, S3, acl};
use danbi_core::RequestContext;
use danbi_wire::Empty;
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// The ownership of what is in a bucket.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Ownership {
    /// Everything is the bucket owner's, and lists do not count: what new buckets have since April 2023.
    BucketOwnerEnforced,
    /// What is written with full control for the bucket's owner becomes the owner's.
    BucketOwnerPreferred,
    /// What an account writes is its own.
    ObjectWriter,
}

impl Ownership {
    pub(crate) fn parse(text: &str) -> Option<Self> {
        Some(match text {
            "BucketOwnerEnforced" => Self::BucketOwnerEnforced,
            "BucketOwnerPreferred" => Self::BucketOwnerPreferred,
            "ObjectWriter" => Self::ObjectWriter,
            _ => return None,
        })
    }

    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::BucketOwnerEnforced => "BucketOwnerEnforced",
            Self::BucketOwnerPreferred => "BucketOwnerPreferred",
            Self::ObjectWriter => "ObjectWriter",
        }
    }
}

/// Whose a new object is, and its list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Owned {
    /// The account, or [`acl::ANONYMOUS`].
    pub owner: String,
    /// The list, unless it is the owner's alone.
    pub acl: Option<Acl>,
}

/// Whose an object becomes that `context` writes into `bucket` with these headers.
///
/// # Errors
/// `AccessControlListNotSupported` where lists do not count, `AccessDenied` for a public list where those are blocked, and
/// those of [`AclHeaders::read`].
pub(crate) fn of_new_object(
    s3: &S3,
    context: &RequestContext,
    bucket: &Bucket,
    headers: &AclHeaders<'_>,
) -> Result<Owned> {
    let accounts = &*s3.accounts;
    let writer = acl::account_of(&context.principal).map_or_else(|| acl::ANONYMOUS.to_owned(), |a| a.to_string());
    if headers.is_empty() && (bucket.ownership == Some(Ownership::BucketOwnerEnforced) || writer == bucket.owner) {
        return Ok(Owned {
            owner: bucket.owner.clone(),
            acl: None,
        });
    }
    let bucket_owner = acl::canonical_id(&bucket.owner, accounts);
    let given = headers.read(&acl::canonical_id(&writer, accounts), &bucket_owner, accounts)?;
    let only_bucket_owner = headers.only_bucket_owner(&bucket_owner);
    match bucket.ownership {
        Some(Ownership::BucketOwnerEnforced) if given.is_some() && !only_bucket_owner => Err(no_lists()),
        Some(Ownership::BucketOwnerEnforced) => Ok(Owned {
            owner: bucket.owner.clone(),
            acl: None,
        }),
        Some(Ownership::BucketOwnerPreferred) if headers.canned == Some("bucket-owner-full-control") => Ok(Owned {
            owner: bucket.owner.clone(),
            acl: None,
        }),
        _ => {
            if bucket.blocks().public_acls && given.as_ref().is_some_and(Acl::is_public) {
                return Err(Error::access_denied());
            }
            let acl = given.filter(|given| *given != Acl::private(&acl::canonical_id(&writer, accounts)));
            Ok(Owned { owner: writer, acl })
        }
    }
}

pub(crate) fn no_lists() -> Error {
    Error::client("AccessControlListNotSupported", 400, "The bucket does not allow ACLs")
}

/// Whose a version is, as the bucket has it now: an account, or [`acl::ANONYMOUS`].
pub(crate) fn shown<'v>(bucket: &'v Bucket, version: &'v Version) -> &'v str {
    if bucket.has_lists() {
        &version.owner
    } else {
        &bucket.owner
    }
}

/// PutBucketOwnershipControls.
pub(crate) async fn put(
    s3: Arc<S3>,
    context: RequestContext,
    input: PutBucketOwnershipControlsRequest,
) -> Result<Empty> {
    let name = input.bucket.as_str();
    let [rule] = input.ownership_controls.rules.as_slice() else {
        return Err(Error::malformed_xml());
    };
    let ownership = Ownership::parse(&rule.object_ownership).ok_or_else(Error::malformed_xml)?;
    s3.store
        .transact(async |tx| {
            let expected = input.expected_bucket_owner.as_deref();
            let mut bucket = s3.bucket(&tx, &context, name, expected).await?;
            if ownership == Ownership::BucketOwnerEnforced {
                let list: Option<Acl> = bucket_config::get(&tx, &bucket, kind::ACL).await?;
                let private = Acl::private(&acl::canonical_id(&bucket.owner, &*s3.accounts));
                if list.is_some_and(|list| list != private) {
                    return Err(list_in_the_way());
                }
            }
            bucket.ownership = Some(ownership);
            bucket_config::save(&tx, name, &bucket)?;
            Ok(Empty {})
        })
        .await
}

/// A bucket cannot have a list that does not count.
pub(crate) fn list_in_the_way() -> Error {
    let message = "Bucket cannot have ACLs set with ObjectOwnership's BucketOwnerEnforced setting";
    Error::client("InvalidBucketAclWithObjectOwnership", 400, message)
}

/// GetBucketOwnershipControls.
pub(crate) async fn get(
    s3: Arc<S3>,
    context: RequestContext,
    input: GetBucketOwnershipControlsRequest,
) -> Result<GetBucketOwnershipControlsOutput> {
    let view = s3.snapshot().await?;
    let expected = input.expected_bucket_owner.as_deref();
    let bucket = s3.bucket(&view, &context, &input.bucket, expected).await?;
    let ownership = bucket.ownership.ok_or_else(|| {
        let message = "The bucket ownership controls were not found";
        Error::client("OwnershipControlsNotFoundError", 404, message).with("BucketName", input.bucket.as_str())
    })?;
    Ok(GetBucketOwnershipControlsOutput {
        ownership_controls: Some(OwnershipControls {
            rules: vec![OwnershipControlsRule {
                object_ownership: ownership.as_str().to_owned(),
            }],
        }),
    })
}

/// DeleteBucketOwnershipControls: lists count again, and writers own what they write.
pub(crate) async fn delete(
    s3: Arc<S3>,
    context: RequestContext,
    input: DeleteBucketOwnershipControlsRequest,
) -> Result<Empty> {
    let name = input.bucket.as_str();
    s3.store
        .transact(async |tx| {
            let expected = input.expected_bucket_owner.as_deref();
            let mut bucket = s3.bucket(&tx, &context, name, expected).await?;
            bucket.ownership = None;
            bucket_config::save(&tx, name, &bucket)?;
            Ok(Empty {})
        })
        .await
}
