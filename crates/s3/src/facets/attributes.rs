use std::sync::Arc;

use danbi_core::RequestContext;
use danbi_store::Direction;

use crate::checksum::ChecksumFields;
use crate::encryption::{self, CustomerHeaders};
use crate::objects::put::shown_version;
use crate::records::{self, Content, Extent, ExtentPage, Object, View};
use crate::shapes::{
    Checksum, GetObjectAttributesOutput, GetObjectAttributesParts, GetObjectAttributesRequest, ObjectPart,
};
use crate::{Dialect, Error, Result, S3, keys, versions};

/// Most parts of an answer.
const MAX_PARTS: usize = 1000;
/// What may be asked for.
const ATTRIBUTES: [&str; 5] = ["ETag", "Checksum", "ObjectParts", "StorageClass", "ObjectSize"];

/// What was asked of an object, without its bytes.
pub(crate) async fn get(
    s3: Arc<S3>,
    context: RequestContext,
    input: GetObjectAttributesRequest,
) -> Result<GetObjectAttributesOutput> {
    let wanted = wanted(&input.object_attributes)?;
    let view = s3.snapshot().await?;
    let owner = input.expected_bucket_owner.as_deref();
    let bucket = s3.bucket(&view, &context, &input.bucket, owner).await?;
    let (version, object) = versions::object(&view, &bucket, &input.key, input.version_id.as_deref(), "GET").await?;
    // Whoever does not know the key learns nothing.
    let customer = CustomerHeaders {
        algorithm: input.sse_customer_algorithm.as_deref(),
        key: input.sse_customer_key.as_deref(),
        md5: input.sse_customer_key_md5.as_deref(),
    };
    encryption::data_key(&s3, &context, &object.encryption, customer).await?;
    let asks = |name: &str| wanted.contains(&name);
    let mut output = GetObjectAttributesOutput {
        last_modified: Some(version.modified),
        version_id: shown_version(bucket.versioning, &version),
        ..Default::default()
    };
    if asks("ETag") {
        output.e_tag = Some(object.etag.clone());
    }
    if asks("Checksum") {
        let dialect = s3.options.dialect;
        output.checksum = object.checksum.as_ref().map(|recorded| checksum(recorded, dialect));
    }
    if asks("StorageClass") {
        output.storage_class = Some(object.storage_class.clone().unwrap_or_else(|| "STANDARD".into()));
    }
    if asks("ObjectSize") {
        output.object_size = i64::try_from(object.size).ok();
    }
    if asks("ObjectParts")
        && let Some(count) = object.parts
    {
        output.object_parts = Some(parts(&view, &input, &object, count, s3.options.dialect).await?);
    }
    Ok(output)
}

/// The attributes that the header lists, one value or many.
fn wanted(given: &[String]) -> Result<Vec<&str>> {
    let names: Vec<&str> = given
        .iter()
        .flat_map(|line| line.split(','))
        .map(str::trim)
        .filter(|name| !name.is_empty())
        .collect();
    if names.is_empty() || names.iter().any(|name| !ATTRIBUTES.contains(name)) {
        return Err(Error::invalid_argument(
            "x-amz-object-attributes",
            &given.join(","),
            "Invalid attribute name specified.",
        ));
    }
    Ok(names)
}

/// Here AWS shows a composite checksum without the number of parts.
fn checksum(recorded: &records::Checksum, dialect: Dialect) -> Checksum {
    let mut shown = Checksum::default();
    let mut recorded = recorded.clone();
    if recorded.composite
        && !dialect.counts_parts_in_checksums()
        && let Some((value, _)) = recorded.value.split_once('-')
    {
        recorded.value = value.to_owned();
    }
    shown.show_recorded(&recorded);
    shown.checksum_type = Some(if recorded.composite { "COMPOSITE" } else { "FULL_OBJECT" }.into());
    shown
}

/// The parts behind the marker. Only an object whose checksum is that of its parts shows more than their number.
async fn parts(
    view: &impl View,
    input: &GetObjectAttributesRequest,
    object: &Object,
    count: u32,
    dialect: Dialect,
) -> Result<GetObjectAttributesParts> {
    let mut shown = GetObjectAttributesParts {
        total_parts_count: i32::try_from(count).ok(),
        ..Default::default()
    };
    let of_parts = object.checksum.as_ref().filter(|checksum| checksum.composite);
    if of_parts.is_none() && !dialect.lists_plain_parts() {
        return Ok(shown);
    }
    let argument = |name: &str, value: i32| {
        usize::try_from(value).map_err(|_| {
            let message = format!("Argument {name} must be an integer between 0 and 2147483647");
            Error::invalid_argument(name, &value.to_string(), message)
        })
    };
    let most = argument("max-parts", input.max_parts.unwrap_or(1000))?.min(MAX_PARTS);
    let marker = argument("part-number-marker", input.part_number_marker.unwrap_or(0))?;
    let mut listed = Vec::new();
    let mut more = false;
    let mut take = |extent: Extent| {
        if (extent.part as usize) <= marker {
            return true;
        }
        if listed.len() == most {
            more = true;
            return false;
        }
        let mut part = ObjectPart {
            part_number: i32::try_from(extent.part).ok(),
            size: i64::try_from(extent.size).ok(),
            ..Default::default()
        };
        if let (Some(value), Some(checksum)) = (extent.checksum, of_parts) {
            part.show_recorded(&records::Checksum {
                algorithm: checksum.algorithm.clone(),
                value,
                composite: false,
            });
        }
        listed.push(part);
        true
    };
    match &object.content {
        Content::Empty | Content::Inline(_) => {}
        Content::Whole(extent) => {
            take(extent.clone());
        }
        Content::Spread(id) => {
            let mut pages = keys::below(keys::extent_pages(id));
            'pages: loop {
                let page = view.page(pages.clone(), Direction::Forward, 4).await?;
                for (_, value) in &page.entries {
                    for extent in records::decode::<ExtentPage>(value)?.extents {
                        if !take(extent) {
                            break 'pages;
                        }
                    }
                }
                match page.entries.last() {
                    Some((last, _)) if page.more => pages = pages.after(last),
                    _ => break,
                }
            }
        }
    }
    shown.part_number_marker = i32::try_from(marker).ok();
    shown.next_part_number_marker = Some(listed.last().and_then(|part| part.part_number).unwrap_or(0));
    shown.max_parts = i32::try_from(most).ok();
    shown.is_truncated = Some(more);
    shown.parts = Some(listed);
    Ok(shown)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn attributes_come_in_one_header_or_many() {
        let given = ["ETag,ObjectSize".to_owned(), " Checksum".to_owned()];
        assert_eq!(wanted(&given).unwrap(), ["ETag", "ObjectSize", "Checksum"]);
        assert!(wanted(&[]).is_err());
        assert!(wanted(&["Etag".into()]).is_err());
    }
}
