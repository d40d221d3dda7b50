//! Identifiers, passwords and ARNs.

use crate::engines::Family;
use crate::keys::Kind;
use crate::{Error, Result};
use danbi_core::Scope;
use std::collections::BTreeMap;

/// Names that a server keeps for itself.
const RESERVED_USERS: [&str; 5] = ["rdsadmin", "root", "mysql", "mariadb.sys", "rdsrepladmin"];
/// The same for PostgreSQL's, with those of RDS.
const RESERVED_ROLES: [&str; 6] = ["admin", "rdsadmin", "rds_superuser", "rdsrepladmin", "public", "none"];
/// Of one resource.
const MAX_TAGS: usize = 50;

/// A DB instance's, cluster's or snapshot's identifier in lower case.
pub(crate) fn identifier(parameter: &str, text: &str) -> Result<String> {
    let begins = text.bytes().next().is_some_and(|first| first.is_ascii_alphabetic());
    let plain = text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
    if !begins || !plain || text.len() > 255 || text.ends_with('-') || text.contains("--") {
        return Err(Error::invalid(format!(
            "The parameter {parameter} is not a valid identifier. Identifiers must begin with a letter; must contain \
             only ASCII letters, digits, and hyphens; and must not end with a hyphen or contain two consecutive hyphens."
        )));
    }
    Ok(text.to_ascii_lowercase())
}

/// The same for databases, whose names are parts of host names.
pub(crate) fn database_identifier(parameter: &str, text: &str) -> Result<String> {
    let name = identifier(parameter, text)?;
    if name.len() > 63 {
        return Err(Error::invalid(format!(
            "The parameter {parameter} is not a valid identifier because it is longer than 63 characters."
        )));
    }
    Ok(name)
}

pub(crate) fn master_user(family: Family, text: &str) -> Result<String> {
    let longest = match family {
        Family::MariaDb => 16,
        Family::Postgres => 63,
    };
    let begins = text.bytes().next().is_some_and(|first| first.is_ascii_alphabetic());
    let plain = text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
    if !begins || !plain || text.len() > longest {
        return Err(Error::invalid(format!(
            "The parameter MasterUsername must be between 1 and {longest} alphanumeric characters and begin with a letter."
        )));
    }
    let lower = text.to_ascii_lowercase();
    let is_reserved = match family {
        Family::MariaDb => RESERVED_USERS.contains(&lower.as_str()),
        Family::Postgres => RESERVED_ROLES.contains(&lower.as_str()) || lower.starts_with("pg_"),
    };
    if is_reserved {
        return Err(Error::invalid(format!(
            "MasterUsername {text} cannot be used as it is a reserved word used by the engine"
        )));
    }
    Ok(text.to_owned())
}

pub(crate) fn master_password(text: &str) -> Result<()> {
    let plain = text
        .bytes()
        .all(|byte| (0x20..0x7f).contains(&byte) && !b"/@\" ".contains(&byte));
    if !plain {
        return Err(Error::invalid(
            "The parameter MasterUserPassword is not a valid password. Only printable ASCII characters besides '/', '@', \
             '\"', ' ' may be used.",
        ));
    }
    if text.len() < 8 {
        return Err(Error::invalid(
            "The parameter MasterUserPassword is not a valid password because it is shorter than 8 characters.",
        ));
    }
    if text.len() > 41 {
        return Err(Error::invalid(
            "The parameter MasterUserPassword is not a valid password because it is longer than 41 characters.",
        ));
    }
    Ok(())
}

/// The name of the first database in a new server.
pub(crate) fn db_name(text: &str) -> Result<String> {
    let begins = text
        .bytes()
        .next()
        .is_some_and(|first| first.is_ascii_alphabetic() || first == b'_');
    let plain = text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
    if !begins || !plain || text.len() > 64 {
        return Err(Error::invalid(
            "DBName must begin with a letter and contain only alphanumeric characters.",
        ));
    }
    Ok(text.to_owned())
}

pub(crate) fn arn(kind: Kind, scope: &Scope, name: &str) -> String {
    format!(
        "arn:aws:rds:{}:{}:{}:{name}",
        scope.region,
        scope.account,
        kind.in_arn()
    )
}

/// What an ARN of the caller's account and region names.
pub(crate) fn of_arn(scope: &Scope, text: &str) -> Option<(Kind, String)> {
    Kind::ALL.into_iter().find_map(|kind| {
        let name = text.strip_prefix(&arn(kind, scope, ""))?;
        (!name.is_empty() && !name.contains(':')).then(|| (kind, name.to_owned()))
    })
}

/// Tags as they are sent.
pub(crate) fn tags(list: Option<&Vec<crate::shapes::Tag>>) -> Result<BTreeMap<String, String>> {
    let mut tags = BTreeMap::new();
    for tag in list.into_iter().flatten() {
        let (key, value) = (
            tag.key.clone().unwrap_or_default(),
            tag.value.clone().unwrap_or_default(),
        );
        if key.is_empty() || key.chars().count() > 128 || value.chars().count() > 256 || key.starts_with("aws:") {
            return Err(Error::invalid(format!("Tag key or value is invalid: {key}")));
        }
        tags.insert(key, value);
    }
    within(&tags)?;
    Ok(tags)
}

/// No more tags than a resource may have.
pub(crate) fn within(tags: &BTreeMap<String, String>) -> Result<()> {
    match tags.len() > MAX_TAGS {
        true => Err(Error::invalid("A resource can have no more than 50 tags.")),
        false => Ok(()),
    }
}

/// Tags as they are answered.
pub(crate) fn tag_list(tags: &BTreeMap<String, String>) -> Vec<crate::shapes::Tag> {
    let tag = |(key, value): (&String, &String)| crate::shapes::Tag {
        key: Some(key.clone()),
        value: Some(value.clone()),
    };
    tags.iter().map(tag).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn passwords_have_rules() {
        assert!(master_password("correct-horse").is_ok());
        for wrong in [
            "short",
            "with space1",
            "with/slash",
            "at@sign12",
            "quote\"123",
            "ümlaut123",
            &"x".repeat(42),
        ] {
            assert!(master_password(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn identifiers_are_lower_case() {
        assert_eq!(identifier("X", "My-DB").unwrap(), "my-db");
        for wrong in ["", "1a", "a--b", "a-", "a_b", "é"] {
            assert!(identifier("X", wrong).is_err(), "{wrong}");
        }
        assert!(database_identifier("X", &"a".repeat(64)).is_err());
        assert!(master_user(Family::Postgres, "admin").is_err() && master_user(Family::Postgres, "postgres").is_ok());
        assert!(master_user(Family::MariaDb, "rdsadmin").is_err() && master_user(Family::MariaDb, "admin").is_ok());
    }

    #[test]
    fn arns_name_what_they_name() {
        let scope = Scope::default();
        let text = arn(Kind::ClusterSnapshot, &scope, "one");
        assert_eq!(of_arn(&scope, &text), Some((Kind::ClusterSnapshot, "one".to_owned())));
        assert_eq!(of_arn(&scope, "arn:aws:rds:::db:"), None);
    }
}
