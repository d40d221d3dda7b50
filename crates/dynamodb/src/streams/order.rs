//! Gives pending records their places; see [`super`] for why here.

use crate::layout::{self, Shelf};
use crate::{DynamoDb, Error};
use danbi_store::{Direction, KeyRange};

/// Records that one transaction gives their places, and the bytes at which it stops.
const MAX_MOVED: usize = 1000;
const MAX_MOVED_BYTES: usize = 3_000_000;
/// Transactions that one call makes at most; more than a reader takes in one answer.
const MAX_ROUNDS: usize = 64;

/// The sequence number of a shard's first record.
pub(super) const FIRST: u64 = 1;

impl DynamoDb {
    /// Gives all records of a shard that are committed now their places; returns the next number, which belongs to no
    /// record yet. After [`MAX_ROUNDS`] it stops early, and what is left is ordered by the next call.
    pub(super) async fn order_shard(&self, stream: u64, shard: u32) -> Result<u64, Error> {
        let head_key = layout::shelf(stream, shard, Shelf::Head);
        let pending = KeyRange::prefix(layout::shelf(stream, shard, Shelf::Pending));
        let mut next = FIRST;
        for _ in 0..MAX_ROUNDS {
            let snapshot = self.store.snapshot().await?;
            let known = snapshot.get(&head_key).await?;
            next = known.as_deref().and_then(layout::trailing).unwrap_or(FIRST);
            let page = snapshot.scan(pending.clone(), Direction::Forward, MAX_MOVED).await?;
            if page.entries.is_empty() {
                break;
            }
            let mut bytes = 0;
            let moved = page.entries.iter().take_while(|(_, value)| {
                bytes += value.len() + 100;
                bytes <= MAX_MOVED_BYTES
            });
            let moved: Vec<_> = moved.collect();
            let whole = moved.len() == page.entries.len() && !page.more;
            let placed = self
                .store
                .transact(async |tx| {
                    // Whoever moved records since the snapshot has moved the head as well.
                    if tx.get(&head_key).await? != known {
                        return Ok::<_, Error>(false);
                    }
                    for (&(key, value), sequence) in moved.iter().zip(next..) {
                        tx.put(&layout::ordered(stream, shard, sequence), value.clone())?;
                        tx.delete(key)?;
                    }
                    let head = next + moved.len() as u64;
                    tx.put(&head_key, head.to_be_bytes().to_vec())?;
                    Ok(true)
                })
                .await?;
            if placed {
                next += moved.len() as u64;
                if whole {
                    break;
                }
            }
        }
        Ok(next)
    }
}
