use crate::checksum::{Digests, Verifier};
use crate::crypto::{Encryptor, SecretKey};
use crate::ids::ContentId;
use crate::records::{Content, Extent};
use crate::{Error, Result, S3, crypto, keys};
use bytes::{Bytes, BytesMut};
use danbi_core::{Body, ServiceError};
use danbi_store::Transaction;
use http::HeaderMap;
use http_body_util::BodyExt;

/// Bytes that are hashed and sealed at a time, off the threads that serve connections.
const BATCH_BYTES: usize = 512 * 1024;
/// By how much the last frame of a batch usually passes that.
const FRAME_BYTES: usize = 64 * 1024;

/// What a request says of the body that it sends.
#[derive(Debug)]
pub(crate) struct Expected {
    /// Bytes, when it said.
    pub length: Option<u64>,
    /// The most bytes that are taken.
    pub max: u64,
    /// Its checksums, in headers and trailers.
    pub verifier: Verifier,
    /// Up to so many bytes go into the store instead of a blob.
    pub inline_bytes: usize,
}

/// A body that was received whole, hashed and sealed.
#[derive(Debug)]
pub(crate) struct Received {
    pub size: u64,
    pub digests: Digests,
    pub place: Place,
}

/// Where the sealed bytes are.
#[derive(Debug, Clone)]
pub(crate) enum Place {
    /// There are none.
    Empty,
    /// In memory, to be put into the store.
    Inline(ContentId, Bytes),
    /// In a blob that is on disk.
    Blob(Extent),
}

impl Received {
    /// The received bytes as the content of an object.
    pub(crate) fn content(&self) -> Content {
        match &self.place {
            Place::Empty => Content::Empty,
            Place::Inline(id, _) => Content::Inline(*id),
            Place::Blob(extent) => Content::Whole(extent.clone()),
        }
    }

    /// Stores, with the transaction, what makes the content the object's.
    pub(crate) fn attach(&self, tx: &Transaction) -> Result<()> {
        match &self.place {
            Place::Empty => {}
            Place::Inline(id, sealed) => tx.put(&keys::inline(id), sealed.clone())?,
            Place::Blob(extent) => tx.put(&keys::blob_use(&extent.blob, &extent.holder), Bytes::new())?,
        }
        Ok(())
    }
}

/// Receives a body to its end: hashes it, seals it under a key of `key`, stores it.
///
/// # Errors
/// `IncompleteBody`, `EntityTooLarge`, what [`Verifier::finish`] finds, and what the wire found wrong with the body;
/// nothing is stored then.
pub(crate) async fn receive(s3: &S3, mut body: Body, key: &SecretKey, expected: Expected) -> Result<Received> {
    if let Some(length) = expected.length.filter(|length| *length > expected.max) {
        return Err(Error::entity_too_large(length, expected.max));
    }
    let id = ContentId::new(s3.now());
    let key = crypto::content_key(key, id.as_bytes());
    let mut intake = Intake::default();
    // One byte more than fits inline tells that it does not.
    intake.fill(&mut body, expected.inline_bytes + 1).await?;
    if intake.gathered.len() <= expected.inline_bytes {
        small(intake, id, &key, expected)
    } else {
        large(s3, body, intake, id, &key, expected).await
    }
}

fn check_length(expected: Option<u64>, size: u64) -> Result<()> {
    if expected.is_some_and(|length| length != size) {
        return Err(Error::incomplete_body());
    }
    Ok(())
}

/// What came in of a body and was not worked on yet.
#[derive(Default)]
struct Intake {
    gathered: BytesMut,
    trailers: HeaderMap,
    ended: bool,
}

impl Intake {
    /// Reads on until there are at least `wanted` bytes, or no more come.
    async fn fill(&mut self, body: &mut Body, wanted: usize) -> Result<()> {
        while !self.ended && self.gathered.len() < wanted {
            let Some(frame) = body.frame().await else {
                self.ended = true;
                break;
            };
            match frame.map_err(ServiceError::of_body)?.into_data() {
                Ok(data) if self.gathered.capacity() == 0 => {
                    // The common case of a body in one piece is taken over without a copy.
                    self.gathered = data.try_into_mut().unwrap_or_else(|data| BytesMut::from(&*data));
                }
                Ok(data) => self.gathered.extend_from_slice(&data[..]),
                Err(frame) => {
                    if let Ok(trailers) = frame.into_trailers() {
                        self.trailers = trailers;
                    }
                }
            }
        }
        Ok(())
    }
}

fn small(intake: Intake, id: ContentId, key: &SecretKey, expected: Expected) -> Result<Received> {
    let plain = intake.gathered.freeze();
    let size = plain.len() as u64;
    check_length(expected.length, size)?;
    let mut verifier = expected.verifier;
    verifier.update(&plain);
    let digests = verifier.finish(Some(&intake.trailers))?;
    let place = if plain.is_empty() {
        Place::Empty
    } else {
        Place::Inline(id, crypto::seal(key, &plain)?)
    };
    Ok(Received { size, digests, place })
}

/// What is computed over the bytes as they pass.
struct Pass {
    size: u64,
    verifier: Verifier,
    sealing: Encryptor,
    sealed: Buffers,
}

impl Pass {
    fn take(&mut self, plain: &[u8]) -> Result<Bytes> {
        self.size += plain.len() as u64;
        self.verifier.update(plain);
        let mut sealed = self.sealed.next();
        self.sealing.push(plain, &mut sealed)?;
        Ok(self.sealed.filled(sealed))
    }
}

/// Two buffers in turns, each used again once nobody holds what was last in it: an upload of any length moves through
/// the same memory, and the allocator sees nothing of it.
struct Buffers {
    capacity: usize,
    spare: [BytesMut; 2],
    turn: usize,
}

impl Buffers {
    fn new(capacity: usize) -> Self {
        Self {
            capacity,
            spare: Default::default(),
            turn: 0,
        }
    }

    /// An empty buffer with room for a batch. Goes back by [`Buffers::filled`].
    fn next(&mut self) -> BytesMut {
        self.turn ^= 1;
        let mut buffer = std::mem::take(&mut self.spare[self.turn]);
        // Its old room, when that is free again.
        buffer.reserve(self.capacity);
        buffer
    }

    /// What was written into the buffer whose turn it is.
    fn filled(&mut self, mut buffer: BytesMut) -> Bytes {
        let bytes = buffer.split().freeze();
        self.spare[self.turn] = buffer;
        bytes
    }
}

async fn large(
    s3: &S3,
    mut body: Body,
    mut intake: Intake,
    id: ContentId,
    key: &SecretKey,
    expected: Expected,
) -> Result<Received> {
    let mut writer = s3.blobs.writer().await?;
    let usual = expected.length.and_then(|length| usize::try_from(length).ok());
    let capacity = usual.unwrap_or(BATCH_BYTES).min(BATCH_BYTES) + FRAME_BYTES;
    let mut pass = Pass {
        size: 0,
        verifier: expected.verifier,
        sealing: Encryptor::new(key),
        // What was held of the batch before comes out with it.
        sealed: Buffers::new(crypto::sealed_length((capacity + FRAME_BYTES) as u64) as usize),
    };
    let mut plain = Buffers::new(capacity);
    let first = std::mem::replace(&mut intake.gathered, plain.next());
    intake.gathered.extend_from_slice(&first);
    drop(first);
    let mut seen = 0;
    loop {
        intake.fill(&mut body, BATCH_BYTES).await?;
        let batch = plain.filled(std::mem::take(&mut intake.gathered));
        seen += batch.len() as u64;
        if seen > expected.max {
            return Err(Error::entity_too_large(seen, expected.max));
        }
        if batch.is_empty() {
            break;
        }
        let working = tokio::task::spawn_blocking(move || {
            let sealed = pass.take(&batch);
            drop(batch);
            (pass, sealed)
        });
        // The next batch comes in meanwhile; an error of the client's is found out after the work under way.
        intake.gathered = plain.next();
        let filled = intake.fill(&mut body, BATCH_BYTES).await;
        let (returned, sealed) = working.await.map_err(|error| Error::Interrupted(error.to_string()))?;
        pass = returned;
        writer.write(sealed?).await?;
        filled?;
    }
    // What is not as it was declared is dropped before it is put in place.
    check_length(expected.length, pass.size)?;
    let digests = pass.verifier.finish(Some(&intake.trailers))?;
    let mut last = BytesMut::new();
    pass.sealing.finish(&mut last)?;
    writer.write(last.freeze()).await?;
    let (blob, _) = writer.finish().await?;
    Ok(Received {
        size: pass.size,
        digests,
        place: Place::Blob(Extent {
            blob,
            salt: id,
            holder: id,
            size: pass.size,
            part: 0,
            checksum: None,
        }),
    })
}
