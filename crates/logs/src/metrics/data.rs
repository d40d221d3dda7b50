//! GetMetricData.

use super::aggregate::Statistic;
use super::expression::{Expression, Known, Series, Value};
use super::put::Name;
use super::read::{Span, points};
use super::{Metrics, MetricsError};
use crate::metric_shapes::{
    GetMetricDataInput, GetMetricDataOutput, MessageData, MetricDataQuery, MetricDataResult, MetricStat,
};
use danbi_core::{RequestContext, Timestamp};
use std::collections::BTreeMap;
use std::sync::Arc;

/// Queries of a request, and datapoints of an answer. Source:
/// <https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_GetMetricData.html>.
const MOST_QUERIES: usize = 500;
const MOST_POINTS: usize = 100_800;

/// One query and its label.
struct Answer {
    id: String,
    label: String,
    series: Series,
}

/// GetMetricData.
pub(super) async fn get(
    metrics: Arc<Metrics>,
    context: RequestContext,
    input: GetMetricDataInput,
) -> Result<GetMetricDataOutput, MetricsError> {
    let (start, end) = (input.start_time.as_secs(), input.end_time.as_secs());
    if start >= end {
        return Err(MetricsError::Validation(
            "The parameter EndTime must be greater than StartTime.".into(),
        ));
    }
    let queries = &input.metric_data_queries;
    if queries.len() > MOST_QUERIES {
        return Err(MetricsError::Validation(format!(
            "The collection MetricDataQueries must not have a size greater than {MOST_QUERIES}."
        )));
    }
    let expressions = check(queries)?;
    metrics.flush().await;
    let view = metrics.snapshot().await?;
    let now = metrics.clock.now().as_secs();
    let mut series: BTreeMap<String, Series> = BTreeMap::new();
    let mut messages = Vec::new();
    let (mut ids, mut period) = (Vec::new(), 0);
    for query in queries {
        let Some(stat) = &query.metric_stat else { continue };
        let span = span(stat, start, end, now)?;
        period = period.max(span.period);
        ids.push(query.id.clone());
        series.insert(query.id.clone(), values(&metrics, &view, &context, stat, span).await?);
    }
    let period = period
        .max(
            queries
                .iter()
                .filter_map(|query| query.period)
                .map(i64::from)
                .max()
                .unwrap_or(0),
        )
        .max(1);
    let begin = Span::rounded_start(start, now, period);
    let first = begin - begin.rem_euclid(period);
    let most = i64::try_from(MOST_POINTS).unwrap_or(i64::MAX);
    let times: Vec<i64> = (0..((end - first + period - 1) / period).min(most))
        .map(|step| first + step * period)
        .collect();
    let labels = Labels::among(queries);
    let mut answers = Vec::new();
    for id in order(queries, &expressions)? {
        let Some(query) = queries.iter().find(|query| query.id == id) else {
            continue;
        };
        let Some(expression) = expressions.get(&id) else {
            let label = query.metric_stat.as_ref().and_then(|stat| labels.of(stat));
            answer(&mut answers, query, label, series.get(&id).cloned().unwrap_or_default());
            continue;
        };
        let known = Known {
            series: &series,
            metrics: &ids,
            times: &times,
        };
        let found = expression.value(&known).map_err(|why| wrong(&id, &why))?;
        match found {
            Value::Number(number) => {
                let constant: Series = times.iter().map(|at| (*at, number)).collect();
                series.insert(id.clone(), constant.clone());
                answer(&mut answers, query, None, constant);
            }
            Value::One(one) => {
                series.insert(id.clone(), one.clone());
                answer(&mut answers, query, None, one);
            }
            Value::Many(many) => {
                for (name, one) in many {
                    answer(&mut answers, query, Some(format!("{id} {name}").trim().to_owned()), one);
                }
            }
        }
    }
    // As they were asked for.
    answers.sort_by_key(|answer| queries.iter().position(|query| query.id == answer.id));
    if answers.is_empty() {
        messages.push(MessageData {
            code: Some("NoData".into()),
            value: Some("No query returns data.".into()),
        });
    }
    page(answers, &input, messages)
}

/// What metrics without a label of their own are called: by their name, and by what tells them apart.
struct Labels {
    with_statistic: bool,
    with_period: bool,
}

impl Labels {
    fn among(queries: &[MetricDataQuery]) -> Self {
        let stats: Vec<&MetricStat> = queries
            .iter()
            .filter(|query| query.label.is_none())
            .filter_map(|query| query.metric_stat.as_ref())
            .collect();
        let first = stats.first();
        Self {
            with_statistic: stats
                .iter()
                .any(|stat| first.is_some_and(|first| first.stat != stat.stat)),
            with_period: stats
                .iter()
                .any(|stat| first.is_some_and(|first| first.period != stat.period)),
        }
    }

    fn of(&self, stat: &MetricStat) -> Option<String> {
        let mut label = stat.metric.metric_name.clone()?;
        if self.with_statistic {
            label = format!("{label} {}", stat.stat);
        }
        if self.with_period {
            label = format!("{label} {}", stat.period);
        }
        Some(label)
    }
}

fn answer(answers: &mut Vec<Answer>, query: &MetricDataQuery, label: Option<String>, series: Series) {
    if query.return_data == Some(false) {
        return;
    }
    let label = query.label.clone().or(label).unwrap_or_else(|| query.id.clone());
    answers.push(Answer {
        id: query.id.clone(),
        label,
        series,
    });
}

fn wrong(id: &str, why: &str) -> MetricsError {
    MetricsError::Validation(format!("Error in expression '{id}': {why}"))
}

/// Checks the queries; the expressions among them by their ids.
fn check(queries: &[MetricDataQuery]) -> Result<BTreeMap<String, Expression>, MetricsError> {
    let mut seen = std::collections::BTreeSet::new();
    let mut expressions = BTreeMap::new();
    for query in queries {
        let id = &query.id;
        let grammar = id.starts_with(|c: char| c.is_ascii_lowercase())
            && id.len() <= 255
            && id.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
        if !grammar {
            return Err(MetricsError::Validation(format!(
                "The value {id} for parameter MetricDataQueries.Id is not matching the expected pattern ^[a-z][a-zA-Z0-9_]*$."
            )));
        }
        if !seen.insert(id) {
            return Err(MetricsError::Validation(format!(
                "The values for parameter id in MetricDataQueries are not unique: {id}."
            )));
        }
        match (&query.metric_stat, &query.expression) {
            (Some(_), None) => {}
            (None, Some(text)) => {
                let start = text.trim_start().to_ascii_uppercase();
                if start.starts_with("SELECT") || start.contains("SEARCH(") {
                    return Err(MetricsError::Unsupported(
                        "SEARCH and Metrics Insights queries (SELECT) are not built.".into(),
                    ));
                }
                expressions.insert(id.clone(), Expression::parse(text).map_err(|why| wrong(id, &why))?);
            }
            _ => {
                let message = format!(
                    "The parameters MetricDataQueries.member.{id}: exactly one of MetricStat and Expression must be specified."
                );
                return Err(MetricsError::Validation(message));
            }
        }
    }
    Ok(expressions)
}

/// The ids such that each comes after those it names.
fn order(queries: &[MetricDataQuery], expressions: &BTreeMap<String, Expression>) -> Result<Vec<String>, MetricsError> {
    let mut done: Vec<String> = Vec::new();
    let mut waiting: Vec<&MetricDataQuery> = queries.iter().collect();
    while !waiting.is_empty() {
        let before = waiting.len();
        waiting.retain(|query| {
            let mut ids = Vec::new();
            if let Some(expression) = expressions.get(&query.id) {
                expression.ids(&mut ids);
            }
            let ready = ids
                .iter()
                .all(|id| done.iter().any(|done| done == id) || !queries.iter().any(|query| query.id == **id));
            if ready {
                done.push(query.id.clone());
            }
            !ready
        });
        if waiting.len() == before {
            return Err(wrong(&waiting[0].id, "it names itself, by way of others or at once"));
        }
    }
    Ok(done)
}

fn span(stat: &MetricStat, start: i64, end: i64, now: i64) -> Result<Span, MetricsError> {
    let period = Span::check_period(stat.period)?;
    let start = Span::rounded_start(start, now, period);
    Ok(Span {
        start: start - start.rem_euclid(period),
        end,
        period,
    })
}

async fn values(
    metrics: &Metrics,
    view: &danbi_store::Snapshot,
    context: &RequestContext,
    stat: &MetricStat,
    span: Span,
) -> Result<Series, MetricsError> {
    let statistic = Statistic::parse(&stat.stat)?;
    let needed = |name: &str, value: &Option<String>| {
        value
            .clone()
            .ok_or_else(|| MetricsError::Validation(format!("The parameter MetricStat.Metric.{name} is required.")))
    };
    let metric = &stat.metric;
    let (namespace, name) = (
        needed("Namespace", &metric.namespace)?,
        needed("MetricName", &metric.metric_name)?,
    );
    let name = Name::new(
        &context.scope,
        &namespace,
        &name,
        metric.dimensions.as_deref().unwrap_or_default(),
    );
    let found = points(metrics, view, &name, span, stat.unit.as_deref()).await?;
    let mut series = Series::new();
    let mut at: BTreeMap<i64, super::aggregate::Aggregate> = BTreeMap::new();
    for ((time, _), aggregate) in found {
        at.entry(time).or_default().add(&aggregate);
    }
    for (time, aggregate) in at {
        if let Some(value) = aggregate.statistic(&statistic) {
            series.insert(time, value);
        }
    }
    Ok(series)
}

/// The part of the answers that the request's token and bound ask for; a token is how many values went before.
fn page(
    answers: Vec<Answer>,
    input: &GetMetricDataInput,
    messages: Vec<MessageData>,
) -> Result<GetMetricDataOutput, MetricsError> {
    let most = input
        .max_datapoints
        .and_then(|most| usize::try_from(most).ok())
        .filter(|most| *most > 0);
    let most = most.unwrap_or(MOST_POINTS).min(MOST_POINTS);
    let before: usize = match &input.next_token {
        Some(token) => token.parse().map_err(|_| MetricsError::Token)?,
        None => 0,
    };
    let ascending = input.scan_by.as_deref() == Some("TimestampAscending");
    let (mut skip, mut room, mut left) = (before, most, false);
    let mut results = Vec::with_capacity(answers.len());
    for answer in answers {
        let total = answer.series.len();
        let mut values: Vec<(i64, f64)> = answer.series.into_iter().collect();
        if !ascending {
            values.reverse();
        }
        let gone = skip.min(total);
        skip -= gone;
        let shown: Vec<_> = values.into_iter().skip(gone).take(room).collect();
        room -= shown.len();
        let complete = gone + shown.len() == total;
        left |= !complete;
        results.push(MetricDataResult {
            id: Some(answer.id),
            label: Some(answer.label),
            timestamps: Some(shown.iter().map(|(at, _)| Timestamp::from_millis(at * 1000)).collect()),
            values: Some(shown.into_iter().map(|(_, value)| value).collect()),
            status_code: Some(if complete { "Complete" } else { "PartialData" }.into()),
            messages: None,
        });
    }
    Ok(GetMetricDataOutput {
        metric_data_results: Some(results),
        next_token: left.then(|| (before + most - room).to_string()),
        messages: Some(messages),
    })
}
