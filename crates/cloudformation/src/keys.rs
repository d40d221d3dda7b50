//! Where everything lies in the store.
//!
//! | what | key |
//! |---|---|
//! | stacks | `cfn` `s` account region uuid |
//! | the live stack of a name | `cfn` `n` account region name |
//! | resources | `cfn` `r` stack logical-id |
//! | events, newest first | `cfn` `e` stack sequence |
//! | texts of templates | `cfn` `t` stack template |
//! | change sets | `cfn` `c` stack change-set |
//! | the stack of a change set | `cfn` `ci` change-set |
//! | exports | `cfn` `x` account region name |
//! | who imports | `cfn` `i` account region name stack |
//! | stacks that are worked on | `cfn` `a` stack |
//! | answers that are waited for | `cfn` `k` digest of the token |
//! | stacks that are gone, in the order of times | `cfn` `d` time account region stack |
//!
//! Each record is one or more chunks below its key (see [`crate::records`]).

use bytes::Bytes;
use danbi_core::{Scope, Timestamp};
use danbi_store::KeyRange;
use danbi_store::key::{KeyBuilder, KeyError, KeyReader};

fn root(kind: &str) -> KeyBuilder {
    KeyBuilder::new().str("cfn").str(kind)
}

fn scoped(kind: &str, scope: &Scope) -> KeyBuilder {
    root(kind).str(scope.account.as_str()).str(scope.region.as_str())
}

pub(crate) fn stacks(scope: &Scope) -> Bytes {
    scoped("s", scope).build()
}

pub(crate) fn stack(scope: &Scope, uuid: &str) -> Bytes {
    scoped("s", scope).str(uuid).build()
}

pub(crate) fn name(scope: &Scope, name: &str) -> Bytes {
    scoped("n", scope).str(name).build()
}

pub(crate) fn resources(stack: &str) -> Bytes {
    root("r").str(stack).build()
}

pub(crate) fn resource(stack: &str, logical_id: &str) -> Bytes {
    root("r").str(stack).str(logical_id).build()
}

pub(crate) fn events(stack: &str) -> Bytes {
    root("e").str(stack).build()
}

pub(crate) fn event(stack: &str, sequence: u64) -> Bytes {
    root("e").str(stack).u64_desc(sequence).build()
}

pub(crate) fn templates(stack: &str) -> Bytes {
    root("t").str(stack).build()
}

pub(crate) fn template(stack: &str, id: &str) -> Bytes {
    root("t").str(stack).str(id).build()
}

pub(crate) fn change_sets(stack: &str) -> Bytes {
    root("c").str(stack).build()
}

pub(crate) fn change_set(stack: &str, id: &str) -> Bytes {
    root("c").str(stack).str(id).build()
}

pub(crate) fn stack_of_change_set(id: &str) -> Bytes {
    root("ci").str(id).build()
}

pub(crate) fn exports(scope: &Scope) -> Bytes {
    scoped("x", scope).build()
}

pub(crate) fn export(scope: &Scope, name: &str) -> Bytes {
    scoped("x", scope).str(name).build()
}

pub(crate) fn imports(scope: &Scope, name: &str) -> Bytes {
    scoped("i", scope).str(name).build()
}

pub(crate) fn import(scope: &Scope, name: &str, stack: &str) -> Bytes {
    scoped("i", scope).str(name).str(stack).build()
}

pub(crate) fn active() -> Bytes {
    root("a").build()
}

pub(crate) fn lease(stack: &str) -> Bytes {
    root("a").str(stack).build()
}

pub(crate) fn callback(digest: &str) -> Bytes {
    root("k").str(digest).build()
}

pub(crate) fn gone(at: Timestamp, scope: &Scope, stack: &str) -> Bytes {
    root("d")
        .i64(at.as_millis())
        .str(scope.account.as_str())
        .str(scope.region.as_str())
        .str(stack)
        .build()
}

/// The stacks that were gone at `until` and before.
pub(crate) fn gone_until(until: Timestamp) -> KeyRange {
    let end = until.as_millis().saturating_add(1);
    KeyRange::new(root("d").build(), root("d").i64(end).build())
}

/// Account, region and stack of a key of [`gone`].
pub(crate) fn gone_parts(key: &[u8]) -> Result<(String, String, String), KeyError> {
    let mut reader = KeyReader::after_prefix(key, &root("d").build())?;
    reader.i64()?;
    Ok((reader.str()?, reader.str()?, reader.str()?))
}
