//! Asynchronous invocations: accepted in the commit that answers 202, run at least once, retried, reported.
//!
//! An accepted event has a record under its function and an entry in the order of due times. Whoever runs it claims it
//! first: the entry moves to the end of a lease, which is renewed while the function runs. When the one who claimed it
//! dies, the lease ends and the event is due again, here or on another node. Whatever ends an event (success, the last
//! failure, old age) removes both and queues the report to a destination, all in one commit.

use crate::departures::{self, Departure};
use crate::event_invoke_config::EventConfig;
use crate::invoke::Admitted;
use crate::lambda::Lambda;
use crate::names::{FunctionId, FunctionName, FunctionRef, Qualifier};
use crate::records::{Read, decode, new_revision, put};
use crate::{Error, code, destinations, keys, uses};
use bytes::Bytes;
use danbi_core::{Arn, Scope, Timestamp};
use danbi_runtime::{Invocation, Outcome};
use danbi_store::key::KeyReader;
use danbi_store::{Direction, Transaction};
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use std::time::Duration;
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout_at};

/// Events up to this size are kept in their record, larger ones as blobs: a record has a limit, and claims rewrite it.
const MAX_INLINE: usize = 32 * 1024;
/// Events claimed in one transaction.
const CLAIM_AT_ONCE: usize = 32;
/// The longest sleep between two looks at the queue, for what other nodes queued.
const POLL: Duration = Duration::from_secs(1);
/// The wait after the store failed.
const AFTER_FAULT: Duration = Duration::from_secs(1);
const DEFAULT_RETRIES: i32 = 2;
const DEFAULT_MAX_AGE_SECS: i32 = 6 * 3600;

/// An accepted event.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Event {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    qualifier: Option<String>,
    accepted_ms: i64,
    due_ms: i64,
    /// Who runs it; gone when it only waits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    claim: Option<String>,
    /// How often the function has failed.
    failures: u32,
    /// How often it could not be started.
    throttles: u32,
    payload: Payload,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    client_context: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    trace_id: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
enum Payload {
    Inline(String),
    Blob(String),
}

/// The entry in the order of due times.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Due {
    account: String,
    region: String,
    name: String,
    /// Whether the time is the end of a claim.
    claimed: bool,
}

impl Due {
    fn of(id: &FunctionId, claimed: bool) -> Self {
        Self {
            account: id.scope.account.to_string(),
            region: id.scope.region.to_string(),
            name: id.name.to_string(),
            claimed,
        }
    }

    fn function(&self) -> Option<FunctionId> {
        let scope = Scope {
            account: self.account.parse().ok()?,
            region: self.region.parse().ok()?,
        };
        Some(FunctionId {
            scope,
            name: FunctionName::parse(&self.name)?,
        })
    }
}

/// An event on its way into the queue, its payload already kept.
pub(crate) struct NewEvent {
    reference: FunctionRef,
    request_id: String,
    event: Event,
}

/// An event that this node runs.
#[derive(Debug, Clone)]
struct Claimed {
    id: FunctionId,
    request_id: String,
    event: Event,
}

impl Claimed {
    fn reference(&self) -> FunctionRef {
        let qualifier = self
            .event
            .qualifier
            .as_deref()
            .and_then(|text| Qualifier::parse(text).ok());
        FunctionRef {
            id: self.id.clone(),
            qualifier,
        }
    }
}

/// What comes after an attempt.
#[derive(Debug)]
enum Next {
    /// The event is done; the condition and the answer go to a destination if there is one.
    Done {
        condition: &'static str,
        outcome: Option<(Outcome, String)>,
    },
    /// Again at this time.
    Again { at_ms: i64, failed: bool },
    /// The function is gone, and with it the event's meaning.
    Drop,
}

fn write(tx: &Transaction, id: &FunctionId, request_id: &str, event: &Event) -> Result<(), Error> {
    put(tx, &keys::event(id, request_id), event)?;
    let due = keys::due(Timestamp::from_millis(event.due_ms), request_id);
    put(tx, &due, &Due::of(id, event.claim.is_some()))
}

fn erase(tx: &Transaction, id: &FunctionId, request_id: &str, event: &Event) -> Result<(), Error> {
    tx.delete(&keys::due(Timestamp::from_millis(event.due_ms), request_id))?;
    Ok(tx.delete(&keys::event(id, request_id))?)
}

impl Lambda {
    /// Accepts an event: returns once it is durably queued.
    pub(crate) async fn enqueue(
        &self,
        reference: &FunctionRef,
        request_id: String,
        payload: Bytes,
        client_context: Option<String>,
        trace_id: Option<String>,
    ) -> Result<(), Error> {
        let new = self
            .new_event(reference.clone(), request_id, payload, client_context, trace_id)
            .await?;
        let new = &new;
        self.store.transact(async |tx| self.queue(&tx, new).await).await?;
        self.queued.notify_one();
        Ok(())
    }

    /// Keeps the payload where it belongs; the event itself is queued by [`Lambda::queue`].
    pub(crate) async fn new_event(
        &self,
        reference: FunctionRef,
        request_id: String,
        payload: Bytes,
        client_context: Option<String>,
        trace_id: Option<String>,
    ) -> Result<NewEvent, Error> {
        let payload = if payload.len() <= MAX_INLINE {
            // It was checked to be JSON, which is UTF-8.
            Payload::Inline(String::from_utf8(payload.into()).map_err(Error::internal)?)
        } else {
            Payload::Blob(self.blobs.put(payload).await?.to_string())
        };
        let now = self.now_ms();
        let event = Event {
            qualifier: reference.qualifier.as_ref().map(ToString::to_string),
            accepted_ms: now,
            due_ms: now,
            claim: None,
            failures: 0,
            throttles: 0,
            payload,
            client_context,
            trace_id,
        };
        Ok(NewEvent {
            reference,
            request_id,
            event,
        })
    }

    /// Queues an event in the caller's transaction; fails when there is nothing to invoke.
    pub(crate) async fn queue(&self, tx: &Transaction, new: &NewEvent) -> Result<(), Error> {
        let NewEvent {
            reference,
            request_id,
            event,
        } = new;
        crate::lambda::resolve(tx, reference).await?;
        if let Payload::Blob(digest) = &event.payload {
            tx.put(&uses::event_use(digest, &reference.id, request_id), Vec::new())?;
        }
        write(tx, &reference.id, request_id, event)
    }

    /// Makes everything that somebody had claimed due now: right only when nobody else can be running it.
    pub(crate) async fn release_claims(&self) -> Result<(), Error> {
        let prefix = keys::all_due();
        let mut range = keys::below(&prefix);
        let now = self.now_ms();
        loop {
            let page = self
                .snapshot()
                .await?
                .scan(range.clone(), Direction::Forward, CLAIM_AT_ONCE)
                .await?;
            for (key, value) in &page.entries {
                range = range.after(key);
                let due: Due = decode(value)?;
                let Some(id) = due.function().filter(|_| due.claimed) else {
                    continue;
                };
                let request_id = request_id_of(key, &prefix)?;
                self.store
                    .transact(async |tx| {
                        tx.delete(key)?;
                        let Some(event) = tx.record::<Event>(&keys::event(&id, &request_id)).await? else {
                            return Ok(());
                        };
                        write(
                            &tx,
                            &id,
                            &request_id,
                            &Event {
                                claim: None,
                                due_ms: now,
                                ..event
                            },
                        )
                    })
                    .await?;
            }
            if !page.more {
                return Ok(());
            }
        }
    }

    /// Runs what is due, until the service stops.
    pub(crate) async fn dispatch_queue(self: Arc<Self>) {
        let mut running = JoinSet::new();
        while !self.is_stopping() {
            let room = self.options.async_at_once.saturating_sub(running.len());
            let wait = match self.claim_due(room.min(CLAIM_AT_ONCE)).await {
                Ok((claimed, wait)) => {
                    for claimed in claimed {
                        running.spawn(self.clone().work(claimed));
                    }
                    wait
                }
                Err(error) => {
                    tracing::error!(%error, "the queue of asynchronous invocations could not be read");
                    AFTER_FAULT
                }
            };
            tokio::select! {
                () = self.queued.notified() => {}
                () = tokio::time::sleep(wait) => {}
                Some(_) = running.join_next() => {}
                () = self.stopped() => {}
            }
            while running.try_join_next().is_some() {}
        }
        while running.join_next().await.is_some() {}
    }

    /// Claims up to `room` due events; also how long nothing more is due.
    async fn claim_due(&self, room: usize) -> Result<(Vec<Claimed>, Duration), Error> {
        if room == 0 {
            return Ok((Vec::new(), POLL));
        }
        let prefix = keys::all_due();
        let page = self
            .snapshot()
            .await?
            .scan(keys::below(&prefix), Direction::Forward, room + 1)
            .await?;
        let now = self.now_ms();
        let mut due = Vec::new();
        let mut wait = POLL;
        for (key, value) in page.entries {
            let at = KeyReader::after_prefix(&key, &prefix)
                .and_then(|mut reader| reader.i64())
                .map_err(Error::internal)?;
            if at > now {
                wait = wait.min(Duration::from_millis((at - now).unsigned_abs()));
                break;
            }
            if due.len() == room {
                wait = Duration::ZERO;
                break;
            }
            due.push((request_id_of(&key, &prefix)?, key, decode::<Due>(&value)?));
        }
        if due.is_empty() {
            return Ok((Vec::new(), wait));
        }
        let until = now + millis(self.options.lease);
        let due = &due;
        let claimed = self.store.transact(async |tx| {
            let mut claimed = Vec::new();
            for (request_id, key, entry) in due {
                // Somebody else may have been quicker.
                if tx.get(key).await?.is_none() {
                    continue;
                }
                tx.delete(key)?;
                let Some(id) = entry.function() else { continue };
                // Its function was deleted, and the event with it.
                let Some(mut event) = tx.record::<Event>(&keys::event(&id, request_id)).await? else {
                    continue;
                };
                event.claim = Some(new_revision());
                event.due_ms = until;
                write(&tx, &id, request_id, &event)?;
                claimed.push(Claimed {
                    id,
                    request_id: request_id.clone(),
                    event,
                });
            }
            Ok::<_, Error>(claimed)
        });
        Ok((claimed.await?, wait))
    }

    /// Runs a claimed event and writes down what came of it; keeps the claim meanwhile.
    async fn work(self: Arc<Self>, claimed: Claimed) {
        let mut claimed = claimed;
        let next = {
            let attempt = self.attempt(claimed.clone());
            tokio::pin!(attempt);
            loop {
                tokio::select! {
                    next = &mut attempt => break next,
                    () = tokio::time::sleep(self.options.lease / 3) => match self.renew(&claimed).await {
                        Ok(Some(event)) => claimed.event = event,
                        Ok(None) => return tracing::warn!(request_id = %claimed.request_id, "another node took over an event"),
                        Err(error) => tracing::warn!(%error, "a claim could not be renewed"),
                    },
                }
            }
        };
        if let Err(error) = self.conclude(&claimed, next).await {
            // The lease ends, and the event is run again: at least once, never lost.
            tracing::error!(request_id = %claimed.request_id, %error, "the end of an asynchronous invocation could not be recorded");
        }
        self.queued.notify_one();
    }

    async fn attempt(&self, claimed: Claimed) -> Next {
        let event = &claimed.event;
        let config = self.event_config(&claimed).await;
        let expires = event.accepted_ms + i64::from(config.max_age_secs.unwrap_or(DEFAULT_MAX_AGE_SECS)) * 1000;
        if self.now_ms() > expires {
            return Next::Done {
                condition: "EventAgeExceeded",
                outcome: None,
            };
        }
        let reference = claimed.reference();
        let result = match self.admit_event(&claimed.id, &reference).await {
            Ok(admitted) => match self.run_event(&claimed, &admitted).await {
                Ok(outcome) => Ok((outcome, admitted.spec.version.clone())),
                Err(error) => Err(error),
            },
            Err(error) => Err(error),
        };
        match result {
            Ok((outcome, version)) if outcome.function_error.is_none() => Next::Done {
                condition: "Success",
                outcome: Some((outcome, version)),
            },
            Ok((outcome, version)) => {
                let outcome = Some((outcome, version));
                let retries = config.retries.unwrap_or(DEFAULT_RETRIES).unsigned_abs();
                if event.failures >= retries {
                    return Next::Done {
                        condition: "RetriesExhausted",
                        outcome,
                    };
                }
                let [first, second] = self.options.retry_delays;
                let at_ms = self.now_ms() + millis(if event.failures == 0 { first } else { second });
                if at_ms > expires {
                    return Next::Done {
                        condition: "EventAgeExceeded",
                        outcome,
                    };
                }
                Next::Again { at_ms, failed: true }
            }
            Err(Error::NotFound(why)) => {
                tracing::info!(request_id = %claimed.request_id, %why, "an event has nothing to invoke any more");
                Next::Drop
            }
            Err(Error::Throttled(_)) if self.is_shut(&reference).await => Next::Done {
                condition: "ZeroReservedConcurrency",
                outcome: None,
            },
            Err(error) => {
                tracing::debug!(request_id = %claimed.request_id, %error, "an event could not be started; it is tried again");
                let delay = self.options.throttle_delay.saturating_mul(1 << event.throttles.min(16));
                let at_ms = self.now_ms() + millis(delay.min(self.options.throttle_delay_max));
                Next::Again {
                    at_ms: at_ms.min(expires + 1),
                    failed: false,
                }
            }
        }
    }

    /// Leave to run a queued event. When the function is at its limit, waits for one of its invocations to end before it
    /// gives the event back to the queue: a place that becomes free is used at once, not after the next back-off.
    async fn admit_event(&self, id: &FunctionId, reference: &FunctionRef) -> Result<Admitted, Error> {
        let deadline = Instant::now() + self.options.throttle_patience;
        let mut seat = None;
        loop {
            let ended = self.concurrency.ended.notified();
            tokio::pin!(ended);
            // Before the attempt, so that an end in between is not missed.
            ended.as_mut().enable();
            match self.admit(reference).await {
                Err(Error::Throttled(limit)) if !self.is_shut(reference).await => {
                    seat = seat.or_else(|| self.concurrency.seat(id));
                    if seat.is_none() || timeout_at(deadline, ended).await.is_err() {
                        return Err(Error::Throttled(limit));
                    }
                }
                other => return other,
            }
        }
    }

    async fn run_event(&self, claimed: &Claimed, admitted: &Admitted) -> Result<Outcome, Error> {
        let invocation = Invocation {
            request_id: claimed.request_id.clone(),
            payload: self.event_payload(&claimed.event).await?,
            client_context: claimed.event.client_context.clone(),
            trace_id: claimed.event.trace_id.clone(),
            invoked_arn: claimed.reference().arn().to_string(),
            ..Invocation::default()
        };
        Ok(self.executor.invoke(admitted.spec.clone(), invocation).await?)
    }

    async fn event_payload(&self, event: &Event) -> Result<Bytes, Error> {
        match &event.payload {
            Payload::Inline(text) => Ok(Bytes::copy_from_slice(text.as_bytes())),
            Payload::Blob(digest) => Ok(self.blobs.get(&code::blob_id(digest)?).await?),
        }
    }

    /// Whether the function's reserved concurrency is nought: then nothing is retried.
    async fn is_shut(&self, reference: &FunctionRef) -> bool {
        let Ok(view) = self.snapshot().await else { return false };
        matches!(view.function(&reference.id).await, Ok(Some(function)) if function.reserved_concurrency == Some(0))
    }

    async fn event_config(&self, claimed: &Claimed) -> EventConfig {
        let qualifier = claimed.event.qualifier.as_deref().unwrap_or("$LATEST");
        let read = async {
            let view = self.snapshot().await?;
            view.record::<EventConfig>(&keys::event_config(&claimed.id, qualifier))
                .await
        };
        match read.await {
            Ok(config) => config.unwrap_or_default(),
            Err(error) => {
                tracing::warn!(%error, "an event invoke configuration could not be read; the defaults apply");
                EventConfig::default()
            }
        }
    }

    /// Moves the end of the claim; the event as it is now, or `None` when the claim is lost.
    async fn renew(&self, claimed: &Claimed) -> Result<Option<Event>, Error> {
        let until = self.now_ms() + millis(self.options.lease);
        self.store
            .transact(async |tx| {
                let Some(event) = own(&tx, claimed).await? else {
                    return Ok(None);
                };
                erase(&tx, &claimed.id, &claimed.request_id, &event)?;
                let event = Event { due_ms: until, ..event };
                write(&tx, &claimed.id, &claimed.request_id, &event)?;
                Ok::<_, Error>(Some(event))
            })
            .await
    }

    /// Writes down what came of an attempt; reports to a destination in the same commit.
    async fn conclude(&self, claimed: &Claimed, next: Next) -> Result<(), Error> {
        let reports = match &next {
            Next::Done { condition, outcome } => self.reports(claimed, condition, outcome.as_ref()).await?,
            _ => Reports::default(),
        };
        let (next, reports, now) = (&next, &reports, self.now_ms());
        self.store
            .transact(async |tx| {
                let Some(event) = own(&tx, claimed).await? else {
                    return Ok(());
                };
                erase(&tx, &claimed.id, &claimed.request_id, &event)?;
                if let Next::Again { at_ms, failed } = next {
                    let again = Event {
                        claim: None,
                        due_ms: *at_ms,
                        failures: event.failures + u32::from(*failed),
                        throttles: if *failed { 0 } else { event.throttles.saturating_add(1) },
                        ..event
                    };
                    return write(&tx, &claimed.id, &claimed.request_id, &again);
                }
                if let Payload::Blob(digest) = &event.payload {
                    tx.delete(&uses::event_use(digest, &claimed.id, &claimed.request_id))?;
                }
                for (departure, body) in &reports.elsewhere {
                    departures::put(&self.outbox, &tx, departure, body, now)?;
                }
                match &reports.function {
                    Some(report) => match self.queue(&tx, report).await {
                        // The destination was deleted meanwhile: there is nobody to tell.
                        Err(Error::NotFound(why)) => {
                            tracing::warn!(%why, "the destination of an asynchronous invocation is gone");
                            Ok(())
                        }
                        other => other,
                    },
                    None => Ok(()),
                }
            })
            .await
    }

    /// What tells others how an event went: its destination, and on failure the dead-letter topic or queue.
    async fn reports(
        &self,
        claimed: &Claimed,
        condition: &str,
        outcome: Option<&(Outcome, String)>,
    ) -> Result<Reports, Error> {
        let mut reports = Reports::default();
        let success = condition == "Success";
        let config = self.event_config(claimed).await;
        let destination = if success { config.on_success } else { config.on_failure };
        let destination: Option<Arn> = destination.and_then(|text| text.parse().ok());
        let elsewhere = destination.as_ref().filter(|arn| departures::is_destination(arn));
        if elsewhere.is_some() || !success {
            // A function that is gone has no role to send as.
            let resolved = crate::lambda::resolve(&self.snapshot().await?, &claimed.reference()).await;
            let configuration = resolved.ok().map(|resolved| resolved.version.configuration);
            let departure = |to: &str, role: &str, dead_letter| Departure {
                to: to.to_owned(),
                role: role.to_owned(),
                function: claimed
                    .id
                    .qualified_arn(claimed.event.qualifier.as_deref().unwrap_or("$LATEST"))
                    .to_string(),
                name: claimed.id.name.to_string(),
                success,
                dead_letter,
            };
            if let (Some(to), Some(configuration)) = (elsewhere, &configuration) {
                let record = self.record(claimed, condition, outcome).await?;
                let record = String::from_utf8(record.into()).map_err(Error::internal)?;
                reports
                    .elsewhere
                    .push((departure(&to.to_string(), &configuration.role, None), record));
            }
            let dead = configuration
                .as_ref()
                .and_then(|configuration| Some((configuration, configuration.dead_letter.as_ref()?)));
            if let Some((configuration, to)) = dead.filter(|_| !success && self.reaches) {
                let message =
                    outcome.map_or_else(|| condition.to_owned(), |(outcome, _)| error_message(&outcome.payload));
                let letter = departure(to, &configuration.role, Some((claimed.request_id.clone(), message)));
                let payload = self.event_payload(&claimed.event).await?;
                reports
                    .elsewhere
                    .push((letter, String::from_utf8(payload.into()).map_err(Error::internal)?));
            }
        }
        if let Some(target) = destination.as_ref().and_then(FunctionRef::from_arn) {
            let record = self.record(claimed, condition, outcome).await?;
            let trace_id = claimed.event.trace_id.clone();
            reports.function = Some(self.new_event(target, new_revision(), record, None, trace_id).await?);
        }
        Ok(reports)
    }

    /// The record that destinations get.
    async fn record(
        &self,
        claimed: &Claimed,
        condition: &str,
        outcome: Option<&(Outcome, String)>,
    ) -> Result<Bytes, Error> {
        let attempts = claimed.event.failures + u32::from(outcome.is_some());
        destinations::record(&destinations::Report {
            now_ms: self.now_ms(),
            request_id: &claimed.request_id,
            function_arn: &claimed
                .id
                .qualified_arn(claimed.event.qualifier.as_deref().unwrap_or("$LATEST"))
                .to_string(),
            condition,
            attempts,
            request: &self.event_payload(&claimed.event).await?,
            outcome: outcome.map(|(outcome, version)| (outcome, version.as_str())),
        })
    }
}

/// What is told of an event that is done.
#[derive(Default)]
struct Reports {
    function: Option<NewEvent>,
    elsewhere: Vec<(Departure, String)>,
}

/// The message in a function's error document.
fn error_message(payload: &[u8]) -> String {
    let document: serde_json::Value = serde_json::from_slice(payload).unwrap_or_default();
    document["errorMessage"].as_str().unwrap_or_default().to_owned()
}

/// The event, while the claim holds.
async fn own(tx: &Transaction, claimed: &Claimed) -> Result<Option<Event>, Error> {
    let event: Option<Event> = tx.record(&keys::event(&claimed.id, &claimed.request_id)).await?;
    Ok(event.filter(|event| event.claim == claimed.event.claim))
}

fn request_id_of(key: &[u8], prefix: &[u8]) -> Result<String, Error> {
    let mut reader = KeyReader::after_prefix(key, prefix).map_err(Error::internal)?;
    reader.i64().map_err(Error::internal)?;
    reader.str().map_err(Error::internal)
}

fn millis(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}
