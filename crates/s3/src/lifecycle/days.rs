//! How long a day of a rule is.

use danbi_core::Timestamp;
use std::time::Duration;

const DAY_MS: i64 = 86_400_000;

/// The length of a rule's day.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Days {
    /// A day, and what falls into it happens at the next midnight UTC: AWS's.
    #[default]
    Calendar,
    /// A shorter time, without rounding: for tests, which cannot wait for days.
    Of(Duration),
}

impl Days {
    /// The instant `days` after `from`.
    pub(crate) fn after(self, from: Timestamp, days: i64) -> Timestamp {
        match self {
            Self::Calendar => {
                let day = from.as_millis().div_euclid(DAY_MS);
                Timestamp::from_millis(day.saturating_add(days).saturating_add(1).saturating_mul(DAY_MS))
            }
            Self::Of(day) => {
                let day = i64::try_from(day.as_millis()).unwrap_or(i64::MAX);
                from.plus_millis(day.saturating_mul(days))
            }
        }
    }
}
