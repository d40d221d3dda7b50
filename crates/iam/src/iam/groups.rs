//! Groups and who is in them.

use super::paging::stored;
use super::show::{self, Detail};
use super::users::{check_bare, move_use, new_identity, remove as remove_identity, store_new, taken};
use super::{Iam, quotas};
use crate::iam_shapes::*;
use crate::records::{self, Identity, Kind, View, save};
use crate::{IamError, Result, keys};
use danbi_core::{AccountId, RequestContext};
use danbi_store::{KeyRange, Transaction};
use danbi_wire::Empty;
use std::sync::Arc;

/// The most members that a renaming rewrites in its one transaction.
const MEMBERS_RENAMED: usize = 5000;

pub(super) async fn create(
    iam: Arc<Iam>,
    context: RequestContext,
    input: CreateGroupRequest,
) -> Result<CreateGroupResponse> {
    let account = &context.scope.account;
    let group = new_identity(&iam, Kind::Group, input.group_name, input.path)?;
    store_new(&iam, account, &group).await?;
    Ok(CreateGroupResponse {
        group: show::group(&group, account),
    })
}

pub(super) async fn get(iam: Arc<Iam>, context: RequestContext, input: GetGroupRequest) -> Result<GetGroupResponse> {
    let account = &context.scope.account;
    let view = iam.store.snapshot().await?;
    let group = records::get(&view, account, Kind::Group, &input.group_name).await?;
    let members = keys::members(account, &group.name);
    let name = |_: &[u8], value: &[u8]| Ok(Some(String::from_utf8_lossy(value).into_owned()));
    let page = stored(&view, members, input.max_items, input.marker.as_deref(), name).await?;
    let mut users = Vec::with_capacity(page.items.len());
    for name in &page.items {
        if let Some(user) = records::find(&view, account, Kind::User, name).await? {
            users.push(show::user(&user, account, Detail::Listed));
        }
    }
    Ok(GetGroupResponse {
        group: show::group(&group, account),
        users,
        is_truncated: page.truncated(),
        marker: page.marker,
    })
}

pub(super) async fn list(
    iam: Arc<Iam>,
    context: RequestContext,
    input: ListGroupsRequest,
) -> Result<ListGroupsResponse> {
    let account = &context.scope.account;
    let prefix = input.path_prefix.unwrap_or_else(|| "/".into());
    let view = iam.store.snapshot().await?;
    let all = keys::identities(account, Kind::Group);
    let page = stored(&view, all, input.max_items, input.marker.as_deref(), |_, value| {
        let group: Identity = records::decode(value)?;
        let matches = group.path.starts_with(&prefix);
        Ok(matches.then(|| show::group(&group, account)))
    })
    .await?;
    Ok(ListGroupsResponse {
        is_truncated: page.truncated(),
        groups: page.items,
        marker: page.marker,
    })
}

pub(super) async fn update(iam: Arc<Iam>, context: RequestContext, input: UpdateGroupRequest) -> Result<Empty> {
    let (account, input) = (&context.scope.account, &input);
    iam.change(account, async |tx| {
        let mut group = records::get(&tx, account, Kind::Group, &input.group_name).await?;
        if let Some(path) = &input.new_path {
            group.path = path.clone();
        }
        match input.new_group_name.as_deref().filter(|name| *name != group.name) {
            Some(name) => rename(&tx, account, group, name).await,
            None => save(&tx, account, &group),
        }
    })
    .await?;
    Ok(Empty {})
}

/// Gives a group another name wherever the old one is written.
async fn rename(tx: &Transaction, account: &AccountId, mut group: Identity, name: &str) -> Result<()> {
    let (old_key, new_key) = (
        keys::identity(account, Kind::Group, &group.name),
        keys::identity(account, Kind::Group, name),
    );
    if old_key != new_key && tx.value(&new_key).await?.is_some() {
        return Err(taken(Kind::Group, name));
    }
    tx.delete(&old_key)?;
    for policy in &group.attached {
        move_use(tx, account, policy, "attached", &group, name)?;
    }
    let members = KeyRange::prefix(keys::members(account, &group.name));
    for (key, value) in tx.page(members, MEMBERS_RENAMED).await?.entries {
        let user = String::from_utf8_lossy(&value).into_owned();
        tx.delete(&key)?;
        tx.put(&keys::member(account, name, &user), value)?;
        if let Some(mut user) = records::find(tx, account, Kind::User, &user).await? {
            for entry in user.groups.iter_mut().filter(|entry| **entry == group.name) {
                *entry = name.into();
            }
            save(tx, account, &user)?;
        }
    }
    group.name = name.into();
    save(tx, account, &group)
}

pub(super) async fn delete(iam: Arc<Iam>, context: RequestContext, input: DeleteGroupRequest) -> Result<Empty> {
    let (account, input) = (&context.scope.account, &input);
    iam.change(account, async |tx| {
        let group = records::get(&tx, account, Kind::Group, &input.group_name).await?;
        if !tx.is_empty(keys::members(account, &group.name)).await? {
            return Err(IamError::DeleteConflict(
                "Cannot delete entity, must remove users from group first.",
            ));
        }
        check_bare(&group)?;
        remove_identity(&tx, account, &group).await
    })
    .await?;
    Ok(Empty {})
}

pub(super) async fn add(iam: Arc<Iam>, context: RequestContext, input: AddUserToGroupRequest) -> Result<Empty> {
    let (account, input) = (&context.scope.account, &input);
    iam.change(account, async |tx| {
        let group = records::get(&tx, account, Kind::Group, &input.group_name).await?;
        let mut user = records::get(&tx, account, Kind::User, &input.user_name).await?;
        if user.groups.contains(&group.name) {
            return Ok(());
        }
        if user.groups.len() >= quotas::GROUPS_PER_USER {
            return Err(quotas::exceeded("GroupsPerUser", quotas::GROUPS_PER_USER));
        }
        tx.put(&keys::member(account, &group.name, &user.name), user.name.clone())?;
        user.groups.push(group.name);
        save(&tx, account, &user)
    })
    .await?;
    Ok(Empty {})
}

pub(super) async fn remove(iam: Arc<Iam>, context: RequestContext, input: RemoveUserFromGroupRequest) -> Result<Empty> {
    let (account, input) = (&context.scope.account, &input);
    iam.change(account, async |tx| {
        let group = records::get(&tx, account, Kind::Group, &input.group_name).await?;
        let mut user = records::get(&tx, account, Kind::User, &input.user_name).await?;
        tx.delete(&keys::member(account, &group.name, &user.name))?;
        user.groups.retain(|name| *name != group.name);
        save(&tx, account, &user)
    })
    .await?;
    Ok(Empty {})
}
