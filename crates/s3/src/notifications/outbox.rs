//! Telling what was written down, at least once.
//!
//! One node at a time empties the outbox: it holds a lease in the store, which another takes over when it is not
//! renewed. A function that cannot be reached or does not take the event is tried again, later and later, for a day.

use super::bus;
use super::emit::{Message, Waiting};
use super::record::Document;
use crate::ids::ContentId;
use crate::lease::Lease;
use crate::records::{self, View};
use crate::s3::Listeners;
use crate::{Error, Result, S3, keys, names};
use bytes::Bytes;
use danbi_core::{
    ApiCall, Arn, InvocationType, InvokeRequest, Principal, RequestContext, Scope, ServiceError, SourceResource,
    Timestamp,
};
use danbi_store::Direction;
use serde_json::json;
use std::sync::Arc;
use std::time::Duration;

/// Events told at a time.
const AT_ONCE: usize = 32;
/// How often a node looks whether there is something to tell that it did not write down itself.
const LOOK_EVERY: Duration = Duration::from_secs(2);
/// How long a node may be silent before another takes over.
const LEASE: Duration = Duration::from_secs(30);
/// How long a function, a queue or a topic may take to accept an event.
const ACCEPT: Duration = Duration::from_secs(10);
/// The first pause before another attempt; it doubles up to the longest.
const FIRST_PAUSE_MS: i64 = 1_000;
const LONGEST_PAUSE_MS: i64 = 300_000;
/// When an event is given up.
const GIVE_UP_AFTER_MS: i64 = 86_400_000;

/// Tells what is waiting, until the service ends.
pub(crate) async fn run(s3: Arc<S3>) {
    let lease = Lease::new("events", LEASE);
    loop {
        match round(&s3, &lease).await {
            // There may be more at once.
            Ok(true) => continue,
            Ok(false) => {}
            Err(error) => tracing::warn!(%error, "events could not be told; trying again"),
        }
        tokio::select! {
            () = s3.stopped() => return,
            () = s3.told.notified() => {}
            () = tokio::time::sleep(LOOK_EVERY) => {}
        }
    }
}

/// Tells the events that are due; whether there may be more.
async fn round(s3: &S3, lease: &Lease) -> Result<bool> {
    if s3.is_stopping() {
        return Ok(false);
    }
    let due = keys::events_until(s3.now().as_millis());
    let page = s3.snapshot().await?.page(due, Direction::Forward, AT_ONCE).await?;
    if page.entries.is_empty() || !lease.hold(s3).await? {
        return Ok(false);
    }
    let mut telling = tokio::task::JoinSet::new();
    for (key, value) in page.entries {
        let waiting: Waiting = records::decode(&value)?;
        let listeners = s3.listeners()?.clone();
        telling.spawn(async move {
            let told = tell(&listeners, &waiting).await;
            (key, waiting, told)
        });
    }
    while let Some(told) = telling.join_next().await {
        let (key, waiting, told) = told.map_err(|error| Error::Interrupted(error.to_string()))?;
        settle(s3, &key, waiting, told).await?;
    }
    Ok(page.more)
}

async fn tell(listeners: &Listeners, waiting: &Waiting) -> std::result::Result<(), String> {
    let sent = async {
        match &waiting.message {
            Message::Record(record) => {
                let to: Arn = waiting.to.parse().map_err(|error| format!("{error}"))?;
                let document = Document { records: [&**record] };
                let payload = serde_json::to_string(&document).map_err(|error| error.to_string())?;
                let context = context(&waiting.bucket, &waiting.owner, &to);
                let sent = send(listeners, &context, to, payload).await;
                sent.map_err(|error| error.to_string())
            }
            Message::Entry(entry) => {
                let since = Timestamp::from_millis(waiting.since);
                let call = bus::call(&waiting.bucket, &waiting.owner, since, entry);
                let (context, call) = call.map_err(|error| error.to_string())?;
                let output = listeners.api.call(&context, call).await;
                bus::check(&output.map_err(|error| error.to_string())?)
            }
        }
    };
    match tokio::time::timeout(ACCEPT, sent).await {
        Ok(sent) => sent,
        Err(_) => Err("the event was not taken in time".into()),
    }
}

/// Sends a document to a function, a queue or a topic.
pub(super) async fn send(
    listeners: &Listeners,
    context: &RequestContext,
    to: Arn,
    document: String,
) -> std::result::Result<(), ServiceError> {
    let call = match to.service.as_str() {
        "sqs" => {
            let input = json!({ "QueueUrl": to.queue_url(), "MessageBody": document });
            ApiCall::new("sqs", "SendMessage", input)
        }
        "sns" => {
            let input = json!({
                "TopicArn": to.to_string(), "Subject": "Amazon S3 Notification", "Message": document,
            });
            ApiCall::new("sns", "Publish", input)
        }
        _ => {
            let request = InvokeRequest {
                function: to,
                invocation_type: InvocationType::Event,
                payload: Bytes::from(document),
                trace_id: None,
            };
            return listeners.invoker.invoke(context, request).await.map(drop);
        }
    };
    listeners.api.call(context, call).await.map(drop)
}

/// Forgets an event that was told, and puts off one that was not.
async fn settle(s3: &S3, key: &Bytes, mut waiting: Waiting, told: std::result::Result<(), String>) -> Result<()> {
    let now = s3.now();
    let again = match told {
        Ok(()) => None,
        Err(reason) if now.as_millis() - waiting.since > GIVE_UP_AFTER_MS => {
            tracing::warn!(to = waiting.to, bucket = waiting.bucket, reason, "an event is given up");
            None
        }
        Err(reason) => {
            tracing::debug!(to = waiting.to, bucket = waiting.bucket, reason, "an event is put off");
            let pause = FIRST_PAUSE_MS
                .saturating_mul(1 << waiting.attempts.min(16))
                .min(LONGEST_PAUSE_MS);
            waiting.attempts += 1;
            Some((now.as_millis() + pause, records::encode(&waiting)?))
        }
    };
    s3.store
        .transact(async |tx| {
            tx.delete(key)?;
            if let Some((due, value)) = &again {
                tx.put(&keys::event(*due, &ContentId::new(now)), value.clone())?;
            }
            Ok(())
        })
        .await
}

/// In whose name a function is invoked: S3's own, for the bucket.
pub(super) fn context(bucket: &str, account: &str, function: &Arn) -> RequestContext {
    let owner = account.parse().ok();
    let scope = Scope {
        account: owner.clone().unwrap_or_default(),
        region: function.region.parse().unwrap_or_default(),
    };
    let source = owner.map(|account| SourceResource {
        arn: names::bucket_arn(bucket),
        account,
    });
    RequestContext::inside(scope, Principal::Service("s3.amazonaws.com".into()), source)
}
