//! Removing what is past its retention. Deletions are the same whoever makes them, so nodes need no lease.

use super::put::{Series, TIERS};
use super::{Metrics, MetricsError, keys};
use danbi_store::Direction;
use std::sync::Arc;
use std::time::Duration;

/// Series looked at, and points removed, in one go.
const AT_ONCE: usize = 500;

/// Sweeps now and then until the service ends.
pub(super) async fn run(metrics: Arc<Metrics>, every: Duration) {
    loop {
        tokio::select! {
            () = metrics.stopped() => return,
            () = tokio::time::sleep(every) => {}
        }
        if let Err(error) = metrics.sweep().await {
            tracing::warn!(%error, "old values of metrics could not be removed; trying again later");
        }
    }
}

impl Metrics {
    pub(super) async fn sweep(&self) -> Result<(), MetricsError> {
        let now = self.clock.now().as_secs();
        let mut range = keys::all_series();
        loop {
            let page = self
                .snapshot()
                .await?
                .scan(range.clone(), Direction::Forward, AT_ONCE)
                .await?;
            for (key, value) in &page.entries {
                range = range.after(key);
                let series: Series = serde_json::from_slice(value)?;
                for (period, kept) in TIERS {
                    self.remove(keys::points(series.id, period, i64::MIN / 2, now - kept))
                        .await?;
                }
                if now - series.alive_ms / 1000 > TIERS[3].1 {
                    self.remove(keys::all_points(series.id)).await?;
                    self.store
                        .transact(async |tx| {
                            tx.delete(key)?;
                            Ok::<_, MetricsError>(())
                        })
                        .await?;
                }
            }
            if !page.more {
                return Ok(());
            }
        }
    }

    async fn remove(&self, range: danbi_store::KeyRange) -> Result<(), MetricsError> {
        loop {
            let page = self
                .snapshot()
                .await?
                .scan(range.clone(), Direction::Forward, AT_ONCE)
                .await?;
            let entries = &page.entries;
            if entries.is_empty() {
                return Ok(());
            }
            self.store
                .transact(async |tx| {
                    for (key, _) in entries {
                        tx.delete(key)?;
                    }
                    Ok::<_, MetricsError>(())
                })
                .await?;
        }
    }
}
