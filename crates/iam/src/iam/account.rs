//! The account itself: its alias, and what there is in it.

use super::{Iam, quotas};
use crate::iam_shapes::*;
use crate::records::{Counts, View};
use crate::{IamError, Result, keys};
use danbi_core::RequestContext;
use danbi_wire::Empty;
use std::sync::Arc;

pub(super) async fn create_alias(
    iam: Arc<Iam>,
    context: RequestContext,
    input: CreateAccountAliasRequest,
) -> Result<Empty> {
    let (account, alias) = (&context.scope.account, input.account_alias.as_str());
    iam.change(account, async |tx| {
        let (own, owner) = (keys::alias(account), keys::alias_owner(alias));
        if let Some(held) = tx.value(&owner).await? {
            if held.as_ref() == account.as_str().as_bytes() {
                return Ok(());
            }
            return Err(IamError::EntityAlreadyExists(format!(
                "The account alias {alias} already exists."
            )));
        }
        if let Some(old) = tx.value(&own).await? {
            tx.delete(&keys::alias_owner(&String::from_utf8_lossy(&old)))?;
        }
        tx.put(&owner, account.to_string())?;
        Ok(tx.put(&own, alias.to_owned())?)
    })
    .await?;
    Ok(Empty {})
}

pub(super) async fn delete_alias(
    iam: Arc<Iam>,
    context: RequestContext,
    input: DeleteAccountAliasRequest,
) -> Result<Empty> {
    let (account, alias) = (&context.scope.account, input.account_alias.as_str());
    iam.change(account, async |tx| {
        let own = keys::alias(account);
        let held = tx.value(&own).await?;
        if held.is_none_or(|held| held.as_ref() != alias.as_bytes()) {
            return Err(IamError::NoSuchEntity(format!(
                "The account alias with name {alias} cannot be found."
            )));
        }
        tx.delete(&keys::alias_owner(alias))?;
        Ok(tx.delete(&own)?)
    })
    .await?;
    Ok(Empty {})
}

pub(super) async fn list_aliases(
    iam: Arc<Iam>,
    context: RequestContext,
    _: ListAccountAliasesRequest,
) -> Result<ListAccountAliasesResponse> {
    let alias = iam
        .store
        .snapshot()
        .await?
        .value(&keys::alias(&context.scope.account))
        .await?;
    Ok(ListAccountAliasesResponse {
        account_aliases: alias
            .iter()
            .map(|alias| String::from_utf8_lossy(alias).into_owned())
            .collect(),
        is_truncated: Some(false),
        marker: None,
    })
}

pub(super) async fn summary(iam: Arc<Iam>, context: RequestContext, _: Empty) -> Result<GetAccountSummaryResponse> {
    let account = &context.scope.account;
    let view = iam.store.snapshot().await?;
    let counts: Counts = view.record(&keys::counts(account)).await?.unwrap_or_default();
    let root_keys = iam.root_keys.iter().any(|(owner, _)| owner == account);
    let size = |size: usize| u32::try_from(size).unwrap_or(u32::MAX);
    let entries = [
        ("Users", counts.users),
        ("UsersQuota", quotas::USERS),
        ("Groups", counts.groups),
        ("GroupsQuota", quotas::GROUPS),
        ("Roles", counts.roles),
        ("RolesQuota", quotas::ROLES),
        ("Policies", counts.policies),
        ("PoliciesQuota", quotas::POLICIES),
        ("InstanceProfiles", counts.profiles),
        ("InstanceProfilesQuota", quotas::PROFILES),
        ("Providers", counts.providers),
        ("AccessKeysPerUserQuota", size(quotas::KEYS_PER_USER)),
        ("AttachedPoliciesPerGroupQuota", size(quotas::ATTACHED)),
        ("AttachedPoliciesPerRoleQuota", size(quotas::ATTACHED)),
        ("AttachedPoliciesPerUserQuota", size(quotas::ATTACHED)),
        ("GroupsPerUserQuota", size(quotas::GROUPS_PER_USER)),
        ("VersionsPerPolicyQuota", size(quotas::VERSIONS)),
        ("PolicySizeQuota", size(quotas::POLICY_SIZE)),
        ("AssumeRolePolicySizeQuota", size(quotas::TRUST_SIZE)),
        (
            "UserPolicySizeQuota",
            size(quotas::inline_size(crate::records::Kind::User)),
        ),
        (
            "GroupPolicySizeQuota",
            size(quotas::inline_size(crate::records::Kind::Group)),
        ),
        (
            "RolePolicySizeQuota",
            size(quotas::inline_size(crate::records::Kind::Role)),
        ),
        ("AccountAccessKeysPresent", u32::from(root_keys)),
        ("AccountMFAEnabled", 0),
        ("AccountSigningCertificatesPresent", 0),
        ("GlobalEndpointTokenVersion", 1),
        ("MFADevices", 0),
        ("MFADevicesInUse", 0),
        ("ServerCertificates", 0),
    ];
    let entries = entries
        .into_iter()
        .map(|(name, count)| Ok((name.to_owned(), super::show::count(count)?)));
    Ok(GetAccountSummaryResponse {
        summary_map: Some(entries.collect::<Result<_>>()?),
    })
}
