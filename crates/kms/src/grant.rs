//! Grants: leave that a key's users give to others, besides its policy.
//!
//! Source: <https://docs.aws.amazon.com/kms/latest/developerguide/grants.html>.

use crate::shapes::{GrantConstraints, GrantListEntry};
use danbi_core::{Granted, Principal, Scope, Timestamp};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// A grant.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Grant {
    /// 64 hexadecimal digits.
    pub id: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    pub created: Timestamp,
    /// The ARN of who may.
    pub grantee: String,
    /// The ARN of who may retire it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retiring: Option<String>,
    /// The account that made it.
    pub issuer: String,
    pub operations: Vec<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub constraints: Option<GrantConstraints>,
}

impl Grant {
    /// What the grant gives `principal` for an operation with this encryption context. Constraints are about operations
    /// that have one.
    pub(crate) fn gives(
        &self,
        principal: &Principal,
        operation: &str,
        context: &BTreeMap<String, String>,
        source_arn: Option<&str>,
    ) -> Granted {
        if !self.operations.iter().any(|allowed| allowed == operation) {
            return Granted::Nothing;
        }
        let constraints = self.constraints.as_ref().filter(|_| has_context(operation));
        if !constraints.is_none_or(|constraints| hold(constraints, context, source_arn)) {
            return Granted::Nothing;
        }
        names(&self.grantee, principal)
    }

    /// What the grant gives `principal` for making a grant of these operations: none wider than itself. AWS takes the
    /// same constraints once more; here a constrained grant makes none.
    pub(crate) fn gives_on(&self, principal: &Principal, operations: &[String]) -> Granted {
        let may = self.constraints.is_none() && self.operations.iter().any(|allowed| allowed == "CreateGrant");
        if !may || !operations.iter().all(|asked| self.operations.contains(asked)) {
            return Granted::Nothing;
        }
        names(&self.grantee, principal)
    }

    /// Whether `principal` may retire the grant: the retiring principal, or a grantee who was given that.
    pub(crate) fn retirable_by(&self, principal: &Principal) -> Granted {
        let retiring = self.retiring.as_deref().map(|arn| names(arn, principal));
        match retiring {
            Some(granted) if granted != Granted::Nothing => granted,
            _ if self.operations.iter().any(|operation| operation == "RetireGrant") => names(&self.grantee, principal),
            _ => Granted::Nothing,
        }
    }

    pub(crate) fn listed(&self, key_arn: &str) -> GrantListEntry {
        GrantListEntry {
            key_id: Some(key_arn.to_owned()),
            grant_id: Some(self.id.clone()),
            name: Some(self.name.clone().unwrap_or_default()),
            creation_date: Some(self.created),
            grantee_principal: Some(self.grantee.clone()),
            retiring_principal: self.retiring.clone(),
            issuing_account: Some(format!("arn:aws:iam::{}:root", self.issuer)),
            operations: Some(self.operations.clone()),
            constraints: self.constraints.clone(),
            ..GrantListEntry::default()
        }
    }
}

/// Whether an operation has an encryption context.
fn has_context(operation: &str) -> bool {
    let begins = ["Encrypt", "Decrypt", "ReEncrypt", "GenerateDataKey"];
    begins.iter().any(|name| operation.starts_with(name))
}

fn hold(constraints: &GrantConstraints, context: &BTreeMap<String, String>, source_arn: Option<&str>) -> bool {
    let equals = constraints.encryption_context_equals.as_ref();
    let subset = constraints.encryption_context_subset.as_ref();
    let source = constraints.source_arn.as_deref();
    equals.is_none_or(|equals| equals == context)
        && subset.is_none_or(|subset| subset.iter().all(|(name, value)| context.get(name) == Some(value)))
        && source.is_none_or(|source| source_arn == Some(source))
}

/// How the ARN of a grant names the principal.
fn names(arn: &str, principal: &Principal) -> Granted {
    match principal {
        Principal::Root(account) if *arn == format!("arn:aws:iam::{account}:root") => Granted::ToEverybody,
        Principal::Identity { arn: caller, .. } => {
            let role = caller
                .resource
                .strip_prefix("assumed-role/")
                .and_then(|rest| rest.split_once('/'));
            let is_role = role.is_some_and(|(role, _)| {
                let prefix = format!("arn:{}:iam::{}:role/", caller.partition, caller.account);
                // The path of a role is part of its ARN and not of its sessions'.
                arn.strip_prefix(&prefix)
                    .is_some_and(|named| named.rsplit('/').next() == Some(role))
            });
            if *arn == caller.to_string() || is_role {
                Granted::ToEverybody
            } else if *arn == format!("arn:aws:iam::{}:root", caller.account) {
                Granted::ToAccount
            } else {
                Granted::Nothing
            }
        }
        Principal::Service(name) if arn == name => Granted::ToEverybody,
        _ => Granted::Nothing,
    }
}

/// A grant as a token names it, which is all that a token is good for: grants are in force at once.
///
/// # Errors
/// `None` for what is no token.
pub(crate) fn parse_token(token: &str) -> Option<(Scope, String, String)> {
    use base64::Engine;
    let text = base64::engine::general_purpose::URL_SAFE_NO_PAD.decode(token).ok()?;
    let text = String::from_utf8(text).ok()?;
    let mut parts = text.splitn(5, '\n');
    if parts.next()? != TOKEN {
        return None;
    }
    let scope = Scope {
        account: parts.next()?.parse().ok()?,
        region: parts.next()?.parse().ok()?,
    };
    Some((scope, parts.next()?.to_owned(), parts.next()?.to_owned()))
}

/// A token of a grant.
pub(crate) fn token(scope: &Scope, key: &str, grant: &str) -> String {
    use base64::Engine;
    let text = format!("{TOKEN}\n{}\n{}\n{key}\n{grant}", scope.account, scope.region);
    base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(text)
}

const TOKEN: &str = "danbi grant 1";

#[cfg(test)]
mod tests {
    use super::*;

    fn grant(operations: &[&str], constraints: Option<GrantConstraints>) -> Grant {
        Grant {
            id: "g".into(),
            name: None,
            created: Timestamp::from_millis(0),
            grantee: "arn:aws:iam::000000000000:root".into(),
            retiring: None,
            issuer: "000000000000".into(),
            operations: operations.iter().map(|name| (*name).into()).collect(),
            constraints,
        }
    }

    #[test]
    fn a_grant_makes_none_that_is_wider_than_itself() {
        let root = Principal::Root(Default::default());
        let texts = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
        let plain = grant(&["CreateGrant", "Encrypt"], None);
        assert_eq!(plain.gives_on(&root, &texts(&["Encrypt"])), Granted::ToEverybody);
        assert_eq!(plain.gives_on(&root, &texts(&["Encrypt", "Decrypt"])), Granted::Nothing);
        assert_eq!(
            grant(&["Encrypt"], None).gives_on(&root, &texts(&["Encrypt"])),
            Granted::Nothing
        );
        let bound = grant(
            &["CreateGrant", "Encrypt", "DescribeKey"],
            Some(GrantConstraints::default()),
        );
        assert_eq!(bound.gives_on(&root, &texts(&["Encrypt"])), Granted::Nothing);
    }

    #[test]
    fn constraints_bind_what_has_an_encryption_context() {
        let root = Principal::Root(Default::default());
        let pair = BTreeMap::from([("a".to_owned(), "b".to_owned())]);
        let bound = GrantConstraints {
            encryption_context_subset: Some(pair.clone()),
            ..GrantConstraints::default()
        };
        let bound = grant(&["Encrypt", "DescribeKey"], Some(bound));
        let given = |operation: &str, context: &BTreeMap<String, String>| bound.gives(&root, operation, context, None);
        assert_eq!(given("Encrypt", &pair), Granted::ToEverybody);
        assert_eq!(given("Encrypt", &BTreeMap::new()), Granted::Nothing);
        assert_eq!(given("DescribeKey", &BTreeMap::new()), Granted::ToEverybody);
        assert_eq!(given("Decrypt", &pair), Granted::Nothing);
    }

    #[test]
    fn tokens_name_their_grant() {
        let token = token(&Scope::default(), "key", "grant");
        assert_eq!(
            parse_token(&token),
            Some((Scope::default(), "key".into(), "grant".into()))
        );
        assert_eq!(parse_token("x"), None);
    }
}
