//! Storage classes whose objects have to be restored before they can be read, and the copies that a restore makes.
//!
//! `GLACIER` and `DEEP_ARCHIVE` are such classes: whoever reads an object in one is told `InvalidObjectState` until
//! RestoreObject made a copy of it, which can be read for as many days as were asked for. The bytes never leave their
//! place, so a restore is done as soon as it is asked for, whatever its tier, and its copy takes no room.
//!
//! Source: <https://docs.aws.amazon.com/AmazonS3/latest/userguide/restoring-objects.html>.

mod expire;
mod restore;

use crate::records::Object;
use crate::shapes::RestoreStatus;
use crate::{Error, Result, versions};
use danbi_core::Timestamp;

pub(crate) use expire::expire;
pub(crate) use restore::restore;

/// The classes that are archives.
const ARCHIVES: [&str; 2] = ["GLACIER", "DEEP_ARCHIVE"];

/// The class of an object that is in an archive.
fn archive(object: &Object) -> Option<&str> {
    let class = object.storage_class.as_deref()?;
    ARCHIVES.contains(&class).then_some(class)
}

/// Until when a restored copy can be read; `None` when there is none (any more).
fn restored(object: &Object, now: Timestamp) -> Option<Timestamp> {
    archive(object)?;
    object.restored.filter(|until| *until > now)
}

/// Lets only those objects through that can be read now.
///
/// # Errors
/// `InvalidObjectState`.
pub(crate) fn check_readable(object: &Object, now: Timestamp) -> Result<()> {
    refuse_archived(object, now, "The operation is not valid for the object's storage class")
}

/// The same for the source of a copy.
///
/// # Errors
/// `InvalidObjectState`.
pub(crate) fn check_source(object: &Object, now: Timestamp) -> Result<()> {
    let message = "Operation is not valid for the source object's storage class";
    refuse_archived(object, now, message)
}

fn refuse_archived(object: &Object, now: Timestamp, message: &str) -> Result<()> {
    match archive(object) {
        Some(class) if restored(object, now).is_none() => {
            Err(Error::client("InvalidObjectState", 403, message).with("StorageClass", class))
        }
        _ => Ok(()),
    }
}

/// `x-amz-restore`, of an object with a restored copy.
pub(crate) fn header(object: &Object, now: Timestamp) -> Option<String> {
    let until = versions::http_date(restored(object, now)?);
    Some(format!("ongoing-request=\"false\", expiry-date=\"{until}\""))
}

/// `RestoreStatus`, as listings show it to those who ask for it.
pub(crate) fn status(object: &Object, now: Timestamp) -> Option<RestoreStatus> {
    let until = restored(object, now)?;
    Some(RestoreStatus {
        is_restore_in_progress: Some(false),
        restore_expiry_date: Some(until),
    })
}

/// Whether a listing was asked for [`status`].
///
/// # Errors
/// `InvalidArgument` for any other attribute.
pub(crate) fn asks_status(attributes: Option<&[String]>) -> Result<bool> {
    let named = attributes.unwrap_or_default().iter().flat_map(|line| line.split(','));
    let mut asked = false;
    for name in named.map(str::trim).filter(|name| !name.is_empty()) {
        if name != "RestoreStatus" {
            let message = "Invalid attribute name specified";
            return Err(Error::invalid_argument(
                "x-amz-optional-object-attributes",
                name,
                message,
            ));
        }
        asked = true;
    }
    Ok(asked)
}
