//! Removes records that are older than a day, and streams that have none left.

use super::describe::named;
use super::record::{further_keys, made_at};
use super::{RETENTION, StreamRecord};
use crate::jobs::Job;
use crate::layout::{self, Shelf};
use crate::{DynamoDb, Error};
use danbi_core::Timestamp;
use danbi_store::{Direction, KeyRange};

/// Records that one transaction removes.
const BATCH: usize = 500;

impl DynamoDb {
    /// Trims all streams.
    pub(crate) async fn trim_streams(&self) -> Result<(), Error> {
        let retention = self.options.stream_retention.unwrap_or(RETENTION);
        let before = self.clock.now().plus_millis(-(retention.as_millis() as i64));
        let mut range = layout::all_streams();
        loop {
            let page = self
                .store
                .snapshot()
                .await?
                .scan(range.clone(), Direction::Forward, 100)
                .await?;
            for (key, value) in &page.entries {
                let record: StreamRecord = serde_json::from_slice(value).map_err(Error::internal)?;
                if record.ended.is_some_and(|ended| ended < before) {
                    self.remove_stream(key, record.number).await?;
                    continue;
                }
                for shard in 0..record.shards {
                    for shelf in [Shelf::Ordered, Shelf::Pending] {
                        let trimmed = self.trim_shelf(record.number, shard, shelf, before).await;
                        if let Err(error) = trimmed {
                            let arn = named(key)?.arn();
                            tracing::warn!(?error, %arn, "dynamodb: a stream could not be trimmed; trying again later");
                        }
                    }
                }
            }
            match page.entries.last() {
                Some((last, _)) if page.more => range = range.after(last),
                _ => return Ok(()),
            }
        }
    }

    async fn remove_stream(&self, key: &[u8], number: u64) -> Result<(), Error> {
        self.store
            .transact(async |tx| {
                tx.delete(key)?;
                let records = KeyRange::prefix(layout::stream_records(number));
                self.jobs.add(&tx, Job::clear(records))
            })
            .await?;
        self.jobs.wake();
        Ok(())
    }

    async fn trim_shelf(&self, stream: u64, shard: u32, shelf: Shelf, before: Timestamp) -> Result<(), Error> {
        let range = KeyRange::prefix(layout::shelf(stream, shard, shelf));
        loop {
            let page = self
                .store
                .snapshot()
                .await?
                .scan(range.clone(), Direction::Forward, BATCH)
                .await?;
            let is_old = |value: &[u8]| made_at(value).is_none_or(|made| made < before);
            let old: Vec<_> = page.entries.iter().take_while(|(_, value)| is_old(value)).collect();
            if old.is_empty() {
                return Ok(());
            }
            self.store
                .transact_relaxed(async |tx| {
                    for (key, value) in &old {
                        tx.delete(key)?;
                        for part in further_keys(stream, shard, value) {
                            tx.delete(&part)?;
                        }
                    }
                    Ok::<_, Error>(())
                })
                .await?;
            if old.len() < page.entries.len() || !page.more {
                return Ok(());
            }
        }
    }
}
