//! What the authorizer asks about users, groups, roles and policies.

use crate::Result;
use crate::keys;
use crate::records::{self, Kind, Profile, Tags, View};
use async_trait::async_trait;
use danbi_core::{Access, AccountId, Arn, RequestContext, ResourcePolicySource, ResourceSide, ServiceError};
use danbi_store::Store;

/// The side of IAM's resources in a decision: their whole ARNs, with the path that access functions cannot know, and
/// their tags.
#[derive(Clone)]
pub struct IamResources {
    store: Store,
}

impl std::fmt::Debug for IamResources {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("IamResources(…)")
    }
}

impl IamResources {
    /// Those in `store`.
    pub fn new(store: Store) -> Self {
        Self { store }
    }

    async fn find(&self, account: &AccountId, kind: &str, name: &str, arn: &str) -> Result<Option<(String, Tags)>> {
        let view = self.store.snapshot().await?;
        if let Some(kind) = Kind::parse(kind) {
            let found = records::find(&view, account, kind, name).await?;
            return Ok(found.map(|found| (found.arn(account), found.tags)));
        }
        Ok(match kind {
            "policy" => {
                let found = super::policies::find(&view, account, arn).await?;
                found.map(|found| (found.arn(account), found.tags))
            }
            "instance-profile" => {
                let found: Option<Profile> = view.record(&keys::profile(account, name)).await?;
                found.filter(|found| found.name == name).map(|found| {
                    let arn = format!("arn:aws:iam::{account}:instance-profile{}{}", found.path, found.name);
                    (arn, found.tags)
                })
            }
            _ => None,
        })
    }
}

#[async_trait]
impl ResourcePolicySource for IamResources {
    async fn resource_policy(&self, _: &Arn) -> std::result::Result<Option<String>, ServiceError> {
        Ok(None)
    }

    async fn resource_side(
        &self,
        context: &RequestContext,
        access: &Access,
    ) -> std::result::Result<ResourceSide, ServiceError> {
        let mut side = ResourceSide {
            // AWS's own policies are read by everybody.
            owner: Some(context.scope.account.clone()),
            ..ResourceSide::default()
        };
        let Ok(arn) = access.resource.parse::<Arn>() else {
            return Ok(side);
        };
        let Ok(account) = arn.account.parse::<AccountId>() else {
            return Ok(side);
        };
        side.owner = Some(account.clone());
        let Some((kind, path)) = arn.resource.split_once('/') else {
            return Ok(side);
        };
        let name = path.rsplit('/').next().unwrap_or_default();
        if name.is_empty() || name == "*" {
            return Ok(side);
        }
        let found = self.find(&account, kind, name, &access.resource).await?;
        let Some((whole, tags)) = found else { return Ok(side) };
        if path.contains('/') && whole != access.resource {
            // Another path: it is to be made, or it is not there.
            return Ok(side);
        }
        side.resource = Some(whole);
        for (key, value) in tags {
            side.conditions
                .push((format!("aws:ResourceTag/{key}").into(), value.clone()));
            side.conditions.push((format!("iam:ResourceTag/{key}").into(), value));
        }
        Ok(side)
    }
}
