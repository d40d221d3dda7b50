//! GetBucketNotificationConfiguration and PutBucketNotificationConfiguration.

use super::outbox;
use super::record::iso_time;
use super::rules::{self, EVENTS, Filter, Rule};
use crate::bucket_config::{self, kind};
use crate::shapes::{
    GetBucketNotificationConfigurationRequest, NotificationConfiguration, PutBucketNotificationConfigurationRequest,
};
use crate::{Error, Result, S3, names};
use bytes::Bytes;
use danbi_core::{Arn, InvocationType, InvokeRequest, RequestContext};
use danbi_wire::Empty;
use serde_json::json;
use std::collections::HashSet;
use std::sync::Arc;
use uuid::Uuid;

const MAX_CONFIGURATIONS: usize = 100;

/// PutBucketNotificationConfiguration.
pub(crate) async fn put(
    s3: Arc<S3>,
    context: RequestContext,
    input: PutBucketNotificationConfigurationRequest,
) -> Result<Empty> {
    let name = input.bucket.as_str();
    let expected = input.expected_bucket_owner.as_deref();
    let bucket = s3.bucket(&s3.snapshot().await?, &context, name, expected).await?;
    let mut given = input.notification_configuration.clone();
    let destinations = check(&mut given)?;
    if given.event_bridge_configuration.is_some() {
        s3.listeners()?;
    }
    if input.skip_destination_validation != Some(true) {
        let account = bucket.owner.as_str();
        for destination in destinations {
            check_destination(&s3, &context, name, account, destination).await?;
        }
    }
    s3.store
        .transact(async |tx| {
            let mut bucket = s3.bucket(&tx, &context, name, expected).await?;
            if rules::all(&given).next().is_none() && given.event_bridge_configuration.is_none() {
                bucket_config::delete(&tx, name, &mut bucket, kind::NOTIFICATION)?;
            } else {
                bucket_config::put(&tx, name, &mut bucket, kind::NOTIFICATION, &given)?;
            }
            Ok(Empty {})
        })
        .await
}

/// GetBucketNotificationConfiguration.
pub(crate) async fn get(
    s3: Arc<S3>,
    context: RequestContext,
    input: GetBucketNotificationConfigurationRequest,
) -> Result<NotificationConfiguration> {
    let view = s3.snapshot().await?;
    let expected = input.expected_bucket_owner.as_deref();
    let bucket = s3.bucket(&view, &context, &input.bucket, expected).await?;
    let kept = bucket_config::get(&view, &bucket, kind::NOTIFICATION).await?;
    Ok(kept.unwrap_or_default())
}

/// Checks the form, names what has no name, and gives who is to be told.
fn check(given: &mut NotificationConfiguration) -> Result<Vec<Arn>> {
    macro_rules! complete {
        ($list:ident) => {
            for one in given.$list.iter_mut().flatten() {
                one.id.get_or_insert_with(|| Uuid::new_v4().to_string());
                rules::check_filter(one.filter.as_mut())?;
            }
        };
    }
    // A macro because the three generated types have nothing in common but the names of their members.
    complete!(lambda_function_configurations);
    complete!(queue_configurations);
    complete!(topic_configurations);
    let rules: Vec<Rule<'_>> = rules::all(given).collect();
    if rules.len() > MAX_CONFIGURATIONS {
        let message = format!("Number of notification configurations cannot exceed {MAX_CONFIGURATIONS}.");
        return Err(Error::client("InvalidArgument", 400, message));
    }
    let mut destinations = Vec::with_capacity(rules.len());
    for list in [
        (
            "CloudFunction",
            "lambda",
            given
                .lambda_function_configurations
                .iter()
                .flatten()
                .map(|one| &one.lambda_function_arn)
                .collect::<Vec<_>>(),
        ),
        (
            "Queue",
            "sqs",
            given
                .queue_configurations
                .iter()
                .flatten()
                .map(|one| &one.queue_arn)
                .collect(),
        ),
        (
            "Topic",
            "sns",
            given
                .topic_configurations
                .iter()
                .flatten()
                .map(|one| &one.topic_arn)
                .collect(),
        ),
    ] {
        let (argument, service, arns) = list;
        for text in arns {
            destinations.push(arn(argument, text, service)?);
        }
    }
    let mut ids = HashSet::new();
    for rule in &rules {
        if rule.events.is_empty() {
            return Err(Error::malformed_xml());
        }
        if let Some(event) = rule.events.iter().find(|event| !EVENTS.contains(&event.as_str())) {
            let message = "The event is not supported for notifications";
            return Err(Error::invalid_argument("Event", event, message));
        }
        let id = rule.id.unwrap_or_default();
        if id.is_empty() || id.len() > 255 || !ids.insert(id) {
            let message = "Same ID used for multiple configurations. IDs must be unique";
            return Err(Error::invalid_argument("Id", id, message));
        }
    }
    refuse_overlaps(&rules)?;
    Ok(destinations)
}

/// The same event of the same key may be told to one destination only.
fn refuse_overlaps(rules: &[Rule<'_>]) -> Result<()> {
    for (at, one) in rules.iter().enumerate() {
        for other in &rules[..at] {
            let events = one
                .events
                .iter()
                .any(|a| other.events.iter().any(|b| rules::means(a, b) || rules::means(b, a)));
            let filters = Filter::of(one.filter).zip(Filter::of(other.filter));
            if events && filters.is_some_and(|(a, b)| a.overlaps(&b)) {
                let message =
                    "Configurations overlap. Configurations on the same bucket cannot share a common event type.";
                return Err(Error::client("InvalidArgument", 400, message));
            }
        }
    }
    Ok(())
}

fn arn(argument: &str, text: &str, service: &str) -> Result<Arn> {
    let malformed = |message: &str| Error::invalid_argument(argument, text, message);
    let arn: Arn = text.parse().map_err(|_| malformed("The ARN could not be parsed"))?;
    if arn.service != service || arn.account.is_empty() {
        return Err(malformed("The ARN is not well formed"));
    }
    Ok(arn)
}

/// S3 asks whether it may invoke a function for this bucket before it takes the configuration, and sends queues and topics
/// an event that says nothing but that it could.
async fn check_destination(
    s3: &S3,
    asking: &RequestContext,
    bucket: &str,
    account: &str,
    destination: Arn,
) -> Result<()> {
    let listeners = s3.listeners()?;
    let context = outbox::context(bucket, account, &destination);
    let shown = destination.to_string();
    let is_function = destination.service == "lambda";
    let checked = if is_function {
        let request = InvokeRequest {
            function: destination,
            invocation_type: InvocationType::DryRun,
            payload: Bytes::new(),
            trace_id: None,
        };
        listeners.invoker.invoke(&context, request).await.map(drop)
    } else {
        let request_id = asking.request_id.to_string();
        let document = json!({
            "Service": "Amazon S3", "Event": "s3:TestEvent", "Time": iso_time(s3.now()), "Bucket": bucket,
            "RequestId": request_id, "HostId": request_id,
        });
        outbox::send(listeners, &context, destination, document.to_string()).await
    };
    match checked {
        Ok(()) => Ok(()),
        Err(error) if error.fault == danbi_core::Fault::Client => {
            tracing::debug!(%error, shown, bucket = names::bucket_arn(bucket), "a destination of events is refused");
            let message = "Unable to validate the following destination configurations";
            let error = Error::client("InvalidArgument", 400, message);
            Err(match is_function {
                true => error
                    .with("ArgumentName1", format!("{shown}, null"))
                    .with("ArgumentValue1", format!("Not authorized to invoke function [{shown}]")),
                false => error.with("ArgumentName1", shown).with(
                    "ArgumentValue1",
                    "The destination does not exist, or S3 is not permitted to publish to it".to_owned(),
                ),
            })
        }
        Err(error) => Err(error.into()),
    }
}
