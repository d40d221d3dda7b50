//! The event in a request: its size, and whether it is JSON.

use crate::Error;
use bytes::Bytes;
use serde::de::IgnoredAny;

/// The most bytes of an event that the caller waits for (6 MiB). Source:
/// <https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html>.
pub(crate) const MAX_SYNCHRONOUS: usize = 6_291_456;
/// The most bytes of an event that is queued (1 MiB, since October 2025).
pub(crate) const MAX_ASYNCHRONOUS: usize = 1_048_576;
/// The most bytes of `ClientContext`, as base64.
const MAX_CLIENT_CONTEXT: usize = 3583;
/// What AWS says where Jackson has nothing more to say.
const SOURCE: &str = "[Source: REDACTED (`StreamReadFeature.INCLUDE_SOURCE_IN_LOCATION` disabled)";
const EXPECTED: &str = "(JSON String, Number, Array, Object or token 'null', 'true' or 'false')";

/// Checks an event that the caller waits for; no event at all is an empty object.
pub(crate) fn synchronous(payload: Option<Bytes>) -> Result<Bytes, Error> {
    let payload = payload.unwrap_or_default();
    if payload.len() > MAX_SYNCHRONOUS {
        return Err(Error::TooLarge(format!(
            "Request must be smaller than {MAX_SYNCHRONOUS} bytes for the InvokeFunction operation"
        )));
    }
    json(payload)
}

/// Checks an event that is to be queued.
pub(crate) fn asynchronous(payload: Option<Bytes>) -> Result<Bytes, Error> {
    let payload = payload.unwrap_or_default();
    if payload.len() > MAX_ASYNCHRONOUS {
        return Err(Error::TooLarge(format!(
            "{} byte payload is too large for the Event invocation type (limit {MAX_ASYNCHRONOUS} bytes)",
            payload.len()
        )));
    }
    json(payload)
}

fn json(payload: Bytes) -> Result<Bytes, Error> {
    if payload.is_empty() {
        return Ok(Bytes::from_static(b"{}"));
    }
    match serde_json::from_slice::<IgnoredAny>(&payload) {
        Ok(_) => Ok(payload),
        Err(error) => Err(Error::InvalidContent(format!(
            "Could not parse payload into json: {}",
            complaint(&payload, &error)
        ))),
    }
}

/// What is wrong, in the words of AWS's JSON reader as far as they are known.
fn complaint(payload: &[u8], error: &serde_json::Error) -> String {
    let at = |line: usize, column: usize| format!("\n at {SOURCE}; line: {line}, column: {column}]");
    let start = payload
        .iter()
        .position(|byte| !byte.is_ascii_whitespace())
        .unwrap_or(payload.len());
    let line = payload[..start].iter().filter(|byte| **byte == b'\n').count() + 1;
    let column = start
        - payload[..start]
            .iter()
            .rposition(|byte| *byte == b'\n')
            .map_or(0, |newline| newline + 1)
        + 1;
    match payload.get(start) {
        Some(first) if first.is_ascii_alphabetic() => {
            let word = payload[start..]
                .iter()
                .take_while(|byte| byte.is_ascii_alphanumeric() || **byte == b'_')
                .count();
            match payload.get(start + word) {
                Some(byte) if *byte >= 0x80 && std::str::from_utf8(&payload[start..]).is_err() => {
                    format!("Invalid UTF-8 start byte 0x{byte:x}{}", at(line, column + word + 1))
                }
                _ if !matches!(&payload[start..start + word], b"true" | b"false" | b"null") => {
                    let token = String::from_utf8_lossy(&payload[start..start + word.min(256)]);
                    format!(
                        "Unrecognized token '{token}': was expecting {EXPECTED}{}",
                        at(line, column + word)
                    )
                }
                _ => format!("Unexpected content after the value{}", at(error.line(), error.column())),
            }
        }
        Some(first) if !matches!(first, b'{' | b'[' | b'"' | b'-' | b'0'..=b'9') => {
            let shown = if (0x20..0x7f).contains(first) {
                format!("('{}' (code {first}))", char::from(*first))
            } else {
                format!("((CTRL-CHAR, code {first}))")
            };
            format!(
                "Unexpected character {shown}: expected a valid value {EXPECTED}{}",
                at(line, column)
            )
        }
        _ if error.is_eof() => format!("Unexpected end-of-input{}", at(error.line(), error.column() + 1)),
        _ => {
            let text = error.to_string();
            let text = text.rsplit_once(" at line ").map_or(text.as_str(), |(text, _)| text);
            format!("Unexpected content: {text}{}", at(error.line(), error.column()))
        }
    }
}

/// Decodes `ClientContext`: base64 of a JSON object.
pub(crate) fn client_context(text: Option<&str>) -> Result<Option<String>, Error> {
    use base64::Engine;
    let Some(text) = text.filter(|text| !text.is_empty()) else {
        return Ok(None);
    };
    let invalid = || Error::InvalidContent("Client context must be a valid Base64-encoded JSON object.".into());
    if text.len() > MAX_CLIENT_CONTEXT {
        return Err(Error::InvalidContent(format!(
            "Client context must be at most {MAX_CLIENT_CONTEXT} bytes."
        )));
    }
    let bytes = base64::engine::general_purpose::STANDARD
        .decode(text.trim_end())
        .map_err(|_| invalid())?;
    serde_json::from_slice::<serde_json::Map<String, serde_json::Value>>(&bytes).map_err(|_| invalid())?;
    String::from_utf8(bytes).map(Some).map_err(|_| invalid())
}

/// Takes the white space between the tokens out of a JSON text, whose order of members it keeps.
pub(crate) fn compact(text: &str) -> String {
    let (mut quoted, mut escaped) = (false, false);
    let keep = |c: &char| {
        if quoted {
            quoted = escaped || *c != '"';
            escaped = *c == '\\' && !escaped;
            return true;
        }
        quoted = *c == '"';
        !c.is_ascii_whitespace()
    };
    text.chars().filter(keep).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(payload: &'static [u8]) -> String {
        synchronous(Some(Bytes::from_static(payload))).unwrap_err().to_string()
    }

    #[test]
    fn an_event_has_to_be_json() {
        assert_eq!(synchronous(None).unwrap(), "{}");
        assert_eq!(synchronous(Some(Bytes::from_static(b" [1] "))).unwrap(), " [1] ");
        assert_eq!(
            refusal(b"\x99\xeb,j\x07\xa1zYh"),
            "Could not parse request body into json: Could not parse payload into json: Unexpected character ((CTRL-CHAR, code 153)): expected a valid value (JSON String, Number, Array, Object or token 'null', 'true' or 'false')\n at [Source: REDACTED (`StreamReadFeature.INCLUDE_SOURCE_IN_LOCATION` disabled); line: 1, column: 1]"
        );
        assert_eq!(
            refusal(b"n\x87r\x9e\xe9\xb5\xd7I\xee\x9bmt"),
            "Could not parse request body into json: Could not parse payload into json: Invalid UTF-8 start byte 0x87\n at [Source: REDACTED (`StreamReadFeature.INCLUDE_SOURCE_IN_LOCATION` disabled); line: 1, column: 3]"
        );
        assert!(refusal(b"hello").contains("Unrecognized token 'hello': was expecting (JSON String,"));
        assert!(refusal(b"{\"a\":").contains("Unexpected end-of-input"));
    }

    #[test]
    fn an_event_has_a_limit_that_depends_on_who_waits() {
        let large = Bytes::from(vec![b' '; MAX_ASYNCHRONOUS + 1]);
        assert_eq!(
            asynchronous(Some(large)).unwrap_err().to_string(),
            "1048577 byte payload is too large for the Event invocation type (limit 1048576 bytes)"
        );
        let larger = Bytes::from(vec![b' '; MAX_SYNCHRONOUS + 1]);
        assert_eq!(
            synchronous(Some(larger)).unwrap_err().to_string(),
            "Request must be smaller than 6291456 bytes for the InvokeFunction operation"
        );
    }

    #[test]
    fn a_client_context_is_an_object_in_base64() {
        assert_eq!(
            client_context(Some("eyJhIjoxfQ==")).unwrap().as_deref(),
            Some("{\"a\":1}")
        );
        assert!(client_context(Some("MQ==")).is_err());
        assert!(client_context(Some("?")).is_err());
    }

    #[test]
    fn white_space_between_tokens_goes_and_the_rest_stays() {
        assert_eq!(
            compact("{\"b\": \"x \\\" y\\\\\", \n \"a\": [1, 2]}"),
            "{\"b\":\"x \\\" y\\\\\",\"a\":[1,2]}"
        );
    }
}
