//! `ScheduleKeyDeletion`, `CancelKeyDeletion`. The removal itself is in [`due`](crate::due).

use crate::error::{Error, Result};
use crate::names::KeyName;
use crate::record::Deletion;
use crate::shapes::{
    CancelKeyDeletionRequest, CancelKeyDeletionResponse, ScheduleKeyDeletionRequest, ScheduleKeyDeletionResponse,
};
use crate::{Kms, catalog};
use danbi_core::RequestContext;
use std::sync::Arc;

/// Days that a key waits for its deletion, unless the request says otherwise.
const USUAL_DAYS: i32 = 30;
const DAYS: std::ops::RangeInclusive<i32> = 7..=30;

/// ScheduleKeyDeletion. A primary key waits for the end of its replicas first.
pub(crate) async fn schedule(
    kms: Arc<Kms>,
    context: RequestContext,
    input: ScheduleKeyDeletionRequest,
) -> Result<ScheduleKeyDeletionResponse> {
    let days = input.pending_window_in_days.unwrap_or(USUAL_DAYS);
    if !DAYS.contains(&days) {
        return Err(Error::validation(
            "PendingWindowInDays must be between 7 and 30, inclusive.",
        ));
    }
    let (scope, id) = KeyName::parse_id(&context, &input.key_id)?;
    let now = kms.now();
    let key = kms
        .store
        .transact(async |tx| {
            let mut key = catalog::by_id(&tx, &scope, &id).await?;
            key.check_not_doomed(&scope)?;
            let regions = key.regions.as_ref();
            let waits =
                regions.is_some_and(|regions| regions.primary == scope.region.as_str() && !regions.replicas.is_empty());
            key.deletion = Some(Deletion {
                window_days: days,
                at: (!waits).then(|| kms.days_after(now, days)),
            });
            catalog::save(&tx, &scope, &mut key)?;
            Ok::<_, Error>(key)
        })
        .await?;
    Ok(ScheduleKeyDeletionResponse {
        key_id: Some(key.arn(&scope)),
        deletion_date: key.deletion.and_then(|deletion| deletion.at),
        key_state: Some(key.state(now).name().into()),
        pending_window_in_days: Some(days),
    })
}

/// CancelKeyDeletion: the key is disabled then.
pub(crate) async fn cancel(
    kms: Arc<Kms>,
    context: RequestContext,
    input: CancelKeyDeletionRequest,
) -> Result<CancelKeyDeletionResponse> {
    let arn = super::change(&kms, &context, &input.key_id, |scope, key| {
        if key.deletion.take().is_none() {
            return Err(Error::state(format!("{} is not pending deletion.", key.arn(scope))));
        }
        key.disabled = true;
        Ok(key.arn(scope))
    })
    .await?;
    Ok(CancelKeyDeletionResponse { key_id: Some(arn) })
}
