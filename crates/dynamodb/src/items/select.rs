//! What Query and Scan share: which index, which attributes, where to begin, and the answer.

use super::capacity::{Rate, Usage};
use super::key;
use super::page::{Page, Wanted};
use super::{index, parameters};
use crate::expression::{Condition, Projection};
use crate::tables::record::{self, IndexRecord, KeySchema, TableRecord};
use crate::{Error, Item, keys};
use std::ops::RangeInclusive;

/// The index that a request names.
pub(crate) fn index<'t>(
    table: &'t TableRecord,
    name: Option<&String>,
    consistent: Option<bool>,
) -> Result<Option<&'t IndexRecord>, Error> {
    let Some(name) = name else { return Ok(None) };
    let Some(index) = table.index(name) else {
        return Err(Error::validation(format!(
            "The table does not have the specified index: {name}"
        )));
    };
    if consistent == Some(true) && !table.is_local(index) {
        return Err(Error::validation(
            "Consistent reads are not supported on global secondary indexes",
        ));
    }
    if !index.is_readable() {
        return Err(Error::validation(format!(
            "Cannot read from backfilling global secondary index: {name}"
        )));
    }
    Ok(Some(index))
}

/// Refuses a `Select` that does not go with the other parameters; `asking` is the parameter that names attributes.
pub(crate) fn check_select(
    select: Option<&str>,
    asking: Option<&str>,
    has_index: bool,
    verb: &str,
) -> Result<(), Error> {
    match (select, asking) {
        (Some("ALL_PROJECTED_ATTRIBUTES"), _) if !has_index => Err(Error::validation(format!(
            "ALL_PROJECTED_ATTRIBUTES can be used only when {verb} using an IndexName"
        ))),
        (Some("SPECIFIC_ATTRIBUTES"), None) => Err(Error::validation(
            "Must specify the AttributesToGet or ProjectionExpression when choosing to get SPECIFIC_ATTRIBUTES",
        )),
        (Some("COUNT"), Some(asking)) => Err(Error::validation(format!(
            "Cannot specify the {asking} when choosing to get only the Count"
        ))),
        (Some(select), Some(asking)) if select != "SPECIFIC_ATTRIBUTES" => Err(Error::validation(format!(
            "Cannot specify the {asking} when choosing to get {select}"
        ))),
        _ => Ok(()),
    }
}

/// What is read of each item.
pub(crate) fn wanted(
    table: &TableRecord,
    index: Option<&IndexRecord>,
    select: Option<&str>,
    projection: Option<&Projection>,
) -> Result<Wanted, Error> {
    if select == Some("COUNT") {
        return Ok(Wanted::Count);
    }
    let Some(index) = index else { return Ok(Wanted::Held) };
    let local = table.is_local(index);
    if select == Some("ALL_ATTRIBUTES") && index.projection != record::Projection::All {
        if local {
            return Ok(Wanted::Base);
        }
        return Err(Error::validation(format!(
            "One or more parameter values were invalid: Select type ALL_ATTRIBUTES is not supported for global \
             secondary index {} because its projection type is not ALL",
            index.name
        )));
    }
    let missing: Vec<&str> = projection
        .into_iter()
        .flat_map(Projection::attributes)
        .filter(|name| !index::projects(table, index, name))
        .collect();
    if missing.is_empty() {
        return Ok(Wanted::Held);
    }
    if local {
        return Ok(Wanted::Base);
    }
    Err(Error::validation(format!(
        "One or more parameter values were invalid: Global secondary index {} does not project [{}]",
        index.name,
        missing.join(", ")
    )))
}

/// Refuses paths into key attributes.
pub(crate) fn check_paths(
    table: &TableRecord,
    projection: Option<&Projection>,
    filter: Option<&Condition>,
) -> Result<(), Error> {
    parameters::check_paths(table, projection.into_iter().flat_map(Projection::paths))?;
    parameters::check_paths(table, parameters::condition_paths(filter))
}

/// The key schema that is read by.
pub(crate) fn schema<'t>(table: &'t TableRecord, index: Option<&'t IndexRecord>) -> &'t KeySchema {
    index.map_or(&table.key, |index| &index.key)
}

fn bad_start() -> Error {
    Error::validation("The provided starting key is invalid")
}

/// Checks an `ExclusiveStartKey` against the keys of table and index; where in the store it lies.
pub(crate) fn start(table: &TableRecord, index: Option<&IndexRecord>, start: &Item) -> Result<Vec<u8>, Error> {
    let about = |error: Error| match error {
        Error::Validation(message) => Error::validation(format!("The provided starting key is invalid: {message}")),
        error => error,
    };
    let primary = key::key_of(&table.key, start);
    let Some(index) = index else {
        key::check_key(table, start).map_err(about)?;
        return Ok(key::item_key(table, start)?.bytes);
    };
    let expected = key::index_key_of(table, index, start);
    let names = index
        .key
        .attributes()
        .filter(|attribute| !table.key.contains(&attribute.name))
        .count();
    if expected.len() != start.len() || start.len() != names + table.key.attributes().count() {
        return Err(bad_start());
    }
    key::check_attributes(&index.key, start).map_err(about)?;
    key::check_key(table, &primary).map_err(about)?;
    let primary = key::item_key(table, &primary)?;
    let partition = key::partition(table.id, &index.key, start).ok_or_else(bad_start)?;
    let sort = key::sort(&index.key, start).ok_or_else(bad_start)?;
    Ok(keys::index_entry(table.id, index.id, partition, &sort, primary.digest))
}

/// Partitions that an on-demand table begins with: a scan reads each for itself.
pub(crate) const ON_DEMAND_PARTITIONS: usize = 4;

/// What a page is charged. `scanned`: which quarters of an on-demand table a scan went through.
pub(crate) fn charge(
    table: &TableRecord,
    index: Option<&IndexRecord>,
    page: &Page,
    scanned: Option<RangeInclusive<usize>>,
    consistent: Option<bool>,
) -> Usage {
    let rate = Rate::of(consistent);
    match index {
        None => Usage::of_table(match scanned {
            Some(quarters) => quarters.map(|quarter| rate.units(page.quarters[quarter])).sum(),
            None => rate.units(page.bytes),
        }),
        Some(index) => {
            let fetched = page.fetched.iter().map(|&bytes| rate.units(bytes)).sum();
            let mut usage = Usage::of_table(fetched);
            usage.charge(&index.name, table.is_local(index), rate.units(page.bytes));
            usage
        }
    }
}
