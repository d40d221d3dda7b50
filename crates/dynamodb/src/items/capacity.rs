//! What a request is charged for, in capacity units.
//!
//! Source: <https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/capacity-mode-operations.html>: a read of
//! up to 4 KB is one unit, half a unit when eventually consistent, two in a transaction; a write of up to 1 KB is one
//! unit, two in a transaction, by the larger of the item before and after.

use crate::shapes::{Capacity, ConsumedCapacity};
use crate::tables::record::TableRecord;
use std::collections::BTreeMap;

/// `ReturnConsumedCapacity`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Detail {
    /// Nothing is returned.
    #[default]
    None,
    /// The sum.
    Total,
    /// The sum, and what the table and each index had of it.
    Indexes,
}

impl Detail {
    /// Reads the parameter, whose values the model has checked.
    pub(crate) fn of(parameter: Option<&str>) -> Self {
        match parameter {
            Some("TOTAL") => Self::Total,
            Some("INDEXES") => Self::Indexes,
            _ => Self::None,
        }
    }
}

/// How a read is charged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Rate {
    /// Half a unit for 4 KB.
    Eventual,
    /// A unit for 4 KB.
    Consistent,
    /// Two units for 4 KB.
    Transactional,
}

impl Rate {
    pub(crate) fn of(consistent: Option<bool>) -> Self {
        if consistent == Some(true) {
            Self::Consistent
        } else {
            Self::Eventual
        }
    }

    /// The units for reading this many bytes; nothing read costs as much as a little.
    pub(crate) fn units(self, bytes: usize) -> f64 {
        let blocks = bytes.div_ceil(4096).max(1) as f64;
        match self {
            Self::Eventual => blocks / 2.0,
            Self::Consistent => blocks,
            Self::Transactional => blocks * 2.0,
        }
    }
}

/// Which of `ReadCapacityUnits` and `WriteCapacityUnits` a transaction's answer repeats the units as.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Neither.
    Plain,
    /// `ReadCapacityUnits`.
    Read,
    /// `WriteCapacityUnits`.
    Write,
}

/// What one table and its indexes were charged for.
#[derive(Debug, Clone, PartialEq, Default)]
pub(crate) struct Usage {
    /// The table's own.
    pub table: f64,
    /// Of local indexes, by name.
    pub local: BTreeMap<String, f64>,
    /// Of global indexes, by name.
    pub global: BTreeMap<String, f64>,
}

impl Usage {
    /// Charges the table.
    pub(crate) fn of_table(units: f64) -> Self {
        Self {
            table: units,
            ..Self::default()
        }
    }

    /// Charges the table, and each of [`TableRecord::indexes`] with what stands at its place in `indexes`.
    pub(crate) fn of_write(table: &TableRecord, units: u64, indexes: &[u64]) -> Self {
        let mut usage = Self::of_table(units as f64);
        for (index, units) in table.indexes().zip(indexes).filter(|(_, units)| **units > 0) {
            usage.charge(&index.name, table.is_local(index), *units as f64);
        }
        usage
    }

    /// Charges an index.
    pub(crate) fn charge(&mut self, index: &str, local: bool, units: f64) {
        let indexes = if local { &mut self.local } else { &mut self.global };
        *indexes.entry(index.to_owned()).or_default() += units;
    }

    /// Adds another request's.
    pub(crate) fn add(&mut self, other: &Self, times: f64) {
        self.table += other.table * times;
        for (index, units) in &other.local {
            *self.local.entry(index.clone()).or_default() += units * times;
        }
        for (index, units) in &other.global {
            *self.global.entry(index.clone()).or_default() += units * times;
        }
    }

    /// The answer's member. `table` is the table as the request named it.
    pub(crate) fn report(&self, detail: Detail, table: &str, kind: Kind) -> Option<ConsumedCapacity> {
        if detail == Detail::None {
            return None;
        }
        let total = self.table + self.local.values().sum::<f64>() + self.global.values().sum::<f64>();
        let read = |units: f64| (kind == Kind::Read).then_some(units);
        let write = |units: f64| (kind == Kind::Write).then_some(units);
        let capacity = |units: f64| Capacity {
            read_capacity_units: read(units),
            write_capacity_units: write(units),
            capacity_units: Some(units),
        };
        let of = |indexes: &BTreeMap<String, f64>| -> Option<BTreeMap<String, Capacity>> {
            (detail == Detail::Indexes && !indexes.is_empty()).then(|| {
                indexes
                    .iter()
                    .map(|(name, units)| (name.clone(), capacity(*units)))
                    .collect()
            })
        };
        Some(ConsumedCapacity {
            table_name: Some(table.to_owned()),
            capacity_units: Some(total),
            read_capacity_units: read(total),
            write_capacity_units: write(total),
            table: (detail == Detail::Indexes).then(|| capacity(self.table)),
            local_secondary_indexes: of(&self.local),
            global_secondary_indexes: of(&self.global),
            ..ConsumedCapacity::default()
        })
    }
}
