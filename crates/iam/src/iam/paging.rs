//! Lists, a page at a time.

use crate::records::View;
use crate::{IamError, Result};
use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use bytes::Bytes;
use danbi_store::KeyRange;

/// How many items an answer has when the request does not say.
const DEFAULT: usize = 100;
/// Entries read from the store at a time.
const BATCH: usize = 256;

/// One page of a list.
pub(super) struct Paged<T> {
    pub(super) items: Vec<T>,
    /// Where the next page begins; `None` for the last one.
    pub(super) marker: Option<String>,
}

impl<T> Paged<T> {
    /// `IsTruncated`.
    pub(super) fn truncated(&self) -> Option<bool> {
        Some(self.marker.is_some())
    }
}

fn limit(max_items: Option<i32>) -> usize {
    max_items
        .and_then(|max| usize::try_from(max).ok())
        .unwrap_or(DEFAULT)
        .clamp(1, 1000)
}

fn decode(marker: Option<&str>) -> Result<Option<Vec<u8>>> {
    let decoded = marker.map(|marker| BASE64_URL_SAFE_NO_PAD.decode(marker)).transpose();
    decoded.map_err(|_| invalid_marker())
}

fn invalid_marker() -> IamError {
    IamError::Validation("Invalid Marker.".into())
}

/// A page of what lies in the store under `prefix`; `keep` says which entries belong to the list.
pub(super) async fn stored<T>(
    view: &impl View,
    prefix: Bytes,
    max_items: Option<i32>,
    marker: Option<&str>,
    keep: impl Fn(&[u8], &[u8]) -> Result<Option<T>>,
) -> Result<Paged<T>> {
    let limit = limit(max_items);
    let mut range = KeyRange::prefix(prefix.clone());
    if let Some(rest) = decode(marker)? {
        let last: Vec<u8> = [prefix.as_ref(), &rest].concat();
        range = range.after(&last);
    }
    let mut items: Vec<T> = Vec::new();
    let mut last = Bytes::new();
    loop {
        let page = view.page(range.clone(), BATCH).await?;
        for (key, value) in &page.entries {
            let Some(item) = keep(key, value)? else { continue };
            if items.len() == limit {
                let marker = BASE64_URL_SAFE_NO_PAD.encode(&last[prefix.len().min(last.len())..]);
                return Ok(Paged {
                    items,
                    marker: Some(marker),
                });
            }
            items.push(item);
            last = key.clone();
        }
        match page.entries.last() {
            Some((key, _)) if page.more => range = range.after(key),
            _ => return Ok(Paged { items, marker: None }),
        }
    }
}

/// A page of a short list that is in memory whole.
pub(super) fn listed<T>(all: Vec<T>, max_items: Option<i32>, marker: Option<&str>) -> Result<Paged<T>> {
    let from = match decode(marker)? {
        None => 0,
        Some(text) => {
            let text = String::from_utf8(text).map_err(|_| invalid_marker())?;
            text.parse::<usize>().map_err(|_| invalid_marker())?
        }
    };
    let limit = limit(max_items);
    let end = from.saturating_add(limit);
    let marker = (all.len() > end).then(|| BASE64_URL_SAFE_NO_PAD.encode(end.to_string()));
    Ok(Paged {
        items: all.into_iter().skip(from).take(limit).collect(),
        marker,
    })
}
