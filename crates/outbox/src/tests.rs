use crate::{Courier, Failure, Options, Outbox, OutboxError, Parcel, Patience};
use async_trait::async_trait;
use danbi_core::{Clock, SystemClock};
use danbi_store::{Direction, EmbeddedOptions, KeyRange, Store};
use serde_json::json;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::sync::Notify;

/// Fails so often, then takes everything.
struct Fickle {
    failures: Mutex<u32>,
    again: bool,
    taken: Mutex<Vec<Parcel>>,
    given_up: Mutex<Vec<Failure>>,
    told: Notify,
}

impl Fickle {
    fn new(failures: u32, again: bool) -> Arc<Self> {
        Arc::new(Self {
            failures: Mutex::new(failures),
            again,
            taken: Mutex::default(),
            given_up: Mutex::default(),
            told: Notify::new(),
        })
    }
}

#[async_trait]
impl Courier for Fickle {
    async fn deliver(&self, parcel: &Parcel) -> Result<(), Failure> {
        {
            let mut failures = self.failures.lock().unwrap();
            if *failures > 0 {
                *failures -= 1;
                return Err(Failure {
                    code: "Busy".into(),
                    reason: "not now".into(),
                    again: self.again,
                });
            }
        }
        self.taken.lock().unwrap().push(parcel.clone());
        self.told.notify_one();
        Ok(())
    }
    async fn give_up(&self, _: &Parcel, failure: &Failure) -> Result<(), Failure> {
        self.given_up.lock().unwrap().push(failure.clone());
        self.told.notify_one();
        Ok(())
    }
}

const PATIENCE: Patience = Patience {
    retries: 3,
    max_age_ms: 60_000,
};

fn outbox(store: &Store) -> Arc<Outbox> {
    let options = Options {
        first_pause: Duration::from_millis(1),
        longest_pause: Duration::from_millis(2),
        ..Options::default()
    };
    Outbox::new(store.clone(), Arc::new(SystemClock), "test", options)
}

async fn put(outbox: &Outbox, store: &Store, body: &str, count: usize) {
    store
        .transact(async |tx| {
            let body = outbox.body(&tx, body)?;
            for number in 0..count {
                outbox.put(
                    &tx,
                    json!({ "n": number }),
                    &body,
                    SystemClock.now().as_millis(),
                    PATIENCE,
                )?;
            }
            Ok::<_, OutboxError>(())
        })
        .await
        .unwrap();
    outbox.ring();
}

async fn left(store: &Store) -> usize {
    let view = store.snapshot().await.unwrap();
    view.scan(KeyRange::all(), Direction::Forward, 100)
        .await
        .unwrap()
        .entries
        .len()
}

async fn until_empty(store: &Store) {
    tokio::time::timeout(Duration::from_secs(20), async {
        while left(store).await > 0 {
            tokio::task::yield_now().await;
        }
    })
    .await
    .expect("the outbox gets empty");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_put_in_is_delivered_after_failures_and_nothing_stays_behind() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open_embedded(dir.path(), EmbeddedOptions::default()).unwrap();
    let outbox = outbox(&store);
    let large = "x".repeat(200_000);
    // Before it runs: as after a crash.
    put(&outbox, &store, &large, 3).await;
    let courier = Fickle::new(2, true);
    let running = tokio::spawn(Arc::clone(&outbox).run(Arc::clone(&courier) as _));
    until_empty(&store).await;
    outbox.stop();
    running.await.unwrap();
    let taken = courier.taken.lock().unwrap();
    assert_eq!(taken.len(), 3);
    assert!(taken.iter().all(|parcel| parcel.body == large));
}

#[tokio::test(flavor = "multi_thread")]
async fn patience_ends() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open_embedded(dir.path(), EmbeddedOptions::default()).unwrap();
    for (again, attempts) in [(true, 4), (false, 1)] {
        let outbox = outbox(&store);
        let courier = Fickle::new(100, again);
        let running = tokio::spawn(Arc::clone(&outbox).run(Arc::clone(&courier) as _));
        put(&outbox, &store, "small", 1).await;
        until_empty(&store).await;
        outbox.stop();
        running.await.unwrap();
        assert_eq!(
            courier.given_up.lock().unwrap().as_slice(),
            [Failure::lasting("Busy", "not now")]
        );
        assert_eq!(100 - *courier.failures.lock().unwrap(), attempts);
    }
}
