//! Which action on which resource each operation asks for.
//!
//! Source: <https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazons3.html>.

use crate::acl::{AclHeaders, acl_headers};
use crate::shapes::{CreateBucketRequest, DeleteObjectRequest, PutBucketAclRequest, PutObjectRequest};
use crate::{S3, names};
use danbi_core::{Access, RequestContext, ServiceError};

/// What an access function answers.
pub(crate) type Asked = std::result::Result<Access, ServiceError>;

/// `action` on a bucket.
pub(crate) fn bucket(action: &'static str, bucket: &str) -> Asked {
    Ok(Access::new(action, names::bucket_arn(bucket)))
}

/// `action` on an object.
pub(crate) fn object(action: &'static str, bucket: &str, key: &str) -> Asked {
    Ok(Access::new(action, names::object_arn(bucket, key)))
}

/// `action` on an object, or `of_version` when one version of it is named.
pub(crate) fn versioned(
    action: &'static str,
    of_version: &'static str,
    bucket: &str,
    key: &str,
    version: Option<&str>,
) -> Asked {
    let access = object(if version.is_some() { of_version } else { action }, bucket, key)?;
    Ok(match version {
        Some(version) => access.with("s3:VersionId", version),
        None => access,
    })
}

/// `action` on a bucket that is to be listed in part.
pub(crate) fn list(
    action: &'static str,
    name: &str,
    prefix: &Option<String>,
    delimiter: &Option<String>,
    max_keys: Option<i32>,
) -> Asked {
    let mut access = bucket(action, name)?.with("s3:prefix", prefix.as_deref().unwrap_or_default());
    if let Some(delimiter) = delimiter {
        access = access.with("s3:delimiter", delimiter.as_str());
    }
    if let Some(max_keys) = max_keys {
        access = access.with("s3:max-keys", max_keys.to_string());
    }
    Ok(access)
}

/// Storing an object asks for more when it comes with tags or a lock.
pub(crate) fn put_object(_: &S3, _: &RequestContext, input: &PutObjectRequest) -> Result<Vec<Access>, ServiceError> {
    let arn = names::object_arn(&input.bucket, &input.key);
    let mut asked = vec![Access::new("s3:PutObject", &arn)];
    if input.tagging.is_some() {
        asked.push(Access::new("s3:PutObjectTagging", &arn));
    }
    if input.object_lock_mode.is_some() {
        asked.push(Access::new("s3:PutObjectRetention", &arn));
    }
    if input.object_lock_legal_hold_status.is_some() {
        asked.push(Access::new("s3:PutObjectLegalHold", &arn));
    }
    Ok(asked)
}

/// Deleting past a lock asks for more.
pub(crate) fn delete_object(
    _: &S3,
    _: &RequestContext,
    input: &DeleteObjectRequest,
) -> Result<Vec<Access>, ServiceError> {
    let (delete, version) = ("s3:DeleteObject", "s3:DeleteObjectVersion");
    let mut asked = vec![versioned(
        delete,
        version,
        &input.bucket,
        &input.key,
        input.version_id.as_deref(),
    )?];
    if input.bypass_governance_retention == Some(true) {
        asked.push(Access::new(
            "s3:BypassGovernanceRetention",
            names::object_arn(&input.bucket, &input.key),
        ));
    }
    Ok(asked)
}

/// The question of CreateBucket.
pub(crate) fn create_bucket(_: &S3, _: &RequestContext, input: &CreateBucketRequest) -> Asked {
    let access = Access::new("s3:CreateBucket", names::bucket_arn(&input.bucket));
    let wanted = input.create_bucket_configuration.as_ref();
    let location = wanted.and_then(|wanted| wanted.location_constraint.as_deref());
    let access = with(access, "s3:locationconstraint", location);
    let access = with(access, "s3:x-amz-object-ownership", input.object_ownership.as_deref());
    Ok(with_acl(access, &acl_headers!(input)))
}

/// The question of PutBucketAcl.
pub(crate) fn put_bucket_acl(_: &S3, _: &RequestContext, input: &PutBucketAclRequest) -> Asked {
    let access = Access::new("s3:PutBucketAcl", names::bucket_arn(&input.bucket));
    Ok(with_acl(access, &acl_headers!(input)))
}

/// Adds a condition key where the request gives a value for it.
pub(crate) fn with(access: Access, key: &'static str, value: Option<&str>) -> Access {
    match value {
        Some(value) => access.with(key, value),
        None => access,
    }
}

/// Adds what a request says about lists.
pub(crate) fn with_acl(access: Access, headers: &AclHeaders<'_>) -> Access {
    let mut access = with(access, "s3:x-amz-acl", headers.canned);
    for (header, _, value) in headers.grants() {
        let key = match header {
            "x-amz-grant-full-control" => "s3:x-amz-grant-full-control",
            "x-amz-grant-read" => "s3:x-amz-grant-read",
            "x-amz-grant-read-acp" => "s3:x-amz-grant-read-acp",
            "x-amz-grant-write" => "s3:x-amz-grant-write",
            _ => "s3:x-amz-grant-write-acp",
        };
        access = access.with(key, value);
    }
    access
}
