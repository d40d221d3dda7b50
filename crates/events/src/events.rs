//! The service itself: what its operations share, and its background work.

use crate::deliver::Deliveries;
use crate::{Error, records::Read, replays, ticks};
use danbi_core::{Api, Clock, Invoker, LogSink, ServiceRoles, Timestamp};
use danbi_outbox::Outbox;
use danbi_patterns::{Dialect, Event, Pattern};
use danbi_store::{Snapshot, Store};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::{Notify, watch};
use tokio::task::JoinHandle;

/// Compiled patterns that are kept.
const MOST_PATTERNS: usize = 2_048;

/// How the service works.
#[derive(Debug, Clone)]
pub struct Options {
    /// How long a minute of a `rate(…)` lasts: a minute, but in tests.
    pub minute: Duration,
    /// How deliveries are made and put off.
    pub deliveries: danbi_outbox::Options,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            minute: Duration::from_secs(60),
            deliveries: danbi_outbox::Options::default(),
        }
    }
}

/// What the service is made of.
pub struct Parts {
    /// Where everything is kept.
    pub store: Store,
    /// The time that schedules go by.
    pub clock: Arc<dyn Clock>,
    /// Runs functions.
    pub invoker: Arc<dyn Invoker>,
    /// Everything else that is a target.
    pub api: Arc<dyn Api>,
    /// Roles that targets name; without it such targets fail and say so.
    pub roles: Option<Arc<dyn ServiceRoles>>,
    /// Log groups that are targets.
    pub logs: Arc<dyn LogSink>,
    /// How it works.
    pub options: Options,
}

/// EventBridge and Scheduler. End with [`Events::drain`].
pub struct Events {
    pub(crate) store: Store,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) outbox: Arc<Outbox>,
    /// Milliseconds.
    pub(crate) minute: i64,
    patterns: Mutex<HashMap<String, Arc<Pattern>>>,
    pub(crate) ticked: Notify,
    pub(crate) replaying: Notify,
    stopping: watch::Sender<bool>,
    work: Mutex<Vec<JoinHandle<()>>>,
}

impl Events {
    /// Starts the background work; must be called within a Tokio runtime.
    pub fn start(parts: Parts) -> Arc<Self> {
        let Parts {
            store,
            clock,
            invoker,
            api,
            roles,
            logs,
            options,
        } = parts;
        let outbox = Outbox::new(store.clone(), Arc::clone(&clock), "events", options.deliveries);
        let events = Arc::new(Self {
            store,
            clock: Arc::clone(&clock),
            outbox: Arc::clone(&outbox),
            minute: i64::try_from(options.minute.as_millis()).unwrap_or(60_000).max(1),
            patterns: Mutex::default(),
            ticked: Notify::new(),
            replaying: Notify::new(),
            stopping: watch::Sender::new(false),
            work: Mutex::default(),
        });
        let courier = Arc::new(Deliveries {
            clock,
            invoker,
            api,
            roles,
            logs,
        });
        let work = vec![
            tokio::spawn(outbox.run(courier)),
            tokio::spawn(ticks::run(Arc::clone(&events))),
            tokio::spawn(replays::run(Arc::clone(&events))),
        ];
        *events.work.lock().unwrap_or_else(PoisonError::into_inner) = work;
        events
    }

    /// Ends the background work: what is being delivered is ended, the rest waits for the next start.
    pub async fn drain(&self) {
        self.stopping.send_replace(true);
        self.outbox.stop();
        let work = std::mem::take(&mut *self.work.lock().unwrap_or_else(PoisonError::into_inner));
        for task in work {
            if let Err(error) = task.await {
                tracing::warn!(%error, "background work of events did not end well");
            }
        }
    }

    pub(crate) fn is_stopping(&self) -> bool {
        *self.stopping.borrow()
    }

    pub(crate) async fn stopped(&self) {
        let mut stopping = self.stopping.subscribe();
        // The sender lives in `self`.
        let _ = stopping.wait_for(|stopping| *stopping).await;
    }

    pub(crate) fn now(&self) -> Timestamp {
        self.clock.now()
    }

    pub(crate) async fn snapshot(&self) -> Result<Snapshot, Error> {
        Ok(self.store.snapshot().await?)
    }

    /// Whether the pattern of this text accepts an event. A stored text was compiled once before.
    pub(crate) fn accepts(&self, text: &str, event: &Event) -> Result<bool, Error> {
        Ok(self.pattern(text)?.matches(event))
    }

    /// The compiled pattern, from memory when it was asked for before.
    pub(crate) fn pattern(&self, text: &str) -> Result<Arc<Pattern>, Error> {
        {
            let kept = self.patterns.lock().unwrap_or_else(PoisonError::into_inner);
            if let Some(pattern) = kept.get(text) {
                return Ok(Arc::clone(pattern));
            }
        }
        let pattern = Arc::new(Pattern::compile(text, Dialect::EventBridge)?);
        let mut kept = self.patterns.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.len() >= MOST_PATTERNS {
            kept.clear();
        }
        kept.insert(text.to_owned(), Arc::clone(&pattern));
        Ok(pattern)
    }

    /// Makes sure that a bus is there.
    pub(crate) async fn check_bus(view: &impl Read, scope: &danbi_core::Scope, name: &str) -> Result<(), Error> {
        if name == crate::names::DEFAULT || view.read(&crate::keys::bus(scope, name)).await?.is_some() {
            return Ok(());
        }
        Err(crate::names::no_bus(name))
    }
}
