//! `GenerateDataKey`, `GenerateDataKeyWithoutPlaintext`.

use super::{check_dry_run, check_recipient, check_tokens, encrypt, find};
use crate::Kms;
use crate::ciphertext::{self, EncryptionContext};
use crate::error::{Error, Result};
use crate::record::Key;
use crate::shapes::{
    GenerateDataKeyRequest, GenerateDataKeyResponse, GenerateDataKeyWithoutPlaintextRequest,
    GenerateDataKeyWithoutPlaintextResponse,
};
use crate::spec::{KeySpec, KeyUsage};
use danbi_core::{RequestContext, Scope};
use std::sync::Arc;
use zeroize::Zeroizing;

/// Random bytes, in the clear and sealed.
pub(crate) struct Generated {
    pub scope: Scope,
    pub key: Key,
    pub plain: Zeroizing<Vec<u8>>,
    pub sealed: Vec<u8>,
}

/// What both operations are asked.
struct Asked<'r> {
    key_id: &'r str,
    key_spec: Option<&'r str>,
    bytes: Option<i32>,
    context: EncryptionContext,
    tokens: Option<&'r Vec<String>>,
    dry_run: Option<bool>,
    operation: &'static str,
}

/// Makes sure that a key may make data keys.
///
/// # Errors
/// Those of using a key.
pub(crate) fn check(kms: &Kms, scope: &Scope, key: &Key, operation: &str, context: &EncryptionContext) -> Result<()> {
    key.check_enabled(scope, kms.now())?;
    key.check_usage(scope, KeyUsage::Encrypt, operation)?;
    if key.spec != KeySpec::Symmetric {
        let message = format!(
            "{} key spec is {} which is not valid for {operation}.",
            key.arn(scope),
            key.spec.name()
        );
        return Err(Error::usage(message));
    }
    ciphertext::check_context(context)
}

async fn generate(kms: &Kms, context: &RequestContext, asked: Asked<'_>) -> Result<Generated> {
    check_tokens(asked.tokens)?;
    let length = match (asked.key_spec, asked.bytes) {
        (Some("AES_256"), None) => 32,
        (Some(_), None) => 16,
        (None, Some(bytes)) => usize::try_from(bytes).unwrap_or(0).clamp(1, 1024),
        _ => {
            let message = "Please specify either number of bytes or key spec.";
            return Err(Error::validation(message));
        }
    };
    let (scope, key) = find(kms, context, asked.key_id).await?;
    check(kms, &scope, &key, asked.operation, &asked.context)?;
    check_dry_run(asked.dry_run)?;
    let mut plain = Zeroizing::new(vec![0; length]);
    getrandom::fill(&mut plain).map_err(|_| Error::Computation("drawing random bytes"))?;
    let sealed = encrypt::seal_data(kms, &scope, &key, &plain, &asked.context)?;
    Ok(Generated {
        scope,
        key,
        plain,
        sealed,
    })
}

/// GenerateDataKey.
pub(crate) async fn with_plaintext(
    kms: Arc<Kms>,
    context: RequestContext,
    input: GenerateDataKeyRequest,
) -> Result<GenerateDataKeyResponse> {
    check_recipient(input.recipient.as_ref())?;
    let made = generate(
        &kms,
        &context,
        Asked {
            key_id: &input.key_id,
            key_spec: input.key_spec.as_deref(),
            bytes: input.number_of_bytes,
            context: input.encryption_context.clone().unwrap_or_default(),
            tokens: input.grant_tokens.as_ref(),
            dry_run: input.dry_run,
            operation: "GenerateDataKey",
        },
    )
    .await?;
    Ok(GenerateDataKeyResponse {
        ciphertext_blob: Some(made.sealed.into()),
        plaintext: Some(made.plain.to_vec().into()),
        key_id: Some(made.key.arn(&made.scope)),
        key_material_id: made.key.current().map(|material| material.id.clone()),
        ..GenerateDataKeyResponse::default()
    })
}

/// GenerateDataKeyWithoutPlaintext.
pub(crate) async fn without_plaintext(
    kms: Arc<Kms>,
    context: RequestContext,
    input: GenerateDataKeyWithoutPlaintextRequest,
) -> Result<GenerateDataKeyWithoutPlaintextResponse> {
    let made = generate(
        &kms,
        &context,
        Asked {
            key_id: &input.key_id,
            key_spec: input.key_spec.as_deref(),
            bytes: input.number_of_bytes,
            context: input.encryption_context.clone().unwrap_or_default(),
            tokens: input.grant_tokens.as_ref(),
            dry_run: input.dry_run,
            operation: "GenerateDataKeyWithoutPlaintext",
        },
    )
    .await?;
    Ok(GenerateDataKeyWithoutPlaintextResponse {
        ciphertext_blob: Some(made.sealed.into()),
        key_id: Some(made.key.arn(&made.scope)),
        key_material_id: made.key.current().map(|material| material.id.clone()),
    })
}
