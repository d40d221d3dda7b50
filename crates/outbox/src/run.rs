//! Delivering what is due.

use crate::keys;
use crate::outbox::{GivingUp, Kept, Outbox};
use crate::parcel::{Body, Courier, Failure, OutboxError, Parcel};
use danbi_store::{Direction, Transaction};
use std::sync::Arc;
use std::time::Duration;
use tokio::task::JoinSet;
use tokio::time::timeout;
use uuid::Uuid;

/// How long an attempt may take.
pub const ATTEMPT: Duration = Duration::from_secs(20);
/// How long a claim lasts: longer than an attempt and what is written after it.
pub const LEASE: Duration = Duration::from_secs(30);

/// The longest sleep between two looks, for what other nodes put in.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// Parcels claimed in one transaction.
const CLAIM_AT_ONCE: usize = 32;
/// How often giving up is tried.
const GIVE_UP_ATTEMPTS: u32 = 5;

struct Claimed {
    id: String,
    kept: Kept,
}

/// What becomes of a parcel after an attempt.
enum Next {
    Gone,
    Again(Box<Kept>),
}

impl Outbox {
    /// Delivers what is due until [`Outbox::stop`] is called, then ends what is under way.
    pub async fn run(self: Arc<Self>, courier: Arc<dyn Courier>) {
        let mut stopped = self.stopping.subscribe();
        let mut running = JoinSet::new();
        while !*self.stopping.borrow() {
            let room = self.options.at_once.saturating_sub(running.len()).min(CLAIM_AT_ONCE);
            let wait = match self.claim(room).await {
                Ok((claimed, wait)) => {
                    for claimed in claimed {
                        running.spawn(Arc::clone(&self).work(claimed, Arc::clone(&courier)));
                    }
                    wait
                }
                Err(error) => {
                    tracing::warn!(%error, outbox = self.name, "what is due could not be read; trying again");
                    LOOK_EVERY
                }
            };
            tokio::select! {
                () = self.bell.notified() => {}
                () = tokio::time::sleep(wait) => {}
                Some(_) = running.join_next() => {}
                // The sender lives in `self`, so this is a change.
                _ = stopped.changed() => {}
            }
            while running.try_join_next().is_some() {}
        }
        while running.join_next().await.is_some() {}
    }

    /// Ends [`Outbox::run`] once the deliveries under way have ended.
    pub fn stop(&self) {
        self.stopping.send_replace(true);
    }

    /// Claims up to `room` parcels that are due; also how long nothing more is.
    async fn claim(&self, room: usize) -> Result<(Vec<Claimed>, Duration), OutboxError> {
        if room == 0 {
            return Ok((Vec::new(), LOOK_EVERY));
        }
        let page = self
            .store
            .snapshot()
            .await?
            .scan(keys::all_due(self.name), Direction::Forward, room + 1)
            .await?;
        let now = self.clock.now().as_millis();
        let mut wait = LOOK_EVERY;
        let mut due = Vec::new();
        for (key, _) in page.entries {
            let (at, id) = keys::due_parcel(self.name, &key).map_err(|error| OutboxError::Record(error.to_string()))?;
            if at > now {
                wait = wait.min(Duration::from_millis((at - now).unsigned_abs()));
                break;
            }
            if due.len() == room {
                wait = Duration::ZERO;
                break;
            }
            due.push((key, id));
        }
        if due.is_empty() {
            return Ok((Vec::new(), wait));
        }
        let until = now + i64::try_from(LEASE.as_millis()).unwrap_or(i64::MAX / 2);
        let due = &due;
        let claimed = self.store.transact(async |tx| {
            let mut claimed = Vec::new();
            for (key, id) in due {
                // Another node may have been quicker.
                if tx.get(key).await?.is_none() {
                    continue;
                }
                tx.delete(key)?;
                let Some(mut kept) = self.kept(&tx, id).await? else {
                    continue;
                };
                kept.claim = Some(Uuid::new_v4().simple().to_string());
                kept.due_ms = until;
                self.write(&tx, id, &kept)?;
                claimed.push(Claimed { id: id.clone(), kept });
            }
            Ok::<_, OutboxError>(claimed)
        });
        Ok((claimed.await?, wait))
    }

    async fn kept(&self, tx: &Transaction, id: &str) -> Result<Option<Kept>, OutboxError> {
        let bytes = tx.get(&keys::parcel(self.name, id)).await?;
        Ok(bytes.map(|bytes| serde_json::from_slice(&bytes)).transpose()?)
    }

    async fn work(self: Arc<Self>, claimed: Claimed, courier: Arc<dyn Courier>) {
        let outcome = async {
            let parcel = self.parcel(&claimed).await?;
            let next = self.attempt(&claimed.kept, &parcel, &*courier).await;
            self.settle(&claimed, next).await
        };
        if let Err(error) = outcome.await {
            // The claim ends, and the parcel is due again.
            tracing::warn!(%error, outbox = self.name, parcel = claimed.id, "the end of a delivery could not be recorded");
        }
        self.ring();
    }

    async fn parcel(&self, claimed: &Claimed) -> Result<Parcel, OutboxError> {
        let Claimed { id, kept } = claimed;
        let body = match &kept.body {
            Body::Inline(text) => text.clone(),
            Body::Kept { id, parts } => {
                let view = self.store.snapshot().await?;
                let mut bytes = Vec::new();
                for part in 0..*parts {
                    let part = view.get(&keys::body(self.name, id, part)).await?;
                    bytes.extend_from_slice(
                        &part.ok_or_else(|| OutboxError::Record("a part of a body is missing".into()))?,
                    );
                }
                String::from_utf8(bytes).map_err(|error| OutboxError::Record(error.to_string()))?
            }
        };
        Ok(Parcel {
            id: id.clone(),
            header: kept.header.clone(),
            body,
            since_ms: kept.since_ms,
            attempts: kept.attempts,
        })
    }

    async fn attempt(&self, kept: &Kept, parcel: &Parcel, courier: &dyn Courier) -> Next {
        let now = self.clock.now().as_millis();
        let mut kept = kept.clone();
        kept.claim = None;
        if kept.giving_up.is_none() {
            let failure = match timeout(ATTEMPT, courier.deliver(parcel)).await {
                Ok(Ok(())) => return Next::Gone,
                Ok(Err(failure)) => failure,
                Err(_) => Failure::passing(
                    "TIMEOUT",
                    format!("The target did not answer within {} seconds.", ATTEMPT.as_secs()),
                ),
            };
            let pause = self.pause(kept.attempts);
            let late = now.saturating_add(pause) > kept.since_ms.saturating_add(kept.patience.max_age_ms);
            if failure.again && kept.attempts < kept.patience.retries && !late {
                tracing::debug!(
                    outbox = self.name,
                    parcel = parcel.id,
                    reason = failure.reason,
                    "a delivery is put off"
                );
                kept.attempts += 1;
                kept.due_ms = now.saturating_add(pause);
                return Next::Again(Box::new(kept));
            }
            kept.giving_up = Some(GivingUp {
                code: failure.code,
                reason: failure.reason,
                attempts: 0,
            });
        }
        let Some(giving_up) = &mut kept.giving_up else {
            return Next::Gone;
        };
        let failure = Failure::lasting(giving_up.code.clone(), giving_up.reason.clone());
        let failed = match timeout(ATTEMPT, courier.give_up(parcel, &failure)).await {
            Ok(Ok(())) => return Next::Gone,
            Ok(Err(failed)) => failed,
            Err(_) => Failure::passing("TIMEOUT", "the dead-letter queue did not answer in time"),
        };
        giving_up.attempts += 1;
        if !failed.again || giving_up.attempts >= GIVE_UP_ATTEMPTS {
            tracing::warn!(
                outbox = self.name,
                parcel = parcel.id,
                reason = failure.reason,
                dead_letter = failed.reason,
                "a parcel is lost"
            );
            return Next::Gone;
        }
        kept.due_ms = now.saturating_add(self.pause(giving_up.attempts));
        Next::Again(Box::new(kept))
    }

    /// Milliseconds until the next attempt after so many.
    fn pause(&self, attempts: u32) -> i64 {
        let millis = |duration: Duration| i64::try_from(duration.as_millis()).unwrap_or(i64::MAX);
        let first = millis(self.options.first_pause);
        let pause = first
            .saturating_mul(1 << attempts.min(20))
            .min(millis(self.options.longest_pause));
        let fifth = pause / 5;
        pause - fifth + fastrand::i64(0..=fifth * 2)
    }

    async fn settle(&self, claimed: &Claimed, next: Next) -> Result<(), OutboxError> {
        let next = &next;
        self.store
            .transact(async |tx| {
                let Some(kept) = self.kept(&tx, &claimed.id).await? else {
                    return Ok(());
                };
                // Another node took it over when the claim had ended.
                if kept.claim != claimed.kept.claim {
                    return Ok(());
                }
                tx.delete(&keys::due(self.name, kept.due_ms, &claimed.id))?;
                if let Next::Again(kept) = next {
                    return self.write(&tx, &claimed.id, kept.as_ref());
                }
                tx.delete(&keys::parcel(self.name, &claimed.id))?;
                let Body::Kept { id: body, .. } = &kept.body else {
                    return Ok(());
                };
                tx.delete(&keys::body_use(self.name, body, &claimed.id))?;
                let others = tx.scan(keys::body_uses(self.name, body), Direction::Forward, 1).await?;
                if others.entries.is_empty() {
                    tx.delete_range(keys::body_parts(self.name, body))?;
                }
                Ok(())
            })
            .await
    }
}
