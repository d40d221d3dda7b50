//! Time to live: `UpdateTimeToLive`, `DescribeTimeToLive`, and the removal of expired items.
//!
//! A table with time to live has a list of its items by the second at which they expire. Writes maintain it in their own
//! transaction, as they do indexes; switching time to live on fills it with the items from before. So the removal looks
//! at what is due and at nothing else, and what is due goes within [`EVERY`], where AWS promises a few days.

use super::backfill::{Target, rest_of};
use super::catalog::TableRef;
use super::record::{TableRecord, TimeToLive};
use crate::changes::{Actor, Changes};
use crate::items::view::View;
use crate::items::{index, key, stored};
use crate::jobs::{Held, Job, KeyText};
use crate::keys::{self, IndexId, Space, TableId};
use crate::{AttributeValue, DynamoDb, Error, Item, layout, shapes};
use danbi_core::{RequestContext, ServiceError};
use danbi_store::{Direction, KeyRange, StoreError, Transaction};
use serde::{Deserialize, Serialize};
use std::sync::{Arc, Weak};
use std::time::Duration;

/// How often expired items are looked for.
pub(crate) const EVERY: Duration = Duration::from_secs(30);
/// Items that expired longer ago than this stay, as DynamoDB has it: the attribute is then taken for a mistake.
const TOO_OLD: Duration = Duration::from_secs(5 * 365 * 24 * 60 * 60);
/// Items that one look at a table takes, and that one step of the filling takes.
const BATCH: usize = 100;
/// How long a node that removes items keeps others from doing the same.
const LEASE: Duration = Duration::from_secs(10);

/// The second at which an item expires; none when the attribute is no number, or negative.
fn second(item: &Item, attribute: &str) -> Option<u64> {
    match item.get(attribute)? {
        AttributeValue::N(number) => {
            let text = number.to_string();
            let seconds: f64 = text.parse().ok()?;
            (seconds >= 0.0 && seconds <= u64::MAX as f64).then_some(seconds as u64)
        }
        _ => None,
    }
}

/// Keeps the list of expiring items in step with a change.
pub(crate) fn change(
    tx: &Transaction,
    table: TableId,
    settings: &TimeToLive,
    key: &[u8],
    old: Option<&Item>,
    new: Option<&Item>,
) -> Result<(), Error> {
    let due = |item: Option<&Item>| item.and_then(|item| second(item, &settings.attribute));
    let (before, after) = (due(old), due(new));
    if before == after {
        return Ok(());
    }
    let suffix = keys::item_suffix(key);
    if let Some(before) = before {
        tx.delete(&layout::expiry(table, settings.number, before, suffix))?;
    }
    if let Some(after) = after {
        tx.put(&layout::expiry(table, settings.number, after, suffix), Vec::new())?;
    }
    Ok(())
}

/// Takes a table off the list of those whose items expire.
pub(super) fn unlist(tx: &Transaction, table: &TableRecord) -> Result<(), Error> {
    Ok(tx.delete(&layout::expiring(table.id))?)
}

/// `DescribeTimeToLive`.
pub(crate) async fn describe(
    dynamodb: Arc<DynamoDb>,
    context: RequestContext,
    input: shapes::DescribeTimeToLiveInput,
) -> Result<shapes::DescribeTimeToLiveOutput, ServiceError> {
    let table = dynamodb.existing_table(&context, &input.table_name).await?;
    let settings = table.time_to_live.as_ref();
    Ok(shapes::DescribeTimeToLiveOutput {
        time_to_live_description: Some(shapes::TimeToLiveDescription {
            time_to_live_status: Some(if settings.is_some() { "ENABLED" } else { "DISABLED" }.into()),
            attribute_name: settings.map(|settings| settings.attribute.clone()),
        }),
    })
}

/// `UpdateTimeToLive`.
pub(crate) async fn update(
    dynamodb: Arc<DynamoDb>,
    context: RequestContext,
    input: shapes::UpdateTimeToLiveInput,
) -> Result<shapes::UpdateTimeToLiveOutput, ServiceError> {
    let table = TableRef::parse(&context, &input.table_name)?;
    let wanted = &input.time_to_live_specification;
    let attribute = &wanted.attribute_name;
    if !(1..=255).contains(&attribute.len()) {
        let bound = if attribute.is_empty() {
            "greater than or equal to 1"
        } else {
            "less than or equal to 255"
        };
        return Err(Error::constraint(
            attribute,
            "timeToLiveSpecification.attributeName",
            format_args!("Member must have length {bound}"),
        )
        .into());
    }
    let now = dynamodb.clock.now();
    dynamodb
        .store
        .transact(async |tx| {
            let found = dynamodb.catalog.find(&tx, &table).await?;
            let found = found.ok_or_else(|| Error::table_not_found(&table.name))?;
            let mut record = TableRecord::clone(&found);
            match (&found.time_to_live, wanted.enabled) {
                (None, false) => return Err(Error::validation("TimeToLive is already disabled")),
                (Some(settings), true) if settings.attribute == *attribute => {
                    return Err(Error::validation("TimeToLive is already enabled"));
                }
                (Some(settings), true) => {
                    return Err(Error::validation(format!(
                        "TimeToLive is active on a different AttributeName: current AttributeName is {}",
                        settings.attribute
                    )));
                }
                (Some(settings), false) if settings.attribute != *attribute => {
                    return Err(Error::validation(format!(
                        "TimeToLive is active on a different AttributeName: current AttributeName is {}",
                        settings.attribute
                    )));
                }
                (Some(settings), false) => {
                    unlist(&tx, &found)?;
                    let list = KeyRange::prefix(layout::expiry_list(found.id, settings.number));
                    dynamodb.jobs.add(&tx, Job::clear(list))?;
                    record.time_to_live = None;
                }
                (None, true) => {
                    let target = Target::of(&found);
                    let number = record.next_index;
                    record.next_index += 1;
                    record.time_to_live = Some(TimeToLive {
                        attribute: attribute.clone(),
                        number,
                        since: now,
                    });
                    let mark = serde_json::to_vec(&target).map_err(Error::internal)?;
                    tx.put(&layout::expiring(found.id), mark)?;
                    let fill = FillExpiry {
                        target,
                        list: number,
                        after: None,
                    };
                    dynamodb.jobs.add(&tx, Job::FillExpiry(fill))?;
                }
            }
            dynamodb.catalog.put(&tx, record)?;
            Ok(())
        })
        .await?;
    dynamodb.jobs.wake();
    Ok(shapes::UpdateTimeToLiveOutput {
        time_to_live_specification: Some(wanted.clone()),
    })
}

/// A list of expiring items to fill with the items from before.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct FillExpiry {
    target: Target,
    list: IndexId,
    after: Option<KeyText>,
}

impl DynamoDb {
    pub(crate) async fn fill_expiry_step(&self, held: &Held, fill: &FillExpiry) -> Result<Option<Job>, Error> {
        let range = rest_of(keys::space(fill.target.id, Space::Item, 0), fill.after.as_ref());
        let page = self
            .store
            .snapshot()
            .await?
            .scan(range, Direction::Forward, BATCH)
            .await?;
        let next = page.entries.last().filter(|_| page.more).map(|(last, _)| {
            Job::FillExpiry(FillExpiry {
                after: Some(KeyText::from(last.to_vec())),
                ..fill.clone()
            })
        });
        let goes_on = self
            .store
            .transact(async |tx| {
                let table = self.target(&tx, &fill.target).await?;
                let settings = table.as_ref().and_then(|table| table.time_to_live.as_ref());
                let Some(settings) = settings.filter(|settings| settings.number == fill.list) else {
                    self.advance(&tx, held, None).await?;
                    return Ok(false);
                };
                for (item_key, _) in &page.entries {
                    if let Some(stored) = stored::get(View::Transaction(&tx), item_key).await? {
                        let item = stored.some(|name| name == settings.attribute)?;
                        change(&tx, fill.target.id, settings, item_key, None, Some(&item))?;
                    }
                }
                self.advance(&tx, held, next.as_ref()).await?;
                Ok::<_, Error>(true)
            })
            .await?;
        Ok(next.filter(|_| goes_on))
    }

    /// Removes what has expired in all tables.
    async fn remove_expired(&self) -> Result<(), Error> {
        let mut range = layout::all_expiring();
        loop {
            let page = self
                .store
                .snapshot()
                .await?
                .scan(range.clone(), Direction::Forward, 100)
                .await?;
            for (_, value) in &page.entries {
                let target: Target = serde_json::from_slice(value).map_err(Error::internal)?;
                if let Err(error) = self.remove_expired_of(&target).await {
                    tracing::warn!(
                        ?error,
                        "dynamodb: expired items could not be removed; trying again later"
                    );
                }
            }
            match page.entries.last() {
                Some((last, _)) if page.more => range = range.after(last),
                _ => return Ok(()),
            }
        }
    }

    async fn remove_expired_of(&self, target: &Target) -> Result<(), Error> {
        loop {
            let snapshot = self.store.snapshot().await?;
            let found = self.catalog.find_in(&snapshot, &target.table()?).await?;
            let Some(table) = found.filter(|table| table.id == target.id) else {
                return Ok(());
            };
            let Some(settings) = &table.time_to_live else {
                return Ok(());
            };
            let now = u64::try_from(self.clock.now().as_secs()).unwrap_or(0);
            let due = KeyRange::new(
                layout::expiry(table.id, settings.number, now.saturating_sub(TOO_OLD.as_secs()), &[]),
                layout::expiry(table.id, settings.number, now.saturating_add(1), &[]),
            );
            let page = snapshot.scan(due, Direction::Forward, BATCH).await?;
            if page.entries.is_empty() || !self.lease("expiry", LEASE).await? {
                return Ok(());
            }
            for (entry, _) in &page.entries {
                let Some(suffix) = layout::expiring_item(entry) else {
                    continue;
                };
                let mut item_key = keys::space(table.id, Space::Item, suffix.len());
                item_key.extend_from_slice(suffix);
                let changes = self
                    .store
                    .transact(async |tx| self.remove_if_expired(&tx, target, &item_key, entry, now).await)
                    .await?;
                self.committed(&changes);
            }
            if !page.more {
                return Ok(());
            }
        }
    }

    async fn remove_if_expired(
        &self,
        tx: &Transaction,
        target: &Target,
        item_key: &[u8],
        entry: &[u8],
        now: u64,
    ) -> Result<Changes, Error> {
        let mut changes = self.changes();
        let table = self.target(tx, target).await?;
        let settings = table
            .as_ref()
            .and_then(|table| Some((table, table.time_to_live.as_ref()?)));
        let Some((table, settings)) = settings else {
            return Ok(changes);
        };
        let stored = stored::get(View::Transaction(tx), item_key).await?;
        let old = match &stored {
            Some(stored) => stored.item()?,
            None => Item::new(),
        };
        match (&stored, second(&old, &settings.attribute)) {
            (Some(stored), Some(due)) if due <= now => {
                let located = key::item_key(table, &old)?;
                stored::delete(tx, item_key, stored)?;
                let counts = changes.counts(table.id);
                index::change(tx, table, &located, Some(&old), None, counts)?;
                counts.replace(Some(stored.size), None);
                changes.note(tx, table, item_key, Some(&old), None, Actor::TimeToLive)?;
            }
            // The item was changed or removed since; its entry goes with that change, unless it is a stray.
            (_, due) => {
                if due.is_none_or(|due| {
                    layout::expiry(table.id, settings.number, due, keys::item_suffix(item_key)) != entry
                }) {
                    tx.delete(entry)?;
                }
            }
        }
        Ok(changes)
    }
}

/// Removes what has expired, for as long as the service runs.
pub(crate) async fn run(dynamodb: Weak<DynamoDb>, every: Duration) {
    loop {
        tokio::time::sleep(every).await;
        let Some(service) = dynamodb.upgrade() else { return };
        match service.remove_expired().await {
            Ok(()) => {}
            Err(Error::Store(StoreError::Closed)) => return,
            Err(error) => tracing::warn!(
                ?error,
                "dynamodb: expired items could not be looked for; trying again later"
            ),
        }
    }
}
