//! `EnableKey`, `DisableKey`, `UpdateKeyDescription`.

use super::change;
use crate::Kms;
use crate::error::Result;
use crate::shapes::{DisableKeyRequest, EnableKeyRequest, UpdateKeyDescriptionRequest};
use danbi_core::RequestContext;
use danbi_wire::Empty;
use std::sync::Arc;

/// EnableKey.
pub(crate) async fn enable(kms: Arc<Kms>, context: RequestContext, input: EnableKeyRequest) -> Result<Empty> {
    set(&kms, &context, &input.key_id, false).await
}

/// DisableKey.
pub(crate) async fn disable(kms: Arc<Kms>, context: RequestContext, input: DisableKeyRequest) -> Result<Empty> {
    set(&kms, &context, &input.key_id, true).await
}

async fn set(kms: &Kms, context: &RequestContext, key_id: &str, disabled: bool) -> Result<Empty> {
    let now = kms.now();
    change(kms, context, key_id, |scope, key| {
        key.check_not_doomed(scope)?;
        if key.state(now) == crate::record::KeyState::PendingImport {
            key.check_enabled(scope, now)?;
        }
        key.disabled = disabled;
        Ok(Empty {})
    })
    .await
}

/// UpdateKeyDescription.
pub(crate) async fn describe(
    kms: Arc<Kms>,
    context: RequestContext,
    input: UpdateKeyDescriptionRequest,
) -> Result<Empty> {
    change(&kms, &context, &input.key_id, |scope, key| {
        key.check_not_doomed(scope)?;
        key.description.clone_from(&input.description);
        Ok(Empty {})
    })
    .await
}
