//! CreateArchive, DeleteArchive, DescribeArchive, UpdateArchive, ListArchives, and keeping events in archives.

use crate::records::{Archive, Read, decode, put};
use crate::shapes::{
    Archive as ArchiveShape, CreateArchiveRequest, CreateArchiveResponse, DeleteArchiveRequest, DeleteArchiveResponse,
    DescribeArchiveRequest, DescribeArchiveResponse, ListArchivesRequest, ListArchivesResponse, UpdateArchiveRequest,
    UpdateArchiveResponse,
};
use crate::{Error, Events, keys, names};
use bytes::Bytes;
use danbi_core::{RequestContext, Scope};
use danbi_store::Transaction;
use std::sync::Arc;
use uuid::Uuid;

const PAGE: i32 = 50;
/// Bytes of a part of an event; a value holds 100 kB.
const PART: usize = 90_000;
/// Entries that are counted for DescribeArchive; an archive with more shows this many.
const MOST_COUNTED: usize = 100_000;
/// Entries removed in one transaction.
const REMOVED_AT_ONCE: usize = 500;
const DAY_MS: i64 = 86_400_000;

/// Writes an event into an archive, in the transaction that accepts it.
pub(crate) fn keep(tx: &Transaction, archive: &Archive, at: i64, event: &str, text: &str) -> Result<(), Error> {
    for (part, bytes) in (0u64..).zip(text.as_bytes().chunks(PART)) {
        tx.put(
            &keys::archived(&archive.id, at, event, part),
            Bytes::copy_from_slice(bytes),
        )?;
    }
    Ok(())
}

fn missing(name: &str) -> Error {
    Error::NotFound(format!("Archive {name} does not exist."))
}

pub(crate) async fn of(view: &impl Read, scope: &Scope, name: &str) -> Result<Archive, Error> {
    view.record(&keys::archive(scope, name))
        .await?
        .ok_or_else(|| missing(name))
}

/// CreateArchive.
pub(crate) async fn create(
    events: Arc<Events>,
    context: RequestContext,
    input: CreateArchiveRequest,
) -> Result<CreateArchiveResponse, Error> {
    refuse_key(input.kms_key_identifier.as_ref())?;
    let (scope, bus) = names::bus(&context.scope, Some(&input.event_source_arn));
    if let Some(text) = &input.event_pattern {
        events.pattern(text)?;
    }
    let now = events.now();
    let archive = &Archive {
        id: Uuid::new_v4().simple().to_string(),
        bus: bus.clone(),
        description: input.description.clone(),
        pattern: input.event_pattern.clone(),
        retention_days: input.retention_days.unwrap_or(0),
        created: now,
    };
    let (scope, name, bus) = (&scope, &input.archive_name, bus.as_str());
    events
        .store
        .transact(async |tx| {
            Events::check_bus(&tx, scope, bus).await?;
            let key = keys::archive(scope, name);
            if tx.read(&key).await?.is_some() {
                return Err(Error::AlreadyExists(format!("Archive {name} already exists.")));
            }
            tx.put(&keys::of_bus(scope, bus, name), Bytes::new())?;
            put(&tx, &key, archive)
        })
        .await?;
    Ok(CreateArchiveResponse {
        archive_arn: Some(names::archive_arn(scope, name)),
        state: Some("ENABLED".into()),
        creation_time: Some(now),
        ..CreateArchiveResponse::default()
    })
}

fn refuse_key(key: Option<&String>) -> Result<(), Error> {
    match key {
        Some(_) => Err(Error::Unsupported(
            "Encryption with a key of your own (KmsKeyIdentifier) is not built.".into(),
        )),
        None => Ok(()),
    }
}

/// DeleteArchive: the name is free at once, the events go in the background.
pub(crate) async fn delete(
    events: Arc<Events>,
    context: RequestContext,
    input: DeleteArchiveRequest,
) -> Result<DeleteArchiveResponse, Error> {
    let (scope, name) = (&context.scope, &input.archive_name);
    let archive = events
        .store
        .transact(async |tx| {
            let archive = of(&tx, scope, name).await?;
            tx.delete(&keys::of_bus(scope, &archive.bus, name))?;
            tx.delete(&keys::archive(scope, name))?;
            Ok::<_, Error>(archive)
        })
        .await?;
    // One tombstone for each event: piece by piece, so that no transaction grows too large.
    remove(&events, &archive.id, i64::MAX).await?;
    Ok(DeleteArchiveResponse {})
}

/// Removes the events of an archive before `until`.
async fn remove(events: &Events, archive: &str, until: i64) -> Result<(), Error> {
    loop {
        let range = keys::archived_between(archive, i64::MIN, until);
        let page = events.snapshot().await?.page(range, REMOVED_AT_ONCE).await?;
        let entries = &page.entries;
        if entries.is_empty() {
            return Ok(());
        }
        events
            .store
            .transact(async |tx| {
                for (key, _) in entries {
                    tx.delete(key)?;
                }
                Ok::<_, Error>(())
            })
            .await?;
    }
}

/// Removes what archives have kept for long enough. Deletions are the same whoever makes them, so nodes need no lease.
pub(crate) async fn expire(events: &Events) -> Result<(), Error> {
    let now = events.now().as_millis();
    for (_, value) in events.snapshot().await?.all(keys::all_archives()).await? {
        let archive: Archive = decode(&value)?;
        if archive.retention_days > 0 {
            remove(events, &archive.id, now - i64::from(archive.retention_days) * DAY_MS).await?;
        }
    }
    Ok(())
}

/// How many events an archive has, and how many bytes.
async fn count(view: &impl Read, archive: &str) -> Result<(i64, i64), Error> {
    let (mut count, mut bytes, mut seen) = (0, 0, 0);
    let mut rest = keys::all_archived(archive);
    loop {
        let page = view.page(rest.clone(), 1_000).await?;
        for (key, value) in &page.entries {
            let (_, _, part) = keys::archived_event(archive, key).map_err(Error::internal)?;
            count += i64::from(part == 0);
            bytes += i64::try_from(value.len()).unwrap_or(0);
        }
        seen += page.entries.len();
        match page.entries.last() {
            Some((last, _)) if page.more && seen < MOST_COUNTED => rest = rest.after(last),
            _ => return Ok((count, bytes)),
        }
    }
}

/// DescribeArchive.
pub(crate) async fn describe(
    events: Arc<Events>,
    context: RequestContext,
    input: DescribeArchiveRequest,
) -> Result<DescribeArchiveResponse, Error> {
    let scope = &context.scope;
    let view = events.snapshot().await?;
    let archive = of(&view, scope, &input.archive_name).await?;
    let (event_count, size_bytes) = count(&view, &archive.id).await?;
    Ok(DescribeArchiveResponse {
        archive_arn: Some(names::archive_arn(scope, &input.archive_name)),
        archive_name: Some(input.archive_name),
        event_source_arn: Some(names::bus_arn(scope, &archive.bus)),
        description: archive.description,
        event_pattern: archive.pattern,
        state: Some("ENABLED".into()),
        retention_days: Some(archive.retention_days),
        event_count: Some(event_count),
        size_bytes: Some(size_bytes),
        creation_time: Some(archive.created),
        ..DescribeArchiveResponse::default()
    })
}

/// UpdateArchive.
pub(crate) async fn update(
    events: Arc<Events>,
    context: RequestContext,
    input: UpdateArchiveRequest,
) -> Result<UpdateArchiveResponse, Error> {
    refuse_key(input.kms_key_identifier.as_ref())?;
    if input.event_pattern.is_none() && input.retention_days.is_none() && input.description.is_none() {
        return Err(Error::validation(
            "At least one of EventPattern, RetentionDays or Description must be provided.",
        ));
    }
    if let Some(text) = &input.event_pattern {
        events.pattern(text)?;
    }
    let (scope, input) = (&context.scope, &input);
    let archive = events
        .store
        .transact(async |tx| {
            let mut archive = of(&tx, scope, &input.archive_name).await?;
            archive.pattern = input.event_pattern.clone().or(archive.pattern);
            archive.description = input.description.clone().or(archive.description);
            archive.retention_days = input.retention_days.unwrap_or(archive.retention_days);
            put(&tx, &keys::archive(scope, &input.archive_name), &archive)?;
            Ok::<_, Error>(archive)
        })
        .await?;
    Ok(UpdateArchiveResponse {
        archive_arn: Some(names::archive_arn(scope, &input.archive_name)),
        state: Some("ENABLED".into()),
        creation_time: Some(archive.created),
        ..UpdateArchiveResponse::default()
    })
}

/// ListArchives: by prefix, by bus or by state.
pub(crate) async fn list(
    events: Arc<Events>,
    context: RequestContext,
    input: ListArchivesRequest,
) -> Result<ListArchivesResponse, Error> {
    let scope = &context.scope;
    let view = events.snapshot().await?;
    let bus = match &input.event_source_arn {
        Some(arn) => {
            let (scope, bus) = names::bus(scope, Some(arn));
            Events::check_bus(&view, &scope, &bus).await?;
            Some(bus)
        }
        None => None,
    };
    let limit = usize::try_from(input.limit.unwrap_or(PAGE)).unwrap_or(1);
    let mut range = keys::archives(scope, input.name_prefix.as_deref().unwrap_or_default());
    if let Some(token) = &input.next_token {
        range = range.after(&keys::archive(scope, &names::name_of_token(token)?));
    }
    let root = keys::archive_prefix(scope);
    let page = view.page(range, limit).await?;
    let mut archives = Vec::new();
    let mut last = None;
    for (key, value) in &page.entries {
        let name = keys::last_name(key, &root).map_err(Error::internal)?;
        let archive: Archive = decode(value)?;
        last = Some(names::token_of(&name));
        let wanted = bus.as_ref().is_none_or(|bus| *bus == archive.bus)
            && input.state.as_deref().is_none_or(|state| state == "ENABLED");
        if !wanted {
            continue;
        }
        let (event_count, size_bytes) = count(&view, &archive.id).await?;
        archives.push(ArchiveShape {
            archive_name: Some(name),
            event_source_arn: Some(names::bus_arn(scope, &archive.bus)),
            state: Some("ENABLED".into()),
            retention_days: Some(archive.retention_days),
            event_count: Some(event_count),
            size_bytes: Some(size_bytes),
            creation_time: Some(archive.created),
            ..ArchiveShape::default()
        });
    }
    Ok(ListArchivesResponse {
        archives: Some(archives),
        next_token: last.filter(|_| page.more),
    })
}
