//! Rotation: `EnableKeyRotation`, `DisableKeyRotation`, `GetKeyRotationStatus`, `RotateKeyOnDemand`, `ListKeyRotations`.
//!
//! A rotation adds a generation of material and keeps all before it, so that what they encrypted still opens.

use super::change;
use super::create::fresh_material;
use crate::error::{Error, Result};
use crate::names::KeyName;
use crate::record::{Key, Material, Regions, Rotation, expiration_model};
use crate::shapes::{
    DisableKeyRotationRequest, EnableKeyRotationRequest, GetKeyRotationStatusRequest, GetKeyRotationStatusResponse,
    ListKeyRotationsRequest, ListKeyRotationsResponse, RotateKeyOnDemandRequest, RotateKeyOnDemandResponse,
    RotationsListEntry,
};
use crate::spec::KeySpec;
use crate::{Kms, catalog, paging};
use danbi_core::{RequestContext, Scope, Timestamp};
use danbi_store::Transaction;
use danbi_wire::Empty;
use std::sync::Arc;

/// Days between two rotations, unless the request says otherwise.
const USUAL_DAYS: i32 = 365;
/// How often a key may be rotated because somebody asks for it: AWS's quota.
const MAX_ON_DEMAND: usize = 25;

/// Makes sure that the key can be rotated by itself.
///
/// # Errors
/// `UnsupportedOperationException`; AWS says nothing more of keys that are not symmetric.
fn check_rotates(scope: &Scope, key: &Key) -> Result<()> {
    if key.spec != KeySpec::Symmetric {
        return Err(Error::unsupported(""));
    }
    if !key.made_here {
        let message = format!(
            "{} origin is EXTERNAL which is not valid for this operation.",
            key.arn(scope)
        );
        return Err(Error::unsupported(message));
    }
    check_primary(scope, key)
}

/// Rotation of related keys is the primary's.
fn check_primary(scope: &Scope, key: &Key) -> Result<()> {
    match &key.regions {
        Some(Regions { primary, .. }) if primary != scope.region.as_str() => {
            let message = format!("{} is not a multi-region primary key.", key.arn(scope));
            Err(Error::unsupported(message))
        }
        _ => Ok(()),
    }
}

/// EnableKeyRotation.
pub(crate) async fn enable(kms: Arc<Kms>, context: RequestContext, input: EnableKeyRotationRequest) -> Result<Empty> {
    let now = kms.now();
    let period_days = input.rotation_period_in_days.unwrap_or(USUAL_DAYS);
    change(&kms, &context, &input.key_id, |scope, key| {
        key.check_enabled(scope, now)?;
        check_rotates(scope, key)?;
        let same = key.rotation.filter(|rotation| rotation.period_days == period_days);
        key.rotation = Some(same.unwrap_or(Rotation {
            period_days,
            next: kms.days_after(now, period_days),
        }));
        Ok(Empty {})
    })
    .await
}

/// DisableKeyRotation.
pub(crate) async fn disable(kms: Arc<Kms>, context: RequestContext, input: DisableKeyRotationRequest) -> Result<Empty> {
    let now = kms.now();
    change(&kms, &context, &input.key_id, |scope, key| {
        key.check_enabled(scope, now)?;
        check_rotates(scope, key)?;
        key.rotation = None;
        Ok(Empty {})
    })
    .await
}

/// GetKeyRotationStatus. A replica tells what its primary key does.
pub(crate) async fn status(
    kms: Arc<Kms>,
    context: RequestContext,
    input: GetKeyRotationStatusRequest,
) -> Result<GetKeyRotationStatusResponse> {
    let (scope, id) = KeyName::parse_id(&context, &input.key_id)?;
    let view = kms.snapshot().await?;
    let key = catalog::by_id(&view, &scope, &id).await?;
    if key.spec != KeySpec::Symmetric {
        return Err(Error::unsupported(""));
    }
    let rotation = match &key.regions {
        Some(regions) if regions.primary != scope.region.as_str() => {
            let primary = region_scope(&scope, &regions.primary)?;
            catalog::by_id(&view, &primary, &id).await?.rotation
        }
        _ => key.rotation,
    };
    Ok(GetKeyRotationStatusResponse {
        key_rotation_enabled: Some(rotation.is_some()),
        key_id: Some(key.arn(&scope)),
        rotation_period_in_days: rotation.map(|rotation| rotation.period_days),
        next_rotation_date: rotation.map(|rotation| rotation.next),
        on_demand_rotation_start_date: None,
    })
}

/// The same account in another region.
///
/// # Errors
/// `ValidationException`.
pub(crate) fn region_scope(scope: &Scope, region: &str) -> Result<Scope> {
    let region = region
        .parse()
        .map_err(|_| Error::validation(format!("{region} is not a region.")))?;
    Ok(Scope {
        account: scope.account.clone(),
        region,
    })
}

/// RotateKeyOnDemand: done when it is answered.
pub(crate) async fn on_demand(
    kms: Arc<Kms>,
    context: RequestContext,
    input: RotateKeyOnDemandRequest,
) -> Result<RotateKeyOnDemandResponse> {
    let (scope, id) = KeyName::parse_id(&context, &input.key_id)?;
    let now = kms.now();
    let arn = kms
        .store
        .transact(async |tx: Transaction| {
            let mut key = catalog::by_id(&tx, &scope, &id).await?;
            key.check_enabled(&scope, now)?;
            if key.spec != KeySpec::Symmetric {
                return Err(Error::unsupported(""));
            }
            check_primary(&scope, &key)?;
            let by_demand = |material: &&Material| matches!(material.rotated, Some((_, true)));
            if key.materials.iter().filter(by_demand).count() >= MAX_ON_DEMAND {
                let message = format!(
                    "The on-demand rotations limit has been reached for the given keyId. No more on-demand rotations can \
                     be performed for this key: {}",
                    key.arn(&scope)
                );
                return Err(Error::client("LimitExceededException", message));
            }
            rotate(&kms, &scope, &mut key, now, true)?;
            save_related(&kms, &tx, &scope, &mut key).await?;
            Ok(key.arn(&scope))
        })
        .await?;
    Ok(RotateKeyOnDemandResponse { key_id: Some(arn) })
}

/// Gives the key a new current generation: fresh material, or the imported one that waits for it.
///
/// # Errors
/// `KMSInvalidStateException` when there is no imported material that waits.
pub(crate) fn rotate(kms: &Kms, scope: &Scope, key: &mut Key, now: Timestamp, on_demand: bool) -> Result<()> {
    if key.made_here {
        let mut fresh = fresh_material(kms, scope, key)?;
        fresh.rotated = Some((now, on_demand));
        key.materials.push(fresh);
        return Ok(());
    }
    let arn = key.arn(scope);
    let waiting = key.materials.iter_mut().find(|material| material.pending);
    let waiting = waiting.ok_or_else(|| {
        Error::state(format!(
            "No available key material pending rotation for the key: {arn}."
        ))
    })?;
    waiting.pending = false;
    waiting.rotated = Some((now, on_demand));
    Ok(())
}

/// Keeps a key, and gives its material to its replicas.
///
/// # Errors
/// [`Error::Store`], [`Error::Keyring`].
pub(crate) async fn save_related(kms: &Kms, tx: &Transaction, scope: &Scope, key: &mut Key) -> Result<()> {
    let replicas = key.regions.iter().flat_map(|regions| regions.replicas.clone());
    for region in replicas.collect::<Vec<_>>() {
        let there = region_scope(scope, &region)?;
        let mut replica = catalog::by_id(tx, &there, &key.id).await?;
        replica.materials = sealed_for(kms, scope, &there, key)?;
        catalog::save(tx, &there, &mut replica)?;
    }
    catalog::save(tx, scope, key)
}

/// The material of a key, sealed for the key of the same id in another region.
///
/// # Errors
/// [`Error::Keyring`].
pub(crate) fn sealed_for(kms: &Kms, scope: &Scope, there: &Scope, key: &Key) -> Result<Vec<Material>> {
    let sealed = |material: &Material| {
        let plain = material
            .sealed
            .as_deref()
            .map(|sealed| kms.open(scope, &key.id, sealed));
        let sealed = plain.transpose()?.map(|plain| kms.seal(there, &key.id, &plain));
        Ok(Material {
            sealed: sealed.transpose()?,
            ..material.clone()
        })
    };
    key.materials.iter().map(sealed).collect()
}

/// ListKeyRotations: newest last; with `ALL_KEY_MATERIAL` also the first material and what waits.
pub(crate) async fn list(
    kms: Arc<Kms>,
    context: RequestContext,
    input: ListKeyRotationsRequest,
) -> Result<ListKeyRotationsResponse> {
    let (scope, id) = KeyName::parse_id(&context, &input.key_id)?;
    let key = catalog::by_id(&kms.snapshot().await?, &scope, &id).await?;
    if key.spec != KeySpec::Symmetric {
        return Err(Error::unsupported(""));
    }
    let now = kms.now();
    let all = input.include_key_material.as_deref() == Some("ALL_KEY_MATERIAL");
    let after: usize = match paging::after(input.marker.as_deref())? {
        None => 0,
        Some(marker) => marker
            .parse()
            .map_err(|_| Error::client("InvalidMarkerException", "Could not deserialize marker"))?,
    };
    let current = key.current().map(|material| material.id.clone());
    let wanted = |material: &&Material| all || material.rotated.is_some();
    let limit = paging::limit(input.limit);
    let mut rest = key.materials.iter().filter(wanted).skip(after);
    let listed: Vec<_> = rest
        .by_ref()
        .take(limit)
        .map(|material| entry(&key, &scope, material, current.as_deref(), now))
        .collect();
    let more = rest.next().is_some();
    Ok(ListKeyRotationsResponse {
        next_marker: more.then(|| paging::marker(&(after + listed.len()).to_string())),
        rotations: Some(listed),
        truncated: Some(more),
    })
}

fn entry(key: &Key, scope: &Scope, material: &Material, current: Option<&str>, now: Timestamp) -> RotationsListEntry {
    let imported = !key.made_here;
    let state = match () {
        () if material.pending => "PENDING_ROTATION",
        () if current == Some(&material.id) => "CURRENT",
        () => "NON_CURRENT",
    };
    let import_state = match material.is_there(now) {
        true => "IMPORTED",
        false => "PENDING_IMPORT",
    };
    RotationsListEntry {
        key_id: Some(key.arn(scope)),
        key_material_id: Some(material.id.clone()),
        key_material_description: material.description.clone(),
        import_state: imported.then(|| import_state.into()),
        key_material_state: Some(state.into()),
        expiration_model: imported.then(|| expiration_model(material).into()),
        valid_to: material.valid_to,
        rotation_date: material.rotated.map(|(at, _)| at),
        rotation_type: material
            .rotated
            .map(|(_, on_demand)| if on_demand { "ON_DEMAND" } else { "AUTOMATIC" }.into()),
    }
}
