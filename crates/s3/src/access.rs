//! Which action on which resource each operation asks for.
//!
//! Source: <https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazons3.html>.

use crate::acl::{AclHeaders, acl_headers};
use crate::shapes::{
    CreateBucketRequest, DeleteObjectRequest, PutBucketAclRequest, PutObjectAclRequest, PutObjectRequest,
};
use crate::{Dialect, S3, names, tags};
use danbi_core::{Access, Principal, RequestContext, ServiceError};
use time::format_description::well_known::Rfc3339;

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

/// A new object, as far as its headers ask for more than storing it, or policies may ask for them.
pub(crate) struct NewObject<'r> {
    pub bucket: &'r str,
    pub key: &'r str,
    pub acl: AclHeaders<'r>,
    pub tagging: Option<&'r str>,
    pub sse: Option<&'r str>,
    pub kms_key_id: Option<&'r str>,
    pub customer_algorithm: Option<&'r str>,
    pub storage_class: Option<&'r str>,
    pub website_redirect: Option<&'r str>,
    pub lock_mode: Option<&'r str>,
    pub lock_until: Option<danbi_core::Timestamp>,
    pub legal_hold: Option<&'r str>,
}

/// The [`NewObject`] of an input. A macro because the inputs are generated types without a trait in common.
macro_rules! new_object {
    ($input:expr) => {
        $crate::access::NewObject {
            bucket: &$input.bucket,
            key: &$input.key,
            acl: $crate::acl::acl_headers!(object $input),
            tagging: $input.tagging.as_deref(),
            sse: $input.server_side_encryption.as_deref(),
            kms_key_id: $input.ssekms_key_id.as_deref(),
            customer_algorithm: $input.sse_customer_algorithm.as_deref(),
            storage_class: $input.storage_class.as_deref(),
            website_redirect: $input.website_redirect_location.as_deref(),
            lock_mode: $input.object_lock_mode.as_deref(),
            lock_until: $input.object_lock_retain_until_date,
            legal_hold: $input.object_lock_legal_hold_status.as_deref(),
        }
    };
}
pub(crate) use new_object;

impl NewObject<'_> {
    /// The questions: storing it first, then what its headers do besides.
    pub(crate) fn asked(&self, context: &RequestContext) -> Vec<Access> {
        let arn = names::object_arn(self.bucket, self.key);
        let put = with_acl(Access::new("s3:PutObject", &arn), &self.acl);
        let put = with(put, "s3:x-amz-server-side-encryption", self.sse);
        let put = with(put, "s3:x-amz-server-side-encryption-aws-kms-key-id", self.kms_key_id);
        let put = with(
            put,
            "s3:x-amz-server-side-encryption-customer-algorithm",
            self.customer_algorithm,
        );
        let put = with(put, "s3:x-amz-storage-class", self.storage_class);
        let put = with(put, "s3:x-amz-website-redirect-location", self.website_redirect);
        let put = with(put, "s3:object-lock-mode", self.lock_mode);
        let put = with(put, "s3:object-lock-legal-hold", self.legal_hold);
        let mut put = put;
        if let Some(until) = self.lock_until {
            let text = until.to_datetime().format(&Rfc3339).unwrap_or_default();
            put = put.with("s3:object-lock-retain-until-date", text);
        }
        // Tags that cannot be read are refused by the handler.
        let tags = self
            .tagging
            .and_then(|header| tags::from_header(header, Dialect::Aws).ok());
        for (key, value) in tags.iter().flatten() {
            put = put
                .with("s3:RequestObjectTagKeys", key)
                .with(format!("s3:RequestObjectTag/{key}"), value);
        }
        // Whom a list grants to is for identity policies to allow; of the bucket's side, storing the object is leave enough.
        let lists = !self.acl.is_empty() && matches!(context.principal, Principal::Identity { .. });
        let more = [
            (
                "s3:PutObjectTagging",
                self.tagging.is_some_and(|tagging| !tagging.is_empty()),
            ),
            ("s3:PutObjectRetention", self.lock_mode.is_some()),
            ("s3:PutObjectLegalHold", self.legal_hold.is_some()),
            ("s3:PutObjectAcl", lists),
        ];
        let more: Vec<Access> = more
            .into_iter()
            .filter(|(_, asked)| *asked)
            .map(|(action, _)| Access { action, ..put.clone() })
            .collect();
        let mut asked = vec![put];
        asked.extend(more);
        asked
    }
}

/// The questions of PutObject.
pub(crate) fn put_object(
    _: &S3,
    context: &RequestContext,
    input: &PutObjectRequest,
) -> Result<Vec<Access>, ServiceError> {
    let mut asked = new_object!(input).asked(context);
    if let Some(put) = asked.first_mut() {
        let put_with = with(put.clone(), "s3:if-match", input.if_match.as_deref());
        *put = with(put_with, "s3:if-none-match", input.if_none_match.as_deref());
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

/// The question of PutObjectAcl.
pub(crate) fn put_object_acl(_: &S3, _: &RequestContext, input: &PutObjectAclRequest) -> Asked {
    let (action, of_version) = ("s3:PutObjectAcl", "s3:PutObjectVersionAcl");
    let access = versioned(
        action,
        of_version,
        &input.bucket,
        &input.key,
        input.version_id.as_deref(),
    )?;
    Ok(with_acl(access, &acl_headers!(input)))
}

/// What a caller is told of an object that is not there: that it is not, when the caller may list the bucket; else what
/// is told of any object that the caller may not read. `error` is what the operation found.
pub(crate) async fn of_missing(
    s3: &S3,
    context: &RequestContext,
    bucket: &str,
    key: &str,
    error: crate::Error,
) -> crate::Error {
    if !matches!(error.code(), Some("NoSuchKey" | "NoSuchVersion")) {
        return error;
    }
    let access = Access::new("s3:ListBucket", names::bucket_arn(bucket)).with("s3:prefix", key);
    match s3.authorizer.authorize(context, &access).await {
        Ok(()) => error,
        Err(_) => crate::Error::access_denied(),
    }
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
