//! The store layout: every key of KMS, and why it is there.
//!
//! | key | value | why |
//! |---|---|---|
//! | `key, ACCOUNT, REGION, ID` | [`Key`](crate::record::Key) | all of a key: what every use of it needs is one read |
//! | `alias, ACCOUNT, REGION, NAME` | [`Alias`](crate::record::Alias) | names without `alias/` |
//! | `aliases of, ACCOUNT, REGION, ID, NAME` | nothing | the aliases of a key, for lists, policies and its removal |
//! | `grant, ACCOUNT, REGION, ID, GRANT` | [`Grant`](crate::grant::Grant) | the grants of a key, together |
//! | `retirable, ACCOUNT, REGION, PRINCIPAL, ID, GRANT` | nothing | the grants that a principal may retire |
//! | `import, ACCOUNT, REGION, ID, TOKEN` | [`ImportKey`](crate::operations::import) | the wrapping key of an import that is under way, for a day |
//! | `due, TIME, ACCOUNT, REGION, ID` | nothing | a key that time will do something to; its record says what and when |
//! | `master keys` | names | which master keys things are sealed under, so that a lost one is noticed at the start |

use bytes::Bytes;
use danbi_core::{Scope, Timestamp};
use danbi_store::KeyRange;
use danbi_store::key::{KeyBuilder, KeyError, KeyReader};

fn kind(kind: &str) -> KeyBuilder {
    KeyBuilder::new().str("kms").str(kind)
}

fn of(what: &str, scope: &Scope) -> KeyBuilder {
    kind(what).str(scope.account.as_str()).str(scope.region.as_str())
}

/// The keys below a prefix.
pub(crate) fn below(prefix: Bytes) -> KeyRange {
    KeyRange::prefix(prefix)
}

pub(crate) fn key(scope: &Scope, id: &str) -> Bytes {
    of("key", scope).str(id).build()
}

pub(crate) fn all_keys(scope: &Scope) -> Bytes {
    of("key", scope).build()
}

pub(crate) fn alias(scope: &Scope, name: &str) -> Bytes {
    of("alias", scope).str(name).build()
}

pub(crate) fn all_aliases(scope: &Scope) -> Bytes {
    of("alias", scope).build()
}

pub(crate) fn alias_of(scope: &Scope, id: &str, name: &str) -> Bytes {
    of("aliases of", scope).str(id).str(name).build()
}

pub(crate) fn aliases_of(scope: &Scope, id: &str) -> Bytes {
    of("aliases of", scope).str(id).build()
}

pub(crate) fn grant(scope: &Scope, id: &str, grant: &str) -> Bytes {
    of("grant", scope).str(id).str(grant).build()
}

pub(crate) fn grants(scope: &Scope, id: &str) -> Bytes {
    of("grant", scope).str(id).build()
}

pub(crate) fn retirable(scope: &Scope, principal: &str, id: &str, grant: &str) -> Bytes {
    of("retirable", scope).str(principal).str(id).str(grant).build()
}

pub(crate) fn retirable_by(scope: &Scope, principal: &str) -> Bytes {
    of("retirable", scope).str(principal).build()
}

pub(crate) fn import(scope: &Scope, id: &str, token: &str) -> Bytes {
    of("import", scope).str(id).str(token).build()
}

pub(crate) fn imports(scope: &Scope, id: &str) -> Bytes {
    of("import", scope).str(id).build()
}

pub(crate) fn due(at: Timestamp, scope: &Scope, id: &str) -> Bytes {
    kind("due")
        .i64(at.as_millis())
        .str(scope.account.as_str())
        .str(scope.region.as_str())
        .str(id)
        .build()
}

/// Everything that is due until `at`.
pub(crate) fn due_until(at: Timestamp) -> KeyRange {
    KeyRange::new(
        kind("due").build(),
        kind("due").i64(at.as_millis().saturating_add(1)).build(),
    )
}

/// The account, region and id in a key that [`due`] made.
pub(crate) fn due_parts(key: &[u8]) -> Result<(String, String, String), KeyError> {
    let mut reader = KeyReader::new(key);
    reader.str()?;
    reader.str()?;
    reader.i64()?;
    Ok((reader.str()?, reader.str()?, reader.str()?))
}

/// The last element of a key, which is text: the name or id of what is listed.
pub(crate) fn last(key: &[u8], elements_before: usize) -> Result<String, KeyError> {
    let mut reader = KeyReader::new(key);
    for _ in 0..elements_before {
        reader.str()?;
    }
    reader.str()
}

pub(crate) fn master_keys() -> Bytes {
    kind("master keys").build()
}
