//! What is kept of the values of a period: how many, their sum and bounds, and their distribution.
//!
//! The distribution is the values themselves while there are few different ones, and then DDSketch's: how many values
//! lie between powers of a base, which bounds the error of every percentile relative to its value. Source: Masson, Rim
//! and Lee, "DDSketch", PVLDB 12(12), 2019.

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Different values of a period that are kept as they are.
pub const EXACT: usize = 100;
/// The largest relative error of a percentile of more values.
const ERROR: f64 = 0.01;
/// Buckets of a sketch; beyond it the smallest are joined.
const MOST_BUCKETS: usize = 2_000;

/// Values of one metric, one unit and one period.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub(super) struct Aggregate {
    #[serde(rename = "c")]
    pub count: f64,
    #[serde(rename = "s")]
    pub sum: f64,
    #[serde(rename = "n")]
    pub minimum: f64,
    #[serde(rename = "x")]
    pub maximum: f64,
    #[serde(rename = "d")]
    pub distribution: Distribution,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) enum Distribution {
    /// Values and how often each came, in order.
    #[serde(rename = "v")]
    Values(Vec<(f64, f64)>),
    /// How many values each bucket has.
    #[serde(rename = "b")]
    Sketch(BTreeMap<i32, f64>),
    /// Some values came as a statistic set.
    #[serde(rename = "u")]
    Unknown,
}

impl Default for Distribution {
    fn default() -> Self {
        Self::Values(Vec::new())
    }
}

fn base() -> f64 {
    (1.0 + ERROR) / (1.0 - ERROR)
}

/// The bucket of a value: 0 for nought, positive and negative ones apart.
fn bucket(value: f64) -> i32 {
    if value == 0.0 {
        return 0;
    }
    // Shifted, so that the smallest magnitudes are above nought; AWS takes magnitudes from 2^-360 to 2^360.
    let power = (value.abs().ln() / base().ln()).ceil() as i32 + 40_000;
    if value > 0.0 { power } else { -power }
}

fn middle(bucket: i32) -> f64 {
    if bucket == 0 {
        return 0.0;
    }
    let value = 2.0 * base().powi(bucket.abs() - 40_000) / (base() + 1.0);
    if bucket > 0 { value } else { -value }
}

impl Aggregate {
    /// So many times one value.
    pub(super) fn of(value: f64, count: f64) -> Self {
        Self {
            count,
            sum: value * count,
            minimum: value,
            maximum: value,
            distribution: Distribution::Values(vec![(value, count)]),
        }
    }

    /// A statistic set; one of equal values has a distribution.
    pub(super) fn of_set(count: f64, sum: f64, minimum: f64, maximum: f64) -> Self {
        if minimum == maximum {
            return Self {
                sum,
                ..Self::of(minimum, count)
            };
        }
        Self {
            count,
            sum,
            minimum,
            maximum,
            distribution: Distribution::Unknown,
        }
    }

    /// One more value, without a detour by an aggregate of its own.
    pub(super) fn record(&mut self, value: f64) {
        if self.count == 0.0 {
            *self = Self::of(value, 1.0);
            return;
        }
        self.count += 1.0;
        self.sum += value;
        self.minimum = self.minimum.min(value);
        self.maximum = self.maximum.max(value);
        match &mut self.distribution {
            Distribution::Values(values) => match values.binary_search_by(|(known, _)| known.total_cmp(&value)) {
                Ok(at) => values[at].1 += 1.0,
                Err(at) if values.len() < EXACT => values.insert(at, (value, 1.0)),
                Err(_) => {
                    let mut buckets = sketch(values);
                    *buckets.entry(bucket(value)).or_insert(0.0) += 1.0;
                    self.distribution = Distribution::Sketch(buckets);
                }
            },
            Distribution::Sketch(buckets) => *buckets.entry(bucket(value)).or_insert(0.0) += 1.0,
            Distribution::Unknown => {}
        }
    }

    pub(super) fn add(&mut self, other: &Self) {
        if other.count == 0.0 {
            return;
        }
        if self.count == 0.0 {
            *self = other.clone();
            return;
        }
        self.count += other.count;
        self.sum += other.sum;
        self.minimum = self.minimum.min(other.minimum);
        self.maximum = self.maximum.max(other.maximum);
        let mine = std::mem::take(&mut self.distribution);
        self.distribution = mine.joined(&other.distribution);
    }

    /// A statistic by its name in the API; `None` when there is none.
    pub(super) fn statistic(&self, statistic: &Statistic) -> Option<f64> {
        match statistic {
            Statistic::SampleCount => Some(self.count),
            Statistic::Sum => Some(self.sum),
            Statistic::Average => Some(self.sum / self.count),
            Statistic::Minimum => Some(self.minimum),
            Statistic::Maximum => Some(self.maximum),
            Statistic::Percentile(percent) => self.percentile(*percent),
        }
    }

    /// The smallest value that so many percent of the values do not exceed.
    fn percentile(&self, percent: f64) -> Option<f64> {
        let rank = (percent / 100.0 * self.count).max(f64::MIN_POSITIVE);
        let clamp = |value: f64| value.clamp(self.minimum, self.maximum);
        let mut seen = 0.0;
        match &self.distribution {
            Distribution::Values(values) => {
                for (value, count) in values {
                    seen += count;
                    if seen >= rank {
                        return Some(*value);
                    }
                }
            }
            Distribution::Sketch(buckets) => {
                for (bucket, count) in buckets {
                    seen += count;
                    if seen >= rank {
                        return Some(clamp(middle(*bucket)));
                    }
                }
            }
            Distribution::Unknown => return None,
        }
        Some(self.maximum)
    }
}

impl Distribution {
    fn joined(self, other: &Self) -> Self {
        match (self, other) {
            (Self::Unknown, _) | (_, Self::Unknown) => Self::Unknown,
            (Self::Values(mut values), Self::Values(others)) => {
                for (value, count) in others {
                    match values.binary_search_by(|(known, _)| known.total_cmp(value)) {
                        Ok(at) => values[at].1 += count,
                        Err(at) => values.insert(at, (*value, *count)),
                    }
                }
                if values.len() <= EXACT {
                    Self::Values(values)
                } else {
                    Self::Sketch(sketch(&values))
                }
            }
            (Self::Sketch(buckets), Self::Values(values)) => Self::Sketch(merged(buckets, &sketch(values))),
            (Self::Values(values), Self::Sketch(buckets)) => Self::Sketch(merged(sketch(&values), buckets)),
            (Self::Sketch(buckets), Self::Sketch(others)) => Self::Sketch(merged(buckets, others)),
        }
    }
}

fn sketch(values: &[(f64, f64)]) -> BTreeMap<i32, f64> {
    let mut buckets = BTreeMap::new();
    for (value, count) in values {
        *buckets.entry(bucket(*value)).or_insert(0.0) += count;
    }
    buckets
}

fn merged(mut buckets: BTreeMap<i32, f64>, others: &BTreeMap<i32, f64>) -> BTreeMap<i32, f64> {
    for (bucket, count) in others {
        *buckets.entry(*bucket).or_insert(0.0) += count;
    }
    while buckets.len() > MOST_BUCKETS {
        let Some((_, smallest)) = buckets.pop_first() else {
            break;
        };
        if let Some(mut next) = buckets.first_entry() {
            *next.get_mut() += smallest;
        }
    }
    buckets
}

/// What can be asked of the values of a period.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Statistic {
    SampleCount,
    Sum,
    Average,
    Minimum,
    Maximum,
    Percentile(f64),
}

impl Statistic {
    /// By name: `Sum`, `p99.9`. An error says what is wrong, or not built.
    pub(super) fn parse(text: &str) -> Result<Self, super::MetricsError> {
        Ok(match text {
            "SampleCount" => Self::SampleCount,
            "Sum" => Self::Sum,
            "Average" => Self::Average,
            "Minimum" => Self::Minimum,
            "Maximum" => Self::Maximum,
            _ => {
                let percent = text.strip_prefix('p').and_then(|text| text.parse().ok());
                match percent.filter(|percent: &f64| (0.0..=100.0).contains(percent)) {
                    Some(percent) => Self::Percentile(percent),
                    None if ["tm", "tc", "ts", "wm", "TM", "TC", "TS", "WM", "PR", "IQM"]
                        .iter()
                        .any(|kind| text.starts_with(kind)) =>
                    {
                        return Err(super::MetricsError::Unsupported(format!(
                            "The statistic {text} is not built: percentiles (p90) are."
                        )));
                    }
                    None => {
                        return Err(super::MetricsError::Value(format!(
                            "The value {text} for parameter Stat is not supported."
                        )));
                    }
                }
            }
        })
    }
}
