//! Whether a lifecycle configuration is one that S3 takes, in its words.
//!
//! Source: <https://docs.aws.amazon.com/AmazonS3/latest/API/API_PutBucketLifecycleConfiguration.html>.

use crate::shapes::{LifecycleRule, LifecycleRuleFilter, Tag, Transition};
use crate::{Error, Result, tags};
use danbi_core::Timestamp;
use std::collections::HashSet;
use time::format_description::well_known::Rfc3339;
use uuid::Uuid;

/// The most rules of a bucket.
const MAX_RULES: usize = 1000;
const MAX_ID: usize = 255;
const MAX_NEWER_VERSIONS: i32 = 100;
const DAY_MS: i64 = 86_400_000;

const CLASSES: [&str; 6] = [
    "STANDARD_IA",
    "ONEZONE_IA",
    "INTELLIGENT_TIERING",
    "GLACIER_IR",
    "GLACIER",
    "DEEP_ARCHIVE",
];
/// Classes that take nothing younger than thirty days.
const AFTER_THIRTY_DAYS: [&str; 2] = ["STANDARD_IA", "ONEZONE_IA"];

/// Checks the rules, and names those without a name.
pub(super) fn validate(rules: &mut [LifecycleRule]) -> Result<()> {
    if rules.is_empty() || rules.len() > MAX_RULES {
        return Err(Error::malformed_xml());
    }
    let mut ids = HashSet::new();
    for rule in rules.iter_mut() {
        let id = rule
            .id
            .take()
            .filter(|id| !id.is_empty())
            .unwrap_or_else(|| Uuid::new_v4().to_string());
        if id.chars().count() > MAX_ID {
            let message = "ID length should not exceed allowed limit of 255";
            return Err(Error::invalid_argument("ID", &id, message));
        }
        if !ids.insert(id.clone()) {
            let message = "Rule ID must be unique. Found same ID for more than one rule";
            return Err(Error::invalid_argument("ID", &id, message));
        }
        rule.id = Some(id);
        validate_rule(rule)?;
    }
    Ok(())
}

fn validate_rule(rule: &LifecycleRule) -> Result<()> {
    if !matches!(rule.status.as_str(), "Enabled" | "Disabled") {
        return Err(Error::malformed_xml());
    }
    // The prefix has two places, and one of them is needed.
    match (&rule.prefix, &rule.filter) {
        (Some(_), None) => {}
        (None, Some(filter)) => validate_filter(filter)?,
        _ => return Err(Error::malformed_xml()),
    }
    let acts = rule.expiration.is_some()
        || rule.noncurrent_version_expiration.is_some()
        || rule.abort_incomplete_multipart_upload.is_some()
        || rule.transitions.as_ref().is_some_and(|all| !all.is_empty())
        || rule
            .noncurrent_version_transitions
            .as_ref()
            .is_some_and(|all| !all.is_empty());
    if !acts {
        return Err(Error::invalid_request(
            "At least one action needs to be specified in a rule",
        ));
    }
    validate_expiration(rule)?;
    validate_noncurrent(rule)?;
    validate_abort(rule)?;
    validate_transitions(rule)
}

fn validate_filter(filter: &LifecycleRuleFilter) -> Result<()> {
    let given = [
        filter.prefix.is_some(),
        filter.tag.is_some(),
        filter.object_size_greater_than.is_some(),
        filter.object_size_less_than.is_some(),
        filter.and.is_some(),
    ];
    if given.iter().filter(|given| **given).count() > 1 {
        return Err(Error::malformed_xml());
    }
    if let Some(tag) = &filter.tag {
        tags::check_tag(tag)?;
    }
    let (more, less) = match &filter.and {
        None => (filter.object_size_greater_than, filter.object_size_less_than),
        Some(and) => {
            let tags = and.tags.as_deref().unwrap_or_default();
            let terms = usize::from(and.prefix.is_some())
                + tags.len()
                + usize::from(and.object_size_greater_than.is_some())
                + usize::from(and.object_size_less_than.is_some());
            if terms < 2 {
                return Err(Error::malformed_xml());
            }
            let mut keys = HashSet::new();
            for tag in tags {
                tags::check_tag(tag)?;
                if !keys.insert(tag.key.as_str()) {
                    return Err(Error::invalid_request("Duplicate Tag Keys are not allowed."));
                }
            }
            (and.object_size_greater_than, and.object_size_less_than)
        }
    };
    if more.is_some_and(|more| more < 0) || less.is_some_and(|less| less < 1) {
        return Err(Error::malformed_xml());
    }
    if let (Some(more), Some(less)) = (more, less)
        && more >= less
    {
        let message = "'ObjectSizeLessThan' must be greater than 'ObjectSizeGreaterThan' in the filter of a rule";
        return Err(Error::invalid_request(message));
    }
    Ok(())
}

fn validate_expiration(rule: &LifecycleRule) -> Result<()> {
    let Some(expiration) = &rule.expiration else {
        return Ok(());
    };
    let given = [
        expiration.days.is_some(),
        expiration.date.is_some(),
        expiration.expired_object_delete_marker.is_some(),
    ];
    if given.iter().filter(|given| **given).count() != 1 {
        return Err(Error::malformed_xml());
    }
    if let Some(days) = expiration.days {
        positive(days, "'Days' for Expiration action must be a positive integer")?;
    }
    if let Some(date) = expiration.date {
        midnight(date)?;
    }
    if expiration.expired_object_delete_marker.is_some() && has_tags(rule) {
        let message = "ExpiredObjectDeleteMarker cannot be specified with Tags.";
        return Err(Error::invalid_request(message));
    }
    Ok(())
}

fn validate_noncurrent(rule: &LifecycleRule) -> Result<()> {
    let Some(expiration) = &rule.noncurrent_version_expiration else {
        return Ok(());
    };
    // How many to keep is no rule without how long.
    let days = expiration.noncurrent_days.ok_or_else(Error::malformed_xml)?;
    let message = "'NoncurrentDays' for NoncurrentVersionExpiration action must be a positive integer";
    positive(days, message)?;
    if let Some(newer) = expiration.newer_noncurrent_versions {
        let message = "'NewerNoncurrentVersions' for NoncurrentVersionExpiration action must be a positive integer";
        positive(newer, message)?;
        if newer > MAX_NEWER_VERSIONS {
            let message = "'NewerNoncurrentVersions' for NoncurrentVersionExpiration action must not exceed 100";
            return Err(Error::client("InvalidArgument", 400, message));
        }
    }
    Ok(())
}

fn validate_abort(rule: &LifecycleRule) -> Result<()> {
    let Some(abort) = &rule.abort_incomplete_multipart_upload else {
        return Ok(());
    };
    let days = abort.days_after_initiation.ok_or_else(Error::malformed_xml)?;
    let message = "'DaysAfterInitiation' for AbortIncompleteMultipartUpload action must be a positive integer";
    positive(days, message)?;
    if has_tags(rule) {
        let message = "AbortIncompleteMultipartUpload cannot be specified with Tags.";
        return Err(Error::invalid_request(message));
    }
    if has_sizes(rule) {
        let message = "AbortIncompleteMultipartUpload cannot be specified with Object Size.";
        return Err(Error::invalid_request(message));
    }
    Ok(())
}

fn validate_transitions(rule: &LifecycleRule) -> Result<()> {
    let transitions = rule.transitions.as_deref().unwrap_or_default();
    let words = filter_in_words(rule);
    let mut classes = HashSet::new();
    for transition in transitions {
        let class = storage_class(transition.storage_class.as_deref())?;
        if !classes.insert(class) {
            let message = format!(
                "'StorageClass' must be different for 'Transition' actions in same 'Rule' with filter '{words}'"
            );
            return Err(Error::invalid_request(message));
        }
        validate_transition(transition, class)?;
    }
    let expiration = rule.expiration.as_ref();
    let expires_days = expiration.and_then(|expiration| expiration.days);
    let expires_date = expiration.and_then(|expiration| expiration.date);
    for transition in transitions {
        let mixed = (transition.days.is_some() && expires_date.is_some())
            || (transition.date.is_some() && expires_days.is_some())
            || transitions
                .iter()
                .any(|other| other.days.is_some() != transition.days.is_some());
        if mixed {
            let message = format!(
                "Found mixed 'Date' and 'Days' based Expiration and Transition actions in lifecycle rule for filter \
                 '{words}'"
            );
            return Err(Error::invalid_request(message));
        }
        let late = |unit: &str| {
            let message = format!(
                "'{unit}' in the Expiration action for filter '{words}' must be greater than '{unit}' in the Transition \
                 action"
            );
            Error::client("InvalidArgument", 400, message)
        };
        if expires_days.zip(transition.days).is_some_and(|(end, days)| end <= days) {
            return Err(late("Days"));
        }
        if expires_date.zip(transition.date).is_some_and(|(end, date)| end <= date) {
            return Err(late("Date"));
        }
    }
    let mut classes = HashSet::new();
    for transition in rule.noncurrent_version_transitions.as_deref().unwrap_or_default() {
        let class = storage_class(transition.storage_class.as_deref())?;
        if !classes.insert(class) {
            let message = format!(
                "'StorageClass' must be different for 'NoncurrentVersionTransition' actions in same 'Rule' with filter \
                 '{words}'"
            );
            return Err(Error::invalid_request(message));
        }
        let days = transition.noncurrent_days.ok_or_else(Error::malformed_xml)?;
        old_enough(days, class, "NoncurrentDays", "NoncurrentVersionTransition")?;
    }
    Ok(())
}

fn validate_transition(transition: &Transition, class: &str) -> Result<()> {
    match (transition.days, transition.date) {
        (Some(days), None) => old_enough(days, class, "Days", "Transition"),
        (None, Some(date)) => midnight(date),
        _ => Err(Error::malformed_xml()),
    }
}

fn old_enough(days: i32, class: &str, unit: &str, action: &str) -> Result<()> {
    if days < 0 {
        let message = format!("'{unit}' in {action} action must be nonnegative");
        return Err(Error::client("InvalidArgument", 400, message));
    }
    if days < 30 && AFTER_THIRTY_DAYS.contains(&class) {
        let message =
            format!("'{unit}' in {action} action must be greater than or equal to 30 for storageClass '{class}'");
        return Err(Error::client("InvalidArgument", 400, message));
    }
    Ok(())
}

fn storage_class(given: Option<&str>) -> Result<&'static str> {
    let given = given.ok_or_else(Error::malformed_xml)?;
    let known = CLASSES.into_iter().find(|class| *class == given);
    known.ok_or_else(Error::malformed_xml)
}

fn positive(number: i32, message: &str) -> Result<()> {
    if number > 0 {
        Ok(())
    } else {
        Err(Error::client("InvalidArgument", 400, message))
    }
}

fn midnight(date: Timestamp) -> Result<()> {
    if date.as_millis().rem_euclid(DAY_MS) == 0 {
        return Ok(());
    }
    let value = date.to_datetime().format(&Rfc3339).unwrap_or_default();
    Err(Error::invalid_argument(
        "Date",
        &value,
        "'Date' must be at midnight GMT",
    ))
}

fn has_tags(rule: &LifecycleRule) -> bool {
    let Some(filter) = &rule.filter else { return false };
    let and = filter.and.as_ref().and_then(|and| and.tags.as_ref());
    filter.tag.is_some() || and.is_some_and(|tags| !tags.is_empty())
}

fn has_sizes(rule: &LifecycleRule) -> bool {
    let Some(filter) = &rule.filter else { return false };
    let of_and = |and: &crate::shapes::LifecycleRuleAndOperator| {
        and.object_size_greater_than.is_some() || and.object_size_less_than.is_some()
    };
    filter.object_size_greater_than.is_some()
        || filter.object_size_less_than.is_some()
        || filter.and.as_ref().is_some_and(of_and)
}

/// `(prefix=logs/, tag: key=a, value=b)`.
fn filter_in_words(rule: &LifecycleRule) -> String {
    let of_tag = |tag: &Tag| format!("tag: key={}, value={}", tag.key, tag.value);
    let filter = rule.filter.as_ref();
    let and = filter.and_then(|filter| filter.and.as_ref());
    let prefix = rule
        .prefix
        .as_ref()
        .or(filter.and_then(|filter| filter.prefix.as_ref()))
        .or(and.and_then(|and| and.prefix.as_ref()));
    let mut words = vec![format!("prefix={}", prefix.map_or("", String::as_str))];
    words.extend(filter.and_then(|filter| filter.tag.as_ref()).map(of_tag));
    words.extend(and.into_iter().flat_map(|and| and.tags.iter().flatten()).map(of_tag));
    format!("({})", words.join(", "))
}
