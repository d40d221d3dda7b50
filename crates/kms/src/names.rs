//! How requests name keys: by id, ARN, alias or an alias's ARN.
//!
//! Source: <https://docs.aws.amazon.com/kms/latest/developerguide/concepts.html#key-id>.

use crate::error::{Error, Result};
use danbi_core::{Arn, RequestContext, Scope};

/// The beginning of every alias's name.
pub(crate) const ALIAS: &str = "alias/";
/// The beginning of the names of aliases that AWS itself makes.
pub(crate) const MANAGED: &str = "aws/";

/// A key as a request names it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum KeyName {
    /// By its id.
    Id(Scope, String),
    /// By an alias, without `alias/`.
    Alias(Scope, String),
}

impl KeyName {
    /// Reads a `KeyId` member.
    ///
    /// # Errors
    /// `NotFoundException`: `Invalid keyId '…'`, `Invalid arn …`.
    pub(crate) fn parse(context: &RequestContext, given: &str) -> Result<Self> {
        if let Some(name) = given.strip_prefix(ALIAS) {
            return Ok(Self::Alias(context.scope.clone(), name.to_owned()));
        }
        if !given.starts_with("arn:") {
            return match is_key_id(given) {
                true => Ok(Self::Id(context.scope.clone(), given.to_owned())),
                false => Err(Error::invalid_key_id(given)),
            };
        }
        let invalid = || Error::not_found(format!("Invalid arn {given}"));
        let arn: Arn = given.parse().map_err(|_| invalid())?;
        let scope = arn.scope().filter(|_| arn.service == "kms").ok_or_else(invalid)?;
        if scope.region != context.scope.region {
            return Err(Error::not_found(format!("Invalid arn {}", scope.region)));
        }
        if let Some(name) = arn.resource.strip_prefix(ALIAS) {
            return Ok(Self::Alias(scope, name.to_owned()));
        }
        match arn.resource.strip_prefix("key/") {
            Some(id) if is_key_id(id) => Ok(Self::Id(scope, id.to_owned())),
            _ => Err(invalid()),
        }
    }

    /// The same, where an alias will not do.
    ///
    /// # Errors
    /// As [`KeyName::parse`]; `NotFoundException` for an alias, as it is no id.
    pub(crate) fn parse_id(context: &RequestContext, given: &str) -> Result<(Scope, String)> {
        match Self::parse(context, given)? {
            Self::Id(scope, id) => Ok((scope, id)),
            Self::Alias(..) => Err(Error::invalid_key_id(given)),
        }
    }

    /// The ARN of what is named.
    pub(crate) fn arn(&self) -> String {
        match self {
            Self::Id(scope, id) => key_arn(scope, id),
            Self::Alias(scope, name) => alias_arn(scope, name),
        }
    }
}

/// The ARN of a key.
pub(crate) fn key_arn(scope: &Scope, id: &str) -> String {
    Arn::new("kms", scope, format!("key/{id}")).to_string()
}

/// The ARN of an alias, whose name is without `alias/`.
pub(crate) fn alias_arn(scope: &Scope, name: &str) -> String {
    Arn::new("kms", scope, format!("{ALIAS}{name}")).to_string()
}

/// A UUID with hyphens, or `mrk-` and 32 hexadecimal digits.
pub(crate) fn is_key_id(text: &str) -> bool {
    let is_hex = |text: &str| text.bytes().all(|b| b.is_ascii_hexdigit());
    match text.strip_prefix("mrk-") {
        Some(digits) => digits.len() == 32 && is_hex(digits),
        None => {
            let parts: Vec<&str> = text.split('-').collect();
            let lengths: Vec<usize> = parts.iter().map(|part| part.len()).collect();
            lengths == [8, 4, 4, 4, 12] && parts.into_iter().all(is_hex)
        }
    }
}

/// A random id of a new key.
pub(crate) fn new_key_id(multi_region: bool) -> String {
    let id = uuid::Uuid::new_v4();
    match multi_region {
        true => format!("mrk-{}", id.as_simple()),
        false => id.as_hyphenated().to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use danbi_core::Principal;

    #[test]
    fn keys_are_named_in_four_ways() {
        let context = RequestContext::inside(Scope::default(), Principal::Anonymous, None);
        let id = "134f2428-cec1-4b25-a1ae-9048164dba47";
        let by_id = KeyName::Id(Scope::default(), id.into());
        let by_alias = KeyName::Alias(Scope::default(), "a/b".into());
        for (given, expected) in [
            (id.to_owned(), &by_id),
            (by_id.arn(), &by_id),
            ("alias/a/b".to_owned(), &by_alias),
            (by_alias.arn(), &by_alias),
        ] {
            assert_eq!(&KeyName::parse(&context, &given).unwrap(), expected);
        }
        for (given, message) in [
            ("fake", "Invalid keyId 'fake'"),
            (
                "134f2428cec14b25a1ae9048164dba47",
                "Invalid keyId '134f2428cec14b25a1ae9048164dba47'",
            ),
            ("mrk-fake", "Invalid keyId 'mrk-fake'"),
            ("arn:aws:kms:eu-west-1:000000000000:key/x", "Invalid arn eu-west-1"),
            ("arn:aws:s3:::b", "Invalid arn arn:aws:s3:::b"),
        ] {
            let Error::Answer(error) = KeyName::parse(&context, given).unwrap_err() else {
                panic!("{given}")
            };
            assert_eq!((error.code, error.message.as_str()), ("NotFoundException", message));
        }
        assert!(is_key_id("mrk-e4b2ea8ffcd4461e9821c9b9521a8896"));
        assert!(is_key_id(&new_key_id(true)) && is_key_id(&new_key_id(false)));
    }
}
