//! How much an account may have.
//! Source: <https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html>.

use crate::records::{Counts, Kind, View, put};
use crate::{IamError, Result, keys};
use danbi_core::AccountId;
use danbi_store::Transaction;

pub(super) const USERS: u32 = 5000;
pub(super) const GROUPS: u32 = 300;
pub(super) const ROLES: u32 = 1000;
pub(super) const POLICIES: u32 = 1500;
pub(super) const PROFILES: u32 = 1000;
pub(super) const PROVIDERS: u32 = 100;
pub(super) const GROUPS_PER_USER: usize = 10;
pub(super) const ATTACHED: usize = 10;
pub(super) const KEYS_PER_USER: usize = 2;
pub(super) const VERSIONS: usize = 5;
pub(super) const TAGS: usize = 50;
/// Characters of a trust policy, white space not counted.
pub(super) const TRUST_SIZE: usize = 2048;
/// Characters of a managed policy.
pub(super) const POLICY_SIZE: usize = 6144;

/// Characters of all inline policies together.
pub(super) const fn inline_size(kind: Kind) -> usize {
    match kind {
        Kind::User => 2048,
        Kind::Group => 5120,
        Kind::Role => 10_240,
    }
}

/// One more, or one fewer, of a kind; the count that is changed, its quota and the quota's name.
pub(super) type Counted = fn(&mut Counts) -> (&mut u32, u32, &'static str);

pub(super) fn of(kind: Kind) -> Counted {
    match kind {
        Kind::User => |counts| (&mut counts.users, USERS, "UsersPerAccount"),
        Kind::Group => |counts| (&mut counts.groups, GROUPS, "GroupsPerAccount"),
        Kind::Role => |counts| (&mut counts.roles, ROLES, "RolesPerAccount"),
    }
}

pub(super) fn policies(counts: &mut Counts) -> (&mut u32, u32, &'static str) {
    (&mut counts.policies, POLICIES, "PoliciesPerAccount")
}

pub(super) fn profiles(counts: &mut Counts) -> (&mut u32, u32, &'static str) {
    (&mut counts.profiles, PROFILES, "InstanceProfilesPerAccount")
}

pub(super) fn providers(counts: &mut Counts) -> (&mut u32, u32, &'static str) {
    (&mut counts.providers, PROVIDERS, "OpenIdConnectProvidersPerAccount")
}

/// Counts one more.
pub(super) async fn take(tx: &Transaction, account: &AccountId, counted: Counted) -> Result<()> {
    let key = keys::counts(account);
    let mut counts: Counts = tx.record(&key).await?.unwrap_or_default();
    let (count, quota, name) = counted(&mut counts);
    if *count >= quota {
        return Err(exceeded(name, quota));
    }
    *count += 1;
    put(tx, &key, &counts)
}

/// Counts one fewer.
pub(super) async fn give_back(tx: &Transaction, account: &AccountId, counted: Counted) -> Result<()> {
    let key = keys::counts(account);
    let mut counts: Counts = tx.record(&key).await?.unwrap_or_default();
    let (count, ..) = counted(&mut counts);
    *count = count.saturating_sub(1);
    put(tx, &key, &counts)
}

pub(super) fn exceeded(name: &str, quota: impl std::fmt::Display) -> IamError {
    IamError::LimitExceeded(format!("Cannot exceed quota for {name}: {quota}"))
}
