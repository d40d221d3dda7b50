//! Which action on which resource each operation asks for.
//!
//! Source: <https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazons3.html>.

use crate::records::Bucket;
use crate::{Error, Result, names};
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

/// Whether the caller's account may look at the bucket at all: a bucket's ARN names no account, so the authorizer cannot
/// tell.
pub(crate) fn bucket_is_open_to(context: &RequestContext, bucket: &Bucket) -> Result<()> {
    if context.scope.account.as_str() == bucket.owner {
        Ok(())
    } else {
        Err(Error::access_denied())
    }
}
