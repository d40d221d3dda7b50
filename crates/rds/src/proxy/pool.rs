//! The server connections of one database.

use crate::mysql::client::{Account, ClientError, Connection};
use crate::server::Running;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Connections for transactions, of all users together, in use or kept for the next one.
pub(crate) const SHARED: usize = 20;
/// Connections of sessions that cannot share.
const PINNED: usize = 120;
/// How long a client waits for a connection.
const WAIT: Duration = Duration::from_secs(30);

/// A connection with what the proxy knows of the session in it.
pub(crate) struct Backend {
    pub(crate) connection: Connection,
    pub(crate) account: Account,
    /// Of the server's start that it belongs to.
    pub(crate) generation: u64,
    /// Whose client it served last; 0 before the first.
    pub(crate) served: u32,
    /// The session's current database.
    pub(crate) database: Vec<u8>,
    /// The right to use a connection; an idle one has none.
    turn: Option<OwnedSemaphorePermit>,
    is_pinned: bool,
}

/// Why there is no connection.
pub(crate) enum NoBackend {
    /// All are busy.
    Busy,
    /// The server refused.
    Failed(ClientError),
}

pub(crate) struct Pool {
    turns: Arc<Semaphore>,
    pinned: Arc<Semaphore>,
    /// The one used last is the last.
    idle: Mutex<Vec<Backend>>,
}

impl Pool {
    pub(crate) fn new() -> Self {
        Self {
            turns: Arc::new(Semaphore::new(SHARED)),
            pinned: Arc::new(Semaphore::new(PINNED)),
            idle: Mutex::default(),
        }
    }

    /// A connection of `account` for client `client`: the one that served it last, another idle one, or a new one.
    pub(crate) async fn take(
        &self,
        running: &Running,
        account: &Account,
        client: u32,
        database: &[u8],
    ) -> Result<Backend, NoBackend> {
        let turn = tokio::time::timeout(WAIT, Arc::clone(&self.turns).acquire_owned()).await;
        let Ok(Ok(turn)) = turn else {
            return Err(NoBackend::Busy);
        };
        if let Some(mut backend) = self.idle_one(running.generation, account, client, database) {
            backend.turn = Some(turn);
            return Ok(backend);
        }
        self.make_room();
        let connection = running.log_in(account, database).await.map_err(NoBackend::Failed)?;
        Ok(Backend {
            connection,
            account: account.clone(),
            generation: running.generation,
            served: 0,
            database: database.to_vec(),
            turn: Some(turn),
            is_pinned: false,
        })
    }

    /// Keeps a connection whose session is between two transactions for whoever comes next.
    pub(crate) fn give_back(&self, mut backend: Backend) {
        if backend.is_pinned {
            return;
        }
        let turn = backend.turn.take();
        self.idle.lock().unwrap_or_else(PoisonError::into_inner).push(backend);
        // Only now, so that whoever waited for it finds the connection.
        drop(turn);
    }

    /// Closes what is idle: the server is about to be stopped, or has been.
    pub(crate) fn clear(&self) {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }

    fn idle_one(&self, generation: u64, account: &Account, client: u32, database: &[u8]) -> Option<Backend> {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        idle.retain(|backend| backend.generation == generation);
        let own = idle.iter().rposition(|backend| backend.served == client);
        // A session without a current database cannot be had of one that has one.
        let fits =
            |backend: &Backend| backend.account == *account && (!database.is_empty() || backend.database.is_empty());
        let at = own.or_else(|| idle.iter().rposition(fits))?;
        Some(idle.remove(at))
    }

    /// Closes the connection that has been idle longest when there would be too many with one more.
    fn make_room(&self) {
        let in_use = SHARED.saturating_sub(self.turns.available_permits());
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        while !idle.is_empty() && idle.len() + in_use > SHARED {
            drop(idle.remove(0));
        }
    }

    /// Makes a connection its client's for good. When too many are already, it keeps its turn instead.
    pub(crate) fn pin(&self, backend: &mut Backend) {
        if !backend.is_pinned {
            backend.is_pinned = true;
            if let Ok(place) = Arc::clone(&self.pinned).try_acquire_owned() {
                backend.turn = Some(place);
            }
        }
    }
}
