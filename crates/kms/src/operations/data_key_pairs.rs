//! `GenerateDataKeyPair`, `GenerateDataKeyPairWithoutPlaintext`.

use super::{aside, check_dry_run, check_recipient, check_tokens, data_keys, encrypt, find};
use crate::Kms;
use crate::asymmetric::{self, Pair};
use crate::ciphertext::EncryptionContext;
use crate::error::{Error, Result};
use crate::record::Key;
use crate::shapes::{
    GenerateDataKeyPairRequest, GenerateDataKeyPairResponse, GenerateDataKeyPairWithoutPlaintextRequest,
    GenerateDataKeyPairWithoutPlaintextResponse,
};
use crate::spec::KeySpec;
use danbi_core::{RequestContext, Scope};
use std::sync::Arc;

/// What both operations are asked.
struct Asked<'r> {
    key_id: &'r str,
    spec: &'r str,
    context: EncryptionContext,
    tokens: Option<&'r Vec<String>>,
    dry_run: Option<bool>,
    operation: &'static str,
}

/// A pair, its private half sealed too.
struct Generated {
    scope: Scope,
    key: Key,
    pair: Pair,
    sealed: Vec<u8>,
}

async fn generate(kms: &Kms, context: &RequestContext, asked: Asked<'_>) -> Result<Generated> {
    check_tokens(asked.tokens)?;
    let spec = KeySpec::parse(asked.spec)?;
    if !spec.is_asymmetric() {
        return Err(Error::validation(format!("KeyPairSpec {} has no pairs.", asked.spec)));
    }
    let (scope, key) = find(kms, context, asked.key_id).await?;
    data_keys::check(kms, &scope, &key, asked.operation, &asked.context)?;
    check_dry_run(asked.dry_run)?;
    let pair = aside(move || asymmetric::generate(spec)).await?;
    let sealed = encrypt::seal_data(kms, &scope, &key, &pair.private, &asked.context)?;
    Ok(Generated {
        scope,
        key,
        pair,
        sealed,
    })
}

/// GenerateDataKeyPair.
pub(crate) async fn with_plaintext(
    kms: Arc<Kms>,
    context: RequestContext,
    input: GenerateDataKeyPairRequest,
) -> Result<GenerateDataKeyPairResponse> {
    check_recipient(input.recipient.as_ref())?;
    let made = generate(
        &kms,
        &context,
        Asked {
            key_id: &input.key_id,
            spec: &input.key_pair_spec,
            context: input.encryption_context.clone().unwrap_or_default(),
            tokens: input.grant_tokens.as_ref(),
            dry_run: input.dry_run,
            operation: "GenerateDataKeyPair",
        },
    )
    .await?;
    Ok(GenerateDataKeyPairResponse {
        private_key_ciphertext_blob: Some(made.sealed.into()),
        private_key_plaintext: Some(made.pair.private.to_vec().into()),
        public_key: Some(made.pair.public.into()),
        key_id: Some(made.key.arn(&made.scope)),
        key_pair_spec: Some(input.key_pair_spec),
        key_material_id: made.key.current().map(|material| material.id.clone()),
        ..GenerateDataKeyPairResponse::default()
    })
}

/// GenerateDataKeyPairWithoutPlaintext.
pub(crate) async fn without_plaintext(
    kms: Arc<Kms>,
    context: RequestContext,
    input: GenerateDataKeyPairWithoutPlaintextRequest,
) -> Result<GenerateDataKeyPairWithoutPlaintextResponse> {
    let made = generate(
        &kms,
        &context,
        Asked {
            key_id: &input.key_id,
            spec: &input.key_pair_spec,
            context: input.encryption_context.clone().unwrap_or_default(),
            tokens: input.grant_tokens.as_ref(),
            dry_run: input.dry_run,
            operation: "GenerateDataKeyPairWithoutPlaintext",
        },
    )
    .await?;
    Ok(GenerateDataKeyPairWithoutPlaintextResponse {
        private_key_ciphertext_blob: Some(made.sealed.into()),
        public_key: Some(made.pair.public.into()),
        key_id: Some(made.key.arn(&made.scope)),
        key_pair_spec: Some(input.key_pair_spec),
        key_material_id: made.key.current().map(|material| material.id.clone()),
    })
}
