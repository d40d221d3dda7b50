//! What everybody may read and many do: the opened bytes of public objects of middling size, kept in memory.
//!
//! A request for one still reads the bucket, the object's record and the policy from the store, so nothing that was
//! changed, withdrawn or deleted is ever answered from here: what is saved is reading the blob (from a disk, or over the
//! network), and opening it. Bytes are kept under the salt that they were sealed with, which no other bytes ever get.
//! Nothing is kept of objects that only some may read.

use super::{read, read_whole};
use crate::crypto::SecretKey;
use crate::ids::ContentId;
use crate::records::{Content, Extent, View};
use crate::{Result, S3};
use bytes::Bytes;
use danbi_core::{Body, full_body};
use quick_cache::Weighter;
use quick_cache::sync::Cache;
use std::ops::Range;

/// Bytes that are kept in all.
const MAX_BYTES: u64 = 32 << 20;
/// Bytes of the largest content that is kept: larger ones are streamed well enough.
const MAX_CONTENT_BYTES: u64 = 1 << 20;
/// About how many contents there will be.
const USUAL_COUNT: usize = 512;
/// What an entry takes besides its bytes.
const OVERHEAD: u64 = 128;

#[derive(Debug, Clone)]
struct Weight;

impl Weighter<ContentId, Bytes> for Weight {
    fn weight(&self, _: &ContentId, bytes: &Bytes) -> u64 {
        bytes.len() as u64 + OVERHEAD
    }
}

/// The bytes that are kept. Whatever is read once, or by a walk through everything, makes room for what is read often.
#[derive(Debug)]
pub(crate) struct Hot(Cache<ContentId, Bytes, Weight>);

impl Default for Hot {
    fn default() -> Self {
        Self(Cache::with_weighter(USUAL_COUNT, MAX_BYTES, Weight))
    }
}

/// As [`read`](super::read), for a content that everybody may read.
///
/// # Errors
/// As [`read`](super::read).
pub(crate) async fn read_public(
    s3: &S3,
    view: &impl View,
    content: &Content,
    key: &SecretKey,
    size: u64,
    range: Range<u64>,
) -> Result<Body> {
    let Content::Whole(Extent { salt, .. }) = content else {
        // What is inline comes from the store's own memory, and what has many extents is large.
        return read(s3, view, content, key, size, range).await;
    };
    if size > MAX_CONTENT_BYTES || range.is_empty() {
        return read(s3, view, content, key, size, range).await;
    }
    let opening = read_whole(s3, view, content, key, size);
    let whole = s3.hot.0.get_or_insert_async(salt, opening).await?;
    // A content of at most a MiB has places that fit.
    let (start, end) = (range.start as usize, (range.end as usize).min(whole.len()));
    Ok(full_body(whole.slice(start.min(end)..end)))
}
