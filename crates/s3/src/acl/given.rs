//! Lists as requests give them: by name, grant by grant in headers, or as a document.

use super::{ANONYMOUS_ID, Acl, Grant, Grantee, MAX_GRANTS, Permission, canned};
use crate::shapes::AccessControlPolicy;
use crate::{Error, Result};
use danbi_core::Accounts;

/// Canonical user ids that AWS's own services have everywhere, and the one of strangers.
const SERVICES: [&str; 3] = [
    "c4c1ede66af53448b93c283ce9448c4ba468c9432aa01d700d3878632f77d2d0",
    "6aa5a366c34c1cbe25dc49211496e913e0351eb0e8c37aa3477e40942ec6b97c",
    ANONYMOUS_ID,
];

/// What a list is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Resource {
    Bucket,
    Object,
}

/// The headers of a request that give a list.
#[derive(Debug, Clone, Default)]
pub(crate) struct AclHeaders<'a> {
    /// `x-amz-acl`.
    pub canned: Option<&'a str>,
    /// `x-amz-grant-full-control`.
    pub full_control: Option<&'a str>,
    /// `x-amz-grant-read`.
    pub read: Option<&'a str>,
    /// `x-amz-grant-read-acp`.
    pub read_acp: Option<&'a str>,
    /// `x-amz-grant-write`.
    pub write: Option<&'a str>,
    /// `x-amz-grant-write-acp`.
    pub write_acp: Option<&'a str>,
}

/// The [`AclHeaders`] of an input. A macro because the inputs are generated types without a trait in common. The form
/// `object` is for inputs without `x-amz-grant-write`.
macro_rules! acl_headers {
    ($input:expr) => {
        $crate::acl::AclHeaders {
            write: $input.grant_write.as_deref(),
            ..$crate::acl::acl_headers!(object $input)
        }
    };
    (object $input:expr) => {
        $crate::acl::AclHeaders {
            canned: $input.acl.as_deref(),
            full_control: $input.grant_full_control.as_deref(),
            read: $input.grant_read.as_deref(),
            read_acp: $input.grant_read_acp.as_deref(),
            write: None,
            write_acp: $input.grant_write_acp.as_deref(),
        }
    };
}
pub(crate) use acl_headers;

impl<'a> AclHeaders<'a> {
    /// The grant headers: name, permission, value.
    pub(crate) fn grants(&self) -> impl Iterator<Item = (&'static str, Permission, &'a str)> {
        [
            ("x-amz-grant-full-control", Permission::FullControl, self.full_control),
            ("x-amz-grant-read", Permission::Read, self.read),
            ("x-amz-grant-read-acp", Permission::ReadAcp, self.read_acp),
            ("x-amz-grant-write", Permission::Write, self.write),
            ("x-amz-grant-write-acp", Permission::WriteAcp, self.write_acp),
        ]
        .into_iter()
        .filter_map(|(name, permission, value)| value.map(|value| (name, permission, value)))
    }

    /// Whether there is none.
    pub(crate) fn is_empty(&self) -> bool {
        self.canned.is_none() && self.grants().next().is_none()
    }

    /// Whether they give the bucket's owner full control and say nothing else: all that a bucket without lists takes.
    pub(crate) fn only_bucket_owner(&self, bucket_owner: &str) -> bool {
        if self.canned == Some("bucket-owner-full-control") {
            return self.grants().next().is_none();
        }
        let granted = |value: &str| {
            value
                .trim()
                .strip_prefix("id=")
                .map(|id| id.trim_matches('"') == bucket_owner)
        };
        self.canned.is_none() && self.full_control.and_then(granted) == Some(true) && self.grants().count() == 1
    }

    /// The list that they give, if any. Owners by their canonical user ids.
    ///
    /// # Errors
    /// `InvalidRequest` for both kinds of headers, `InvalidArgument` for a name, a group or an account that there is not.
    pub(crate) fn read(&self, owner: &str, bucket_owner: &str, accounts: &dyn Accounts) -> Result<Option<Acl>> {
        let mut grants = Vec::new();
        for (header, permission, value) in self.grants() {
            if self.canned.is_some() {
                let message = "Specifying both Canned ACLs and Header Grants is not allowed";
                return Err(Error::invalid_request(message));
            }
            for text in value.split(',').map(str::trim) {
                let grantee = grantee(header, text, accounts)?;
                grants.push(Grant { grantee, permission });
            }
        }
        if grants.len() > MAX_GRANTS {
            return Err(malformed());
        }
        match self.canned {
            Some(name) => match canned::named(name, owner, bucket_owner) {
                Some(acl) => Ok(Some(acl)),
                None => Err(Error::invalid_argument("x-amz-acl", name, "")),
            },
            None if grants.is_empty() => Ok(None),
            None => Ok(Some(Acl { grants })),
        }
    }
}

/// One of a header's `id="…"`, `uri="…"`, `emailAddress="…"`.
fn grantee(header: &str, text: &str, accounts: &dyn Accounts) -> Result<Grantee> {
    let unknown = || Error::invalid_argument(header, text, "Argument format not recognized");
    let (kind, value) = text.split_once('=').ok_or_else(unknown)?;
    let value = value.trim().trim_matches('"');
    match kind.trim() {
        "id" => user(value, accounts).ok_or_else(|| Error::invalid_argument("id", value, "Invalid id")),
        "uri" => Grantee::of_group(value).ok_or_else(|| Error::invalid_argument("uri", value, "Invalid group uri")),
        "emailAddress" => by_email(value, accounts),
        _ => Err(unknown()),
    }
}

fn user(id: &str, accounts: &dyn Accounts) -> Option<Grantee> {
    let known = SERVICES.contains(&id) || accounts.by_canonical_id(id).is_some();
    known.then(|| Grantee::User(id.to_owned()))
}

fn by_email(email: &str, accounts: &dyn Accounts) -> Result<Grantee> {
    match accounts.by_email(email) {
        Some(profile) => Ok(Grantee::User(profile.canonical_id)),
        None => {
            let message = "The e-mail address you provided does not match any account on record.";
            Err(Error::client("UnresolvableGrantByEmailAddress", 400, message))
        }
    }
}

/// The list that a request gives whose purpose is to give one: by its headers or by its document.
///
/// # Errors
/// `MissingSecurityHeader` for neither, `UnexpectedContent` for both, and those of each.
pub(super) fn either(
    headers: &AclHeaders<'_>,
    given: Option<&AccessControlPolicy>,
    resource: Resource,
    owner: &str,
    bucket_owner: &str,
    accounts: &dyn Accounts,
) -> Result<Acl> {
    match (headers.read(owner, bucket_owner, accounts)?, given) {
        (Some(_), Some(_)) => Err(Error::client(
            "UnexpectedContent",
            400,
            "This request does not support content",
        )),
        (Some(acl), None) => Ok(acl),
        (None, Some(given)) => document(given, resource, owner, accounts),
        (None, None) => {
            let message = "Your request was missing a required header";
            Err(Error::client("MissingSecurityHeader", 400, message).with("MissingHeaderName", "x-amz-acl"))
        }
    }
}

/// The list that a document gives for something that `owner` (by canonical user id) has.
///
/// # Errors
/// `MalformedACLError`; `InvalidArgument` for a group or an account that there is not; `AccessDenied` when the document
/// names another owner.
pub(super) fn document(
    document: &AccessControlPolicy,
    resource: Resource,
    owner: &str,
    accounts: &dyn Accounts,
) -> Result<Acl> {
    let invalid_id = |id: &str| Error::invalid_argument("CanonicalUser/ID", id, "Invalid id");
    let given = document.owner.as_ref().and_then(|owner| owner.id.as_deref());
    let (Some(given), grants) = (given, document.grants.as_deref().unwrap_or_default()) else {
        return Err(malformed());
    };
    if document.grants.is_none() || grants.len() > MAX_GRANTS {
        return Err(malformed());
    }
    if given != owner {
        // Who owns something is not for its list to say.
        return Err(match user(given, accounts) {
            Some(_) => Error::access_denied(),
            None => invalid_id(given),
        });
    }
    let mut read = Vec::with_capacity(grants.len());
    for grant in grants {
        let permission = grant
            .permission
            .as_deref()
            .and_then(Permission::parse)
            .ok_or_else(malformed)?;
        if resource == Resource::Object && permission == Permission::Write {
            return Err(malformed());
        }
        let shape = grant.grantee.as_ref().ok_or_else(malformed)?;
        let grantee = match shape.r#type.as_str() {
            "CanonicalUser" => {
                let id = shape.id.as_deref().ok_or_else(malformed)?;
                user(id, accounts).ok_or_else(|| invalid_id(id))?
            }
            "Group" => {
                let uri = shape.uri.as_deref().ok_or_else(malformed)?;
                Grantee::of_group(uri).ok_or_else(|| Error::invalid_argument("Group/URI", uri, "Invalid group uri"))?
            }
            "AmazonCustomerByEmail" => by_email(shape.email_address.as_deref().ok_or_else(malformed)?, accounts)?,
            _ => return Err(malformed()),
        };
        read.push(Grant { grantee, permission });
    }
    Ok(Acl { grants: read })
}

fn malformed() -> Error {
    let message = "The XML you provided was not well-formed or did not validate against our published schema";
    Error::client("MalformedACLError", 400, message)
}
