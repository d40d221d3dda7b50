//! How many messages a queue holds, counted when somebody asks.
//!
//! AWS calls these numbers approximate and lets a minute pass before they are right. Here they are right when they are
//! counted; for a queue whose counting takes long they are those of a moment ago, so that asking stays cheap.

use crate::keys::QueueId;
use crate::records::{Queue, Read, State, decode};
use crate::{Error, Sqs, keys};
use danbi_store::KeyRange;
use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

const PAGE: usize = 5_000;
/// Counting that took longer than this is not repeated at once.
const LONG: Duration = Duration::from_millis(50);
/// It is repeated after so many times as long as it took.
const REST: u32 = 20;
/// Long counts that are remembered.
const MOST_KEPT: usize = 256;

/// The messages of a queue.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Counts {
    pub visible: u64,
    pub delayed: u64,
    pub in_flight: u64,
}

/// Counts that took long, and until when they are good enough.
#[derive(Default)]
pub(crate) struct Kept(Mutex<HashMap<QueueId, (Counts, Instant)>>);

/// Counts the messages of a queue.
pub(crate) async fn of(sqs: &Sqs, queue: &Queue) -> Result<Counts, Error> {
    let kept = |kept: &Kept| {
        let kept = kept.0.lock().unwrap_or_else(PoisonError::into_inner);
        kept.get(&queue.id)
            .filter(|(_, until)| *until > Instant::now())
            .map(|(counts, _)| *counts)
    };
    if let Some(counts) = kept(&sqs.counts) {
        return Ok(counts);
    }
    let began = Instant::now();
    let counts = count(sqs, queue).await?;
    let took = began.elapsed();
    if took > LONG {
        let mut kept = sqs.counts.0.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.len() >= MOST_KEPT {
            kept.clear();
        }
        kept.insert(queue.id, (counts, Instant::now() + took * REST));
    }
    Ok(counts)
}

async fn count(sqs: &Sqs, queue: &Queue) -> Result<Counts, Error> {
    let mut counts = Counts::default();
    let now = sqs.now_ms();
    let oldest = now - queue.millis("MessageRetentionPeriod");
    let mut rest = KeyRange::prefix(keys::messages(&queue.id));
    loop {
        // A view can be read from for some seconds only.
        let page = sqs.snapshot().await?.first(rest.clone(), PAGE).await?;
        for (key, value) in &page.entries {
            rest = rest.after(key);
            if keys::message_of(&queue.id, key).map_err(Error::internal)?.sent_ms() <= oldest {
                continue;
            }
            let state: State = decode(value)?;
            match state.visible_ms > now {
                false => counts.visible += 1,
                true if state.taken => counts.in_flight += 1,
                true => counts.delayed += 1,
            }
        }
        if !page.more {
            return Ok(counts);
        }
    }
}
