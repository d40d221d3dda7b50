//! What has happened to databases, snapshots and parameter groups: written in the transaction that makes it so, and told
//! for two weeks.

use crate::describe::{page, passes, time};
use crate::keys::{self, Kind};
use crate::records::{self, Record, SnapshotRecord, encode};
use crate::shapes::*;
use crate::{Error, Rds, Result, names};
use bytes::Bytes;
use danbi_core::{RequestContext, Scope};
use danbi_store::{Direction, KeyRange, Store, Transaction};
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// Days for which events are told.
const DAYS: i64 = 14;
/// Minutes of events that are told when nothing else is asked for.
const MINUTES: i64 = 60;
/// Events that one transaction forgets.
const BATCH: usize = 500;
/// Kinds of what events are about, with their categories. Source: the RDS User Guide, "Amazon RDS event categories".
const CATEGORIES: [(&str, &[&str]); 5] = [
    (
        "db-instance",
        &[
            "availability",
            "backup",
            "configuration change",
            "creation",
            "deletion",
            "failure",
            "notification",
            "recovery",
            "restoration",
        ],
    ),
    (
        "db-cluster",
        &[
            "configuration change",
            "creation",
            "deletion",
            "failure",
            "notification",
        ],
    ),
    ("db-snapshot", &["creation", "deletion", "notification", "restoration"]),
    ("db-cluster-snapshot", &["backup", "notification"]),
    ("db-parameter-group", &["configuration change"]),
];
/// Kinds of AWS's that nothing here has.
const OTHERS: [&str; 6] = [
    "db-security-group",
    "custom-engine-version",
    "db-proxy",
    "blue-green-deployment",
    "db-shard-group",
    "zero-etl",
];

/// Something that happened.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct EventRecord {
    kind: String,
    source: String,
    arn: String,
    message: String,
    category: String,
    /// Milliseconds since the epoch.
    at: i64,
}

/// What can happen to a database.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Happened {
    Created,
    Deleted,
    Started,
    Stopped,
    Restarted,
    /// The master user has another password.
    Password,
    Modified,
    BackupBegun,
    BackedUp,
    Failed(String),
}

impl Happened {
    fn words(&self, is_cluster: bool) -> (&'static str, String) {
        let what = if is_cluster { "DB cluster" } else { "DB instance" };
        match self {
            Self::Created => ("creation", format!("{what} created")),
            Self::Deleted => ("deletion", format!("{what} deleted")),
            Self::Started => ("notification", format!("{what} started")),
            Self::Stopped => ("notification", format!("{what} stopped")),
            Self::Restarted => ("availability", format!("{what} restarted")),
            Self::Password => ("configuration change", "Reset master credentials".to_owned()),
            Self::Modified => (
                "configuration change",
                format!("Finished applying modification to {what}"),
            ),
            Self::BackupBegun => ("backup", format!("Backing up {what}")),
            Self::BackedUp => ("backup", format!("Finished {what} backup")),
            Self::Failed(reason) => ("failure", format!("{what} failed: {reason}")),
        }
    }
}

fn put(tx: &Transaction, scope: &Scope, event: &EventRecord) -> Result<()> {
    // The transaction may run again: each run notes it under a number of its own, and one of them counts.
    let number = uuid::Uuid::new_v4().simple().to_string();
    Ok(tx.put(&keys::event(scope, event.at, &number), encode(event)?)?)
}

/// Notes what happens to a database in this transaction.
pub(crate) fn note(tx: &Transaction, of: &Record, happened: &Happened, now: i64) -> Result<()> {
    let (category, message) = happened.words(of.is_cluster);
    let event = EventRecord {
        kind: if of.is_cluster { "db-cluster" } else { "db-instance" }.to_owned(),
        source: of.name.clone(),
        arn: of.arn(),
        message,
        category: category.to_owned(),
        at: now,
    };
    put(tx, &of.scope, &event)
}

/// Notes what happens to a snapshot in this transaction: `creating`, `created`, `deleted`.
pub(crate) fn note_snapshot(tx: &Transaction, of: &SnapshotRecord, what: &str, now: i64) -> Result<()> {
    let (category, message) = match (of.of.is_cluster, what) {
        (true, "creating") => ("backup", "Creating manual cluster snapshot"),
        (true, "created") => ("backup", "Manual cluster snapshot created"),
        (true, _) => ("notification", "Deleted manual cluster snapshot"),
        (false, "creating") => ("creation", "Creating manual snapshot"),
        (false, "created") => ("creation", "Manual snapshot created"),
        (false, _) => ("deletion", "Deleted user snapshot"),
    };
    let event = EventRecord {
        kind: if of.of.is_cluster {
            "db-cluster-snapshot"
        } else {
            "db-snapshot"
        }
        .to_owned(),
        source: of.name.clone(),
        arn: names::arn(of.store_kind(), &of.scope, &of.name),
        message: message.to_owned(),
        category: category.to_owned(),
        at: now,
    };
    put(tx, &of.scope, &event)
}

/// Notes a new value of a parameter in this transaction.
pub(crate) fn note_parameter(
    tx: &Transaction,
    (kind, scope, group): (Kind, &Scope, &str),
    (name, value): (&str, &str),
    now: i64,
) -> Result<()> {
    let event = EventRecord {
        kind: "db-parameter-group".to_owned(),
        source: group.to_owned(),
        arn: names::arn(kind, scope, group),
        message: format!("Updated parameter {name} to {value} with apply method pending-reboot"),
        category: "configuration change".to_owned(),
        at: now,
    };
    put(tx, scope, &event)
}

/// Forgets what is too old to be told. Keys are in order of time within an account and region, so nothing else is read.
pub(crate) async fn forget_old(store: &Store, now: i64, day: i64) -> Result<()> {
    let before = now.saturating_sub(day.saturating_mul(DAYS));
    let mut rest = keys::all_events();
    while let Some(first) = first_key(store, &rest).await? {
        let (all, old) = keys::events_beside(&first, before)?;
        loop {
            let more = store
                .transact(async |tx| {
                    let found = tx.scan(old.clone(), Direction::Forward, BATCH).await?;
                    for (key, _) in &found.entries {
                        tx.delete(key)?;
                    }
                    Ok::<_, Error>(found.more)
                })
                .await?;
            if !more {
                break;
            }
        }
        match (all.end(), rest.end()) {
            (Some(next), Some(end)) => rest = KeyRange::new(next.clone(), end.clone()),
            _ => return Ok(()),
        }
    }
    Ok(())
}

async fn first_key(store: &Store, range: &KeyRange) -> Result<Option<Bytes>> {
    let found = store
        .snapshot()
        .await?
        .scan(range.clone(), Direction::Forward, 1)
        .await?;
    Ok(found.entries.into_iter().next().map(|(key, _)| key))
}

fn check_kind(kind: &str) -> Result<()> {
    let is_known = CATEGORIES.iter().any(|(known, _)| *known == kind) || OTHERS.contains(&kind);
    match is_known {
        true => Ok(()),
        false => Err(Error::invalid(format!("Invalid source type: {kind}"))),
    }
}

pub(crate) async fn describe(
    rds: Arc<Rds>,
    context: RequestContext,
    input: DescribeEventsMessage,
) -> Result<EventsMessage> {
    let kind = input.source_type.as_deref();
    if let Some(kind) = kind {
        check_kind(kind)?;
    } else if input.source_identifier.is_some() {
        return Err(Error::combination(
            "If SourceIdentifier is supplied, SourceType must also be provided.",
        ));
    }
    if input.duration.is_some() && (input.start_time.is_some() || input.end_time.is_some()) {
        return Err(Error::combination(
            "Duration cannot be specified together with StartTime or EndTime.",
        ));
    }
    if input.duration.is_some_and(|minutes| minutes < 1) {
        return Err(Error::invalid("Duration must be at least one minute."));
    }
    passes(input.filters.as_ref(), |_| None)?;
    let now = rds.now();
    let end = input.end_time.map_or(now, |time| time.as_millis());
    let minutes = input.duration.map_or(MINUTES, i64::from);
    let start = input.start_time.map_or(end - minutes * 60_000, |time| time.as_millis());
    if start > end {
        return Err(Error::combination("StartTime must be before EndTime."));
    }
    let all: Vec<EventRecord> = records::all(&rds.store, keys::events(&context.scope, start, end)).await?;
    let wanted = |event: &EventRecord| {
        kind.is_none_or(|kind| kind == event.kind)
            && input
                .source_identifier
                .as_ref()
                .is_none_or(|source| source.eq_ignore_ascii_case(&event.source))
            && input
                .event_categories
                .as_ref()
                .is_none_or(|categories| categories.is_empty() || categories.contains(&event.category))
    };
    // Markers are places in what is asked for: events do not have names.
    let found = all.into_iter().filter(wanted).enumerate();
    let found = found.map(|(at, event)| (format!("{at:08}"), event)).collect();
    let (events, marker) = page(found, input.max_records, input.marker.as_ref())?;
    let one = |event: EventRecord| Event {
        source_identifier: Some(event.source),
        source_type: Some(event.kind),
        message: Some(event.message),
        event_categories: Some(vec![event.category]),
        date: Some(time(event.at)),
        source_arn: Some(event.arn),
    };
    Ok(EventsMessage {
        marker,
        events: Some(events.into_iter().map(one).collect()),
    })
}

pub(crate) async fn describe_categories(
    _: Arc<Rds>,
    _: RequestContext,
    input: DescribeEventCategoriesMessage,
) -> Result<EventCategoriesMessage> {
    if let Some(kind) = &input.source_type {
        check_kind(kind)?;
    }
    passes(input.filters.as_ref(), |_| None)?;
    let wanted = CATEGORIES
        .iter()
        .filter(|(kind, _)| input.source_type.as_deref().is_none_or(|asked| asked == *kind));
    let one = |(kind, categories): &(&str, &[&str])| EventCategoriesMap {
        source_type: Some((*kind).to_owned()),
        event_categories: Some(categories.iter().map(|name| (*name).to_owned()).collect()),
    };
    Ok(EventCategoriesMessage {
        event_categories_map_list: Some(wanted.map(one).collect()),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use danbi_store::EmbeddedOptions;

    #[tokio::test]
    async fn events_of_every_account_and_region_are_forgotten_once_they_are_too_old() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open_embedded(folder.path(), EmbeddedOptions::default()).unwrap();
        let scopes = [
            ("111111111111", "eu-west-1"),
            ("111111111111", "us-east-1"),
            ("222222222222", "eu-west-1"),
        ]
        .map(|(account, region)| Scope {
            account: account.parse().unwrap(),
            region: region.parse().unwrap(),
        });
        let event = |at| EventRecord {
            kind: "db-instance".to_owned(),
            source: "todo".to_owned(),
            arn: String::new(),
            message: String::new(),
            category: String::new(),
            at,
        };
        store
            .transact(async |tx| {
                for scope in &scopes {
                    // More than one transaction forgets.
                    for at in (0..=i64::try_from(BATCH).unwrap()).chain([999, 1_000, 5_000]) {
                        put(&tx, scope, &event(at))?;
                    }
                }
                Ok::<_, Error>(())
            })
            .await
            .unwrap();
        let day = 100;
        forget_old(&store, 1_000 + DAYS * day, day).await.unwrap();
        for scope in &scopes {
            let left = records::all::<EventRecord>(&store, keys::events(scope, 0, 9_999)).await;
            assert_eq!(left.unwrap(), [event(1_000), event(5_000)]);
        }
    }
}
