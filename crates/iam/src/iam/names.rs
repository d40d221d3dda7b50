//! What the model's patterns do not say of names and paths.

use crate::iam_shapes::Tag;
use crate::records::Tags;
use crate::{IamError, Result};
use danbi_core::{Arn, Principal, RequestContext};
use std::collections::HashSet;

/// The path, `/` when none is given.
pub(super) fn path(given: Option<String>) -> String {
    given.unwrap_or_else(|| "/".into())
}

/// The tags of a request: each key once, whatever its case.
pub(super) fn tags(given: Option<Vec<Tag>>) -> Result<Tags> {
    let given = given.unwrap_or_default();
    let mut seen = HashSet::new();
    for tag in &given {
        if tag.key.to_ascii_lowercase().starts_with("aws:") {
            return Err(IamError::InvalidInput(
                "Tag keys starting with 'aws:' are reserved for system use.".into(),
            ));
        }
        if !seen.insert(tag.key.to_lowercase()) {
            return Err(IamError::InvalidInput(
                "Duplicate tag keys found. Please note that Tag keys are case insensitive.".into(),
            ));
        }
    }
    Ok(given.into_iter().map(|tag| (tag.key, tag.value)).collect())
}

/// A managed policy's ARN.
pub(super) fn policy_arn(text: &str) -> Result<Arn> {
    let malformed = || IamError::Validation("Invalid ARN:  Could not be parsed!".into());
    let arn: Arn = text.parse().map_err(|_| malformed())?;
    if arn.service != "iam" || !arn.resource.starts_with("policy/") {
        return Err(IamError::InvalidInput(format!("ARN {text} is not valid.")));
    }
    Ok(arn)
}

/// The last part of an ARN's resource.
pub(super) fn last_part(arn: &str) -> &str {
    arn.rsplit('/').next().unwrap_or_default()
}

/// The user that a request is about: the one it names, else the caller; `None` for the root itself.
pub(super) fn user_or_caller(context: &RequestContext, given: Option<String>) -> Result<Option<String>> {
    if given.is_some() {
        return Ok(given);
    }
    match &context.principal {
        Principal::Root(_) => Ok(None),
        Principal::Identity { arn, .. } if arn.resource.starts_with("user/") => {
            Ok(Some(last_part(&arn.resource).to_owned()))
        }
        _ => Err(IamError::Validation(
            "Must specify userName when calling with non-User credentials".into(),
        )),
    }
}
