//! Reading policy documents.

use super::condition::Condition;
use super::json;
use super::pattern::{Pattern, Variables, Wildcards};
use super::principal;
use super::statement::{Effect, Element, Statement};
use danbi_core::ServiceError;
use serde_json::{Map, Value};
use std::collections::{BTreeSet, HashSet};

/// The largest document that is read, in bytes: as large as the largest of any service's (S3, Lambda: 20 KB).
pub const MAX_POLICY_BYTES: usize = 20_480;

/// A policy that has been read and understood.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Policy {
    pub(super) statements: Vec<Statement>,
}

/// Why a document is not a policy. `Display` is AWS's message; the code is `MalformedPolicyDocument`.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PolicyError {
    /// Not JSON, a key twice, an unknown element, a value of the wrong kind.
    #[error("Syntax errors in policy.")]
    Syntax,
    /// Past [`MAX_POLICY_BYTES`].
    #[error("Policy document length exceeds the limit of {MAX_POLICY_BYTES} bytes.")]
    TooLong,
    /// `Version` is neither 2012-10-17 nor 2008-10-17.
    #[error("The policy must contain a valid version string")]
    Version,
    /// Neither `Action` nor `NotAction`.
    #[error("Policy statement must contain actions.")]
    NoAction,
    /// An action without its service.
    #[error("Actions/Conditions must be prefaced by a vendor, e.g., iam, sdb, ec2, etc.")]
    ActionVendor,
    /// A condition key without its service.
    #[error("Conditions must be prefaced by a vendor, e.g., aws, sdb, ec2, etc.")]
    ConditionVendor,
    /// Neither `Resource` nor `NotResource`.
    #[error("Policy statement must contain resources.")]
    NoResource,
    /// A resource that is neither an ARN nor `*`.
    #[error("Resource {0} must be in ARN format or \"*\".")]
    Resource(String),
    /// A principal in a policy attached to an identity.
    #[error("Policy document should not specify a principal.")]
    PrincipalNotAllowed,
    /// No principal, or a malformed one, in a policy attached to a resource.
    #[error("Invalid principal in policy")]
    Principal,
    /// A `Sid` with other characters.
    #[error(
        "Statement IDs (SID) must be alpha-numeric. Check that your input satisfies the regular expression [0-9A-Za-z]*"
    )]
    Sid,
    /// The same `Sid` twice.
    #[error("Statement IDs (SID) in a single policy must be unique.")]
    RepeatedSid,
    /// A resource in a role's trust policy.
    #[error("Has prohibited field Resource")]
    ResourceNotAllowed,
    /// Another service's action in a role's trust policy.
    #[error("AssumeRole policy may only specify STS AssumeRole actions.")]
    NotAssuming,
}

impl From<PolicyError> for ServiceError {
    fn from(error: PolicyError) -> Self {
        ServiceError::client("MalformedPolicyDocument", 400, error.to_string())
    }
}

/// What a policy is attached to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Attached {
    Identity,
    Resource,
    /// To a role, saying who may assume it.
    Trust,
}

impl Policy {
    /// Reads a policy attached to a user, group or role, a permissions boundary or a session policy: without a principal.
    ///
    /// # Errors
    /// [`PolicyError`], with AWS's words.
    pub fn parse_identity(text: &str) -> Result<Self, PolicyError> {
        Self::parse(text, Attached::Identity)
    }

    /// Reads a policy attached to a resource: with a principal in every statement. A statement without a resource means
    /// the one that it is attached to.
    ///
    /// # Errors
    /// [`PolicyError`], with AWS's words.
    pub fn parse_resource(text: &str) -> Result<Self, PolicyError> {
        Self::parse(text, Attached::Resource)
    }

    /// Reads a role's trust policy: with a principal and without a resource in every statement.
    ///
    /// # Errors
    /// [`PolicyError`], with AWS's words.
    pub fn parse_trust(text: &str) -> Result<Self, PolicyError> {
        Self::parse(text, Attached::Trust)
    }

    /// Reads a managed policy that AWS published, some of which are longer than others may be.
    pub(crate) fn parse_published(text: &str) -> Result<Self, PolicyError> {
        Self::read(text, Attached::Identity)
    }

    /// The policy that stands in for one that cannot be read: it may have held a deny.
    pub(crate) fn deny_all() -> Self {
        Self::about_everything(Effect::Deny)
    }

    /// What the root may do, as a policy.
    pub(crate) fn allow_all() -> Self {
        Self::about_everything(Effect::Allow)
    }

    /// A policy without statements: what it limits may do nothing.
    pub(crate) fn allow_nothing() -> Self {
        Self { statements: Vec::new() }
    }

    /// One policy with the statements of all.
    pub(crate) fn joined<'p>(policies: impl IntoIterator<Item = &'p Self>) -> Self {
        let statements = policies
            .into_iter()
            .flat_map(|policy| policy.statements.iter().cloned());
        Self {
            statements: statements.collect(),
        }
    }

    fn about_everything(effect: Effect) -> Self {
        let any = Element {
            negated: false,
            entries: vec![Pattern::parse("*", Variables::Literal, Wildcards::Meant)],
        };
        Self {
            statements: vec![Statement {
                effect,
                principal: None,
                action: any,
                resource: None,
                conditions: Vec::new(),
            }],
        }
    }

    /// The ARNs of users, roles and sessions that the policy names as principals.
    pub(crate) fn principal_arns(&self) -> impl Iterator<Item = &str> {
        let named = self
            .statements
            .iter()
            .filter_map(|statement| statement.principal.as_ref());
        named.flat_map(|element| element.entries.iter().filter_map(principal::Entry::arn))
    }

    /// The names of all condition keys and policy variables that the policy asks for.
    pub(crate) fn context_keys(&self) -> BTreeSet<String> {
        let mut keys = BTreeSet::new();
        for statement in &self.statements {
            for condition in &statement.conditions {
                condition.context_keys(&mut keys);
            }
            for pattern in statement.resource.iter().flat_map(|element| &element.entries) {
                keys.extend(pattern.variables().map(str::to_owned));
            }
        }
        keys
    }

    fn parse(text: &str, attached: Attached) -> Result<Self, PolicyError> {
        if text.len() > MAX_POLICY_BYTES {
            return Err(PolicyError::TooLong);
        }
        Self::read(text, attached)
    }

    fn read(text: &str, attached: Attached) -> Result<Self, PolicyError> {
        let document = json::parse(text).ok_or(PolicyError::Syntax)?;
        let document = document.as_object().ok_or(PolicyError::Syntax)?;
        only(document, &["Version", "Id", "Statement"])?;
        let variables = match document.get("Version").map(Value::as_str) {
            Some(Some("2012-10-17")) => Variables::Replaced,
            None | Some(Some("2008-10-17")) => Variables::Literal,
            Some(_) => return Err(PolicyError::Version),
        };
        if document.get("Id").is_some_and(|id| !id.is_string()) {
            return Err(PolicyError::Syntax);
        }
        let statements = match document.get("Statement") {
            Some(Value::Array(all)) if !all.is_empty() => all.iter().collect(),
            Some(one @ Value::Object(_)) => vec![one],
            _ => return Err(PolicyError::Syntax),
        };
        let mut sids = HashSet::new();
        let statements = statements
            .into_iter()
            .map(|statement| {
                let statement = statement.as_object().ok_or(PolicyError::Syntax)?;
                check_sid(statement, attached, &mut sids)?;
                parse_statement(statement, attached, variables)
            })
            .collect::<Result<_, _>>()?;
        Ok(Self { statements })
    }
}

fn parse_statement(
    statement: &Map<String, Value>,
    attached: Attached,
    variables: Variables,
) -> Result<Statement, PolicyError> {
    const ELEMENTS: [&str; 9] = [
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
    only(statement, &ELEMENTS)?;
    let effect = match statement.get("Effect").and_then(Value::as_str) {
        Some("Allow") => Effect::Allow,
        Some("Deny") => Effect::Deny,
        _ => return Err(PolicyError::Syntax),
    };
    let principal = match (either(statement, "Principal", "NotPrincipal")?, attached) {
        (None, Attached::Identity) => None,
        (Some(_), Attached::Identity) => return Err(PolicyError::PrincipalNotAllowed),
        (None, Attached::Resource | Attached::Trust) => return Err(PolicyError::Principal),
        (Some((value, negated)), Attached::Resource | Attached::Trust) => {
            let entries = principal::parse(value).ok_or(PolicyError::Principal)?;
            Some(Element { negated, entries })
        }
    };
    let (actions, negated) = either(statement, "Action", "NotAction")?.ok_or(PolicyError::NoAction)?;
    let actions = texts(actions)?;
    if actions.is_empty() {
        return Err(PolicyError::NoAction);
    }
    if actions.iter().any(|action| *action != "*" && !is_action(action)) {
        return Err(PolicyError::ActionVendor);
    }
    let assumes = |action: &&str| {
        action
            .get(..4)
            .is_some_and(|vendor| vendor.eq_ignore_ascii_case("sts:"))
    };
    if attached == Attached::Trust && !actions.iter().all(assumes) {
        return Err(PolicyError::NotAssuming);
    }
    // Variables have no meaning in actions.
    let pattern = |text: &&str| Pattern::parse(text, Variables::Literal, Wildcards::Meant);
    let action = Element {
        negated,
        entries: actions.iter().map(pattern).collect(),
    };
    let resource = match either(statement, "Resource", "NotResource")? {
        None if attached != Attached::Identity => None,
        Some(_) if attached == Attached::Trust => return Err(PolicyError::ResourceNotAllowed),
        None => return Err(PolicyError::NoResource),
        Some((value, negated)) => Some(Element {
            negated,
            entries: resources(value, attached, variables)?,
        }),
    };
    let conditions = match statement.get("Condition") {
        None => Vec::new(),
        Some(value) => Condition::parse_all(value, variables)?,
    };
    Ok(Statement {
        effect,
        principal,
        action,
        resource,
        conditions,
    })
}

fn resources(value: &Value, attached: Attached, variables: Variables) -> Result<Vec<Pattern>, PolicyError> {
    let texts = texts(value)?;
    if texts.is_empty() {
        return Err(PolicyError::NoResource);
    }
    for text in &texts {
        let well_formed = *text == "*" || text.starts_with("arn:");
        if attached == Attached::Identity && !well_formed {
            return Err(PolicyError::Resource(text.chars().take(256).collect()));
        }
    }
    Ok(texts
        .into_iter()
        .map(|text| Pattern::parse(text, variables, Wildcards::Meant))
        .collect())
}

/// The value of an element or of its negated twin, and whether it was the twin.
fn either<'a>(
    statement: &'a Map<String, Value>,
    plain: &str,
    negated: &str,
) -> Result<Option<(&'a Value, bool)>, PolicyError> {
    match (statement.get(plain), statement.get(negated)) {
        (None, None) => Ok(None),
        (Some(value), None) => Ok(Some((value, false))),
        (None, Some(value)) => Ok(Some((value, true))),
        (Some(_), Some(_)) => Err(PolicyError::Syntax),
    }
}

fn texts(value: &Value) -> Result<Vec<&str>, PolicyError> {
    match value {
        Value::String(text) => Ok(vec![text]),
        Value::Array(all) => all
            .iter()
            .map(|item| item.as_str().ok_or(PolicyError::Syntax))
            .collect(),
        _ => Err(PolicyError::Syntax),
    }
}

fn only(object: &Map<String, Value>, known: &[&str]) -> Result<(), PolicyError> {
    if object.keys().all(|key| known.contains(&key.as_str())) {
        Ok(())
    } else {
        Err(PolicyError::Syntax)
    }
}

fn is_action(text: &str) -> bool {
    let Some((vendor, name)) = text.split_once(':') else {
        return false;
    };
    let plain = |text: &str| {
        text.bytes()
            .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'*' | b'?'))
    };
    !vendor.is_empty() && !name.is_empty() && plain(vendor) && plain(name)
}

/// Only identity policies are strict about what a `Sid` looks like; Lambda, for one, takes hyphens and underscores.
fn check_sid<'a>(
    statement: &'a Map<String, Value>,
    attached: Attached,
    seen: &mut HashSet<&'a str>,
) -> Result<(), PolicyError> {
    let Some(sid) = statement.get("Sid") else { return Ok(()) };
    let sid = sid.as_str().ok_or(PolicyError::Syntax)?;
    if attached == Attached::Identity && !sid.bytes().all(|b| b.is_ascii_alphanumeric()) {
        return Err(PolicyError::Sid);
    }
    if !sid.is_empty() && !seen.insert(sid) {
        return Err(PolicyError::RepeatedSid);
    }
    Ok(())
}
