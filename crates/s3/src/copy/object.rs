use std::sync::Arc;

use danbi_core::{RequestContext, Timestamp, hex};

use super::share::{self, Prepared};
use super::source::{self, CopySource, SourceConditions};
use crate::acl::acl_headers;
use crate::checksum::{ChecksumAlgorithm, ChecksumFields, parse_algorithm};
use crate::encryption::{self, CustomerHeaders, Place};
use crate::notifications::{Happened, emit};
use crate::object_lock::{self, Lock};
use crate::objects::conditions::WriteConditions;
use crate::objects::headers;
use crate::objects::put::shown_version;
use crate::records::{Bucket, Checksum, Encryption, EncryptionKind, Headers, Object, Version, View};
use crate::shapes::{CopyObjectOutput, CopyObjectRequest, CopyObjectResult};
use crate::tags::Tags;
use crate::{Dialect, Error, Result, S3, keys, names, tags, versions};
use crate::{access, archive, ownership};

/// How often a copy begins again because its source changed under it.
const ATTEMPTS: usize = 8;

/// Makes an object of another.
pub(crate) async fn copy(s3: Arc<S3>, context: RequestContext, input: CopyObjectRequest) -> Result<CopyObjectOutput> {
    names::check_key(&input.key)?;
    write_conditions(&input).check_form()?;
    let from = CopySource::parse(&input.copy_source)?;
    for _ in 0..ATTEMPTS {
        if let Some(output) = attempt(&s3, &context, &input, &from).await? {
            return Ok(output);
        }
    }
    Err(Error::client(
        "OperationAborted",
        409,
        "The source of the copy was changed meanwhile. Please try again.",
    ))
}

/// What the copy will be, but for its bytes.
struct Plan {
    object: Object,
    bytes: Prepared,
}

/// `None` when the source changed while it was read.
async fn attempt(
    s3: &S3,
    context: &RequestContext,
    input: &CopyObjectRequest,
    from: &CopySource,
) -> Result<Option<CopyObjectOutput>> {
    let view = s3.snapshot().await?;
    let now = s3.now();
    let target_owner = input.expected_bucket_owner.as_deref();
    let bucket = s3.bucket(&view, context, &input.bucket, target_owner).await?;
    let (source_bucket, version, object) =
        find(s3, &view, context, from, input.expected_source_bucket_owner.as_deref()).await?;
    conditions_of(input).check(&version, &object)?;
    source::check_size(object.size)?;
    let plan = plan(s3, context, &view, input, from, (&bucket, &object), now).await?;
    let (planned, source_version, source_bucket_name) = (&plan, &version, &from.bucket);
    let kept = s3
        .store
        .transact(async |tx| {
            let bucket = s3.bucket(&tx, context, &input.bucket, target_owner).await?;
            let source = tx_source(s3, &tx, context, from, source_bucket_name, source_version).await?;
            let Some(source) = source else { return Ok(None) };
            let head: Option<Version> = tx.record(&keys::object(&bucket.id, &input.key)).await?;
            write_conditions(input).check(&input.key, head.as_ref())?;
            let mut object = planned.object.clone();
            object.content = planned.bytes.attach(&tx, &source, now).await?;
            let owned = ownership::of_new_object(s3, context, &bucket, &acl_headers!(object input))?;
            object.acl = owned.acl;
            let changed = versions::put(&tx, &bucket, &input.key, head, Some(object), &owned.owner, now).await?;
            let happened = Happened {
                event: "s3:ObjectCreated:Copy",
                key: &input.key,
                version: &changed.version,
            };
            let told = emit(s3, &tx, context, &input.bucket, &bucket, happened).await?;
            Ok::<_, Error>(Some((bucket, changed, told)))
        })
        .await?;
    let Some((bucket, changed, told)) = kept else {
        return Ok(None);
    };
    s3.tell(told);
    if changed.doomed {
        s3.doomed.notify_one();
    }
    Ok(Some(output(&bucket, &changed.version, &source_bucket, &version)))
}

/// The source: its bucket, its version, its object.
pub(crate) async fn find(
    s3: &S3,
    view: &impl View,
    context: &RequestContext,
    from: &CopySource,
    expected_owner: Option<&str>,
) -> Result<(Bucket, Version, Object)> {
    let bucket = s3.bucket(view, context, &from.bucket, expected_owner).await?;
    let found = versions::object(view, &bucket, &from.key, from.version.as_deref(), "GET").await;
    match found {
        Ok((version, object)) => {
            archive::check_source(&object, s3.now())?;
            Ok((bucket, version, object))
        }
        Err(error) if error.code() == Some("MethodNotAllowed") => Err(Error::invalid_request(
            "The source of a copy request may not specifically refer to a delete marker by version id.",
        )),
        Err(error) => Err(access::of_missing(s3, context, &from.bucket, &from.key, error).await),
    }
}

/// The content of the source, if it is still the version that was read.
async fn tx_source(
    s3: &S3,
    tx: &danbi_store::Transaction,
    context: &RequestContext,
    from: &CopySource,
    bucket: &str,
    version: &Version,
) -> Result<Option<crate::records::Content>> {
    let bucket = s3.bucket(tx, context, bucket, None).await?;
    let found = versions::object(tx, &bucket, &from.key, from.version.as_deref(), "GET").await;
    Ok(found
        .ok()
        .filter(|(now, _)| now.id == version.id)
        .map(|(_, object)| object.content))
}

fn conditions_of(input: &CopyObjectRequest) -> SourceConditions<'_> {
    SourceConditions {
        if_match: input.copy_source_if_match.as_deref(),
        if_none_match: input.copy_source_if_none_match.as_deref(),
        if_modified_since: input.copy_source_if_modified_since,
        if_unmodified_since: input.copy_source_if_unmodified_since,
    }
}

fn write_conditions(input: &CopyObjectRequest) -> WriteConditions<'_> {
    WriteConditions {
        if_match: input.if_match.as_deref(),
        if_none_match: input.if_none_match.as_deref(),
    }
}

fn source_key(input: &CopyObjectRequest) -> CustomerHeaders<'_> {
    CustomerHeaders {
        algorithm: input.copy_source_sse_customer_algorithm.as_deref(),
        key: input.copy_source_sse_customer_key.as_deref(),
        md5: input.copy_source_sse_customer_key_md5.as_deref(),
    }
}

async fn plan(
    s3: &S3,
    context: &RequestContext,
    view: &impl View,
    input: &CopyObjectRequest,
    from: &CopySource,
    (bucket, object): (&Bucket, &Object),
    now: Timestamp,
) -> Result<Plan> {
    let replace = directive("metadata", input.metadata_directive.as_deref())?;
    let replace_tags = directive("tagging", input.tagging_directive.as_deref())?;
    let key = encryption::data_key(s3, context, &object.encryption, source_key(input)).await?;
    let place = Place::of(view, context, bucket, &input.bucket, &input.key).await?;
    let sealed = encryption::wanted!(input).seal(s3, &place, &key).await?;
    let storage_class = headers::storage_class(input.storage_class.clone())?;
    refuse_copy_to_itself(input, from, object, replace, &storage_class, &sealed)?;
    let Lock { retention, legal_hold } = object_lock::of_new_version(
        view,
        bucket,
        input.object_lock_mode.as_deref(),
        input.object_lock_retain_until_date,
        input.object_lock_legal_hold_status.as_deref(),
        now,
    )
    .await?;
    let bytes = share::prepare(s3, view, object, &key, now).await?;
    // Last, because hashing many bytes may outlast the view of the store.
    let (etag, checksum) = digests(s3, view, input, object, &key).await?;
    let object = Object {
        size: object.size,
        etag,
        content: crate::records::Content::Empty,
        encryption: sealed,
        checksum,
        parts: None,
        upload: None,
        storage_class,
        restored: None,
        headers: kept_headers(input, object, replace)?,
        metadata: if replace {
            headers::user_metadata(input.metadata.clone())?
        } else {
            object.metadata.clone()
        },
        tags: kept_tags(input, object, replace_tags, s3.options.dialect)?,
        acl: None,
        retention,
        legal_hold,
    };
    Ok(Plan { object, bytes })
}

/// Whether `x-amz-{what}-directive` says `REPLACE`.
fn directive(what: &str, value: Option<&str>) -> Result<bool> {
    match value {
        None | Some("COPY") => Ok(false),
        Some("REPLACE") => Ok(true),
        Some(other) => {
            let name = format!("x-amz-{what}-directive");
            Err(Error::invalid_argument(
                &name,
                other,
                format!("Unknown {what} directive."),
            ))
        }
    }
}

/// A copy onto its own source has to change something.
fn refuse_copy_to_itself(
    input: &CopyObjectRequest,
    from: &CopySource,
    object: &Object,
    replace: bool,
    storage_class: &Option<String>,
    sealed: &Encryption,
) -> Result<()> {
    let itself = from.bucket == input.bucket && from.key == input.key && from.version.is_none();
    let asks_encryption = input.server_side_encryption.is_some()
        || matches!(sealed.kind, EncryptionKind::Customer { .. })
        || sealed.kind != object.encryption.kind;
    let changes = replace
        || (input.storage_class.is_some() && *storage_class != object.storage_class)
        || input.website_redirect_location.is_some()
        || asks_encryption;
    if itself && !changes {
        return Err(Error::invalid_request(
            "This copy request is illegal because it is trying to copy an object to itself without changing the \
             object's metadata, storage class, website redirect location or encryption attributes.",
        ));
    }
    Ok(())
}

/// The entity tag and the checksum of the copy, which is one that was not uploaded in parts.
async fn digests(
    s3: &S3,
    view: &impl View,
    input: &CopyObjectRequest,
    object: &Object,
    key: &crate::crypto::SecretKey,
) -> Result<(String, Option<Checksum>)> {
    let asked = input.checksum_algorithm.as_deref().map(parse_algorithm).transpose()?;
    let known = object.checksum.as_ref();
    let algorithm = asked
        .or_else(|| known.and_then(|known| ChecksumAlgorithm::from_name(&known.algorithm)))
        .unwrap_or(ChecksumAlgorithm::Crc64nvme);
    let of_whole = known.filter(|known| !known.composite && known.algorithm == algorithm.name());
    if let Some(checksum) = of_whole
        && object.parts.is_none()
    {
        return Ok((object.etag.clone(), Some(checksum.clone())));
    }
    let digests = share::digest(s3, view, object, key, algorithm).await?;
    let checksum = digests.value(algorithm).map(|value| Checksum {
        algorithm: algorithm.name().into(),
        value: value.to_base64(),
        composite: false,
    });
    Ok((hex::encode(digests.md5), checksum))
}

fn kept_headers(input: &CopyObjectRequest, object: &Object, replace: bool) -> Result<Headers> {
    let mut kept = if replace {
        Headers {
            content_type: input.content_type.clone(),
            cache_control: input.cache_control.clone(),
            content_disposition: input.content_disposition.clone(),
            content_encoding: headers::content_encoding(input.content_encoding.clone()),
            content_language: input.content_language.clone(),
            expires: input.expires,
            website_redirect: None,
        }
    } else {
        object.headers.clone()
    };
    // Where it redirects to is never copied.
    kept.website_redirect = headers::website_redirect(input.website_redirect_location.clone())?;
    Ok(kept)
}

fn kept_tags(input: &CopyObjectRequest, object: &Object, replace: bool, dialect: Dialect) -> Result<Tags> {
    if replace {
        tags::from_header(input.tagging.as_deref().unwrap_or_default(), dialect)
    } else {
        Ok(object.tags.clone())
    }
}

fn output(bucket: &Bucket, made: &Version, source_bucket: &Bucket, source: &Version) -> CopyObjectOutput {
    let mut result = CopyObjectResult {
        last_modified: Some(made.modified),
        ..Default::default()
    };
    let mut output = CopyObjectOutput {
        copy_source_version_id: shown_version(source_bucket.versioning, source),
        version_id: shown_version(bucket.versioning, made),
        ..Default::default()
    };
    if let Some(object) = &made.object {
        result.e_tag = Some(format!("\"{}\"", object.etag));
        if let Some(checksum) = &object.checksum {
            result.show_recorded(checksum);
            result.checksum_type = Some("FULL_OBJECT".into());
        }
        let shown = encryption::shown(&object.encryption);
        output.server_side_encryption = shown.sse;
        output.ssekms_key_id = shown.kms_key_id;
        output.bucket_key_enabled = shown.bucket_key;
        output.sse_customer_algorithm = shown.customer_algorithm;
        output.sse_customer_key_md5 = shown.customer_key_md5;
    }
    output.copy_object_result = Some(result);
    output
}
