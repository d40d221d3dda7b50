//! The closures of `transact` borrow what handlers have at hand, and the futures can be spawned.
#![allow(clippy::unwrap_used)] // A test fails by panicking.

use std::future::Future;
use std::sync::Arc;

use danbi_store::key::KeyBuilder;
use danbi_store::{Direction, EmbeddedOptions, KeyRange, Store, StoreError, Transaction};

#[derive(Debug)]
enum Refusal {
    Empty,
    Store(#[allow(dead_code)] StoreError),
}

impl From<StoreError> for Refusal {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

struct Service {
    store: Store,
    prefix: String,
}

impl Service {
    async fn add(&self, tx: &Transaction, name: &str, text: &str) -> Result<usize, Refusal> {
        let key = KeyBuilder::new().str(&self.prefix).str(name).build();
        let mut value = tx.get(&key).await?.map_or_else(Vec::new, |bytes| bytes.to_vec());
        value.extend_from_slice(text.as_bytes());
        let length = value.len();
        tx.put(&key, value)?;
        Ok(length)
    }

    async fn append(&self, name: &str, text: String) -> Result<usize, Refusal> {
        self.store
            .transact(async |tx| {
                if text.is_empty() {
                    return Err(Refusal::Empty);
                }
                self.add(&tx, name, &text).await
            })
            .await
    }

    async fn append_each<T: AsRef<str> + Sync>(&self, names: &[T]) -> Result<usize, Refusal> {
        let mut total = 0;
        for name in names {
            total += self
                .store
                .transact_relaxed(async |tx| self.add(&tx, name.as_ref(), "x").await)
                .await?;
        }
        Ok(total)
    }
}

async fn handler(service: Arc<Service>, _context: String, names: Vec<String>) -> Result<usize, Refusal> {
    let first = service.append("a", names.join("+")).await?;
    let rest = service.append_each(&names).await?;
    let inline = service
        .store
        .transact(async |tx| service.add(&tx, &names[0], "inline").await)
        .await?;
    Ok(first + rest + inline)
}

fn register<I, O, E, Fut>(_: fn(Arc<Service>, String, I) -> Fut)
where
    Fut: Future<Output = Result<O, E>> + Send + 'static,
{
}

#[tokio::test(flavor = "multi_thread")]
async fn handlers_that_borrow_can_be_registered_and_spawned() {
    register(handler);
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open_embedded(dir.path(), EmbeddedOptions::default()).unwrap();
    let service = Arc::new(Service {
        store: store.clone(),
        prefix: "texts".into(),
    });
    let spawned = tokio::spawn(handler(
        Arc::clone(&service),
        "context".into(),
        vec!["b".into(), "c".into()],
    ));
    assert_eq!(spawned.await.unwrap().unwrap(), 3 + 2 + 7);
    assert!(matches!(service.append("a", String::new()).await, Err(Refusal::Empty)));
    let all = KeyRange::prefix(KeyBuilder::new().str("texts").build());
    let page = store
        .snapshot()
        .await
        .unwrap()
        .scan(all, Direction::Forward, 10)
        .await
        .unwrap();
    assert_eq!(page.entries.len(), 3);
}

#[tokio::test]
async fn a_handle_kept_beyond_the_closure_is_dead() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open_embedded(dir.path(), EmbeddedOptions::default()).unwrap();
    let kept = store.transact(async |tx| Ok::<_, StoreError>(tx)).await.unwrap();
    assert!(matches!(kept.put(b"key", "value"), Err(StoreError::TransactionOver)));
}
