//! Policies and tags that are passed when a session is made.

use super::Sts;
use crate::policy::Policy;
use crate::sessions::MAX_PACKED;
use crate::shapes::{PolicyDescriptorType, Tag};
use crate::{IamError, Result};
use danbi_core::AccountId;
use std::collections::BTreeMap;

/// The most managed policies of a session.
const MAX_ARNS: usize = 10;

/// Reads the session policies of a request.
pub(super) async fn policies(
    sts: &Sts,
    account: &AccountId,
    inline: Option<String>,
    managed: Option<Vec<PolicyDescriptorType>>,
) -> Result<(Vec<String>, Vec<String>)> {
    if let Some(text) = &inline {
        Policy::parse_identity(text)?;
    }
    let arns: Vec<String> = managed
        .unwrap_or_default()
        .into_iter()
        .filter_map(|policy| policy.arn)
        .collect();
    if arns.len() > MAX_ARNS {
        return Err(IamError::Validation(format!(
            "1 validation error detected: Value at 'policyArns' failed to satisfy constraint: Member must have length \
             less than or equal to {MAX_ARNS}"
        )));
    }
    for arn in &arns {
        if !crate::directory::policy_exists(&sts.store, account, arn).await? {
            return Err(IamError::MalformedPolicy(format!(
                "PolicyArns contains a policy that does not exist: {arn}"
            )));
        }
    }
    Ok((inline.into_iter().collect(), arns))
}

/// The tags of a request: each key once, whatever its case.
pub(super) fn tags(given: Option<Vec<Tag>>) -> Result<BTreeMap<String, String>> {
    let mut tags: BTreeMap<String, String> = BTreeMap::new();
    for tag in given.unwrap_or_default() {
        if tag.key.to_ascii_lowercase().starts_with("aws:") {
            return Err(IamError::InvalidParameter(
                "Tag keys starting with 'aws:' are reserved for system use.",
            ));
        }
        if has_key(&tags, &tag.key) {
            return Err(IamError::InvalidParameter(
                "Duplicate tag keys found. Please note that Tag keys are case insensitive.",
            ));
        }
        tags.insert(tag.key, tag.value);
    }
    Ok(tags)
}

/// Whether a tag has this key, whatever its case.
pub(super) fn has_key(tags: &BTreeMap<String, String>, key: &str) -> bool {
    tags.keys().any(|have| have.to_lowercase() == key.to_lowercase())
}

/// `PackedPolicySize`: per cent of what there is room for.
pub(super) fn packed(policies: &[String], arns: &[String], tags: &BTreeMap<String, String>) -> Result<i32> {
    let policies = policies.iter().map(|text| crate::iam::compact_len(text));
    let arns = arns.iter().map(String::len);
    let tags = tags.iter().map(|(key, value)| key.len() + value.len());
    let bytes: usize = policies.chain(arns).chain(tags).sum();
    let percent = (bytes * 100).div_ceil(MAX_PACKED);
    match i32::try_from(percent) {
        Ok(percent) if percent <= 100 => Ok(percent),
        _ => Err(IamError::PackedPolicyTooLarge(format!(
            "Packed policy consumes {percent}% of allotted space, please use smaller policy."
        ))),
    }
}
