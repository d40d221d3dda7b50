//! The server connections of one database.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Connections for transactions, of all users together, in use or kept for the next one.
pub(crate) const SHARED: usize = 20;
/// Connections of sessions that cannot share.
const PINNED: usize = 120;
/// How long a client waits for a connection.
const WAIT: Duration = Duration::from_secs(30);

/// A connection that is one client's for the time being.
pub(crate) struct Lent<C> {
    pub(crate) connection: C,
    /// Of the server's start that it belongs to.
    generation: u64,
    /// Whose client it served last; 0 before the first.
    pub(crate) served: u32,
    pub(crate) place: Place,
}

/// The right to use a connection.
pub(crate) struct Place {
    /// An idle one has none.
    turn: Option<OwnedSemaphorePermit>,
    is_pinned: bool,
}

/// Why there is no connection.
pub(crate) enum NoConnection<E> {
    /// All are busy.
    Busy,
    /// The server refused.
    Failed(E),
}

pub(crate) struct Pool<C> {
    turns: Arc<Semaphore>,
    pinned: Arc<Semaphore>,
    /// The one used last is the last.
    idle: Mutex<Vec<Lent<C>>>,
}

impl<C> Pool<C> {
    pub(crate) fn new() -> Self {
        Self {
            turns: Arc::new(Semaphore::new(SHARED)),
            pinned: Arc::new(Semaphore::new(PINNED)),
            idle: Mutex::default(),
        }
    }

    /// A connection to start number `generation` of the server for client `client`: the one that served it last, another
    /// idle one that fits, or a new one.
    pub(crate) async fn take<E>(
        &self,
        generation: u64,
        client: u32,
        fits: impl Fn(&C) -> bool,
        open: impl Future<Output = Result<C, E>>,
    ) -> Result<Lent<C>, NoConnection<E>> {
        let turn = tokio::time::timeout(WAIT, Arc::clone(&self.turns).acquire_owned()).await;
        let Ok(Ok(turn)) = turn else {
            return Err(NoConnection::Busy);
        };
        if let Some(mut lent) = self.idle_one(generation, client, fits) {
            lent.place.turn = Some(turn);
            return Ok(lent);
        }
        self.make_room();
        Ok(Lent {
            connection: open.await.map_err(NoConnection::Failed)?,
            generation,
            served: 0,
            place: Place {
                turn: Some(turn),
                is_pinned: false,
            },
        })
    }

    /// Keeps a connection whose session is between two transactions for whoever comes next.
    pub(crate) fn give_back(&self, mut lent: Lent<C>) {
        if lent.place.is_pinned {
            return;
        }
        let turn = lent.place.turn.take();
        self.idle.lock().unwrap_or_else(PoisonError::into_inner).push(lent);
        // Only now, so that whoever waited for it finds the connection.
        drop(turn);
    }

    /// Closes what is idle: the server is about to be stopped, or has been.
    pub(crate) fn clear(&self) {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }

    fn idle_one(&self, generation: u64, client: u32, fits: impl Fn(&C) -> bool) -> Option<Lent<C>> {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        idle.retain(|lent| lent.generation == generation);
        let own = idle.iter().rposition(|lent| lent.served == client);
        let at = own.or_else(|| idle.iter().rposition(|lent| fits(&lent.connection)))?;
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
    pub(crate) fn pin(&self, place: &mut Place) {
        if !place.is_pinned {
            place.is_pinned = true;
            if let Ok(pinned) = Arc::clone(&self.pinned).try_acquire_owned() {
                place.turn = Some(pinned);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn take(pool: &Pool<u32>, generation: u64, client: u32, opened: u32) -> Lent<u32> {
        let taken = pool
            .take(generation, client, |_| true, async { Ok::<_, ()>(opened) })
            .await;
        taken.unwrap_or_else(|_| panic!("there is one"))
    }

    #[tokio::test]
    async fn a_client_gets_the_connection_that_served_it_last() {
        let pool = Pool::new();
        let mut one = take(&pool, 1, 7, 10).await;
        let mut other = take(&pool, 1, 8, 11).await;
        (one.served, other.served) = (7, 8);
        pool.give_back(one);
        pool.give_back(other);
        let again = take(&pool, 1, 7, 12).await;
        assert_eq!(again.connection, 10);
        pool.give_back(again);
        assert_eq!(
            take(&pool, 2, 7, 13).await.connection,
            13,
            "of another start of the server"
        );
    }

    #[tokio::test]
    async fn a_pinned_connection_makes_room_for_another() {
        let pool = Pool::new();
        let mut held = Vec::new();
        for at in 0..u32::try_from(SHARED).unwrap() {
            held.push(take(&pool, 1, at, at).await);
        }
        assert_eq!(pool.turns.available_permits(), 0);
        pool.pin(&mut held[0].place);
        assert_eq!(pool.turns.available_permits(), 1);
        let pinned = held.remove(0);
        pool.give_back(pinned);
        assert_eq!(take(&pool, 1, 99, 99).await.connection, 99);
    }
}
