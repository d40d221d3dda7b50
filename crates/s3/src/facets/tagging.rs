use std::sync::Arc;

use danbi_core::RequestContext;

use crate::notifications::{Happened, emit};
use crate::objects::put::shown_version;
use crate::records::Version;
use crate::shapes::{
    DeleteObjectTaggingOutput, DeleteObjectTaggingRequest, GetObjectTaggingOutput, GetObjectTaggingRequest,
    PutObjectTaggingOutput, PutObjectTaggingRequest,
};
use crate::tags::{self, Tags};
use crate::{Error, Result, S3, versions};

/// The tags of a version.
pub(crate) async fn get(
    s3: Arc<S3>,
    context: RequestContext,
    input: GetObjectTaggingRequest,
) -> Result<GetObjectTaggingOutput> {
    let view = s3.snapshot().await?;
    let owner = input.expected_bucket_owner.as_deref();
    let bucket = s3.bucket(&view, &context, &input.bucket, owner).await?;
    let found = versions::object(&view, &bucket, &input.key, input.version_id.as_deref(), "GET").await;
    let (version, object) = found.map_err(|error| marker(error, "GET"))?;
    Ok(GetObjectTaggingOutput {
        version_id: shown_version(bucket.versioning, &version),
        tag_set: tags::to_set(&object.tags),
    })
}

/// Sets the tags of a version, instead of those that it had.
pub(crate) async fn put(
    s3: Arc<S3>,
    context: RequestContext,
    input: PutObjectTaggingRequest,
) -> Result<PutObjectTaggingOutput> {
    let wanted = tags::from_set(&input.tagging.tag_set, s3.options.dialect)?;
    let of = Tagged {
        bucket: &input.bucket,
        key: &input.key,
        version: input.version_id.as_deref(),
        owner: input.expected_bucket_owner.as_deref(),
    };
    let version_id = set(&s3, &context, of, &wanted, "PUT").await?;
    Ok(PutObjectTaggingOutput { version_id })
}

/// Removes the tags of a version.
pub(crate) async fn delete(
    s3: Arc<S3>,
    context: RequestContext,
    input: DeleteObjectTaggingRequest,
) -> Result<DeleteObjectTaggingOutput> {
    let of = Tagged {
        bucket: &input.bucket,
        key: &input.key,
        version: input.version_id.as_deref(),
        owner: input.expected_bucket_owner.as_deref(),
    };
    let version_id = set(&s3, &context, of, &Tags::new(), "DELETE").await?;
    Ok(DeleteObjectTaggingOutput { version_id })
}

/// Which version a request names.
#[derive(Clone, Copy)]
struct Tagged<'r> {
    bucket: &'r str,
    key: &'r str,
    version: Option<&'r str>,
    owner: Option<&'r str>,
}

async fn set(s3: &S3, context: &RequestContext, of: Tagged<'_>, tags: &Tags, method: &str) -> Result<Option<String>> {
    let event = match method {
        "DELETE" => "s3:ObjectTagging:Delete",
        _ => "s3:ObjectTagging:Put",
    };
    let (version_id, told) = s3
        .store
        .transact(async |tx| {
            let bucket = s3.bucket(&tx, context, of.bucket, of.owner).await?;
            let found = versions::object(&tx, &bucket, of.key, of.version, method).await;
            let (version, mut object) = found.map_err(|error| marker(error, method))?;
            object.tags = tags.clone();
            let version = Version {
                object: Some(object),
                ..version
            };
            versions::rewrite(&tx, &bucket, of.key, &version).await?;
            let happened = Happened {
                event,
                key: of.key,
                version: &version,
            };
            let told = emit(s3, &tx, context, of.bucket, &bucket, happened).await?;
            Ok::<_, Error>((shown_version(bucket.versioning, &version), told))
        })
        .await?;
    s3.tell(told);
    Ok(version_id)
}

/// A delete marker has no tags, and here S3 says so whether it was named or is current.
pub(super) fn marker(error: Error, method: &str) -> Error {
    let marker = match &error {
        Error::Answer(answer) => answer.headers().iter().any(|(name, _)| *name == "x-amz-delete-marker"),
        _ => false,
    };
    if marker {
        Error::method_not_allowed(method, "DeleteMarker")
    } else {
        error
    }
}
