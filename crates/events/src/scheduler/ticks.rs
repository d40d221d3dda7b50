//! A schedule fires.

use super::records::Schedule;
use super::schedule_arn;
use super::schedules::{next_within, understand};
use crate::deliver::{Header, patience};
use crate::records::{Read, put};
use crate::schedule::Expression;
use crate::{Error, Events, keys};
use danbi_core::Scope;

const MINUTE_MS: i64 = 60_000;

/// Fires the schedule of a tick that is due: its delivery is queued, and its next tick planned, in one transaction.
pub(crate) async fn fire(
    events: &Events,
    key: &[u8],
    at: i64,
    scope: &Scope,
    group: &str,
    name: &str,
) -> Result<(), Error> {
    let fired = events
        .store
        .transact(async |tx| {
            if tx.get(key).await?.is_none() {
                return Ok(false);
            }
            tx.delete(key)?;
            let record = keys::schedule(scope, group, name);
            let Some(mut schedule) = tx.record::<Schedule>(&record).await? else {
                return Ok(false);
            };
            let Some(read) = understand(&schedule.plan).ok().filter(|_| schedule.next == Some(at)) else {
                return Ok(false);
            };
            let now = events.now().as_millis();
            let mut missed = read
                .expression
                .missed(at, now, schedule.begin, &read.zone, events.minute);
            if let Some(end) = schedule
                .plan
                .end
                .filter(|_| !matches!(read.expression, Expression::At(_)))
            {
                // What would have come after the end was not missed.
                if missed.newest > end.as_millis() {
                    (missed.newest, missed.dropped) = (at, 0);
                }
            }
            if missed.dropped > 0 {
                schedule.dropped += missed.dropped;
                tracing::warn!(
                    schedule = name,
                    dropped = missed.dropped,
                    "a schedule's times were missed; the newest fires now"
                );
            }
            queue(
                events,
                &tx,
                scope,
                &schedule_arn(scope, group, name),
                &schedule,
                missed.newest,
                now,
            )?;
            schedule.next = next_within(events, &schedule.plan, &read, schedule.begin, missed.newest.max(at));
            match schedule.next {
                Some(next) => {
                    tx.put(&keys::schedule_tick(next, scope, group, name), Vec::new())?;
                    put(&tx, &record, &schedule)?;
                }
                None if schedule.plan.after_completion == "DELETE" => tx.delete(&record)?,
                None => put(&tx, &record, &schedule)?,
            }
            Ok::<_, Error>(true)
        })
        .await?;
    if fired {
        events.outbox.ring();
    }
    Ok(())
}

fn queue(
    events: &Events,
    tx: &danbi_store::Transaction,
    scope: &Scope,
    arn: &str,
    schedule: &Schedule,
    planned: i64,
    now: i64,
) -> Result<(), Error> {
    let target = &schedule.plan.target;
    let policy = target.retry_policy.as_ref();
    let patience = patience(
        policy.and_then(|policy| policy.maximum_retry_attempts),
        policy.and_then(|policy| policy.maximum_event_age_in_seconds),
    );
    let header = Header::Schedule {
        account: scope.account.to_string(),
        region: scope.region.to_string(),
        arn: arn.to_owned(),
        target: Box::new(crate::scheduler_shapes::Target {
            input: None,
            ..target.clone()
        }),
        planned,
    };
    let body = events.outbox.body(tx, target.input.as_deref().unwrap_or_default())?;
    // Any time within the window will do.
    let window = schedule
        .plan
        .window
        .maximum_window_in_minutes
        .filter(|_| schedule.plan.window.mode == "FLEXIBLE");
    let delay = window.map_or(0, |minutes| fastrand::i64(0..=i64::from(minutes) * MINUTE_MS));
    events
        .outbox
        .put(tx, header.to_value()?, &body, now + delay, patience)?;
    Ok(())
}
