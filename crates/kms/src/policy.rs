//! Key policies: the one that a key has when nobody says otherwise, and what a policy must be.

use crate::Kms;
use crate::error::{Error, Result};
use danbi_core::AccountId;

/// Most bytes of a key policy.
const MAX_BYTES: usize = 32 * 1024;
/// The only name that a key policy can have.
pub(crate) const NAME: &str = "default";

/// What AWS gives a key that is made by API: the account decides with its identity policies.
pub(crate) fn usual(account: &AccountId) -> String {
    format!(
        r#"{{
  "Version" : "2012-10-17",
  "Id" : "key-default-1",
  "Statement" : [ {{
    "Sid" : "Enable IAM User Permissions",
    "Effect" : "Allow",
    "Principal" : {{
      "AWS" : "arn:aws:iam::{account}:root"
    }},
    "Action" : "kms:*",
    "Resource" : "*"
  }} ]
}}"#
    )
}

/// Makes sure that `text` can be a key's policy.
///
/// # Errors
/// `MalformedPolicyDocumentException`, `LimitExceededException`.
pub(crate) fn check(kms: &Kms, text: &str) -> Result<()> {
    if text.len() > MAX_BYTES {
        return Err(Error::client(
            "LimitExceededException",
            format!("The key policy is larger than {MAX_BYTES} bytes."),
        ));
    }
    kms.language
        .check_resource_policy(text)
        .map_err(|reason| Error::client("MalformedPolicyDocumentException", reason))
}

/// The name that a request gives to the policy, if any.
///
/// # Errors
/// `NotFoundException` for every other than `default`.
pub(crate) fn check_name(name: Option<&str>) -> Result<()> {
    match name {
        None | Some(NAME) => Ok(()),
        Some(_) => Err(Error::not_found("No such policy exists")),
    }
}
