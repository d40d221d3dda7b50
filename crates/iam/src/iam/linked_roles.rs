//! Service-linked roles: roles that belong to a service and that nobody else changes.
//!
//! They are deleted at once, so a deletion task has always succeeded: no service of this platform holds on to one.

use super::linked_services::{LINKED, WITH_SUFFIX};
use super::policies::{self, Use};
use super::show::{self, Detail};
use super::users::{new_identity, remove};
use super::{Iam, quotas, roles};
use crate::iam_shapes::*;
use crate::records::{self, Kind, RoleFacts, View, save};
use crate::{IamError, Result, keys};
use danbi_core::{RequestContext, RequestId};
use std::sync::Arc;

const PATH: &str = "/aws-service-role/";

pub(super) async fn create(
    iam: Arc<Iam>,
    context: RequestContext,
    input: CreateServiceLinkedRoleRequest,
) -> Result<CreateServiceLinkedRoleResponse> {
    let (account, service) = (&context.scope.account, &input.aws_service_name);
    let short = service.strip_suffix(".amazonaws.com").unwrap_or(service);
    let (_, role, policy) = LINKED
        .iter()
        .find(|(name, ..)| *name == short)
        .ok_or_else(|| IamError::InvalidInput(format!("Service Role for {service} is not supported.")))?;
    let name = match &input.custom_suffix {
        None => format!("AWSServiceRoleFor{role}"),
        Some(suffix) if WITH_SUFFIX.contains(&short) => format!("AWSServiceRoleFor{role}_{suffix}"),
        Some(_) => {
            return Err(IamError::InvalidInput(format!(
                "Custom suffix is not allowed for {service}"
            )));
        }
    };
    let mut linked = new_identity(&iam, Kind::Role, name, Some(format!("{PATH}{service}/")))?;
    let trust = serde_json::json!({
        "Version": "2012-10-17",
        "Statement": [{"Action": "sts:AssumeRole", "Effect": "Allow", "Principal": {"Service": service}}],
    });
    linked.role = Some(RoleFacts {
        trust: trust.to_string(),
        description: input.description,
        max_session: roles::DEFAULT_SESSION,
        service: Some(service.clone()),
    });
    let policy = &format!("arn:aws:iam::aws:policy{PATH}{policy}");
    linked.attached.push(policy.clone());
    let linked = &linked;
    iam.change(account, async |tx| {
        let key = keys::identity(account, Kind::Role, &linked.name);
        if tx.value(&key).await?.is_some() {
            return Err(IamError::InvalidInput(format!(
                "Service role name {} has been taken in this account, please try a different suffix.",
                linked.name
            )));
        }
        quotas::take(&tx, account, quotas::of(Kind::Role)).await?;
        policies::begin_use(&tx, account, policy, Use::Attached, linked).await?;
        save(&tx, account, linked)
    })
    .await?;
    Ok(CreateServiceLinkedRoleResponse {
        role: Some(show::role(linked, account, Detail::Created)?),
    })
}

pub(super) async fn delete(
    iam: Arc<Iam>,
    context: RequestContext,
    input: DeleteServiceLinkedRoleRequest,
) -> Result<DeleteServiceLinkedRoleResponse> {
    let (account, name) = (&context.scope.account, input.role_name.as_str());
    let role = iam
        .change(account, async |tx| {
            let role = records::get(&tx, account, Kind::Role, name).await?;
            if role.role()?.service.is_none() {
                return Err(IamError::NoSuchEntity(format!(
                    "The role with name {name} cannot be found."
                )));
            }
            for policy in &role.attached {
                policies::end_use(&tx, account, policy, Use::Attached, &role).await?;
            }
            remove(&tx, account, &role).await?;
            Ok(role)
        })
        .await?;
    let task = RequestId::new();
    Ok(DeleteServiceLinkedRoleResponse {
        deletion_task_id: format!("task{}{}/{task}", role.path, role.name),
    })
}

pub(super) async fn deletion_status(
    _: Arc<Iam>,
    _: RequestContext,
    input: GetServiceLinkedRoleDeletionStatusRequest,
) -> Result<GetServiceLinkedRoleDeletionStatusResponse> {
    let id = &input.deletion_task_id;
    let unknown = || IamError::NoSuchEntity(format!("The deletion task {id} cannot be found."));
    let mut parts = id
        .strip_prefix("task")
        .and_then(|rest| rest.strip_prefix(PATH))
        .ok_or_else(unknown)?
        .split('/');
    let (_, _, task) = (parts.next(), parts.next(), parts.next());
    task.filter(|task| task.len() == 36).ok_or_else(unknown)?;
    Ok(GetServiceLinkedRoleDeletionStatusResponse {
        status: "SUCCEEDED".into(),
        reason: None,
    })
}
