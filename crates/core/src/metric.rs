use crate::{Scope, Timestamp};

/// One value of a metric, as CloudWatch names its parts.
#[derive(Debug, Clone, PartialEq)]
pub struct MetricValue {
    /// Such as `Invocations`.
    pub name: &'static str,
    /// Such as `Count` or `Milliseconds`.
    pub unit: &'static str,
    /// The value; one that is no finite number is passed over.
    pub value: f64,
}

/// Takes what the platform measures about itself. Implemented by `logs`.
pub trait MetricSink: Send + Sync + 'static {
    /// Accepts values without waiting, all of one moment, once for each set of dimensions (name and value). They are
    /// added up in memory and become durable within a bounded time (10 s by default) by a commit that many share. When
    /// the buffer is full, values of series that are not in it are dropped, and the log says so.
    fn record(
        &self,
        scope: &Scope,
        namespace: &'static str,
        dimensions: &[&[(&'static str, &str)]],
        at: Timestamp,
        values: &[MetricValue],
    );
}
