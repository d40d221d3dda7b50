//! What SecureString keeps: the value sealed under a data key of KMS, bound to the parameter's ARN, beside that key, itself
//! sealed. Without decryption the whole of it is what readers get, in base64, as on AWS.

use crate::Ssm;
use crate::error::{Error, Result};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use danbi_core::{KeyUse, RequestContext, ServiceError};
use danbi_keyring::SecretKey;
use std::collections::BTreeMap;
use zeroize::Zeroizing;

const PURPOSE: &[u8] = b"ssm parameter";
const LENGTH_BYTES: usize = 2;

fn usage(bound: &BTreeMap<String, String>) -> KeyUse<'_> {
    KeyUse {
        service: "ssm",
        encryption_context: bound,
    }
}

fn bound_to(arn: &str) -> BTreeMap<String, String> {
    BTreeMap::from([("PARAMETER_ARN".to_owned(), arn.to_owned())])
}

/// What KMS says of a key, as the Parameter Store passes it on: a refusal as it is, all else as `InvalidKeyId`.
fn key_error(context: &RequestContext, error: ServiceError) -> Error {
    match error.code {
        "NotFoundException"
        | "DisabledException"
        | "KMSInvalidStateException"
        | "InvalidKeyUsageException"
        | "InvalidCiphertextException"
        | "ValidationException" => Error::client(
            "InvalidKeyId",
            format!(
                "{} (Service: AWSKMS; Status Code: 400; Error Code: {}; Request ID: {}; Proxy: null)",
                error.message, error.code, context.request_id
            ),
        ),
        _ => error.into(),
    }
}

/// Seals a value; `key` names a key of KMS, and `None` or `alias/aws/ssm` the one that AWS would manage.
///
/// # Errors
/// `InvalidKeyId`, `AccessDeniedException`.
pub(crate) async fn seal(
    ssm: &Ssm,
    context: &RequestContext,
    key: Option<&str>,
    value: &str,
    arn: &str,
) -> Result<String> {
    let bound = bound_to(arn);
    let generated = ssm.data_keys.generate(context, key, usage(&bound)).await;
    let key = generated.map_err(|error| key_error(context, error))?;
    let secret = SecretKey::from_bytes(key.plain.expose()).ok_or_else(|| damaged(arn))?;
    let sealed = secret.seal(PURPOSE, value.as_bytes(), arn.as_bytes())?;
    let length = u16::try_from(key.sealed.len()).map_err(|_| damaged(arn))?;
    let mut kept = length.to_be_bytes().to_vec();
    kept.extend_from_slice(&key.sealed);
    kept.extend_from_slice(&sealed);
    Ok(STANDARD.encode(kept))
}

/// Opens what [`seal`] made.
///
/// # Errors
/// `InvalidKeyId`, `AccessDeniedException`.
pub(crate) async fn open(ssm: &Ssm, context: &RequestContext, kept: &str, arn: &str) -> Result<String> {
    let kept = STANDARD.decode(kept).map_err(|_| damaged(arn))?;
    let (length, rest) = kept.split_first_chunk::<LENGTH_BYTES>().ok_or_else(|| damaged(arn))?;
    let length = usize::from(u16::from_be_bytes(*length));
    let (sealed_key, sealed) = rest.split_at_checked(length).ok_or_else(|| damaged(arn))?;
    let bound = bound_to(arn);
    let opened = ssm.data_keys.decrypt(context, sealed_key, usage(&bound)).await;
    let key = opened.map_err(|error| key_error(context, error))?;
    let secret = SecretKey::from_bytes(key.expose()).ok_or_else(|| damaged(arn))?;
    let value: Zeroizing<Vec<u8>> = secret.open(PURPOSE, sealed, arn.as_bytes())?;
    String::from_utf8(value.to_vec()).map_err(|_| damaged(arn))
}

fn damaged(arn: &str) -> Error {
    Error::Damaged(format!("the value of {arn} is not what was sealed"))
}
