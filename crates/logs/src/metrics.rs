//! CloudWatch metrics: values added up over periods, kept in the [`Store`].
//!
//! [`Metrics::service`] lists the operations: `put`, `statistics`, `data` (with `expression`), `list`. What the platform
//! measures about itself arrives by [`MetricSink::record`] (`sink`). Below them: `aggregate` (what is kept of values),
//! `keys` (the layout), `sweep` (retention).
//!
//! # Promises
//! - Values that `PutMetricData` acknowledged are on disk; the platform's own within [`Options::flush_interval`] and one
//!   relaxed flush of the store.
//! - Kept as AWS keeps them: by the second for 3 hours (high resolution only), by the minute for 15 days, by five minutes
//!   for 63 days, by the hour for 455 days. Each value is written to all of these at once.
//! - Percentiles are exact while a period has at most [`EXACT`] different values, and then off by at most 1 % of the
//!   value. Values that came as a statistic set have no percentiles.
//! - Memory is bounded: a request reads what its period and range ask for, and the sink holds so many series.
//!
//! # Never
//! - No alarms, dashboards, metric streams, Metrics Insights or anomaly detection: the wire answers that they are not built.
//! - Of metric math what `expression` lists; other functions are refused by name.

mod aggregate;
mod data;
mod error;
mod expression;
mod keys;
mod list;
mod put;
mod read;
mod sink;
mod statistics;
mod sweep;

pub use aggregate::EXACT;
pub use error::MetricsError;

use crate::metric_shapes::operations as op;
use crate::metrics::sink::Buffer;
use danbi_core::{Access, Clock, MetricSink, MetricValue, Scope, Timestamp};
use danbi_store::{Snapshot, Store};
use danbi_wire::{Service, models};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// The largest request, in bytes: 1,000 metrics with 150 values each.
const MAX_REQUEST: usize = 8 << 20;

/// How metrics are kept.
#[derive(Debug, Clone)]
pub struct Options {
    /// How long the platform's own values wait for others to share a commit with.
    pub flush_interval: Duration,
    /// Sets of dimensions, by the minute, that the sink holds.
    pub sink_series: usize,
    /// How often values past their retention are looked for.
    pub sweep_interval: Duration,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            flush_interval: Duration::from_secs(10),
            sink_series: 20_000,
            sweep_interval: Duration::from_secs(3600),
        }
    }
}

/// CloudWatch metrics. End with [`Metrics::drain`].
pub struct Metrics {
    store: Store,
    clock: Arc<dyn Clock>,
    buffer: Buffer,
    stopping: watch::Sender<bool>,
    work: Mutex<Vec<JoinHandle<()>>>,
}

impl Metrics {
    /// Starts the background work; must be called within a Tokio runtime.
    pub fn start(store: Store, clock: Arc<dyn Clock>, options: Options) -> Arc<Self> {
        let metrics = Arc::new(Self {
            store,
            clock,
            buffer: Buffer::new(options.sink_series),
            stopping: watch::Sender::new(false),
            work: Mutex::default(),
        });
        let work = vec![
            tokio::spawn(sink::run(Arc::clone(&metrics), options.flush_interval)),
            tokio::spawn(sweep::run(Arc::clone(&metrics), options.sweep_interval)),
        ];
        *metrics.work.lock().unwrap_or_else(PoisonError::into_inner) = work;
        metrics
    }

    /// Stores what waits and ends the background work.
    pub async fn drain(&self) {
        self.stopping.send_replace(true);
        let work = std::mem::take(&mut *self.work.lock().unwrap_or_else(PoisonError::into_inner));
        for task in work {
            if let Err(error) = task.await {
                tracing::warn!(%error, "background work of metrics did not end well");
            }
        }
    }

    /// The CloudWatch API.
    pub fn service(self: &Arc<Self>) -> Service {
        // None of these actions has resources.
        Service::builder(&models::CLOUDWATCH, Arc::clone(self))
            .body_limit(MAX_REQUEST)
            .on(
                op::PutMetricData,
                |_, _, input| {
                    Ok(Access::any("cloudwatch:PutMetricData").with("cloudwatch:namespace", input.namespace.as_str()))
                },
                put::put,
            )
            .on(
                op::GetMetricStatistics,
                |_, _, _| Ok(Access::any("cloudwatch:GetMetricStatistics")),
                statistics::get,
            )
            .on(
                op::GetMetricData,
                |_, _, _| Ok(Access::any("cloudwatch:GetMetricData")),
                data::get,
            )
            .on(
                op::ListMetrics,
                |_, _, _| Ok(Access::any("cloudwatch:ListMetrics")),
                list::list,
            )
            .build()
    }

    async fn snapshot(&self) -> Result<Snapshot, MetricsError> {
        Ok(self.store.snapshot().await?)
    }

    async fn stopped(&self) {
        let mut stopping = self.stopping.subscribe();
        // The sender lives in `self`.
        let _ = stopping.wait_for(|stopping| *stopping).await;
    }
}

impl MetricSink for Metrics {
    fn record(
        &self,
        scope: &Scope,
        namespace: &'static str,
        dimensions: &[&[(&'static str, &str)]],
        at: Timestamp,
        values: &[MetricValue],
    ) {
        self.buffer.add(scope, namespace, dimensions, at, values);
    }
}

#[cfg(test)]
mod tests;
