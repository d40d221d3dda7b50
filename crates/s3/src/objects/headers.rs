//! What a request to store something says besides the content: headers that are kept, user metadata, storage class.

use super::metadata;
use crate::{Error, Result};
use std::collections::BTreeMap;

/// The most bytes of user metadata, names and values.
const MAX_METADATA_BYTES: usize = 2048;

const STORAGE_CLASSES: [&str; 8] = [
    "STANDARD",
    "REDUCED_REDUNDANCY",
    "STANDARD_IA",
    "ONEZONE_IA",
    "INTELLIGENT_TIERING",
    "GLACIER",
    "DEEP_ARCHIVE",
    "GLACIER_IR",
];

/// What an object is called when its client does not say.
pub(crate) const DEFAULT_CONTENT_TYPE: &str = "binary/octet-stream";

/// The user metadata that is to be kept.
///
/// # Errors
/// `MetadataTooLarge`.
pub(crate) fn user_metadata(given: Option<BTreeMap<String, String>>) -> Result<BTreeMap<String, String>> {
    let Some(given) = given else {
        return Ok(BTreeMap::new());
    };
    let bytes: usize = given.iter().map(|(name, value)| name.len() + value.len()).sum();
    if bytes > MAX_METADATA_BYTES {
        return Err(Error::metadata_too_large(bytes, MAX_METADATA_BYTES));
    }
    let kept = given
        .into_iter()
        .map(|(name, value)| (name.to_ascii_lowercase(), metadata::kept(&value)));
    Ok(kept.collect())
}

/// User metadata as headers carry it.
pub(crate) fn shown_metadata(kept: &BTreeMap<String, String>) -> Option<BTreeMap<String, String>> {
    (!kept.is_empty()).then(|| {
        kept.iter()
            .map(|(name, value)| (name.clone(), metadata::shown(value)))
            .collect()
    })
}

/// The storage class to be kept; none is `STANDARD`. What is put into an archive has to be restored ([`crate::archive`]).
///
/// # Errors
/// `InvalidStorageClass`.
pub(crate) fn storage_class(given: Option<String>) -> Result<Option<String>> {
    match given {
        Some(class) if !STORAGE_CLASSES.contains(&class.as_str()) => Err(Error::invalid_storage_class(&class)),
        given => Ok(given.filter(|class| class != STORAGE_CLASSES[0])),
    }
}

/// `Content-Encoding` without the framing that the wire has taken off.
pub(crate) fn content_encoding(given: Option<String>) -> Option<String> {
    let given = given?;
    let is_framing = |part: &str| part.trim().eq_ignore_ascii_case("aws-chunked");
    if !given.split(',').any(is_framing) {
        return Some(given);
    }
    let kept: Vec<&str> = given
        .split(',')
        .filter(|part| !is_framing(part))
        .map(str::trim)
        .collect();
    (!kept.is_empty()).then(|| kept.join(","))
}

/// Where a website redirects to.
///
/// # Errors
/// `InvalidRedirectLocation`.
pub(crate) fn website_redirect(given: Option<String>) -> Result<Option<String>> {
    match given {
        Some(place)
            if !["/", "http://", "https://"]
                .iter()
                .any(|start| place.starts_with(start)) =>
        {
            let message = "The website redirect location must have a prefix of 'http://' or 'https://' or '/'.";
            Err(Error::client("InvalidRedirectLocation", 400, message))
        }
        Some(place) if place.len() > 2048 => {
            let message = "The length of website redirect location cannot exceed 2,048 characters.";
            Err(Error::client("InvalidRedirectLocation", 400, message))
        }
        given => Ok(given),
    }
}
