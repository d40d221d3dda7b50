//! Access keys of users. A secret is shown once, when the key is made; it is not stored.

use super::paging::listed;
use super::{Iam, names, quotas, show};
use crate::iam_shapes as shapes;
use crate::iam_shapes::*;
use crate::records::{self, AccessKey, Kind, LastUsed, View, put, save};
use crate::{IamError, Result, keys, random};
use danbi_core::{AccountId, RequestContext};
use danbi_wire::Empty;
use std::sync::Arc;

fn status(active: bool) -> String {
    if active { "Active" } else { "Inactive" }.into()
}

fn not_found(id: &str) -> IamError {
    IamError::NoSuchEntity(format!("The Access Key with id {id} cannot be found."))
}

/// The user whose keys a request is about. The root's own are in the platform's credentials file.
fn user(context: &RequestContext, given: Option<String>) -> Result<String> {
    names::user_or_caller(context, given)?.ok_or_else(|| {
        IamError::InvalidInput(
            "The root's access keys are kept in the platform's credentials file; name a user with UserName.".into(),
        )
    })
}

pub(super) async fn create(
    iam: Arc<Iam>,
    context: RequestContext,
    input: CreateAccessKeyRequest,
) -> Result<CreateAccessKeyResponse> {
    let (account, name) = (&context.scope.account, &user(&context, input.user_name)?);
    let id = &random::id("AKIA", 16)?;
    let salt = danbi_core::hex::encode(random::bytes::<16>()?);
    let (now, salt) = (iam.now(), &salt);
    iam.change(account, async |tx| {
        let mut user = records::get(&tx, account, Kind::User, name).await?;
        if user.keys.len() >= quotas::KEYS_PER_USER {
            return Err(quotas::exceeded("AccessKeysPerUser", quotas::KEYS_PER_USER));
        }
        user.keys.push(id.clone());
        let key = AccessKey {
            account: account.to_string(),
            user: user.name.clone(),
            user_id: user.id.clone(),
            active: true,
            created: now,
            salt: salt.clone(),
        };
        put(&tx, &keys::access_key(id), &key)?;
        save(&tx, account, &user)
    })
    .await?;
    Ok(CreateAccessKeyResponse {
        access_key: shapes::AccessKey {
            user_name: name.clone(),
            access_key_id: id.clone(),
            status: status(true),
            secret_access_key: iam.sessions.access_key_secret(id, salt).expose().to_owned(),
            create_date: Some(now),
        },
    })
}

pub(super) async fn list(
    iam: Arc<Iam>,
    context: RequestContext,
    input: ListAccessKeysRequest,
) -> Result<ListAccessKeysResponse> {
    let account = &context.scope.account;
    let view = iam.store.snapshot().await?;
    let mut found = Vec::new();
    match names::user_or_caller(&context, input.user_name)? {
        None => {
            let of_root = iam.root_keys.iter().filter(|(owner, _)| owner == account);
            found.extend(of_root.map(|(_, id)| AccessKeyMetadata {
                access_key_id: Some(id.clone()),
                status: Some(status(true)),
                ..AccessKeyMetadata::default()
            }));
        }
        Some(name) => {
            let user = records::get(&view, account, Kind::User, &name).await?;
            for id in user.keys {
                let key: Option<AccessKey> = view.record(&keys::access_key(&id)).await?;
                found.extend(key.map(|key| AccessKeyMetadata {
                    user_name: Some(key.user),
                    access_key_id: Some(id),
                    status: Some(status(key.active)),
                    create_date: Some(key.created),
                }));
            }
        }
    }
    let page = listed(found, input.max_items, input.marker.as_deref())?;
    Ok(ListAccessKeysResponse {
        is_truncated: page.truncated(),
        access_key_metadata: page.items,
        marker: page.marker,
    })
}

/// The key, if it is this user's.
async fn get(view: &impl View, account: &AccountId, user: &str, id: &str) -> Result<AccessKey> {
    let key: Option<AccessKey> = view.record(&keys::access_key(id)).await?;
    let own = |key: &AccessKey| key.account == account.as_str() && key.user == user;
    key.filter(own).ok_or_else(|| not_found(id))
}

pub(super) async fn update(iam: Arc<Iam>, context: RequestContext, input: UpdateAccessKeyRequest) -> Result<Empty> {
    let (account, id) = (&context.scope.account, &input.access_key_id);
    let name = &user(&context, input.user_name)?;
    let active = match input.status.as_str() {
        "Active" => true,
        "Inactive" => false,
        other => {
            return Err(IamError::InvalidInput(format!(
                "The status {other} cannot be set for an access key."
            )));
        }
    };
    iam.change(account, async |tx| {
        records::get(&tx, account, Kind::User, name).await?;
        let mut key = get(&tx, account, name, id).await?;
        key.active = active;
        put(&tx, &keys::access_key(id), &key)
    })
    .await?;
    Ok(Empty {})
}

pub(super) async fn delete(iam: Arc<Iam>, context: RequestContext, input: DeleteAccessKeyRequest) -> Result<Empty> {
    let (account, id) = (&context.scope.account, &input.access_key_id);
    let name = &user(&context, input.user_name)?;
    iam.change(account, async |tx| {
        let mut user = records::get(&tx, account, Kind::User, name).await?;
        get(&tx, account, name, id).await?;
        user.keys.retain(|have| have != id);
        tx.delete(&keys::access_key(id))?;
        tx.delete(&keys::last_used(id))?;
        save(&tx, account, &user)
    })
    .await?;
    Ok(Empty {})
}

pub(super) async fn last_used(
    iam: Arc<Iam>,
    context: RequestContext,
    input: GetAccessKeyLastUsedRequest,
) -> Result<GetAccessKeyLastUsedResponse> {
    let view = iam.store.snapshot().await?;
    let id = &input.access_key_id;
    let key: Option<AccessKey> = view.record(&keys::access_key(id)).await?;
    let key = key.filter(|key| key.account == context.scope.account.as_str());
    let key = key.ok_or_else(|| not_found(id))?;
    let used: Option<LastUsed> = view.record(&keys::last_used(id)).await?;
    Ok(GetAccessKeyLastUsedResponse {
        user_name: Some(key.user),
        access_key_last_used: Some(show::last_used(used)),
    })
}
