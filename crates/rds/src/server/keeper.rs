//! Who keeps a server: starts it for the first who needs it, stops it when nobody has for a while.
//!
//! One task owns the server. Who wants to use it takes a [`Lease`] first and then asks whether it runs; the task, before
//! it stops an idle server, first says that it runs no more and then looks for leases. One of the two always sees the
//! other, so nobody is left with a server that is being stopped.

use super::{Machine, Running, ServerError, Settings, Volume};
use crate::engines::Family;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::JoinHandle;
use tokio::time::Instant;

/// Orders that may wait.
const ORDERS: usize = 1024;
/// How often idle servers are looked for, at least; a shorter idle time is looked at ten times.
const LOOK: Duration = Duration::from_secs(1);
/// The same for the shortest idle times.
const SHORTEST_LOOK: Duration = Duration::from_millis(10);

/// How long it takes at most until the end of a server that was killed is known.
const ENDING: Duration = Duration::from_secs(2);

enum Order {
    Wake(oneshot::Sender<Result<Arc<Running>, ServerError>>),
    Rest(oneshot::Sender<()>),
    Close(oneshot::Sender<()>),
}

/// A database's server, awake or asleep.
pub(crate) struct Database {
    pub(crate) volume: Volume,
    family: Family,
    orders: mpsc::Sender<Order>,
    running: watch::Receiver<Option<Arc<Running>>>,
    uses: Arc<Uses>,
    settings: Arc<Mutex<Settings>>,
    keeping: JoinHandle<()>,
}

impl Drop for Database {
    fn drop(&mut self) {
        self.keeping.abort();
    }
}

struct Uses {
    count: AtomicUsize,
    last: Mutex<Instant>,
}

impl Uses {
    fn touch(&self) {
        *self.last.lock().unwrap_or_else(PoisonError::into_inner) = Instant::now();
    }
}

/// For as long as somebody has one, the server is not stopped for idleness.
pub(crate) struct Lease(Arc<Uses>);

impl Drop for Lease {
    fn drop(&mut self) {
        self.0.touch();
        self.0.count.fetch_sub(1, Ordering::SeqCst);
    }
}

impl Database {
    /// Keeps the server over `volume`, which sleeps at first.
    pub(crate) fn keep(machine: Arc<Machine>, volume: Volume, settings: Settings) -> Self {
        let (orders, received) = mpsc::channel(ORDERS);
        let (tell, running) = watch::channel(None);
        let uses = Arc::new(Uses {
            count: AtomicUsize::new(0),
            last: Mutex::new(Instant::now()),
        });
        let family = settings.family;
        let settings = Arc::new(Mutex::new(settings));
        let keeper = Keeper {
            machine,
            volume: volume.clone(),
            settings: Arc::clone(&settings),
            uses: Arc::clone(&uses),
            tell,
        };
        Self {
            volume,
            family,
            orders,
            running,
            uses,
            settings,
            keeping: tokio::spawn(keeper.run(received)),
        }
    }

    /// Which server it is.
    pub(crate) fn family(&self) -> Family {
        self.family
    }

    /// How it is started from the next time on.
    pub(crate) fn configure(&self, settings: Settings) {
        *self.settings.lock().unwrap_or_else(PoisonError::into_inner) = settings;
    }

    /// Keeps it awake.
    pub(crate) fn lease(&self) -> Lease {
        self.uses.count.fetch_add(1, Ordering::SeqCst);
        self.uses.touch();
        Lease(Arc::clone(&self.uses))
    }

    /// Whether it runs at the moment.
    pub(crate) fn running(&self) -> Option<Arc<Running>> {
        self.running.borrow().clone()
    }

    /// The running server, started if it sleeps. The lease shows that it will stay.
    pub(crate) async fn awake(&self, _lease: &Lease) -> Result<Arc<Running>, ServerError> {
        if let Some(running) = self.running()
            && running.sandbox.exit().is_none()
        {
            return Ok(running);
        }
        let (reply, replied) = oneshot::channel();
        self.order(Order::Wake(reply)).await?;
        replied.await.map_err(|_| ServerError::Closed)?
    }

    /// Has it started if it sleeps, for somebody who will need it in a moment.
    pub(crate) fn prompt(&self) {
        if self.running().is_none() {
            let (reply, _) = oneshot::channel();
            // Who needs it orders it again, and waits if there are too many orders.
            let _ = self.orders.try_send(Order::Wake(reply));
        }
    }

    /// Whether a server that does not answer has ended, or does so in a moment: then there will be another.
    pub(crate) async fn has_ended(running: &Running) -> bool {
        tokio::time::timeout(ENDING, running.sandbox.wait()).await.is_ok()
    }

    /// Stops it as it should be stopped; it is started again when somebody needs it.
    pub(crate) async fn rest(&self) -> Result<(), ServerError> {
        let (reply, replied) = oneshot::channel();
        self.order(Order::Rest(reply)).await?;
        replied.await.map_err(|_| ServerError::Closed)
    }

    /// Stops it for good.
    pub(crate) async fn close(&self) {
        let (reply, replied) = oneshot::channel();
        if self.order(Order::Close(reply)).await.is_ok() {
            // The task ends with the answer.
            let _ = replied.await;
        }
    }

    async fn order(&self, order: Order) -> Result<(), ServerError> {
        self.orders.send(order).await.map_err(|_| ServerError::Closed)
    }
}

struct Keeper {
    machine: Arc<Machine>,
    volume: Volume,
    settings: Arc<Mutex<Settings>>,
    uses: Arc<Uses>,
    tell: watch::Sender<Option<Arc<Running>>>,
}

impl Keeper {
    async fn run(self, mut orders: mpsc::Receiver<Order>) {
        loop {
            let running = self.tell.borrow().clone();
            let look = self
                .settings()
                .idle
                .map_or(LOOK, |idle| (idle / 10).clamp(SHORTEST_LOOK, LOOK));
            tokio::select! {
                order = orders.recv() => match order {
                    None => return self.stop().await,
                    // Who asked may have left meanwhile.
                    Some(Order::Wake(reply)) => drop(reply.send(self.wake().await)),
                    Some(Order::Rest(reply)) => {
                        self.stop().await;
                        let _ = reply.send(());
                    }
                    Some(Order::Close(reply)) => {
                        self.stop().await;
                        let _ = reply.send(());
                        return;
                    }
                },
                () = ended(running.as_deref()) => {
                    tracing::warn!(folder = %self.volume.folder().display(), "a database server ended by itself; it is started again when somebody connects");
                    self.tell.send_replace(None);
                }
                () = tokio::time::sleep(look), if running.is_some() => self.stop_if_idle().await,
            }
        }
    }

    fn settings(&self) -> Settings {
        self.settings.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    async fn wake(&self) -> Result<Arc<Running>, ServerError> {
        let running = self.tell.borrow().clone();
        if let Some(running) = running
            && running.sandbox.exit().is_none()
        {
            return Ok(running);
        }
        self.tell.send_replace(None);
        let started = Arc::new(self.machine.start(&self.volume, &self.settings()).await?);
        self.uses.touch();
        self.tell.send_replace(Some(Arc::clone(&started)));
        Ok(started)
    }

    async fn stop(&self) {
        if let Some(running) = self.tell.send_replace(None)
            && let Err(error) = running.end().await
        {
            tracing::warn!(%error, "a database server could not be stopped");
        }
    }

    async fn stop_if_idle(&self) {
        let Some(idle) = self.settings().idle else {
            return;
        };
        let last = *self.uses.last.lock().unwrap_or_else(PoisonError::into_inner);
        if self.uses.count.load(Ordering::SeqCst) > 0 || last.elapsed() < idle {
            return;
        }
        let Some(running) = self.tell.send_replace(None) else {
            return;
        };
        if self.uses.count.load(Ordering::SeqCst) > 0 {
            self.tell.send_replace(Some(running));
            return;
        }
        if let Err(error) = running.end().await {
            tracing::warn!(%error, "an idle database server could not be stopped");
        }
    }
}

/// Waits for the end of a server; for ever without one.
async fn ended(running: Option<&Running>) {
    match running {
        Some(running) => drop(running.sandbox.wait().await),
        None => std::future::pending().await,
    }
}
