use crate::crypto::{Decryptor, SecretKey};
use crate::records::{self, Content, Extent, ExtentPage, View};
use crate::{Error, Result, S3, crypto, keys};
use bytes::{Bytes, BytesMut};
use danbi_blobs::BlobReader;
use danbi_core::{Body, BodyError, empty_body, full_body};
use danbi_store::Direction;
use futures_util::TryStreamExt;
use http_body::Frame;
use http_body_util::{BodyExt, StreamBody};
use std::collections::VecDeque;
use std::ops::Range;

/// Pages of extents read at a time.
const PAGES: usize = 8;

/// The bytes `range` of a content of `size` bytes, as a body that opens them while it is read. A body whose bytes are
/// not those that were written breaks off before the first wrong one.
///
/// # Errors
/// [`Error::Damaged`] when the content's place is missing or the first bytes are not as they were written.
pub(crate) async fn read(
    s3: &S3,
    view: &impl View,
    content: &Content,
    key: &SecretKey,
    size: u64,
    range: Range<u64>,
) -> Result<Body> {
    if range.is_empty() {
        return Ok(empty_body());
    }
    let extents = match content {
        Content::Empty => return Ok(empty_body()),
        Content::Inline(id) => {
            let sealed = view.value(&keys::inline(id)).await?;
            let sealed = sealed.ok_or_else(|| Error::Damaged(format!("the content {id} is missing")))?;
            let plain = crypto::open(&crypto::content_key(key, id.as_bytes()), size, sealed)?;
            let Range { start, end } = range;
            let (start, end) = (start as usize, (end as usize).min(plain.len()));
            return Ok(full_body(plain.slice(start.min(end)..end)));
        }
        Content::Whole(extent) => VecDeque::from([Wanted {
            extent: extent.clone(),
            range,
        }]),
        Content::Spread(id) => {
            let mut wanted = VecDeque::new();
            let mut pages = keys::below(keys::extent_pages(id));
            let mut offset = 0;
            'pages: loop {
                let page = view.page(pages.clone(), Direction::Forward, PAGES).await?;
                for (_, value) in &page.entries {
                    for extent in records::decode::<ExtentPage>(value)?.extents {
                        let within = range.start.saturating_sub(offset).min(extent.size)
                            ..range.end.saturating_sub(offset).min(extent.size);
                        offset += extent.size;
                        if !within.is_empty() {
                            wanted.push_back(Wanted { extent, range: within });
                        }
                        if offset >= range.end {
                            break 'pages;
                        }
                    }
                }
                match page.entries.last() {
                    Some((last, _)) if page.more => pages = pages.after(last),
                    _ => return Err(Error::Damaged(format!("extents of the content {id} are missing"))),
                }
            }
            wanted
        }
    };
    let mut reading = Reading {
        s3: s3.blobs.clone(),
        key: key.clone(),
        wanted: extents,
        now: None,
    };
    // The first piece is opened before the answer begins, so that damage is an error and not a broken body.
    let first = reading.next().await?;
    let rest = futures_util::stream::try_unfold(reading, |mut reading| async move {
        match reading.next().await {
            Ok(Some(piece)) => Ok(Some((piece, reading))),
            Ok(None) => Ok(None),
            Err(error) => {
                tracing::error!(%error, "the content of an object cannot be read; the response is broken off");
                Err(BodyError::from(error))
            }
        }
    });
    let first = futures_util::stream::iter(first.map(Ok));
    let frames = futures_util::StreamExt::chain(first, rest).map_ok(Frame::data);
    Ok(StreamBody::new(frames).boxed_unsync())
}

/// All bytes of a content, for those who need them at once.
///
/// # Errors
/// As [`read`].
pub(crate) async fn read_whole(
    s3: &S3,
    view: &impl View,
    content: &Content,
    key: &SecretKey,
    size: u64,
) -> Result<Bytes> {
    let mut body = read(s3, view, content, key, size, 0..size).await?;
    let mut whole = BytesMut::with_capacity(usize::try_from(size).unwrap_or(0));
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|error| Error::Damaged(error.to_string()))?;
        if let Ok(data) = frame.into_data() {
            whole.extend_from_slice(&data);
        }
    }
    Ok(whole.freeze())
}

/// A part of an extent.
struct Wanted {
    extent: Extent,
    range: Range<u64>,
}

struct Reading {
    s3: danbi_blobs::Blobs,
    key: SecretKey,
    wanted: VecDeque<Wanted>,
    now: Option<Open>,
}

/// The extent that is being read.
struct Open {
    blob: BlobReader,
    opening: Decryptor,
    /// Sealed bytes that were read and not opened yet.
    sealed: Bytes,
}

impl Reading {
    /// The next plain bytes; `None` at the end.
    async fn next(&mut self) -> Result<Option<Bytes>> {
        loop {
            if self.now.is_none() {
                let Some(Wanted { extent, range }) = self.wanted.pop_front() else {
                    return Ok(None);
                };
                let opening = Decryptor::new(
                    &crypto::content_key(&self.key, extent.salt.as_bytes()),
                    extent.size,
                    range,
                )?;
                let blob = self.s3.open_range(&extent.blob, opening.sealed_range()).await?;
                self.now = Some(Open {
                    blob,
                    opening,
                    sealed: Bytes::new(),
                });
            }
            let Some(open) = &mut self.now else { continue };
            if open.sealed.is_empty() {
                match open.blob.chunk().await? {
                    Some(chunk) => open.sealed = chunk,
                    None => {
                        if let Some(open) = self.now.take() {
                            open.opening.finish()?;
                        }
                        continue;
                    }
                }
            }
            if let Some(plain) = open.opening.push(&mut open.sealed)?
                && !plain.is_empty()
            {
                return Ok(Some(plain));
            }
        }
    }
}
