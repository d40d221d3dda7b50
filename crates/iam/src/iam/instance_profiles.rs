//! Instance profiles: names under which a machine is given a role. Machines are not part of this platform; tools make
//! profiles beside roles all the same.

use super::paging::{listed, stored};
use super::show::{self, Detail};
use super::{Iam, names, quotas};
use crate::iam_shapes::*;
use crate::records::{self, Kind, Profile, View, put};
use crate::{IamError, Result, keys, random};
use danbi_core::{AccountId, RequestContext};
use danbi_store::KeyRange;
use danbi_wire::Empty;
use std::sync::Arc;

/// The most profiles that one role is looked for in.
const PER_ROLE: usize = 1000;

/// The profile of this very name.
pub(super) async fn find(view: &impl View, account: &AccountId, name: &str) -> Result<Profile> {
    let found: Option<Profile> = view.record(&keys::profile(account, name)).await?;
    let found = found.filter(|found| found.name == name);
    found.ok_or_else(|| IamError::NoSuchEntity(format!("Instance Profile {name} cannot be found.")))
}

/// The profile with its role.
async fn shown(view: &impl View, account: &AccountId, profile: &Profile) -> Result<InstanceProfile> {
    let role = match &profile.role {
        Some(name) => records::find(view, account, Kind::Role, name).await?,
        None => None,
    };
    let roles = role.iter().map(|role| show::role(role, account, Detail::Created));
    Ok(show::profile(profile, account, roles.collect::<Result<_>>()?))
}

/// The profiles that a role is in.
pub(super) async fn with_role(view: &impl View, account: &AccountId, role: &str) -> Result<Vec<InstanceProfile>> {
    let range = KeyRange::prefix(keys::profiles_of_role(account, role));
    let mut profiles = Vec::new();
    for (_, name) in view.page(range, PER_ROLE).await?.entries {
        let profile = find(view, account, &String::from_utf8_lossy(&name)).await?;
        profiles.push(shown(view, account, &profile).await?);
    }
    Ok(profiles)
}

pub(super) async fn create(
    iam: Arc<Iam>,
    context: RequestContext,
    input: CreateInstanceProfileRequest,
) -> Result<CreateInstanceProfileResponse> {
    let account = &context.scope.account;
    let profile = &Profile {
        name: input.instance_profile_name,
        path: names::path(input.path),
        id: random::id("AIPA", 17)?,
        created: iam.now(),
        role: None,
        tags: names::tags(input.tags)?,
    };
    let key = &keys::profile(account, &profile.name);
    iam.change(account, async |tx| {
        if tx.value(key).await?.is_some() {
            let name = &profile.name;
            return Err(IamError::EntityAlreadyExists(format!(
                "Instance Profile {name} already exists."
            )));
        }
        quotas::take(&tx, account, quotas::profiles).await?;
        put(&tx, key, profile)
    })
    .await?;
    Ok(CreateInstanceProfileResponse {
        instance_profile: show::profile(profile, account, Vec::new()),
    })
}

pub(super) async fn get(
    iam: Arc<Iam>,
    context: RequestContext,
    input: GetInstanceProfileRequest,
) -> Result<GetInstanceProfileResponse> {
    let account = &context.scope.account;
    let view = iam.store.snapshot().await?;
    let profile = find(&view, account, &input.instance_profile_name).await?;
    Ok(GetInstanceProfileResponse {
        instance_profile: shown(&view, account, &profile).await?,
    })
}

pub(super) async fn list(
    iam: Arc<Iam>,
    context: RequestContext,
    input: ListInstanceProfilesRequest,
) -> Result<ListInstanceProfilesResponse> {
    let account = &context.scope.account;
    let prefix = input.path_prefix.unwrap_or_else(|| "/".into());
    let view = iam.store.snapshot().await?;
    let all = keys::profiles(account);
    let page = stored(&view, all, input.max_items, input.marker.as_deref(), |_, value| {
        let profile: Profile = records::decode(value)?;
        Ok(profile.path.starts_with(&prefix).then_some(profile))
    })
    .await?;
    let mut profiles = Vec::with_capacity(page.items.len());
    for profile in &page.items {
        profiles.push(shown(&view, account, profile).await?);
    }
    Ok(ListInstanceProfilesResponse {
        is_truncated: page.truncated(),
        instance_profiles: profiles,
        marker: page.marker,
    })
}

pub(super) async fn of_role(
    iam: Arc<Iam>,
    context: RequestContext,
    input: ListInstanceProfilesForRoleRequest,
) -> Result<ListInstanceProfilesForRoleResponse> {
    let account = &context.scope.account;
    let view = iam.store.snapshot().await?;
    let role = records::get(&view, account, Kind::Role, &input.role_name).await?;
    let profiles = with_role(&view, account, &role.name).await?;
    let page = listed(profiles, input.max_items, input.marker.as_deref())?;
    Ok(ListInstanceProfilesForRoleResponse {
        is_truncated: page.truncated(),
        instance_profiles: page.items,
        marker: page.marker,
    })
}

pub(super) async fn delete(
    iam: Arc<Iam>,
    context: RequestContext,
    input: DeleteInstanceProfileRequest,
) -> Result<Empty> {
    let (account, name) = (&context.scope.account, input.instance_profile_name.as_str());
    iam.change(account, async |tx| {
        if find(&tx, account, name).await?.role.is_some() {
            return Err(IamError::DeleteConflict(
                "Cannot delete entity, must remove roles from instance profile first.",
            ));
        }
        quotas::give_back(&tx, account, quotas::profiles).await?;
        Ok(tx.delete(&keys::profile(account, name))?)
    })
    .await?;
    Ok(Empty {})
}

pub(super) async fn add_role(
    iam: Arc<Iam>,
    context: RequestContext,
    input: AddRoleToInstanceProfileRequest,
) -> Result<Empty> {
    let (account, input) = (&context.scope.account, &input);
    iam.change(account, async |tx| {
        let mut profile = find(&tx, account, &input.instance_profile_name).await?;
        let role = records::get(&tx, account, Kind::Role, &input.role_name).await?;
        if profile.role.is_some() {
            return Err(quotas::exceeded("InstanceSessionsPerInstanceProfile", 1));
        }
        let key = keys::profile_of_role(account, &role.name, &profile.name);
        tx.put(&key, profile.name.clone())?;
        profile.role = Some(role.name);
        put(&tx, &keys::profile(account, &profile.name), &profile)
    })
    .await?;
    Ok(Empty {})
}

pub(super) async fn remove_role(
    iam: Arc<Iam>,
    context: RequestContext,
    input: RemoveRoleFromInstanceProfileRequest,
) -> Result<Empty> {
    let (account, input) = (&context.scope.account, &input);
    iam.change(account, async |tx| {
        let mut profile = find(&tx, account, &input.instance_profile_name).await?;
        if profile.role.as_deref() != Some(&input.role_name) {
            let name = &input.role_name;
            return Err(IamError::NoSuchEntity(format!(
                "The role with name {name} cannot be found."
            )));
        }
        profile.role = None;
        tx.delete(&keys::profile_of_role(account, &input.role_name, &profile.name))?;
        put(&tx, &keys::profile(account, &profile.name), &profile)
    })
    .await?;
    Ok(Empty {})
}
