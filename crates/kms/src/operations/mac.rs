//! `GenerateMac`, `VerifyMac`.

use super::{check_dry_run, check_tokens, find};
use crate::error::{Error, Result};
use crate::record::Key;
use crate::shapes::{GenerateMacRequest, GenerateMacResponse, VerifyMacRequest, VerifyMacResponse};
use crate::spec::KeyUsage;
use crate::{Kms, mac};
use danbi_core::{RequestContext, Scope};
use std::sync::Arc;

fn check(kms: &Kms, scope: &Scope, key: &Key, operation: &str, algorithm: &str) -> Result<()> {
    key.check_enabled(scope, kms.now())?;
    key.check_usage(scope, KeyUsage::Mac, operation)?;
    key.check_algorithm(algorithm)
}

/// GenerateMac.
pub(crate) async fn generate(
    kms: Arc<Kms>,
    context: RequestContext,
    input: GenerateMacRequest,
) -> Result<GenerateMacResponse> {
    check_tokens(input.grant_tokens.as_ref())?;
    let (scope, key) = find(&kms, &context, &input.key_id).await?;
    check(&kms, &scope, &key, "GenerateMac", &input.mac_algorithm)?;
    check_dry_run(input.dry_run)?;
    let material = kms.material(&scope, &key)?;
    let code = mac::generate(&material, &input.mac_algorithm, &input.message)?;
    Ok(GenerateMacResponse {
        mac: Some(code.into()),
        mac_algorithm: Some(input.mac_algorithm),
        key_id: Some(key.arn(&scope)),
    })
}

/// VerifyMac.
pub(crate) async fn verify(
    kms: Arc<Kms>,
    context: RequestContext,
    input: VerifyMacRequest,
) -> Result<VerifyMacResponse> {
    check_tokens(input.grant_tokens.as_ref())?;
    let (scope, key) = find(&kms, &context, &input.key_id).await?;
    check(&kms, &scope, &key, "VerifyMac", &input.mac_algorithm)?;
    check_dry_run(input.dry_run)?;
    let material = kms.material(&scope, &key)?;
    if !mac::verify(&material, &input.mac_algorithm, &input.message, &input.mac)? {
        return Err(Error::client("KMSInvalidMacException", ""));
    }
    Ok(VerifyMacResponse {
        mac_valid: Some(true),
        mac_algorithm: Some(input.mac_algorithm),
        key_id: Some(key.arn(&scope)),
    })
}
