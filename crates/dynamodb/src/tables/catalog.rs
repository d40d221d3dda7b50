//! From the name or the ARN of a table to its record.

use super::record::{TableRecord, TableState};
use crate::{Error, keys};
use bytes::Bytes;
use danbi_core::{Arn, RequestContext, Scope};
use danbi_store::{Snapshot, Transaction};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Decoded records that are kept; when there are more tables in use than this, their records are decoded more often.
const MAX_DECODED: usize = 4096;

/// A table as a request names it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct TableRef {
    /// Account and region: the caller's, or those of the ARN.
    pub scope: Scope,
    /// The table's name; it need not exist.
    pub name: String,
}

impl TableRef {
    /// Reads `TableName`, which may be a name or a table's ARN. Fails with [`Error::Validation`] and AWS's words.
    pub(crate) fn parse(context: &RequestContext, given: &str) -> Result<Self, Error> {
        if given.starts_with("arn:") {
            return Self::from_arn(given, "tableName");
        }
        if given.len() > MAX_NAME_BYTES {
            return Err(too_long(given));
        }
        if !given.bytes().all(is_name_byte) || given.is_empty() {
            return Err(Error::constraint(
                given,
                "tableName",
                "Member must satisfy regular expression pattern: [a-zA-Z0-9_.-]+",
            ));
        }
        if given.len() < 3 {
            return Err(Error::validation(
                "TableName must be at least 3 characters long and at most 255 characters long",
            ));
        }
        Ok(Self {
            scope: context.scope.clone(),
            name: given.into(),
        })
    }

    /// Reads a table's ARN, `arn:aws:dynamodb:REGION:ACCOUNT:table/NAME`; `member` is where it was given.
    pub(crate) fn from_arn(given: &str, member: &str) -> Result<Self, Error> {
        let refused = || Error::validation(format!("Invalid {member}: {given}"));
        let arn: Arn = given.parse().map_err(|_| refused())?;
        let scope = arn.scope().filter(|_| arn.service == "dynamodb").ok_or_else(refused)?;
        let name = arn.resource.strip_prefix("table/").ok_or_else(refused)?;
        if !(3..=MAX_NAME_BYTES).contains(&name.len()) || !name.bytes().all(is_name_byte) {
            return Err(refused());
        }
        Ok(Self {
            scope,
            name: name.into(),
        })
    }

    /// The table's ARN, whether or not there is such a table.
    pub(crate) fn arn(&self) -> Arn {
        Arn::new("dynamodb", &self.scope, format!("table/{}", self.name))
    }
}

/// The longest name of a table.
pub(crate) const MAX_NAME_BYTES: usize = 255;

/// A table's name of more than [`MAX_NAME_BYTES`].
pub(crate) fn too_long(given: &str) -> Error {
    let constraint = format_args!("Member must have length less than or equal to {MAX_NAME_BYTES}");
    Error::constraint(given, "tableName", constraint)
}

/// Whether names of tables and indexes may hold this byte.
pub(crate) fn is_name_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.' | b'-')
}

/// Finds tables.
///
/// Every lookup reads the record from the store, inside the caller's transaction or snapshot, so it is never stale and
/// a change of it between lookup and commit is a conflict. What is remembered is how the bytes decode: a lookup costs
/// one point read and one comparison.
#[derive(Debug, Default)]
pub(crate) struct Catalog {
    decoded: Mutex<HashMap<Bytes, (Bytes, Arc<TableRecord>)>>,
}

impl Catalog {
    /// The table, in whatever state, as the transaction sees it.
    pub(crate) async fn find(&self, tx: &Transaction, table: &TableRef) -> Result<Option<Arc<TableRecord>>, Error> {
        let key = keys::table(&table.scope, &table.name);
        let bytes = tx.get(&key).await?;
        bytes.map(|bytes| self.decode(key, bytes)).transpose()
    }

    /// The table, in whatever state, as the snapshot holds it.
    pub(crate) async fn find_in(
        &self,
        snapshot: &Snapshot,
        table: &TableRef,
    ) -> Result<Option<Arc<TableRecord>>, Error> {
        let key = keys::table(&table.scope, &table.name);
        let bytes = snapshot.get(&key).await?;
        bytes.map(|bytes| self.decode(key, bytes)).transpose()
    }

    /// The table whose items the transaction is to read or write. [`Error::ResourceNotFound`] when there is none, or
    /// it is still being filled.
    pub(crate) async fn usable(&self, tx: &Transaction, table: &TableRef) -> Result<Arc<TableRecord>, Error> {
        usable(self.find(tx, table).await?)
    }

    /// As [`Catalog::usable`], for a read.
    pub(crate) async fn usable_in(&self, snapshot: &Snapshot, table: &TableRef) -> Result<Arc<TableRecord>, Error> {
        usable(self.find_in(snapshot, table).await?)
    }

    /// The table as it was when somebody last looked: for what may be out of date, such as where to stand in line.
    pub(crate) fn recent(&self, table: &TableRef) -> Option<Arc<TableRecord>> {
        let key = keys::table(&table.scope, &table.name);
        let found = self.lock().get(&key).map(|(_, record)| Arc::clone(record));
        found.filter(|record| record.state == TableState::Active)
    }

    /// Writes a record that was changed, with the next version.
    pub(crate) fn put(&self, tx: &Transaction, mut record: TableRecord) -> Result<TableRecord, Error> {
        record.version += 1;
        let bytes = serde_json::to_vec(&record).map_err(Error::internal)?;
        tx.put(&keys::table(&record.scope, &record.name), bytes)?;
        Ok(record)
    }

    /// The record that `value` of `key` is.
    pub(crate) fn decode(&self, key: Bytes, value: Bytes) -> Result<Arc<TableRecord>, Error> {
        if let Some((known, record)) = self.lock().get(&key)
            && *known == value
        {
            return Ok(Arc::clone(record));
        }
        let record: TableRecord = serde_json::from_slice(&value).map_err(Error::internal)?;
        let record = Arc::new(record);
        let mut decoded = self.lock();
        if decoded.len() >= MAX_DECODED {
            decoded.clear();
        }
        // Copies, so that no page of the store stays in memory for the sake of a record in it.
        decoded.insert(
            Bytes::copy_from_slice(&key),
            (Bytes::copy_from_slice(&value), Arc::clone(&record)),
        );
        Ok(record)
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Bytes, (Bytes, Arc<TableRecord>)>> {
        // A panic elsewhere leaves a map behind that is whole.
        self.decoded.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn usable(found: Option<Arc<TableRecord>>) -> Result<Arc<TableRecord>, Error> {
    found
        .filter(|table| table.state == TableState::Active)
        .ok_or_else(Error::no_such_table)
}
