//! `Marker` and `MaxItems`: where a listing goes on.

use crate::Error;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Serialize;
use serde::de::DeserializeOwned;

/// The number of items in a page: what was asked for, at most `most`.
pub(crate) fn limit(max_items: Option<i32>, most: usize) -> usize {
    max_items
        .and_then(|asked| usize::try_from(asked).ok())
        .filter(|asked| *asked > 0)
        .map_or(most, |asked| asked.min(most))
}

/// A marker that says where the next page begins: opaque to clients.
pub(crate) fn write(position: &impl Serialize) -> Result<String, Error> {
    Ok(URL_SAFE_NO_PAD.encode(serde_json::to_vec(position).map_err(Error::internal)?))
}

/// Reads a marker that [`write`] made.
pub(crate) fn read<T: DeserializeOwned>(marker: Option<&str>) -> Result<Option<T>, Error> {
    let Some(marker) = marker.filter(|marker| !marker.is_empty()) else {
        return Ok(None);
    };
    let bytes = URL_SAFE_NO_PAD.decode(marker).map_err(|_| invalid())?;
    serde_json::from_slice(&bytes).map(Some).map_err(|_| invalid())
}

/// The marker is not one of ours.
pub(crate) fn invalid() -> Error {
    Error::InvalidParameter("Invalid marker.".into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_marker_comes_back_as_it_was_written_and_no_other_is_taken() {
        let marker = write(&("name", 7_u64)).unwrap();
        assert_eq!(read::<(String, u64)>(Some(&marker)).unwrap(), Some(("name".into(), 7)));
        assert_eq!(read::<String>(None).unwrap(), None);
        assert!(read::<String>(Some("?")).is_err());
        assert_eq!(
            (limit(None, 50), limit(Some(2), 50), limit(Some(10_000), 50)),
            (50, 2, 50)
        );
    }
}
