//! `Encrypt`, `Decrypt`, `ReEncrypt`.

use super::{aside, check_dry_run, check_recipient, check_tokens, find};
use crate::ciphertext::{self, EncryptionContext, Parsed};
use crate::error::{Error, Result};
use crate::names::KeyName;
use crate::record::{Key, Material};
use crate::shapes::{
    DecryptRequest, DecryptResponse, EncryptRequest, EncryptResponse, ReEncryptRequest, ReEncryptResponse,
};
use crate::spec::{KeySpec, KeyUsage};
use crate::{Kms, access, asymmetric, catalog};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use danbi_core::{RequestContext, Scope};
use std::sync::Arc;
use zeroize::Zeroizing;

const SYMMETRIC: &str = "SYMMETRIC_DEFAULT";

/// Encrypt.
pub(crate) async fn encrypt(kms: Arc<Kms>, context: RequestContext, input: EncryptRequest) -> Result<EncryptResponse> {
    check_tokens(input.grant_tokens.as_ref())?;
    let algorithm = input.encryption_algorithm.as_deref().unwrap_or(SYMMETRIC);
    let bound = input.encryption_context.unwrap_or_default();
    let (scope, key) = find(&kms, &context, &input.key_id).await?;
    check(&kms, &scope, &key, "Encrypt", algorithm, &bound)?;
    check_dry_run(input.dry_run)?;
    let sealed = seal(&kms, &scope, &key, algorithm, &input.plaintext, &bound)?;
    Ok(EncryptResponse {
        ciphertext_blob: Some(sealed.into()),
        key_id: Some(key.arn(&scope)),
        encryption_algorithm: Some(algorithm.into()),
    })
}

/// Makes sure that the key may encrypt, and by this algorithm.
fn check(
    kms: &Kms,
    scope: &Scope,
    key: &Key,
    operation: &str,
    algorithm: &str,
    context: &EncryptionContext,
) -> Result<()> {
    key.check_enabled(scope, kms.now())?;
    key.check_usage(scope, KeyUsage::Encrypt, operation)?;
    key.check_algorithm(algorithm)?;
    if key.spec != KeySpec::Symmetric && !context.is_empty() {
        let message = "EncryptionContext is not supported for asymmetric keys.";
        return Err(Error::validation(message));
    }
    ciphertext::check_context(context)
}

/// Encrypts under the current material.
fn seal(
    kms: &Kms,
    scope: &Scope,
    key: &Key,
    algorithm: &str,
    plain: &[u8],
    context: &EncryptionContext,
) -> Result<Vec<u8>> {
    let current = key
        .current()
        .ok_or(Error::Computation("a usable key has no material"))?;
    if key.spec == KeySpec::Symmetric {
        let material = kms.material(scope, key)?;
        return ciphertext::encrypt(&key.arn(scope), &current.id, &material, plain, context);
    }
    asymmetric::encrypt(key.spec, &public(current)?, algorithm, plain)
}

/// The public half of asymmetric material.
///
/// # Errors
/// [`Error::Damaged`].
pub(super) fn public(material: &Material) -> Result<Vec<u8>> {
    let text = material.public.as_deref();
    let bytes = text.and_then(|text| STANDARD.decode(text).ok());
    bytes.ok_or_else(|| Error::Damaged("an asymmetric key has no public half".into()))
}

/// Seals for a data key or a pair, under a symmetric key.
///
/// # Errors
/// As Encrypt.
pub(crate) fn seal_data(
    kms: &Kms,
    scope: &Scope,
    key: &Key,
    plain: &[u8],
    context: &EncryptionContext,
) -> Result<Vec<u8>> {
    seal(kms, scope, key, SYMMETRIC, plain, context)
}

/// What was decrypted.
pub(crate) struct Opened {
    pub scope: Scope,
    pub key: Key,
    pub plain: Zeroizing<Vec<u8>>,
    /// The id of the material that had encrypted it, of a symmetric key.
    pub material_id: Option<String>,
}

/// Finds the key and decrypts.
///
/// # Errors
/// `InvalidCiphertextException`, `IncorrectKeyException`, and those of using a key.
pub(crate) async fn open(
    kms: &Kms,
    context: &RequestContext,
    key_id: Option<&str>,
    algorithm: &str,
    sealed: &[u8],
    bound: &EncryptionContext,
    operation: &str,
) -> Result<Opened> {
    ciphertext::check_context(bound)?;
    let parsed = ciphertext::parse(sealed).filter(|_| algorithm == SYMMETRIC);
    let by = parsed.and_then(|parsed| access::key_of(context, parsed.key_arn));
    let (scope, key) = match (key_id, &by) {
        (Some(key_id), _) => {
            let found = find(kms, context, key_id).await?;
            let is_other = by.as_ref().is_some_and(|by| found.1.arn(&found.0) != *by);
            if is_other {
                return Err(Error::incorrect_key());
            }
            found
        }
        (None, Some(by)) => catalog::find(&kms.snapshot().await?, &KeyName::parse(context, by)?).await?,
        (None, None) if algorithm == SYMMETRIC => return Err(Error::invalid_ciphertext()),
        (None, None) => return Err(Error::validation("KeyId is required for asymmetric decryption.")),
    };
    check(kms, &scope, &key, operation, algorithm, bound)?;
    let (plain, material_id) = match parsed {
        Some(parsed) => {
            let material = material_of(&key, &parsed).ok_or_else(Error::invalid_ciphertext)?;
            let opened = open_material(kms, &scope, &key, material)?;
            (parsed.decrypt(&opened, bound)?, Some(material.id.clone()))
        }
        None if key.spec == KeySpec::Symmetric => return Err(Error::invalid_ciphertext()),
        None => {
            let private = kms.material(&scope, &key)?;
            let (algorithm, sealed) = (algorithm.to_owned(), sealed.to_vec());
            let opened = aside(move || asymmetric::decrypt(&private, &algorithm, &sealed)).await?;
            (opened.ok_or_else(Error::invalid_ciphertext)?, None)
        }
    };
    Ok(Opened {
        scope,
        key,
        plain,
        material_id,
    })
}

/// The generation of material that encrypted a ciphertext.
fn material_of<'k>(key: &'k Key, parsed: &Parsed<'_>) -> Option<&'k Material> {
    key.materials.iter().find(|material| parsed.is_by(&material.id))
}

/// # Errors
/// `KMSInvalidStateException` for imported material that is gone.
fn open_material(kms: &Kms, scope: &Scope, key: &Key, material: &Material) -> Result<Zeroizing<Vec<u8>>> {
    let there = material.sealed.as_deref().filter(|_| material.is_there(kms.now()));
    let gone = || Error::state(format!("{} is pending import.", key.arn(scope)));
    kms.open(scope, &key.id, there.ok_or_else(gone)?)
}

/// Decrypt.
pub(crate) async fn decrypt(kms: Arc<Kms>, context: RequestContext, input: DecryptRequest) -> Result<DecryptResponse> {
    check_tokens(input.grant_tokens.as_ref())?;
    check_recipient(input.recipient.as_ref())?;
    let blob = input.ciphertext_blob.ok_or_else(missing_blob)?;
    let algorithm = input.encryption_algorithm.as_deref().unwrap_or(SYMMETRIC);
    let bound = input.encryption_context.unwrap_or_default();
    let opened = open(
        &kms,
        &context,
        input.key_id.as_deref(),
        algorithm,
        &blob,
        &bound,
        "Decrypt",
    )
    .await?;
    check_dry_run(input.dry_run)?;
    Ok(DecryptResponse {
        key_id: Some(opened.key.arn(&opened.scope)),
        plaintext: Some(opened.plain.to_vec().into()),
        encryption_algorithm: Some(algorithm.into()),
        key_material_id: opened.material_id,
        ..DecryptResponse::default()
    })
}

/// ReEncrypt.
pub(crate) async fn re_encrypt(
    kms: Arc<Kms>,
    context: RequestContext,
    input: ReEncryptRequest,
) -> Result<ReEncryptResponse> {
    check_tokens(input.grant_tokens.as_ref())?;
    let blob = input.ciphertext_blob.ok_or_else(missing_blob)?;
    let from = input.source_encryption_algorithm.as_deref().unwrap_or(SYMMETRIC);
    let to = input.destination_encryption_algorithm.as_deref().unwrap_or(SYMMETRIC);
    let from_bound = input.source_encryption_context.unwrap_or_default();
    let to_bound = input.destination_encryption_context.unwrap_or_default();
    let source_id = input.source_key_id.as_deref();
    let opened = open(&kms, &context, source_id, from, &blob, &from_bound, "ReEncryptFrom").await?;
    let (scope, key) = find(&kms, &context, &input.destination_key_id).await?;
    check(&kms, &scope, &key, "ReEncryptTo", to, &to_bound)?;
    check_dry_run(input.dry_run)?;
    let sealed = seal(&kms, &scope, &key, to, &opened.plain, &to_bound)?;
    let material = key.current().filter(|_| key.spec == KeySpec::Symmetric);
    Ok(ReEncryptResponse {
        ciphertext_blob: Some(sealed.into()),
        source_key_id: Some(opened.key.arn(&opened.scope)),
        key_id: Some(key.arn(&scope)),
        source_encryption_algorithm: Some(from.into()),
        destination_encryption_algorithm: Some(to.into()),
        source_key_material_id: opened.material_id,
        destination_key_material_id: material.map(|material| material.id.clone()),
    })
}

fn missing_blob() -> Error {
    Error::validation("CiphertextBlob is required.")
}
