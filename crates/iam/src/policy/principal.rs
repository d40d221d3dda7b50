//! The `Principal` and `NotPrincipal` elements.

use danbi_core::{Arn, Principal};
use serde_json::Value;

/// How a resource-based policy named the one it grants to; the evaluation logic minds the difference.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Naming {
    /// The account: it passes the decision on to the account's own policies.
    Account,
    /// The role whose session asks: boundaries and session policies still limit it.
    Role,
    /// The user, the very session, the service, or everybody.
    Itself,
}

/// One entry of the element.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Entry {
    Everybody,
    Account(String),
    Arn(String),
    Service(String),
    /// Federated and canonical users: nobody here is one yet.
    Other,
}

impl Entry {
    /// The ARN of a user, role or session.
    pub(super) fn arn(&self) -> Option<&str> {
        match self {
            Self::Arn(arn) => Some(arn),
            _ => None,
        }
    }
}

/// Reads the element's value; `None` when it is malformed.
pub(super) fn parse(value: &Value) -> Option<Vec<Entry>> {
    match value {
        Value::String(text) if text == "*" => Some(vec![Entry::Everybody]),
        Value::Object(kinds) if !kinds.is_empty() => {
            let mut entries = Vec::new();
            for (kind, names) in kinds {
                for name in texts(names)? {
                    entries.push(entry(kind, name)?);
                }
            }
            Some(entries)
        }
        _ => None,
    }
}

fn entry(kind: &str, name: &str) -> Option<Entry> {
    match kind {
        "AWS" if name == "*" => Some(Entry::Everybody),
        "AWS" if is_account(name) => Some(Entry::Account(name.into())),
        "AWS" => {
            let arn: Arn = name.parse().ok()?;
            if arn.service == "iam" && arn.resource == "root" && is_account(&arn.account) {
                return Some(Entry::Account(arn.account));
            }
            // AWS knows no wildcards in principals, so that nobody grants to more than is written.
            (!name.contains(['*', '?'])).then(|| Entry::Arn(name.into()))
        }
        "Service" => Some(Entry::Service(name.into())),
        "Federated" | "CanonicalUser" => Some(Entry::Other),
        _ => None,
    }
}

fn texts(value: &Value) -> Option<Vec<&str>> {
    match value {
        Value::String(text) => Some(vec![text]),
        Value::Array(all) if !all.is_empty() => all.iter().map(Value::as_str).collect(),
        _ => None,
    }
}

fn is_account(text: &str) -> bool {
    text.len() == 12 && text.bytes().all(|b| b.is_ascii_digit())
}

/// How `entries` name the principal, by the closest of them; `None` when they do not.
pub(super) fn naming(entries: &[Entry], principal: &Principal) -> Option<Naming> {
    entries.iter().filter_map(|entry| names(entry, principal)).max()
}

fn names(entry: &Entry, principal: &Principal) -> Option<Naming> {
    match (entry, principal) {
        (Entry::Everybody, _) => Some(Naming::Itself),
        (Entry::Service(name), Principal::Service(service)) => (name == service).then_some(Naming::Itself),
        (Entry::Account(account), Principal::Root(root)) => (account == root.as_str()).then_some(Naming::Itself),
        (Entry::Account(account), Principal::Identity { arn, .. }) => {
            (*account == arn.account).then_some(Naming::Account)
        }
        (Entry::Arn(text), Principal::Identity { arn, .. }) => {
            if *text == arn.to_string() {
                return Some(Naming::Itself);
            }
            is_role_of_session(text, arn).then_some(Naming::Role)
        }
        _ => None,
    }
}

/// Whether `role` (`arn:aws:iam::A:role/path/R`) is the role of the session (`arn:aws:sts::A:assumed-role/R/S`). The
/// session's ARN does not carry the path; names are unique in an account without it.
fn is_role_of_session(role: &str, session: &Arn) -> bool {
    let Ok(role) = role.parse::<Arn>() else { return false };
    let session_role = session
        .resource
        .strip_prefix("assumed-role/")
        .and_then(|rest| rest.split('/').next());
    let role_name = role
        .resource
        .strip_prefix("role/")
        .and_then(|path| path.rsplit('/').next());
    role.service == "iam" && role.account == session.account && role_name.is_some() && role_name == session_role
}
