//! The APIs' own policies, for the authorizer.

use super::compiled::Cache;
use async_trait::async_trait;
use danbi_core::{Arn, ResourcePolicySource, ServiceError};
use danbi_store::Store;

/// Gives the policy of the API that a stage serves to the authorizer.
#[derive(Debug)]
pub struct ApiPolicies {
    store: Store,
    cache: Cache,
}

impl ApiPolicies {
    /// Those of the APIs in `store`.
    pub fn new(store: Store) -> Self {
        Self {
            store,
            cache: Cache::default(),
        }
    }
}

#[async_trait]
impl ResourcePolicySource for ApiPolicies {
    async fn resource_policy(&self, resource: &Arn) -> Result<Option<String>, ServiceError> {
        let mut parts = resource.resource.splitn(3, '/');
        let (Some(api), Some(stage)) = (parts.next(), parts.next()) else {
            return Ok(None);
        };
        let compiled = self.cache.stage(&self.store, api, stage).await?;
        Ok(compiled.and_then(|compiled| compiled.definition.api.policy.clone()))
    }
}
