//! What a change of an item brings with it besides the item and its index entries: a stream record, the old image for
//! recovery and copies, its place in the list of expiring items, and the counts. All but the counts in the same
//! transaction.
//!
//! # Stamps
//! Each transaction that changes items draws one stamp: microseconds since the epoch, never the same or a smaller one
//! in this process. It is drawn after the transaction took its snapshot. So if transaction B depends on A (it read or
//! overwrote what A wrote), B's snapshot was taken after A's commit, and B's stamp is larger than A's. Order by stamp
//! is therefore the order of changes of each item, and any prefix of it is a state that holds with each change all that
//! the change was based on, and transactions whole. On several nodes this holds as far as their clocks agree.
//!
//! A transaction that writes a table's record, and draws a stamp, is a **barrier**: every change of the table with a
//! smaller stamp is committed by then or will run again with a larger one, because all writes read the record.

use crate::items::capacity::Usage;
use crate::items::throttle::{Spent, Traffic};
use crate::keys::TableId;
use crate::tables::catalog::TableRef;
use crate::tables::expiry;
use crate::tables::record::{IndexRecord, TableRecord};
use crate::tables::usage::Counts;
use crate::{DynamoDb, Error, Item, history, streams};
use danbi_core::Clock;
use danbi_store::Transaction;
use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// Gives transactions their stamps.
pub(crate) struct Stamps {
    clock: Arc<dyn Clock>,
    last: AtomicU64,
    /// Tells the stream records of this process from those of others with the same stamp.
    pub node: u32,
}

impl Stamps {
    pub(crate) fn new(clock: Arc<dyn Clock>) -> Self {
        Self {
            clock,
            last: AtomicU64::new(0),
            node: uuid::Uuid::new_v4().as_fields().0,
        }
    }

    /// The next stamp, in microseconds since the epoch.
    pub(crate) fn next(&self) -> u64 {
        let now = u64::try_from(self.clock.now().as_millis()).unwrap_or(0) * 1000;
        let before = self
            .last
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |last| Some(now.max(last + 1)));
        // The update never declines, so this is the value it replaced.
        let last = before.unwrap_or_else(|last| last);
        now.max(last + 1)
    }
}

/// Who changed an item.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Actor {
    /// A caller.
    Caller,
    /// Time to live.
    TimeToLive,
}

/// The changes of one transaction. Make one in the closure of the transaction, so that each attempt has its own, and
/// give it to [`DynamoDb::committed`] afterwards.
#[derive(Debug)]
pub(crate) struct Changes {
    /// When, in the order of changes.
    pub stamp: u64,
    node: u32,
    number: u32,
    counts: HashMap<TableId, Counts>,
    /// The tables that the transaction has looked up: they are in its read set and stay as they are.
    tables: Vec<(TableRef, Arc<TableRecord>)>,
    /// What is to be paid for, where throughput binds.
    spent: Spent,
    /// How many times a unit counts: twice in a transaction.
    times: f64,
}

impl Changes {
    /// Notes the change of one item from `old` to `new`; `key` is the item's key in the store.
    pub(crate) fn note(
        &mut self,
        tx: &Transaction,
        table: &TableRecord,
        key: &[u8],
        old: Option<&Item>,
        new: Option<&Item>,
        actor: Actor,
    ) -> Result<(), Error> {
        if !table.records_changes() || old == new {
            return Ok(());
        }
        let number = self.number;
        self.number += 1;
        if let Some(stream) = table.live_stream() {
            let place = streams::record::Place {
                stamp: self.stamp,
                node: self.node,
                number,
            };
            streams::record::put(tx, table, stream, key, place, old, new, actor)?;
        }
        if table.keeps_history() {
            history::put(tx, table.id, key, self.stamp, number, old)?;
        }
        if let Some(settings) = &table.time_to_live {
            expiry::change(tx, table.id, settings, key, old, new)?;
        }
        Ok(())
    }

    /// The table whose items the transaction is to change: read once for all of its writes.
    ///
    /// # Errors
    /// Those of [`Catalog::usable`](crate::tables::catalog::Catalog::usable).
    pub(crate) async fn table(
        &mut self,
        dynamodb: &DynamoDb,
        tx: &Transaction,
        table: &TableRef,
    ) -> Result<Arc<TableRecord>, Error> {
        if let Some((_, found)) = self.tables.iter().find(|(known, _)| known == table) {
            return Ok(Arc::clone(found));
        }
        let found = dynamodb.catalog.usable(tx, table).await?;
        self.tables.push((table.clone(), Arc::clone(&found)));
        Ok(found)
    }

    /// Lets a write of `table`, or one that changes `index`, in: [`Throttle::admit`](crate::items::throttle::Throttle::admit).
    pub(crate) fn admit(
        &self,
        dynamodb: &DynamoDb,
        table: &TableRecord,
        index: Option<&IndexRecord>,
    ) -> Result<(), Error> {
        match &dynamodb.throttle {
            Some(throttle) => throttle.admit(table, index, Traffic::Write, &self.spent),
            None => Ok(()),
        }
    }

    /// Notes what a write cost.
    pub(crate) fn spend(&mut self, dynamodb: &DynamoDb, table: &TableRecord, usage: &Usage) {
        if dynamodb.throttle.is_some() {
            self.spent.add(table, usage, Traffic::Write, self.times);
        }
    }

    /// The counts of a table, to add to.
    pub(crate) fn counts(&mut self, table: TableId) -> &mut Counts {
        self.counts.entry(table).or_default()
    }
}

impl DynamoDb {
    /// Begins the changes of a transaction.
    pub(crate) fn changes(&self) -> Changes {
        Changes {
            stamp: self.stamps.next(),
            node: self.stamps.node,
            number: 0,
            counts: HashMap::new(),
            tables: Vec::new(),
            spent: Spent::default(),
            times: 1.0,
        }
    }

    /// The same for a transaction of the caller's, whose units count twice.
    pub(crate) fn transactional_changes(&self) -> Changes {
        Changes {
            times: 2.0,
            ..self.changes()
        }
    }

    /// Counts what was committed, and takes what it cost out of the throughput.
    pub(crate) fn committed(&self, changes: &Changes) {
        if let Some(throttle) = &self.throttle {
            throttle.pay(&changes.spent);
        }
        for (&table, counts) in &changes.counts {
            self.usage.add(table, counts);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use danbi_core::Timestamp;

    struct Still;

    impl Clock for Still {
        fn now(&self) -> Timestamp {
            Timestamp::from_millis(7)
        }
    }

    #[test]
    fn stamps_grow_while_the_clock_stands() {
        let stamps = Stamps::new(Arc::new(Still));
        let drawn: Vec<u64> = (0..3).map(|_| stamps.next()).collect();
        assert_eq!(drawn, [7000, 7001, 7002]);
    }
}
