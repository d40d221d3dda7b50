//! The layout in the store, and why.
//!
//! | key | value | why |
//! |---|---|---|
//! | `ssm, PARAMETER, account, region, key name` | `Version`, the newest | reading and listing by path touch one record each |
//! | `ssm, VERSION, account, region, key name, number` | `Version` | the history, oldest first |
//! | `ssm, LABEL, account, region, key name, label` | the version's number | a label is on one version at a time |
//! | `ssm, TAGS, account, region, key name` | tags | they outlive versions and would not fit beside a value |
//! | `ssm, DUE, time, account, region, key name, number, place` | the version's id | what time does to parameters, in its order |
//!
//! The key name is the name without the slash that a name of one level may begin with, because `/a` and `a` are the same
//! parameter.

use bytes::Bytes;
use danbi_core::{Scope, Timestamp};
use danbi_store::KeyRange;
use danbi_store::key::{KeyBuilder, KeyError, KeyReader};

const PARAMETER: u64 = 1;
const VERSION: u64 = 2;
const LABEL: u64 = 3;
const TAGS: u64 = 4;
const DUE: u64 = 5;

fn table(kind: u64) -> KeyBuilder {
    KeyBuilder::new().str("ssm").u64(kind)
}

fn root(kind: u64, scope: &Scope) -> KeyBuilder {
    table(kind).str(scope.account.as_str()).str(scope.region.as_str())
}

pub(crate) fn parameter(scope: &Scope, name: &str) -> Bytes {
    root(PARAMETER, scope).str(name).build()
}

/// All parameters of a scope.
pub(crate) fn parameters(scope: &Scope) -> KeyRange {
    KeyRange::prefix(root(PARAMETER, scope).build())
}

/// The parameters whose key names begin with `prefix`.
pub(crate) fn parameters_with(scope: &Scope, prefix: &str) -> KeyRange {
    KeyRange::prefix(root(PARAMETER, scope).str_prefix(prefix))
}

/// The key name in a key of [`parameter`].
pub(crate) fn parameter_name(scope: &Scope, key: &[u8]) -> Result<String, KeyError> {
    KeyReader::after_prefix(key, &root(PARAMETER, scope).build())?.str()
}

pub(crate) fn version(scope: &Scope, name: &str, number: i64) -> Bytes {
    root(VERSION, scope).str(name).i64(number).build()
}

pub(crate) fn versions(scope: &Scope, name: &str) -> KeyRange {
    KeyRange::prefix(root(VERSION, scope).str(name).build())
}

pub(crate) fn label(scope: &Scope, name: &str, label: &str) -> Bytes {
    root(LABEL, scope).str(name).str(label).build()
}

pub(crate) fn labels(scope: &Scope, name: &str) -> KeyRange {
    KeyRange::prefix(root(LABEL, scope).str(name).build())
}

/// The label in a key of [`label`].
pub(crate) fn label_text(scope: &Scope, name: &str, key: &[u8]) -> Result<String, KeyError> {
    KeyReader::after_prefix(key, &root(LABEL, scope).str(name).build())?.str()
}

pub(crate) fn tags(scope: &Scope, name: &str) -> Bytes {
    root(TAGS, scope).str(name).build()
}

/// The place of policy number `place` of a version in the order of times.
pub(crate) fn due(at: Timestamp, scope: &Scope, name: &str, number: i64, place: usize) -> Bytes {
    table(DUE)
        .i64(at.as_millis())
        .str(scope.account.as_str())
        .str(scope.region.as_str())
        .str(name)
        .i64(number)
        .u64(place as u64)
        .build()
}

/// What is due up to and at `now`.
pub(crate) fn due_until(now: Timestamp) -> KeyRange {
    KeyRange::new(
        table(DUE).build(),
        table(DUE).i64(now.as_millis().saturating_add(1)).build(),
    )
}

/// What an entry of [`due`] is about.
pub(crate) struct Due {
    pub account: String,
    pub region: String,
    pub name: String,
    pub place: usize,
}

/// Reads a key of [`due`].
pub(crate) fn due_parts(key: &[u8]) -> Result<Due, KeyError> {
    let mut reader = KeyReader::after_prefix(key, &table(DUE).build())?;
    reader.i64()?;
    let (account, region, name) = (reader.str()?, reader.str()?, reader.str()?);
    reader.i64()?;
    let place = usize::try_from(reader.u64()?).map_err(|_| KeyError::OutOfRange)?;
    Ok(Due {
        account,
        region,
        name,
        place,
    })
}
