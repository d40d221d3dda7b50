//! Event source mappings: functions that are invoked with what a stream or a queue brings.
//!
//! `operations` is the API; `poller` decides which node reads which mapping, by a lease in the store; `shard` reads one
//! shard from its checkpoint on; `queue` receives from a queue; `batch` brings one batch to the function, with everything that may go wrong;
//! `filter` is `FilterCriteria`; `discarded` tells a destination what was given up.
//!
//! - A shard's checkpoint is written once its records were delivered or given up for good: each is delivered at least
//!   once, and those with the same key in their order, whatever crashes in between.
//! - Streams are read through [`danbi_core::Api`], so every source that the platform's API has can be read; today that
//!   is DynamoDB's streams.
//! - The right to read the stream is asked of whoever makes the mapping, when it is made.

mod batch;
mod discarded;
mod filter;
pub(crate) mod operations;
mod poller;
mod queue;
mod shard;

use crate::names::{FunctionId, FunctionName, FunctionRef, Qualifier};
use danbi_core::{Principal, RequestContext, Scope};
use serde::{Deserialize, Serialize};

/// A mapping, as it is kept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Mapping {
    pub uuid: String,
    account: String,
    region: String,
    /// The function's bare name.
    pub function: String,
    pub qualifier: Option<String>,
    /// The stream's ARN.
    pub source: String,
    /// `TRIM_HORIZON` or `LATEST`.
    pub starting_position: String,
    pub enabled: bool,
    pub batch_size: u32,
    pub window_secs: u32,
    /// Batches of one shard that may be under way at once.
    pub parallel: u32,
    /// -1: for as long as the stream keeps the record.
    pub max_retries: i32,
    /// -1: for as long as the stream keeps the record.
    pub max_age_secs: i32,
    pub bisect: bool,
    pub report_failures: bool,
    /// Patterns of `FilterCriteria`, as they were given.
    pub filters: Vec<String>,
    pub on_failure: Option<String>,
    /// Of a queue: batches that may be under way at once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_concurrency: Option<u32>,
    pub modified_ms: i64,
    /// Another one after each update, so that who reads the stream notices.
    pub revision: String,
}

impl Mapping {
    /// Whether it brings messages of a queue.
    fn is_of_queue(&self) -> bool {
        self.source.split(':').nth(2) == Some("sqs")
    }

    pub(crate) fn scope(&self) -> Option<Scope> {
        Some(Scope {
            account: self.account.parse().ok()?,
            region: self.region.parse().ok()?,
        })
    }

    /// The function that is invoked.
    pub(crate) fn reference(&self) -> Option<FunctionRef> {
        Some(FunctionRef {
            id: FunctionId {
                scope: self.scope()?,
                name: FunctionName::parse(&self.function)?,
            },
            qualifier: self.qualifier.as_deref().and_then(|text| Qualifier::parse(text).ok()),
        })
    }

    /// As whom the stream is read: the mapping's account, whose right to it was asked for when the mapping was made.
    fn context(&self) -> Option<RequestContext> {
        let scope = self.scope()?;
        let principal = Principal::Root(scope.account.clone());
        Some(RequestContext::inside(scope, principal, None))
    }
}

/// How far a shard was read.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Checkpoint {
    /// The sequence number of the last record that is done with.
    after: Option<String>,
    /// Where to go on while no record is done with, and when it was given out: iterators expire.
    iterator: Option<(String, i64)>,
    /// Without the two: records from this time on, from the oldest; 0 for all.
    since_ms: i64,
}
