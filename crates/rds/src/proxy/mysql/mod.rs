//! Clients that speak MySQL's protocol.

mod greet;
mod relay;
mod session;

pub(super) use greet::refuse_too_many;
pub(super) use session::run;

use super::pool::{Lent, NoConnection, Pool};
use super::{ASKING, FIRST_CLIENT, Tls};
use crate::mysql::client::{Account, ClientError, Connection};
use crate::server::{Database, Running};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use tokio::sync::Semaphore;

/// What stands before a MariaDB.
pub(crate) struct MySql {
    database: Arc<Database>,
    pub(super) pool: Pool<Backend>,
    /// What the server says its version is.
    version: String,
    tls: Option<Arc<dyn Tls>>,
    asking: Semaphore,
    threads: AtomicU32,
}

/// A server connection with what the proxy knows of the session in it.
pub(crate) struct Backend {
    connection: Connection,
    account: Account,
    /// The session's current database.
    database: Vec<u8>,
}

impl MySql {
    pub(super) fn new(database: Arc<Database>, version: &str, tls: Option<Arc<dyn Tls>>) -> Self {
        Self {
            database,
            pool: Pool::new(),
            // Clients that know MariaDB look behind the first version, which old ones need.
            version: format!("5.5.5-{version}-MariaDB"),
            tls,
            asking: Semaphore::new(ASKING),
            threads: AtomicU32::new(FIRST_CLIENT),
        }
    }

    fn next_thread(&self) -> u32 {
        self.threads.fetch_add(1, Ordering::Relaxed)
    }

    /// A connection of `account` for a client.
    async fn backend(
        &self,
        running: &Running,
        account: &Account,
        thread: u32,
        database: &[u8],
    ) -> Result<Lent<Backend>, NoConnection<ClientError>> {
        // A session without a current database cannot be had of one that has one.
        let fits =
            |backend: &Backend| backend.account == *account && (!database.is_empty() || backend.database.is_empty());
        let opening = async {
            Ok(Backend {
                connection: running.log_in(account, database).await?,
                account: account.clone(),
                database: database.to_vec(),
            })
        };
        self.pool.take(running.generation, thread, fits, opening).await
    }
}
