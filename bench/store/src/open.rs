//! How long an engine takes to open a folder after a crash, and what memory it then holds.
//!
//! The first run fills the folder and exits without closing; the second one opens and reports.
#![allow(clippy::unwrap_used)] // A benchmark that cannot write has nothing to report.

use std::path::Path;
use std::time::Instant;

use danbi_store::{EmbeddedOptions, Store, StoreError};

use crate::contestants::{open_fjall, open_redb, redb_commit, write};

pub fn measure(mut arguments: impl Iterator<Item = String>) {
    let (Some(engine), Some(dir)) = (arguments.next(), arguments.next()) else {
        return;
    };
    let keys = arguments.next().map_or(0, |keys| keys.parse().unwrap());
    let dir = Path::new(&dir);
    std::fs::create_dir_all(dir).unwrap();
    let before = resident_kib();
    let begun = Instant::now();
    match engine.as_str() {
        "danbi" => {
            let store = Store::open_embedded(dir, EmbeddedOptions::default()).unwrap();
            report(&engine, begun, before);
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .unwrap();
            for _ in 0..keys / 1000 {
                let fill = async |tx: danbi_store::Transaction| {
                    for (key, value) in (0..1000).map(|_| write()) {
                        tx.put(&key, value.to_vec())?;
                    }
                    Ok::<_, StoreError>(())
                };
                runtime.block_on(store.transact(fill)).unwrap();
            }
            std::process::exit(0);
        }
        "fjall" => {
            let (database, data) = open_fjall(dir);
            report(&engine, begun, before);
            for _ in 0..keys / 1000 {
                let mut batch = database.batch();
                for (key, value) in (0..1000).map(|_| write()) {
                    batch.insert(&data, key, value.as_slice());
                }
                batch.durability(Some(fjall::PersistMode::SyncData)).commit().unwrap();
            }
            std::process::exit(0);
        }
        _ => {
            let database = open_redb(dir);
            report(&engine, begun, before);
            for _ in 0..keys / 1000 {
                redb_commit(&database, &(0..1000).map(|_| write()).collect::<Vec<_>>());
            }
            std::process::exit(0);
        }
    }
}

fn report(engine: &str, begun: Instant, before: u64) {
    let millis = begun.elapsed().as_secs_f64() * 1e3;
    println!(
        "{engine:<6} open {millis:>8.1} ms, resident +{} KiB",
        resident_kib().saturating_sub(before)
    );
}

/// Resident memory of this process.
fn resident_kib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.trim().trim_end_matches(" kB").parse().unwrap()
}
