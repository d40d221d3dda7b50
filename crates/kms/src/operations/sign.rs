//! `Sign`, `Verify`, `GetPublicKey`.

use super::{aside, check_dry_run, check_tokens, encrypt, find};
use crate::Kms;
use crate::asymmetric::{self, MAX_MESSAGE_BYTES, Message};
use crate::error::{Error, Result};
use crate::record::Key;
use crate::shapes::{
    GetPublicKeyRequest, GetPublicKeyResponse, SignRequest, SignResponse, VerifyRequest, VerifyResponse,
};
use crate::spec::KeyUsage;
use danbi_core::{RequestContext, Scope};
use std::sync::Arc;

fn check(kms: &Kms, scope: &Scope, key: &Key, operation: &str, algorithm: &str) -> Result<()> {
    key.check_enabled(scope, kms.now())?;
    key.check_usage(scope, KeyUsage::Sign, operation)?;
    key.check_algorithm(algorithm)
}

/// What a request wants signed.
fn message<'m>(kind: Option<&str>, bytes: &'m [u8]) -> Result<Message<'m>> {
    match kind {
        None | Some("RAW") if bytes.len() > MAX_MESSAGE_BYTES => Err(Error::validation(format!(
            "1 validation error detected: Value at 'message' failed to satisfy constraint: Member must have length less \
             than or equal to {MAX_MESSAGE_BYTES}"
        ))),
        None | Some("RAW") => Ok(Message::Raw(bytes)),
        Some("DIGEST") => Ok(Message::Digest(bytes)),
        Some(other) => Err(Error::not_built(&format!("MessageType {other}"))),
    }
}

/// Sign.
pub(crate) async fn sign(kms: Arc<Kms>, context: RequestContext, input: SignRequest) -> Result<SignResponse> {
    check_tokens(input.grant_tokens.as_ref())?;
    let (scope, key) = find(&kms, &context, &input.key_id).await?;
    check(&kms, &scope, &key, "Sign", &input.signing_algorithm)?;
    message(input.message_type.as_deref(), &input.message)?;
    check_dry_run(input.dry_run)?;
    let (private, spec) = (kms.material(&scope, &key)?, key.spec);
    let algorithm = input.signing_algorithm.clone();
    let signature = aside(move || {
        let message = message(input.message_type.as_deref(), &input.message)?;
        asymmetric::sign(spec, &private, &input.signing_algorithm, message)
    })
    .await?;
    Ok(SignResponse {
        key_id: Some(key.arn(&scope)),
        signature: Some(signature.into()),
        signing_algorithm: Some(algorithm),
    })
}

/// Verify.
pub(crate) async fn verify(kms: Arc<Kms>, context: RequestContext, input: VerifyRequest) -> Result<VerifyResponse> {
    check_tokens(input.grant_tokens.as_ref())?;
    let (scope, key) = find(&kms, &context, &input.key_id).await?;
    check(&kms, &scope, &key, "Verify", &input.signing_algorithm)?;
    let message = message(input.message_type.as_deref(), &input.message)?;
    check_dry_run(input.dry_run)?;
    let current = key
        .current()
        .ok_or(Error::Computation("a usable key has no material"))?;
    let public = encrypt::public(current)?;
    if !asymmetric::verify(key.spec, &public, &input.signing_algorithm, message, &input.signature)? {
        return Err(Error::client("KMSInvalidSignatureException", ""));
    }
    Ok(VerifyResponse {
        key_id: Some(key.arn(&scope)),
        signature_valid: Some(true),
        signing_algorithm: Some(input.signing_algorithm),
    })
}

/// GetPublicKey.
pub(crate) async fn public_key(
    kms: Arc<Kms>,
    context: RequestContext,
    input: GetPublicKeyRequest,
) -> Result<GetPublicKeyResponse> {
    check_tokens(input.grant_tokens.as_ref())?;
    let (scope, key) = find(&kms, &context, &input.key_id).await?;
    if !key.spec.is_asymmetric() {
        let message = format!(
            "{} key spec is {} which is not valid for GetPublicKey.",
            key.arn(&scope),
            key.spec.name()
        );
        return Err(Error::unsupported(message));
    }
    key.check_enabled(&scope, kms.now())?;
    let current = key
        .current()
        .ok_or(Error::Computation("a usable key has no material"))?;
    let of_usage = |usage: KeyUsage| {
        let listed = key.spec.algorithms(key.usage).iter().map(|name| (*name).to_owned());
        (key.usage == usage).then(|| listed.collect::<Vec<_>>())
    };
    Ok(GetPublicKeyResponse {
        key_id: Some(key.arn(&scope)),
        public_key: Some(encrypt::public(current)?.into()),
        customer_master_key_spec: Some(key.spec.name().into()),
        key_spec: Some(key.spec.name().into()),
        key_usage: Some(key.usage.name().into()),
        encryption_algorithms: of_usage(KeyUsage::Encrypt),
        signing_algorithms: of_usage(KeyUsage::Sign),
        key_agreement_algorithms: of_usage(KeyUsage::Agree),
    })
}
