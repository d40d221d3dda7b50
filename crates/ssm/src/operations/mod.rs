//! One room for each operation, or few that belong together.

pub(crate) mod by_path;
pub(crate) mod delete;
pub(crate) mod describe;
pub(crate) mod get;
pub(crate) mod history;
pub(crate) mod labels;
pub(crate) mod put;
pub(crate) mod tags;

use crate::error::{Error, Result};
use crate::keys;
use crate::records::{Version, View};
use danbi_core::{Scope, Timestamp};

/// The newest version of a parameter.
///
/// # Errors
/// `ParameterNotFound`.
pub(crate) async fn newest(view: &impl View, scope: &Scope, name: &str, now: Timestamp) -> Result<Version> {
    let newest: Option<Version> = view.record(&keys::parameter(scope, name)).await?;
    newest
        .filter(|newest| !newest.is_expired(now))
        .ok_or_else(Error::not_found)
}

/// The version of a parameter with this number.
///
/// # Errors
/// `ParameterVersionNotFound`.
pub(crate) async fn numbered(view: &impl View, scope: &Scope, name: &str, number: i64) -> Result<Version> {
    let version = view.record(&keys::version(scope, name, number)).await?;
    version.ok_or_else(|| Error::no_version(number, name))
}

/// The number of the version that has a label.
pub(crate) async fn labelled(view: &impl View, scope: &Scope, name: &str, label: &str) -> Result<Option<i64>> {
    view.record(&keys::label(scope, name, label)).await
}
