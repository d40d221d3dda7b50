//! What the rules of a bucket say about one version of an object.
//!
//! Source: <https://docs.aws.amazon.com/AmazonS3/latest/userguide/intro-lifecycle-rules.html>.

use super::Days;
use crate::shapes::{LifecycleRule, Tag};
use danbi_core::Timestamp;
use std::collections::BTreeMap;

/// The rules of a bucket that are enabled.
#[derive(Debug, Clone, Default)]
pub(crate) struct Rules {
    rules: Vec<Rule>,
    days: Days,
}

#[derive(Debug, Clone)]
struct Rule {
    id: String,
    prefix: String,
    tags: Vec<Tag>,
    larger_than: Option<u64>,
    smaller_than: Option<u64>,
    expires: Option<When>,
    removes_lone_markers: bool,
    noncurrent: Option<Noncurrent>,
    aborts_after: Option<i64>,
}

#[derive(Debug, Clone, Copy)]
enum When {
    Days(i64),
    Date(Timestamp),
}

#[derive(Debug, Clone, Copy)]
struct Noncurrent {
    days: i64,
    /// So many of the newest stay.
    keep: usize,
}

/// What rules ask of an object.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Subject<'a> {
    pub key: &'a str,
    /// Bytes.
    pub size: u64,
    pub tags: &'a BTreeMap<String, String>,
}

/// When an object expires, and by which rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Expiry<'a> {
    pub at: Timestamp,
    pub rule: &'a str,
}

impl Rules {
    /// Those of a stored configuration.
    pub(crate) fn of(rules: Vec<LifecycleRule>, days: Days) -> Self {
        let enabled = rules.into_iter().filter(|rule| rule.status == "Enabled");
        Self {
            rules: enabled.map(Rule::of).collect(),
            days,
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.rules.is_empty()
    }

    /// The prefixes that rules of a kind look at, without those that begin with another of them.
    fn prefixes(&self, wanted: impl Fn(&Rule) -> bool) -> Vec<&str> {
        let mut all: Vec<&str> = self
            .rules
            .iter()
            .filter(|rule| wanted(rule))
            .map(|rule| rule.prefix.as_str())
            .collect();
        all.sort_unstable();
        let mut prefixes: Vec<&str> = Vec::new();
        for prefix in all {
            // Sorted, a prefix stands before what begins with it.
            if prefixes.last().is_none_or(|last| !prefix.starts_with(last)) {
                prefixes.push(prefix);
            }
        }
        prefixes
    }

    /// Where current versions may expire.
    pub(crate) fn prefixes_of_current(&self) -> Vec<&str> {
        self.prefixes(|rule| rule.expires.is_some())
    }

    /// Where old versions and lone delete markers may go.
    pub(crate) fn prefixes_of_history(&self) -> Vec<&str> {
        self.prefixes(|rule| rule.noncurrent.is_some() || rule.removes_lone_markers || rule.expires.is_some())
    }

    /// Where unfinished uploads may be aborted.
    pub(crate) fn prefixes_of_uploads(&self) -> Vec<&str> {
        self.prefixes(|rule| rule.aborts_after.is_some())
    }

    /// When the current version `subject`, last modified at `modified`, expires: the earliest of what the rules say.
    pub(crate) fn expiry(&self, subject: &Subject<'_>, modified: Timestamp) -> Option<Expiry<'_>> {
        let of_rule = |rule: &Rule| match rule.expires.filter(|_| rule.covers(subject))? {
            When::Days(days) => Some(self.days.after(modified, days)),
            When::Date(date) => Some(date),
        };
        let each = self.rules.iter().filter_map(|rule| Some((of_rule(rule)?, rule)));
        let (at, rule) = each.min_by_key(|(at, _)| *at)?;
        Some(Expiry { at, rule: &rule.id })
    }

    /// Whether an old version goes, which `newer` newer noncurrent versions follow and which is noncurrent since `since`.
    pub(crate) fn removes_noncurrent(
        &self,
        subject: &Subject<'_>,
        newer: usize,
        since: Timestamp,
        now: Timestamp,
    ) -> bool {
        self.rules.iter().any(|rule| {
            rule.noncurrent.is_some_and(|noncurrent| {
                newer >= noncurrent.keep && self.days.after(since, noncurrent.days) <= now && rule.covers(subject)
            })
        })
    }

    /// Whether an old delete marker goes: like a version without content and without tags.
    pub(crate) fn removes_lone_marker(&self, key: &str, modified: Timestamp, now: Timestamp) -> bool {
        self.rules.iter().any(|rule| {
            // A rule about sizes or tags is about objects; a marker has neither.
            if !key.starts_with(&rule.prefix) || !rule.tags.is_empty() || rule.minds_sizes() {
                return false;
            }
            rule.removes_lone_markers
                || match rule.expires {
                    Some(When::Days(days)) => self.days.after(modified, days) <= now,
                    Some(When::Date(date)) => date <= now,
                    None => false,
                }
        })
    }

    /// When an upload that began at `initiated` is aborted.
    pub(crate) fn abort(&self, key: &str, initiated: Timestamp) -> Option<Expiry<'_>> {
        let covering = self.rules.iter().filter(|rule| key.starts_with(&rule.prefix));
        let each = covering.filter_map(|rule| Some((self.days.after(initiated, rule.aborts_after?), rule)));
        let (at, rule) = each.min_by_key(|(at, _)| *at)?;
        Some(Expiry { at, rule: &rule.id })
    }
}

impl Rule {
    fn of(rule: LifecycleRule) -> Self {
        let filter = rule.filter.unwrap_or_default();
        let and = filter.and.unwrap_or_default();
        let prefix = rule.prefix.or(filter.prefix).or(and.prefix).unwrap_or_default();
        let size = |own: Option<i64>, and: Option<i64>| own.or(and).and_then(|size| u64::try_from(size).ok());
        let mut tags: Vec<Tag> = and.tags.unwrap_or_default();
        tags.extend(filter.tag);
        let expiration = rule.expiration.unwrap_or_default();
        let expires = match (expiration.days, expiration.date) {
            (Some(days), _) => Some(When::Days(days.into())),
            (None, date) => date.map(When::Date),
        };
        let noncurrent = rule.noncurrent_version_expiration.and_then(|noncurrent| {
            Some(Noncurrent {
                days: noncurrent.noncurrent_days?.into(),
                keep: usize::try_from(noncurrent.newer_noncurrent_versions.unwrap_or(0)).unwrap_or(0),
            })
        });
        let abort = rule.abort_incomplete_multipart_upload;
        Self {
            id: rule.id.unwrap_or_default(),
            prefix,
            tags,
            larger_than: size(filter.object_size_greater_than, and.object_size_greater_than),
            smaller_than: size(filter.object_size_less_than, and.object_size_less_than),
            expires,
            removes_lone_markers: expiration.expired_object_delete_marker == Some(true),
            noncurrent,
            aborts_after: abort.and_then(|abort| abort.days_after_initiation).map(i64::from),
        }
    }

    fn minds_sizes(&self) -> bool {
        self.larger_than.is_some() || self.smaller_than.is_some()
    }

    fn covers(&self, subject: &Subject<'_>) -> bool {
        subject.key.starts_with(&self.prefix)
            && self.larger_than.is_none_or(|bound| subject.size > bound)
            && self.smaller_than.is_none_or(|bound| subject.size < bound)
            && self
                .tags
                .iter()
                .all(|tag| subject.tags.get(&tag.key) == Some(&tag.value))
    }
}
