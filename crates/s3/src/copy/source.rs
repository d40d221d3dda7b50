//! What is copied: `x-amz-copy-source` and the conditions on it.

use std::ops::Range;

use danbi_core::Timestamp;

use crate::records::{Object, Version};
use crate::{Dialect, Error, Result, names};

/// The largest source of one copy, in bytes: 5 GiB.
pub(crate) const MAX_SOURCE_BYTES: u64 = 5 << 30;

/// `x-amz-copy-source`, taken apart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct CopySource {
    pub(crate) bucket: String,
    pub(crate) key: String,
    pub(crate) version: Option<String>,
}

impl CopySource {
    /// From `bucket/key`, `/bucket/key` or either with `?versionId=ID`, encoded as in a URL.
    ///
    /// # Errors
    /// `InvalidArgument`; `KeyTooLongError`.
    pub(crate) fn parse(header: &str) -> Result<Self> {
        let (path, version) = match header.rsplit_once("?versionId=") {
            Some((path, version)) => (path, Some(version)),
            None => (header, None),
        };
        let path = names::unescaped(path).ok_or_else(|| invalid("Invalid copy source encoding"))?;
        let path = path.strip_prefix('/').unwrap_or(&path);
        let (bucket, key) = path.split_once('/').unwrap_or((path, ""));
        if bucket.is_empty() {
            return Err(invalid("Invalid copy source bucket name"));
        }
        if key.is_empty() {
            return Err(invalid("Invalid copy source object key"));
        }
        names::check_key(key)?;
        Ok(Self {
            bucket: bucket.to_owned(),
            key: key.to_owned(),
            version: version.filter(|version| !version.is_empty()).map(str::to_owned),
        })
    }
}

fn invalid(message: &str) -> Error {
    Error::invalid_argument("x-amz-copy-source", "x-amz-copy-source", message)
}

/// The four conditions on a source.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct SourceConditions<'r> {
    pub(crate) if_match: Option<&'r str>,
    pub(crate) if_none_match: Option<&'r str>,
    pub(crate) if_modified_since: Option<Timestamp>,
    pub(crate) if_unmodified_since: Option<Timestamp>,
}

impl SourceConditions<'_> {
    /// A match of the entity tag overrules the time of change, as for reads.
    ///
    /// # Errors
    /// `PreconditionFailed`.
    pub(crate) fn check(self, version: &Version, object: &Object) -> Result<()> {
        let lists = |tags: &str| {
            tags.split(',')
                .map(|tag| tag.trim().trim_matches('"'))
                .any(|tag| tag == "*" || tag == object.etag)
        };
        let changed = version.modified.as_secs();
        let failed = |condition| Err(Error::precondition_failed(condition));
        match self.if_match {
            Some(tags) if !lists(tags) => return failed("x-amz-copy-source-If-Match"),
            Some(_) => {}
            None => {
                if self.if_unmodified_since.is_some_and(|time| changed > time.as_secs()) {
                    return failed("x-amz-copy-source-If-Unmodified-Since");
                }
            }
        }
        match self.if_none_match {
            Some(tags) if lists(tags) => failed("x-amz-copy-source-If-None-Match"),
            Some(_) => Ok(()),
            None => {
                if self.if_modified_since.is_some_and(|time| changed <= time.as_secs()) {
                    return failed("x-amz-copy-source-If-Modified-Since");
                }
                Ok(())
            }
        }
    }
}

/// The bytes that `x-amz-copy-source-range` names, of a source of `size` bytes; all of them without one.
///
/// # Errors
/// `InvalidArgument` and `InvalidRequest`, in S3's words.
pub(crate) fn range(header: Option<&str>, size: u64, dialect: Dialect) -> Result<Range<u64>> {
    let Some(header) = header else {
        return Ok(0..size);
    };
    let refused = |message: &str| Error::invalid_argument("x-amz-copy-source-range", header, message);
    let digits = |text: &str| {
        text.bytes()
            .all(|byte| byte.is_ascii_digit())
            .then(|| text.parse::<u64>().ok())
    };
    let parsed = header.strip_prefix("bytes=").and_then(|range| range.split_once('-'));
    let parsed = parsed.and_then(|(first, last)| Some((digits(first)??, digits(last)??)));
    let Some((first, last)) = parsed.filter(|(first, last)| first <= last) else {
        return Err(refused(
            "The x-amz-copy-source-range value must be of the form bytes=first-last where first and last are the \
             zero-based offsets of the first and last bytes to copy",
        ));
    };
    if first >= size {
        return Err(Error::invalid_request(
            "The specified copy range is invalid for the source object size",
        ));
    }
    if last >= size {
        return Err(dialect.range_past_end(header, size));
    }
    Ok(first..last + 1)
}

/// # Errors
/// `InvalidRequest` for more bytes than one copy may have.
pub(crate) fn check_size(bytes: u64) -> Result<()> {
    if bytes > MAX_SOURCE_BYTES {
        return Err(Error::invalid_request(format!(
            "The specified copy source is larger than the maximum allowable size for a copy source: {MAX_SOURCE_BYTES}"
        )));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn source(header: &str) -> Option<(String, String, Option<String>)> {
        let CopySource { bucket, key, version } = CopySource::parse(header).ok()?;
        Some((bucket, key, version))
    }

    #[test]
    fn a_source_is_a_path_as_in_a_url() {
        let plain = |key: &str, version: Option<&str>| Some(("b".into(), key.into(), version.map(Into::into)));
        assert_eq!(source("b/k"), plain("k", None));
        assert_eq!(source("/b/k/l"), plain("k/l", None));
        assert_eq!(source("%2Fb%2Fk%20l+m"), plain("k l+m", None));
        assert_eq!(source("b/k?versionId=abc"), plain("k", Some("abc")));
        assert_eq!(source("b/k%3FversionId=abc"), plain("k?versionId=abc", None));
        assert_eq!(source("b//k"), plain("/k", None));
        for bad in [
            "",
            "/",
            "b",
            "b/",
            "/b/",
            "b/%zz",
            "b/%ff",
            &format!("b/{}", "k".repeat(1025)),
        ] {
            assert_eq!(source(bad), None, "{bad}");
        }
    }

    #[test]
    fn ranges_are_first_and_last() {
        assert_eq!(range(None, 10, Dialect::Aws).unwrap(), 0..10);
        assert_eq!(range(Some("bytes=0-9"), 10, Dialect::Aws).unwrap(), 0..10);
        assert_eq!(range(Some("bytes=3-3"), 10, Dialect::Aws).unwrap(), 3..4);
        for bad in [
            "0-8",
            "bytes=1-0",
            "bytes=-1-",
            "bytes=0--1",
            "bytes=0-1,3-4,7-9",
            "bytes=-",
            "bytes=-0",
            "bytes=0-100",
            "bytes=1-",
            "bytes=-2",
            "bytes=99999999999999999999-1",
            "bytes=+1-2",
        ] {
            assert_eq!(
                range(Some(bad), 10, Dialect::Aws).unwrap_err().code(),
                Some("InvalidArgument"),
                "{bad}"
            );
        }
        assert_eq!(
            range(Some("bytes=100-200"), 10, Dialect::Aws).unwrap_err().code(),
            Some("InvalidRequest")
        );
    }
}
