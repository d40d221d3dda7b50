//! What fires because time passes: rules with a schedule, and Scheduler's schedules.
//!
//! A tick lies in the order of times. Whoever finds it due writes in one transaction that it fired, when it fires next,
//! and the deliveries; another node that found it too has a conflict and finds it gone. So a tick needs no lease.

use crate::records::{Read, Rule};
use crate::schedule::{Expression, Strictness};
use crate::{Error, Events, keys, names, put_events, scheduler};
use jiff::tz::TimeZone;
use std::sync::Arc;
use std::time::Duration;

/// The longest sleep between two looks, for what other nodes planned and clocks that were set.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// Ticks that are read at a time.
const AT_ONCE: usize = 64;

/// Fires what is due, until the service ends.
pub(crate) async fn run(events: Arc<Events>) {
    while !events.is_stopping() {
        let wait = match round(&events).await {
            Ok(wait) => wait,
            Err(error) => {
                tracing::warn!(%error, "schedules could not be looked at; trying again");
                LOOK_EVERY
            }
        };
        tokio::select! {
            () = events.stopped() => return,
            () = events.ticked.notified() => {}
            () = tokio::time::sleep(wait) => {}
        }
    }
}

/// Fires what is due now; also how long nothing more is.
pub(crate) async fn round(events: &Events) -> Result<Duration, Error> {
    let view = events.snapshot().await?;
    let now = events.now().as_millis();
    let mut wait = LOOK_EVERY;
    let until = |at: i64| Duration::from_millis((at - now).unsigned_abs());
    let page = view.page(keys::ticks(), AT_ONCE).await?;
    for (key, _) in &page.entries {
        let (at, scope, rule) = keys::ticking(key).map_err(Error::internal)?;
        if at > now {
            wait = wait.min(until(at));
            break;
        }
        fire_rule(events, key, at, &scope, &rule).await?;
        wait = Duration::ZERO;
    }
    let page = view.page(keys::schedule_ticks(), AT_ONCE).await?;
    for (key, _) in &page.entries {
        let (at, scope, group, name) = keys::schedule_ticking(key).map_err(Error::internal)?;
        if at > now {
            wait = wait.min(until(at));
            break;
        }
        scheduler::ticks::fire(events, key, at, &scope, &group, &name).await?;
        wait = Duration::ZERO;
    }
    Ok(wait)
}

async fn fire_rule(events: &Events, key: &[u8], at: i64, scope: &danbi_core::Scope, name: &str) -> Result<(), Error> {
    let fired = events
        .store
        .transact(async |tx| {
            if tx.get(key).await?.is_none() {
                return Ok(false);
            }
            tx.delete(key)?;
            let Some(mut rule) = tx.record::<Rule>(&keys::rule(scope, names::DEFAULT, name)).await? else {
                return Ok(false);
            };
            let expression = rule
                .schedule
                .as_deref()
                .and_then(|text| Expression::parse(text, Strictness::Rules));
            let Some(expression) = expression.filter(|_| rule.is_enabled() && rule.next == Some(at)) else {
                return Ok(false);
            };
            let missed = expression.missed(at, events.now().as_millis(), rule.begin, &TimeZone::UTC, events.minute);
            if missed.dropped > 0 {
                rule.dropped += missed.dropped;
                tracing::warn!(
                    rule = name,
                    dropped = missed.dropped,
                    "a rule's ticks were missed; the newest fires now"
                );
            }
            rule.next = missed.next;
            if let Some(next) = missed.next {
                tx.put(&keys::tick(next, scope, name), Vec::new())?;
            }
            put_events::write_rule(&tx, scope, name, &rule)?;
            put_events::fire(events, &tx, scope, name, missed.newest).await?;
            Ok::<_, Error>(true)
        })
        .await?;
    if fired {
        events.outbox.ring();
    }
    Ok(())
}
