//! Transactions of the Data API, each with a connection of its own.

use super::{Connected, Connection, IDLE, LONGEST, bad_request, connect, database, of_mysql, of_postgres};
use crate::Rds;
use crate::data_shapes::*;
use danbi_core::{RequestContext, ServiceError};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::{Duration, Instant};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Transactions that are open at once, of all databases.
const MOST: usize = 1000;
/// How often those are looked for that are over.
const LOOK: Duration = Duration::from_secs(1);

/// The transactions that are open on this node.
#[derive(Default)]
pub(crate) struct Transactions(Mutex<HashMap<String, Open>>);

struct Open {
    /// The resource id of its database.
    resource: String,
    begun: Instant,
    used: Instant,
    /// One statement at a time.
    turn: Arc<Semaphore>,
    /// Taken by the statement that runs.
    connected: Option<Connected>,
}

/// A transaction while a statement of it runs.
pub(super) struct Taken {
    pub(super) connected: Connected,
    id: String,
    _turn: OwnedSemaphorePermit,
}

impl Transactions {
    fn all(&self) -> MutexGuard<'_, HashMap<String, Open>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes a transaction of that database for a statement; put it back with [`Transactions::put_back`], or it is rolled
    /// back.
    pub(super) async fn take(&self, id: &str, resource: &str) -> Result<Taken, ServiceError> {
        let missing = || {
            ServiceError::client(
                "TransactionNotFoundException",
                404,
                format!("Transaction {id} is not found"),
            )
        };
        let turn = {
            let mut all = self.all();
            let open = all.get_mut(id).filter(|open| open.resource == resource);
            let open = open.ok_or_else(missing)?;
            open.used = Instant::now();
            Arc::clone(&open.turn)
        };
        let turn = turn.acquire_owned().await.map_err(|_| missing())?;
        let connected = self.all().get_mut(id).and_then(|open| open.connected.take());
        match connected {
            Some(connected) => Ok(Taken {
                connected,
                id: id.to_owned(),
                _turn: turn,
            }),
            // A statement that ended the connection has ended the transaction.
            None => Err(missing()),
        }
    }

    pub(super) fn put_back(&self, taken: Taken) {
        if let Some(open) = self.all().get_mut(&taken.id) {
            open.used = Instant::now();
            open.connected = Some(taken.connected);
        }
    }

    fn enter(&self, resource: String, connected: Connected) -> Result<String, ServiceError> {
        let mut all = self.all();
        if all.len() >= MOST {
            return Err(bad_request("There are too many open transactions."));
        }
        let id = uuid::Uuid::new_v4().simple().to_string();
        let now = Instant::now();
        let open = Open {
            resource,
            begun: now,
            used: now,
            turn: Arc::new(Semaphore::new(1)),
            connected: Some(connected),
        };
        all.insert(id.clone(), open);
        Ok(id)
    }

    /// Rolls back what nobody uses.
    fn look(&self) {
        self.all().retain(|_, open| match open.connected {
            Some(_) => open.used.elapsed() < IDLE && open.begun.elapsed() < LONGEST,
            // A statement runs, or has ended the connection.
            None => open.turn.available_permits() == 0,
        });
    }
}

/// Rolls back transactions that nobody uses, for as long as the platform runs.
pub(crate) async fn roll_back_unused(rds: Weak<Rds>) {
    loop {
        tokio::time::sleep(LOOK).await;
        let Some(rds) = rds.upgrade() else { return };
        rds.transactions.look();
    }
}

async fn say(connected: &mut Connected, sql: &str) -> Result<(), ServiceError> {
    match &mut connected.connection {
        Connection::MySql(connection) => connection.run(sql).await.map_err(of_mysql),
        Connection::Postgres(connection) => connection.run(sql).await.map_err(of_postgres),
    }
}

pub(super) async fn begin(
    rds: Arc<Rds>,
    context: RequestContext,
    input: BeginTransactionRequest,
) -> Result<BeginTransactionResponse, ServiceError> {
    let record = database(&rds, &context.scope, &input.resource_arn, &input.secret_arn).await?;
    let mut connected = connect(&rds, &record, input.database.as_ref(), input.schema.as_ref()).await?;
    say(&mut connected, "BEGIN").await?;
    Ok(BeginTransactionResponse {
        transaction_id: Some(rds.transactions.enter(record.resource, connected)?),
    })
}

async fn end(
    rds: &Rds,
    context: &RequestContext,
    resource: &str,
    secret: &str,
    transaction: &str,
    sql: &str,
) -> Result<(), ServiceError> {
    let record = database(rds, &context.scope, resource, secret).await?;
    let mut taken = rds.transactions.take(transaction, &record.resource).await?;
    rds.transactions.all().remove(transaction);
    say(&mut taken.connected, sql).await
}

pub(super) async fn commit(
    rds: Arc<Rds>,
    context: RequestContext,
    input: CommitTransactionRequest,
) -> Result<CommitTransactionResponse, ServiceError> {
    let (resource, secret) = (&input.resource_arn, &input.secret_arn);
    end(&rds, &context, resource, secret, &input.transaction_id, "COMMIT").await?;
    Ok(CommitTransactionResponse {
        transaction_status: Some("Transaction Committed".to_owned()),
    })
}

pub(super) async fn roll_back(
    rds: Arc<Rds>,
    context: RequestContext,
    input: RollbackTransactionRequest,
) -> Result<RollbackTransactionResponse, ServiceError> {
    let (resource, secret) = (&input.resource_arn, &input.secret_arn);
    end(&rds, &context, resource, secret, &input.transaction_id, "ROLLBACK").await?;
    Ok(RollbackTransactionResponse {
        transaction_status: Some("Rollback Complete".to_owned()),
    })
}
