use super::conditions::WriteConditions;
use super::{headers, quoted};
use crate::acl::acl_headers;
use crate::checksum::{ChecksumFields, Declared, Verifier};
use crate::content::{Expected, receive};
use crate::crypto::{CryptoError, SecretKey};
use crate::encryption::{self, Place, Sealing};
use crate::notifications::{Happened, emit};
use crate::records::{Checksum, Headers, Object, Version, Versioning, View};
use crate::shapes::{PutObjectOutput, PutObjectRequest};
use crate::{Error, Result, S3, keys, lifecycle, names, object_lock, ownership, tags, versions};
use danbi_core::{RequestContext, hex};
use std::sync::Arc;

/// The largest object that one request may bring: 5 GiB.
pub(crate) const MAX_PUT_BYTES: u64 = 5 << 30;

/// PutObject.
pub(crate) async fn put(s3: Arc<S3>, context: RequestContext, mut input: PutObjectRequest) -> Result<PutObjectOutput> {
    names::check_key(&input.key)?;
    if input.write_offset_bytes.is_some() {
        // Appending is for directory buckets, which there are none of.
        return Err(Error::header_not_implemented("x-amz-write-offset-bytes"));
    }
    let length = input.content_length.map(|length| u64::try_from(length).unwrap_or(0));
    if let Some(length) = length.filter(|length| *length > MAX_PUT_BYTES) {
        return Err(Error::entity_too_large(length, MAX_PUT_BYTES));
    }
    let conditions = WriteConditions {
        if_match: input.if_match.as_deref(),
        if_none_match: input.if_none_match.as_deref(),
    };
    conditions.check_form()?;
    let declared = Declared::of(
        &input,
        input.content_md5.as_deref(),
        input.checksum_algorithm.as_deref(),
        context.facts.content_sha256.as_deref(),
    )?;
    let kept = Headers {
        content_type: input.content_type.take(),
        cache_control: input.cache_control.take(),
        content_disposition: input.content_disposition.take(),
        content_encoding: headers::content_encoding(input.content_encoding.take()),
        content_language: input.content_language.take(),
        expires: input.expires,
        website_redirect: headers::website_redirect(input.website_redirect_location.take())?,
    };
    let metadata = headers::user_metadata(input.metadata.take())?;
    let storage_class = headers::storage_class(input.storage_class.take())?;
    let dialect = s3.options.dialect;
    let tags = input
        .tagging
        .as_deref()
        .map(|header| tags::from_header(header, dialect))
        .transpose()?;
    let owner = input.expected_bucket_owner.as_deref();
    let data_key = SecretKey::random().map_err(CryptoError::from)?;
    let mut sealed = None;
    if length.is_none_or(|length| length > s3.options.inline_bytes as u64) {
        // Nobody shall send a large body for nothing. Who brings little is judged by the transaction alone.
        let view = s3.snapshot().await?;
        let bucket = s3.bucket(&view, &context, &input.bucket, owner).await?;
        let place = Place::of(&view, &context, &bucket, &input.bucket, &input.key).await?;
        sealed = Some(encryption::wanted!(input).seal(&s3, &place, &data_key).await?);
        ownership::of_new_object(&s3, &context, &bucket, &acl_headers!(object input))?;
        conditions.check(
            &input.key,
            versions::current(&view, &bucket, &input.key).await?.as_ref(),
        )?;
    }
    let body = input.body.take();
    let received = receive(
        &s3,
        body,
        &data_key,
        Expected {
            length,
            max: MAX_PUT_BYTES,
            verifier: Verifier::of_object(declared),
            inline_bytes: s3.options.inline_bytes,
        },
    )
    .await?;
    let checksum = received.digests.kept().map(|value| Checksum {
        algorithm: value.algorithm().name().to_owned(),
        value: value.to_base64(),
        composite: false,
    });
    let etag = hex::encode(received.digests.md5);
    let tags = tags.unwrap_or_default();
    let (versioning, changed, told, expiration) = loop {
        let done = s3
            .store
            .transact(async |tx| {
                let bucket = s3.bucket(&tx, &context, &input.bucket, owner).await?;
                let encryption = match &sealed {
                    Some(sealed) => sealed.clone(),
                    None => {
                        let place = Place::of(&tx, &context, &bucket, &input.bucket, &input.key).await?;
                        match encryption::wanted!(input).seal_alone(&s3, &place, &data_key)? {
                            Sealing::Done(encryption) => encryption,
                            Sealing::ByKms { .. } => return Ok(None),
                        }
                    }
                };
                let head: Option<Version> = tx.record(&keys::object(&bucket.id, &input.key)).await?;
                conditions.check(&input.key, head.as_ref())?;
                let now = s3.now();
                let lock = object_lock::of_new_version(
                    &tx,
                    &bucket,
                    input.object_lock_mode.as_deref(),
                    input.object_lock_retain_until_date,
                    input.object_lock_legal_hold_status.as_deref(),
                    now,
                )
                .await?;
                received.attach(&tx)?;
                let owned = ownership::of_new_object(&s3, &context, &bucket, &acl_headers!(object input))?;
                let object = Object {
                    size: received.size,
                    etag: etag.clone(),
                    content: received.content(),
                    encryption,
                    checksum: checksum.clone(),
                    parts: None,
                    upload: None,
                    storage_class: storage_class.clone(),
                    restored: None,
                    headers: kept.clone(),
                    metadata: metadata.clone(),
                    tags: tags.clone(),
                    acl: owned.acl,
                    retention: lock.retention,
                    legal_hold: lock.legal_hold,
                };
                let changed = versions::put(&tx, &bucket, &input.key, head, Some(object), &owned.owner, now).await?;
                let happened = Happened {
                    event: created(&context),
                    key: &input.key,
                    version: &changed.version,
                };
                let told = emit(&s3, &tx, &context, &input.bucket, &bucket, happened).await?;
                let expiration = match &changed.version.object {
                    Some(object) => lifecycle::header(&s3, &tx, &bucket, &input.key, now, object).await?,
                    None => None,
                };
                Ok::<_, Error>(Some((bucket.versioning, changed, told, expiration)))
            })
            .await?;
        match done {
            Some(done) => break done,
            // KMS is not asked within a transaction, which may run again.
            None => {
                let view = s3.snapshot().await?;
                let bucket = s3.bucket(&view, &context, &input.bucket, owner).await?;
                let place = Place::of(&view, &context, &bucket, &input.bucket, &input.key).await?;
                sealed = Some(encryption::wanted!(input).seal(&s3, &place, &data_key).await?);
            }
        }
    };
    s3.tell(told);
    if changed.doomed {
        s3.doomed.notify_one();
    }
    Ok(PutObjectOutput {
        expiration,
        ssekms_encryption_context: input.ssekms_encryption_context,
        ..answer(versioning, &changed.version)
    })
}

/// What events call an object that was put: posted forms come the same way.
fn created(context: &RequestContext) -> &'static str {
    match &context.facts.signature {
        Some(signature) if signature.kind == "POST" => "s3:ObjectCreated:Post",
        _ => "s3:ObjectCreated:Put",
    }
}

fn answer(versioning: Versioning, version: &Version) -> PutObjectOutput {
    let Some(object) = &version.object else {
        return PutObjectOutput::default();
    };
    let shown = encryption::shown(&object.encryption);
    let mut output = PutObjectOutput {
        e_tag: Some(quoted(&object.etag)),
        server_side_encryption: shown.sse,
        ssekms_key_id: shown.kms_key_id,
        bucket_key_enabled: shown.bucket_key,
        sse_customer_algorithm: shown.customer_algorithm,
        sse_customer_key_md5: shown.customer_key_md5,
        // Of a version that replaced `null`, AWS names nothing.
        version_id: (versioning == Versioning::Enabled).then(|| version.public_id()),
        ..PutObjectOutput::default()
    };
    if let Some(checksum) = &object.checksum {
        output.show_recorded(checksum);
        output.checksum_type = Some("FULL_OBJECT".into());
    }
    output
}

/// The version id that an answer names: buckets that never kept versions name none.
pub(crate) fn shown_version(versioning: Versioning, version: &Version) -> Option<String> {
    (versioning != Versioning::Never).then(|| version.public_id())
}
