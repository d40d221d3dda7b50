//! The bytes of objects: how they are received, sealed, stored and read.
//!
//! What the rest of the crate knows of them is [`Content`](crate::records::Content): nothing, a value of the store, one
//! blob, or a list of blobs. The bytes on disk are sealed with the object's data key, in frames of
//! 64 KiB, so that any range can be read and authenticated alone.
//!
//! # What `crypto` gives
//! ```ignore
//! MasterKey::open(path) -> Result<MasterKey>                    // made with mode 0600 when missing
//! MasterKey::seal_key(&self, &DataKey) -> String                // base64, for `Encryption::key`
//! MasterKey::open_key(&self, &str) -> Result<DataKey>
//! DataKey::random()
//! DataKey::sealer(&self, salt: &ContentId) -> Sealer            // the frames' key is derived from data key and salt
//! Sealer::seal(&mut self, plain: &[u8], out: &mut BytesMut)     // writes whole frames, keeps the rest
//! Sealer::finish(self, out: &mut BytesMut)                      // the last frame is marked as the last: no cut goes unseen
//! DataKey::opener(&self, salt: &ContentId, size: u64) -> Opener // `size`: plain bytes of the whole segment
//! Opener::open(&self, frame: u64, sealed: BytesMut) -> Result<Bytes>   // Error::Damaged
//! FRAME_BYTES, SEALED_FRAME_BYTES, sealed_size(size)
//! ```
//!
//! # What `checksums` gives
//! ```ignore
//! Algorithm::{Crc32, Crc32c, Crc64Nvme, Sha1, Sha256, …}: parse("CRC32"), name()
//! Hasher::new(Algorithm), update(&[u8]), finish() -> String     // base64
//! requested(&PutObjectRequest-like fields) -> Result<Option<Requested { algorithm, value: Option<String> }>>
//! ```
