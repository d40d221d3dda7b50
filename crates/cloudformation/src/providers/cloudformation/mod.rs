//! AWS::CloudFormation

mod custom_resource;
mod stack;
mod wait_condition;
mod wait_condition_handle;

use super::{Failure, Outcome, Provider, Work};
use std::collections::BTreeMap;
use std::time::Duration;

pub(super) const ALL: &[&dyn Provider] = &[
    &stack::Stack,
    &custom_resource::CustomResource,
    &wait_condition::WaitCondition,
    &wait_condition_handle::WaitConditionHandle,
];

/// How often what another node may have written is looked at.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// Waits until `found` gives something, woken whenever something settles here; `None` when the time is over.
async fn wait<T, F>(work: &Work<'_>, lasts: Duration, found: impl Fn() -> F + Send + Sync) -> Outcome<Option<T>>
where
    F: Future<Output = Outcome<Option<T>>> + Send,
{
    let elapsed = work.engine.now().as_millis().saturating_sub(work.started.as_millis());
    let left = lasts.saturating_sub(Duration::from_millis(u64::try_from(elapsed).unwrap_or(0)));
    let mut settled = work.engine.settled.subscribe();
    let mut interrupt = work.interrupt.clone();
    let waiting = async {
        loop {
            settled.mark_unchanged();
            if let Some(found) = found().await? {
                return Ok(Some(found));
            }
            if work.engine.is_stopping() {
                return Err(Failure::stop());
            }
            if *interrupt.borrow() {
                return Err(Failure::new("Cancelled", "Resource creation cancelled"));
            }
            tokio::select! {
                _ = settled.changed() => {}
                _ = interrupt.changed() => {}
                () = tokio::time::sleep(LOOK_EVERY) => {}
            }
        }
    };
    match tokio::time::timeout(left, waiting).await {
        Ok(done) => done,
        Err(_) => Ok(None),
    }
}

/// What came over a link.
async fn answers(work: &Work<'_>, token: &str) -> Outcome<BTreeMap<String, String>> {
    let found = work.engine.answers(token).await;
    found
        .map(Option::unwrap_or_default)
        .map_err(|error| Failure::new("InternalFailure", error.to_string()))
}
