//! The layout in the store; all keys begin with the outbox's name.
//!
//! | key | value | why |
//! |---|---|---|
//! | `name, DUE, time, parcel` | nothing | what is due is one scan |
//! | `name, PARCEL, parcel` | `Kept` | the parcel, which attempts rewrite |
//! | `name, BODY, body, part` | bytes | a large body, once for all its parcels |
//! | `name, USE, body, parcel` | nothing | a body goes with its last parcel |

use bytes::Bytes;
use danbi_store::KeyRange;
use danbi_store::key::{KeyBuilder, KeyError, KeyReader};

const DUE: u64 = 1;
const PARCEL: u64 = 2;
const BODY: u64 = 3;
const USE: u64 = 4;

fn root(name: &str, kind: u64) -> KeyBuilder {
    KeyBuilder::new().str("outbox").str(name).u64(kind)
}

pub(crate) fn due(name: &str, at: i64, id: &str) -> Bytes {
    root(name, DUE).i64(at).str(id).build()
}

pub(crate) fn all_due(name: &str) -> KeyRange {
    KeyRange::prefix(root(name, DUE).build())
}

/// When a key of [`all_due`] is due, and which parcel it names.
pub(crate) fn due_parcel(name: &str, key: &[u8]) -> Result<(i64, String), KeyError> {
    let mut reader = KeyReader::after_prefix(key, &root(name, DUE).build())?;
    Ok((reader.i64()?, reader.str()?))
}

pub(crate) fn parcel(name: &str, id: &str) -> Bytes {
    root(name, PARCEL).str(id).build()
}

pub(crate) fn body(name: &str, id: &str, part: u64) -> Bytes {
    root(name, BODY).str(id).u64(part).build()
}

pub(crate) fn body_parts(name: &str, id: &str) -> KeyRange {
    KeyRange::prefix(root(name, BODY).str(id).build())
}

pub(crate) fn body_use(name: &str, body: &str, parcel: &str) -> Bytes {
    root(name, USE).str(body).str(parcel).build()
}

pub(crate) fn body_uses(name: &str, body: &str) -> KeyRange {
    KeyRange::prefix(root(name, USE).str(body).build())
}
