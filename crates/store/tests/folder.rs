//! The folder: one user at a time, formats, and what happens when it cannot be written.
#![allow(clippy::unwrap_used)] // A test fails by panicking.

use std::fs;
use std::path::Path;
use std::process::Command;

use danbi_store::{Direction, EmbeddedOptions, KeyRange, Store, StoreError, Transaction};

/// Where the child of [`after_a_failed_write_nothing_is_acknowledged`] finds its folder.
const FOLDER: &str = "DANBI_FULL_FOLDER";

fn open(dir: &Path) -> Result<Store, StoreError> {
    Store::open_embedded(dir, EmbeddedOptions::default())
}

#[tokio::test]
async fn a_second_opening_is_refused_until_the_first_is_closed() {
    let dir = tempfile::tempdir().unwrap();
    let first = open(dir.path()).unwrap();
    first.transact(async |tx| tx.put(b"a", "1")).await.unwrap();
    let refused = open(dir.path()).unwrap_err();
    assert!(matches!(&refused, StoreError::Locked { dir: named } if named == dir.path()));
    assert!(refused.to_string().contains(&dir.path().display().to_string()));
    first.close().await;
    let second = open(dir.path()).unwrap();
    assert_eq!(second.snapshot().await.unwrap().get(b"a").await.unwrap().unwrap(), "1");
}

#[tokio::test]
async fn a_dropped_store_gives_the_folder_free_and_keeps_relaxed_commits() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path()).unwrap();
    store.transact_relaxed(async |tx| tx.put(b"line", "1")).await.unwrap();
    drop(store);
    let store = open(dir.path()).unwrap();
    assert!(store.snapshot().await.unwrap().get(b"line").await.unwrap().is_some());
}

#[test]
fn a_newer_format_is_refused_by_name() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("FORMAT"), "danbi-store 2\n").unwrap();
    assert!(matches!(
        open(dir.path()),
        Err(StoreError::NewerFormat {
            found: 2,
            supported: 1,
            ..
        })
    ));
    fs::write(dir.path().join("FORMAT"), "something else\n").unwrap();
    assert!(matches!(open(dir.path()), Err(StoreError::Corrupt(_))));
}

#[test]
fn a_folder_that_cannot_be_made_is_named() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("file");
    fs::write(&file, "").unwrap();
    let refused = open(&file.join("store")).unwrap_err();
    assert!(
        matches!(refused, StoreError::Folder { .. }) && refused.to_string().contains("file/store"),
        "{refused}"
    );
}

#[tokio::test]
async fn many_reopenings_keep_data_and_few_files() {
    let dir = tempfile::tempdir().unwrap();
    for round in 0..20_u32 {
        let store = open(dir.path()).unwrap();
        store
            .transact(async |tx| tx.put(&round.to_be_bytes(), "x"))
            .await
            .unwrap();
        let page = store
            .snapshot()
            .await
            .unwrap()
            .scan(KeyRange::all(), Direction::Forward, 100)
            .await
            .unwrap();
        assert_eq!(page.entries.len(), round as usize + 1);
        store.close().await;
    }
    assert!(fs::read_dir(dir.path().join("log")).unwrap().count() <= 4);
}

/// A process that may not write files larger than 1 MiB meets a full disk as far as the store can tell.
#[tokio::test]
async fn after_a_failed_write_nothing_is_acknowledged() {
    let dir = tempfile::tempdir().unwrap();
    let child = Command::new("sh")
        .args([
            "-c",
            "trap '' XFSZ; ulimit -f 2048; exec \"$0\" --exact write_into_a_full_disk --nocapture",
        ])
        .arg(std::env::current_exe().unwrap())
        .env(FOLDER, dir.path())
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&child.stdout);
    assert!(
        child.status.success(),
        "{said}{}",
        String::from_utf8_lossy(&child.stderr)
    );
    assert!(said.contains("stopped as it should"), "{said}");
    let store = open(dir.path()).unwrap();
    let page = store
        .snapshot()
        .await
        .unwrap()
        .scan(KeyRange::all(), Direction::Forward, 100)
        .await
        .unwrap();
    let keys: Vec<_> = page
        .entries
        .iter()
        .map(|(key, _)| String::from_utf8_lossy(key))
        .collect();
    assert_eq!(keys, ["before"]);
}

#[test]
fn write_into_a_full_disk() {
    let Some(dir) = std::env::var_os(FOLDER) else { return };
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        let options = EmbeddedOptions {
            memory_bytes: 512 << 10,
            ..EmbeddedOptions::default()
        };
        let store = Store::open_embedded(Path::new(&dir), options).unwrap();
        store.transact(async |tx| tx.put(b"before", "1")).await.unwrap();
        let large = async |tx: Transaction| -> Result<(), StoreError> {
            (0..20_u8).try_for_each(|number| tx.put(&[number], vec![number; 100_000]))
        };
        let refused = store.transact(large).await.unwrap_err();
        assert!(matches!(refused, StoreError::Stopped(_)), "{refused}");
        let refused = store.transact(async |tx| tx.put(b"after", "1")).await.unwrap_err();
        assert!(matches!(refused, StoreError::Stopped(_)), "{refused}");
        let refused = store
            .transact_relaxed(async |tx| tx.put(b"after", "1"))
            .await
            .unwrap_err();
        assert!(matches!(refused, StoreError::Stopped(_)), "{refused}");
        assert!(store.snapshot().await.unwrap().get(b"before").await.unwrap().is_some());
        println!("stopped as it should");
    });
}
