//! PutFunctionEventInvokeConfig, UpdateFunctionEventInvokeConfig, GetFunctionEventInvokeConfig,
//! DeleteFunctionEventInvokeConfig, ListFunctionEventInvokeConfigs.

use crate::lambda::Lambda;
use crate::names::{FunctionId, FunctionRef, Qualifier};
use crate::records::{Read, decode, put};
use crate::shapes::{
    DeleteFunctionEventInvokeConfigRequest, DestinationConfig, FunctionEventInvokeConfig,
    GetFunctionEventInvokeConfigRequest, ListFunctionEventInvokeConfigsRequest, ListFunctionEventInvokeConfigsResponse,
    OnFailure, OnSuccess, PutFunctionEventInvokeConfigRequest, UpdateFunctionEventInvokeConfigRequest,
};
use crate::{Error, departures, keys, marker};
use danbi_core::{Arn, RequestContext, Timestamp};
use danbi_store::Direction;
use danbi_store::key::KeyReader;
use danbi_wire::Empty;
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// The most configurations in a page.
const PAGE: usize = 50;

/// How asynchronous invocations of a qualifier are retried and reported.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct EventConfig {
    pub modified_ms: i64,
    /// 0 to 2.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retries: Option<i32>,
    /// 60 to 21,600.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_age_secs: Option<i32>,
    /// The ARN of a function, topic, queue or event bus.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub on_success: Option<String>,
    /// The ARN of a function, topic, queue or event bus.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub on_failure: Option<String>,
}

fn qualifier(reference: &FunctionRef) -> String {
    reference
        .qualifier
        .as_ref()
        .map_or_else(|| "$LATEST".into(), ToString::to_string)
}

fn missing_config(reference: &FunctionRef) -> Error {
    let arn = reference.id.qualified_arn(qualifier(reference));
    Error::NotFound(format!("The function {arn} doesn't have an EventInvokeConfig"))
}

fn missing_function() -> Error {
    Error::NotFound("The function doesn't exist.".into())
}

/// Makes sure that the function and what qualifies it are there.
async fn check_target(view: &impl Read, reference: &FunctionRef) -> Result<(), Error> {
    let id = &reference.id;
    view.function(id).await?.ok_or_else(missing_function)?;
    let key = match &reference.qualifier {
        None | Some(Qualifier::Latest) => return Ok(()),
        Some(Qualifier::Version(number)) => keys::version(id, *number),
        Some(Qualifier::Alias(name)) => keys::alias(id, name),
        Some(Qualifier::Unknown(_)) => return Err(missing_function()),
    };
    view.read(&key).await?.map(|_| ()).ok_or_else(missing_function)
}

fn destinations(config: Option<&DestinationConfig>) -> (Option<String>, Option<String>) {
    let Some(config) = config else { return (None, None) };
    let filled = |text: Option<&String>| text.filter(|text| !text.is_empty()).cloned();
    (
        filled(config.on_success.as_ref().and_then(|on| on.destination.as_ref())),
        filled(config.on_failure.as_ref().and_then(|on| on.destination.as_ref())),
    )
}

/// Checks both destinations: functions that exist, and not the function itself, or what `reaches` lets be reached.
async fn check_destinations(
    view: &impl Read,
    id: &FunctionId,
    config: Option<&DestinationConfig>,
    reaches: bool,
) -> Result<(), Error> {
    let (success, failure) = destinations(config);
    for destination in [&failure, &success].into_iter().flatten() {
        let arn: Option<Arn> = destination.parse().ok();
        match arn.as_ref().map(|arn| arn.service.as_str()) {
            Some("lambda") => {
                let invalid = || Error::InvalidParameter(format!("The destination ARN {destination} is invalid."));
                let target = arn.as_ref().and_then(FunctionRef::from_arn).ok_or_else(invalid)?;
                if target.id == *id {
                    return Err(Error::InvalidParameter(
                        "You can't specify the function as a destination for itself.".into(),
                    ));
                }
                // Another account's function would be invoked without that account's leave.
                if target.id.scope != id.scope {
                    return Err(invalid());
                }
                view.function(&target.id).await?.ok_or_else(invalid)?;
            }
            Some("sqs" | "sns" | "events") if reaches && arn.as_ref().is_some_and(departures::is_destination) => {}
            Some(service @ ("sqs" | "sns" | "events" | "s3")) => {
                return Err(Error::Unsupported(format!(
                    "The destination ARN {destination} is not available: destinations of {service} are not built. Use a function, a topic, a queue or an event bus."
                )));
            }
            _ => {
                let part = |name: &str, value: &Option<String>| {
                    value
                        .as_ref()
                        .map_or_else(|| "null".into(), |value| format!("{name}(destination={value})"))
                };
                return Err(Error::InvalidParameter(format!(
                    "The provided destination config DestinationConfig(onSuccess={}, onFailure={}) is invalid.",
                    part("OnSuccess", &success),
                    part("OnFailure", &failure)
                )));
            }
        }
    }
    Ok(())
}

fn show(id: &FunctionId, qualifier: &str, config: EventConfig) -> FunctionEventInvokeConfig {
    FunctionEventInvokeConfig {
        destination_config: Some(DestinationConfig {
            on_failure: Some(OnFailure {
                destination: config.on_failure,
            }),
            on_success: Some(OnSuccess {
                destination: config.on_success,
            }),
        }),
        function_arn: Some(id.qualified_arn(qualifier).to_string()),
        last_modified: Some(Timestamp::from_millis(config.modified_ms)),
        maximum_event_age_in_seconds: config.max_age_secs,
        maximum_retry_attempts: config.retries,
    }
}

fn nothing_given() -> Error {
    Error::InvalidParameter("You must specify at least one of error handling or destination setting.".into())
}

/// PutFunctionEventInvokeConfig: replaces what was there.
pub(crate) async fn put_config(
    lambda: Arc<Lambda>,
    context: RequestContext,
    input: PutFunctionEventInvokeConfigRequest,
) -> Result<FunctionEventInvokeConfig, Error> {
    let PutFunctionEventInvokeConfigRequest {
        destination_config,
        maximum_event_age_in_seconds,
        maximum_retry_attempts,
        ..
    } = &input;
    if destination_config.is_none() && maximum_event_age_in_seconds.is_none() && maximum_retry_attempts.is_none() {
        return Err(nothing_given());
    }
    let reference = FunctionRef::parse(&context.scope, &input.function_name, input.qualifier.as_deref())?;
    let now = lambda.now_ms();
    let (on_success, on_failure) = destinations(destination_config.as_ref());
    let config = EventConfig {
        modified_ms: now,
        retries: *maximum_retry_attempts,
        max_age_secs: *maximum_event_age_in_seconds,
        on_success,
        on_failure,
    };
    lambda
        .store
        .transact(async |tx| {
            check_target(&tx, &reference).await?;
            check_destinations(&tx, &reference.id, destination_config.as_ref(), lambda.reaches).await?;
            put(&tx, &keys::event_config(&reference.id, &qualifier(&reference)), &config)
        })
        .await?;
    Ok(show(&reference.id, &qualifier(&reference), config))
}

/// UpdateFunctionEventInvokeConfig: what the request leaves out stays.
pub(crate) async fn update(
    lambda: Arc<Lambda>,
    context: RequestContext,
    input: UpdateFunctionEventInvokeConfigRequest,
) -> Result<FunctionEventInvokeConfig, Error> {
    if input.destination_config.is_none()
        && input.maximum_event_age_in_seconds.is_none()
        && input.maximum_retry_attempts.is_none()
    {
        return Err(nothing_given());
    }
    let reference = FunctionRef::parse(&context.scope, &input.function_name, input.qualifier.as_deref())?;
    let key = keys::event_config(&reference.id, &qualifier(&reference));
    let now = lambda.now_ms();
    let config = lambda
        .store
        .transact(async |tx| {
            check_target(&tx, &reference).await?;
            let mut config: EventConfig = tx.record(&key).await?.ok_or_else(|| missing_config(&reference))?;
            check_destinations(&tx, &reference.id, input.destination_config.as_ref(), lambda.reaches).await?;
            config.modified_ms = now;
            config.retries = input.maximum_retry_attempts.or(config.retries);
            config.max_age_secs = input.maximum_event_age_in_seconds.or(config.max_age_secs);
            if let Some(given) = &input.destination_config {
                let (success, failure) = destinations(Some(given));
                if given.on_success.is_some() {
                    config.on_success = success;
                }
                if given.on_failure.is_some() {
                    config.on_failure = failure;
                }
            }
            put(&tx, &key, &config)?;
            Ok::<_, Error>(config)
        })
        .await?;
    Ok(show(&reference.id, &qualifier(&reference), config))
}

/// GetFunctionEventInvokeConfig.
pub(crate) async fn get(
    lambda: Arc<Lambda>,
    context: RequestContext,
    input: GetFunctionEventInvokeConfigRequest,
) -> Result<FunctionEventInvokeConfig, Error> {
    let reference = FunctionRef::parse(&context.scope, &input.function_name, input.qualifier.as_deref())?;
    let view = lambda.snapshot().await?;
    let config = view
        .record(&keys::event_config(&reference.id, &qualifier(&reference)))
        .await?;
    Ok(show(
        &reference.id,
        &qualifier(&reference),
        config.ok_or_else(|| missing_config(&reference))?,
    ))
}

/// DeleteFunctionEventInvokeConfig.
pub(crate) async fn delete(
    lambda: Arc<Lambda>,
    context: RequestContext,
    input: DeleteFunctionEventInvokeConfigRequest,
) -> Result<Empty, Error> {
    let reference = FunctionRef::parse(&context.scope, &input.function_name, input.qualifier.as_deref())?;
    let key = keys::event_config(&reference.id, &qualifier(&reference));
    lambda
        .store
        .transact(async |tx| {
            tx.get(&key).await?.ok_or_else(|| missing_config(&reference))?;
            tx.delete(&key)?;
            Ok::<_, Error>(Empty {})
        })
        .await
}

/// ListFunctionEventInvokeConfigs.
pub(crate) async fn list(
    lambda: Arc<Lambda>,
    context: RequestContext,
    input: ListFunctionEventInvokeConfigsRequest,
) -> Result<ListFunctionEventInvokeConfigsResponse, Error> {
    let id = FunctionRef::parse(&context.scope, &input.function_name, None)?.id;
    let limit = marker::limit(input.max_items, PAGE);
    let from: Option<String> = marker::read(input.marker.as_deref())?;
    let view = lambda.snapshot().await?;
    view.function(&id).await?.ok_or_else(missing_function)?;
    let prefix = keys::event_configs(&id);
    let mut range = keys::below(&prefix);
    if let Some(from) = &from {
        range = range.after(&keys::event_config(&id, from));
    }
    let page = view.scan(range, Direction::Forward, limit).await?;
    let mut configs = Vec::new();
    let mut last = None;
    for (key, value) in &page.entries {
        let qualifier = KeyReader::after_prefix(key, &prefix)
            .and_then(|mut reader| reader.str())
            .map_err(Error::internal)?;
        configs.push(show(&id, &qualifier, decode(value)?));
        last = Some(qualifier);
    }
    let next_marker = last
        .filter(|_| page.more)
        .map(|last| marker::write(&last))
        .transpose()?;
    Ok(ListFunctionEventInvokeConfigsResponse {
        function_event_invoke_configs: Some(configs),
        next_marker,
    })
}
