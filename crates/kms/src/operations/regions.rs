//! Multi-region keys: `ReplicateKey`, `UpdatePrimaryRegion`.
//!
//! Related keys have one id and the same material in several regions of an account, and a policy, tags, aliases, grants
//! and a state of their own each. All regions are of one store, so that a change of all is one transaction.

use super::create::NewKey;
use super::rotation::{region_scope, sealed_for};
use crate::error::{Error, Result};
use crate::names::KeyName;
use crate::record::{Key, Regions};
use crate::shapes::{ReplicateKeyRequest, ReplicateKeyResponse, UpdatePrimaryRegionRequest};
use crate::{Kms, catalog, keys, policy, tags};
use danbi_core::{RequestContext, Scope};
use danbi_store::Transaction;
use danbi_wire::Empty;
use std::sync::Arc;

/// The related keys of a primary key.
///
/// # Errors
/// `UnsupportedOperationException`.
fn primary<'k>(scope: &Scope, key: &'k Key) -> Result<&'k Regions> {
    let regions = key.regions.as_ref();
    regions
        .filter(|regions| regions.primary == scope.region.as_str())
        .ok_or_else(|| Error::unsupported(format!("{} is not a multi-region primary key.", key.arn(scope))))
}

/// ReplicateKey.
pub(crate) async fn replicate(
    kms: Arc<Kms>,
    context: RequestContext,
    input: ReplicateKeyRequest,
) -> Result<ReplicateKeyResponse> {
    let (scope, id) = KeyName::parse_id(&context, &input.key_id)?;
    let there = region_scope(&scope, &input.replica_region)?;
    let policy = match &input.policy {
        Some(text) => {
            policy::check(&kms, text)?;
            super::policies::check_lockout(&kms, &context, text, input.bypass_policy_lockout_safety_check)?;
            text.clone()
        }
        None => policy::usual(&scope.account),
    };
    let tags = tags::read(input.tags.as_deref().unwrap_or_default())?;
    let now = kms.now();
    let replica = kms
        .store
        .transact(async |tx: Transaction| {
            let mut key = catalog::by_id(&tx, &scope, &id).await?;
            let mut regions = primary(&scope, &key)?.clone();
            key.check_enabled(&scope, now)?;
            if there == scope || tx.get(&keys::key(&there, &id)).await?.is_some() {
                let message = format!("{} already exists.", crate::names::key_arn(&there, &id));
                return Err(Error::client("AlreadyExistsException", message));
            }
            regions.replicas.insert(there.region.to_string());
            let mut replica = NewKey {
                id: id.clone(),
                spec: key.spec,
                usage: key.usage,
                policy: policy.clone(),
            }
            .record(now);
            replica.made_here = key.made_here;
            replica.description = input.description.clone().unwrap_or_default();
            replica.tags = tags.clone();
            // Imported material is brought into every region by itself.
            if key.made_here {
                replica.materials = sealed_for(&kms, &scope, &there, &key)?;
            }
            replica.regions = Some(regions.clone());
            key.regions = Some(regions.clone());
            catalog::save(&tx, &scope, &mut key)?;
            catalog::save(&tx, &there, &mut replica)?;
            tell_others(&tx, &scope, &id, &regions, &[&scope, &there]).await?;
            Ok(replica)
        })
        .await?;
    let mut metadata = replica.metadata(&there, now);
    // As AWS answers: the replica can be used when it is described next.
    metadata.key_state = Some("Creating".into());
    metadata.enabled = Some(false);
    metadata.current_key_material_id = None;
    Ok(ReplicateKeyResponse {
        replica_key_metadata: Some(metadata),
        replica_policy: Some(replica.policy),
        replica_tags: input.tags.as_ref().map(|_| tags::shown(&replica.tags)),
    })
}

/// Gives all related keys but some the same knowledge of each other.
///
/// # Errors
/// [`Error::Store`].
pub(crate) async fn tell_others(
    tx: &Transaction,
    scope: &Scope,
    id: &str,
    regions: &Regions,
    but: &[&Scope],
) -> Result<()> {
    for region in regions.all() {
        let there = region_scope(scope, region)?;
        if but.contains(&&there) {
            continue;
        }
        let mut related = catalog::by_id(tx, &there, id).await?;
        related.regions = Some(regions.clone());
        catalog::save(tx, &there, &mut related)?;
    }
    Ok(())
}

/// UpdatePrimaryRegion: the primary becomes a replica, and one of the replicas the primary, which rotates from then on.
pub(crate) async fn update_primary(
    kms: Arc<Kms>,
    context: RequestContext,
    input: UpdatePrimaryRegionRequest,
) -> Result<Empty> {
    let (scope, id) = KeyName::parse_id(&context, &input.key_id)?;
    let there = region_scope(&scope, &input.primary_region)?;
    let now = kms.now();
    kms.store
        .transact(async |tx: Transaction| {
            let mut key = catalog::by_id(&tx, &scope, &id).await?;
            let mut regions = primary(&scope, &key)?.clone();
            key.check_enabled(&scope, now)?;
            if there == scope {
                return Ok(Empty {});
            }
            let mut next = catalog::by_id(&tx, &there, &id).await?;
            next.check_enabled(&there, now)?;
            regions.replicas.remove(there.region.as_str());
            regions.replicas.insert(scope.region.to_string());
            regions.primary = there.region.to_string();
            next.rotation = key.rotation.take();
            next.regions = Some(regions.clone());
            key.regions = Some(regions.clone());
            catalog::save(&tx, &scope, &mut key)?;
            catalog::save(&tx, &there, &mut next)?;
            tell_others(&tx, &scope, &id, &regions, &[&scope, &there]).await?;
            Ok(Empty {})
        })
        .await
}
