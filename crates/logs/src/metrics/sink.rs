//! What the platform measures about itself: added up in memory, stored now and then.

use super::Metrics;
use super::aggregate::Aggregate;
use super::put::{Name, Slot};
use danbi_core::{MetricValue, Scope, Timestamp};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// Values that wait to be stored.
pub(super) struct Buffer {
    most: usize,
    waiting: Mutex<Waiting>,
}

#[derive(Default)]
struct Waiting {
    slots: HashMap<Slot, Aggregate>,
    dropped: u64,
}

impl Buffer {
    pub(super) fn new(most: usize) -> Self {
        Self {
            most,
            waiting: Mutex::default(),
        }
    }

    pub(super) fn add(
        &self,
        scope: &Scope,
        namespace: &str,
        dimensions: &[&[(&'static str, &str)]],
        at: Timestamp,
        values: &[MetricValue],
    ) {
        let seconds = at.as_secs();
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        for set in dimensions {
            let mut pairs: Vec<(String, String)> = set
                .iter()
                .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
                .collect();
            pairs.sort();
            for value in values.iter().filter(|value| value.value.is_finite()) {
                let slot = Slot {
                    name: Name {
                        scope: scope.clone(),
                        namespace: namespace.to_owned(),
                        name: value.name.to_owned(),
                        dimensions: pairs.clone(),
                    },
                    unit: value.unit.to_owned(),
                    at: seconds - seconds.rem_euclid(60),
                    high: false,
                };
                let one = Aggregate::of(value.value, 1.0);
                if let Some(aggregate) = waiting.slots.get_mut(&slot) {
                    aggregate.add(&one);
                } else if waiting.slots.len() < self.most {
                    waiting.slots.insert(slot, one);
                } else {
                    waiting.dropped += 1;
                }
            }
        }
    }

    fn take(&self) -> Waiting {
        std::mem::take(&mut *self.waiting.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Puts back what could not be stored, as far as there is room.
    fn give_back(&self, slots: Vec<(Slot, Aggregate)>) {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        for (slot, aggregate) in slots {
            if waiting.slots.len() < self.most || waiting.slots.contains_key(&slot) {
                waiting.slots.entry(slot).or_default().add(&aggregate);
            } else {
                waiting.dropped += 1;
            }
        }
    }
}

/// Stores what waits, until the service ends, and once more then.
pub(super) async fn run(metrics: Arc<Metrics>, every: Duration) {
    loop {
        let ending = tokio::select! {
            () = metrics.stopped() => true,
            () = tokio::time::sleep(every) => false,
        };
        metrics.flush().await;
        if ending {
            return;
        }
    }
}

impl Metrics {
    /// Stores what waits. Readers call it too, so that they see what happened before they asked.
    pub(super) async fn flush(&self) {
        let Waiting { slots, dropped } = self.buffer.take();
        if dropped > 0 {
            tracing::warn!(dropped, "values of metrics were dropped: too many series at once");
        }
        let now = self.clock.now().as_millis();
        let mut rest: Vec<_> = slots.into_iter().collect();
        while !rest.is_empty() {
            let some = rest.split_off(rest.len().saturating_sub(100));
            if let Err(error) = self.add(some.clone(), now).await {
                tracing::warn!(%error, "metrics could not be stored; trying again");
                rest.extend(some);
                return self.buffer.give_back(rest);
            }
        }
    }
}
