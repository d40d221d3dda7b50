//! Files cut short or changed behind the store's back: a consistent prefix or a refusal, never wrong data.
#![allow(clippy::unwrap_used)] // A test fails by panicking.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, SystemTime};

use danbi_store::{Direction, EmbeddedOptions, KeyRange, Store, StoreError};
use tempfile::TempDir;

const COMMITS: u32 = 40;

fn options() -> EmbeddedOptions {
    EmbeddedOptions {
        memory_bytes: 64 << 10,
        ..EmbeddedOptions::default()
    }
}

fn key(number: u32) -> Vec<u8> {
    format!("key/{number:04}").into_bytes()
}

fn value(number: u32) -> Vec<u8> {
    (0..number % 300).map(|index| (index + number) as u8).collect()
}

/// The folder as a power cut would leave it: written while the store is open, `commits` transactions of two keys.
async fn image(commits: u32, options: EmbeddedOptions) -> TempDir {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open_embedded(dir.path(), options).unwrap();
    for number in 1..=commits {
        let write = async |tx: danbi_store::Transaction| -> Result<(), StoreError> {
            tx.put(&key(number), value(number))?;
            tx.put(b"newest", number.to_be_bytes().to_vec())
        };
        store.transact(write).await.unwrap();
    }
    // A power cut takes one moment of the folder; a copy takes a while, in which tables are merged and removed. A copy
    // during which nothing changed is of one moment too.
    let deadline = Instant::now() + Duration::from_secs(30);
    loop {
        let copy = tempfile::tempdir().unwrap();
        let before = sizes(dir.path());
        let copied = copy_folder(dir.path(), copy.path());
        if copied.is_ok() && sizes(dir.path()) == before {
            return copy;
        }
        assert!(Instant::now() < deadline, "the store's folder did not come to rest");
        tokio::task::yield_now().await;
    }
}

fn copy_folder(from: &Path, to: &Path) -> io::Result<()> {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let target = to.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            copy_folder(&entry.path(), &target)?;
        } else {
            fs::copy(entry.path(), target)?;
        }
    }
    Ok(())
}

/// Every file below `dir` with its size and the time of its last change; a file that goes meanwhile has neither.
fn sizes(dir: &Path) -> Vec<(PathBuf, Option<(u64, SystemTime)>)> {
    let looked_at = |path: PathBuf| {
        let found = path.metadata().and_then(|meta| Ok((meta.len(), meta.modified()?)));
        (path, found.ok())
    };
    files(dir).into_iter().map(looked_at).collect()
}

fn files(dir: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(files(&path))
        } else {
            found.push(path)
        }
    }
    found.sort();
    found
}

fn last_segment(dir: &Path) -> PathBuf {
    files(&dir.join("log"))
        .into_iter()
        .rfind(|path| path.extension().is_some_and(|kind| kind == "log"))
        .unwrap()
}

/// The newest commit that is there, all before it being there too; or why the store refuses.
async fn newest(dir: &Path) -> Result<u32, StoreError> {
    let store = Store::open_embedded(dir, options())?;
    let snapshot = store.snapshot().await?;
    let newest = snapshot.get(b"newest").await?;
    let newest = newest.map_or(0, |bytes| u32::from_be_bytes((*bytes).try_into().unwrap()));
    let page = snapshot
        .scan(KeyRange::prefix("key/"), Direction::Forward, 10_000)
        .await?;
    let found: Vec<_> = page
        .entries
        .iter()
        .map(|(key, value)| (key.to_vec(), value.to_vec()))
        .collect();
    let expected: Vec<_> = (1..=newest).map(|number| (key(number), value(number))).collect();
    assert!(found == expected, "not the first {newest} commits");
    store.close().await;
    Ok(newest)
}

/// Where the records of a segment end: behind it are only zeros.
fn written(segment: &[u8]) -> usize {
    segment.iter().rposition(|&byte| byte != 0).unwrap() + 1
}

#[tokio::test]
async fn a_log_cut_anywhere_opens_with_a_prefix() {
    let image = image(COMMITS, options()).await;
    let segment = fs::read(last_segment(image.path())).unwrap();
    let mut before = COMMITS;
    for length in (32..written(&segment)).rev().step_by(61) {
        let copy = tempfile::tempdir().unwrap();
        copy_folder(image.path(), copy.path()).unwrap();
        fs::write(last_segment(copy.path()), &segment[..length]).unwrap();
        let found = newest(copy.path()).await.unwrap();
        assert!(found <= before, "a shorter log holds more");
        before = found;
        // What was opened once opens again, and goes on from there.
        assert_eq!(newest(copy.path()).await.unwrap(), found);
    }
    assert!(before <= 1);
}

#[tokio::test]
async fn a_torn_last_record_is_left_out() {
    let image = image(COMMITS, options()).await;
    let segment = fs::read(last_segment(image.path())).unwrap();
    for distance in (1..60).step_by(7) {
        let copy = tempfile::tempdir().unwrap();
        copy_folder(image.path(), copy.path()).unwrap();
        let mut torn = segment.clone();
        torn[written(&segment) - distance] ^= 0x55;
        fs::write(last_segment(copy.path()), torn).unwrap();
        assert_eq!(newest(copy.path()).await.unwrap(), COMMITS - 1);
    }
}

#[tokio::test]
async fn damage_before_synced_records_is_refused() {
    let image = image(COMMITS, options()).await;
    let segment = fs::read(last_segment(image.path())).unwrap();
    let last_record = written(&segment) - 400;
    for offset in (0..last_record).step_by(199) {
        let copy = tempfile::tempdir().unwrap();
        copy_folder(image.path(), copy.path()).unwrap();
        let mut damaged = segment.clone();
        damaged[offset] ^= 0x01;
        fs::write(last_segment(copy.path()), &damaged).unwrap();
        match newest(copy.path()).await {
            Err(StoreError::Corrupt(detail)) => assert!(detail.contains(".log"), "{detail}"),
            // Padding between records carries nothing.
            Ok(found) => assert_eq!(found, COMMITS, "damage at {offset}"),
            Err(other) => panic!("damage at {offset}: {other}"),
        }
        // The refusal changes nothing: whoever repairs the file has everything again.
        fs::write(last_segment(copy.path()), &segment).unwrap();
        assert_eq!(newest(copy.path()).await.unwrap(), COMMITS);
    }
}

#[tokio::test]
async fn tables_never_yield_wrong_data() {
    let image = image(1500, options()).await;
    let tables: Vec<_> = files(&image.path().join("tree"))
        .into_iter()
        .filter(|path| path.metadata().unwrap().len() > 0)
        .collect();
    let mut random = fastrand::Rng::with_seed(7);
    let mut refused = 0;
    for _ in 0..40 {
        let copy = tempfile::tempdir().unwrap();
        copy_folder(image.path(), copy.path()).unwrap();
        let table = copy
            .path()
            .join(random.choice(&tables).unwrap().strip_prefix(image.path()).unwrap());
        let mut bytes = fs::read(&table).unwrap();
        let offset = random.usize(..bytes.len());
        bytes[offset] ^= 1 << random.u8(..8);
        fs::write(&table, bytes).unwrap();
        match newest(copy.path()).await {
            Ok(found) => assert_eq!(found, 1500, "{} at {offset}", table.display()),
            Err(_) => refused += 1,
        }
    }
    assert!(refused > 0);
}
