//! The engine: stacks brought to what they are to be, step by step, each step recorded before and after.
//!
//! `drive` leads a stack through its phases; `deploy` makes and changes resources, `restore` takes changes back,
//! `remove` takes resources away; `run` is what the steps of a phase share; `begin` is how operations start work;
//! `dynamic` puts in what only other services know; `forget` lets go of stacks that are long gone; `lease` lets one node at a time do it; `stack_policy` says what an update may touch.

mod begin;
pub(crate) mod changes;
mod deploy;
pub(crate) mod drive;
pub(crate) mod dynamic;
mod forget;
mod lease;
pub(crate) mod plan;
mod remove;
mod restore;
mod run;
pub(crate) mod stack_policy;

pub(crate) use run::Run;

use crate::records::{self, Event};
use crate::{Error, Result, keys};
use danbi_core::{Api, Clock, ObjectSource, ServiceRoles, Timestamp};
use danbi_store::{Store, Transaction};
use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::{Notify, watch};
use tokio::task::{JoinHandle, JoinSet};
use uuid::Uuid;

/// How the engine works.
#[derive(Debug, Clone)]
pub struct Options {
    /// How long a claim on a stack lasts without being renewed: the longest time until another node, or this one after
    /// a crash, goes on with it.
    pub lease: Duration,
    /// How long one resource may take.
    pub resource_timeout: Duration,
    /// How often stacks that are gone are looked for.
    pub forget_every: Duration,
    /// How long a stack that is gone is still listed. Source: CloudFormation's ListStacks.
    pub forget_after: Duration,
    /// Resources of one stack that are worked on at the same time.
    pub parallel: usize,
    /// Where a function reaches the platform, without a slash at the end: wait conditions that nobody outside asked for are
    /// signalled there.
    pub inside: String,
    /// Where custom resources send their answers, without a slash at the end. `None` is a name of S3's, as AWS gives it, for
    /// a platform that functions reach by AWS's names over TLS at port 443; Node.js's `cfn-response` takes no other.
    pub answers: Option<String>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            lease: Duration::from_secs(6),
            resource_timeout: Duration::from_secs(3600),
            forget_every: Duration::from_secs(3600),
            forget_after: Duration::from_secs(90 * 24 * 3600),
            parallel: 32,
            inside: "http://127.0.0.1:4566".to_owned(),
            answers: Some("http://127.0.0.1:4566".to_owned()),
        }
    }
}

/// What the service is made of.
pub struct Parts {
    /// Where stacks are kept.
    pub store: Store,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// The platform's API, for the providers.
    pub api: Arc<dyn Api>,
    /// Lets the engine work as a stack's role; without it stacks with a role are refused.
    pub roles: Option<Arc<dyn ServiceRoles>>,
    /// Where templates in buckets come from; without it `TemplateURL` is refused.
    pub objects: Option<Arc<dyn ObjectSource>>,
    /// How the engine works.
    pub options: Options,
}

/// A stack that this node works on.
#[derive(Clone)]
pub(crate) struct Driven {
    /// Somebody wants the work under way to end early.
    pub interrupt: watch::Sender<bool>,
    pub wake: Arc<Notify>,
}

/// AWS CloudFormation. End with [`CloudFormation::drain`].
pub struct CloudFormation {
    pub(crate) store: Store,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) api: Arc<dyn Api>,
    pub(crate) roles: Option<Arc<dyn ServiceRoles>>,
    pub(crate) objects: Option<Arc<dyn ObjectSource>>,
    pub(crate) options: Options,
    pub(crate) holder: Uuid,
    sequence: AtomicU64,
    driven: Mutex<HashMap<String, Driven>>,
    drivers: Mutex<JoinSet<()>>,
    keepers: Mutex<Vec<JoinHandle<()>>>,
    stopping: watch::Sender<bool>,
    /// Changes whenever a stack has ended its work, or an answer has come.
    pub(crate) settled: watch::Sender<u64>,
}

impl CloudFormation {
    /// The engine; it works once [`CloudFormation::start`] is called.
    pub fn new(parts: Parts) -> Arc<Self> {
        Arc::new(Self {
            store: parts.store,
            clock: parts.clock,
            api: parts.api,
            roles: parts.roles,
            objects: parts.objects,
            options: parts.options,
            holder: Uuid::new_v4(),
            sequence: AtomicU64::new(0),
            driven: Mutex::default(),
            drivers: Mutex::default(),
            keepers: Mutex::default(),
            stopping: watch::Sender::new(false),
            settled: watch::Sender::new(0),
        })
    }

    /// Starts the work, when the API answers: stacks that were worked on when the platform ended are taken up as soon as
    /// their leases end. Must be called within a Tokio runtime.
    pub fn start(self: &Arc<Self>) {
        let keeper = tokio::spawn(lease::keep(Arc::downgrade(self)));
        let forgetting = tokio::spawn(forget::keep(Arc::downgrade(self)));
        let mut keepers = self.keepers.lock().unwrap_or_else(PoisonError::into_inner);
        keepers.extend([keeper, forgetting]);
    }

    /// Ends: steps under way may finish within `grace`, and no further ones begin. What is left goes on at the next start.
    pub async fn drain(&self, grace: Duration) {
        self.stopping.send_replace(true);
        let keepers = std::mem::take(&mut *self.keepers.lock().unwrap_or_else(PoisonError::into_inner));
        keepers.iter().for_each(JoinHandle::abort);
        for driven in self.driven.lock().unwrap_or_else(PoisonError::into_inner).values() {
            driven.wake.notify_one();
        }
        let mut drivers = std::mem::take(&mut *self.drivers.lock().unwrap_or_else(PoisonError::into_inner));
        let finished = async { while drivers.join_next().await.is_some() {} };
        if tokio::time::timeout(grace, finished).await.is_err() {
            drivers.shutdown().await;
        }
    }

    pub(crate) fn is_stopping(&self) -> bool {
        *self.stopping.borrow()
    }

    pub(crate) fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// A number that grows with each event, whatever the clock does.
    fn next_sequence(&self) -> u64 {
        let now = u64::try_from(self.now().as_millis()).unwrap_or(0).saturating_mul(1000);
        let next = |last: u64| Some(now.max(last + 1));
        self.sequence
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, next)
            .map_or(now, |last| now.max(last + 1))
    }

    /// Writes an event of `stack`.
    pub(crate) async fn event(&self, tx: &Transaction, stack: &str, mut event: Event) -> Result<()> {
        if let Some(reason) = &mut event.reason {
            *reason = reason.chars().take(4096).collect();
        }
        records::put(tx, &keys::event(stack, self.next_sequence()), &event).await
    }

    /// Works on `stack` from now on, if nobody here does.
    pub(crate) fn drive(self: &Arc<Self>, scope: danbi_core::Scope, stack: &str) {
        if self.is_stopping() {
            return;
        }
        let driven = Driven {
            interrupt: watch::Sender::new(false),
            wake: Arc::new(Notify::new()),
        };
        {
            let mut all = self.driven.lock().unwrap_or_else(PoisonError::into_inner);
            if let Some(there) = all.get(stack) {
                there.wake.notify_one();
                return;
            }
            all.insert(stack.to_owned(), driven.clone());
        }
        let (engine, stack) = (Arc::clone(self), stack.to_owned());
        let mut drivers = self.drivers.lock().unwrap_or_else(PoisonError::into_inner);
        while drivers.try_join_next().is_some() {}
        drivers.spawn(async move {
            if let Err(error) = drive::to_the_end(&engine, &scope, &stack, &driven).await
                && !matches!(error, Error::LeaseLost)
            {
                tracing::error!(%error, stack, "work on a stack stopped; it is taken up again when its lease ends");
            }
            engine
                .driven
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .remove(&stack);
            engine.tell_settled();
        });
    }

    /// Lets this node look at a stack's record now, where it works on it.
    pub(crate) fn nudge(&self, stack: &str) {
        if let Some(driven) = self.driven.lock().unwrap_or_else(PoisonError::into_inner).get(stack) {
            driven.wake.notify_one();
        }
        self.tell_settled();
    }

    pub(crate) fn tell_settled(&self) {
        self.settled.send_modify(|count| *count = count.wrapping_add(1));
    }
}
