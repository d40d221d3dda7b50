use super::{archive, restored};
use crate::ids::ContentId;
use crate::notifications::{Happened, emit};
use crate::records::{self, Restored};
use crate::shapes::{RestoreObjectOutput, RestoreObjectRequest, RestoreRequest};
use crate::{Error, Result, S3, keys, names, versions};
use danbi_core::{RequestContext, Timestamp};
use danbi_wire::ResponseParts;
use std::sync::Arc;

/// The most days that a copy is kept: some ten years, so that no date overflows.
const MAX_DAYS: i32 = 3650;

/// RestoreObject: answered with 202 when it makes a copy, with 200 when it changes how long one stays.
pub(crate) async fn restore(
    s3: Arc<S3>,
    context: RequestContext,
    input: RestoreObjectRequest,
) -> Result<(RestoreObjectOutput, ResponseParts)> {
    names::check_key(&input.key)?;
    let wanted = input.restore_request.as_ref().ok_or_else(Error::malformed_xml)?;
    check_form(wanted)?;
    let name = input.bucket.as_str();
    let (status, told) = s3
        .store
        .transact(async |tx| {
            let expected = input.expected_bucket_owner.as_deref();
            let bucket = s3.bucket(&tx, &context, name, expected).await?;
            let which = input.version_id.as_deref();
            let (mut version, mut object) = versions::object(&tx, &bucket, &input.key, which, "POST").await?;
            let now = s3.now();
            let until = until(&s3, wanted, archive(&object), now)?;
            let renewed = restored(&object, now).is_some();
            object.restored = Some(until);
            version.object = Some(object);
            versions::rewrite(&tx, &bucket, &input.key, &version).await?;
            let entry = Restored {
                bucket: name.to_owned(),
                key: input.key.clone(),
                version: version.id,
            };
            tx.put(
                &keys::restored(until.as_millis(), &ContentId::new(now)),
                records::encode(&entry)?,
            )?;
            let mut told = false;
            // A copy that is there stays; there is nothing more to tell.
            let events: &[&'static str] = match renewed {
                true => &[],
                false => &["s3:ObjectRestore:Post", "s3:ObjectRestore:Completed"],
            };
            for event in events {
                let happened = Happened {
                    event,
                    key: &input.key,
                    version: &version,
                };
                told |= emit(&s3, &tx, &context, name, &bucket, happened).await?;
            }
            Ok::<_, Error>((if renewed { 200 } else { 202 }, told))
        })
        .await?;
    s3.tell(told);
    Ok((RestoreObjectOutput::default(), ResponseParts::status(status)))
}

/// Whether the request is one that restores, and not one that searches what it restores.
fn check_form(wanted: &RestoreRequest) -> Result<()> {
    if wanted.r#type.is_some() || wanted.select_parameters.is_some() || wanted.output_location.is_some() {
        let message = "Restores that select from an archived object are not built: only those that make a copy of it.";
        return Err(Error::client("NotImplemented", 501, message));
    }
    if wanted.days.is_some_and(|days| !(1..=MAX_DAYS).contains(&days)) {
        let message = format!("Restore days must be between 1 and {MAX_DAYS}");
        let days = wanted.days.unwrap_or_default().to_string();
        return Err(Error::invalid_argument("Days", &days, message));
    }
    Ok(())
}

/// Until when the copy of an object in this archive is to be kept.
fn until(s3: &S3, wanted: &RestoreRequest, archive: Option<&str>, now: Timestamp) -> Result<Timestamp> {
    let Some(archive) = archive else {
        let message = "Restore is not allowed for the object's current storage class";
        return Err(Error::client("InvalidObjectState", 403, message));
    };
    let of_glacier = wanted.glacier_job_parameters.as_ref();
    let tier = of_glacier
        .map(|job| job.tier.as_str())
        .or(wanted.tier.as_deref())
        .unwrap_or("Standard");
    if archive == "DEEP_ARCHIVE" && tier == "Expedited" {
        let message = "Retrieval option is not supported by this storage class";
        return Err(Error::invalid_argument("Tier", tier, message));
    }
    let days = wanted.days.ok_or_else(Error::malformed_xml)?;
    Ok(s3.options.lifecycle_day.after(now, days.into()))
}
