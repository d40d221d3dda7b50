//! ListMetrics.

use super::put::Series;
use super::{Metrics, MetricsError, keys};
use crate::metric_shapes::{Dimension, ListMetricsInput, ListMetricsOutput, Metric};
use danbi_core::RequestContext;
use danbi_store::Direction;
use std::sync::Arc;

/// Metrics of a page.
const PAGE: usize = 500;
/// Series looked at for one page; one that finds little goes on with its token.
const MOST_LOOKED_AT: usize = 5_000;
/// How long a metric is listed after its last value, and `PT3H`.
const LISTED_MS: i64 = 14 * 86_400_000;
const RECENTLY_MS: i64 = 3 * 3600 * 1000;

/// ListMetrics.
pub(super) async fn list(
    metrics: Arc<Metrics>,
    context: RequestContext,
    input: ListMetricsInput,
) -> Result<ListMetricsOutput, MetricsError> {
    metrics.flush().await;
    let age = if input.recently_active.is_some() {
        RECENTLY_MS
    } else {
        LISTED_MS
    };
    let oldest = metrics.clock.now().as_millis() - age;
    let filters = input.dimensions.unwrap_or_default();
    let mut range = keys::series_of(&context.scope, input.namespace.as_deref(), input.metric_name.as_deref());
    if let Some(token) = &input.next_token {
        use base64::Engine as _;
        let key = base64::engine::general_purpose::URL_SAFE_NO_PAD
            .decode(token)
            .map_err(|_| MetricsError::Token)?;
        if !range.contains(&key) {
            return Err(MetricsError::Token);
        }
        range = range.after(&key);
    }
    let view = metrics.snapshot().await?;
    let mut found = Vec::new();
    let (mut looked_at, mut last) = (0, None);
    let more = loop {
        let page = view.scan(range.clone(), Direction::Forward, PAGE).await?;
        for (key, value) in &page.entries {
            if found.len() == PAGE || looked_at == MOST_LOOKED_AT {
                break;
            }
            range = range.after(key);
            looked_at += 1;
            last = Some(key.clone());
            let series: Series = serde_json::from_slice(value)?;
            let (namespace, name) = keys::names(key)?;
            let fits = filters.iter().all(|filter| {
                series.dimensions.iter().any(|(name, value)| {
                    *name == filter.name && filter.value.as_ref().is_none_or(|wanted| wanted == value)
                })
            });
            // A name is asked for with a namespace or without; without one the range holds all names.
            let named = input.metric_name.as_ref().is_none_or(|wanted| *wanted == name);
            if series.alive_ms >= oldest && fits && named {
                found.push(Metric {
                    namespace: Some(namespace),
                    metric_name: Some(name),
                    dimensions: Some(
                        series
                            .dimensions
                            .into_iter()
                            .map(|(name, value)| Dimension { name, value })
                            .collect(),
                    ),
                });
            }
        }
        let full = found.len() == PAGE || looked_at == MOST_LOOKED_AT;
        if full || !page.more {
            let rest = view.scan(range.clone(), Direction::Forward, 1).await?;
            break full && !rest.entries.is_empty();
        }
    };
    let next_token = last.filter(|_| more).map(|key| {
        use base64::Engine as _;
        base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(key)
    });
    Ok(ListMetricsOutput {
        metrics: Some(found),
        next_token,
        owning_accounts: None,
    })
}
