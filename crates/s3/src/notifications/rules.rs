//! Who wants to know of what.

use crate::shapes::{FilterRule, NotificationConfiguration, NotificationConfigurationFilter};
use crate::{Error, Result};

/// The events that S3 tells of.
pub(super) const EVENTS: [&str; 30] = [
    "s3:ReducedRedundancyLostObject",
    "s3:ObjectCreated:*",
    "s3:ObjectCreated:Put",
    "s3:ObjectCreated:Post",
    "s3:ObjectCreated:Copy",
    "s3:ObjectCreated:CompleteMultipartUpload",
    "s3:ObjectRemoved:*",
    "s3:ObjectRemoved:Delete",
    "s3:ObjectRemoved:DeleteMarkerCreated",
    "s3:ObjectRestore:*",
    "s3:ObjectRestore:Post",
    "s3:ObjectRestore:Completed",
    "s3:ObjectRestore:Delete",
    "s3:Replication:*",
    "s3:Replication:OperationFailedReplication",
    "s3:Replication:OperationNotTracked",
    "s3:Replication:OperationMissedThreshold",
    "s3:Replication:OperationReplicatedAfterThreshold",
    "s3:LifecycleTransition",
    "s3:IntelligentTiering",
    "s3:ObjectAcl:Put",
    "s3:LifecycleExpiration:*",
    "s3:LifecycleExpiration:Delete",
    "s3:LifecycleExpiration:DeleteMarkerCreated",
    "s3:ObjectTagging:*",
    "s3:ObjectTagging:Put",
    "s3:ObjectTagging:Delete",
    "s3:ObjectAnnotation:*",
    "s3:ObjectAnnotation:Put",
    "s3:ObjectAnnotation:Delete",
];

/// Whether `wanted` (`s3:ObjectCreated:*`) means `event` (`s3:ObjectCreated:Put`).
pub(super) fn means(wanted: &str, event: &str) -> bool {
    match wanted.strip_suffix('*') {
        Some(start) => event.starts_with(start),
        None => wanted == event,
    }
}

/// Who wants to know of what: one configuration of a function, a queue or a topic.
#[derive(Debug, Clone, Copy)]
pub(super) struct Rule<'c> {
    pub id: Option<&'c str>,
    /// Who is told.
    pub arn: &'c str,
    /// What of, and of which keys.
    pub events: &'c [String],
    pub filter: Option<&'c NotificationConfigurationFilter>,
}

/// All rules of a configuration.
pub(super) fn all(given: &NotificationConfiguration) -> impl Iterator<Item = Rule<'_>> {
    macro_rules! rules {
        ($list:ident, $arn:ident) => {
            given.$list.iter().flatten().map(|one| Rule {
                id: one.id.as_deref(),
                arn: &one.$arn,
                events: &one.events,
                filter: one.filter.as_ref(),
            })
        };
    }
    // A macro because the three generated types have nothing in common but the names of their members.
    rules!(lambda_function_configurations, lambda_function_arn)
        .chain(rules!(queue_configurations, queue_arn))
        .chain(rules!(topic_configurations, topic_arn))
}

impl Rule<'_> {
    /// Whether somebody wants to know that `event` happened to `key`.
    pub(super) fn wants(&self, event: &str, key: &str) -> bool {
        self.events.iter().any(|wanted| means(wanted, event))
            && Filter::of(self.filter).is_some_and(|filter| filter.fits(key))
    }
}

/// The part of the keys that a configuration is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Filter<'f> {
    pub prefix: &'f str,
    pub suffix: &'f str,
}

impl<'f> Filter<'f> {
    /// Of a stored configuration; `None` when it cannot be understood.
    pub(super) fn of(filter: Option<&'f NotificationConfigurationFilter>) -> Option<Self> {
        let mut read = Self::default();
        for rule in filter
            .iter()
            .flat_map(|filter| filter.key.iter())
            .flat_map(|key| key.filter_rules.iter().flatten())
        {
            let value = rule.value.as_deref()?;
            match rule.name.as_deref()?.to_ascii_lowercase().as_str() {
                "prefix" => read.prefix = value,
                "suffix" => read.suffix = value,
                _ => return None,
            }
        }
        Some(read)
    }

    fn fits(&self, key: &str) -> bool {
        key.starts_with(self.prefix) && key.ends_with(self.suffix)
    }

    /// Whether there are keys that both mean.
    pub(super) fn overlaps(&self, other: &Self) -> bool {
        let starts = self.prefix.starts_with(other.prefix) || other.prefix.starts_with(self.prefix);
        let ends = self.suffix.ends_with(other.suffix) || other.suffix.ends_with(self.suffix);
        starts && ends
    }
}

/// Checks a filter and puts its names into the form in which S3 gives them back.
pub(super) fn check_filter(filter: Option<&mut NotificationConfigurationFilter>) -> Result<()> {
    let rules: Option<&mut Vec<FilterRule>> = filter
        .and_then(|filter| filter.key.as_mut())
        .and_then(|key| key.filter_rules.as_mut());
    let (mut prefixes, mut suffixes) = (0, 0);
    for rule in rules.into_iter().flatten() {
        let name = rule.name.as_deref().ok_or_else(Error::malformed_xml)?;
        let value = rule.value.as_deref().ok_or_else(Error::malformed_xml)?;
        if value.len() > 1024 {
            let message = "Size of filter rule value cannot exceed 1024 bytes in UTF-8 representation";
            return Err(Error::invalid_argument("FilterRule.Value", value, message));
        }
        let shown = match name.to_ascii_lowercase().as_str() {
            "prefix" => {
                prefixes += 1;
                "Prefix"
            }
            "suffix" => {
                suffixes += 1;
                "Suffix"
            }
            _ => {
                let message = "filter rule name must be either prefix or suffix";
                return Err(Error::invalid_argument("FilterRule.Name", name, message));
            }
        };
        rule.name = Some(shown.to_owned());
    }
    if prefixes > 1 || suffixes > 1 {
        let what = if prefixes > 1 { "prefix" } else { "suffix" };
        let message = format!("Cannot specify more than one {what} rule in a filter.");
        return Err(Error::invalid_argument("FilterRule.Name", what, message));
    }
    Ok(())
}
