use bytes::Bytes;
use danbi_store::{Direction, KeyRange, Page, Snapshot, StoreError, Transaction};

/// Where items are read from: a transaction, which remembers what it read, or a snapshot.
#[derive(Clone, Copy)]
pub(crate) enum View<'a> {
    /// What is read is checked at commit.
    Transaction(&'a Transaction),
    /// What is read was so at one moment.
    Snapshot(&'a Snapshot),
}

impl View<'_> {
    pub(crate) async fn get(&self, key: &[u8]) -> Result<Option<Bytes>, StoreError> {
        match self {
            Self::Transaction(transaction) => transaction.get(key).await,
            Self::Snapshot(snapshot) => snapshot.get(key).await,
        }
    }

    pub(crate) async fn scan(&self, range: KeyRange, direction: Direction, limit: usize) -> Result<Page, StoreError> {
        match self {
            Self::Transaction(transaction) => transaction.scan(range, direction, limit).await,
            Self::Snapshot(snapshot) => snapshot.scan(range, direction, limit).await,
        }
    }
}

impl<'a> From<&'a Transaction> for View<'a> {
    fn from(transaction: &'a Transaction) -> Self {
        Self::Transaction(transaction)
    }
}

impl<'a> From<&'a Snapshot> for View<'a> {
    fn from(snapshot: &'a Snapshot) -> Self {
        Self::Snapshot(snapshot)
    }
}
