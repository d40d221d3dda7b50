//! INSERT, UPDATE and DELETE as writes.

use super::select::{all, primary_key};
use super::statement::Statement;
use crate::expression::{Condition, Path};
use crate::items::single::{check_size, shows_old};
use crate::items::write::{Change, Write};
use crate::tables::catalog::TableRef;
use crate::tables::record::TableRecord;
use crate::{Error, item_size};
use danbi_core::RequestContext;

/// The write that a statement is; `EXISTS` is a check. `on_failure` is `ReturnValuesOnConditionCheckFailure`.
///
/// # Errors
/// For a condition that does not name the whole primary key, and an item that is too large.
pub(super) fn write(
    statement: Statement,
    table: &TableRecord,
    context: &RequestContext,
    on_failure: Option<&str>,
) -> Result<Write, Error> {
    let needs_old = statement.returning().is_some_and(|returning| !returning.new);
    let (named, change, condition) = match statement {
        Statement::Insert { table, item } => {
            check_size(&item)?;
            (table, Change::Insert(item), None)
        }
        Statement::Update {
            table: named,
            update,
            condition,
            ..
        } => {
            let (key, rest) = primary_key(table, condition).ok_or_else(no_key)?;
            let payload = item_size(&key);
            let condition = existing(table, rest);
            (named, Change::Update { key, update, payload }, condition)
        }
        Statement::Delete {
            table: named,
            condition,
            ..
        } => {
            let (key, rest) = primary_key(table, condition).ok_or_else(no_key)?;
            (named, Change::Delete(key), rest)
        }
        Statement::Exists(select) => {
            let (key, rest) = primary_key(table, select.condition).ok_or_else(no_key)?;
            (select.table, Change::Check(key), existing(table, rest))
        }
        Statement::Select(_) => return Err(Error::validation("A SELECT writes nothing")),
    };
    Ok(Write {
        table: TableRef::parse(context, &named)?,
        named,
        change,
        condition,
        show_on_failure: shows_old(on_failure),
        needs_old,
        located: None,
    })
}

fn no_key() -> Error {
    Error::validation("Where clause does not contain a mandatory equality on all key attributes")
}

/// That the item is there, and `rest`.
fn existing(table: &TableRecord, rest: Option<Condition>) -> Option<Condition> {
    let there = table
        .key
        .partition
        .iter()
        .map(|attribute| Condition::Exists(Path::attribute(attribute.name.clone())));
    all(there.chain(rest).collect())
}
