use crate::{AccountId, ServiceError};
use std::borrow::Cow;
use std::sync::Arc;

/// What the service that keeps a resource knows of who may do what with it; asked of
/// [`ResourcePolicySource`](crate::ResourcePolicySource) for each decision.
#[derive(Debug, Clone, Default)]
pub struct ResourceSide {
    /// Whose the resource is; `None` for the account that the ARN names, else the caller's.
    pub owner: Option<AccountId>,
    /// The resource-based policy, JSON text, if there is one.
    pub policy: Option<Arc<str>>,
    /// The ARN that policies know the resource by, where the access function could not know it (a role's path).
    pub resource: Option<String>,
    /// What of the policy counts.
    pub policy_use: PolicyUse,
    /// What an access control list of the resource grants the caller, besides the policy.
    pub granted: Granted,
    /// Condition keys that the resource's state gives, such as `s3:ExistingObjectTag/team`.
    pub conditions: Vec<(Cow<'static, str>, String)>,
    /// How the service words a refusal; `None` for `AccessDeniedException`.
    pub refusal: Option<Refusal>,
}

/// What of a resource-based policy counts in one decision.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum PolicyUse {
    /// All of it.
    #[default]
    Whole,
    /// What it denies, not what it allows: the one who attached it cannot grant this (an object of another account), or
    /// has said that it shall not (restricted public buckets).
    DeniesOnly,
    /// All of it, but not against the root of the owning account, which must be able to mend a policy that denies it.
    SparesRoot,
    /// All of it, and nobody is let in whom it does not allow, not even the owning account's own (a role's trust policy,
    /// a key's policy).
    Required,
}

/// What an access control list grants a caller.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Granted {
    /// Nothing.
    #[default]
    Nothing,
    /// To the caller's account, which decides with its identity policies who in it may.
    ToAccount,
    /// To everybody, or everybody with an account.
    ToEverybody,
}

/// The words of a refusal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refusal {
    /// This code, and IAM's sentence about who, what and why for callers of the owning account.
    Code(&'static str),
    /// This very error.
    Error(ServiceError),
}
