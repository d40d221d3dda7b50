//! How a copy comes by its bytes.

use bytes::Bytes;
use danbi_core::Timestamp;
use danbi_store::{Direction, Transaction};
use http_body_util::BodyExt;

use crate::checksum::{ChecksumAlgorithm, Declared, Digests, Verifier};
use crate::crypto::{self, SecretKey};
use crate::ids::ContentId;
use crate::records::{self, Content, ExtentPage, Object, View};
use crate::{Error, Result, S3, content, keys};

/// Pages of extents that are read at a time.
const PAGES: usize = 8;

/// The content of a copy, before the transaction that makes it one.
pub(super) enum Prepared {
    /// There are no bytes.
    Empty,
    /// Bytes that go into the store again, sealed anew.
    Inline(ContentId, Bytes),
    /// Blobs that the source has.
    Shared,
}

/// Reads and seals what cannot be shared.
pub(super) async fn prepare(
    s3: &S3,
    view: &impl View,
    object: &Object,
    key: &SecretKey,
    now: Timestamp,
) -> Result<Prepared> {
    match &object.content {
        Content::Empty => Ok(Prepared::Empty),
        Content::Inline(_) => {
            let plain = content::read_whole(s3, view, &object.content, key, object.size).await?;
            let id = ContentId::new(now);
            // Another salt makes another key: no two contents are sealed under one.
            let sealed = crypto::seal(&crypto::content_key(key, id.as_bytes()), &plain)?;
            Ok(Prepared::Inline(id, sealed))
        }
        Content::Whole(_) | Content::Spread(_) => Ok(Prepared::Shared),
    }
}

impl Prepared {
    /// Makes the content the copy's. `source` is the source's, as the same transaction read it.
    pub(super) async fn attach(&self, tx: &Transaction, source: &Content, now: Timestamp) -> Result<Content> {
        match (self, source) {
            (Self::Empty, _) => Ok(Content::Empty),
            (Self::Inline(id, sealed), _) => {
                tx.put(&keys::inline(id), sealed.clone())?;
                Ok(Content::Inline(*id))
            }
            (Self::Shared, Content::Whole(extent)) => {
                let mut extent = extent.clone();
                extent.holder = ContentId::new(now);
                extent.part = 0;
                extent.checksum = None;
                tx.put(&keys::blob_use(&extent.blob, &extent.holder), Bytes::new())?;
                Ok(Content::Whole(extent))
            }
            (Self::Shared, Content::Spread(source)) => share_pages(tx, source, ContentId::new(now)).await,
            (Self::Shared, Content::Empty | Content::Inline(_)) => {
                Err(Error::Damaged("a version has another content than it had".into()))
            }
        }
    }
}

/// The pages of a content of many extents, once more in the name of `id`.
async fn share_pages(tx: &Transaction, source: &ContentId, id: ContentId) -> Result<Content> {
    let mut pages = keys::below(keys::extent_pages(source));
    let mut offset = 0;
    loop {
        let found = tx.scan(pages.clone(), Direction::Forward, PAGES).await?;
        for (_, value) in &found.entries {
            let mut page: ExtentPage = records::decode(value)?;
            let begins = offset;
            for extent in &mut page.extents {
                extent.holder = id;
                extent.part = 0;
                extent.checksum = None;
                offset += extent.size;
                tx.put(&keys::blob_use(&extent.blob, &extent.holder), Bytes::new())?;
            }
            tx.put(&keys::extent_page(&id, begins), records::encode(&page)?)?;
        }
        match found.entries.last() {
            Some((last, _)) if found.more => pages = pages.after(last),
            _ => return Ok(Content::Spread(id)),
        }
    }
}

/// Reads the bytes for their MD5 and the checksum of `algorithm`.
pub(super) async fn digest(
    s3: &S3,
    view: &impl View,
    object: &Object,
    key: &SecretKey,
    algorithm: ChecksumAlgorithm,
) -> Result<Digests> {
    let mut verifier = Verifier::new(Declared::nothing(), &[algorithm]);
    let mut body = content::read(s3, view, &object.content, key, object.size, 0..object.size).await?;
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|error| Error::Damaged(error.to_string()))?;
        if let Ok(data) = frame.into_data() {
            verifier.update(&data);
        }
    }
    verifier.finish(None)
}
