//! Which action on which resource each operation asks for.
//!
//! Source: <https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazons3.html>.

use crate::records::Bucket;
use crate::shapes::{DeleteObjectRequest, PutObjectRequest};
use crate::{Error, Result, S3, names};
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

/// Whether the caller's account may look at the bucket at all: a bucket's ARN names no account, so the authorizer cannot
/// tell.
pub(crate) fn bucket_is_open_to(context: &RequestContext, bucket: &Bucket) -> Result<()> {
    if context.scope.account.as_str() == bucket.owner {
        Ok(())
    } else {
        Err(Error::access_denied())
    }
}
