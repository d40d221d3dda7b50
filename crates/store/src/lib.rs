//! Ordered keys and values with serializable transactions: where every service keeps its state.
//!
//! ```
//! # use danbi_store::{Store, EmbeddedOptions, StoreError, key::KeyBuilder};
//! # struct Functions { store: Store }
//! impl Functions {
//!     /// Handlers borrow `&self` and their arguments; the future is `Send`.
//!     async fn bump(&self, name: &str) -> Result<u64, StoreError> {
//!         let key = KeyBuilder::new().str("function").str(name).build();
//!         self.store.transact(async |tx| {
//!             let count = tx.get(&key).await?.map_or(0, |bytes| bytes.len() as u64) + 1;
//!             tx.put(&key, vec![0; count as usize])?;
//!             Ok(count)
//!         }).await
//!     }
//! }
//! # let dir = tempfile::tempdir().unwrap();
//! # let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
//! # let store = Store::open_embedded(dir.path(), EmbeddedOptions::default()).unwrap();
//! # let counted = runtime.block_on(async move { Functions { store }.bump("hello").await });
//! # assert_eq!(counted.unwrap(), 1);
//! ```
//!
//! The closure is an `async |tx| …` that takes the transaction **by value** and borrows what it captures; helper
//! functions take `tx: &Transaction`. (`AsyncFn(&mut Transaction)` would read the same, but on Rust 1.95 its futures
//! are not provably `Send` when they capture references.) It may run several times, so it has no effect but through
//! `tx`. To give the compiler the error type, end with `Ok::<_, MyError>(…)` or annotate the result.
//!
//! # Promises
//! - [`Store::transact`] returns only after the commit is on disk; commits that wait at the same time share one fsync.
//! - Transactions are serializable: lost updates, write skew and phantoms are refused and the closure runs again.
//! - Readers see whole transactions only, and nothing that a crash could take back, except relaxed commits
//!   ([`Store::transact_relaxed`]), which are visible up to [`EmbeddedOptions::relaxed_flush`] before they are durable.
//! - After a crash the store holds a prefix of the order of commits, with every acknowledged durable one in it.
//! - After a failed write or fsync nothing more is acknowledged ([`StoreError::Stopped`]).
//! - Bounds: [`MAX_KEY_BYTES`], [`MAX_VALUE_BYTES`], [`MAX_TRANSACTION_BYTES`], [`MAX_TRANSACTION_AGE`].
//!
//! # Never
//! - It knows nothing of what the keys mean. No lock is held between two awaits of a caller.
//! - Nobody outside may assume that a transaction is local or free: an [`Engine`] may be another machine.

mod embedded;
mod engine;
mod error;
pub mod key;
mod range;
mod retry;
mod snapshot;
mod store;
mod transaction;

use std::time::Duration;

pub use embedded::EmbeddedOptions;
pub use engine::{Commit, Durability, Engine, EngineSnapshot, Writes};
pub use error::StoreError;
pub use range::{Direction, KeyRange, Page};
pub use snapshot::Snapshot;
pub use store::Store;
pub use transaction::Transaction;

/// Longest key, in bytes; the shortest has one.
pub const MAX_KEY_BYTES: usize = 10_000;
/// Longest value, in bytes.
pub const MAX_VALUE_BYTES: usize = 100_000;
/// Most bytes in the keys, values and recorded reads of one transaction.
pub const MAX_TRANSACTION_BYTES: usize = 10_000_000;
/// How long a transaction may be open before its commit.
pub const MAX_TRANSACTION_AGE: Duration = Duration::from_secs(5);
/// How long a snapshot may be read from.
pub const MAX_SNAPSHOT_AGE: Duration = Duration::from_secs(30);
/// Bytes of keys and values at which a page of a scan ends early.
pub const MAX_PAGE_BYTES: usize = 1_000_000;
/// How long a commit may take before its outcome is reported as unknown.
pub const COMMIT_TIMEOUT: Duration = Duration::from_secs(30);
