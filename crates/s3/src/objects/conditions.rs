//! `If-Match` and its kin, on reads and on writes.
//!
//! Source: <https://docs.aws.amazon.com/AmazonS3/latest/userguide/conditional-requests.html>,
//! <https://www.rfc-editor.org/rfc/rfc9110#section-13>.

use crate::records::{Object, Version};
use crate::{Error, Result};
use danbi_core::Timestamp;

/// The conditions of a read.
#[derive(Debug, Default, Clone, Copy)]
pub(crate) struct ReadConditions<'r> {
    pub if_match: Option<&'r str>,
    pub if_none_match: Option<&'r str>,
    pub if_modified_since: Option<Timestamp>,
    pub if_unmodified_since: Option<Timestamp>,
}

/// Why a read is not answered with the object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Unmet {
    /// 412, with the header's name.
    Failed(&'static str),
    /// 304, with the header's name.
    NotModified(&'static str),
}

impl ReadConditions<'_> {
    /// Judges the conditions in S3's order: a tag that matches makes the dates irrelevant.
    pub(crate) fn check(self, etag: &str, modified: Timestamp, now: Timestamp) -> Option<Unmet> {
        let changed_since = |date: Timestamp| modified.as_secs() > date.as_secs();
        match (self.if_match, self.if_unmodified_since) {
            (Some(tags), _) if !matches(tags, etag) => return Some(Unmet::Failed("If-Match")),
            (None, Some(date)) if changed_since(date) => return Some(Unmet::Failed("If-Unmodified-Since")),
            _ => {}
        }
        match (self.if_none_match, self.if_modified_since) {
            (Some(tags), _) if matches(tags, etag) => Some(Unmet::NotModified("If-None-Match")),
            // A date in the future says nothing.
            (None, Some(date)) if date <= now && !changed_since(date) => Some(Unmet::NotModified("If-Modified-Since")),
            _ => None,
        }
    }
}

/// The conditions of a write.
#[derive(Debug, Default, Clone, Copy)]
pub(crate) struct WriteConditions<'r> {
    pub if_match: Option<&'r str>,
    pub if_none_match: Option<&'r str>,
}

impl WriteConditions<'_> {
    /// Whether the headers are ones that can be judged. AWS takes `*` alone for `If-None-Match` and tags alone for
    /// `If-Match`; here each takes both.
    ///
    /// # Errors
    /// `NotImplemented`, in S3's words.
    pub(crate) fn check_form(self) -> Result<()> {
        let refused =
            |header: &str, why: &str| Err(Error::header_not_implemented(header).with("additionalMessage", why));
        match (self.if_match, self.if_none_match) {
            (Some(_), Some(_)) => refused(
                "If-Match,If-None-Match",
                "Multiple conditional request headers present in the request",
            ),
            _ => Ok(()),
        }
    }

    /// Whether the write may replace what is current.
    ///
    /// # Errors
    /// `PreconditionFailed`; `NoSuchKey` when `If-Match` asks for an object that is not there.
    pub(crate) fn check(self, key: &str, head: Option<&Version>) -> Result<()> {
        let object: Option<&Object> = head.and_then(|head| head.object.as_ref());
        if let (Some(tags), Some(object)) = (self.if_none_match, object)
            && matches(tags, &object.etag)
        {
            return Err(Error::precondition_failed("If-None-Match"));
        }
        let Some(tag) = self.if_match else { return Ok(()) };
        match object {
            None => Err(Error::no_such_key(key)),
            Some(object) if tag == "*" || unquoted(tag) == object.etag => Ok(()),
            Some(_) => Err(Error::precondition_failed("If-Match")),
        }
    }
}

/// Whether one of the listed entity tags is this one, or any will do. S3 takes tags without quotes too.
pub(crate) fn matches(tags: &str, etag: &str) -> bool {
    tags.trim() == "*" || tags.split(',').any(|tag| unquoted(tag) == etag)
}

fn unquoted(tag: &str) -> &str {
    let tag = tag.trim();
    tag.strip_prefix("W/").unwrap_or(tag).trim_matches('"')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_are_judged_in_s3s_order() {
        let at = Timestamp::from_millis;
        let modified = at(10_000);
        let check = |conditions: ReadConditions<'_>| conditions.check("tag", modified, at(100_000));
        let none = ReadConditions::default();
        assert_eq!(check(none), None);
        let stale = ReadConditions {
            if_match: Some("\"other\""),
            ..none
        };
        assert_eq!(check(stale), Some(Unmet::Failed("If-Match")));
        // A matching tag beats a date that would fail.
        let both = ReadConditions {
            if_match: Some("tag"),
            if_unmodified_since: Some(at(0)),
            ..none
        };
        assert_eq!(check(both), None);
        let date = ReadConditions {
            if_unmodified_since: Some(at(9_000)),
            ..none
        };
        assert_eq!(check(date), Some(Unmet::Failed("If-Unmodified-Since")));
        let same_second = ReadConditions {
            if_unmodified_since: Some(at(10_000)),
            ..none
        };
        assert_eq!(check(same_second), None);
        let seen = ReadConditions {
            if_none_match: Some("W/\"tag\", \"x\""),
            ..none
        };
        assert_eq!(check(seen), Some(Unmet::NotModified("If-None-Match")));
        // A tag that does not match beats a date that would say "not modified".
        let newer = ReadConditions {
            if_none_match: Some("x"),
            if_modified_since: Some(at(10_000)),
            ..none
        };
        assert_eq!(check(newer), None);
        let since = ReadConditions {
            if_modified_since: Some(at(10_000)),
            ..none
        };
        assert_eq!(check(since), Some(Unmet::NotModified("If-Modified-Since")));
        let future = ReadConditions {
            if_modified_since: Some(at(200_000)),
            ..none
        };
        assert_eq!(check(future), None);
    }
}
