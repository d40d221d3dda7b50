//! Access control lists: who besides the owner may do what with a bucket or an object.
//!
//! Buckets of today ignore them (`BucketOwnerEnforced`, [`crate::ownership`]); those that were told otherwise do as S3 did
//! before. Source: <https://docs.aws.amazon.com/AmazonS3/latest/userguide/acl-overview.html>.
//!
//! `given` reads what a request gives, `canned` knows the lists that have names, `buckets` and `objects` are the operations.

mod buckets;
mod canned;
mod given;
mod objects;

use crate::shapes;
use danbi_core::{AccountId, Accounts, Granted, Principal};
use serde::{Deserialize, Serialize};

pub(crate) use buckets::{get as get_bucket, put as put_bucket};
pub(crate) use given::{AclHeaders, Resource, acl_headers};
pub(crate) use objects::{get as get_object, put as put_object};

/// The most grants of a list (AWS's quota).
pub(crate) const MAX_GRANTS: usize = 100;

/// The owner of what was written without a signature, where another account's bucket lets strangers write.
pub(crate) const ANONYMOUS: &str = "anonymous";
/// Its canonical user id.
const ANONYMOUS_ID: &str = "65a011a29cdf8ec533ec3d1ccaae921c";

/// A permission of a list.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Permission {
    Read,
    Write,
    ReadAcp,
    WriteAcp,
    FullControl,
}

impl Permission {
    pub(crate) fn parse(text: &str) -> Option<Self> {
        Some(match text {
            "READ" => Self::Read,
            "WRITE" => Self::Write,
            "READ_ACP" => Self::ReadAcp,
            "WRITE_ACP" => Self::WriteAcp,
            "FULL_CONTROL" => Self::FullControl,
            _ => return None,
        })
    }

    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Read => "READ",
            Self::Write => "WRITE",
            Self::ReadAcp => "READ_ACP",
            Self::WriteAcp => "WRITE_ACP",
            Self::FullControl => "FULL_CONTROL",
        }
    }

    /// The permission on a bucket that lets a grantee do `action`; `None` for what no list can grant.
    pub(crate) fn of_bucket_action(action: &str) -> Option<Self> {
        Some(match action {
            "s3:ListBucket" | "s3:ListBucketVersions" | "s3:ListBucketMultipartUploads" => Self::Read,
            "s3:PutObject" | "s3:DeleteObject" => Self::Write,
            "s3:GetBucketAcl" => Self::ReadAcp,
            "s3:PutBucketAcl" => Self::WriteAcp,
            _ => return None,
        })
    }

    /// The permission on an object that lets a grantee do `action`.
    pub(crate) fn of_object_action(action: &str) -> Option<Self> {
        Some(match action {
            "s3:GetObject" | "s3:GetObjectVersion" | "s3:GetObjectTorrent" => Self::Read,
            "s3:GetObjectAcl" | "s3:GetObjectVersionAcl" => Self::ReadAcp,
            "s3:PutObjectAcl" | "s3:PutObjectVersionAcl" => Self::WriteAcp,
            _ => return None,
        })
    }
}

/// Whom a grant is for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Grantee {
    /// An account, by its canonical user id.
    User(String),
    /// Everybody.
    AllUsers,
    /// Everybody who signs.
    AuthenticatedUsers,
    /// S3 itself, when it writes access logs.
    LogDelivery,
}

const ALL_USERS: &str = "http://acs.amazonaws.com/groups/global/AllUsers";
const AUTHENTICATED_USERS: &str = "http://acs.amazonaws.com/groups/global/AuthenticatedUsers";
const LOG_DELIVERY: &str = "http://acs.amazonaws.com/groups/s3/LogDelivery";

impl Grantee {
    pub(crate) fn of_group(uri: &str) -> Option<Self> {
        Some(match uri {
            ALL_USERS => Self::AllUsers,
            AUTHENTICATED_USERS => Self::AuthenticatedUsers,
            LOG_DELIVERY => Self::LogDelivery,
            _ => return None,
        })
    }

    fn shape(&self, accounts: &dyn Accounts) -> shapes::Grantee {
        let group = |uri: &str| shapes::Grantee {
            uri: Some(uri.to_owned()),
            r#type: "Group".into(),
            ..shapes::Grantee::default()
        };
        match self {
            Self::User(id) => shapes::Grantee {
                display_name: accounts.by_canonical_id(id).and_then(|profile| profile.display_name),
                id: Some(id.clone()),
                r#type: "CanonicalUser".into(),
                ..shapes::Grantee::default()
            },
            Self::AllUsers => group(ALL_USERS),
            Self::AuthenticatedUsers => group(AUTHENTICATED_USERS),
            Self::LogDelivery => group(LOG_DELIVERY),
        }
    }
}

/// One line of a list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Grant {
    pub grantee: Grantee,
    pub permission: Permission,
}

/// A list. Without one, the owner has `FULL_CONTROL` and nobody else anything.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub(crate) struct Acl {
    pub grants: Vec<Grant>,
}

impl Acl {
    /// The owner's alone.
    pub(crate) fn private(owner: &str) -> Self {
        Self {
            grants: vec![Grant {
                grantee: Grantee::User(owner.to_owned()),
                permission: Permission::FullControl,
            }],
        }
    }

    /// Whether it grants something to everybody, signed or not.
    pub(crate) fn is_public(&self) -> bool {
        let public = |grant: &Grant| matches!(grant.grantee, Grantee::AllUsers | Grantee::AuthenticatedUsers);
        self.grants.iter().any(public)
    }

    /// What the list grants the caller. `public` is whether grants to everybody count, which a public-access block may
    /// forbid.
    pub(crate) fn grants(&self, permission: Permission, caller: &Caller, public: bool) -> Granted {
        let mut granted = Granted::Nothing;
        for grant in &self.grants {
            if grant.permission != permission && grant.permission != Permission::FullControl {
                continue;
            }
            match &grant.grantee {
                Grantee::AllUsers if public => return Granted::ToEverybody,
                Grantee::AuthenticatedUsers if public && caller.signed => return Granted::ToEverybody,
                Grantee::LogDelivery if caller.delivers_logs => return Granted::ToEverybody,
                Grantee::User(id) if caller.canonical_id.as_deref() == Some(id) => granted = Granted::ToAccount,
                _ => {}
            }
        }
        granted
    }

    /// As the API shows it.
    pub(crate) fn shape(&self, accounts: &dyn Accounts) -> Vec<shapes::Grant> {
        let grants = self.grants.iter().map(|grant| shapes::Grant {
            grantee: Some(grant.grantee.shape(accounts)),
            permission: Some(grant.permission.as_str().to_owned()),
        });
        grants.collect()
    }
}

/// Who asks, as far as lists tell callers apart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Caller {
    canonical_id: Option<String>,
    signed: bool,
    delivers_logs: bool,
}

impl Caller {
    pub(crate) fn of(principal: &Principal, accounts: &dyn Accounts) -> Self {
        Self {
            canonical_id: account_of(principal).map(|account| accounts.profile(&account).canonical_id),
            signed: matches!(principal, Principal::Root(_) | Principal::Identity { .. }),
            delivers_logs: matches!(principal, Principal::Service(name) if name == "logging.s3.amazonaws.com"),
        }
    }
}

/// The account that the caller belongs to.
pub(crate) fn account_of(principal: &Principal) -> Option<AccountId> {
    match principal {
        Principal::Root(account) => Some(account.clone()),
        Principal::Identity { arn, .. } => arn.account.parse().ok(),
        Principal::Service(_) | Principal::Anonymous => None,
    }
}

/// The canonical user id of an owner as records name it: an account, or [`ANONYMOUS`].
pub(crate) fn canonical_id(owner: &str, accounts: &dyn Accounts) -> String {
    match owner.parse::<AccountId>() {
        Ok(account) => accounts.profile(&account).canonical_id,
        Err(_) => ANONYMOUS_ID.to_owned(),
    }
}

/// The owner of a record, as the API shows it.
pub(crate) fn owner_shape(owner: &str, accounts: &dyn Accounts) -> shapes::Owner {
    match owner.parse::<AccountId>() {
        Ok(account) => {
            let profile = accounts.profile(&account);
            shapes::Owner {
                display_name: profile.display_name,
                id: Some(profile.canonical_id),
            }
        }
        Err(_) => shapes::Owner {
            display_name: None,
            id: Some(ANONYMOUS_ID.to_owned()),
        },
    }
}

#[cfg(test)]
mod tests;
