//! `Range` of reads: one range of bytes, as S3 takes it.
//!
//! Source: <https://www.rfc-editor.org/rfc/rfc9110#section-14>; several ranges are answered with the whole object, as S3
//! does.

use crate::{Error, Result, versions};
use danbi_core::Timestamp;
use std::ops::Range;

/// The bytes that `header` asks for of an object of `size`; `None` when it is to be passed over: another unit, several
/// ranges, bad form.
///
/// # Errors
/// `InvalidRange` when no byte of it is there.
pub(super) fn parse(header: &str, size: u64) -> Result<Option<Range<u64>>> {
    let Some((first, last)) = header
        .trim()
        .strip_prefix("bytes=")
        .and_then(|spec| spec.split_once('-'))
    else {
        return Ok(None);
    };
    let number = |text: &str| match text.trim() {
        "" => Some(None),
        digits if digits.bytes().all(|b| b.is_ascii_digit()) => Some(Some(digits.parse().unwrap_or(u64::MAX))),
        _ => None,
    };
    let range = match (number(first), number(last)) {
        (Some(Some(first)), Some(Some(last))) if first > last => return Ok(None),
        (Some(Some(first)), Some(last)) => first..last.unwrap_or(u64::MAX).saturating_add(1).min(size),
        (Some(None), Some(Some(suffix))) => size.saturating_sub(suffix)..size,
        _ => return Ok(None),
    };
    if range.is_empty() {
        return Err(Error::invalid_range(header, size));
    }
    Ok(Some(range))
}

/// Whether a range may be answered: `state` is `If-Range`, an entity tag or a time of change, of which both must be
/// exactly the object's.
pub(super) fn is_of(state: Option<&str>, etag: &str, modified: Timestamp) -> bool {
    let Some(state) = state.map(str::trim) else {
        return true;
    };
    match state.strip_prefix('"').and_then(|tag| tag.strip_suffix('"')) {
        Some(tag) => tag == etag,
        None => state == versions::http_date(modified),
    }
}

/// `Content-Range` of these bytes.
pub(super) fn content_range(range: &Range<u64>, size: u64) -> String {
    format!("bytes {}-{}/{size}", range.start, range.end.saturating_sub(1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_is_of_the_state_that_it_names() {
        let modified = Timestamp::from_millis(1_356_220_800_000);
        let is_of = |state| is_of(state, "abc", modified);
        assert!(is_of(None) && is_of(Some("\"abc\"")) && is_of(Some("Sun, 23 Dec 2012 00:00:00 GMT")));
        for other in ["\"abd\"", "abc", "W/\"abc\"", "Sun, 23 Dec 2012 00:00:01 GMT", ""] {
            assert!(!is_of(Some(other)), "{other}");
        }
    }

    #[test]
    fn ranges_read_as_s3_reads_them() {
        let of = |header| parse(header, 10).unwrap();
        assert_eq!(of("bytes=0-3"), Some(0..4));
        assert_eq!(of("bytes=4-"), Some(4..10));
        assert_eq!(of("bytes=-3"), Some(7..10));
        assert_eq!(of("bytes=-30"), Some(0..10));
        assert_eq!(of("bytes=5-999"), Some(5..10));
        assert_eq!(of("bytes=5-99999999999999999999999"), Some(5..10));
        for passed_over in [
            "bytes=3-1",
            "bytes=0-1,3-4",
            "items=0-1",
            "bytes=a-b",
            "bytes=-",
            "0-1",
            "",
        ] {
            assert_eq!(of(passed_over), None, "{passed_over}");
        }
        for not_there in ["bytes=10-", "bytes=10-20", "bytes=-0"] {
            assert_eq!(
                parse(not_there, 10).unwrap_err().code(),
                Some("InvalidRange"),
                "{not_there}"
            );
        }
        assert_eq!(parse("bytes=-1", 0).unwrap_err().code(), Some("InvalidRange"));
        assert_eq!(content_range(&(2..5), 10), "bytes 2-4/10");
    }
}
