//! Users.

use super::boundaries;
use super::paging::{listed, stored};
use super::show::{self, Detail};
use super::{Iam, names, quotas};
use crate::iam_shapes::*;
use crate::records::{self, AccessKey, Identity, Kind, View, find, put, save};
use crate::{IamError, Result, keys, random};
use danbi_core::{AccountId, RequestContext};
use danbi_store::Transaction;
use danbi_wire::Empty;
use std::sync::Arc;

/// A user, group or role that has nothing yet.
pub(super) fn new_identity(iam: &Iam, kind: Kind, name: String, path: Option<String>) -> Result<Identity> {
    Ok(Identity {
        kind,
        name,
        path: names::path(path),
        id: random::id(kind.id_prefix(), 17)?,
        created: iam.now(),
        inline: Default::default(),
        attached: Vec::new(),
        boundary: None,
        tags: Vec::new(),
        groups: Vec::new(),
        keys: Vec::new(),
        role: None,
    })
}

/// Stores a new user, group or role, unless its name is taken.
pub(super) async fn store_new(iam: &Iam, account: &AccountId, identity: &Identity) -> Result<()> {
    let key = keys::identity(account, identity.kind, &identity.name);
    let key = &key;
    iam.change(account, async |tx| {
        if tx.value(key).await?.is_some() {
            return Err(taken(identity.kind, &identity.name));
        }
        quotas::take(&tx, account, quotas::of(identity.kind)).await?;
        if let Some(boundary) = &identity.boundary {
            boundaries::begin(&tx, account, identity, boundary).await?;
        }
        save(&tx, account, identity)
    })
    .await
}

pub(super) fn taken(kind: Kind, name: &str) -> IamError {
    IamError::EntityAlreadyExists(format!("{} with name {name} already exists.", kind.title()))
}

pub(super) async fn create(
    iam: Arc<Iam>,
    context: RequestContext,
    input: CreateUserRequest,
) -> Result<CreateUserResponse> {
    let account = &context.scope.account;
    let mut user = new_identity(&iam, Kind::User, input.user_name, input.path)?;
    user.tags = names::tags(input.tags)?;
    user.boundary = input.permissions_boundary;
    store_new(&iam, account, &user).await?;
    Ok(CreateUserResponse {
        user: Some(show::user(&user, account, Detail::Created)),
    })
}

pub(super) async fn get(iam: Arc<Iam>, context: RequestContext, input: GetUserRequest) -> Result<GetUserResponse> {
    let account = &context.scope.account;
    let Some(name) = names::user_or_caller(&context, input.user_name)? else {
        // The root is no user, and AWS answers for it all the same.
        let root = User {
            path: "/".into(),
            user_id: account.to_string(),
            arn: format!("arn:aws:iam::{account}:root"),
            ..User::default()
        };
        return Ok(GetUserResponse { user: root });
    };
    let user = records::get(&iam.store.snapshot().await?, account, Kind::User, &name).await?;
    Ok(GetUserResponse {
        user: show::user(&user, account, Detail::Whole),
    })
}

pub(super) async fn list(iam: Arc<Iam>, context: RequestContext, input: ListUsersRequest) -> Result<ListUsersResponse> {
    let account = &context.scope.account;
    let prefix = input.path_prefix.unwrap_or_else(|| "/".into());
    let view = iam.store.snapshot().await?;
    let all = keys::identities(account, Kind::User);
    let page = stored(&view, all, input.max_items, input.marker.as_deref(), |_, value| {
        let user: Identity = records::decode(value)?;
        let matches = user.path.starts_with(&prefix);
        Ok(matches.then(|| show::user(&user, account, Detail::Listed)))
    })
    .await?;
    Ok(ListUsersResponse {
        is_truncated: page.truncated(),
        users: page.items,
        marker: page.marker,
    })
}

pub(super) async fn groups(
    iam: Arc<Iam>,
    context: RequestContext,
    input: ListGroupsForUserRequest,
) -> Result<ListGroupsForUserResponse> {
    let account = &context.scope.account;
    let view = iam.store.snapshot().await?;
    let user = records::get(&view, account, Kind::User, &input.user_name).await?;
    let mut groups = Vec::new();
    for name in &user.groups {
        if let Some(group) = find(&view, account, Kind::Group, name).await? {
            groups.push(show::group(&group, account));
        }
    }
    let page = listed(groups, input.max_items, input.marker.as_deref())?;
    Ok(ListGroupsForUserResponse {
        is_truncated: page.truncated(),
        groups: page.items,
        marker: page.marker,
    })
}

pub(super) async fn update(iam: Arc<Iam>, context: RequestContext, input: UpdateUserRequest) -> Result<Empty> {
    let (account, input) = (&context.scope.account, &input);
    iam.change(account, async |tx| {
        let mut user = records::get(&tx, account, Kind::User, &input.user_name).await?;
        if let Some(path) = &input.new_path {
            user.path = path.clone();
        }
        match input.new_user_name.as_deref().filter(|name| *name != user.name) {
            Some(name) => rename(&tx, account, user, name).await,
            None => save(&tx, account, &user),
        }
    })
    .await?;
    Ok(Empty {})
}

/// Gives a user another name wherever the old one is written.
async fn rename(tx: &Transaction, account: &AccountId, mut user: Identity, name: &str) -> Result<()> {
    let (old_key, new_key) = (
        keys::identity(account, Kind::User, &user.name),
        keys::identity(account, Kind::User, name),
    );
    if old_key != new_key && tx.value(&new_key).await?.is_some() {
        return Err(taken(Kind::User, name));
    }
    tx.delete(&old_key)?;
    for policy in &user.attached {
        move_use(tx, account, policy, "attached", &user, name)?;
    }
    if let Some(boundary) = &user.boundary {
        move_use(tx, account, boundary, "boundary", &user, name)?;
    }
    for group in &user.groups {
        tx.delete(&keys::member(account, group, &user.name))?;
        tx.put(&keys::member(account, group, name), name.to_owned())?;
    }
    for id in &user.keys {
        let key = keys::access_key(id);
        if let Some(mut record) = tx.record::<AccessKey>(&key).await? {
            record.user = name.into();
            put(tx, &key, &record)?;
        }
    }
    user.name = name.into();
    save(tx, account, &user)
}

/// Writes that a policy is used under a new name.
pub(super) fn move_use(
    tx: &Transaction,
    account: &AccountId,
    policy: &str,
    use_: &str,
    old: &Identity,
    name: &str,
) -> Result<()> {
    tx.delete(&keys::user_of_policy(account, policy, use_, old.kind, &old.name))?;
    let key = keys::user_of_policy(account, policy, use_, old.kind, name);
    Ok(tx.put(&key, name.to_owned())?)
}

/// What must be gone before a user, group or role can be deleted.
pub(super) fn check_bare(identity: &Identity) -> Result<()> {
    if !identity.attached.is_empty() {
        return Err(IamError::DeleteConflict(
            "Cannot delete entity, must detach all policies first.",
        ));
    }
    if !identity.inline.is_empty() {
        return Err(IamError::DeleteConflict(
            "Cannot delete entity, must delete policies first.",
        ));
    }
    Ok(())
}

/// Deletes the record, the count and the boundary of what nothing hangs on any more.
pub(super) async fn remove(tx: &Transaction, account: &AccountId, identity: &Identity) -> Result<()> {
    if let Some(boundary) = &identity.boundary {
        boundaries::end(tx, account, identity, boundary).await?;
    }
    quotas::give_back(tx, account, quotas::of(identity.kind)).await?;
    Ok(tx.delete(&keys::identity(account, identity.kind, &identity.name))?)
}

pub(super) async fn delete(iam: Arc<Iam>, context: RequestContext, input: DeleteUserRequest) -> Result<Empty> {
    let (account, input) = (&context.scope.account, &input);
    iam.change(account, async |tx| {
        let user = records::get(&tx, account, Kind::User, &input.user_name).await?;
        if !user.groups.is_empty() {
            return Err(IamError::DeleteConflict(
                "Cannot delete entity, must remove users from group first.",
            ));
        }
        if !user.keys.is_empty() {
            return Err(IamError::DeleteConflict(
                "Cannot delete entity, must delete access keys first.",
            ));
        }
        check_bare(&user)?;
        remove(&tx, account, &user).await
    })
    .await?;
    Ok(Empty {})
}
