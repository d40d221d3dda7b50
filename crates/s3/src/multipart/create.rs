use std::sync::Arc;

use danbi_core::{Principal, RequestContext};

use crate::acl::acl_headers;
use crate::checksum::{ChecksumType, parse_upload};
use crate::encryption::{self, Place};
use crate::ids::UploadId;
use crate::objects::headers;
use crate::ownership;
use crate::records::{self, Headers, Upload};
use crate::shapes::{CreateMultipartUploadOutput, CreateMultipartUploadRequest};
use crate::{Error, Result, S3, keys, names, object_lock, tags};

/// Begins an upload: everything that the object will be, but for its bytes, is fixed here.
pub(crate) async fn create(
    s3: Arc<S3>,
    context: RequestContext,
    mut input: CreateMultipartUploadRequest,
) -> Result<CreateMultipartUploadOutput> {
    names::check_key(&input.key)?;
    let checksum = parse_upload(input.checksum_algorithm.as_deref(), input.checksum_type.as_deref())?;
    let (view, owner) = (s3.snapshot().await?, input.expected_bucket_owner.as_deref());
    let bucket = s3.bucket(&view, &context, &input.bucket, owner).await?;
    let place = Place::of(&view, &context, &bucket, &input.bucket, &input.key).await?;
    let (_, encryption) = encryption::wanted!(input).data_key(&s3, &place).await?;
    drop(view);
    let now = s3.now();
    let id = UploadId::new(now);
    let upload = Upload {
        initiated: now,
        owner: context.scope.account.as_str().to_owned(),
        initiator: initiator(&context.principal),
        encryption,
        checksum: checksum.map(|(algorithm, kind)| (algorithm.name().to_owned(), kind == ChecksumType::Composite)),
        storage_class: headers::storage_class(input.storage_class.take())?,
        headers: Headers {
            content_type: input.content_type.take(),
            cache_control: input.cache_control.take(),
            content_disposition: input.content_disposition.take(),
            content_encoding: headers::content_encoding(input.content_encoding.take()),
            content_language: input.content_language.take(),
            expires: input.expires,
            website_redirect: headers::website_redirect(input.website_redirect_location.take())?,
        },
        metadata: headers::user_metadata(input.metadata.take())?,
        tags: tags::from_header(input.tagging.as_deref().unwrap_or_default(), s3.options.dialect)?,
        acl: None,
        retention: None,
        legal_hold: None,
    };
    let (service, context, request, begun) = (&s3, &context, &input, &upload);
    s3.store
        .transact(async |tx| {
            let owner = request.expected_bucket_owner.as_deref();
            let bucket = service.bucket(&tx, context, &request.bucket, owner).await?;
            let lock = object_lock::of_new_version(
                &tx,
                &bucket,
                request.object_lock_mode.as_deref(),
                request.object_lock_retain_until_date,
                request.object_lock_legal_hold_status.as_deref(),
                now,
            )
            .await?;
            let owned = ownership::of_new_object(service, context, &bucket, &acl_headers!(object request))?;
            let upload = Upload {
                owner: owned.owner,
                acl: owned.acl,
                retention: lock.retention,
                legal_hold: lock.legal_hold,
                ..begun.clone()
            };
            tx.put(&keys::upload(&bucket.id, &request.key, &id), records::encode(&upload)?)?;
            Ok::<_, Error>(())
        })
        .await?;
    let shown = encryption::shown(&upload.encryption);
    Ok(CreateMultipartUploadOutput {
        bucket: Some(input.bucket),
        key: Some(input.key),
        upload_id: Some(id.to_string()),
        server_side_encryption: shown.sse,
        ssekms_key_id: shown.kms_key_id,
        ssekms_encryption_context: input.ssekms_encryption_context,
        bucket_key_enabled: shown.bucket_key,
        sse_customer_algorithm: shown.customer_algorithm,
        sse_customer_key_md5: shown.customer_key_md5,
        checksum_algorithm: checksum.map(|(algorithm, _)| algorithm.name().into()),
        checksum_type: checksum.map(|(_, kind)| kind.name().into()),
        ..Default::default()
    })
}

/// Who began it, unless that is the account itself.
fn initiator(principal: &Principal) -> Option<String> {
    match principal {
        Principal::Identity { arn, .. } => Some(arn.to_string()),
        Principal::Root(_) | Principal::Service(_) | Principal::Anonymous => None,
    }
}
