//! PutMetricData, and adding values to what is kept.

use super::aggregate::Aggregate;
use super::{Metrics, MetricsError, keys};
use crate::metric_shapes::{Dimension, MetricDatum, PutMetricDataInput};
use bytes::Bytes;
use danbi_core::{RequestContext, Scope};
use danbi_store::Transaction;
use danbi_wire::Empty;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::collections::HashMap;
use std::sync::Arc;

/// The periods that values are kept by, in seconds, and for how long.
pub(super) const TIERS: [(i64, i64); 4] = [
    (1, 3 * 3600),
    (60, 15 * 86_400),
    (300, 63 * 86_400),
    (3600, 455 * 86_400),
];
/// How often a series says that it is alive; ListMetrics is about hours.
const ALIVE_MS: i64 = 15 * 60 * 1000;
/// Values of one metric in a request. Source:
/// <https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_PutMetricData.html>.
const MOST_VALUES: usize = 150;
const MOST_METRICS: usize = 1_000;
const MOST_DIMENSIONS: usize = 30;
/// How far back and forward a timestamp may be.
const OLDEST_MS: i64 = 14 * 86_400_000;
const NEWEST_MS: i64 = 2 * 3600 * 1000;
/// Series written in one transaction.
const AT_ONCE: usize = 100;

/// Which metric: the dimensions are in order.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Name {
    pub scope: Scope,
    pub namespace: String,
    pub name: String,
    pub dimensions: Vec<(String, String)>,
}

impl Name {
    pub(super) fn new(scope: &Scope, namespace: &str, name: &str, dimensions: &[Dimension]) -> Self {
        let mut dimensions: Vec<_> = dimensions
            .iter()
            .map(|dimension| (dimension.name.clone(), dimension.value.clone()))
            .collect();
        dimensions.sort();
        Self {
            scope: scope.clone(),
            namespace: namespace.to_owned(),
            name: name.to_owned(),
            dimensions,
        }
    }

    pub(super) fn key(&self) -> Bytes {
        let mut digest = Sha256::new();
        for (name, value) in &self.dimensions {
            for text in [name, value] {
                digest.update((text.len() as u64).to_be_bytes());
                digest.update(text.as_bytes());
            }
        }
        keys::series(&self.scope, &self.namespace, &self.name, &digest.finalize()[..16])
    }
}

/// A series as it is kept.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Series {
    pub id: u64,
    pub dimensions: Vec<(String, String)>,
    /// When a value last came, give or take a quarter of an hour.
    pub alive_ms: i64,
}

/// Values of one metric, one unit and one second or minute.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Slot {
    pub name: Name,
    pub unit: String,
    /// Seconds, a whole minute unless the resolution is a second.
    pub at: i64,
    /// Whether it is kept by the second too.
    pub high: bool,
}

/// PutMetricData.
pub(super) async fn put(
    metrics: Arc<Metrics>,
    context: RequestContext,
    input: PutMetricDataInput,
) -> Result<Empty, MetricsError> {
    if input.entity_metric_data.as_ref().is_some_and(|data| !data.is_empty()) {
        return Err(MetricsError::Unsupported(
            "Entities (EntityMetricData) are not built.".into(),
        ));
    }
    let data = input.metric_data.unwrap_or_default();
    if data.is_empty() {
        return Err(MetricsError::Missing("The parameter MetricData is required.".into()));
    }
    if data.len() > MOST_METRICS {
        return Err(MetricsError::Value(format!(
            "The collection MetricData must not have a size greater than {MOST_METRICS}."
        )));
    }
    let now = metrics.clock.now().as_millis();
    let mut slots: HashMap<Slot, Aggregate> = HashMap::new();
    for (index, datum) in (1..).zip(&data) {
        let (slot, aggregate) = read(&context.scope, &input.namespace, datum, index, now)?;
        slots.entry(slot).or_default().add(&aggregate);
    }
    metrics.add(slots.into_iter().collect(), now).await?;
    Ok(Empty {})
}

fn read(
    scope: &Scope,
    namespace: &str,
    datum: &MetricDatum,
    index: usize,
    now: i64,
) -> Result<(Slot, Aggregate), MetricsError> {
    let place = |member: &str| format!("MetricData.member.{index}.{member}");
    let both = |one: &str, other: &str| {
        let (one, other) = (place(one), place(other));
        MetricsError::Combination(format!(
            "The parameters {one} and {other} are mutually exclusive and you have specified both."
        ))
    };
    let finite = |value: f64, member: &str| match value.is_finite() && value.abs() <= 2f64.powi(360) {
        true => Ok(value),
        false => Err(MetricsError::Value(format!(
            "The value {value} for parameter {} is invalid.",
            place(member)
        ))),
    };
    let aggregate = match (datum.value, &datum.values, &datum.statistic_values) {
        (Some(_), Some(_), _) => return Err(both("Value", "Values")),
        (Some(_), _, Some(_)) => return Err(both("Value", "StatisticValues")),
        (Some(value), None, None) => Aggregate::of(finite(value, "Value")?, 1.0),
        // With both AWS takes the request, and does not say which counts.
        (None, Some(values), _) => {
            let counts = datum.counts.as_deref();
            if counts.is_some_and(|counts| counts.len() != values.len()) {
                let (values, counts) = (place("Values"), place("Counts"));
                return Err(MetricsError::Value(format!(
                    "The parameters {values} and {counts} must be of the same size."
                )));
            }
            if values.len() > MOST_VALUES {
                return Err(MetricsError::Value(format!(
                    "The collection {} must not have a size greater than {MOST_VALUES}.",
                    place("Values")
                )));
            }
            let mut aggregate = Aggregate::default();
            for (at, value) in values.iter().enumerate() {
                let count = finite(counts.map_or(1.0, |counts| counts[at]), "Counts")?;
                if count < 0.0 {
                    return Err(MetricsError::Value(format!(
                        "The value {count} for parameter {} is invalid.",
                        place("Counts")
                    )));
                }
                aggregate.add(&Aggregate::of(finite(*value, "Values")?, count));
            }
            aggregate
        }
        (None, None, Some(set)) => {
            let member = "StatisticValues";
            for value in [set.sample_count, set.sum, set.minimum, set.maximum] {
                finite(value, member)?;
            }
            if set.sample_count <= 0.0 || set.minimum > set.maximum {
                return Err(MetricsError::Value(format!(
                    "The parameter {} is invalid.",
                    place(member)
                )));
            }
            Aggregate::of_set(set.sample_count, set.sum, set.minimum, set.maximum)
        }
        (None, None, None) => {
            let message = format!(
                "At least one of the parameters must be specified: {}, {}, {}.",
                place("Value"),
                place("Values"),
                place("StatisticValues")
            );
            return Err(MetricsError::Missing(message));
        }
    };
    let dimensions = datum.dimensions.as_deref().unwrap_or_default();
    if dimensions.len() > MOST_DIMENSIONS {
        return Err(MetricsError::Value(format!(
            "The collection {} must not have a size greater than {MOST_DIMENSIONS}.",
            place("Dimensions")
        )));
    }
    let at = datum.timestamp.map_or(now, |at| at.as_millis());
    if at < now - OLDEST_MS || at > now + NEWEST_MS {
        let message = format!(
            "The parameter {} must specify a time within the past two weeks and the next two hours.",
            place("Timestamp")
        );
        return Err(MetricsError::Value(message));
    }
    let high = match datum.storage_resolution {
        None | Some(60) => false,
        Some(1) => true,
        Some(_) => {
            return Err(MetricsError::Value(format!(
                "The parameter {} must be 1 or 60.",
                place("StorageResolution")
            )));
        }
    };
    let seconds = at.div_euclid(1000);
    let slot = Slot {
        name: Name::new(scope, namespace, &datum.metric_name, dimensions),
        unit: datum.unit.clone().unwrap_or_else(|| "None".into()),
        at: if high {
            seconds
        } else {
            seconds - seconds.rem_euclid(60)
        },
        high,
    };
    Ok((slot, aggregate))
}

impl Metrics {
    /// Adds values to what is kept, some series at a time.
    pub(super) async fn add(&self, slots: Vec<(Slot, Aggregate)>, now: i64) -> Result<(), MetricsError> {
        for some in slots.chunks(AT_ONCE) {
            self.store
                .transact(async |tx| {
                    for (slot, aggregate) in some {
                        add_one(&tx, slot, aggregate, now).await?;
                    }
                    Ok::<_, MetricsError>(())
                })
                .await?;
        }
        Ok(())
    }
}

async fn add_one(tx: &Transaction, slot: &Slot, aggregate: &Aggregate, now: i64) -> Result<(), MetricsError> {
    let key = slot.name.key();
    let kept: Option<Series> = tx
        .get(&key)
        .await?
        .map(|bytes| serde_json::from_slice(&bytes))
        .transpose()?;
    let new = || {
        // Random, so that two nodes do not count in one place; 63 bits, because keys order integers.
        let id = uuid::Uuid::new_v4().as_u64_pair().0 >> 1;
        Series {
            id,
            dimensions: slot.name.dimensions.clone(),
            alive_ms: 0,
        }
    };
    let mut series = kept.unwrap_or_else(new);
    if now - series.alive_ms > ALIVE_MS {
        series.alive_ms = now;
        tx.put(&key, serde_json::to_vec(&series)?)?;
    }
    for (period, _) in TIERS {
        if period == 1 && !slot.high {
            continue;
        }
        let key = keys::point(series.id, period, slot.at - slot.at.rem_euclid(period), &slot.unit);
        let mut point: Aggregate = match tx.get(&key).await? {
            Some(bytes) => serde_json::from_slice(&bytes)?,
            None => Aggregate::default(),
        };
        point.add(aggregate);
        tx.put(&key, serde_json::to_vec(&point)?)?;
    }
    Ok(())
}
