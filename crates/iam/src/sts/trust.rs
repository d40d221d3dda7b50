//! A role's trust policy as the resource's side of assuming it.

use crate::records::{self, Kind};
use async_trait::async_trait;
use danbi_core::{
    Access, AccountId, Arn, PolicyUse, Refusal, RequestContext, ResourcePolicySource, ResourceSide, ServiceError,
};
use danbi_store::Store;

/// The trust policies of roles: asked for `sts:AssumeRole` and what goes with it.
#[derive(Clone)]
pub struct TrustPolicies {
    store: Store,
}

impl std::fmt::Debug for TrustPolicies {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("TrustPolicies(…)")
    }
}

impl TrustPolicies {
    /// Those of the roles in `store`.
    pub fn new(store: Store) -> Self {
        Self { store }
    }
}

#[async_trait]
impl ResourcePolicySource for TrustPolicies {
    async fn resource_policy(&self, resource: &Arn) -> Result<Option<String>, ServiceError> {
        let path = resource
            .resource
            .strip_prefix("role/")
            .filter(|_| resource.service == "iam");
        let name = path.and_then(|path| path.rsplit('/').next());
        let (Some(name), Ok(account)) = (name, resource.account.parse::<AccountId>()) else {
            return Ok(None);
        };
        let view = self.store.snapshot().await.map_err(crate::IamError::from)?;
        let role = records::find(&view, &account, Kind::Role, name).await?;
        let role = role.filter(|role| role.arn(&account) == resource.to_string());
        Ok(role.and_then(|role| Some(role.role?.trust)))
    }

    async fn resource_side(&self, context: &RequestContext, access: &Access) -> Result<ResourceSide, ServiceError> {
        let Ok(arn) = access.resource.parse::<Arn>() else {
            return Ok(ResourceSide::default());
        };
        if arn.service != "iam" {
            return Ok(ResourceSide::default());
        }
        let who = context.principal.arn().unwrap_or_else(|| "anonymous".into());
        let (action, resource) = (access.action, &access.resource);
        // AWS does not say whether there is such a role.
        let message = format!("User: {who} is not authorized to perform: {action} on resource: {resource}");
        Ok(ResourceSide {
            policy: self.resource_policy(&arn).await?.map(Into::into),
            policy_use: PolicyUse::Required,
            refusal: Some(Refusal::Error(ServiceError::client("AccessDenied", 403, message))),
            ..ResourceSide::default()
        })
    }
}
