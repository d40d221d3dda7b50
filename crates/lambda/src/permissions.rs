//! AddPermission, GetPolicy, RemovePermission: the resource policies of functions, versions and aliases; and how IAM
//! reads them.

use crate::lambda::{Lambda, version};
use crate::names::{FunctionId, FunctionRef, LayerId, Qualifier};
use crate::policy::{Grant, Policy, statement_text};
use crate::records::{Alias, Function, Read, Version, new_revision, put};
use crate::shapes::{
    AddPermissionRequest, AddPermissionResponse, GetPolicyRequest, GetPolicyResponse, RemovePermissionRequest,
};
use crate::{Error, aliases, keys};
use async_trait::async_trait;
use danbi_core::{Arn, RequestContext, ResourcePolicySource, ServiceError};
use danbi_store::{Store, Transaction};
use danbi_wire::Empty;
use std::sync::Arc;

/// What a policy is attached to; its revision changes with the policy.
enum Holder {
    Latest(Box<Function>),
    Version(Box<Version>, u64),
    Alias(Alias, Box<str>),
}

impl Holder {
    async fn find(view: &impl Read, reference: &FunctionRef) -> Result<Self, Error> {
        let id = &reference.id;
        let function = view
            .function(id)
            .await?
            .ok_or_else(|| Error::function_not_found(id.arn()))?;
        let missing = || Error::function_not_found(reference.arn());
        Ok(match &reference.qualifier {
            None | Some(Qualifier::Latest) => Self::Latest(Box::new(function)),
            Some(Qualifier::Version(number)) => Self::Version(
                Box::new(version(view, id, *number).await?.ok_or_else(missing)?),
                *number,
            ),
            Some(Qualifier::Alias(name)) => {
                let alias = view.record(&keys::alias(id, name)).await?;
                Self::Alias(alias.ok_or_else(|| aliases::cannot_find(id, name))?, name.clone())
            }
            Some(Qualifier::Unknown(_)) => return Err(missing()),
        })
    }

    fn revision(&self) -> &str {
        match self {
            Self::Latest(function) => &function.latest.revision,
            Self::Version(version, _) => &version.revision,
            Self::Alias(alias, _) => &alias.revision,
        }
    }

    /// Gives it a new revision and writes it.
    fn touch(mut self, tx: &Transaction, id: &FunctionId) -> Result<(), Error> {
        match &mut self {
            Self::Latest(function) => {
                function.latest.touch();
                put(tx, &keys::function(id), function)
            }
            Self::Version(version, number) => {
                version.touch();
                put(tx, &keys::version(id, *number), version)
            }
            Self::Alias(alias, name) => {
                alias.revision = new_revision();
                put(tx, &keys::alias(id, name), alias)
            }
        }
    }
}

fn policy_key(reference: &FunctionRef) -> bytes::Bytes {
    let qualifier = reference
        .qualifier
        .as_ref()
        .map_or_else(|| "$LATEST".into(), ToString::to_string);
    keys::policy(&reference.id, &qualifier)
}

/// AddPermission.
pub(crate) async fn add(
    lambda: Arc<Lambda>,
    context: RequestContext,
    input: AddPermissionRequest,
) -> Result<AddPermissionResponse, Error> {
    let reference = FunctionRef::parse(&context.scope, &input.function_name, input.qualifier.as_deref())?;
    if reference.qualifier == Some(Qualifier::Latest) {
        return Err(Error::InvalidParameter(
            "We currently do not support adding policies for $LATEST.".into(),
        ));
    }
    if !crate::names::is_word(&input.statement_id) {
        let constraint = "Member must satisfy regular expression pattern: ([a-zA-Z0-9-_]+)";
        return Err(Error::constraint(&input.statement_id, "statementId", constraint));
    }
    let statement = lambda
        .store
        .transact(async |tx| {
            let holder = Holder::find(&tx, &reference).await?;
            if input
                .revision_id
                .as_ref()
                .is_some_and(|revision| revision != holder.revision())
            {
                return Err(Error::RevisionMismatch("GetPolicy"));
            }
            let grant = Grant {
                sid: &input.statement_id,
                action: &input.action,
                resource: reference.arn().to_string(),
                principal: &input.principal,
                source_arn: input.source_arn.as_deref(),
                source_account: input.source_account.as_deref(),
                organization: input.principal_org_id.as_deref(),
                event_source_token: input.event_source_token.as_deref(),
                url_auth_type: input.function_url_auth_type.as_deref(),
                via_url: input.invoked_via_function_url,
            };
            let statement = grant.statement()?;
            let key = policy_key(&reference);
            let mut policy: Policy = tx.record(&key).await?.unwrap_or_default();
            policy.add(statement.clone())?;
            put(&tx, &key, &policy)?;
            holder.touch(&tx, &reference.id)?;
            Ok(statement)
        })
        .await?;
    Ok(AddPermissionResponse {
        statement: Some(statement_text(&statement)),
    })
}

/// RemovePermission.
pub(crate) async fn remove(
    lambda: Arc<Lambda>,
    context: RequestContext,
    input: RemovePermissionRequest,
) -> Result<Empty, Error> {
    let reference = FunctionRef::parse(&context.scope, &input.function_name, input.qualifier.as_deref())?;
    lambda
        .store
        .transact(async |tx| {
            if tx.function(&reference.id).await?.is_none() {
                return Err(Error::NotFound(format!("No policy found for: {}", reference.id.arn())));
            }
            let holder = Holder::find(&tx, &reference).await?;
            let key = policy_key(&reference);
            let none = || Error::NotFound("No policy is associated with the given resource.".into());
            let mut policy: Policy = tx.record(&key).await?.ok_or_else(none)?;
            policy.remove(&input.statement_id)?;
            if input
                .revision_id
                .as_ref()
                .is_some_and(|revision| revision != holder.revision())
            {
                return Err(Error::RevisionMismatch("GetFunction/GetAlias"));
            }
            if policy.statements.is_empty() {
                tx.delete(&key)?;
            } else {
                put(&tx, &key, &policy)?;
            }
            holder.touch(&tx, &reference.id)?;
            Ok::<_, Error>(Empty {})
        })
        .await
}

/// GetPolicy.
pub(crate) async fn get(
    lambda: Arc<Lambda>,
    context: RequestContext,
    input: GetPolicyRequest,
) -> Result<GetPolicyResponse, Error> {
    let reference = FunctionRef::parse(&context.scope, &input.function_name, input.qualifier.as_deref())?;
    let view = lambda.snapshot().await?;
    let none = || Error::NotFound("The resource you requested does not exist.".into());
    let policy: Policy = view.record(&policy_key(&reference)).await?.ok_or_else(none)?;
    let holder = Holder::find(&view, &reference).await?;
    Ok(GetPolicyResponse {
        policy: Some(policy.document()),
        revision_id: Some(holder.revision().into()),
    })
}

/// Gives IAM the resource policies of functions and layers. Needs nothing but the store, so that it exists before the
/// service does, which itself needs IAM.
#[derive(Debug, Clone)]
pub struct ResourcePolicies {
    store: Store,
}

impl ResourcePolicies {
    /// Reads from the store that the service writes to.
    pub fn new(store: Store) -> Self {
        Self { store }
    }
}

#[async_trait]
impl ResourcePolicySource for ResourcePolicies {
    async fn resource_policy(&self, resource: &Arn) -> Result<Option<String>, ServiceError> {
        let key = if let Some(reference) = FunctionRef::from_arn(resource) {
            policy_key(&reference)
        } else if let Some((layer, Some(version))) = LayerId::from_arn(resource) {
            keys::layer_policy(&layer, version)
        } else {
            return Ok(None);
        };
        let view = self.store.snapshot().await.map_err(Error::from)?;
        let policy: Option<Policy> = view.record(&key).await?;
        Ok(policy.map(|policy| policy.document()))
    }
}
