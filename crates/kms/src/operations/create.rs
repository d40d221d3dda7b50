//! `CreateKey`.

use super::aside;
use crate::error::{Error, Result};
use crate::record::{Key, Material, Regions};
use crate::shapes::{CreateKeyRequest, CreateKeyResponse};
use crate::spec::{KeySpec, KeyUsage};
use crate::{Kms, asymmetric, catalog, ciphertext, names, policy, tags};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use danbi_core::{RequestContext, Scope, Timestamp};
use std::collections::BTreeSet;
use std::sync::Arc;
use zeroize::Zeroizing;

/// What a new key must have.
pub(crate) struct NewKey {
    pub id: String,
    pub spec: KeySpec,
    pub usage: KeyUsage,
    pub policy: String,
}

impl NewKey {
    /// The record of a customer's key whose material is made here, as yet without.
    pub(crate) fn record(self, now: Timestamp) -> Key {
        Key {
            id: self.id,
            description: String::new(),
            spec: self.spec,
            usage: self.usage,
            made_here: true,
            managed_for: None,
            created: now,
            disabled: false,
            deletion: None,
            policy: self.policy,
            tags: Default::default(),
            materials: Vec::new(),
            rotation: None,
            regions: None,
            grants: 0,
            due: None,
        }
    }
}

/// CreateKey.
pub(crate) async fn create(
    kms: Arc<Kms>,
    context: RequestContext,
    input: CreateKeyRequest,
) -> Result<CreateKeyResponse> {
    let scope = context.scope.clone();
    let spec = match (input.key_spec.as_deref(), input.customer_master_key_spec.as_deref()) {
        (Some(_), Some(_)) => {
            let message = "You cannot specify KeySpec and CustomerMasterKeySpec in the same request. CustomerMasterKeySpec is \
                 deprecated.";
            return Err(Error::validation(message));
        }
        (spec, old) => KeySpec::parse(spec.or(old).unwrap_or("SYMMETRIC_DEFAULT"))?,
    };
    let usage = spec.usage(input.key_usage.as_deref())?;
    let made_here = match input.origin.as_deref() {
        None | Some("AWS_KMS") => true,
        Some("EXTERNAL") => false,
        Some(other) => return Err(Error::not_built(&format!("Origin {other}"))),
    };
    if input.custom_key_store_id.is_some() || input.xks_key_id.is_some() {
        return Err(Error::not_built("A key in a custom key store"));
    }
    let multi_region = input.multi_region.unwrap_or(false);
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
    let mut key = NewKey {
        id: names::new_key_id(multi_region),
        spec,
        usage,
        policy,
    }
    .record(now);
    key.description = input.description.clone().unwrap_or_default();
    key.made_here = made_here;
    key.tags = tags;
    key.regions = multi_region.then(|| Regions {
        primary: scope.region.to_string(),
        replicas: BTreeSet::new(),
    });
    if made_here {
        let material = match spec.is_asymmetric() {
            false => fresh_material(&kms, &scope, &key)?,
            true => {
                let pair = aside(move || asymmetric::generate(spec)).await?;
                sealed(&kms, &scope, &key, &pair.private, Some(&pair.public))?
            }
        };
        key.materials.push(material);
    }
    kms.store
        .transact(async |tx| catalog::save(&tx, &scope, &mut key.clone()))
        .await?;
    Ok(CreateKeyResponse {
        key_metadata: Some(key.metadata(&scope, now)),
    })
}

/// Random material of a key whose material is nothing but random bytes.
///
/// # Errors
/// [`Error::Computation`].
pub(crate) fn fresh_material(kms: &Kms, scope: &Scope, key: &Key) -> Result<Material> {
    let length = key.spec.random_bytes().ok_or(Error::Computation("making a key"))?;
    let mut bytes = Zeroizing::new(vec![0; length]);
    getrandom::fill(&mut bytes).map_err(|_| Error::Computation("drawing random bytes"))?;
    sealed(kms, scope, key, &bytes, None)
}

/// Material as it is kept.
///
/// # Errors
/// [`Error::Keyring`].
pub(crate) fn sealed(kms: &Kms, scope: &Scope, key: &Key, plain: &[u8], public: Option<&[u8]>) -> Result<Material> {
    Ok(Material {
        id: ciphertext::material_id(key, plain),
        sealed: Some(kms.seal(scope, &key.id, plain)?),
        public: public.map(|public| STANDARD.encode(public)),
        pending: false,
        rotated: None,
        valid_to: None,
        description: None,
    })
}
