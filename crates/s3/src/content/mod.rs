//! The bytes of objects: how they are received, sealed, stored and read.
//!
//! What the rest of the crate knows of them is [`Content`]: nothing, a value of the store, one blob, or a list of blobs.
//! On disk they are sealed ([`crypto`](crate::crypto)) under a key that follows from the object's data key and a salt,
//! in frames, so that any range can be read and authenticated alone.
//!
//! Receiving is one pass: MD5, checksum and sealing happen to each batch while the next one arrives, and nothing is kept
//! but the batches under way. What was received is a [`Received`], which belongs to nobody until [`Received::attach`] says
//! in a transaction whose it is; dropped before, its blob is what the collector removes.

mod hot;
mod read;
mod receive;

pub(crate) use hot::{Hot, read_public};
pub(crate) use read::{read, read_whole};
pub(crate) use receive::{Expected, Place, Received, receive};

use crate::ids::ContentId;
use crate::records::{self, Content, Doomed};
use crate::{Result, keys};
use danbi_core::Timestamp;
use danbi_store::Transaction;

/// Gives up what `content` holds. True when something is left to the sweeper, which wants to be told after the commit.
pub(crate) fn release(tx: &Transaction, content: &Content, now: Timestamp) -> Result<bool> {
    match content {
        Content::Empty => Ok(false),
        Content::Inline(id) => {
            tx.delete(&keys::inline(id))?;
            Ok(false)
        }
        Content::Whole(extent) => {
            tx.delete(&keys::blob_use(&extent.blob, &extent.holder))?;
            Ok(false)
        }
        Content::Spread(id) => {
            let doomed = records::encode(&Doomed::Extents(*id))?;
            tx.put(&keys::doomed(now.as_millis(), &ContentId::new(now)), doomed)?;
            Ok(true)
        }
    }
}
