//! Roles: identities that others assume.

use super::paging::stored;
use super::show::{self, Detail};
use super::users::{check_bare, new_identity, remove, store_new};
use super::{Iam, documents, names};
use crate::iam_shapes::*;
use crate::records::{self, Identity, Kind, RoleFacts, View, save};
use crate::{IamError, Result, keys};
use danbi_core::{AccountId, RequestContext};
use danbi_wire::Empty;
use std::sync::Arc;

/// How long sessions may last when the role does not say, in seconds.
pub(super) const DEFAULT_SESSION: i32 = 3600;

pub(super) async fn create(
    iam: Arc<Iam>,
    context: RequestContext,
    input: CreateRoleRequest,
) -> Result<CreateRoleResponse> {
    let account = &context.scope.account;
    let path = names::path(input.path);
    if path.starts_with("/aws-service-role/") {
        return Err(IamError::Validation(
            "The specified path is reserved for service-linked roles.".into(),
        ));
    }
    let trust = documents::check_trust(&input.assume_role_policy_document)?;
    let view = iam.store.snapshot().await?;
    documents::check_trusted(&view, &input.assume_role_policy_document, &trust).await?;
    let mut role = new_identity(&iam, Kind::Role, input.role_name, Some(path))?;
    role.tags = names::tags(input.tags)?;
    role.boundary = input.permissions_boundary;
    role.role = Some(RoleFacts {
        trust: input.assume_role_policy_document,
        description: input.description,
        max_session: input.max_session_duration.unwrap_or(DEFAULT_SESSION),
        service: None,
    });
    store_new(&iam, account, &role).await?;
    let mut shown = show::role(&role, account, Detail::Created)?;
    shown.max_session_duration = input.max_session_duration;
    Ok(CreateRoleResponse { role: shown })
}

pub(super) async fn get(iam: Arc<Iam>, context: RequestContext, input: GetRoleRequest) -> Result<GetRoleResponse> {
    let account = &context.scope.account;
    let role = records::get(&iam.store.snapshot().await?, account, Kind::Role, &input.role_name).await?;
    Ok(GetRoleResponse {
        role: show::role(&role, account, Detail::Whole)?,
    })
}

pub(super) async fn list(iam: Arc<Iam>, context: RequestContext, input: ListRolesRequest) -> Result<ListRolesResponse> {
    let account = &context.scope.account;
    let prefix = input.path_prefix.unwrap_or_else(|| "/".into());
    let view = iam.store.snapshot().await?;
    let all = keys::identities(account, Kind::Role);
    let page = stored(&view, all, input.max_items, input.marker.as_deref(), |_, value| {
        let role: Identity = records::decode(value)?;
        match role.path.starts_with(&prefix) {
            true => show::role(&role, account, Detail::Listed).map(Some),
            false => Ok(None),
        }
    })
    .await?;
    Ok(ListRolesResponse {
        is_truncated: page.truncated(),
        roles: page.items,
        marker: page.marker,
    })
}

/// Refuses to change what belongs to a service.
pub(super) fn check_changeable(role: &Identity) -> Result<()> {
    match role.role.as_ref().and_then(|facts| facts.service.as_ref()) {
        Some(service) => Err(IamError::Unmodifiable(format!(
            "Cannot perform the operation on the protected role '{}' - this role is only modifiable by AWS, for \
             {service}",
            role.name
        ))),
        None => Ok(()),
    }
}

/// Changes a role that is no service's.
async fn change(
    iam: &Iam,
    account: &AccountId,
    name: &str,
    change: impl Fn(&mut RoleFacts) + Sync,
) -> Result<Identity> {
    let change = &change;
    iam.change(account, async |tx| {
        let mut role = records::get(&tx, account, Kind::Role, name).await?;
        check_changeable(&role)?;
        change(role.role_mut()?);
        save(&tx, account, &role)?;
        Ok(role)
    })
    .await
}

pub(super) async fn update(
    iam: Arc<Iam>,
    context: RequestContext,
    input: UpdateRoleRequest,
) -> Result<UpdateRoleResponse> {
    change(&iam, &context.scope.account, &input.role_name, |role| {
        if let Some(description) = &input.description {
            role.description = Some(description.clone());
        }
        role.max_session = input.max_session_duration.unwrap_or(DEFAULT_SESSION);
    })
    .await?;
    Ok(UpdateRoleResponse {})
}

pub(super) async fn describe(
    iam: Arc<Iam>,
    context: RequestContext,
    input: UpdateRoleDescriptionRequest,
) -> Result<UpdateRoleDescriptionResponse> {
    let account = &context.scope.account;
    let role = change(&iam, account, &input.role_name, |role| {
        role.description = Some(input.description.clone());
    })
    .await?;
    Ok(UpdateRoleDescriptionResponse {
        role: Some(show::role(&role, account, Detail::Listed)?),
    })
}

pub(super) async fn trust(
    iam: Arc<Iam>,
    context: RequestContext,
    input: UpdateAssumeRolePolicyRequest,
) -> Result<Empty> {
    let policy = documents::check_trust(&input.policy_document)?;
    let view = iam.store.snapshot().await?;
    documents::check_trusted(&view, &input.policy_document, &policy).await?;
    change(&iam, &context.scope.account, &input.role_name, |role| {
        role.trust = input.policy_document.clone();
    })
    .await?;
    Ok(Empty {})
}

pub(super) async fn delete(iam: Arc<Iam>, context: RequestContext, input: DeleteRoleRequest) -> Result<Empty> {
    let (account, input) = (&context.scope.account, &input);
    iam.change(account, async |tx| {
        let role = records::get(&tx, account, Kind::Role, &input.role_name).await?;
        check_changeable(&role)?;
        if !tx.is_empty(keys::profiles_of_role(account, &role.name)).await? {
            return Err(IamError::DeleteConflict(
                "Cannot delete entity, must remove roles from instance profile first.",
            ));
        }
        check_bare(&role)?;
        remove(&tx, account, &role).await
    })
    .await?;
    Ok(Empty {})
}
