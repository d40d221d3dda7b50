//! Reading the values of a metric, period by period.

use super::aggregate::Aggregate;
use super::put::{Name, Series, TIERS};
use super::{Metrics, MetricsError, keys};
use danbi_store::{Direction, Snapshot};
use std::collections::BTreeMap;

/// Points read at a time.
const PAGE: usize = 1_000;

/// What is asked for: whole periods from `start` on, in seconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Span {
    pub start: i64,
    pub end: i64,
    pub period: i64,
}

impl Span {
    /// The coarsest kept period that the asked one and the start are made of.
    fn tier(&self) -> i64 {
        let fits = |tier: &&(i64, i64)| self.period % tier.0 == 0 && self.start % tier.0 == 0;
        TIERS.iter().rev().find(fits).map_or(1, |(tier, _)| *tier)
    }

    /// `seconds` must be one of 1, 5, 10, 30 or whole minutes.
    pub(super) fn check_period(seconds: i32) -> Result<i64, MetricsError> {
        let period = i64::from(seconds);
        if [1, 5, 10, 30].contains(&period) || (period > 0 && period % 60 == 0) {
            return Ok(period);
        }
        Err(MetricsError::Value(format!(
            "The parameter Period must be 1, 5, 10, 30 or a multiple of 60, but was {seconds}."
        )))
    }

    /// How far back a start time reaches decides how it is rounded. Source:
    /// <https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_GetMetricStatistics.html>.
    pub(super) fn rounded_start(start: i64, now: i64, period: i64) -> i64 {
        let step = match now - start {
            age if age < 3 * 3600 && period < 60 => 1,
            age if age < 15 * 86_400 => 60,
            age if age < 63 * 86_400 => 300,
            _ => 3600,
        };
        start - start.rem_euclid(step)
    }
}

/// The aggregates of a metric by the beginning of their period, then by unit; only of `unit` when one is given.
pub(super) async fn points(
    metrics: &Metrics,
    view: &Snapshot,
    name: &Name,
    span: Span,
    unit: Option<&str>,
) -> Result<BTreeMap<(i64, String), Aggregate>, MetricsError> {
    let mut found: BTreeMap<(i64, String), Aggregate> = BTreeMap::new();
    let Some(bytes) = view.get(&name.key()).await? else {
        return Ok(found);
    };
    let series: Series = serde_json::from_slice(&bytes)?;
    let tier = span.tier();
    // What is past its retention may not have been removed yet.
    let kept = TIERS
        .iter()
        .find(|(period, _)| *period == tier)
        .map_or(0, |(_, kept)| *kept);
    let oldest = metrics.clock.now().as_secs() - kept;
    let mut range = keys::points(series.id, tier, span.start.max(oldest), span.end);
    loop {
        let page = view.scan(range.clone(), Direction::Forward, PAGE).await?;
        for (key, value) in &page.entries {
            range = range.after(key);
            let (at, found_unit) = keys::place(key)?;
            if unit.is_some_and(|unit| unit != found_unit) {
                continue;
            }
            let begin = at - (at - span.start).rem_euclid(span.period);
            let point: Aggregate = serde_json::from_slice(value)?;
            found.entry((begin, found_unit)).or_default().add(&point);
        }
        if !page.more {
            return Ok(found);
        }
    }
}
