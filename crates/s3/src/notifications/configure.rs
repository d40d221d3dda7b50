//! GetBucketNotificationConfiguration and PutBucketNotificationConfiguration.

use super::rules::{self, EVENTS, Filter};
use crate::bucket_config::{self, kind};
use crate::shapes::{
    GetBucketNotificationConfigurationRequest, LambdaFunctionConfiguration, NotificationConfiguration,
    PutBucketNotificationConfigurationRequest,
};
use crate::{Error, Result, S3, names, notifications};
use bytes::Bytes;
use danbi_core::{Arn, InvocationType, InvokeRequest, RequestContext};
use danbi_wire::Empty;
use std::collections::HashSet;
use std::sync::Arc;
use uuid::Uuid;

const MAX_CONFIGURATIONS: usize = 100;

/// PutBucketNotificationConfiguration. Queues, topics and event buses are refused by name until there are any.
pub(crate) async fn put(
    s3: Arc<S3>,
    context: RequestContext,
    input: PutBucketNotificationConfigurationRequest,
) -> Result<Empty> {
    let name = input.bucket.as_str();
    let expected = input.expected_bucket_owner.as_deref();
    let bucket = s3.bucket(&s3.snapshot().await?, &context, name, expected).await?;
    let mut given = input.notification_configuration.clone();
    let functions = check(&mut given)?;
    if input.skip_destination_validation != Some(true) {
        let account = bucket.owner.as_str();
        for function in functions {
            check_destination(&s3, name, account, &function).await?;
        }
    }
    s3.store
        .transact(async |tx| {
            let mut bucket = s3.bucket(&tx, &context, name, expected).await?;
            if given.lambda_function_configurations.as_ref().is_none_or(Vec::is_empty) {
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

/// Checks the form, names what has no name, and gives the functions that are to be told.
fn check(given: &mut NotificationConfiguration) -> Result<Vec<Arn>> {
    let none = |what: &str| {
        let message = format!("{what} are not built yet: events can be sent to Lambda functions.");
        Error::client("NotImplemented", 501, message)
    };
    if let Some(queue) = given.queue_configurations.iter().flatten().next() {
        arn("Queue", &queue.queue_arn, "sqs")?;
        return Err(none("Queues as destinations of events"));
    }
    if let Some(topic) = given.topic_configurations.iter().flatten().next() {
        arn("Topic", &topic.topic_arn, "sns")?;
        return Err(none("Topics as destinations of events"));
    }
    if given.event_bridge_configuration.is_some() {
        return Err(none("Event buses as destinations of events"));
    }
    let Some(configurations) = &mut given.lambda_function_configurations else {
        return Ok(Vec::new());
    };
    if configurations.len() > MAX_CONFIGURATIONS {
        let message = format!("Number of notification configurations cannot exceed {MAX_CONFIGURATIONS}.");
        return Err(Error::client("InvalidArgument", 400, message));
    }
    let mut functions = Vec::with_capacity(configurations.len());
    let mut ids = HashSet::new();
    for configuration in configurations.iter_mut() {
        if configuration.events.is_empty() {
            return Err(Error::malformed_xml());
        }
        if let Some(event) = configuration
            .events
            .iter()
            .find(|event| !EVENTS.contains(&event.as_str()))
        {
            let message = "The event is not supported for notifications";
            return Err(Error::invalid_argument("Event", event, message));
        }
        functions.push(arn("CloudFunction", &configuration.lambda_function_arn, "lambda")?);
        rules::check_filter(configuration.filter.as_mut())?;
        let id = configuration.id.get_or_insert_with(|| Uuid::new_v4().to_string());
        if id.is_empty() || id.len() > 255 || !ids.insert(id.clone()) {
            let message = "Same ID used for multiple configurations. IDs must be unique";
            return Err(Error::invalid_argument("Id", id, message));
        }
    }
    refuse_overlaps(configurations)?;
    Ok(functions)
}

/// The same event of the same key may be told to one destination only.
fn refuse_overlaps(configurations: &[LambdaFunctionConfiguration]) -> Result<()> {
    for (at, one) in configurations.iter().enumerate() {
        for other in &configurations[..at] {
            let events = one
                .events
                .iter()
                .any(|a| other.events.iter().any(|b| rules::means(a, b) || rules::means(b, a)));
            let filters = Filter::of(one.filter.as_ref()).zip(Filter::of(other.filter.as_ref()));
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

/// S3 asks whether it may invoke the function for this bucket before it takes the configuration.
async fn check_destination(s3: &S3, bucket: &str, account: &str, function: &Arn) -> Result<()> {
    let invoker = s3.invoker()?;
    let context = notifications::outbox::context(bucket, account, function);
    let request = InvokeRequest {
        function: function.clone(),
        invocation_type: InvocationType::DryRun,
        payload: Bytes::new(),
        trace_id: None,
    };
    match invoker.invoke(&context, request).await {
        Ok(_) => Ok(()),
        Err(error) if error.fault == danbi_core::Fault::Client => {
            tracing::debug!(%error, %function, bucket = names::bucket_arn(bucket), "a destination of events is refused");
            let message = "Unable to validate the following destination configurations";
            Err(Error::client("InvalidArgument", 400, message)
                .with("ArgumentName1", format!("{function}, null"))
                .with(
                    "ArgumentValue1",
                    format!("Not authorized to invoke function [{function}]"),
                ))
        }
        Err(error) => Err(error.into()),
    }
}
