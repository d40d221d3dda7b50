//! How a key is found, kept and removed: nothing else writes the tables of keys and aliases.

use crate::error::{Error, Result};
use crate::grant::Grant;
use crate::keys;
use crate::names::{self, KeyName};
use crate::record::{Alias, Key, View, encode};
use danbi_core::Scope;
use danbi_store::Transaction;

/// Entries of one scan.
const PAGE: usize = 500;

/// The key of this id.
///
/// # Errors
/// `NotFoundException`.
pub(crate) async fn by_id(view: &impl View, scope: &Scope, id: &str) -> Result<Key> {
    let key = view.record(&keys::key(scope, id)).await?;
    key.ok_or_else(|| Error::no_such_key(&names::key_arn(scope, id)))
}

/// The key that a request names, and where it is.
///
/// # Errors
/// `NotFoundException`.
pub(crate) async fn find(view: &impl View, name: &KeyName) -> Result<(Scope, Key)> {
    match name {
        KeyName::Id(scope, id) => Ok((scope.clone(), by_id(view, scope, id).await?)),
        KeyName::Alias(scope, alias) => {
            let record = alias_record(view, scope, alias).await?;
            Ok((scope.clone(), by_id(view, scope, &record.target).await?))
        }
    }
}

/// An alias.
///
/// # Errors
/// `NotFoundException`.
pub(crate) async fn alias_record(view: &impl View, scope: &Scope, alias: &str) -> Result<Alias> {
    let missing = || Error::not_found(format!("Alias {} is not found.", names::alias_arn(scope, alias)));
    if alias.is_empty() || alias.len() > 256 {
        return Err(missing());
    }
    view.record(&keys::alias(scope, alias)).await?.ok_or_else(missing)
}

/// The names of a key's aliases, without `alias/`, in order.
pub(crate) async fn aliases_of(view: &impl View, scope: &Scope, id: &str) -> Result<Vec<String>> {
    let mut range = keys::below(keys::aliases_of(scope, id));
    let mut all = Vec::new();
    loop {
        let page = view.page(range.clone(), PAGE).await?;
        for (key, _) in &page.entries {
            all.push(name_of(key, 5)?);
        }
        match page.entries.last() {
            Some((last, _)) if page.more => range = range.after(last),
            _ => return Ok(all),
        }
    }
}

/// The last element of a key of the store.
pub(crate) fn name_of(key: &[u8], elements_before: usize) -> Result<String> {
    keys::last(key, elements_before).map_err(|error| Error::Damaged(error.to_string()))
}

/// Keeps a key as it is now, and its place among those that are due.
pub(crate) fn save(tx: &Transaction, scope: &Scope, key: &mut Key) -> Result<()> {
    let due = key.next_due();
    if due != key.due {
        if let Some(before) = key.due {
            tx.delete(&keys::due(before, scope, &key.id))?;
        }
        if let Some(at) = due {
            tx.put(&keys::due(at, scope, &key.id), Vec::new())?;
        }
        key.due = due;
    }
    tx.put(&keys::key(scope, &key.id), encode(key)?)?;
    Ok(())
}

/// Removes a key with its material, aliases, grants and imports.
pub(crate) async fn remove(tx: &Transaction, scope: &Scope, key: &Key) -> Result<()> {
    for alias in aliases_of(tx, scope, &key.id).await? {
        tx.delete(&keys::alias(scope, &alias))?;
        tx.delete(&keys::alias_of(scope, &key.id, &alias))?;
    }
    for grant in grants(tx, scope, &key.id).await? {
        forget_grant(tx, scope, &key.id, &grant)?;
    }
    tx.delete_range(keys::below(keys::imports(scope, &key.id)))?;
    if let Some(due) = key.due {
        tx.delete(&keys::due(due, scope, &key.id))?;
    }
    tx.delete(&keys::key(scope, &key.id))?;
    Ok(())
}

/// All grants of a key.
pub(crate) async fn grants(view: &impl View, scope: &Scope, id: &str) -> Result<Vec<Grant>> {
    let mut range = keys::below(keys::grants(scope, id));
    let mut all = Vec::new();
    loop {
        let page = view.page(range.clone(), PAGE).await?;
        for (_, value) in &page.entries {
            all.push(crate::record::decode(value)?);
        }
        match page.entries.last() {
            Some((last, _)) if page.more => range = range.after(last),
            _ => return Ok(all),
        }
    }
}

/// Removes a grant, but does not count it off its key.
pub(crate) fn forget_grant(tx: &Transaction, scope: &Scope, id: &str, grant: &Grant) -> Result<()> {
    tx.delete(&keys::grant(scope, id, &grant.id))?;
    if let Some(principal) = &grant.retiring {
        tx.delete(&keys::retirable(scope, principal, id, &grant.id))?;
    }
    Ok(())
}
