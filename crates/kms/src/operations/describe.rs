//! `DescribeKey`.

use super::{check_tokens, find};
use crate::error::Result;
use crate::names::KeyName;
use crate::shapes::{DescribeKeyRequest, DescribeKeyResponse};
use crate::{Kms, managed};
use danbi_core::RequestContext;
use std::sync::Arc;

/// DescribeKey. Asked for the alias of a key that AWS manages, it makes the key when there was none, as AWS does.
pub(crate) async fn describe(
    kms: Arc<Kms>,
    context: RequestContext,
    input: DescribeKeyRequest,
) -> Result<DescribeKeyResponse> {
    check_tokens(input.grant_tokens.as_ref())?;
    if let KeyName::Alias(scope, alias) = KeyName::parse(&context, &input.key_id)?
        && let Some(service) = managed::service_of(&alias)
        && scope == context.scope
    {
        kms.managed(&scope, service).await?;
    }
    let (scope, key) = find(&kms, &context, &input.key_id).await?;
    Ok(DescribeKeyResponse {
        key_metadata: Some(key.metadata(&scope, kms.now())),
    })
}
