//! Pages of lists: a marker names the last entry that was answered.

use crate::error::{Error, Result};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

/// Entries of a page, unless the request says otherwise, and at most.
const USUAL: i32 = 100;
const MOST: i32 = 1000;

/// How many entries to answer.
pub(crate) fn limit(asked: Option<i32>) -> usize {
    usize::try_from(asked.unwrap_or(USUAL).clamp(1, MOST)).unwrap_or(1)
}

/// The marker that names an entry.
pub(crate) fn marker(last: &str) -> String {
    URL_SAFE_NO_PAD.encode(last)
}

/// The entry that a marker names.
///
/// # Errors
/// `InvalidMarkerException`.
pub(crate) fn after(marker: Option<&str>) -> Result<Option<String>> {
    let Some(marker) = marker else { return Ok(None) };
    let decoded = URL_SAFE_NO_PAD.decode(marker).ok();
    let text = decoded.and_then(|bytes| String::from_utf8(bytes).ok());
    match text.filter(|text| text.len() <= 512) {
        Some(text) => Ok(Some(text)),
        None => Err(Error::client("InvalidMarkerException", "Could not deserialize marker")),
    }
}
