//! What the rules of a bucket say about one version of an object.
//!
//! Source: <https://docs.aws.amazon.com/AmazonS3/latest/userguide/intro-lifecycle-rules.html>.

use super::Days;
use super::transition::{Smallest, may_move, warmth};
use crate::shapes::{LifecycleRule, Tag};
use danbi_core::Timestamp;
use std::collections::BTreeMap;

/// The rules of a bucket that are enabled.
#[derive(Debug, Clone, Default)]
pub(crate) struct Rules {
    rules: Vec<Rule>,
    smallest: Smallest,
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
    moves: Vec<Move>,
    noncurrent_moves: Vec<(Noncurrent, String)>,
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

/// Into which storage class, and when.
#[derive(Debug, Clone)]
struct Move {
    when: When,
    class: String,
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
    /// Those of a stored configuration. `smallest` is what its transitions leave alone.
    pub(crate) fn of(rules: Vec<LifecycleRule>, smallest: Smallest, days: Days) -> Self {
        let enabled = rules.into_iter().filter(|rule| rule.status == "Enabled");
        Self {
            rules: enabled.map(Rule::of).collect(),
            smallest,
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

    /// Where current versions may expire or move.
    pub(crate) fn prefixes_of_current(&self) -> Vec<&str> {
        self.prefixes(|rule| rule.expires.is_some() || !rule.moves.is_empty())
    }

    /// Where old versions may go or move, and lone delete markers may go.
    pub(crate) fn prefixes_of_history(&self) -> Vec<&str> {
        self.prefixes(|rule| {
            rule.noncurrent.is_some()
                || !rule.noncurrent_moves.is_empty()
                || rule.removes_lone_markers
                || rule.expires.is_some()
        })
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
            rule.noncurrent
                .is_some_and(|noncurrent| noncurrent.is_over(self.days, newer, since, now) && rule.covers(subject))
        })
    }

    /// The class that the current version moves into by now, which is last modified at `modified` and of the class `from`.
    pub(crate) fn moves(&self, subject: &Subject<'_>, from: &str, modified: Timestamp, now: Timestamp) -> Option<&str> {
        let due = |rule: &'_ Move| match rule.when {
            When::Days(days) => self.days.after(modified, days) <= now,
            When::Date(date) => date <= now,
        };
        let due = self.covering(subject).flat_map(|rule| {
            rule.moves
                .iter()
                .filter(|one| due(one))
                .map(move |one| (rule, one.class.as_str()))
        });
        self.coldest(subject, from, due)
    }

    /// The same of an old version, which `newer` newer noncurrent versions follow and which is noncurrent since `since`.
    pub(crate) fn moves_noncurrent(
        &self,
        subject: &Subject<'_>,
        from: &str,
        newer: usize,
        since: Timestamp,
        now: Timestamp,
    ) -> Option<&str> {
        let due = self.covering(subject).flat_map(|rule| {
            let over = rule
                .noncurrent_moves
                .iter()
                .filter(|(noncurrent, _)| noncurrent.is_over(self.days, newer, since, now));
            over.map(move |(_, class)| (rule, class.as_str()))
        });
        self.coldest(subject, from, due)
    }

    fn covering(&self, subject: &Subject<'_>) -> impl Iterator<Item = &Rule> {
        self.rules.iter().filter(|rule| rule.covers(subject))
    }

    /// Of the classes that rules want, the cheapest one that the object may move into.
    fn coldest<'r>(
        &self,
        subject: &Subject<'_>,
        from: &str,
        wanted: impl Iterator<Item = (&'r Rule, &'r str)>,
    ) -> Option<&'r str> {
        let large_enough = |rule: &Rule, class: &str| rule.minds_sizes() || self.smallest.moves(subject.size, class);
        wanted
            .filter(|(rule, class)| may_move(from, class) && large_enough(rule, class))
            .map(|(_, class)| class)
            .max_by_key(|class| warmth(class))
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

impl Noncurrent {
    /// Whether enough newer ones follow and the time is over.
    fn is_over(self, days: Days, newer: usize, since: Timestamp, now: Timestamp) -> bool {
        newer >= self.keep && days.after(since, self.days) <= now
    }

    fn of(days: Option<i32>, keep: Option<i32>) -> Option<Self> {
        Some(Self {
            days: days?.into(),
            keep: usize::try_from(keep.unwrap_or(0)).unwrap_or(0),
        })
    }
}

impl When {
    fn of(days: Option<i32>, date: Option<Timestamp>) -> Option<Self> {
        match days {
            Some(days) => Some(Self::Days(days.into())),
            None => date.map(Self::Date),
        }
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
        let expires = When::of(expiration.days, expiration.date);
        let noncurrent = rule
            .noncurrent_version_expiration
            .and_then(|one| Noncurrent::of(one.noncurrent_days, one.newer_noncurrent_versions));
        let moves = rule.transitions.unwrap_or_default().into_iter().filter_map(|one| {
            Some(Move {
                when: When::of(one.days, one.date)?,
                class: one.storage_class?,
            })
        });
        let noncurrent_moves = rule.noncurrent_version_transitions.unwrap_or_default().into_iter();
        let noncurrent_moves = noncurrent_moves.filter_map(|one| {
            let when = Noncurrent::of(one.noncurrent_days, one.newer_noncurrent_versions)?;
            Some((when, one.storage_class?))
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
            moves: moves.collect(),
            noncurrent_moves: noncurrent_moves.collect(),
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
