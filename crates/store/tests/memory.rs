//! What the store needs of memory does not grow with what it holds. Alone in its file, because it looks at its process.
#![allow(clippy::unwrap_used)] // A test fails by panicking.

use std::time::Duration;

use bytes::Bytes;
use danbi_store::{EmbeddedOptions, Store, StoreError};

/// Bytes written; much more than may be in memory.
const WRITTEN: usize = 192 << 20;
const VALUE: usize = 4 << 10;
const TOGETHER: usize = 256;
/// What the process may need in all: memory tables of 1 MiB, a cache, and what merging tables holds.
const MOST_KIB: u64 = 96 << 10;

fn highest_kib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmHWM:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn merging_tables_holds_a_part_of_them_at_a_time() {
    let folder = tempfile::tempdir().unwrap();
    let options = EmbeddedOptions {
        memory_bytes: 1 << 20,
        cache_bytes: 1 << 20,
        relaxed_flush: Duration::from_secs(1),
    };
    let store = Store::open_embedded(folder.path(), options).unwrap();
    // Well compressed, so that tables of a bounded size on disk are large in memory; scattered, so that they overlap.
    let value = Bytes::from(vec![b'x'; VALUE]);
    let items = WRITTEN / VALUE;
    for first in (0..items).step_by(TOGETHER) {
        store
            .transact_relaxed(async |tx| {
                for number in first..first + TOGETHER {
                    let key = (number as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15).to_be_bytes();
                    tx.put(&key, value.clone())?;
                }
                Ok::<_, StoreError>(())
            })
            .await
            .unwrap();
    }
    store.close().await;
    let highest = highest_kib();
    assert!(highest < MOST_KIB, "{highest} KiB");
}
