//! Kills a process under load with SIGKILL, again and again, and looks at what it left.
//!
//! The child is this test binary again, running [`load`] on a folder that it finds in the environment, with so little
//! memory that tables are written and merged all the time. It reports every acknowledged commit through a pipe, which
//! outlives it. `DANBI_CRASH_CYCLES` sets the number of kills; 150 unless told.
#![allow(clippy::unwrap_used)] // A test fails by panicking.

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use danbi_store::key::KeyBuilder;
use danbi_store::{Direction, EmbeddedOptions, KeyRange, Snapshot, Store, StoreError, Transaction};

const FOLDER: &str = "DANBI_CRASH_FOLDER";
const WRITERS: u64 = 24;
const ACCOUNTS: u64 = 64;
const BALANCE: u64 = 1000;
/// Items that a writer keeps at least; it clears older ones by range from time to time.
const KEPT: u64 = 16;
/// Kills on one folder before a fresh one is begun.
const LIVES: u32 = 40;

/// How long a child may take to its first commit on a busy machine.
const BEGINS_WITHIN: Duration = Duration::from_secs(60);

type Outcome<T = ()> = Result<T, StoreError>;

fn options() -> EmbeddedOptions {
    EmbeddedOptions {
        memory_bytes: 128 << 10,
        relaxed_flush: Duration::from_millis(10),
        ..EmbeddedOptions::default()
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_acknowledged_is_lost_and_nothing_is_half_done() {
    let cycles = std::env::var("DANBI_CRASH_CYCLES").map_or(150, |cycles| cycles.parse::<u32>().unwrap());
    let mut random = fastrand::Rng::new();
    let (mut promised, mut commits, mut in_load) = (BTreeMap::new(), 0, 0);
    let mut dir = tempfile::tempdir().unwrap();
    for cycle in 0..cycles {
        if cycle % LIVES == 0 {
            dir = tempfile::tempdir().unwrap();
            promised.clear();
        }
        // Every other one is killed under load, the others while they open the store or soon after.
        let end = End {
            under_load: cycle % 2 == 0,
            after: Duration::from_millis(random.u64(0..80)),
        };
        let acknowledged = live_and_die(dir.path(), end, &mut promised);
        commits += acknowledged;
        in_load += u32::from(acknowledged > 0);
        let store = Store::open_embedded(dir.path(), options())
            .unwrap_or_else(|error| panic!("cycle {cycle} in {}: {error}", dir.path().display()));
        check(&store, &mut promised).await;
        store.close().await;
    }
    println!("{cycles} kills, {in_load} of them under load, {commits} acknowledged commits, none lost");
    assert!(
        in_load >= cycles / 2,
        "the kills come before the load: {in_load} of {cycles}"
    );
}

/// When a child is killed.
struct End {
    /// From its first acknowledged commit on, not from its start.
    under_load: bool,
    after: Duration,
}

/// Runs the child until its end; how many commits it acknowledged.
fn live_and_die(dir: &Path, end: End, promised: &mut BTreeMap<u64, u64>) -> usize {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "load", "--nocapture", "--test-threads=1"])
        .env(FOLDER, dir)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut reports = child.stderr.take().unwrap();
    let (begun, begins) = std::sync::mpsc::channel();
    let reader = std::thread::spawn(move || {
        let mut bytes = vec![0; 16];
        let first = reports.read(&mut bytes).unwrap();
        bytes.truncate(first);
        // Nobody listens when it does not matter.
        let _ = begun.send(());
        reports.read_to_end(&mut bytes).unwrap();
        bytes
    });
    if end.under_load {
        begins.recv_timeout(BEGINS_WITHIN).unwrap();
    }
    std::thread::sleep(end.after);
    child.kill().unwrap();
    child.wait().unwrap();
    let reports = reader.join().unwrap();
    for report in reports.chunks_exact(16) {
        let (writer, count) = report.split_at(8);
        let writer = u64::from_be_bytes(writer.try_into().unwrap());
        assert!(
            writer <= WRITERS,
            "the child failed: {}",
            String::from_utf8_lossy(&reports)
        );
        promised.insert(writer, u64::from_be_bytes(count.try_into().unwrap()));
    }
    reports.len() / 16
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
        let store = Store::open_embedded(Path::new(&dir), options()).unwrap();
        store.transact(open_accounts).await.unwrap();
        let writers = (0..WRITERS).map(|writer| tokio::spawn(keep_writing(store.clone(), writer)));
        for writer in writers.collect::<Vec<_>>() {
            writer.await.unwrap();
        }
    });
}

async fn open_accounts(tx: Transaction) -> Outcome {
    if tx.get(&account(0)).await?.is_none() {
        for number in 0..ACCOUNTS {
            tx.put(&account(number), number_value(BALANCE))?;
        }
    }
    Ok(())
}

async fn keep_writing(store: Store, writer: u64) {
    loop {
        let relaxed = async |tx: Transaction| {
            let count = number(tx.get(&key("relaxed", writer)).await?) + 1;
            tx.put(&key("relaxed", writer), number_value(count))?;
            tx.put(&item("line", writer, count), content(writer, count))
        };
        store.transact_relaxed(relaxed).await.unwrap();
        let count = store.transact(async |tx| write_once(&tx, writer).await).await.unwrap();
        let mut report = [0; 16];
        report[..8].copy_from_slice(&writer.to_be_bytes());
        report[8..].copy_from_slice(&count.to_be_bytes());
        // One write of 16 bytes to a pipe is whole or absent.
        std::io::stderr().write_all(&report).unwrap();
    }
}

/// Counts in two places, adds an item, clears old ones and moves money: all or nothing.
async fn write_once(tx: &Transaction, writer: u64) -> Outcome<u64> {
    let count = number(tx.get(&key("left", writer)).await?) + 1;
    tx.put(&key("left", writer), number_value(count))?;
    tx.put(&item("item", writer, count), content(writer, count))?;
    if count.is_multiple_of(KEPT) {
        tx.delete_range(KeyRange::new(
            item("item", writer, 0),
            item("item", writer, count - KEPT + 1),
        ))?;
        tx.delete_range(KeyRange::new(
            item("line", writer, 0),
            item("line", writer, (count - KEPT) / 2),
        ))?;
    }
    let (from, to) = (account(fastrand::u64(0..ACCOUNTS)), account(fastrand::u64(0..ACCOUNTS)));
    if from != to {
        let (rich, poor) = (number(tx.get(&from).await?), number(tx.get(&to).await?));
        let amount = fastrand::u64(0..=rich);
        tx.put(&from, number_value(rich - amount))?;
        tx.put(&to, number_value(poor + amount))?;
    }
    tx.put(&key("right", writer), number_value(count))?;
    Ok(count)
}

/// Looks for everything promised; what is there now is promised from now on.
async fn check(store: &Store, promises: &mut BTreeMap<u64, u64>) {
    let snapshot = store.snapshot().await.unwrap();
    for writer in 0..WRITERS {
        let at = async |name| number(snapshot.get(&key(name, writer)).await.unwrap());
        let (left, right, relaxed) = (at("left").await, at("right").await, at("relaxed").await);
        let promised = promises.insert(writer, left).unwrap_or(0);
        assert_eq!(left, right, "writer {writer}: a transaction is half there");
        assert!(
            left >= promised,
            "writer {writer}: {promised} was acknowledged, {left} is there"
        );
        assert!(
            left <= promised + 1,
            "writer {writer}: {left} is there, only {promised} acknowledged"
        );
        // Each durable commit follows a relaxed one of the same writer.
        assert!(
            relaxed >= left,
            "writer {writer}: relaxed commit {left} lost before durable commit {left}"
        );
        let newest_clearing = left - left % KEPT;
        let (first_item, first_line) = match newest_clearing {
            0 => (1, 1),
            count => (count - KEPT + 1, ((count - KEPT) / 2).max(1)),
        };
        check_items(&snapshot, "item", writer, first_item..=left).await;
        check_items(&snapshot, "line", writer, first_line..=relaxed).await;
    }
    let mut total = 0;
    let mut opened = 0;
    for number_of in 0..ACCOUNTS {
        if let Some(balance) = snapshot.get(&account(number_of)).await.unwrap() {
            (opened, total) = (opened + 1, total + number(Some(balance)));
        }
    }
    assert!(
        opened == 0 || (opened, total) == (ACCOUNTS, ACCOUNTS * BALANCE),
        "{opened} accounts hold {total}"
    );
}

/// Exactly the items of `expected` are there, each with its content.
async fn check_items(snapshot: &Snapshot, name: &str, writer: u64, expected: std::ops::RangeInclusive<u64>) {
    let mut rest = KeyRange::prefix(key(name, writer));
    let mut found = Vec::new();
    loop {
        let page = snapshot.scan(rest.clone(), Direction::Forward, 1000).await.unwrap();
        found.extend(page.entries);
        match found.last() {
            Some((last, _)) if page.more => rest = rest.after(last),
            _ => break,
        }
    }
    let expected: Vec<_> = expected
        .map(|count| (item(name, writer, count), content(writer, count)))
        .collect();
    let found: Vec<_> = found.into_iter().map(|(key, value)| (key, value.to_vec())).collect();
    assert!(
        found == expected,
        "{name} of writer {writer}: {} found, {} expected",
        found.len(),
        expected.len()
    );
}

fn key(name: &str, writer: u64) -> bytes::Bytes {
    KeyBuilder::new().str(name).u64(writer).build()
}

fn item(name: &str, writer: u64, count: u64) -> bytes::Bytes {
    KeyBuilder::new().str(name).u64(writer).u64(count).build()
}

fn account(number: u64) -> bytes::Bytes {
    KeyBuilder::new().str("account").u64(number).build()
}

fn content(writer: u64, count: u64) -> Vec<u8> {
    let mut random = fastrand::Rng::with_seed(writer << 32 | count);
    (0..random.usize(0..400)).map(|_| random.u8(..)).collect()
}

fn number(value: Option<bytes::Bytes>) -> u64 {
    value.map_or(0, |bytes| u64::from_be_bytes((*bytes).try_into().unwrap()))
}

fn number_value(number: u64) -> Vec<u8> {
    number.to_be_bytes().to_vec()
}
