use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// What is kept of a group; its name and scope are its key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct GroupRecord {
    /// The number under which the group's data lies.
    pub(crate) id: u64,
    /// Milliseconds since the epoch.
    pub(crate) created: i64,
    /// `STANDARD`, `INFREQUENT_ACCESS` or `DELIVERY`.
    pub(crate) class: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) retention_days: Option<i32>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) tags: BTreeMap<String, String>,
}

/// What is kept of a stream; its name is its key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct StreamRecord {
    /// The number that the stream's chunks bear.
    pub(crate) id: u64,
    /// Milliseconds since the epoch.
    pub(crate) created: i64,
    /// Absent as long as there was no event.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) span: Option<EventSpan>,
}

/// The events of a stream as a whole; all in milliseconds since the epoch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct EventSpan {
    pub(crate) first: i64,
    pub(crate) last: i64,
    pub(crate) ingested: i64,
}

impl StreamRecord {
    /// Where the stream stands among the others by last event: before all that have events when it has none.
    pub(crate) fn last_event(&self) -> i64 {
        self.span.map_or(0, |span| span.last)
    }

    /// Takes note of events from `first` to `last`.
    pub(crate) fn extend(&mut self, first: i64, last: i64, ingested: i64) {
        let span = self.span.get_or_insert(EventSpan { first, last, ingested });
        span.first = span.first.min(first);
        span.last = span.last.max(last);
        span.ingested = span.ingested.max(ingested);
    }
}

impl GroupRecord {
    /// Events before this instant are past the group's retention.
    pub(crate) fn expired_before(&self, now: i64) -> i64 {
        self.retention_days.map_or(0, |days| now - i64::from(days) * 86_400_000)
    }
}
