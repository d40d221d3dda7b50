//! GetAccountSettings.

use crate::Error;
use crate::code::{MAX_UNPACKED_BYTES, MAX_ZIPPED_BYTES};
use crate::functions::MAX_STORED_BYTES;
use crate::lambda::Lambda;
use crate::records::Read;
use crate::shapes::{AccountLimit, AccountUsage, GetAccountSettingsRequest, GetAccountSettingsResponse};
use danbi_core::RequestContext;
use std::sync::Arc;

/// GetAccountSettings.
pub(crate) async fn settings(
    lambda: Arc<Lambda>,
    context: RequestContext,
    _: GetAccountSettingsRequest,
) -> Result<GetAccountSettingsResponse, Error> {
    let usage = lambda.snapshot().await?.usage(&context.scope).await?;
    let limit = lambda.concurrency.limit();
    Ok(GetAccountSettingsResponse {
        account_limit: Some(AccountLimit {
            code_size_unzipped: i64::try_from(MAX_UNPACKED_BYTES).ok(),
            code_size_zipped: i64::try_from(MAX_ZIPPED_BYTES).ok(),
            concurrent_executions: Some(limit.cast_signed()),
            total_code_size: i64::try_from(MAX_STORED_BYTES).ok(),
            unreserved_concurrent_executions: Some(limit.saturating_sub(usage.reserved_concurrency).cast_signed()),
        }),
        account_usage: Some(AccountUsage {
            function_count: i64::try_from(usage.functions).ok(),
            total_code_size: i64::try_from(usage.code_bytes).ok(),
        }),
    })
}
