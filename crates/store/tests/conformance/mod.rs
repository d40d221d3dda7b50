//! What any engine behind [`Store`] must do. `suite!` makes a test of each case for one engine.

mod model;

use std::sync::atomic::{AtomicU32, Ordering};

use bytes::Bytes;
use danbi_store::{
    Direction, KeyRange, MAX_KEY_BYTES, MAX_PAGE_BYTES, MAX_TRANSACTION_BYTES, MAX_VALUE_BYTES, Page, Store, StoreError,
};

pub use model::behaves_as_a_map;

/// A test for each case, on stores that `$open` (a function that returns a store and what must outlive it) makes.
/// A macro, because each case has to be a test of its own with a name to be run by.
macro_rules! suite {
    ($open:path) => {
        conformance::suite!($open; snapshots_do_not_change lost_updates_are_refused write_skew_is_refused phantoms_are_refused
            phantoms_at_the_end_of_a_page_are_refused a_range_cleared_elsewhere_is_a_conflict
            blind_writes_do_not_conflict read_only_transactions_never_conflict own_writes_are_seen
            scans_merge_own_writes pages_join_without_gaps_or_repeats large_pages_end_early bounds_are_kept
            a_failed_closure_writes_nothing cleared_ranges_are_empty_and_refillable
            a_range_cleared_takes_what_the_same_group_wrote counters_count relaxed_commits_are_visible
            behaves_as_a_map a_closed_store_says_so);
    };
    ($open:path; $($case:ident)*) => {
        $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
        async fn $case() {
            let (store, _keep) = $open();
            conformance::$case(store).await;
        })*
    };
}
pub(crate) use suite;

type Outcome<T = ()> = Result<T, StoreError>;

async fn put(store: &Store, entries: &[(&str, &str)]) {
    let write = async |tx: danbi_store::Transaction| -> Outcome {
        entries
            .iter()
            .try_for_each(|(key, value)| tx.put(key.as_bytes(), value.as_bytes().to_vec()))
    };
    store.transact(write).await.unwrap();
}

async fn get(store: &Store, key: &str) -> Option<Bytes> {
    store.snapshot().await.unwrap().get(key.as_bytes()).await.unwrap()
}

fn text(page: &Page) -> String {
    let entries = page.entries.iter();
    let entries =
        entries.map(|(key, value)| format!("{}={}", String::from_utf8_lossy(key), String::from_utf8_lossy(value)));
    entries.collect::<Vec<_>>().join(" ") + if page.more { " …" } else { "" }
}

async fn all(store: &Store) -> String {
    let snapshot = store.snapshot().await.unwrap();
    text(&snapshot.scan(KeyRange::all(), Direction::Forward, 1000).await.unwrap())
}

pub async fn snapshots_do_not_change(store: Store) {
    put(&store, &[("a", "1"), ("b", "1")]).await;
    let before = store.snapshot().await.unwrap();
    put(&store, &[("a", "2"), ("c", "2")]).await;
    store.transact(async |tx| tx.delete(b"b")).await.unwrap();
    assert_eq!(
        text(&before.scan(KeyRange::all(), Direction::Forward, 10).await.unwrap()),
        "a=1 b=1"
    );
    assert_eq!(before.get(b"c").await.unwrap(), None);
    assert_eq!(all(&store).await, "a=2 c=2");
}

/// Counts the attempts of a transaction; true in the first one.
#[derive(Default)]
struct Attempts(AtomicU32);

impl Attempts {
    fn is_first(&self) -> bool {
        self.0.fetch_add(1, Ordering::Relaxed) == 0
    }

    fn made(&self) -> u32 {
        self.0.load(Ordering::Relaxed)
    }
}

pub async fn lost_updates_are_refused(store: Store) {
    put(&store, &[("a", "x")]).await;
    let attempts = Attempts::default();
    let append = async |tx: danbi_store::Transaction| -> Outcome {
        let mut value = tx.get(b"a").await?.unwrap().to_vec();
        if attempts.is_first() {
            put(&store, &[("a", "y")]).await;
        }
        value.push(b'+');
        tx.put(b"a", value)
    };
    store.transact(append).await.unwrap();
    assert_eq!((attempts.made(), all(&store).await.as_str()), (2, "a=y+"));
}

pub async fn write_skew_is_refused(store: Store) {
    put(&store, &[("alice", "on"), ("bob", "on")]).await;
    let leave = async |tx: &danbi_store::Transaction, who: &[u8]| -> Outcome {
        let on_call = tx.scan(KeyRange::all(), Direction::Forward, 10).await?;
        if on_call.entries.iter().filter(|(_, state)| state == "on").count() > 1 {
            tx.put(who, "off")?;
        }
        Ok(())
    };
    let attempts = Attempts::default();
    let alice = async |tx: danbi_store::Transaction| -> Outcome {
        if attempts.is_first() {
            leave(&tx, b"alice").await?;
            store.transact(async |tx| leave(&tx, b"bob").await).await
        } else {
            leave(&tx, b"alice").await
        }
    };
    store.transact(alice).await.unwrap();
    assert_eq!((attempts.made(), all(&store).await.as_str()), (2, "alice=on bob=off"));
}

pub async fn phantoms_are_refused(store: Store) {
    for direction in [Direction::Forward, Direction::Reverse] {
        let attempts = Attempts::default();
        let count = async |tx: danbi_store::Transaction| -> Outcome {
            let seats = tx.scan(KeyRange::prefix("seat/"), direction, 100).await?.entries.len();
            if attempts.is_first() {
                put(&store, &[(&format!("seat/{direction:?}"), "taken")]).await;
            }
            tx.put(b"count", seats.to_string())
        };
        store.transact(count).await.unwrap();
        assert_eq!(attempts.made(), 2);
    }
    assert_eq!(get(&store, "count").await.unwrap(), "2");
}

pub async fn phantoms_at_the_end_of_a_page_are_refused(store: Store) {
    put(&store, &[("b", "1"), ("d", "1"), ("f", "1"), ("h", "1")]).await;
    // A page of two forward has seen up to `d`, and that there is something behind it.
    for (direction, inside, outside) in [(Direction::Forward, "c", "g"), (Direction::Reverse, "g", "a")] {
        for (key, expected) in [(inside, 2), (outside, 1)] {
            let attempts = Attempts::default();
            let first_two = async |tx: danbi_store::Transaction| -> Outcome {
                let page = tx.scan(KeyRange::new("a", "z"), direction, 2).await?;
                assert!(page.more && page.entries.len() == 2);
                if attempts.is_first() {
                    put(&store, &[(key, "new")]).await;
                }
                tx.put(b"zz", "")
            };
            store.transact(first_two).await.unwrap();
            assert_eq!(attempts.made(), expected, "{direction:?} {key}");
            store.transact(async |tx| tx.delete(key.as_bytes())).await.unwrap();
        }
    }
}

pub async fn a_range_cleared_elsewhere_is_a_conflict(store: Store) {
    put(&store, &[("p/1", "1"), ("p/2", "1")]).await;
    let attempts = Attempts::default();
    let copy = async |tx: danbi_store::Transaction| -> Outcome {
        let found = tx.get(b"p/1").await?;
        if attempts.is_first() {
            store
                .transact(async |tx| tx.delete_range(KeyRange::prefix("p/")))
                .await?;
        }
        tx.put(b"copy", if found.is_some() { "some" } else { "none" })
    };
    store.transact(copy).await.unwrap();
    assert_eq!((attempts.made(), all(&store).await.as_str()), (2, "copy=none"));
}

pub async fn blind_writes_do_not_conflict(store: Store) {
    let attempts = Attempts::default();
    let write = async |tx: danbi_store::Transaction| -> Outcome {
        tx.put(b"a", "mine")?;
        assert_eq!(tx.get(b"a").await?.unwrap(), "mine");
        if attempts.is_first() {
            put(&store, &[("a", "theirs")]).await;
        }
        Ok(())
    };
    store.transact(write).await.unwrap();
    assert_eq!((attempts.made(), all(&store).await.as_str()), (1, "a=mine"));
}

pub async fn read_only_transactions_never_conflict(store: Store) {
    put(&store, &[("a", "1"), ("b", "1")]).await;
    let attempts = Attempts::default();
    let read = async |tx: danbi_store::Transaction| -> Outcome<(Option<Bytes>, Option<Bytes>)> {
        let a = tx.get(b"a").await?;
        if attempts.is_first() {
            put(&store, &[("a", "2"), ("b", "2")]).await;
        }
        Ok((a, tx.get(b"b").await?))
    };
    assert_eq!(
        store.transact(read).await.unwrap(),
        (Some("1".into()), Some("1".into()))
    );
    assert_eq!(attempts.made(), 1);
}

pub async fn own_writes_are_seen(store: Store) {
    put(&store, &[("a", "1"), ("b", "1"), ("c", "1")]).await;
    let write = async |tx: danbi_store::Transaction| -> Outcome {
        tx.put(b"a", "2")?;
        tx.delete(b"b")?;
        assert_eq!(tx.get(b"a").await?.unwrap(), "2");
        assert_eq!(tx.get(b"b").await?, None);
        tx.delete_range(KeyRange::all())?;
        assert_eq!((tx.get(b"a").await?, tx.get(b"c").await?), (None, None));
        tx.put(b"c", "3")?;
        assert_eq!(tx.get(b"c").await?.unwrap(), "3");
        Ok(())
    };
    store.transact(write).await.unwrap();
    assert_eq!(all(&store).await, "c=3");
}

pub async fn scans_merge_own_writes(store: Store) {
    put(&store, &[("a", "1"), ("c", "1"), ("e", "1"), ("g", "1"), ("i", "1")]).await;
    let merge = async |tx: danbi_store::Transaction| -> Outcome {
        tx.put(b"b", "2")?;
        tx.put(b"c", "2")?;
        tx.delete(b"e")?;
        tx.delete_range(KeyRange::new("f", "h"))?;
        tx.put(b"fresh", "2")?;
        let scan = async |range, direction, limit| text(&tx.scan(range, direction, limit).await.unwrap());
        assert_eq!(
            scan(KeyRange::all(), Direction::Forward, 9).await,
            "a=1 b=2 c=2 fresh=2 i=1"
        );
        assert_eq!(
            scan(KeyRange::all(), Direction::Reverse, 9).await,
            "i=1 fresh=2 c=2 b=2 a=1"
        );
        assert_eq!(scan(KeyRange::all(), Direction::Forward, 2).await, "a=1 b=2 …");
        assert_eq!(scan(KeyRange::all(), Direction::Reverse, 2).await, "i=1 fresh=2 …");
        assert_eq!(scan(KeyRange::new("d", "f"), Direction::Forward, 1).await, "");
        assert_eq!(
            scan(KeyRange::new("a", "f"), Direction::Forward, 3).await,
            "a=1 b=2 c=2"
        );
        assert_eq!(scan(KeyRange::new("i", "a"), Direction::Forward, 3).await, "");
        Ok(())
    };
    store.transact(merge).await.unwrap();
    assert_eq!(all(&store).await, "a=1 b=2 c=2 fresh=2 i=1");
}

pub async fn pages_join_without_gaps_or_repeats(store: Store) {
    let keys: Vec<String> = (0..25).map(|number| format!("key/{number:02}")).collect();
    let entries: Vec<(&str, &str)> = keys.iter().map(|key| (key.as_str(), "v")).collect();
    put(&store, &entries).await;
    put(&store, &[("kex", "before"), ("key0", "behind")]).await;
    let snapshot = store.snapshot().await.unwrap();
    for direction in [Direction::Forward, Direction::Reverse] {
        let mut seen = Vec::new();
        let mut rest = KeyRange::prefix("key/");
        loop {
            let page = snapshot.scan(rest.clone(), direction, 7).await.unwrap();
            seen.extend(
                page.entries
                    .iter()
                    .map(|(key, _)| String::from_utf8(key.to_vec()).unwrap()),
            );
            if !page.more {
                break;
            }
            let (last, _) = page.entries.last().unwrap();
            rest = if direction == Direction::Forward {
                rest.after(last)
            } else {
                rest.before(last)
            };
        }
        if direction == Direction::Reverse {
            seen.reverse();
        }
        assert_eq!(seen, keys);
    }
}

pub async fn large_pages_end_early(store: Store) {
    for number in 0..3 * MAX_PAGE_BYTES / MAX_VALUE_BYTES {
        let key = format!("{number:03}");
        store
            .transact(async |tx| tx.put(key.as_bytes(), vec![7; MAX_VALUE_BYTES]))
            .await
            .unwrap();
    }
    let snapshot = store.snapshot().await.unwrap();
    let page = snapshot.scan(KeyRange::all(), Direction::Forward, 1000).await.unwrap();
    assert!(page.more && page.entries.len() >= 10 && page.entries.len() < 30);
    let page = store
        .transact(async |tx| tx.scan(KeyRange::all(), Direction::Reverse, 1000).await)
        .await
        .unwrap();
    assert!(page.more && page.entries.len() >= 10 && page.entries.len() < 30);
}

pub async fn bounds_are_kept(store: Store) {
    let largest = store
        .transact(async |tx| tx.put(&vec![1; MAX_KEY_BYTES], vec![2; MAX_VALUE_BYTES]))
        .await;
    largest.unwrap();
    let refused = store.transact(async |tx| tx.put(&vec![1; MAX_KEY_BYTES + 1], "")).await;
    assert!(matches!(refused, Err(StoreError::KeyLength { len }) if len == MAX_KEY_BYTES + 1));
    let refused = store.transact(async |tx| tx.get(b"").await).await;
    assert!(matches!(refused, Err(StoreError::KeyLength { len: 0 })));
    let refused = store
        .transact(async |tx| tx.put(b"a", vec![0; MAX_VALUE_BYTES + 1]))
        .await;
    assert!(matches!(refused, Err(StoreError::ValueLength { .. })));
    let too_much = async |tx: danbi_store::Transaction| -> Outcome {
        for number in 0..=(MAX_TRANSACTION_BYTES / MAX_VALUE_BYTES) {
            tx.put(&number.to_be_bytes(), vec![0; MAX_VALUE_BYTES])?;
        }
        Ok(())
    };
    assert!(matches!(
        store.transact(too_much).await,
        Err(StoreError::TransactionTooLarge { .. })
    ));
    assert_eq!(
        store
            .snapshot()
            .await
            .unwrap()
            .get(&0_usize.to_be_bytes())
            .await
            .unwrap(),
        None
    );
}

pub async fn a_failed_closure_writes_nothing(store: Store) {
    let attempts = Attempts::default();
    let fail = async |tx: danbi_store::Transaction| -> Outcome {
        attempts.is_first();
        tx.put(b"a", "1")?;
        Err(StoreError::Closed)
    };
    assert!(matches!(store.transact(fail).await, Err(StoreError::Closed)));
    assert_eq!((attempts.made(), all(&store).await.as_str()), (1, ""));
}

pub async fn cleared_ranges_are_empty_and_refillable(store: Store) {
    put(&store, &[("a", "1"), ("p/1", "1"), ("p/2", "1"), ("q", "1")]).await;
    let replace = async |tx: danbi_store::Transaction| -> Outcome {
        tx.put(b"p/0", "gone")?;
        tx.delete_range(KeyRange::prefix("p/"))?;
        tx.put(b"p/2", "2")
    };
    store.transact(replace).await.unwrap();
    assert_eq!(all(&store).await, "a=1 p/2=2 q=1");
    store
        .transact(async |tx| tx.delete_range(KeyRange::all()))
        .await
        .unwrap();
    assert_eq!(all(&store).await, "");
    put(&store, &[("p/1", "3")]).await;
    assert_eq!(all(&store).await, "p/1=3");
}

/// Whatever commits are grouped: a cleared range is empty in the state between two transactions.
pub async fn a_range_cleared_takes_what_the_same_group_wrote(store: Store) {
    for round in 0..50 {
        let fill = async |tx: danbi_store::Transaction| -> Outcome {
            tx.put(b"p/a", round.to_string())?;
            tx.put(b"p/b", round.to_string())
        };
        let clear = async |tx: danbi_store::Transaction| tx.delete_range(KeyRange::prefix("p/"));
        let (filled, cleared, again) = tokio::join!(store.transact(fill), store.transact(clear), store.transact(fill));
        filled.and(cleared).and(again).unwrap();
        let state = all(&store).await;
        assert!(
            state.is_empty() || state == format!("p/a={round} p/b={round}"),
            "{state}"
        );
    }
}

pub async fn counters_count(store: Store) {
    const TASKS: u64 = 16;
    const EACH: u64 = 25;
    let tasks = (0..TASKS).map(|_| {
        let store = store.clone();
        tokio::spawn(async move {
            for _ in 0..EACH {
                let increment = async |tx: danbi_store::Transaction| -> Outcome {
                    let count = tx
                        .get(b"count")
                        .await?
                        .map_or(0, |bytes| u64::from_be_bytes((*bytes).try_into().unwrap()));
                    tx.put(b"count", (count + 1).to_be_bytes().to_vec())
                };
                store.transact(increment).await.unwrap();
            }
        })
    });
    for task in tasks.collect::<Vec<_>>() {
        task.await.unwrap();
    }
    assert_eq!(
        get(&store, "count").await.unwrap(),
        (TASKS * EACH).to_be_bytes().as_slice()
    );
}

pub async fn relaxed_commits_are_visible(store: Store) {
    store.transact_relaxed(async |tx| tx.put(b"line", "1")).await.unwrap();
    assert_eq!(get(&store, "line").await.unwrap(), "1");
    let attempts = Attempts::default();
    let write = async |tx: danbi_store::Transaction| -> Outcome {
        tx.get(b"line").await?;
        if attempts.is_first() {
            store.transact_relaxed(async |tx| tx.put(b"line", "2")).await?;
        }
        tx.put(b"seen", "")
    };
    store.transact(write).await.unwrap();
    assert_eq!(attempts.made(), 2);
}

pub async fn a_closed_store_says_so(store: Store) {
    put(&store, &[("a", "1")]).await;
    store.close().await;
    store.close().await;
    assert!(matches!(store.snapshot().await, Err(StoreError::Closed)));
    assert!(matches!(
        store.transact(async |tx| tx.put(b"a", "2")).await,
        Err(StoreError::Closed)
    ));
}
