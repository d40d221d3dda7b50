//! Tags of keys.

use crate::error::{Error, Result};
use crate::shapes::Tag;
use std::collections::BTreeMap;

/// Most tags of a key.
const MAX_TAGS: usize = 50;

/// The tags of a request.
///
/// # Errors
/// `TagException`.
pub(crate) fn read(tags: &[Tag]) -> Result<BTreeMap<String, String>> {
    let mut read = BTreeMap::new();
    for tag in tags {
        if tag.tag_key.to_ascii_lowercase().starts_with("aws:") {
            return Err(refused("Tags beginning with aws: are reserved"));
        }
        if read.insert(tag.tag_key.clone(), tag.tag_value.clone()).is_some() {
            return Err(refused("Duplicate tag keys"));
        }
    }
    check_count(&read)?;
    Ok(read)
}

/// Makes sure that a key has no more tags than it may.
///
/// # Errors
/// `TagException`.
pub(crate) fn check_count(tags: &BTreeMap<String, String>) -> Result<()> {
    match tags.len() {
        0..=MAX_TAGS => Ok(()),
        _ => Err(refused("Too many tags")),
    }
}

/// Tags as answers have them.
pub(crate) fn shown(tags: &BTreeMap<String, String>) -> Vec<Tag> {
    let shown = |(key, value): (&String, &String)| Tag {
        tag_key: key.clone(),
        tag_value: value.clone(),
    };
    tags.iter().map(shown).collect()
}

fn refused(message: &str) -> Error {
    Error::client("TagException", message)
}
