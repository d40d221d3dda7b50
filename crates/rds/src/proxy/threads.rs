//! The threads on which clients are served.
//!
//! A statement of a tenth of a millisecond crosses the proxy twice, so what it costs there is what it takes to wake a
//! thread up. The platform's workers look for work elsewhere before they sleep, wake each other and hand the driver
//! around, which costs a single client half of its statements. A thread that has one database's sockets to itself does
//! nothing of that. Databases are spread over half as many threads as there are processors: the other half is their
//! servers'.

use std::io;
use std::sync::{Mutex, PoisonError};
use tokio::runtime::{Builder, Handle};
use tokio::sync::oneshot;

/// The threads, each started when the first database is put on it.
pub(crate) struct Threads {
    started: Mutex<Vec<Option<Thread>>>,
}

struct Thread {
    handle: Handle,
    /// The thread ends when this is dropped, and what runs on it with it.
    _end: oneshot::Sender<()>,
}

impl Threads {
    pub(crate) fn new() -> Self {
        let processors = std::thread::available_parallelism().map_or(1, usize::from);
        let mut started = Vec::new();
        started.resize_with(processors.div_ceil(2), || None);
        Self {
            started: Mutex::new(started),
        }
    }

    /// Where database number `number` is served.
    ///
    /// # Errors
    /// When there can be no more threads.
    pub(crate) fn of(&self, number: u32) -> io::Result<Handle> {
        let mut started = self.started.lock().unwrap_or_else(PoisonError::into_inner);
        let at = usize::try_from(number).unwrap_or(0) % started.len();
        if let Some(thread) = &started[at] {
            return Ok(thread.handle.clone());
        }
        let runtime = Builder::new_current_thread().enable_all().build()?;
        let handle = runtime.handle().clone();
        let (end, ended) = oneshot::channel::<()>();
        std::thread::Builder::new()
            .name("danbi-sql".to_owned())
            .spawn(move || {
                // It is never sent, only dropped.
                let _ = runtime.block_on(ended);
                runtime.shutdown_background();
            })?;
        started[at] = Some(Thread {
            handle: handle.clone(),
            _end: end,
        });
        Ok(handle)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_database_is_served_on_its_thread_until_the_end() {
        let threads = Threads::new();
        let name = || std::thread::current().name().map(str::to_owned);
        let handle = threads.of(7).unwrap();
        assert_eq!(
            handle.spawn(async move { name() }).await.unwrap().as_deref(),
            Some("danbi-sql")
        );
        let same = threads.of(7).unwrap();
        assert_eq!(same.id(), handle.id());
        let waiting = handle.spawn(std::future::pending::<()>());
        drop(threads);
        assert!(waiting.await.unwrap_err().is_cancelled());
    }
}
