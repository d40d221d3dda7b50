//! What time does: messages whose retention is over, what deleted and purged queues have left, and what was remembered of
//! deduplication and of repeated receives.
//!
//! Every step is one transaction that looks again at what it removes, so any number of nodes may take the same one.

use crate::keys::QueueId;
use crate::records::{Attempt, Queue, Read, Seen, State, decode};
use crate::send::DEDUPLICATION_MS;
use crate::{Error, Sqs, content, keys, settle};
use danbi_store::KeyRange;
use std::sync::Arc;

/// Messages, or other entries, that one transaction removes.
const STEP: usize = 200;
/// Queues that are looked at in one page.
const PAGE: usize = 500;

/// Sweeps now and then for as long as the service runs.
pub(crate) async fn run(sqs: Arc<Sqs>) {
    while !sqs.is_closing() {
        if let Err(error) = all(&sqs).await {
            tracing::warn!(%error, "queues could not be swept; trying again");
        }
        tokio::select! {
            () = tokio::time::sleep(sqs.options.sweep_every) => {}
            () = sqs.closed() => {}
        }
    }
}

/// One sweep over everything.
pub(crate) async fn all(sqs: &Sqs) -> Result<(), Error> {
    trash(sqs).await?;
    names(sqs).await?;
    let mut rest = KeyRange::prefix(keys::all_queues());
    loop {
        let page = sqs.snapshot().await?.first(rest.clone(), PAGE).await?;
        for (key, value) in &page.entries {
            rest = rest.after(key);
            if sqs.is_closing() {
                return Ok(());
            }
            let queue: Queue = decode(value)?;
            expired(sqs, &queue).await?;
            if keys::queue_of(key).map_err(Error::internal)?.is_fifo() {
                seen(sqs, &queue.id).await?;
                attempts(sqs, &queue.id).await?;
            }
        }
        if !page.more {
            return Ok(());
        }
    }
}

/// Removes messages that are too old, from the oldest on.
async fn expired(sqs: &Sqs, queue: &Queue) -> Result<(), Error> {
    let range = &KeyRange::prefix(keys::messages(&queue.id));
    loop {
        let oldest = sqs.now_ms() - queue.millis("MessageRetentionPeriod");
        let page = sqs.snapshot().await?.first(range.clone(), STEP).await?;
        let mut old = Vec::new();
        for (key, _) in &page.entries {
            let message = keys::message_of(&queue.id, key).map_err(Error::internal)?;
            if message.sent_ms() <= oldest {
                old.push(message);
            }
        }
        if old.is_empty() {
            return Ok(());
        }
        let removed = &old;
        sqs.store
            .transact(async |tx| {
                for message in removed {
                    let state: Option<State> = tx.record(&keys::message(&queue.id, message)).await?;
                    if let Some(state) = state {
                        settle::remove(&tx, queue, message, &state).await?;
                    }
                }
                Ok::<_, Error>(())
            })
            .await?;
        if old.len() < STEP {
            return Ok(());
        }
    }
}

/// Removes what deleted and purged queues have left.
async fn trash(sqs: &Sqs) -> Result<(), Error> {
    let page = sqs
        .snapshot()
        .await?
        .first(KeyRange::prefix(keys::all_trash()), PAGE)
        .await?;
    for (key, _) in &page.entries {
        let queue = keys::trash_of(key).map_err(Error::internal)?;
        while !sqs.is_closing() && empty_some(sqs, &queue).await? {}
    }
    Ok(())
}

/// Removes some messages of a queue that is no more; whether there are others.
async fn empty_some(sqs: &Sqs, queue: &QueueId) -> Result<bool, Error> {
    sqs.store
        .transact(async |tx| {
            let page = tx.first(KeyRange::prefix(keys::messages(queue)), STEP).await?;
            for (key, value) in &page.entries {
                let message = keys::message_of(queue, key).map_err(Error::internal)?;
                let state: State = decode(value)?;
                content::remove(&tx, &message, &state)?;
                tx.delete(key)?;
                match &state.group {
                    Some(group) => tx.delete(&keys::line(queue, group, &message))?,
                    None => tx.delete(&keys::ready(queue, state.visible_ms, &message))?,
                }
            }
            if !page.more {
                tx.delete_range(KeyRange::prefix(keys::all_ready(queue)))?;
                tx.delete_range(keys::all_lines(queue))?;
                tx.delete_range(keys::all_seen(queue))?;
                tx.delete_range(keys::all_seen_at(queue))?;
                tx.delete_range(keys::all_attempts(queue))?;
                tx.delete(&keys::trash(queue))?;
            }
            Ok::<_, Error>(page.more)
        })
        .await
}

/// Frees the names of queues that were deleted long enough ago.
async fn names(sqs: &Sqs) -> Result<(), Error> {
    let rest = i64::try_from(sqs.options.rest_of_names.as_millis()).unwrap_or(i64::MAX);
    let oldest = sqs.now_ms().saturating_sub(rest);
    sqs.store
        .transact(async |tx| {
            let page = tx.first(KeyRange::prefix(keys::all_deleted()), STEP).await?;
            for (key, value) in &page.entries {
                if decode::<i64>(value)? <= oldest {
                    tx.delete(key)?;
                }
            }
            Ok(())
        })
        .await
}

/// Forgets deduplication ids whose time is over.
async fn seen(sqs: &Sqs, queue: &QueueId) -> Result<(), Error> {
    loop {
        let until = sqs.now_ms() - DEDUPLICATION_MS;
        let more = sqs
            .store
            .transact(async |tx| {
                let page = tx.first(keys::seen_before(queue, until), STEP).await?;
                for (key, _) in &page.entries {
                    let (at, scope, id) = keys::seen_of(queue, key).map_err(Error::internal)?;
                    let place = keys::seen(queue, &scope, &id);
                    // It may have been seen again since.
                    if tx.record::<Seen>(&place).await?.is_some_and(|seen| seen.at == at) {
                        tx.delete(&place)?;
                    }
                    tx.delete(key)?;
                }
                Ok::<_, Error>(page.more)
            })
            .await?;
        if !more {
            return Ok(());
        }
    }
}

/// Forgets receives that can be repeated no more.
async fn attempts(sqs: &Sqs, queue: &QueueId) -> Result<(), Error> {
    let oldest = sqs.now_ms() - DEDUPLICATION_MS;
    let mut rest = keys::all_attempts(queue);
    loop {
        let page = sqs.snapshot().await?.first(rest.clone(), STEP).await?;
        let mut old = Vec::new();
        for (key, value) in &page.entries {
            rest = rest.after(key);
            if decode::<Attempt>(value)?.at <= oldest {
                old.push(key.clone());
            }
        }
        let old = &old;
        sqs.store
            .transact(async |tx| {
                for key in old {
                    if let Some(attempt) = tx.record::<Attempt>(key).await?
                        && attempt.at <= oldest
                    {
                        tx.delete(key)?;
                    }
                }
                Ok::<_, Error>(())
            })
            .await?;
        if !page.more {
            return Ok(());
        }
    }
}
