//! Names of parameters, in their forms: `/a/b`, `a`, an ARN, and any of them with a version or a label behind a colon.
//!
//! Source: <https://docs.aws.amazon.com/systems-manager/latest/userguide/sysman-paramstore-su-create.html>.

use crate::error::{Error, Result};
use danbi_core::{Arn, Scope};

/// Levels of a hierarchy.
const MOST_LEVELS: usize = 15;
/// Characters of a name. AWS counts the ARN's too: 1011 together.
const MOST_CHARACTERS: usize = 1011;

/// A parameter as a request names it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Named {
    /// The name in keys.
    pub key: String,
    /// The name as answers repeat it; an ARN's is the parameter's own.
    pub shown: Option<String>,
    /// What follows the colon: a version or a label.
    pub selector: Option<String>,
}

/// The name in keys: a name of one level is the same with a slash before it.
pub(crate) fn key_name(name: &str) -> &str {
    match name.strip_prefix('/') {
        Some(rest) if !rest.contains('/') => rest,
        _ => name,
    }
}

/// The ARN of a parameter.
pub(crate) fn arn(scope: &Scope, name: &str) -> String {
    let rest = name.strip_prefix('/').unwrap_or(name);
    Arn::new("ssm", scope, format!("parameter/{rest}")).to_string()
}

/// The resource that a request is about, for the authorizer; whatever is wrong with the name is the handler's to say.
pub(crate) fn resource(scope: &Scope, given: &str) -> String {
    if given.starts_with("arn:") {
        let mut parts: Vec<&str> = given.splitn(7, ':').collect();
        parts.truncate(6);
        return parts.join(":");
    }
    arn(scope, given.split(':').next().unwrap_or(given))
}

fn malformed() -> Error {
    Error::validation(
        "Parameter name: can't be prefixed with \"ssm\" (case-insensitive). If formed as a path, it can consist of \
         sub-paths divided by slash symbol; each sub-path can be formed as a mix of letters, numbers and the following 3 \
         symbols .-_",
    )
}

fn is_grammatical(name: &str) -> bool {
    let is_level = |level: &str| {
        !level.is_empty()
            && level
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b'_'))
    };
    name.strip_prefix('/').unwrap_or(name).split('/').all(is_level)
}

/// The parameter that a request reads, changes or removes.
///
/// # Errors
/// `ValidationException` for what cannot be a name.
pub(crate) fn parse(scope: &Scope, given: &str) -> Result<Named> {
    let (name, shown) = if given.starts_with("arn:") {
        let arn: Arn = given.parse().map_err(|_| malformed())?;
        if arn.scope().as_ref() != Some(scope) {
            return Err(Error::not_found());
        }
        let rest = arn.resource.strip_prefix("parameter/").ok_or_else(malformed)?;
        // A name of several levels begins with the slash that the ARN has once.
        let is_path = rest.split(':').next().is_some_and(|name| name.contains('/'));
        (if is_path { format!("/{rest}") } else { rest.to_owned() }, false)
    } else {
        (given.to_owned(), true)
    };
    let (name, selector) = match name.split_once(':') {
        Some((name, selector)) => (name.to_owned(), Some(selector.to_owned())),
        None => (name, None),
    };
    let is_relative_path = name.contains('/') && !name.starts_with('/');
    if !is_grammatical(&name) || is_relative_path {
        return Err(malformed());
    }
    Ok(Named {
        key: key_name(&name).to_owned(),
        shown: shown.then_some(name),
        selector,
    })
}

/// Whether a name may be given to a new parameter or value.
///
/// # Errors
/// `ValidationException`, `AccessDeniedException` for the names that AWS keeps for itself,
/// `HierarchyLevelLimitExceededException`.
pub(crate) fn check_new(name: &str) -> Result<()> {
    let bare = name.strip_prefix('/').unwrap_or(name).to_ascii_lowercase();
    let is_path = bare.contains('/');
    if name.starts_with('/') && is_path && bare.starts_with("aws") {
        return Err(danbi_core::ServiceError::client(
            "AccessDeniedException",
            400,
            format!("No access to reserved parameter name: {name}."),
        )
        .into());
    }
    if !is_path && (bare.starts_with("aws") || bare.starts_with("ssm")) {
        return Err(Error::validation(
            "Parameter name: can't be prefixed with \"aws\" or \"ssm\" (case-insensitive).",
        ));
    }
    if bare.starts_with("ssm") || !is_grammatical(name) {
        return Err(malformed());
    }
    if is_path && !name.starts_with('/') {
        return Err(Error::validation("Parameter name must be a fully qualified name."));
    }
    if name.len() > MOST_CHARACTERS {
        return Err(Error::validation(format!(
            "Parameter name must not be longer than {MOST_CHARACTERS} characters."
        )));
    }
    if bare.split('/').count() > MOST_LEVELS {
        return Err(Error::client(
            "HierarchyLevelLimitExceededException",
            "A hierarchy can have a maximum of 15 levels. For more information, see Requirements and constraints for \
             parameter names in the AWS Systems Manager User Guide.",
        ));
    }
    Ok(())
}

/// Whether `path` can be asked for what is below it.
///
/// # Errors
/// `ValidationException`.
pub(crate) fn check_path(path: &str) -> Result<()> {
    let bare = path.strip_suffix('/').unwrap_or(path);
    if path.starts_with('/') && (bare.is_empty() || is_grammatical(bare)) {
        return Ok(());
    }
    Err(Error::validation(
        "The parameter doesn't meet the parameter name requirements. The parameter name must begin with a forward slash \
         \"/\". It can't be prefixed with \"aws\" or \"ssm\" (case-insensitive). It must use only letters, numbers, or the \
         following symbols: . (period), - (hyphen), _ (underscore). Special characters are not allowed. All sub-paths, if \
         specified, must use the forward slash symbol \"/\". Valid example: /get/parameters2-/by1./path0_.",
    ))
}

/// Whether a label may be attached. Source: LabelParameterVersion's reference.
pub(crate) fn is_label(label: &str) -> bool {
    let lower = label.to_ascii_lowercase();
    let starts = |prefix: &str| lower.starts_with(prefix);
    let first_is_digit = label.bytes().next().is_none_or(|b| b.is_ascii_digit());
    let grammar = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b'_');
    !first_is_digit && !starts("aws") && !starts("ssm") && label.bytes().all(grammar)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn code(result: Result<impl std::fmt::Debug>) -> &'static str {
        match result {
            Err(Error::Answer(answer)) => answer.code,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_name_has_many_forms() {
        let scope = Scope::default();
        let key = |given: &str| parse(&scope, given).unwrap().key;
        assert_eq!(key("a"), "a");
        assert_eq!(key("/a"), "a");
        assert_eq!(key("/a/b"), "/a/b");
        assert_eq!(key(&arn(&scope, "/a/b")), "/a/b");
        assert_eq!(key(&arn(&scope, "a")), "a");
        let named = parse(&scope, "/a/b:3").unwrap();
        assert_eq!((named.key.as_str(), named.selector.as_deref()), ("/a/b", Some("3")));
        let named = parse(&scope, &format!("{}:prod", arn(&scope, "/a"))).unwrap();
        assert_eq!((named.key.as_str(), named.selector.as_deref()), ("a", Some("prod")));
        for bad in ["a/b", "/a//b", "a b", "", "/", "/a/"] {
            assert_eq!(code(parse(&scope, bad)), "ValidationException", "{bad:?}");
        }
        assert_eq!(code(parse(&scope, "arn:aws:ssm:r:1:parameter/a")), "ParameterNotFound");
    }

    #[test]
    fn some_names_are_not_for_new_parameters() {
        assert!(check_new("/app/password").is_ok());
        assert!(check_new("my.awsome-name_1").is_ok());
        assert_eq!(code(check_new("awsome")), "ValidationException");
        assert_eq!(code(check_new("/ssm/a")), "ValidationException");
        assert_eq!(code(check_new("/aws/a")), "AccessDeniedException");
        assert_eq!(code(check_new("a/b")), "ValidationException");
        let deep = "/x".repeat(16);
        assert_eq!(code(check_new(&deep)), "HierarchyLevelLimitExceededException");
    }

    #[test]
    fn labels_have_a_grammar() {
        assert!(is_label("prod-1.2_a"));
        for bad in ["1a", "aws-x", "SSM", "a/b", "a b", ""] {
            assert!(!is_label(bad), "{bad}");
        }
    }
}
