//! What functions did, told to CloudWatch: an [`Executor`] around the one that runs them.
//!
//! `Invocations`, `Errors`, `Duration` and `ConcurrentExecutions` of namespace `AWS/Lambda`, for the function, for the
//! version or alias that was asked for, and for all functions together; and Danbi's own `ColdStarts`, `InitDuration`,
//! `RestoreDuration` and `QueueDuration` (how long an event waited for an environment) in the same places. `Throttles` is told by whoever admits. A streamed answer has no `Duration`,
//! because it goes on after the function was left.
//! Source: <https://docs.aws.amazon.com/lambda/latest/dg/monitoring-metrics-types.html>.

use crate::lambda::Executor;
use crate::names::FunctionRef;
use async_trait::async_trait;
use danbi_core::{Arn, Body, Clock, MetricSink, MetricValue, Scope};
use danbi_runtime::{FunctionSpec, Invocation, Outcome, Provisioned, RuntimeError, Snapshot, StreamingOutcome, Usage};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

const NAMESPACE: &str = "AWS/Lambda";

pub(crate) struct Measured {
    inner: Arc<dyn Executor>,
    metrics: Arc<dyn MetricSink>,
    clock: Arc<dyn Clock>,
    /// Events under way, by function.
    running: Mutex<HashMap<(Scope, String), u32>>,
}

fn value(name: &'static str, unit: &'static str, value: f64) -> MetricValue {
    MetricValue { name, unit, value }
}

/// Tells of a function that could not be started because others run.
pub(crate) fn throttled(metrics: &dyn MetricSink, clock: &dyn Clock, reference: &FunctionRef) {
    let function = [("FunctionName", reference.id.name.as_str())];
    let values = [value("Throttles", "Count", 1.0)];
    metrics.record(&reference.id.scope, NAMESPACE, &[&[], &function], clock.now(), &values);
}

impl Measured {
    pub(crate) fn new(inner: Arc<dyn Executor>, metrics: Arc<dyn MetricSink>, clock: Arc<dyn Clock>) -> Self {
        Self {
            inner,
            metrics,
            clock,
            running: Mutex::default(),
        }
    }

    /// Counts an event until it is dropped.
    fn enter(&self, spec: &FunctionSpec) -> (u32, Entered<'_>) {
        let key = (spec.scope.clone(), spec.name.clone());
        let mut running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
        let count = running.entry(key.clone()).or_default();
        *count += 1;
        (*count, Entered { of: self, key })
    }

    fn tell(&self, spec: &FunctionSpec, invoked: Option<&str>, values: &[MetricValue]) {
        let function = ("FunctionName", spec.name.as_str());
        let qualifier = invoked.and_then(|arn| arn.parse::<Arn>().ok()).and_then(|arn| {
            // `function:NAME:QUALIFIER`
            arn.resource.split(':').nth(2).map(str::to_owned)
        });
        let resource = qualifier.map(|qualifier| format!("{}:{qualifier}", spec.name));
        let plain = [function];
        let now = self.clock.now();
        match &resource {
            Some(resource) => {
                let qualified = [function, ("Resource", resource.as_str())];
                self.metrics
                    .record(&spec.scope, NAMESPACE, &[&[], &plain, &qualified], now, values);
            }
            None => self.metrics.record(&spec.scope, NAMESPACE, &[&[], &plain], now, values),
        }
    }
}

struct Entered<'m> {
    of: &'m Measured,
    key: (Scope, String),
}

impl Drop for Entered<'_> {
    fn drop(&mut self) {
        let mut running = self.of.running.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = running.get_mut(&self.key) {
            *count -= 1;
            if *count == 0 {
                running.remove(&self.key);
            }
        }
    }
}

fn common(failed: bool, concurrent: u32) -> Vec<MetricValue> {
    vec![
        value("Invocations", "Count", 1.0),
        value("Errors", "Count", if failed { 1.0 } else { 0.0 }),
        value("ConcurrentExecutions", "Count", f64::from(concurrent)),
    ]
}

fn starts(values: &mut Vec<MetricValue>, usage: &Usage) {
    values.push(value("QueueDuration", "Milliseconds", usage.queue_ms));
    if let Some(init) = usage.init_ms {
        values.push(value("ColdStarts", "Count", 1.0));
        values.push(value("InitDuration", "Milliseconds", init));
    }
    if let Some(restore) = usage.restore_ms {
        values.push(value("RestoreDuration", "Milliseconds", restore));
    }
}

#[async_trait]
impl Executor for Measured {
    async fn invoke(&self, spec: Arc<FunctionSpec>, invocation: Invocation) -> Result<Outcome, RuntimeError> {
        let (concurrent, _entered) = self.enter(&spec);
        let invoked = invocation.invoked_arn.clone();
        let outcome = self.inner.invoke(Arc::clone(&spec), invocation).await;
        // What could not be started is not an invocation, as on AWS.
        if let Ok(outcome) = &outcome {
            let mut values = common(outcome.function_error.is_some(), concurrent);
            values.push(value("Duration", "Milliseconds", outcome.usage.duration_ms));
            starts(&mut values, &outcome.usage);
            self.tell(&spec, Some(&invoked), &values);
        }
        outcome
    }

    async fn invoke_streaming(
        &self,
        spec: Arc<FunctionSpec>,
        invocation: Invocation,
    ) -> Result<StreamingOutcome, RuntimeError> {
        let (concurrent, _entered) = self.enter(&spec);
        let invoked = invocation.invoked_arn.clone();
        let outcome = self.inner.invoke_streaming(Arc::clone(&spec), invocation).await;
        if let Ok(outcome) = &outcome {
            self.tell(&spec, Some(&invoked), &common(outcome.failed, concurrent));
        }
        outcome
    }

    async fn http(
        &self,
        spec: Arc<FunctionSpec>,
        request: http::Request<Body>,
    ) -> Result<http::Response<Body>, RuntimeError> {
        let (concurrent, _entered) = self.enter(&spec);
        let began = Instant::now();
        let answer = self.inner.http(Arc::clone(&spec), request).await;
        if let Ok(answer) = &answer {
            let mut values = common(answer.status().is_server_error(), concurrent);
            values.push(value(
                "Duration",
                "Milliseconds",
                began.elapsed().as_secs_f64() * 1000.0,
            ));
            self.tell(&spec, None, &values);
        }
        answer
    }

    fn retire(&self, function_arn: &str) {
        self.inner.retire(function_arn);
    }

    fn is_warm(&self, function_arn: &str) -> bool {
        self.inner.is_warm(function_arn)
    }

    fn anticipate(&self, spec: Arc<FunctionSpec>) {
        self.inner.anticipate(spec);
    }

    fn keep(&self, wanted: Vec<(Arc<FunctionSpec>, u32)>) {
        self.inner.keep(wanted);
    }

    fn kept(&self, function_arn: &str) -> Option<Provisioned> {
        self.inner.kept(function_arn)
    }

    async fn snapshot(&self, spec: Arc<FunctionSpec>) -> Snapshot {
        self.inner.snapshot(spec).await
    }
}
