//! GetMetricStatistics.

use super::aggregate::{Aggregate, Statistic};
use super::put::Name;
use super::read::{Span, points};
use super::{Metrics, MetricsError};
use crate::metric_shapes::{Datapoint, GetMetricStatisticsInput, GetMetricStatisticsOutput};
use danbi_core::{RequestContext, Timestamp};
use std::sync::Arc;

/// Datapoints of an answer.
const MOST_POINTS: i64 = 1_440;

/// GetMetricStatistics.
pub(super) async fn get(
    metrics: Arc<Metrics>,
    context: RequestContext,
    input: GetMetricStatisticsInput,
) -> Result<GetMetricStatisticsOutput, MetricsError> {
    let (start, end) = (input.start_time.as_secs(), input.end_time.as_secs());
    if start >= end {
        return Err(MetricsError::Value(
            "The parameter StartTime must be less than the parameter EndTime.".into(),
        ));
    }
    let period = Span::check_period(input.period)?;
    let asked = (end - start) / period;
    if asked > MOST_POINTS {
        return Err(MetricsError::Combination(format!(
            "You have requested up to {asked} datapoints, which exceeds the limit of {MOST_POINTS}. You may reduce the datapoints requested by increasing Period, or decreasing the time range."
        )));
    }
    let plain = input.statistics.unwrap_or_default();
    let extended = input.extended_statistics.unwrap_or_default();
    if plain.is_empty() && extended.is_empty() {
        return Err(MetricsError::Missing(
            "Must specify either Statistics or ExtendedStatistics".into(),
        ));
    }
    let extended: Vec<(String, Statistic)> = extended
        .into_iter()
        .map(|name| Statistic::parse(&name).map(|statistic| (name, statistic)))
        .collect::<Result<_, _>>()?;
    metrics.flush().await;
    let now = metrics.clock.now().as_secs();
    let span = Span {
        start: Span::rounded_start(start, now, period),
        end,
        period,
    };
    let name = Name::new(
        &context.scope,
        &input.namespace,
        &input.metric_name,
        input.dimensions.as_deref().unwrap_or_default(),
    );
    let found = points(&metrics, &metrics.snapshot().await?, &name, span, input.unit.as_deref()).await?;
    let datapoints = found
        .into_iter()
        .map(|((at, unit), aggregate)| datapoint(at, unit, &aggregate, &plain, &extended));
    Ok(GetMetricStatisticsOutput {
        label: Some(input.metric_name),
        datapoints: Some(datapoints.collect()),
    })
}

fn datapoint(
    at: i64,
    unit: String,
    aggregate: &Aggregate,
    plain: &[String],
    extended: &[(String, Statistic)],
) -> Datapoint {
    let when = |name: &str, statistic: Statistic| {
        plain
            .iter()
            .any(|asked| asked == name)
            .then(|| aggregate.statistic(&statistic))
            .flatten()
    };
    let percentiles = extended
        .iter()
        .filter_map(|(name, statistic)| Some((name.clone(), aggregate.statistic(statistic)?)));
    Datapoint {
        timestamp: Some(Timestamp::from_millis(at * 1000)),
        sample_count: when("SampleCount", Statistic::SampleCount),
        average: when("Average", Statistic::Average),
        sum: when("Sum", Statistic::Sum),
        minimum: when("Minimum", Statistic::Minimum),
        maximum: when("Maximum", Statistic::Maximum),
        unit: Some(unit),
        extended_statistics: (!extended.is_empty()).then(|| percentiles.collect()),
    }
}
