//! What is measured: the store, the engines tried for it, and the peers.
#![allow(clippy::unwrap_used)] // A benchmark that cannot write has nothing to report.

use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::time::{Duration, Instant};

use danbi_store::{EmbeddedOptions, Store, StoreError};
use fjall::{Database, KeyspaceCreateOptions, PersistMode};
use redb::TableDefinition;
use tokio::sync::oneshot;

pub struct Contestant {
    pub name: &'static str,
    pub durability: &'static str,
    pub peer: bool,
    pub run: fn(&Path, usize, Duration) -> f64,
}

pub fn all() -> Vec<Contestant> {
    vec![
        Contestant {
            name: "danbi-store",
            durability: "fdatasync of its log per group, validated",
            peer: false,
            run: danbi,
        },
        Contestant {
            name: "fjall, persist per commit",
            durability: "commit + persist(SyncData)",
            peer: true,
            run: fjall_each,
        },
        Contestant {
            name: "fjall, merged batches",
            durability: "one batch + persist(SyncData) per group",
            peer: false,
            run: fjall_group,
        },
        Contestant {
            name: "redb, commit per write",
            durability: "Durability::Immediate",
            peer: true,
            run: redb_each,
        },
        Contestant {
            name: "redb, merged commits",
            durability: "one Durability::Immediate commit per group",
            peer: false,
            run: redb_group,
        },
    ]
}

const TABLE: TableDefinition<&[u8], &[u8]> = TableDefinition::new("data");
/// How long a group waits to fill; the store measures its own.
const LINGER: Duration = Duration::from_micros(500);
type Write = ([u8; 16], [u8; 100]);

pub fn write() -> Write {
    let mut write = ([0; 16], [0; 100]);
    write.0[..8].copy_from_slice(&fastrand::u64(..).to_be_bytes());
    write.0[8..].copy_from_slice(&fastrand::u64(..).to_be_bytes());
    write.1[..16].copy_from_slice(&write.0);
    write
}

fn danbi(dir: &Path, writers: usize, duration: Duration) -> f64 {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .unwrap();
    let store = Store::open_embedded(dir, EmbeddedOptions::default()).unwrap();
    let writing = store.clone();
    let rate = runtime.block_on(tasks(writers, duration, move || {
        let store = writing.clone();
        async move {
            let (key, value) = write();
            let put = async |tx: danbi_store::Transaction| -> Result<(), StoreError> {
                tx.get(&key).await?;
                tx.put(&key, value.to_vec())
            };
            store.transact(put).await.unwrap();
        }
    }));
    runtime.block_on(store.close());
    rate
}

fn threads(writers: usize, duration: Duration, commit: impl Fn(Write) + Sync) -> f64 {
    let count = AtomicU64::new(0);
    let begun = Instant::now();
    std::thread::scope(|scope| {
        for _ in 0..writers {
            scope.spawn(|| {
                while begun.elapsed() < duration {
                    commit(write());
                    count.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
    });
    count.into_inner() as f64 / begun.elapsed().as_secs_f64()
}

pub fn open_fjall(dir: &Path) -> (Database, fjall::Keyspace) {
    let database = Database::builder(dir.join("fjall"))
        .cache_size(8 << 20)
        .worker_threads(1)
        .open()
        .unwrap();
    let options = || KeyspaceCreateOptions::default().max_memtable_size(8 << 20);
    let data = database.keyspace("data", options).unwrap();
    (database, data)
}

fn fjall_each(dir: &Path, writers: usize, duration: Duration) -> f64 {
    let (database, data) = open_fjall(dir);
    threads(writers, duration, |(key, value)| {
        data.insert(key, value.as_slice()).unwrap();
        database.persist(PersistMode::SyncData).unwrap();
    })
}

fn fjall_group(dir: &Path, writers: usize, duration: Duration) -> f64 {
    let (database, data) = open_fjall(dir);
    grouped(writers, duration, |group| {
        let mut batch = database.batch();
        for (key, value) in group {
            batch.insert(&data, key.as_slice(), value.as_slice());
        }
        batch.durability(Some(PersistMode::SyncData)).commit().unwrap();
    })
}

pub fn redb_commit(database: &redb::Database, group: &[Write]) {
    let transaction = database.begin_write().unwrap();
    {
        let mut table = transaction.open_table(TABLE).unwrap();
        for (key, value) in group {
            table.insert(key.as_slice(), value.as_slice()).unwrap();
        }
    }
    transaction.commit().unwrap();
}

pub fn open_redb(dir: &Path) -> redb::Database {
    redb::Database::builder()
        .set_cache_size(16 << 20)
        .create(dir.join("data.redb"))
        .unwrap()
}

fn redb_each(dir: &Path, writers: usize, duration: Duration) -> f64 {
    let database = open_redb(dir);
    threads(writers, duration, |write| redb_commit(&database, &[write]))
}

fn redb_group(dir: &Path, writers: usize, duration: Duration) -> f64 {
    let database = open_redb(dir);
    grouped(writers, duration, |group| redb_commit(&database, group))
}

/// Tasks that queue for one committing thread and wait for each other a little, as in the store; but nothing is read
/// and nothing validated.
fn grouped(writers: usize, duration: Duration, commit: impl Fn(&[Write]) + Send + Sync) -> f64 {
    #[derive(Default)]
    struct Queue {
        waiting: Mutex<Vec<(Write, oneshot::Sender<()>)>>,
        arrived: Condvar,
    }
    let queue = Arc::new(Queue::default());
    let over = AtomicBool::new(false);
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .unwrap();
    std::thread::scope(|scope| {
        let committer = scope.spawn(|| {
            while !over.load(Ordering::Relaxed) {
                let mut waiting = queue.waiting.lock().unwrap();
                if waiting.is_empty() {
                    waiting = queue
                        .arrived
                        .wait_timeout(waiting, Duration::from_millis(10))
                        .unwrap()
                        .0;
                }
                let begun = Instant::now();
                while !waiting.is_empty() && waiting.len() < writers && begun.elapsed() < LINGER {
                    waiting = queue.arrived.wait_timeout(waiting, LINGER).unwrap().0;
                }
                let (writes, acks): (Vec<Write>, Vec<_>) = std::mem::take(&mut *waiting).into_iter().unzip();
                drop(waiting);
                if !writes.is_empty() {
                    commit(&writes);
                }
                acks.into_iter().for_each(|ack| ack.send(()).unwrap());
            }
        });
        let shared = Arc::clone(&queue);
        let rate = runtime.block_on(tasks(writers, duration, move || {
            let queue = Arc::clone(&shared);
            async move {
                let (sender, receiver) = oneshot::channel();
                let enough = {
                    let mut waiting = queue.waiting.lock().unwrap();
                    waiting.push((write(), sender));
                    waiting.len() == 1 || waiting.len() >= writers
                };
                if enough {
                    queue.arrived.notify_one();
                }
                receiver.await.unwrap();
            }
        }));
        over.store(true, Ordering::Relaxed);
        committer.join().unwrap();
        rate
    })
}

/// How many commits a second `writers` tasks make that each wait for theirs.
async fn tasks<Fut>(writers: usize, duration: Duration, commit: impl Fn() -> Fut + Clone + Send + 'static) -> f64
where
    Fut: Future<Output = ()> + Send + 'static,
{
    let begun = Instant::now();
    let mut tasks = tokio::task::JoinSet::new();
    for _ in 0..writers {
        let commit = commit.clone();
        tasks.spawn(async move {
            let mut count = 0;
            while begun.elapsed() < duration {
                commit().await;
                count += 1;
            }
            count
        });
    }
    let total: u32 = tasks.join_all().await.into_iter().sum();
    f64::from(total) / begun.elapsed().as_secs_f64()
}
