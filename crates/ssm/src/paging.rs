//! Pages of lists: a token names the last entry that was looked at.

use crate::error::{Error, Result};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

/// Entries that one request looks at while it searches for those that it wants.
pub(crate) const LOOKED_AT: usize = 1_000;

/// How many entries to answer.
pub(crate) fn limit(asked: Option<i32>, usual: usize) -> usize {
    asked
        .and_then(|asked| usize::try_from(asked).ok())
        .unwrap_or(usual)
        .max(1)
}

/// The token that names an entry.
pub(crate) fn token(last: &str) -> String {
    URL_SAFE_NO_PAD.encode(last)
}

/// The entry that a token names.
///
/// # Errors
/// `InvalidNextToken`.
pub(crate) fn after(token: Option<&str>) -> Result<Option<String>> {
    let Some(token) = token else { return Ok(None) };
    let decoded = URL_SAFE_NO_PAD.decode(token).ok();
    let text = decoded.and_then(|bytes| String::from_utf8(bytes).ok());
    match text.filter(|text| (1..=2_048).contains(&text.len())) {
        Some(text) => Ok(Some(text)),
        None => Err(Error::client("InvalidNextToken", "The specified token isn't valid.")),
    }
}
