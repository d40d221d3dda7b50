//! Policy documents as they come in and go out.

use super::quotas;
use crate::policy::{Policy, PolicyError};
use crate::records::{self, Kind, View};
use crate::{IamError, Result};
use danbi_core::{AccountId, Arn};

/// A document as answers have it: percent-encoded (RFC 3986).
pub(super) fn encoded(document: &str) -> String {
    let mut out = String::with_capacity(document.len() * 3 / 2);
    for byte in document.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => out.push(char::from(byte)),
            _ => {
                const HEX: &[u8; 16] = b"0123456789ABCDEF";
                out.push('%');
                out.push(char::from(HEX[usize::from(byte >> 4)]));
                out.push(char::from(HEX[usize::from(byte & 15)]));
            }
        }
    }
    out
}

/// Characters that count against a quota: all but white space.
pub(crate) fn compact_len(document: &str) -> usize {
    document.chars().filter(|c| !c.is_whitespace()).count()
}

/// Reads a document that is to be attached to an identity.
pub(super) fn check(document: &str) -> Result<()> {
    Policy::parse_identity(document)?;
    Ok(())
}

/// Reads a trust policy.
pub(crate) fn check_trust(document: &str) -> Result<Policy> {
    match Policy::parse_trust(document) {
        Err(PolicyError::Syntax) if serde_json::from_str::<serde::de::IgnoredAny>(document).is_err() => {
            Err(IamError::MalformedPolicy("This policy contains invalid Json".into()))
        }
        other => Ok(other?),
    }
}

/// Refuses a trust policy that is too long, or that trusts users and roles that do not exist: somebody else could be
/// given the name later.
pub(super) async fn check_trusted(view: &impl View, document: &str, policy: &Policy) -> Result<()> {
    if compact_len(document) > quotas::TRUST_SIZE {
        return Err(quotas::exceeded("ACLSizePerRole", quotas::TRUST_SIZE));
    }
    for text in policy.principal_arns() {
        let invalid = || IamError::MalformedPolicy(format!("Invalid principal in policy: \"AWS\":\"{text}\""));
        let arn: Arn = text.parse().map_err(|_| invalid())?;
        let Ok(account) = arn.account.parse::<AccountId>() else {
            return Err(invalid());
        };
        let Some((kind, path)) = arn.resource.split_once('/').filter(|_| arn.service == "iam") else {
            // Sessions and federated users come and go.
            continue;
        };
        let kind = Kind::parse(kind)
            .filter(|kind| *kind != Kind::Group)
            .ok_or_else(invalid)?;
        let name = path.rsplit('/').next().unwrap_or_default();
        let found = records::find(view, &account, kind, name).await?;
        if found.is_none_or(|found| found.arn(&account) != text) {
            return Err(invalid());
        }
    }
    Ok(())
}
