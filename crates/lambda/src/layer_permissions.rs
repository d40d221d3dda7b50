//! AddLayerVersionPermission, GetLayerVersionPolicy, RemoveLayerVersionPermission.

use crate::lambda::Lambda;
use crate::layers::number;
use crate::names::LayerId;
use crate::policy::{Grant, Policy, statement_text};
use crate::records::{Read, new_revision, put};
use crate::shapes::{
    AddLayerVersionPermissionRequest, AddLayerVersionPermissionResponse, GetLayerVersionPolicyRequest,
    GetLayerVersionPolicyResponse, RemoveLayerVersionPermissionRequest,
};
use crate::{Error, keys};
use danbi_core::RequestContext;
use danbi_wire::Empty;
use std::sync::Arc;

async fn check_version(view: &impl Read, id: &LayerId, number: u64) -> Result<(), Error> {
    let missing = || {
        let arn = id.version_arn(number.cast_signed());
        Error::NotFound(format!("Layer version {arn} does not exist."))
    };
    view.read(&keys::layer_version(id, number))
        .await?
        .map(|_| ())
        .ok_or_else(missing)
}

fn check_revision(policy: &Policy, revision: Option<&String>) -> Result<(), Error> {
    if revision.is_some_and(|revision| *revision != policy.revision) {
        return Err(Error::RevisionMismatch("GetLayerPolicy"));
    }
    Ok(())
}

/// AddLayerVersionPermission.
pub(crate) async fn add(
    lambda: Arc<Lambda>,
    context: RequestContext,
    input: AddLayerVersionPermissionRequest,
) -> Result<AddLayerVersionPermissionResponse, Error> {
    let id = LayerId::parse(&context.scope, &input.layer_name)?;
    let number = number(input.version_number)?;
    if input.action != "lambda:GetLayerVersion" {
        let constraint = "Member must satisfy regular expression pattern: lambda:GetLayerVersion";
        return Err(Error::constraint(&input.action, "action", constraint));
    }
    let grant = Grant {
        sid: &input.statement_id,
        action: &input.action,
        resource: id.version_arn(input.version_number).to_string(),
        principal: &input.principal,
        organization: input.organization_id.as_deref(),
        ..Grant::default()
    };
    let statement = grant.statement()?;
    let revision = lambda
        .store
        .transact(async |tx| {
            check_version(&tx, &id, number).await?;
            let key = keys::layer_policy(&id, number);
            let mut policy: Policy = tx.record(&key).await?.unwrap_or_default();
            policy.add(statement.clone())?;
            check_revision(&policy, input.revision_id.as_ref())?;
            policy.revision = new_revision();
            put(&tx, &key, &policy)?;
            Ok::<_, Error>(policy.revision)
        })
        .await?;
    Ok(AddLayerVersionPermissionResponse {
        revision_id: Some(revision),
        statement: Some(statement_text(&statement)),
    })
}

/// RemoveLayerVersionPermission.
pub(crate) async fn remove(
    lambda: Arc<Lambda>,
    context: RequestContext,
    input: RemoveLayerVersionPermissionRequest,
) -> Result<Empty, Error> {
    let id = LayerId::parse(&context.scope, &input.layer_name)?;
    let number = number(input.version_number)?;
    lambda
        .store
        .transact(async |tx| {
            check_version(&tx, &id, number).await?;
            let key = keys::layer_policy(&id, number);
            let mut policy: Policy = tx.record(&key).await?.unwrap_or_default();
            check_revision(&policy, input.revision_id.as_ref())?;
            policy.remove(&input.statement_id)?;
            policy.revision = new_revision();
            if policy.statements.is_empty() {
                tx.delete(&key)?;
            } else {
                put(&tx, &key, &policy)?;
            }
            Ok::<_, Error>(Empty {})
        })
        .await
}

/// GetLayerVersionPolicy.
pub(crate) async fn get(
    lambda: Arc<Lambda>,
    context: RequestContext,
    input: GetLayerVersionPolicyRequest,
) -> Result<GetLayerVersionPolicyResponse, Error> {
    let id = LayerId::parse(&context.scope, &input.layer_name)?;
    let number = number(input.version_number)?;
    let view = lambda.snapshot().await?;
    check_version(&view, &id, number).await?;
    let policy: Option<Policy> = view.record(&keys::layer_policy(&id, number)).await?;
    let policy = policy.ok_or_else(|| Error::NotFound("No policy is associated with the given resource.".into()))?;
    Ok(GetLayerVersionPolicyResponse {
        policy: Some(policy.document()),
        revision_id: Some(policy.revision),
    })
}
