//! Permissions boundaries: the most that identity policies may grant.

use super::policies::{self, Use};
use super::{Iam, names, roles};
use crate::iam_shapes::*;
use crate::records::{self, Identity, Kind, save};
use crate::{IamError, Result};
use danbi_core::{AccountId, RequestContext};
use danbi_store::Transaction;
use danbi_wire::Empty;
use std::sync::Arc;

/// Writes that `identity` is bounded by `policy`.
pub(super) async fn begin(tx: &Transaction, account: &AccountId, identity: &Identity, policy: &str) -> Result<()> {
    names::policy_arn(policy)?;
    if !policies::exists(tx, account, policy).await? {
        return Err(IamError::NoSuchEntity(format!(
            "Scope ARN: {policy} does not exist or is not attachable."
        )));
    }
    policies::begin_use(tx, account, policy, Use::Boundary, identity).await
}

/// Writes that it is so no more.
pub(super) async fn end(tx: &Transaction, account: &AccountId, identity: &Identity, policy: &str) -> Result<()> {
    policies::end_use(tx, account, policy, Use::Boundary, identity).await
}

async fn put(iam: &Iam, account: &AccountId, kind: Kind, name: &str, policy: &str) -> Result<Empty> {
    iam.change(account, async |tx| {
        let mut identity = records::get(&tx, account, kind, name).await?;
        roles::check_changeable(&identity)?;
        if let Some(old) = identity.boundary.take() {
            end(&tx, account, &identity, &old).await?;
        }
        begin(&tx, account, &identity, policy).await?;
        identity.boundary = Some(policy.into());
        save(&tx, account, &identity)
    })
    .await?;
    Ok(Empty {})
}

async fn delete(iam: &Iam, account: &AccountId, kind: Kind, name: &str) -> Result<Empty> {
    iam.change(account, async |tx| {
        let mut identity = records::get(&tx, account, kind, name).await?;
        roles::check_changeable(&identity)?;
        let kind = kind.title().to_lowercase();
        let old = identity.boundary.take().ok_or_else(|| {
            IamError::NoSuchEntity(format!(
                "The permissions boundary of the {kind} {name} cannot be found."
            ))
        })?;
        end(&tx, account, &identity, &old).await?;
        save(&tx, account, &identity)
    })
    .await?;
    Ok(Empty {})
}

pub(super) async fn put_user(
    iam: Arc<Iam>,
    context: RequestContext,
    input: PutUserPermissionsBoundaryRequest,
) -> Result<Empty> {
    let account = &context.scope.account;
    put(&iam, account, Kind::User, &input.user_name, &input.permissions_boundary).await
}

pub(super) async fn put_role(
    iam: Arc<Iam>,
    context: RequestContext,
    input: PutRolePermissionsBoundaryRequest,
) -> Result<Empty> {
    let account = &context.scope.account;
    put(&iam, account, Kind::Role, &input.role_name, &input.permissions_boundary).await
}

pub(super) async fn delete_user(
    iam: Arc<Iam>,
    context: RequestContext,
    input: DeleteUserPermissionsBoundaryRequest,
) -> Result<Empty> {
    delete(&iam, &context.scope.account, Kind::User, &input.user_name).await
}

pub(super) async fn delete_role(
    iam: Arc<Iam>,
    context: RequestContext,
    input: DeleteRolePermissionsBoundaryRequest,
) -> Result<Empty> {
    delete(&iam, &context.scope.account, Kind::Role, &input.role_name).await
}
