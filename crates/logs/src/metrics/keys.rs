//! The layout in the store, and why.
//!
//! | key | value | why |
//! |---|---|---|
//! | `metrics, SERIES, scope, namespace, name, digest` | `Series` | listed by namespace and name; dimensions may be longer than a key |
//! | `metrics, POINT, series, period, time, unit` | `Aggregate` | a range of time is one scan |
//!
//! A series has a number beside its name, drawn when it is made, so that a point's key is short.

use bytes::Bytes;
use danbi_core::Scope;
use danbi_store::KeyRange;
use danbi_store::key::{KeyBuilder, KeyError, KeyReader};

const SERIES: u64 = 1;
const POINT: u64 = 2;

fn root(kind: u64) -> KeyBuilder {
    KeyBuilder::new().str("metrics").u64(kind)
}

fn scoped(scope: &Scope) -> KeyBuilder {
    root(SERIES).str(scope.account.as_str()).str(scope.region.as_str())
}

pub(super) fn series(scope: &Scope, namespace: &str, name: &str, digest: &[u8]) -> Bytes {
    scoped(scope).str(namespace).str(name).bytes(digest).build()
}

/// The series of a scope, of a namespace in it, of a name in that.
pub(super) fn series_of(scope: &Scope, namespace: Option<&str>, name: Option<&str>) -> KeyRange {
    let key = scoped(scope);
    KeyRange::prefix(match (namespace, name) {
        (None, _) => key.build(),
        (Some(namespace), None) => key.str(namespace).build(),
        (Some(namespace), Some(name)) => key.str(namespace).str(name).build(),
    })
}

/// The series of every scope.
pub(super) fn all_series() -> KeyRange {
    KeyRange::prefix(root(SERIES).build())
}

/// Namespace and name of a key of [`series_of`].
pub(super) fn names(key: &[u8]) -> Result<(String, String), KeyError> {
    let mut reader = KeyReader::after_prefix(key, &root(SERIES).build())?;
    reader.str()?;
    reader.str()?;
    Ok((reader.str()?, reader.str()?))
}

pub(super) fn point(series: u64, period: i64, at: i64, unit: &str) -> Bytes {
    root(POINT).u64(series).i64(period).i64(at).str(unit).build()
}

/// The points of a series from `from` to before `to`, in seconds.
pub(super) fn points(series: u64, period: i64, from: i64, to: i64) -> KeyRange {
    let key = root(POINT).u64(series).i64(period);
    KeyRange::new(key.clone().i64(from).build(), key.i64(to).build())
}

/// All points of a series.
pub(super) fn all_points(series: u64) -> KeyRange {
    KeyRange::prefix(root(POINT).u64(series).build())
}

/// Time in seconds and unit of a key of [`points`].
pub(super) fn place(key: &[u8]) -> Result<(i64, String), KeyError> {
    let mut reader = KeyReader::after_prefix(key, &root(POINT).build())?;
    reader.u64()?;
    reader.i64()?;
    Ok((reader.i64()?, reader.str()?))
}
