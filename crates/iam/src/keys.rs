//! The store layout: every key of IAM and STS, and why it is there.
//!
//! All keys begin with `"iam"` and the kind of thing, then the account, so that one prefix holds all of a kind in an
//! account, in the order of names. Names are unique whatever the case of their letters, so keys have them in lower case.
//! IAM is global: no key has a region.

use crate::records::Kind;
use bytes::Bytes;
use danbi_core::AccountId;
use danbi_store::key::KeyBuilder;

fn of(kind: &str, account: &AccountId) -> KeyBuilder {
    KeyBuilder::new().str("iam").str(kind).str(account.as_str())
}

fn lower(name: &str) -> String {
    name.to_ascii_lowercase()
}

/// A user, group or role with all that is its own: inline policies, the list of attached ones, tags.
pub(crate) fn identity(account: &AccountId, kind: Kind, name: &str) -> Bytes {
    of(kind.as_str(), account).str(&lower(name)).build()
}

/// All users, groups or roles of an account.
pub(crate) fn identities(account: &AccountId, kind: Kind) -> Bytes {
    of(kind.as_str(), account).build()
}

/// A user in a group, for the group's side; the user's record lists its groups.
pub(crate) fn member(account: &AccountId, group: &str, user: &str) -> Bytes {
    of("member", account).str(&lower(group)).str(&lower(user)).build()
}

/// The users of a group.
pub(crate) fn members(account: &AccountId, group: &str) -> Bytes {
    of("member", account).str(&lower(group)).build()
}

/// A customer-managed policy with its versions.
pub(crate) fn policy(account: &AccountId, name: &str) -> Bytes {
    of("policy", account).str(&lower(name)).build()
}

/// All customer-managed policies of an account.
pub(crate) fn policies(account: &AccountId) -> Bytes {
    of("policy", account).build()
}

/// How often an account uses a managed policy, its own or AWS's.
pub(crate) fn usage(account: &AccountId, policy: &str) -> Bytes {
    of("usage", account).str(policy).build()
}

/// The usage of all managed policies.
pub(crate) fn usages(account: &AccountId) -> Bytes {
    of("usage", account).build()
}

/// Who uses a managed policy, as `use_` (`attached` or `boundary`).
pub(crate) fn user_of_policy(account: &AccountId, policy: &str, use_: &str, kind: Kind, name: &str) -> Bytes {
    users(account, policy)
        .str(use_)
        .str(kind.as_str())
        .str(&lower(name))
        .build()
}

/// All who use a managed policy.
pub(crate) fn users_of_policy(account: &AccountId, policy: &str) -> Bytes {
    users(account, policy).build()
}

fn users(account: &AccountId, policy: &str) -> KeyBuilder {
    of("policy-user", account).str(policy)
}

/// An access key. Not scoped, because a signature names nothing else.
pub(crate) fn access_key(id: &str) -> Bytes {
    KeyBuilder::new().str("iam").str("access-key").str(id).build()
}

/// When an access key was last used: apart from the key, because it is written often and loosely.
pub(crate) fn last_used(id: &str) -> Bytes {
    KeyBuilder::new().str("iam").str("last-used").str(id).build()
}

/// An instance profile.
pub(crate) fn profile(account: &AccountId, name: &str) -> Bytes {
    of("profile", account).str(&lower(name)).build()
}

/// All instance profiles of an account.
pub(crate) fn profiles(account: &AccountId) -> Bytes {
    of("profile", account).build()
}

/// An instance profile that a role is in.
pub(crate) fn profile_of_role(account: &AccountId, role: &str, profile: &str) -> Bytes {
    of("role-profile", account)
        .str(&lower(role))
        .str(&lower(profile))
        .build()
}

/// The instance profiles that a role is in.
pub(crate) fn profiles_of_role(account: &AccountId, role: &str) -> Bytes {
    of("role-profile", account).str(&lower(role)).build()
}

/// An OpenID Connect provider, by its URL without the scheme.
pub(crate) fn provider(account: &AccountId, url: &str) -> Bytes {
    of("provider", account).str(url).build()
}

/// All OpenID Connect providers of an account.
pub(crate) fn providers(account: &AccountId) -> Bytes {
    of("provider", account).build()
}

/// What there is of each kind, kept in step by the transactions that make and delete.
pub(crate) fn counts(account: &AccountId) -> Bytes {
    of("counts", account).build()
}

/// An account's alias.
pub(crate) fn alias(account: &AccountId) -> Bytes {
    of("alias", account).build()
}

/// Whose an alias is: no two accounts have the same.
pub(crate) fn alias_owner(alias: &str) -> Bytes {
    KeyBuilder::new().str("iam").str("alias-owner").str(alias).build()
}

/// Changes with everything that a decision may depend on; what nodes remember of the account is true as long as this
/// stays the same.
pub(crate) fn revision(account: &AccountId) -> Bytes {
    of("revision", account).build()
}
