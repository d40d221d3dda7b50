//! Kills a process in the middle of puts: what it reported is there and whole, the rest is gone or whole.
//!
//! The child is this test binary again. `DANBI_CRASH_CYCLES` sets the number of kills; 40 unless told.
#![allow(clippy::unwrap_used)] // A test fails by panicking.

use std::collections::BTreeSet;
use std::io::{Read, Write};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use danbi_blobs::{BlobId, Blobs};

const FOLDER: &str = "DANBI_CRASH_FOLDER";

#[tokio::test(flavor = "multi_thread")]
async fn a_kill_in_the_middle_of_puts_leaves_whole_blobs() {
    let cycles = std::env::var("DANBI_CRASH_CYCLES").map_or(40, |cycles| cycles.parse::<u32>().unwrap());
    let dir = tempfile::tempdir().unwrap();
    let (mut reported, mut in_load) = (BTreeSet::new(), 0);
    for _ in 0..cycles {
        let before = reported.len();
        live_and_die(dir.path(), Duration::from_millis(fastrand::u64(0..60)), &mut reported);
        in_load += u32::from(reported.len() > before);
        let blobs = Blobs::open(dir.path()).await.unwrap();
        assert_eq!(std::fs::read_dir(dir.path().join("tmp")).unwrap().count(), 0);
        let there: BTreeSet<BlobId> = blobs.list(None, usize::MAX).await.unwrap().into_iter().collect();
        assert!(reported.is_subset(&there), "a reported blob is lost");
        for id in &there {
            blobs.get(id).await.unwrap();
        }
    }
    println!(
        "{cycles} kills, {in_load} of them under load, {} blobs reported, none lost",
        reported.len()
    );
    assert!(in_load > cycles / 4);
}

fn live_and_die(dir: &Path, time: Duration, reported: &mut BTreeSet<BlobId>) {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "load", "--nocapture", "--test-threads=1"])
        .env(FOLDER, dir)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut reports = child.stderr.take().unwrap();
    let reader = std::thread::spawn(move || {
        let mut bytes = Vec::new();
        reports.read_to_end(&mut bytes).unwrap();
        bytes
    });
    std::thread::sleep(time);
    child.kill().unwrap();
    child.wait().unwrap();
    for id in reader.join().unwrap().chunks_exact(32) {
        reported.insert(BlobId::from_bytes(id.try_into().unwrap()));
    }
}

/// The child's part; nothing when it is not a child.
#[test]
fn load() {
    let Some(dir) = std::env::var_os(FOLDER) else { return };
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        let blobs = Blobs::open(Path::new(&dir)).await.unwrap();
        let mut writers = tokio::task::JoinSet::new();
        for _ in 0..4 {
            writers.spawn(keep_putting(blobs.clone()));
        }
        writers.join_all().await;
    });
}

async fn keep_putting(blobs: Blobs) {
    loop {
        let content: Vec<u8> = fastrand::u64(..).to_be_bytes().repeat(fastrand::usize(1..5000));
        let id = blobs.put(content).await.unwrap();
        // One write of 32 bytes to a pipe is whole or absent.
        std::io::stderr().write_all(id.as_bytes()).unwrap();
    }
}
