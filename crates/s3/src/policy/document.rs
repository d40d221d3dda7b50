//! Whether a document is a policy that this bucket may have, in S3's words, and what it amounts to.
//!
//! What the language as a whole says of it (operators, variables, what a condition key is) is IAM's to judge; here is
//! what S3 asks for besides.

use super::actions::{Targets, matches};
use super::public;
use crate::{Error, Result};
use danbi_core::{Accounts, PolicyLanguage};
use serde_json::{Map, Value};

/// The largest document, in bytes.
pub(super) const MAX_BYTES: usize = 20 * 1024;

/// A document that was found good.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Checked {
    /// The document, as it is kept.
    pub text: String,
    /// Whether it lets everybody do something.
    pub is_public: bool,
    /// Whether a condition asks for the tags that an object has.
    pub reads_tags: bool,
}

/// Reads `text` as the policy of `bucket`.
///
/// # Errors
/// `MalformedPolicy`.
pub(super) fn check(
    text: &str,
    bucket: &str,
    accounts: &dyn Accounts,
    language: &dyn PolicyLanguage,
) -> Result<Checked> {
    if text.len() > MAX_BYTES {
        return Err(malformed(
            "Normalized bucket policy document exceeds the maximum allowed size of 20480 bytes.",
        ));
    }
    let no_json = "Policies must be valid JSON and the first byte must be '{'";
    let mut document: Value = match text.as_bytes().first() {
        Some(b'{') => serde_json::from_str(text).map_err(|_| malformed(no_json))?,
        _ => return Err(malformed(no_json)),
    };
    let members = document.as_object_mut().ok_or_else(|| malformed(no_json))?;
    only(members, &["Version", "Id", "Statement"])?;
    if let Some(version) = members.get("Version")
        && !matches!(version.as_str(), Some("2012-10-17" | "2008-10-17"))
    {
        return Err(malformed("The policy must contain a valid version string"));
    }
    let statements: Vec<&mut Value> = match members.get_mut("Statement") {
        None => return Err(malformed("Missing required field Statement")),
        Some(Value::Array(all)) if all.is_empty() => return Err(malformed("Statement is empty!")),
        Some(Value::Array(all)) => all.iter_mut().collect(),
        Some(one) => vec![one],
    };
    let (mut is_public, mut reads_tags, mut renamed) = (false, false, false);
    for statement in statements {
        let statement = statement
            .as_object_mut()
            .ok_or_else(|| malformed("Statement must be an object or an array of objects"))?;
        renamed |= name_canonical_users(statement, accounts)?;
        check_statement(statement, bucket)?;
        is_public |= public::is_public(statement);
        reads_tags |=
            conditions(statement).any(|(_, key, _)| key.to_ascii_lowercase().starts_with("s3:existingobjecttag/"));
    }
    let text = if renamed { document.to_string() } else { text.to_owned() };
    language.check_resource_policy(&text).map_err(malformed)?;
    Ok(Checked {
        text,
        is_public,
        reads_tags,
    })
}

fn check_statement(statement: &Map<String, Value>, bucket: &str) -> Result<()> {
    const MEMBERS: [&str; 9] = [
        "Sid",
        "Effect",
        "Principal",
        "NotPrincipal",
        "Action",
        "NotAction",
        "Resource",
        "NotResource",
        "Condition",
    ];
    only(statement, &MEMBERS)?;
    let effect = match statement.get("Effect").map(Value::as_str) {
        None => return Err(malformed("Missing required field Effect")),
        Some(Some(effect @ ("Allow" | "Deny"))) => effect,
        Some(other) => return Err(malformed(format!("Invalid effect: {}", other.unwrap_or_default()))),
    };
    let either = |plain: &str, negated: &str| match (statement.get(plain), statement.get(negated)) {
        (None, None) => Err(malformed(format!("Missing required field {plain}"))),
        (Some(_), Some(_)) => Err(malformed(format!(
            "Statement cannot contain both {plain} and {negated}"
        ))),
        (Some(value), None) => Ok((value, false)),
        (None, Some(value)) => Ok((value, true)),
    };
    let (_, negated) = either("Principal", "NotPrincipal")?;
    if negated && effect == "Allow" {
        return Err(malformed("Allow with NotPrincipal is not allowed."));
    }
    let (actions, actions_negated) = either("Action", "NotAction")?;
    let invalid = || malformed("Policy has invalid action");
    let actions = texts(actions).ok_or_else(invalid)?;
    let (resources, resources_negated) = either("Resource", "NotResource")?;
    let resources = texts(resources).ok_or_else(|| malformed("Policy has invalid resource"))?;
    let (mut on_bucket, mut on_objects) = (false, false);
    for resource in &resources {
        let (of_bucket, of_objects) = resource_of(resource, bucket).ok_or_else(|| {
            malformed("Policy has invalid resource").with("Detail", resource.chars().take(1024).collect::<String>())
        })?;
        on_bucket |= of_bucket;
        on_objects |= of_objects;
    }
    if actions.is_empty() {
        return Err(invalid());
    }
    for action in &actions {
        let targets = Targets::of(action).ok_or_else(invalid)?;
        let applies = (targets.bucket && on_bucket) || (targets.object && on_objects);
        if !applies && !actions_negated && !resources_negated {
            return Err(malformed("Action does not apply to any resource(s) in statement"));
        }
    }
    match statement.get("Condition") {
        None | Some(Value::Object(_)) => Ok(()),
        Some(_) => Err(malformed("Invalid Condition")),
    }
}

/// Whether a resource can mean the bucket itself, and whether it can mean objects in it; `None` when it means something
/// else altogether.
fn resource_of(resource: &str, bucket: &str) -> Option<(bool, bool)> {
    if resource == "*" {
        return Some((true, true));
    }
    let mut fields = resource.splitn(6, ':');
    let head = (
        fields.next()?,
        fields.next()?,
        fields.next()?,
        fields.next()?,
        fields.next()?,
    );
    let ("arn", "aws" | "aws-cn" | "aws-us-gov" | "*", "s3" | "*", "" | "*", "" | "*") = head else {
        return None;
    };
    let rest = fields.next()?;
    let (name, key) = match rest.split_once('/') {
        Some((name, key)) => (name, Some(key)),
        None => (rest, None),
    };
    if !matches(name, bucket) && !has_variable(name) {
        return None;
    }
    match key {
        Some(_) => Some((false, true)),
        // Without a slash, only a wildcard at the end reaches into the bucket.
        None => Some((true, name.contains('*'))),
    }
}

fn has_variable(text: &str) -> bool {
    text.contains("${")
}

/// Rewrites canonical user ids as the accounts that they are, as AWS does.
fn name_canonical_users(statement: &mut Map<String, Value>, accounts: &dyn Accounts) -> Result<bool> {
    let invalid =
        |id: &str| malformed("Invalid principal in policy").with("Detail", format!("\"CanonicalUser\" : \"{id}\""));
    for element in ["Principal", "NotPrincipal"] {
        let Some(Value::Object(kinds)) = statement.get_mut(element) else {
            continue;
        };
        let Some(given) = kinds.remove("CanonicalUser") else {
            continue;
        };
        let ids = texts(&given).ok_or_else(|| invalid(""))?;
        let mut names: Vec<Value> = match kinds.remove("AWS") {
            None => Vec::new(),
            Some(Value::Array(names)) => names,
            Some(name) => vec![name],
        };
        for id in ids {
            let profile = accounts.by_canonical_id(id).ok_or_else(|| invalid(id))?;
            names.push(format!("arn:aws:iam::{}:root", profile.account).into());
        }
        let names = if names.len() == 1 {
            names.remove(0)
        } else {
            Value::Array(names)
        };
        kinds.insert("AWS".into(), names);
        return Ok(true);
    }
    Ok(false)
}

/// Every condition of a statement: operator, key, values.
pub(super) fn conditions(statement: &Map<String, Value>) -> impl Iterator<Item = (&str, &str, Vec<&str>)> {
    let operators = statement
        .get("Condition")
        .and_then(Value::as_object)
        .into_iter()
        .flatten();
    operators.flat_map(|(operator, keys)| {
        let keys = keys.as_object().into_iter().flatten();
        keys.map(move |(key, values)| (operator.as_str(), key.as_str(), texts(values).unwrap_or_default()))
    })
}

/// A text or a list of texts.
pub(super) fn texts(value: &Value) -> Option<Vec<&str>> {
    match value {
        Value::String(text) => Some(vec![text]),
        Value::Array(all) => all.iter().map(Value::as_str).collect(),
        _ => None,
    }
}

fn only(members: &Map<String, Value>, known: &[&str]) -> Result<()> {
    match members.keys().find(|key| !known.contains(&key.as_str())) {
        None => Ok(()),
        Some(key) => Err(malformed(format!(
            "Unknown field {}",
            key.chars().take(128).collect::<String>()
        ))),
    }
}

pub(super) fn malformed(message: impl Into<String>) -> Error {
    Error::client("MalformedPolicy", 400, message)
}
