//! Garbage on the remote: copies of blobs that nobody refers to, copies that a newer one made superfluous, and bytes
//! whose writer died before their name was known.

use std::collections::HashSet;
use std::time::{Duration, SystemTime};

use futures_util::TryStreamExt;

use super::write::LONGEST_WRITE;
use super::{Copy, Remote, at};
use crate::{BlobError, BlobId, Collected};

pub(crate) async fn collect<F, Fut, E>(
    remote: &Remote,
    grace: Duration,
    is_referenced: F,
) -> Result<Collected, BlobError>
where
    F: Fn(BlobId) -> Fut,
    Fut: Future<Output = Result<bool, E>> + Send,
    E: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    collect_as_of(remote, SystemTime::now(), grace, is_referenced).await
}

/// As if it were `now`.
pub(super) async fn collect_as_of<F, Fut, E>(
    remote: &Remote,
    now: SystemTime,
    grace: Duration,
    is_referenced: F,
) -> Result<Collected, BlobError>
where
    F: Fn(BlobId) -> Fut,
    Fut: Future<Output = Result<bool, E>> + Send,
    E: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    let mut collected = Collected::default();
    let (Some(since), Some(abandoned_since)) = (now.checked_sub(grace), now.checked_sub(grace + LONGEST_WRITE)) else {
        return Ok(collected);
    };
    let folder = remote.path("ids");
    let mut listed = remote.store.list(Some(&folder));
    // The names of bytes that something leads to: 16 bytes for each large blob.
    let mut led_to: HashSet<u128> = HashSet::new();
    let mut copies: Vec<(Copy, SystemTime)> = Vec::new();
    loop {
        let next = listed.try_next().await.map_err(at(&folder))?;
        let ended = next.is_none();
        let next = next.and_then(|object| remote.copy_of(&object));
        led_to.extend(next.iter().filter_map(|(copy, _)| name_of_bytes(copy)));
        let another = match (&next, copies.last()) {
            (Some((next, _)), Some((last, _))) => next.id != last.id,
            (None, Some(_)) => ended,
            _ => false,
        };
        if another {
            sift(
                remote,
                std::mem::take(&mut copies),
                since,
                &is_referenced,
                &mut collected,
            )
            .await?;
        }
        copies.extend(next);
        if ended {
            break;
        }
    }
    remove_abandoned(remote, abandoned_since, &led_to).await?;
    tracing::debug!(removed = collected.removed, kept = collected.kept, "blobs collected");
    Ok(collected)
}

/// Removes what may go of all the copies of one blob.
async fn sift<F, Fut, E>(
    remote: &Remote,
    mut copies: Vec<(Copy, SystemTime)>,
    since: SystemTime,
    is_referenced: &F,
    collected: &mut Collected,
) -> Result<(), BlobError>
where
    F: Fn(BlobId) -> Fut,
    Fut: Future<Output = Result<bool, E>> + Send,
    E: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    copies.sort_by_key(|(_, put)| *put);
    let Some((newest, put)) = copies.last() else {
        return Ok(());
    };
    let old = *put < since;
    let referenced = is_referenced(newest.id)
        .await
        .map_err(|error| BlobError::References(error.into()))?;
    if !old || referenced {
        // Readers have taken the newest copy for as long as it is there: the others go once that is the grace period.
        let superfluous = if old { copies.len() - 1 } else { 0 };
        for (copy, _) in &copies[..superfluous] {
            remote.remove(copy).await?;
        }
        collected.kept += 1;
        return Ok(());
    }
    for (copy, _) in &copies {
        remote.remove(copy).await?;
    }
    collected.removed += 1;
    Ok(())
}

/// Removes bytes that were sent long ago and that nothing leads to. What leads to a writer's bytes comes within
/// [`LONGEST_WRITE`] of the first of them, or never.
async fn remove_abandoned(remote: &Remote, since: SystemTime, led_to: &HashSet<u128>) -> Result<(), BlobError> {
    let folder = remote.path("data");
    let mut listed = remote.store.list(Some(&folder));
    while let Some(object) = listed.try_next().await.map_err(at(&folder))? {
        let name = object
            .location
            .filename()
            .and_then(|name| u128::from_str_radix(name, 16).ok());
        let Some(name) = name else { continue };
        if SystemTime::from(object.last_modified) < since && !led_to.contains(&name) {
            remote.remove_object(&object.location).await?;
        }
    }
    Ok(())
}

fn name_of_bytes(copy: &Copy) -> Option<u128> {
    copy.apart.then(|| u128::from_str_radix(&copy.name, 16).ok()).flatten()
}
