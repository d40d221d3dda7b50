//! Lists of a bucket: ListObjects, ListObjectsV2, ListObjectVersions.

mod cursor;
mod encoding;
mod groups;
pub(crate) mod objects;
pub(crate) mod versions;

pub(crate) use encoding::Encoding;
pub(crate) use groups::Groups;

use crate::{Error, Result};

/// The most entries of a page.
pub(crate) const MAX_PAGE: usize = 1000;

/// How many entries a request asks for.
///
/// # Errors
/// `InvalidArgument` for fewer than none. `name` is the parameter's.
pub(crate) fn page_size(asked: Option<i32>, name: &str) -> Result<usize> {
    let asked = asked.unwrap_or(MAX_PAGE as i32);
    usize::try_from(asked).map(|asked| asked.min(MAX_PAGE)).map_err(|_| {
        let message = format!("Argument {name} must be an integer between 0 and 2147483647");
        Error::invalid_argument(name, &asked.to_string(), message)
    })
}
