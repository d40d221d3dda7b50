//! Throughput that binds: only where the platform was told so (`danbi serve --throttle-tables`).
//!
//! Each table and each global index has a bucket of read units and one of write units, which fills with what is
//! provisioned a second and holds what five minutes bring: DynamoDB's burst capacity. A request is let in while anything
//! is in its bucket and takes out what it cost when that is known, so one request may leave a debt. Writes are refused
//! for a global index that they change, too; local indexes are paid for by their table. On-demand tables and indexes
//! have the maximum that was set for them, else the quota of an account.
//!
//! Source: <https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/burst-adaptive-capacity.html>. Each node
//! counts for itself, in memory, and a restart fills all buckets. Partitions have no limits of their own.

use super::capacity::Usage;
use crate::keys::{IndexId, TableId};
use crate::tables::record::{BillingMode, IndexRecord, TableRecord, Throughput};
use crate::{DynamoDb, Error, ReasonCode};
use danbi_core::{Clock, Timestamp};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Seconds whose units a bucket holds.
const BURST_SECONDS: f64 = 300.0;
/// Units a second that an account's quota gives an on-demand table or index, to read as to write.
const ON_DEMAND_QUOTA: i64 = 40_000;
/// Buckets that are not full, at most; past this some are forgotten, which fills them.
const MAX_BUCKETS: usize = 65_536;

/// What is counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Traffic {
    /// Read units.
    Read,
    /// Write units.
    Write,
}

/// Whose units.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct Place {
    table: TableId,
    index: Option<IndexId>,
    traffic: Traffic,
}

/// Which limit was met.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Limit {
    Provisioned,
    OnDemandMaximum,
    AccountQuota,
}

/// A request that was not let in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Throttled {
    limit: Limit,
    of_index: bool,
    traffic: Traffic,
    /// The ARN of the table or the index.
    resource: String,
}

impl Throttled {
    /// The error code, as the wire shows it.
    pub const fn code(&self) -> &'static str {
        match self.limit {
            Limit::Provisioned => "ProvisionedThroughputExceededException",
            Limit::OnDemandMaximum | Limit::AccountQuota => "ThrottlingException",
        }
    }

    /// DynamoDB's words.
    pub const fn message(&self) -> &'static str {
        match (self.limit, self.of_index) {
            (Limit::Provisioned, false) => {
                "The level of configured provisioned throughput for the table was exceeded. Consider increasing your \
                 provisioning level with the UpdateTable API."
            }
            (Limit::Provisioned, true) => {
                "The level of configured provisioned throughput for one or more global secondary indexes of the table \
                 was exceeded. Consider increasing your provisioning level for the under-provisioned global secondary \
                 indexes with the UpdateTable API"
            }
            (Limit::OnDemandMaximum, _) => {
                "Throughput exceeds the maximum OnDemandThroughput configured on table or index"
            }
            (Limit::AccountQuota, _) => "Throughput exceeds the current throughput quota for your account",
        }
    }

    /// The code among the reasons of a transaction that was cancelled.
    pub(crate) const fn reason_code(&self) -> ReasonCode {
        match self.limit {
            Limit::Provisioned => ReasonCode::ProvisionedThroughputExceeded,
            Limit::OnDemandMaximum | Limit::AccountQuota => ReasonCode::ThrottlingError,
        }
    }

    /// The member that tells the reasons, and what it tells.
    pub(crate) fn reasons(&self) -> (&'static str, serde_json::Value) {
        let resource = if self.of_index { "Index" } else { "Table" };
        let traffic = match self.traffic {
            Traffic::Read => "Read",
            Traffic::Write => "Write",
        };
        let (member, limit) = match self.limit {
            Limit::Provisioned => ("ThrottlingReasons", "ProvisionedThroughputExceeded"),
            Limit::OnDemandMaximum => ("throttlingReasons", "MaxOnDemandThroughputExceeded"),
            Limit::AccountQuota => ("throttlingReasons", "AccountLimitExceeded"),
        };
        let reason = format!("{resource}{traffic}{limit}");
        (
            member,
            serde_json::json!([{ "reason": reason, "resource": self.resource }]),
        )
    }
}

/// Units that fill up.
#[derive(Debug, Clone, Copy)]
struct Bucket {
    units: f64,
    /// Units a second.
    rate: f64,
    at: Timestamp,
}

impl Bucket {
    fn full(rate: f64, at: Timestamp) -> Self {
        Self {
            units: rate * BURST_SECONDS,
            rate,
            at,
        }
    }

    /// As it is now; `rate` is what is provisioned now.
    fn filled(self, rate: f64, now: Timestamp) -> Self {
        let seconds = (now.as_millis() - self.at.as_millis()).max(0) as f64 / 1000.0;
        let units = (self.units + seconds * self.rate).min(rate * BURST_SECONDS);
        Self { units, rate, at: now }
    }

    fn is_full(&self, now: Timestamp) -> bool {
        self.filled(self.rate, now).units >= self.rate * BURST_SECONDS
    }
}

/// The buckets of this node.
pub(crate) struct Throttle {
    clock: Arc<dyn Clock>,
    buckets: Mutex<HashMap<Place, Bucket>>,
}

/// What the transaction at hand has spent and not paid for.
#[derive(Debug, Default)]
pub(crate) struct Spent(Vec<(Place, f64, f64)>);

impl Spent {
    fn of(&self, place: Place) -> f64 {
        let same = self.0.iter().filter(|(other, _, _)| *other == place);
        same.map(|(_, units, _)| units).sum()
    }

    /// Takes note of what a request to `table` costs, `times` over.
    pub(crate) fn add(&mut self, table: &TableRecord, usage: &Usage, traffic: Traffic, times: f64) {
        let own = usage.table + usage.local.values().sum::<f64>();
        if own > 0.0 {
            self.note(table, None, traffic, own * times);
        }
        for index in &table.global_indexes {
            if let Some(units) = usage.global.get(&index.name) {
                self.note(table, Some(index), traffic, units * times);
            }
        }
    }

    fn note(&mut self, table: &TableRecord, index: Option<&IndexRecord>, traffic: Traffic, units: f64) {
        let (place, rate, _) = rate(table, index, traffic);
        match self.0.iter_mut().find(|(other, _, _)| *other == place) {
            Some((_, spent, _)) => *spent += units,
            None => self.0.push((place, units, rate)),
        }
    }
}

/// Whose bucket serves `traffic`, how many units a second it gets, and which limit that is.
fn rate(table: &TableRecord, index: Option<&IndexRecord>, traffic: Traffic) -> (Place, f64, Limit) {
    let index = index.filter(|index| !table.is_local(index));
    let of = |units: Throughput| match traffic {
        Traffic::Read => units.read,
        Traffic::Write => units.write,
    };
    let (units, limit) = match table.billing {
        BillingMode::Provisioned => {
            let provisioned = index.map_or(table.provisioned, |index| index.provisioned);
            (of(provisioned.units), Limit::Provisioned)
        }
        BillingMode::OnDemand => {
            let limits = index.map_or(table.on_demand, |index| index.on_demand);
            let set = limits.and_then(|limits| match traffic {
                Traffic::Read => limits.read,
                Traffic::Write => limits.write,
            });
            match set.filter(|units| *units > 0) {
                Some(units) => (units, Limit::OnDemandMaximum),
                None => (ON_DEMAND_QUOTA, Limit::AccountQuota),
            }
        }
    };
    let place = Place {
        table: table.id,
        index: index.map(|index| index.id),
        traffic,
    };
    (place, units.max(1) as f64, limit)
}

impl Throttle {
    pub(crate) fn new(clock: Arc<dyn Clock>) -> Self {
        Self {
            clock,
            buckets: Mutex::default(),
        }
    }

    /// Lets a request in when there is anything left beyond what its own transaction has spent.
    ///
    /// # Errors
    /// [`Error::Throttled`].
    pub(crate) fn admit(
        &self,
        table: &TableRecord,
        index: Option<&IndexRecord>,
        traffic: Traffic,
        spent: &Spent,
    ) -> Result<(), Error> {
        let (place, rate, limit) = rate(table, index, traffic);
        let now = self.clock.now();
        let found = self.lock().get(&place).copied();
        let left = found.map_or(rate * BURST_SECONDS, |bucket| bucket.filled(rate, now).units);
        if left - spent.of(place) > 0.0 {
            return Ok(());
        }
        let resource = match index.filter(|_| place.index.is_some()) {
            Some(index) => table.index_arn(&index.name),
            None => table.arn(),
        };
        Err(Error::Throttled(Box::new(Throttled {
            limit,
            of_index: place.index.is_some(),
            traffic,
            resource: resource.to_string(),
        })))
    }

    /// Takes out what was spent. No debt is larger than what a bucket holds.
    pub(crate) fn pay(&self, spent: &Spent) {
        let now = self.clock.now();
        let mut buckets = self.lock();
        for &(place, units, rate) in &spent.0 {
            if buckets.len() >= MAX_BUCKETS && !buckets.contains_key(&place) {
                buckets.retain(|_, bucket| !bucket.is_full(now));
                if buckets.len() >= MAX_BUCKETS {
                    buckets.clear();
                }
            }
            let bucket = buckets.entry(place).or_insert_with(|| Bucket::full(rate, now));
            *bucket = bucket.filled(rate, now);
            bucket.units = (bucket.units - units).max(-rate * BURST_SECONDS);
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Place, Bucket>> {
        // A panic elsewhere leaves buckets behind that are whole.
        self.buckets.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl DynamoDb {
    /// Lets a read of `table`, or of `index`, in: [`Throttle::admit`]. Without throttling every one.
    pub(crate) fn admit_read(&self, table: &TableRecord, index: Option<&IndexRecord>) -> Result<(), Error> {
        match &self.throttle {
            Some(throttle) => throttle.admit(table, index, Traffic::Read, &Spent::default()),
            None => Ok(()),
        }
    }

    /// Takes out what a read cost.
    pub(crate) fn pay_read(&self, table: &TableRecord, usage: &Usage) {
        if let Some(throttle) = &self.throttle {
            let mut spent = Spent::default();
            spent.add(table, usage, Traffic::Read, 1.0);
            throttle.pay(&spent);
        }
    }
}
