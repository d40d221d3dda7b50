//! GetObjectTorrent: what a BitTorrent client needs to fetch an object.
//!
//! The object itself is the seed: the file names no tracker, but the object's address as a web seed
//! (<https://www.bittorrent.org/beps/bep_0019.html>), which works for those who may read the object without a signature.
//! Clients that have the object find each other by their own means.

use crate::access;
use crate::content;
use crate::encryption::{self, CustomerHeaders};
use crate::records::EncryptionKind;
use crate::shapes::{GetObjectTorrentOutput, GetObjectTorrentRequest};
use crate::{Error, Result, S3, names, versions};
use danbi_core::{Body, RequestContext, full_body};
use danbi_wire::ResponseParts;
use http::HeaderValue;
use http::header::CONTENT_TYPE;
use http_body_util::BodyExt;
use sha1::{Digest, Sha1};
use std::sync::Arc;

/// The largest object that S3 makes a torrent of: 5 GB.
const MAX_BYTES: u64 = 5_000_000_000;
/// Bytes of a piece of a small object. Larger ones have larger pieces, of which there are at most [`MAX_PIECES`].
const PIECE_BYTES: u64 = 256 << 10;
const MAX_PIECES: u64 = 2048;

/// The torrent of an object's current version. Its bytes are read for it.
pub(crate) async fn get(
    s3: Arc<S3>,
    context: RequestContext,
    input: GetObjectTorrentRequest,
) -> Result<(GetObjectTorrentOutput, ResponseParts)> {
    names::check_key(&input.key)?;
    let view = s3.snapshot().await?;
    let owner = input.expected_bucket_owner.as_deref();
    let bucket = s3.bucket(&view, &context, &input.bucket, owner).await?;
    let found = versions::object(&view, &bucket, &input.key, None, "GET").await;
    let object = match found {
        Ok((_, object)) => object,
        Err(error) => return Err(access::of_missing(&s3, &context, &input.bucket, &input.key, error).await),
    };
    if matches!(object.encryption.kind, EncryptionKind::Customer { .. }) {
        let message = "There is no torrent of an object that is encrypted with a key of the client.";
        return Err(Error::invalid_request(message));
    }
    if object.size > MAX_BYTES {
        return Err(Error::entity_too_large(object.size, MAX_BYTES));
    }
    crate::archive::check_readable(&object, s3.now())?;
    let key = encryption::data_key(&s3, &context, &object.encryption, CustomerHeaders::default()).await?;
    let body = content::read(&s3, &view, &object.content, &key, object.size, 0..object.size).await?;
    drop(view);
    let piece = piece_bytes(object.size);
    let torrent = Torrent {
        name: input
            .key
            .rsplit('/')
            .find(|part| !part.is_empty())
            .unwrap_or(&input.bucket),
        seed: &names::address(&context, &input.bucket, &input.key),
        size: object.size,
        piece,
        hashes: &hashes(body, piece).await?,
    };
    let mut parts = ResponseParts::default();
    let kind = HeaderValue::from_static("application/x-bittorrent");
    parts.headers.insert(CONTENT_TYPE, kind);
    let output = GetObjectTorrentOutput {
        body: full_body(torrent.encoded()).into(),
        ..GetObjectTorrentOutput::default()
    };
    Ok((output, parts))
}

/// Bytes of each piece of an object of `size` bytes: a power of two.
fn piece_bytes(size: u64) -> u64 {
    let mut piece = PIECE_BYTES;
    while size.div_ceil(piece) > MAX_PIECES {
        piece *= 2;
    }
    piece
}

/// The SHA-1 of each piece, one after the other.
async fn hashes(mut body: Body, piece: u64) -> Result<Vec<u8>> {
    let (mut all, mut hash, mut missing) = (Vec::new(), Sha1::new(), piece);
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|error| Error::Damaged(error.to_string()))?;
        let Ok(mut data) = frame.into_data() else { continue };
        while !data.is_empty() {
            let taken = data.split_to((missing as usize).min(data.len()));
            hash.update(&taken);
            missing -= taken.len() as u64;
            if missing == 0 {
                all.extend_from_slice(&hash.finalize_reset());
                missing = piece;
            }
        }
    }
    if missing < piece {
        all.extend_from_slice(&hash.finalize());
    }
    Ok(all)
}

/// A metainfo file (<https://www.bittorrent.org/beps/bep_0003.html>).
struct Torrent<'t> {
    name: &'t str,
    /// Where the bytes are.
    seed: &'t str,
    size: u64,
    piece: u64,
    hashes: &'t [u8],
}

impl Torrent<'_> {
    /// Bencoded: the keys of dictionaries in order, texts with their length before them.
    fn encoded(&self) -> Vec<u8> {
        let Self {
            name,
            seed,
            size,
            piece,
            hashes,
        } = self;
        let head = format!(
            "d4:infod6:lengthi{size}e4:name{}:{name}12:piece lengthi{piece}e6:pieces{}:",
            name.len(),
            hashes.len()
        );
        let tail = format!("e8:url-list{}:{seed}e", seed.len());
        [head.as_bytes(), hashes, tail.as_bytes()].concat()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stories::{Stage, content};
    use danbi_core::read_body;

    #[test]
    fn pieces_are_few_whatever_the_size() {
        assert_eq!(piece_bytes(0), PIECE_BYTES);
        assert_eq!(piece_bytes(512 << 20), PIECE_BYTES);
        assert_eq!(piece_bytes((512 << 20) + 1), 2 * PIECE_BYTES);
        assert_eq!(piece_bytes(MAX_BYTES), 4 << 20);
    }

    #[tokio::test]
    async fn an_object_is_the_seed_of_its_torrent() {
        let stage = Stage::open().await;
        for size in [5, 256 << 10, 700_000] {
            let plain = content(size);
            stage.put("films/one.mpg", plain.clone()).await.unwrap();
            let input = GetObjectTorrentRequest {
                bucket: crate::stories::BUCKET.into(),
                key: "films/one.mpg".into(),
                ..GetObjectTorrentRequest::default()
            };
            let context = crate::stories::context();
            let (mut output, _) = get(Arc::clone(&stage.s3), context, input).await.unwrap();
            let torrent = read_body(output.body.take(), 1 << 20).await.unwrap();
            let hashes: Vec<u8> = plain
                .chunks(256 << 10)
                .flat_map(|piece| Sha1::digest(piece).to_vec())
                .collect();
            let expected = [
                format!(
                    "d4:infod6:lengthi{size}e4:name7:one.mpg12:piece lengthi262144e6:pieces{}:",
                    hashes.len()
                )
                .as_bytes(),
                &hashes,
                b"e8:url-list",
            ]
            .concat();
            assert!(torrent.starts_with(&expected));
            assert!(torrent.ends_with(b"/stage/films/one.mpge"));
        }
    }
}
