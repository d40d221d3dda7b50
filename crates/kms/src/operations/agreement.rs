//! `DeriveSharedSecret`.

use super::{check_dry_run, check_recipient, check_tokens, find};
use crate::error::{Error, Result};
use crate::shapes::{DeriveSharedSecretRequest, DeriveSharedSecretResponse};
use crate::spec::KeyUsage;
use crate::{Kms, asymmetric};
use danbi_core::RequestContext;
use std::sync::Arc;

/// DeriveSharedSecret: ECDH with a key on the same curve.
pub(crate) async fn derive(
    kms: Arc<Kms>,
    context: RequestContext,
    input: DeriveSharedSecretRequest,
) -> Result<DeriveSharedSecretResponse> {
    check_tokens(input.grant_tokens.as_ref())?;
    check_recipient(input.recipient.as_ref())?;
    let (scope, key) = find(&kms, &context, &input.key_id).await?;
    key.check_enabled(&scope, kms.now())?;
    key.check_usage(&scope, KeyUsage::Agree, "DeriveSharedSecret")?;
    key.check_algorithm(&input.key_agreement_algorithm)?;
    check_dry_run(input.dry_run)?;
    let private = kms.material(&scope, &key)?;
    let shared = asymmetric::agree(key.spec, &private, &input.public_key)?;
    // AWS says nothing more of a public key that is none.
    let shared = shared.ok_or_else(|| Error::validation(""))?;
    Ok(DeriveSharedSecretResponse {
        key_id: Some(key.arn(&scope)),
        shared_secret: Some(shared.to_vec().into()),
        key_agreement_algorithm: Some(input.key_agreement_algorithm),
        key_origin: Some(key.origin().into()),
        ..DeriveSharedSecretResponse::default()
    })
}
