//! What the platform measures about itself: added up in memory, stored now and then.

use super::Metrics;
use super::aggregate::Aggregate;
use super::put::{Name, Slot};
use danbi_core::{MetricValue, Scope, Timestamp};
use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// Sets of dimensions stored in one transaction; each has a handful of metrics.
const AT_ONCE: usize = 10;

/// Values that wait to be stored. What is there already is found without making anything: every invocation comes here.
pub(super) struct Buffer {
    most: usize,
    hasher: RandomState,
    waiting: Mutex<Waiting>,
}

#[derive(Default)]
struct Waiting {
    /// By the hash of whose they are.
    entries: HashMap<u64, Vec<Entry>>,
    count: usize,
    dropped: u64,
}

/// The metrics of one set of dimensions and one minute.
struct Entry {
    scope: Scope,
    namespace: &'static str,
    dimensions: Vec<(&'static str, String)>,
    minute: i64,
    metrics: Vec<(&'static str, &'static str, Aggregate)>,
}

impl Entry {
    fn is(&self, scope: &Scope, namespace: &str, dimensions: &[(&'static str, &str)], minute: i64) -> bool {
        self.minute == minute
            && self.namespace == namespace
            && self.scope == *scope
            && self.dimensions.len() == dimensions.len()
            && self
                .dimensions
                .iter()
                .zip(dimensions)
                .all(|(kept, asked)| kept.0 == asked.0 && kept.1 == asked.1)
    }

    fn metric(&mut self, name: &'static str, unit: &'static str) -> &mut Aggregate {
        let at = self
            .metrics
            .iter()
            .position(|(known, of, _)| *known == name && *of == unit);
        let at = at.unwrap_or_else(|| {
            self.metrics.push((name, unit, Aggregate::default()));
            self.metrics.len() - 1
        });
        &mut self.metrics[at].2
    }

    fn slots(&self) -> impl Iterator<Item = (Slot, Aggregate)> {
        let mut dimensions: Vec<(String, String)> = self
            .dimensions
            .iter()
            .map(|(name, value)| ((*name).to_owned(), value.clone()))
            .collect();
        dimensions.sort();
        self.metrics.iter().map(move |(name, unit, aggregate)| {
            let name = Name {
                scope: self.scope.clone(),
                namespace: self.namespace.to_owned(),
                name: (*name).to_owned(),
                dimensions: dimensions.clone(),
            };
            let slot = Slot {
                name,
                unit: (*unit).to_owned(),
                at: self.minute,
                high: false,
            };
            (slot, aggregate.clone())
        })
    }
}

impl Buffer {
    pub(super) fn new(most: usize) -> Self {
        Self {
            most,
            hasher: RandomState::new(),
            waiting: Mutex::default(),
        }
    }

    pub(super) fn add(
        &self,
        scope: &Scope,
        namespace: &'static str,
        dimensions: &[&[(&'static str, &str)]],
        at: Timestamp,
        values: &[MetricValue],
    ) {
        let seconds = at.as_secs();
        let minute = seconds - seconds.rem_euclid(60);
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        for set in dimensions {
            let hash = self.hasher.hash_one((scope, namespace, set, minute));
            let Waiting {
                entries,
                count,
                dropped,
            } = &mut *waiting;
            let alike = entries.entry(hash).or_default();
            let found = alike.iter().position(|entry| entry.is(scope, namespace, set, minute));
            let found = match found {
                Some(found) => found,
                None if *count >= self.most => {
                    *dropped += 1;
                    continue;
                }
                None => {
                    *count += 1;
                    alike.push(Entry {
                        scope: scope.clone(),
                        namespace,
                        dimensions: set.iter().map(|(name, value)| (*name, (*value).to_owned())).collect(),
                        minute,
                        metrics: Vec::with_capacity(values.len()),
                    });
                    alike.len() - 1
                }
            };
            for value in values.iter().filter(|value| value.value.is_finite()) {
                alike[found].metric(value.name, value.unit).record(value.value);
            }
        }
    }

    fn take(&self) -> (Vec<Entry>, u64) {
        let waiting = std::mem::take(&mut *self.waiting.lock().unwrap_or_else(PoisonError::into_inner));
        (waiting.entries.into_values().flatten().collect(), waiting.dropped)
    }

    /// Puts back what could not be stored, as far as there is room.
    fn give_back(&self, entries: Vec<Entry>) {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        for entry in entries {
            let set: Vec<(&'static str, &str)> = entry
                .dimensions
                .iter()
                .map(|(name, value)| (*name, value.as_str()))
                .collect();
            let hash = self
                .hasher
                .hash_one((&entry.scope, entry.namespace, set.as_slice(), entry.minute));
            let Waiting {
                entries,
                count,
                dropped,
            } = &mut *waiting;
            let alike = entries.entry(hash).or_default();
            match alike
                .iter()
                .position(|other| other.is(&entry.scope, entry.namespace, &set, entry.minute))
            {
                Some(found) => {
                    for (name, unit, aggregate) in &entry.metrics {
                        alike[found].metric(name, unit).add(aggregate);
                    }
                }
                None if *count < self.most => {
                    *count += 1;
                    alike.push(entry);
                }
                None => *dropped += 1,
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
        let (mut rest, dropped) = self.buffer.take();
        if dropped > 0 {
            tracing::warn!(dropped, "values of metrics were dropped: too many series at once");
        }
        let now = self.clock.now().as_millis();
        while !rest.is_empty() {
            let some = rest.split_off(rest.len().saturating_sub(AT_ONCE));
            let slots = some.iter().flat_map(Entry::slots).collect();
            if let Err(error) = self.add(slots, now).await {
                tracing::warn!(%error, "metrics could not be stored; trying again");
                rest.extend(some);
                return self.buffer.give_back(rest);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_of_one_minute_are_added_up_and_the_buffer_is_bounded() {
        let buffer = Buffer::new(2);
        let scope = Scope::default();
        let value = |value| {
            [MetricValue {
                name: "Count",
                unit: "Count",
                value,
            }]
        };
        for function in ["f", "f", "g", "h"] {
            let set = [("FunctionName", function)];
            buffer.add(
                &scope,
                "AWS/Lambda",
                &[&set],
                Timestamp::from_millis(61_000),
                &value(2.0),
            );
        }
        buffer.add(
            &scope,
            "AWS/Lambda",
            &[&[("FunctionName", "f")]],
            Timestamp::from_millis(119_000),
            &value(f64::NAN),
        );
        let (entries, dropped) = buffer.take();
        assert_eq!((entries.len(), dropped), (2, 1));
        buffer.give_back(entries);
        buffer.add(
            &scope,
            "AWS/Lambda",
            &[&[("FunctionName", "f")]],
            Timestamp::from_millis(60_000),
            &value(1.0),
        );
        let (entries, _) = buffer.take();
        let slots: Vec<_> = entries.iter().flat_map(Entry::slots).collect();
        let f = slots.iter().find(|(slot, _)| slot.name.dimensions[0].1 == "f").unwrap();
        assert_eq!((f.0.at, f.1.sum, f.1.count), (60, 5.0, 3.0));
    }
}
