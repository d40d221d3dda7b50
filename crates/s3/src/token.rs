//! Continuation tokens: where a list goes on, in a form that says nothing to clients.

use crate::{Error, Result};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sha2::{Digest, Sha256};

const CHECK_BYTES: usize = 6;
/// Longer than any token we give.
const MAX_TOKEN_BYTES: usize = 8192;

/// A token for the place behind `place`.
pub(crate) fn seal(place: &str) -> String {
    let mut bytes = check(place.as_bytes()).to_vec();
    bytes.extend_from_slice(place.as_bytes());
    URL_SAFE_NO_PAD.encode(bytes)
}

/// The place that a token of ours names.
///
/// # Errors
/// `InvalidArgument` for any other text.
pub(crate) fn open(token: &str) -> Result<String> {
    let place = || {
        let bytes = URL_SAFE_NO_PAD
            .decode(token.get(..MAX_TOKEN_BYTES.min(token.len()))?)
            .ok()?;
        let (given, place) = bytes.split_at_checked(CHECK_BYTES)?;
        (check(place) == *given).then(|| String::from_utf8(place.to_vec()).ok())?
    };
    place().ok_or_else(|| {
        Error::client("InvalidArgument", 400, "The continuation token provided is incorrect")
            .with("ArgumentName", "continuation-token")
    })
}

fn check(place: &[u8]) -> [u8; CHECK_BYTES] {
    let digest = Sha256::digest(place);
    std::array::from_fn(|at| digest[at])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_our_own_tokens_are_taken() {
        assert_eq!(open(&seal("a/é")).unwrap(), "a/é");
        for foreign in ["", "abc", "é", &seal("a")[1..], &"A".repeat(20_000)] {
            assert_eq!(open(foreign).unwrap_err().code(), Some("InvalidArgument"), "{foreign}");
        }
    }
}
