//! Imported material: `GetParametersForImport`, `ImportKeyMaterial`, `DeleteImportedKeyMaterial`.

use super::rotation::save_related;
use super::{aside, find};
use crate::asymmetric;
use crate::error::{Error, Result};
use crate::names::KeyName;
use crate::record::{Key, Material, View, encode};
use crate::shapes::{
    DeleteImportedKeyMaterialRequest, DeleteImportedKeyMaterialResponse, GetParametersForImportRequest,
    GetParametersForImportResponse, ImportKeyMaterialRequest, ImportKeyMaterialResponse,
};
use crate::spec::KeySpec;
use crate::{Kms, catalog, keys};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use danbi_core::{RequestContext, Scope, Timestamp};
use danbi_store::Transaction;
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use zeroize::Zeroizing;

/// How long a wrapping key is good for: 24 hours.
const VALID_MILLIS: i64 = 24 * 3600 * 1000;
/// How long imported material may be valid for, in days.
const MAX_VALID_DAYS: i32 = 365;
/// Wrapping keys of one key that may wait at the same time; the oldest gives way.
const MAX_WAITING: usize = 10;

/// The private half of a wrapping key.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct ImportKey {
    sealed: String,
    algorithm: String,
    until: Timestamp,
}

fn check_external(scope: &Scope, key: &Key) -> Result<()> {
    if !key.made_here {
        return Ok(());
    }
    let message = format!(
        "{} origin is AWS_KMS which is not valid for this operation.",
        key.arn(scope)
    );
    Err(Error::unsupported(message))
}

/// GetParametersForImport.
pub(crate) async fn parameters(
    kms: Arc<Kms>,
    context: RequestContext,
    input: GetParametersForImportRequest,
) -> Result<GetParametersForImportResponse> {
    let (scope, id) = KeyName::parse_id(&context, &input.key_id)?;
    let (_, key) = find(&kms, &context, &input.key_id).await?;
    check_external(&scope, &key)?;
    key.check_not_doomed(&scope)?;
    let spec = KeySpec::parse(&input.wrapping_key_spec)?;
    match input.wrapping_algorithm.as_str() {
        "RSAES_OAEP_SHA_1" | "RSAES_OAEP_SHA_256" | "RSA_AES_KEY_WRAP_SHA_1" | "RSA_AES_KEY_WRAP_SHA_256" => {}
        other => return Err(Error::not_built(&format!("WrappingAlgorithm {other}"))),
    }
    let pair = aside(move || asymmetric::generate(spec)).await?;
    let until = kms.now().plus_millis(VALID_MILLIS);
    // Ids that begin with the time lie oldest first.
    let token = format!("{:016x}-{}", until.as_millis(), uuid::Uuid::new_v4().as_simple());
    let record = ImportKey {
        sealed: kms.seal(&scope, &id, &pair.private)?,
        algorithm: input.wrapping_algorithm.clone(),
        until,
    };
    kms.store
        .transact(async |tx: Transaction| {
            // A key that was removed meanwhile gets no leftovers.
            catalog::by_id(&tx, &scope, &id).await?;
            let waiting = tx.page(keys::below(keys::imports(&scope, &id)), MAX_WAITING).await?;
            if waiting.entries.len() == MAX_WAITING
                && let Some((oldest, _)) = waiting.entries.first()
            {
                tx.delete(oldest)?;
            }
            tx.put(&keys::import(&scope, &id, &token), encode(&record)?)?;
            Ok::<_, Error>(())
        })
        .await?;
    Ok(GetParametersForImportResponse {
        key_id: Some(key.arn(&scope)),
        import_token: Some(token_blob(&id, &token).into()),
        public_key: Some(pair.public.into()),
        parameters_valid_to: Some(until),
    })
}

fn token_blob(id: &str, token: &str) -> Vec<u8> {
    URL_SAFE_NO_PAD
        .encode(format!("danbi import 1\n{id}\n{token}"))
        .into_bytes()
}

/// The id of the wrapping key that a token names, of this key.
fn read_token(id: &str, blob: &[u8]) -> Result<String> {
    let invalid = || Error::client("InvalidImportTokenException", "");
    let text = URL_SAFE_NO_PAD.decode(blob).map_err(|_| invalid())?;
    let text = String::from_utf8(text).map_err(|_| invalid())?;
    let prefix = format!("danbi import 1\n{id}\n");
    match text.strip_prefix(&prefix) {
        Some(token) if token.len() <= 64 => Ok(token.to_owned()),
        _ => Err(invalid()),
    }
}

/// Until when material is to be valid.
fn valid_to(kms: &Kms, input: &ImportKeyMaterialRequest) -> Result<Option<Timestamp>> {
    let now = kms.now();
    match (input.expiration_model.as_deref(), input.valid_to) {
        (Some("KEY_MATERIAL_DOES_NOT_EXPIRE"), None) => Ok(None),
        (Some("KEY_MATERIAL_DOES_NOT_EXPIRE"), Some(_)) => Err(Error::validation(
            "A validTo date cannot be set if the ExpirationModel is KEY_MATERIAL_DOES_NOT_EXPIRE",
        )),
        (_, None) => Err(Error::validation(
            "A validTo date must be set if the ExpirationModel is KEY_MATERIAL_EXPIRES",
        )),
        (_, Some(until)) if until <= now || until > kms.days_after(now, MAX_VALID_DAYS) => Err(Error::validation(
            "The validTo date must be in the future, and within 365 days.",
        )),
        (_, Some(until)) => Ok(Some(until)),
    }
}

/// ImportKeyMaterial.
pub(crate) async fn import(
    kms: Arc<Kms>,
    context: RequestContext,
    input: ImportKeyMaterialRequest,
) -> Result<ImportKeyMaterialResponse> {
    let (scope, id) = KeyName::parse_id(&context, &input.key_id)?;
    let view = kms.snapshot().await?;
    let key = catalog::by_id(&view, &scope, &id).await?;
    check_external(&scope, &key)?;
    key.check_not_doomed(&scope)?;
    let until = valid_to(&kms, &input)?;
    let place = keys::import(&scope, &id, &read_token(&id, &input.import_token)?);
    let wrapping: Option<ImportKey> = view.record(&place).await?;
    let wrapping = wrapping.filter(|wrapping| kms.now() < wrapping.until);
    let wrapping = wrapping.ok_or_else(|| Error::client("ExpiredImportTokenException", ""))?;
    let private = kms.open(&scope, &id, &wrapping.sealed)?;
    let (algorithm, wrapped) = (wrapping.algorithm, input.encrypted_key_material.clone());
    let plain = aside(move || asymmetric::unwrap(&private, &algorithm, &wrapped)).await?;
    let material = read_material(&kms, &scope, &key, plain, until, &input)?;
    let material_id = kms
        .store
        .transact(async |tx: Transaction| {
            let mut key = catalog::by_id(&tx, &scope, &id).await?;
            key.check_not_doomed(&scope)?;
            // Once deleted, a token is used up, also for a request that runs at the same time.
            if tx.get(&place).await?.is_none() {
                return Err(Error::client("ExpiredImportTokenException", ""));
            }
            take_in(&scope, &mut key, material.clone(), input.import_type.as_deref())?;
            save_related(&kms, &tx, &scope, &mut key).await?;
            Ok(material.id.clone())
        })
        .await?;
    Ok(ImportKeyMaterialResponse {
        key_id: Some(key.arn(&scope)),
        key_material_id: (key.spec == KeySpec::Symmetric).then_some(material_id),
    })
}

/// The material that was unwrapped, as the key's spec wants it.
///
/// # Errors
/// `InvalidCiphertextException`, `IncorrectKeyMaterialException`.
fn read_material(
    kms: &Kms,
    scope: &Scope,
    key: &Key,
    plain: Option<Zeroizing<Vec<u8>>>,
    until: Option<Timestamp>,
    input: &ImportKeyMaterialRequest,
) -> Result<Material> {
    let plain = plain.ok_or_else(Error::invalid_ciphertext)?;
    let public = match key.spec.random_bytes() {
        Some(length) if plain.len() == length => None,
        // HMAC keys of other lengths than their digest's are AWS's to refuse, too.
        Some(_) => return Err(Error::client("IncorrectKeyMaterialException", "")),
        None => {
            let pair = asymmetric::import(key.spec, &plain);
            let pair = pair.ok_or_else(|| Error::client("IncorrectKeyMaterialException", ""))?;
            Some(pair.public)
        }
    };
    let mut material = super::create::sealed(kms, scope, key, &plain, public.as_deref())?;
    material.valid_to = until;
    material.description.clone_from(&input.key_material_description);
    if input
        .key_material_id
        .as_ref()
        .is_some_and(|named| *named != material.id)
    {
        return Err(Error::client("IncorrectKeyMaterialException", ""));
    }
    Ok(material)
}

/// Puts imported material into its place: again where it was, as the first, or waiting for a rotation.
///
/// # Errors
/// `IncorrectKeyMaterialException`, `KMSInvalidStateException`.
fn take_in(scope: &Scope, key: &mut Key, mut material: Material, import_type: Option<&str>) -> Result<()> {
    if let Some(before) = key.materials.iter_mut().find(|before| before.id == material.id) {
        (material.pending, material.rotated) = (before.pending, before.rotated);
        *before = material;
        return Ok(());
    }
    if key.materials.is_empty() {
        key.materials.push(material);
        return Ok(());
    }
    if import_type != Some("NEW_KEY_MATERIAL") || key.spec != KeySpec::Symmetric {
        // AWS keeps what was encrypted readable: a key takes back its own material alone.
        return Err(Error::client("IncorrectKeyMaterialException", ""));
    }
    if let Some(waiting) = key.materials.iter().find(|material| material.pending) {
        return Err(Error::state(format!(
            "New key material (id: {}) cannot be imported into KMS key {}, because another key material (id: {}) is \
             pending rotation.",
            material.id,
            key.arn(scope),
            waiting.id
        )));
    }
    material.pending = true;
    key.materials.push(material);
    Ok(())
}

/// DeleteImportedKeyMaterial: the current material, unless the request names one.
pub(crate) async fn delete(
    kms: Arc<Kms>,
    context: RequestContext,
    input: DeleteImportedKeyMaterialRequest,
) -> Result<DeleteImportedKeyMaterialResponse> {
    let (scope, id) = KeyName::parse_id(&context, &input.key_id)?;
    kms.store
        .transact(async |tx: Transaction| {
            let mut key = catalog::by_id(&tx, &scope, &id).await?;
            check_external(&scope, &key)?;
            key.check_not_doomed(&scope)?;
            let current = key.current().map(|material| material.id.clone());
            let wanted = input.key_material_id.clone().or(current);
            let found = key
                .materials
                .iter_mut()
                .find(|material| Some(&material.id) == wanted.as_ref());
            match found {
                Some(material) => (material.sealed, material.valid_to) = (None, None),
                None if input.key_material_id.is_some() => {
                    return Err(Error::not_found("The key has no such key material."));
                }
                None => {}
            }
            save_related(&kms, &tx, &scope, &mut key).await?;
            Ok(DeleteImportedKeyMaterialResponse {
                key_id: Some(key.arn(&scope)),
                key_material_id: wanted.filter(|_| key.spec == KeySpec::Symmetric),
            })
        })
        .await
}

/// Drops material that has expired.
pub(crate) fn expire(key: &mut Key, now: Timestamp) {
    for material in &mut key.materials {
        if !material.is_there(now) {
            material.sealed = None;
        }
    }
}
