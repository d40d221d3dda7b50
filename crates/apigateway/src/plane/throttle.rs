//! Token buckets: for stages' methods, usage plans and their keys. They are kept in memory, so each node of a cluster
//! counts for itself; what must be counted for good is the quota ([`crate::usage`]).

use danbi_core::Timestamp;
use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

/// Buckets that are kept; full ones are forgotten first, because a new one is full, too.
const MAX_BUCKETS: usize = 20_000;

/// How fast and how much at once.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Rate {
    /// Requests a second.
    pub per_second: f64,
    /// Requests at once.
    pub burst: f64,
}

#[derive(Debug, Clone, Copy)]
struct Bucket {
    tokens: f64,
    filled: Timestamp,
    rate: Rate,
}

/// All buckets, by what they are for.
#[derive(Debug, Default)]
pub(crate) struct Throttle {
    buckets: Mutex<HashMap<String, Bucket>>,
}

impl Throttle {
    /// Takes a token, if there is one.
    pub(crate) fn admits(&self, name: String, rate: Rate, now: Timestamp) -> bool {
        let mut buckets = self.buckets.lock().unwrap_or_else(PoisonError::into_inner);
        if buckets.len() >= MAX_BUCKETS {
            buckets.retain(|_, bucket| level(bucket, now) < bucket.rate.burst);
            if buckets.len() >= MAX_BUCKETS {
                buckets.clear();
            }
        }
        let bucket = buckets.entry(name).or_insert(Bucket {
            tokens: rate.burst,
            filled: now,
            rate,
        });
        bucket.rate = rate;
        bucket.tokens = level(bucket, now);
        bucket.filled = now;
        if bucket.tokens < 1.0 {
            return false;
        }
        bucket.tokens -= 1.0;
        true
    }
}

fn level(bucket: &Bucket, now: Timestamp) -> f64 {
    let elapsed = (now.as_millis() - bucket.filled.as_millis()).max(0);
    #[expect(
        clippy::cast_precision_loss,
        reason = "milliseconds between two requests are exact in an f64"
    )]
    let seconds = elapsed as f64 / 1000.0;
    (bucket.tokens + seconds * bucket.rate.per_second).min(bucket.rate.burst)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buckets_empty_and_fill() {
        let throttle = Throttle::default();
        let rate = Rate {
            per_second: 2.0,
            burst: 2.0,
        };
        let at = |millis| throttle.admits("k".into(), rate, Timestamp::from_millis(millis));
        assert!(at(0) && at(0));
        assert!(!at(0));
        assert!(!at(400));
        assert!(at(600));
        assert!(!at(600));
        assert!(throttle.admits("other".into(), rate, Timestamp::from_millis(600)));
        assert!(!throttle.admits(
            "none".into(),
            Rate {
                per_second: 0.0,
                burst: 0.0
            },
            Timestamp::from_millis(0)
        ));
    }
}
