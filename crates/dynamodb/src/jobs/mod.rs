//! Work that outlives the request that asked for it, and the process: removing data, filling indexes, copying tables.
//!
//! A job is a record in the store, put there by the transaction that makes it necessary. It is done in steps, each one
//! small transaction that also writes how far the job has come. So a crash loses nothing and repeats nothing, and two
//! nodes that work on the same job cannot both make the same step. A node marks the jobs it works on with a time until
//! which others leave them alone; each step renews it.

mod clear;
mod key_text;
mod lease;

use crate::history::copy::{Copy, Forget};
use crate::tables::backfill::FillIndex;
use crate::tables::expiry::FillExpiry;
use crate::transfer::{Export, Import};
use crate::{DynamoDb, Error, layout};
use clear::Clear;
use danbi_store::{Direction, KeyRange, StoreError, Transaction};
use serde::{Deserialize, Serialize};
use std::collections::HashSet;
use std::sync::{Arc, Weak};
use std::time::Duration;
use tokio::sync::Notify;
use tokio::task::JoinSet;
use uuid::Uuid;

pub(crate) use key_text::KeyText;

/// How long a node's mark on a job keeps others away; longer than a step may take.
const CLAIM: Duration = Duration::from_secs(10);
/// Jobs that a node works on at the same time.
const MAX_RUNNING: usize = 4;
/// How often jobs are looked for that nobody has announced: those of nodes that died.
const LOOK_EVERY: Duration = Duration::from_secs(5);
/// The pause after a step that failed.
const AFTER_FAILURE: Duration = Duration::from_secs(1);

/// What is to be done, and how far it has come.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) enum Job {
    /// Keys to remove.
    Clear(Clear),
    /// An index to fill with the items from before.
    FillIndex(FillIndex),
    /// A list of expiring items to fill with those from before.
    FillExpiry(FillExpiry),
    /// A table, as it was at one moment, to copy into a backup or another table.
    Copy(Box<Copy>),
    /// History to forget.
    Forget(Forget),
    /// A table to write into a bucket.
    Export(Box<Export>),
    /// The objects of a bucket to read into a new table.
    Import(Box<Import>),
}

impl Job {
    /// Removes every key of a range.
    pub(crate) fn clear(range: KeyRange) -> Self {
        Self::Clear(Clear::new(range))
    }
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct JobRecord {
    job: Job,
    /// Grows with each step.
    revision: u64,
    /// Which node works on it.
    holder: u64,
    /// Until when, in milliseconds since the epoch.
    until: i64,
}

/// A job as the node that works on it knows it.
#[derive(Debug)]
pub(crate) struct Held {
    id: Uuid,
    revision: u64,
}

impl Held {
    /// A step that [`DynamoDb::advance`] wrote was committed.
    pub(crate) fn stepped(&mut self) {
        self.revision += 1;
    }
}

/// Wakes those who work on jobs.
#[derive(Debug)]
pub(crate) struct Jobs {
    /// Names this process among those that work.
    node: u64,
    arrived: Notify,
}

impl Default for Jobs {
    fn default() -> Self {
        Self {
            node: Uuid::new_v4().as_u64_pair().0,
            arrived: Notify::new(),
        }
    }
}

impl Jobs {
    /// Adds a job; call [`Jobs::wake`] after the commit.
    pub(crate) fn add(&self, tx: &Transaction, job: Job) -> Result<(), Error> {
        let record = JobRecord {
            job,
            revision: 0,
            holder: 0,
            until: 0,
        };
        put(tx, Uuid::new_v4(), &record)
    }

    /// Says that there is a new job.
    pub(crate) fn wake(&self) {
        self.arrived.notify_one();
    }
}

fn put(tx: &Transaction, id: Uuid, record: &JobRecord) -> Result<(), Error> {
    tx.put(&layout::job(id), serde_json::to_vec(record).map_err(Error::internal)?)?;
    Ok(())
}

async fn get(tx: &Transaction, id: Uuid) -> Result<Option<JobRecord>, Error> {
    let value = tx.get(&layout::job(id)).await?;
    value
        .map(|value| serde_json::from_slice(&value).map_err(Error::internal))
        .transpose()
}

/// Works on jobs for as long as the service runs.
pub(crate) async fn run(dynamodb: Weak<DynamoDb>) {
    let mut running: JoinSet<Uuid> = JoinSet::new();
    let mut busy: HashSet<Uuid> = HashSet::new();
    loop {
        let Some(service) = dynamodb.upgrade() else { return };
        match service.open_jobs().await {
            Ok(open) => {
                for id in open {
                    if running.len() < MAX_RUNNING && busy.insert(id) {
                        let service = Arc::clone(&service);
                        running.spawn(async move {
                            service.work_on(id).await;
                            id
                        });
                    }
                }
            }
            Err(Error::Store(StoreError::Closed)) => return,
            Err(error) => tracing::warn!(?error, "dynamodb: jobs could not be listed; trying again later"),
        }
        let jobs = Arc::clone(&service);
        drop(service);
        tokio::select! {
            () = jobs.jobs.arrived.notified() => {}
            Some(ended) = running.join_next() => match ended {
                Ok(id) => { busy.remove(&id); }
                // One that panicked has said so; it is taken up again with the next look.
                Err(_) => busy.clear(),
            },
            () = tokio::time::sleep(LOOK_EVERY) => {}
        }
    }
}

impl DynamoDb {
    /// Jobs that nobody else works on.
    async fn open_jobs(&self) -> Result<Vec<Uuid>, Error> {
        let now = self.clock.now().as_millis();
        let snapshot = self.store.snapshot().await?;
        let mut range = layout::jobs();
        let mut open = Vec::new();
        loop {
            let page = snapshot.scan(range.clone(), Direction::Forward, 100).await?;
            for (key, value) in &page.entries {
                let record: JobRecord = serde_json::from_slice(value).map_err(Error::internal)?;
                if record.holder == self.jobs.node || record.until <= now {
                    open.push(layout::job_id(key)?);
                }
            }
            match page.entries.last() {
                Some((last, _)) if page.more && open.len() < 100 => range = range.after(last),
                _ => return Ok(open),
            }
        }
    }

    /// Does a job to its end, or until another node has taken it.
    async fn work_on(&self, id: Uuid) {
        loop {
            match self.claim(id).await {
                Ok(Some((held, job))) => match self.steps(held, job).await {
                    Ok(()) => return,
                    Err(Error::Store(StoreError::Closed)) => return,
                    Err(error) => tracing::warn!(?error, job = %id, "dynamodb: a job failed; trying again"),
                },
                Ok(None) => return,
                Err(Error::Store(StoreError::Closed)) => return,
                Err(error) => tracing::warn!(?error, job = %id, "dynamodb: a job could not be begun; trying again"),
            }
            tokio::time::sleep(AFTER_FAILURE).await;
        }
    }

    async fn claim(&self, id: Uuid) -> Result<Option<(Held, Job)>, Error> {
        self.store
            .transact(async |tx| {
                let now = self.clock.now().as_millis();
                let Some(mut record) = get(&tx, id).await? else {
                    return Ok(None);
                };
                if record.holder != self.jobs.node && record.until > now {
                    return Ok(None);
                }
                record.revision += 1;
                record.holder = self.jobs.node;
                record.until = now + CLAIM.as_millis() as i64;
                put(&tx, id, &record)?;
                let held = Held {
                    id,
                    revision: record.revision,
                };
                Ok::<_, Error>(Some((held, record.job)))
            })
            .await
    }

    async fn steps(&self, mut held: Held, mut job: Job) -> Result<(), Error> {
        loop {
            let next = match &job {
                Job::Clear(clear) => self.clear_step(&held, clear).await?,
                Job::FillIndex(fill) => self.fill_index_step(&held, fill).await?,
                Job::FillExpiry(fill) => self.fill_expiry_step(&held, fill).await?,
                Job::Copy(copy) => self.copy_step(&held, copy).await?,
                Job::Forget(forget) => self.forget_step(&held, forget).await?,
                Job::Export(export) => self.export_step(&held, export).await?,
                Job::Import(import) => return self.import_all(&mut held, import).await,
            };
            let Some(next) = next else { return Ok(()) };
            held.stepped();
            job = next;
        }
    }

    /// Within the transaction of a step: writes how far the job has come, or that it is done. Fails when another node
    /// has taken the job.
    pub(crate) async fn advance(&self, tx: &Transaction, held: &Held, next: Option<&Job>) -> Result<(), Error> {
        let record = get(tx, held.id).await?;
        let ours = record.is_some_and(|record| record.revision == held.revision && record.holder == self.jobs.node);
        if !ours {
            return Err(Error::TransactionConflict);
        }
        match next {
            Some(job) => put(
                tx,
                held.id,
                &JobRecord {
                    job: job.clone(),
                    revision: held.revision + 1,
                    holder: self.jobs.node,
                    until: self.clock.now().as_millis() + CLAIM.as_millis() as i64,
                },
            ),
            None => Ok(tx.delete(&layout::job(held.id))?),
        }
    }
}

/// How often counts are stored, and how often old records are trimmed.
const STORE_USAGE_EVERY: Duration = Duration::from_secs(5);
const TRIM_EVERY: Duration = Duration::from_secs(600);

/// What recurs whether or not anybody asks: storing counts, removing what has become too old.
pub(crate) async fn upkeep(dynamodb: Weak<DynamoDb>) {
    let mut since_trimmed = Duration::ZERO;
    loop {
        tokio::time::sleep(STORE_USAGE_EVERY).await;
        let Some(service) = dynamodb.upgrade() else { return };
        since_trimmed += STORE_USAGE_EVERY;
        let mut done = service.store_usage().await;
        let trim_every = service.options.trim_every.unwrap_or(TRIM_EVERY);
        if done.is_ok() && since_trimmed >= trim_every {
            since_trimmed = Duration::ZERO;
            done = service.trim().await;
        }
        match done {
            Ok(()) => {}
            Err(Error::Store(StoreError::Closed)) => return,
            Err(error) => tracing::warn!(?error, "dynamodb: the upkeep met an error; trying again later"),
        }
    }
}

impl DynamoDb {
    /// Removes what has become too old.
    async fn trim(&self) -> Result<(), Error> {
        self.trim_streams().await?;
        self.trim_history().await?;
        self.expire_backups().await?;
        self.forget_exports().await?;
        self.forget_imports().await
    }
}
