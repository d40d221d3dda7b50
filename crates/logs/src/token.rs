//! Tokens of listings: opaque to clients, positions in an order to us, so that they stay good while others write.

use crate::error::LogsError;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

/// A token that names the last item given.
pub(crate) fn encode(kind: &str, last: &str) -> String {
    URL_SAFE_NO_PAD.encode(format!("{kind}:{last}"))
}

/// What [`encode`] was given.
pub(crate) fn decode(kind: &str, token: &str) -> Result<String, LogsError> {
    let bytes = URL_SAFE_NO_PAD.decode(token).map_err(|_| LogsError::token())?;
    let text = String::from_utf8(bytes).map_err(|_| LogsError::token())?;
    let last = text.strip_prefix(kind).and_then(|rest| rest.strip_prefix(':'));
    last.map(str::to_owned).ok_or_else(LogsError::token)
}
