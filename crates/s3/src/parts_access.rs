//! Which actions the operations on uploads, copies, tags, locks and attributes ask for.

use danbi_core::{Access, RequestContext, ServiceError};

use crate::access::{Asked, bucket, new_object, object, versioned};
use crate::copy::source::CopySource;
use crate::shapes::*;
use crate::{S3, tags};

/// By which an access tells which upload it is about: whoever began it may list its parts and abort it.
pub(crate) const UPLOAD_ID: &str = "s3:UploadId";

type AskedAll = Result<Vec<Access>, ServiceError>;

pub(crate) fn create_upload(_: &S3, context: &RequestContext, input: &CreateMultipartUploadRequest) -> AskedAll {
    Ok(new_object!(input).asked(context))
}

pub(crate) fn upload_part(_: &S3, _: &RequestContext, input: &UploadPartRequest) -> Asked {
    object("s3:PutObject", &input.bucket, &input.key)
}

pub(crate) fn complete_upload(_: &S3, _: &RequestContext, input: &CompleteMultipartUploadRequest) -> Asked {
    object("s3:PutObject", &input.bucket, &input.key)
}

pub(crate) fn abort_upload(_: &S3, _: &RequestContext, input: &AbortMultipartUploadRequest) -> Asked {
    let access = object("s3:AbortMultipartUpload", &input.bucket, &input.key)?;
    Ok(access.with(UPLOAD_ID, &input.upload_id))
}

pub(crate) fn list_parts(_: &S3, _: &RequestContext, input: &ListPartsRequest) -> Asked {
    let access = object("s3:ListMultipartUploadParts", &input.bucket, &input.key)?;
    Ok(access.with(UPLOAD_ID, &input.upload_id))
}

pub(crate) fn list_uploads(_: &S3, _: &RequestContext, input: &ListMultipartUploadsRequest) -> Asked {
    bucket("s3:ListBucketMultipartUploads", &input.bucket)
}

/// The question about the source of a copy, if the header names one: the handler says what is wrong with it otherwise.
fn source(header: &str) -> Option<Access> {
    let source = CopySource::parse(header).ok()?;
    let (get, version) = ("s3:GetObject", "s3:GetObjectVersion");
    versioned(get, version, &source.bucket, &source.key, source.version.as_deref()).ok()
}

pub(crate) fn upload_part_copy(_: &S3, _: &RequestContext, input: &UploadPartCopyRequest) -> AskedAll {
    let put = object("s3:PutObject", &input.bucket, &input.key)?;
    let put = put.with("s3:x-amz-copy-source", &input.copy_source);
    Ok(source(&input.copy_source).into_iter().chain([put]).collect())
}

pub(crate) fn copy_object(_: &S3, context: &RequestContext, input: &CopyObjectRequest) -> AskedAll {
    let mut asked = new_object!(input).asked(context);
    if let Some(put) = asked.first_mut() {
        let mut copied = put.clone().with("s3:x-amz-copy-source", &input.copy_source);
        if let Some(directive) = &input.metadata_directive {
            copied = copied.with("s3:x-amz-metadata-directive", directive);
        }
        *put = copied;
    }
    asked.splice(0..0, source(&input.copy_source));
    Ok(asked)
}

pub(crate) fn get_attributes(_: &S3, _: &RequestContext, input: &GetObjectAttributesRequest) -> AskedAll {
    let version = input.version_id.as_deref();
    let ask = |action, of_version| versioned(action, of_version, &input.bucket, &input.key, version);
    Ok(vec![
        ask("s3:GetObject", "s3:GetObjectVersion")?,
        ask("s3:GetObjectAttributes", "s3:GetObjectVersionAttributes")?,
    ])
}

pub(crate) fn get_tagging(_: &S3, _: &RequestContext, input: &GetObjectTaggingRequest) -> Asked {
    let version = input.version_id.as_deref();
    versioned(
        "s3:GetObjectTagging",
        "s3:GetObjectVersionTagging",
        &input.bucket,
        &input.key,
        version,
    )
}

pub(crate) fn get_torrent(_: &S3, _: &RequestContext, input: &GetObjectTorrentRequest) -> Asked {
    object("s3:GetObjectTorrent", &input.bucket, &input.key)
}

pub(crate) fn put_tagging(_: &S3, _: &RequestContext, input: &PutObjectTaggingRequest) -> Asked {
    let version = input.version_id.as_deref();
    let mut asked = versioned(
        "s3:PutObjectTagging",
        "s3:PutObjectVersionTagging",
        &input.bucket,
        &input.key,
        version,
    )?;
    for tag in input.tagging.tag_set.iter().take(tags::MAX_TAGS) {
        asked = asked
            .with("s3:RequestObjectTagKeys", &tag.key)
            .with(format!("s3:RequestObjectTag/{}", tag.key), &tag.value);
    }
    Ok(asked)
}

pub(crate) fn delete_tagging(_: &S3, _: &RequestContext, input: &DeleteObjectTaggingRequest) -> Asked {
    let version = input.version_id.as_deref();
    let (action, of_version) = ("s3:DeleteObjectTagging", "s3:DeleteObjectVersionTagging");
    versioned(action, of_version, &input.bucket, &input.key, version)
}

pub(crate) fn get_retention(_: &S3, _: &RequestContext, input: &GetObjectRetentionRequest) -> Asked {
    object("s3:GetObjectRetention", &input.bucket, &input.key)
}

pub(crate) fn put_retention(_: &S3, _: &RequestContext, input: &PutObjectRetentionRequest) -> AskedAll {
    let mut put = object("s3:PutObjectRetention", &input.bucket, &input.key)?;
    if let Some(mode) = input.retention.as_ref().and_then(|retention| retention.mode.as_ref()) {
        put = put.with("s3:object-lock-mode", mode);
    }
    let mut asked = vec![put];
    if input.bypass_governance_retention == Some(true) {
        asked.push(object("s3:BypassGovernanceRetention", &input.bucket, &input.key)?);
    }
    Ok(asked)
}

pub(crate) fn get_legal_hold(_: &S3, _: &RequestContext, input: &GetObjectLegalHoldRequest) -> Asked {
    object("s3:GetObjectLegalHold", &input.bucket, &input.key)
}

pub(crate) fn put_legal_hold(_: &S3, _: &RequestContext, input: &PutObjectLegalHoldRequest) -> Asked {
    object("s3:PutObjectLegalHold", &input.bucket, &input.key)
}

pub(crate) fn update_encryption(_: &S3, _: &RequestContext, input: &UpdateObjectEncryptionRequest) -> Asked {
    let access = object("s3:UpdateObjectEncryption", &input.bucket, &input.key)?;
    Ok(match &input.version_id {
        Some(version) => access.with("s3:VersionId", version),
        None => access,
    })
}

pub(crate) fn restore(_: &S3, _: &RequestContext, input: &RestoreObjectRequest) -> Asked {
    let access = object("s3:RestoreObject", &input.bucket, &input.key)?;
    Ok(match &input.version_id {
        Some(version) => access.with("s3:VersionId", version),
        None => access,
    })
}

pub(crate) fn select(_: &S3, _: &RequestContext, input: &SelectObjectContentRequest) -> Asked {
    object("s3:GetObject", &input.bucket, &input.key)
}
