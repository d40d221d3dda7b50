//! Clients that speak PostgreSQL's protocol.

mod greet;
mod relay;
mod session;

pub(super) use greet::refuse_too_many;
pub(super) use session::run;

use super::pool::{Lent, NoConnection, Pool};
use super::{ASKING, FIRST_CLIENT, Tls};
use crate::postgres::client::{ClientError, Connection, literal};
use crate::postgres::scram::{Keys, Secret, Verifier};
use crate::postgres::startup::{Start, cancel};
use crate::server::{Database, Running};
use std::collections::HashMap;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::Semaphore;

/// How long a server may take to hear that a statement is to end.
const CANCEL_TIMEOUT: Duration = Duration::from_secs(10);

/// What stands before a PostgreSQL.
pub(crate) struct Postgres {
    database: Arc<Database>,
    pool: Pool<Backend>,
    tls: Option<Arc<dyn Tls>>,
    asking: Semaphore,
    processes: AtomicU32,
    /// Of clients that are connected, by the process that they were told.
    cancels: Mutex<HashMap<u32, Cancel>>,
    /// A connection of the platform's own, kept for the next question, with its server's start.
    admin: Mutex<Option<(u64, Connection)>>,
    /// What salts for users that are not there are made of.
    nobody: [u8; 32],
}

/// How a client's statement is ended.
struct Cancel {
    secret: u32,
    /// Of the server connection that it has at the moment.
    backend: Option<(Arc<Running>, (u32, u32))>,
}

/// A server connection with what the proxy knows of the session in it.
pub(crate) struct Backend {
    connection: Connection,
    account: Arc<Account>,
    /// Whether its session has set something.
    is_changed: bool,
}

/// Clients that began alike may share connections.
#[derive(PartialEq, Eq)]
pub(crate) struct Account {
    start: Start,
    keys: Keys,
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Postgres {
    pub(super) fn new(database: Arc<Database>, tls: Option<Arc<dyn Tls>>) -> Self {
        let mut nobody = [0; 32];
        if let Err(error) = getrandom::fill(&mut nobody) {
            tracing::warn!(%error, "no random numbers: who is a user here can be found out");
        }
        Self {
            database,
            pool: Pool::new(),
            tls,
            asking: Semaphore::new(ASKING),
            processes: AtomicU32::new(FIRST_CLIENT),
            cancels: Mutex::default(),
            admin: Mutex::default(),
            nobody,
        }
    }

    pub(super) fn clear(&self) {
        self.pool.clear();
        locked(&self.admin).take();
    }

    fn next_process(&self) -> u32 {
        self.processes.fetch_add(1, Ordering::Relaxed)
    }

    /// A connection of `account` for a client.
    async fn backend(
        &self,
        running: &Running,
        account: &Arc<Account>,
        process: u32,
    ) -> Result<Lent<Backend>, NoConnection<ClientError>> {
        let fits = |backend: &Backend| backend.account == *account;
        let opening = async {
            let secret = Secret::Keys(account.keys);
            Ok(Backend {
                connection: running.postgres_log_in(&account.start, &secret).await?,
                account: Arc::clone(account),
                is_changed: false,
            })
        };
        self.pool.take(running.generation, process, fits, opening).await
    }

    /// What the server keeps of the password of a user who may log in.
    async fn verifier(&self, running: &Running, user: &str) -> Result<Option<Verifier>, ClientError> {
        let _turn = self.asking.acquire().await;
        let kept = locked(&self.admin).take();
        let mut admin = match kept.filter(|(generation, _)| *generation == running.generation) {
            Some((_, admin)) => admin,
            None => running.postgres_admin("postgres").await?,
        };
        let sql = format!(
            "SELECT rolpassword FROM pg_authid WHERE rolname = {} AND rolcanlogin \
             AND (rolvaliduntil IS NULL OR rolvaliduntil > now())",
            literal(user)
        );
        let answer = admin.query(&sql).await?;
        *locked(&self.admin) = Some((running.generation, admin));
        let kept = answer.rows.first().and_then(|row| row.first()?.as_ref());
        Ok(kept.and_then(|text| Verifier::parse(std::str::from_utf8(text).ok()?)))
    }

    /// Ends the statement of the client that knows its number and secret.
    async fn cancel(&self, process: u32, secret: u32) {
        let known = |cancel: &&Cancel| cancel.secret == secret;
        let found = locked(&self.cancels)
            .get(&process)
            .filter(known)
            .and_then(|cancel| cancel.backend.clone());
        let Some((running, (process, secret))) = found else {
            return;
        };
        let asking = async {
            let mut stream = running.connect().await?;
            stream.write_all(&cancel(process, secret)).await?;
            // The server closes when it has passed it on.
            stream.read(&mut [0]).await
        };
        if !matches!(tokio::time::timeout(CANCEL_TIMEOUT, asking).await, Ok(Ok(_))) {
            tracing::debug!("a statement could not be cancelled");
        }
    }
}
