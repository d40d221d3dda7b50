//! `GenerateRandom`.

use super::check_recipient;
use crate::Kms;
use crate::error::{Error, Result};
use crate::shapes::{GenerateRandomRequest, GenerateRandomResponse};
use danbi_core::RequestContext;
use std::sync::Arc;

/// GenerateRandom: up to 1024 bytes of the system's randomness.
pub(crate) async fn generate(
    _: Arc<Kms>,
    _: RequestContext,
    input: GenerateRandomRequest,
) -> Result<GenerateRandomResponse> {
    check_recipient(input.recipient.as_ref())?;
    if input.custom_key_store_id.is_some() {
        return Err(Error::not_built("Randomness of a custom key store"));
    }
    let length = input
        .number_of_bytes
        .ok_or_else(|| Error::validation("NumberOfBytes is required."))?;
    let mut bytes = vec![0; usize::try_from(length).unwrap_or(0).clamp(1, 1024)];
    getrandom::fill(&mut bytes).map_err(|_| Error::Computation("drawing random bytes"))?;
    Ok(GenerateRandomResponse {
        plaintext: Some(bytes.into()),
        ..GenerateRandomResponse::default()
    })
}
