use std::sync::Arc;

use danbi_core::RequestContext;
use danbi_store::Direction;

use crate::checksum::ChecksumFields;
use crate::records::{self, Part};
use crate::shapes::{self, ListPartsOutput, ListPartsRequest};
use crate::{Error, Result, S3, keys};

/// Most parts of an answer.
const MAX_PARTS: i32 = 1000;

/// The parts of an unfinished upload, by number.
pub(crate) async fn list(s3: Arc<S3>, context: RequestContext, input: ListPartsRequest) -> Result<ListPartsOutput> {
    let view = s3.snapshot().await?;
    let owner = input.expected_bucket_owner.as_deref();
    let bucket = s3.bucket(&view, &context, &input.bucket, owner).await?;
    let (id, upload) = super::find(&view, &bucket, &input.key, &input.upload_id).await?;
    let most = limit("max-parts", input.max_parts, MAX_PARTS)?;
    let marker = limit("part-number-marker", input.part_number_marker.or(Some(0)), i32::MAX)?;

    let mut range = keys::below(keys::parts(&id));
    if marker > 0 {
        // A marker behind every number leaves nothing, whichever it is.
        range = range.after(&keys::part(&id, u32::try_from(marker).unwrap_or(u32::MAX)));
    }
    let (mut parts, mut more) = (Vec::new(), false);
    let declared = super::checksum_of(&upload);
    while parts.len() < most {
        let page = view.scan(range.clone(), Direction::Forward, most - parts.len()).await?;
        for (key, value) in &page.entries {
            let number = keys::part_number(key).map_err(|error| Error::Damaged(error.to_string()))?;
            let part: Part = records::decode(value)?;
            let mut shown = shapes::Part {
                part_number: i32::try_from(number).ok(),
                last_modified: Some(part.modified),
                e_tag: Some(super::quoted(&part.etag)),
                size: i64::try_from(part.size).ok(),
                ..Default::default()
            };
            if let (Some(_), Some(checksum)) = (declared, &part.checksum) {
                shown.show_recorded(checksum);
            }
            parts.push(shown);
        }
        more = page.more;
        match page.entries.last() {
            Some((last, _)) if page.more => range = range.after(last),
            _ => break,
        }
    }
    let last = parts.last().and_then(|part| part.part_number);
    Ok(ListPartsOutput {
        bucket: Some(input.bucket),
        key: Some(input.key),
        upload_id: Some(input.upload_id),
        part_number_marker: i32::try_from(marker).ok(),
        next_part_number_marker: Some(last.unwrap_or(0)),
        max_parts: i32::try_from(most).ok(),
        is_truncated: Some(more),
        initiator: Some(super::initiator(&s3, &upload)),
        owner: Some(super::owner(&s3, &bucket, &upload)),
        storage_class: Some(upload.storage_class.clone().unwrap_or_else(|| "STANDARD".into())),
        checksum_algorithm: declared.map(|(algorithm, _)| algorithm.name().into()),
        checksum_type: declared.map(|(_, kind)| kind.name().into()),
        parts: if parts.is_empty() { None } else { Some(parts) },
        ..Default::default()
    })
}

/// A count of a request, cut to what an answer may have.
pub(super) fn limit(name: &str, given: Option<i32>, most: i32) -> Result<usize> {
    let given = given.unwrap_or(most);
    usize::try_from(given.min(most)).map_err(|_| {
        let message = format!("Argument {name} must be an integer between 0 and 2147483647");
        Error::invalid_argument(name, &given.to_string(), message)
    })
}
