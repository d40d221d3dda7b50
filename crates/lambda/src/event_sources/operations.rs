//! CreateEventSourceMapping, GetEventSourceMapping, ListEventSourceMappings, UpdateEventSourceMapping,
//! DeleteEventSourceMapping.

use super::filter::Filters;
use super::{Checkpoint, Mapping};
use crate::lambda::{Lambda, resolve};
use crate::names::FunctionRef;
use crate::records::{Read, decode, new_revision, put};
use crate::shapes::{
    CreateEventSourceMappingRequest, DeleteEventSourceMappingRequest, DestinationConfig,
    EventSourceMappingConfiguration, Filter, FilterCriteria, GetEventSourceMappingRequest,
    ListEventSourceMappingsRequest, ListEventSourceMappingsResponse, OnFailure, ScalingConfig,
    UpdateEventSourceMappingRequest,
};
use crate::{Error, keys, marker};
use danbi_core::{Access, Arn, RequestContext, Scope, Timestamp};
use danbi_store::Direction;
use serde_json::json;
use std::sync::Arc;

/// Mappings in one answer, at most.
const PAGE: usize = 100;
/// Patterns of one mapping.
const MAX_FILTERS: usize = 5;
/// Without `BatchSize`: of streams, of queues.
const BATCH_SIZE: u32 = 100;
const QUEUE_BATCH_SIZE: u32 = 10;
/// Messages of a FIFO queue in one batch, and of any queue without a window. Source:
/// <https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-configure.html>.
const QUEUE_BATCH_WITHOUT_WINDOW: u32 = 10;
/// `MaximumConcurrency`.
const CONCURRENCY: std::ops::RangeInclusive<i32> = 2..=1_000;

fn not_found() -> Error {
    Error::NotFound("The resource you requested does not exist.".into())
}

fn invalid(message: impl Into<String>) -> Error {
    Error::InvalidParameter(message.into())
}

fn unsupported(member: &str) -> Error {
    Error::Unsupported(format!("Event source mappings with {member} are not built."))
}

/// The ARN of a mapping, for the authorizer: AWS knows them by account and region.
pub(crate) fn arn(context: &RequestContext, uuid: &str) -> Arn {
    Arn::new("lambda", &context.scope, format!("event-source-mapping:{uuid}"))
}

/// What may be given when a mapping is made and when it is changed.
#[derive(Default)]
struct Settings<'i> {
    batch_size: Option<i32>,
    window_secs: Option<i32>,
    parallel: Option<i32>,
    max_retries: Option<i32>,
    max_age_secs: Option<i32>,
    bisect: Option<bool>,
    response_types: Option<&'i [String]>,
    filters: Option<&'i FilterCriteria>,
    destination: Option<&'i DestinationConfig>,
    enabled: Option<bool>,
    scaling: Option<&'i ScalingConfig>,
}

/// A number of the model, which is within bounds and not negative.
fn count(given: i32) -> u32 {
    given.unsigned_abs()
}

impl Mapping {
    fn change(&mut self, settings: &Settings<'_>) -> Result<(), Error> {
        self.batch_size = settings.batch_size.map_or(self.batch_size, count);
        self.window_secs = settings.window_secs.map_or(self.window_secs, count);
        self.parallel = settings.parallel.map_or(self.parallel, count);
        self.max_retries = settings.max_retries.unwrap_or(self.max_retries);
        if let Some(age) = settings.max_age_secs {
            if age != -1 && age < 60 {
                return Err(invalid("MaximumRecordAgeInSeconds must be -1 or between 60 and 604800"));
            }
            self.max_age_secs = age;
        }
        self.bisect = settings.bisect.unwrap_or(self.bisect);
        self.enabled = settings.enabled.unwrap_or(self.enabled);
        if let Some(scaling) = settings.scaling {
            self.max_concurrency = match scaling.maximum_concurrency {
                Some(most) if !CONCURRENCY.contains(&most) => {
                    return Err(invalid("MaximumConcurrency must be between 2 and 1000"));
                }
                most => most.map(count),
            };
        }
        if self.is_of_queue() {
            self.check_queue_settings(settings)?;
        }
        if let Some(types) = settings.response_types {
            self.report_failures = types.iter().any(|kind| kind == "ReportBatchItemFailures");
        }
        if let Some(criteria) = settings.filters {
            let filters = criteria.filters.as_deref().unwrap_or_default();
            self.filters = filters.iter().filter_map(|filter| filter.pattern.clone()).collect();
            if self.filters.len() > MAX_FILTERS {
                return Err(invalid(format!(
                    "Filters list cannot contain more than {MAX_FILTERS} elements."
                )));
            }
            if Filters::parse(&self.filters).is_none() {
                return Err(invalid("Invalid filter pattern definition."));
            }
        }
        if let Some(config) = settings.destination {
            if config.on_success.as_ref().is_some_and(|on| on.destination.is_some()) {
                return Err(invalid(
                    "OnSuccess destinations are not supported for event source mappings",
                ));
            }
            let failure = config.on_failure.as_ref().and_then(|on| on.destination.clone());
            self.on_failure = failure.filter(|destination| !destination.is_empty());
            let service = self
                .on_failure
                .as_ref()
                .map(|arn| arn.parse::<Arn>().map(|arn| arn.service));
            match service {
                None => {}
                Some(Ok(service)) if ["sns", "sqs", "s3"].contains(&service.as_str()) => {}
                Some(Ok(service)) => return Err(unsupported(&format!("an OnFailure destination of {service}"))),
                Some(Err(_)) => return Err(invalid("The destination ARN of OnFailure is invalid.")),
            }
        }
        Ok(())
    }

    /// Refuses what only streams have, and batches that AWS does not make of queues.
    fn check_queue_settings(&self, settings: &Settings<'_>) -> Result<(), Error> {
        for (given, member) in [
            (settings.parallel.is_some(), "ParallelizationFactor"),
            (settings.max_retries.is_some(), "MaximumRetryAttempts"),
            (settings.max_age_secs.is_some(), "MaximumRecordAgeInSeconds"),
            (settings.bisect.is_some(), "BisectBatchOnFunctionError"),
        ] {
            if given {
                return Err(invalid(format!(
                    "{member} is not supported for the event source type of the event source mapping"
                )));
            }
        }
        if settings.destination.is_some_and(|config| config.on_failure.is_some()) {
            return Err(invalid(
                "Unsupported destination: the dead-letter queue of the source queue takes what fails",
            ));
        }
        let fifo = self.source.ends_with(".fifo");
        if self.batch_size > QUEUE_BATCH_WITHOUT_WINDOW && fifo {
            return Err(invalid(format!(
                "Batch size must be between 1 and {QUEUE_BATCH_WITHOUT_WINDOW} for FIFO queues."
            )));
        }
        if self.window_secs > 0 && fifo {
            return Err(invalid("Batching window is not supported for FIFO queues"));
        }
        if self.batch_size > QUEUE_BATCH_WITHOUT_WINDOW && self.window_secs == 0 {
            return Err(invalid(
                "Maximum batch window in seconds must be greater than 0 if maximum batch size is greater than 10",
            ));
        }
        Ok(())
    }

    fn shown(&self, state: &str, result: Option<String>) -> EventSourceMappingConfiguration {
        if self.is_of_queue() {
            return self.shown_of_queue(state);
        }
        let filters = self.filters.iter().map(|pattern| Filter {
            pattern: Some(pattern.clone()),
        });
        EventSourceMappingConfiguration {
            uuid: Some(self.uuid.clone()),
            starting_position: Some(self.starting_position.clone()),
            batch_size: Some(self.batch_size.cast_signed()),
            maximum_batching_window_in_seconds: Some(self.window_secs.cast_signed()),
            parallelization_factor: Some(self.parallel.cast_signed()),
            event_source_arn: Some(self.source.clone()),
            filter_criteria: (!self.filters.is_empty()).then(|| FilterCriteria {
                filters: Some(filters.collect()),
            }),
            function_arn: self.function_arn(),
            last_modified: Some(Timestamp::from_millis(self.modified_ms)),
            last_processing_result: Some(result.unwrap_or_else(|| "No records processed".into())),
            state: Some(state.into()),
            state_transition_reason: Some("User action".into()),
            destination_config: Some(DestinationConfig {
                on_failure: self.on_failure.as_ref().map(|destination| OnFailure {
                    destination: Some(destination.clone()),
                }),
                on_success: None,
            }),
            maximum_record_age_in_seconds: Some(self.max_age_secs),
            bisect_batch_on_function_error: Some(self.bisect),
            maximum_retry_attempts: Some(self.max_retries),
            tumbling_window_in_seconds: Some(0),
            function_response_types: self.report_failures.then(|| vec!["ReportBatchItemFailures".into()]),
            event_source_mapping_arn: self
                .scope()
                .map(|scope| Arn::new("lambda", &scope, format!("event-source-mapping:{}", self.uuid)).to_string()),
            ..EventSourceMappingConfiguration::default()
        }
    }

    /// A queue has no position, and of the settings only some.
    fn shown_of_queue(&self, state: &str) -> EventSourceMappingConfiguration {
        let filters = self.filters.iter().map(|pattern| Filter {
            pattern: Some(pattern.clone()),
        });
        EventSourceMappingConfiguration {
            uuid: Some(self.uuid.clone()),
            batch_size: Some(self.batch_size.cast_signed()),
            maximum_batching_window_in_seconds: Some(self.window_secs.cast_signed()),
            event_source_arn: Some(self.source.clone()),
            filter_criteria: (!self.filters.is_empty()).then(|| FilterCriteria {
                filters: Some(filters.collect()),
            }),
            function_arn: self.function_arn(),
            last_modified: Some(Timestamp::from_millis(self.modified_ms)),
            state: Some(state.into()),
            state_transition_reason: Some("USER_INITIATED".into()),
            function_response_types: Some(match self.report_failures {
                true => vec!["ReportBatchItemFailures".into()],
                false => Vec::new(),
            }),
            scaling_config: self.max_concurrency.map(|most| ScalingConfig {
                maximum_concurrency: Some(most.cast_signed()),
            }),
            event_source_mapping_arn: self
                .scope()
                .map(|scope| Arn::new("lambda", &scope, format!("event-source-mapping:{}", self.uuid)).to_string()),
            ..EventSourceMappingConfiguration::default()
        }
    }

    fn function_arn(&self) -> Option<String> {
        self.reference().map(|reference| match &reference.qualifier {
            Some(_) => reference.arn().to_string(),
            None => reference.id.arn().to_string(),
        })
    }

    fn state(&self) -> &'static str {
        if self.enabled { "Enabled" } else { "Disabled" }
    }

    fn key(&self) -> bytes::Bytes {
        keys::mapping(&self.account, &self.region, &self.uuid)
    }
}

fn key(scope: &Scope, uuid: &str) -> bytes::Bytes {
    keys::mapping(scope.account.as_str(), scope.region.as_str(), uuid)
}

/// Refuses what AWS has for other sources, or what is not built.
fn check_new(input: &CreateEventSourceMappingRequest) -> Result<Arn, Error> {
    for (given, member) in [
        (
            input.tumbling_window_in_seconds.is_some_and(|window| window > 0),
            "TumblingWindowInSeconds",
        ),
        (input.kms_key_arn.is_some(), "KMSKeyArn"),
        (input.metrics_config.is_some(), "MetricsConfig"),
        (input.logging_config.is_some(), "LoggingConfig"),
        (input.provisioned_poller_config.is_some(), "ProvisionedPollerConfig"),
        (input.tags.as_ref().is_some_and(|tags| !tags.is_empty()), "Tags"),
        (input.topics.is_some(), "Topics"),
        (input.queues.is_some(), "Queues"),
        (input.self_managed_event_source.is_some(), "SelfManagedEventSource"),
        (
            input.source_access_configurations.is_some(),
            "SourceAccessConfigurations",
        ),
    ] {
        if given {
            return Err(unsupported(member));
        }
    }
    let source = input
        .event_source_arn
        .as_deref()
        .ok_or_else(|| invalid("The event source ARN must be specified."))?;
    let arn: Arn = source
        .parse()
        .map_err(|_| invalid(format!("Unrecognized event source: {source}")))?;
    if arn.service == "sqs" {
        return match input.starting_position {
            Some(_) => Err(invalid("StartingPosition is not valid for SQS event sources.")),
            None => Ok(arn),
        };
    }
    if input.scaling_config.is_some() {
        return Err(invalid("ScalingConfig is only supported for SQS event sources."));
    }
    if arn.service != "dynamodb" {
        return Err(unsupported(&format!("an event source of {}", arn.service)));
    }
    if !arn.resource.contains("/stream/") {
        return Err(invalid(format!(
            "Unrecognized event source, must be a DynamoDB stream: {source}"
        )));
    }
    match input.starting_position.as_deref() {
        Some("TRIM_HORIZON" | "LATEST") => Ok(arn),
        None => Err(Error::Validation(
            "1 validation error detected: Value null at 'startingPosition' failed to satisfy constraint: Member must not be null."
                .into(),
        )),
        Some(other) => Err(invalid(format!("Unsupported starting position for arn type: {other}"))),
    }
}

/// CreateEventSourceMapping. From where on a stream is read is decided before this answers.
pub(crate) async fn create(
    lambda: Arc<Lambda>,
    context: RequestContext,
    input: CreateEventSourceMappingRequest,
) -> Result<EventSourceMappingConfiguration, Error> {
    let source = check_new(&input)?;
    let reference = FunctionRef::parse(&context.scope, &input.function_name, None)?;
    if source.scope().as_ref() != Some(&reference.id.scope) {
        return Err(invalid(
            "The event source must be in the function's own account and region.",
        ));
    }
    let mut mapping = Mapping {
        uuid: new_revision(),
        account: reference.id.scope.account.to_string(),
        region: reference.id.scope.region.to_string(),
        function: reference.id.name.to_string(),
        qualifier: reference.qualifier.as_ref().map(ToString::to_string),
        source: source.to_string(),
        starting_position: input.starting_position.clone().unwrap_or_default(),
        enabled: true,
        batch_size: if source.service == "sqs" {
            QUEUE_BATCH_SIZE
        } else {
            BATCH_SIZE
        },
        window_secs: 0,
        parallel: 1,
        max_retries: -1,
        max_age_secs: -1,
        bisect: false,
        report_failures: false,
        filters: Vec::new(),
        on_failure: None,
        max_concurrency: None,
        modified_ms: lambda.now_ms(),
        revision: new_revision(),
    };
    mapping.change(&Settings {
        batch_size: input.batch_size,
        window_secs: input.maximum_batching_window_in_seconds,
        parallel: input.parallelization_factor,
        max_retries: input.maximum_retry_attempts,
        max_age_secs: input.maximum_record_age_in_seconds,
        bisect: input.bisect_batch_on_function_error,
        response_types: input.function_response_types.as_deref(),
        filters: input.filter_criteria.as_ref(),
        destination: input.destination_config.as_ref(),
        enabled: input.enabled,
        scaling: input.scaling_config.as_ref(),
    })?;
    // The source is read in the account's name from now on; whoever asks for that must be allowed to read it.
    let actions = match mapping.is_of_queue() {
        true => ["sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:GetQueueAttributes"],
        false => [
            "dynamodb:DescribeStream",
            "dynamodb:GetShardIterator",
            "dynamodb:GetRecords",
        ],
    };
    for action in actions {
        let access = Access::new(action, mapping.source.as_str());
        lambda
            .authorizer
            .authorize(&context, &access)
            .await
            .map_err(Error::Other)?;
    }
    let positions = match mapping.is_of_queue() {
        true => {
            lambda
                .check_queue(&mapping, lambda.timeout_of(&reference).await?)
                .await?;
            Vec::new()
        }
        false => lambda.positions(&mapping).await?,
    };
    let (mapping, positions) = (&mapping, &positions);
    lambda
        .store
        .transact(async |tx| {
            resolve(&tx, &reference).await?;
            let unique = keys::mapping_of(&reference.id, &mapping.qualifier, &mapping.source);
            if let Some(known) = tx.record::<String>(&unique).await? {
                return Err(Error::Conflict(format!(
                    "The event source arn (\" {} \") and function (\" {} \") provided mapping already exists. Please \
                     update or delete the existing mapping with UUID {known}",
                    mapping.source, mapping.function
                )));
            }
            put(&tx, &unique, &mapping.uuid)?;
            for (shard, checkpoint) in positions {
                put(&tx, &keys::source_checkpoint(&mapping.uuid, shard), checkpoint)?;
            }
            put(&tx, &mapping.key(), mapping)
        })
        .await?;
    lambda.mappings_changed.notify_one();
    Ok(mapping.shown("Creating", None))
}

impl Lambda {
    /// How long the function may run, in seconds.
    async fn timeout_of(&self, reference: &FunctionRef) -> Result<u32, Error> {
        Ok(self.choose(reference).await?.version.configuration.timeout_secs)
    }

    /// Where each shard of a new mapping's stream is read from.
    async fn positions(&self, mapping: &Mapping) -> Result<Vec<(String, Checkpoint)>, Error> {
        let shards = self.shards_of(mapping).await.map_err(|error| match error {
            Error::Other(error) if error.code == "ResourceNotFoundException" => {
                invalid(format!("Stream not found: {}", mapping.source))
            }
            error => error,
        })?;
        if mapping.starting_position != "LATEST" {
            return Ok(Vec::new());
        }
        let now = self.now_ms();
        let mut positions = Vec::with_capacity(shards.len());
        for shard in shards {
            let input = json!({"StreamArn": mapping.source, "ShardId": shard, "ShardIteratorType": "LATEST"});
            let answer = self.ask_stream(mapping, "GetShardIterator", input).await?;
            let iterator = answer["ShardIterator"].as_str().unwrap_or_default().to_owned();
            let checkpoint = Checkpoint {
                after: None,
                iterator: Some((iterator, now)),
                since_ms: now,
            };
            positions.push((shard, checkpoint));
        }
        Ok(positions)
    }
}

/// GetEventSourceMapping.
pub(crate) async fn get(
    lambda: Arc<Lambda>,
    context: RequestContext,
    input: GetEventSourceMappingRequest,
) -> Result<EventSourceMappingConfiguration, Error> {
    let view = lambda.snapshot().await?;
    let mapping: Option<Mapping> = view.record(&key(&context.scope, &input.uuid)).await?;
    let mapping = mapping.ok_or_else(not_found)?;
    let result = view.record(&keys::mapping_result(&mapping.uuid)).await?;
    Ok(mapping.shown(mapping.state(), result))
}

/// ListEventSourceMappings.
pub(crate) async fn list(
    lambda: Arc<Lambda>,
    context: RequestContext,
    input: ListEventSourceMappingsRequest,
) -> Result<ListEventSourceMappingsResponse, Error> {
    let limit = marker::limit(input.max_items, PAGE);
    let from: Option<String> = marker::read(input.marker.as_deref())?;
    let function = input
        .function_name
        .as_deref()
        .map(|name| FunctionRef::parse(&context.scope, name, None))
        .transpose()?;
    let wanted = |mapping: &Mapping| {
        input.event_source_arn.as_ref().is_none_or(|arn| *arn == mapping.source)
            && function.as_ref().is_none_or(|function| {
                function.id.name.as_str() == mapping.function
                    && function.qualifier.as_ref().map(ToString::to_string) == mapping.qualifier
            })
    };
    let mut range = keys::below(&keys::mappings(&context.scope));
    if let Some(from) = &from {
        range = range.after(&key(&context.scope, from));
    }
    let view = lambda.snapshot().await?;
    let (mut shown, mut last) = (Vec::new(), None);
    loop {
        let page = view.scan(range.clone(), Direction::Forward, PAGE).await?;
        for (key, value) in &page.entries {
            range = range.after(key);
            let mapping: Mapping = decode(value)?;
            if !wanted(&mapping) {
                continue;
            }
            if shown.len() == limit {
                return Ok(ListEventSourceMappingsResponse {
                    next_marker: last.map(|last: String| marker::write(&last)).transpose()?,
                    event_source_mappings: Some(shown),
                });
            }
            let result = view.record(&keys::mapping_result(&mapping.uuid)).await?;
            shown.push(mapping.shown(mapping.state(), result));
            last = Some(mapping.uuid);
        }
        if !page.more {
            return Ok(ListEventSourceMappingsResponse {
                next_marker: None,
                event_source_mappings: Some(shown),
            });
        }
    }
}

/// UpdateEventSourceMapping: what the request leaves out stays, and so does the place in the stream.
pub(crate) async fn update(
    lambda: Arc<Lambda>,
    context: RequestContext,
    input: UpdateEventSourceMappingRequest,
) -> Result<EventSourceMappingConfiguration, Error> {
    for (given, member) in [
        (
            input.tumbling_window_in_seconds.is_some_and(|window| window > 0),
            "TumblingWindowInSeconds",
        ),
        (input.kms_key_arn.is_some(), "KMSKeyArn"),
        (input.metrics_config.is_some(), "MetricsConfig"),
        (input.logging_config.is_some(), "LoggingConfig"),
        (input.provisioned_poller_config.is_some(), "ProvisionedPollerConfig"),
        (
            input.source_access_configurations.is_some(),
            "SourceAccessConfigurations",
        ),
    ] {
        if given {
            return Err(unsupported(member));
        }
    }
    let function = input
        .function_name
        .as_deref()
        .map(|name| FunctionRef::parse(&context.scope, name, None))
        .transpose()?;
    let settings = Settings {
        batch_size: input.batch_size,
        window_secs: input.maximum_batching_window_in_seconds,
        parallel: input.parallelization_factor,
        max_retries: input.maximum_retry_attempts,
        max_age_secs: input.maximum_record_age_in_seconds,
        bisect: input.bisect_batch_on_function_error,
        response_types: input.function_response_types.as_deref(),
        filters: input.filter_criteria.as_ref(),
        destination: input.destination_config.as_ref(),
        enabled: input.enabled,
        scaling: input.scaling_config.as_ref(),
    };
    let (now, revision) = (lambda.now_ms(), new_revision());
    let (changed, was_enabled) = lambda
        .store
        .transact(async |tx| {
            let found: Option<Mapping> = tx.record(&key(&context.scope, &input.uuid)).await?;
            let before = found.ok_or_else(not_found)?;
            let mut mapping = before.clone();
            mapping.change(&settings)?;
            if let Some(reference) = &function {
                resolve(&tx, reference).await?;
                mapping.function = reference.id.name.to_string();
                mapping.qualifier = reference.qualifier.as_ref().map(ToString::to_string);
                if let Some(old) = before.reference() {
                    tx.delete(&keys::mapping_of(&old.id, &before.qualifier, &before.source))?;
                }
                let unique = keys::mapping_of(&reference.id, &mapping.qualifier, &mapping.source);
                if let Some(known) = tx.record::<String>(&unique).await?.filter(|known| *known != mapping.uuid) {
                    return Err(Error::Conflict(format!(
                        "The event source arn (\" {} \") and function (\" {} \") provided mapping already exists. Please \
                         update or delete the existing mapping with UUID {known}",
                        mapping.source, mapping.function
                    )));
                }
                put(&tx, &unique, &mapping.uuid)?;
            }
            mapping.modified_ms = now;
            mapping.revision.clone_from(&revision);
            put(&tx, &mapping.key(), &mapping)?;
            Ok((mapping, before.enabled))
        })
        .await?;
    lambda.mappings_changed.notify_one();
    let result = lambda
        .snapshot()
        .await?
        .record(&keys::mapping_result(&changed.uuid))
        .await?;
    let state = match (was_enabled, changed.enabled) {
        (true, false) => "Disabling",
        (false, true) => "Enabling",
        (true, true) => "Updating",
        (false, false) => "Disabled",
    };
    Ok(changed.shown(state, result))
}

/// DeleteEventSourceMapping.
pub(crate) async fn delete(
    lambda: Arc<Lambda>,
    context: RequestContext,
    input: DeleteEventSourceMappingRequest,
) -> Result<EventSourceMappingConfiguration, Error> {
    let gone = lambda
        .store
        .transact(async |tx| {
            let found: Option<Mapping> = tx.record(&key(&context.scope, &input.uuid)).await?;
            let mapping = found.ok_or_else(not_found)?;
            tx.delete(&mapping.key())?;
            tx.delete(&keys::mapping_lease(&mapping.uuid))?;
            tx.delete(&keys::mapping_result(&mapping.uuid))?;
            tx.delete_range(keys::below(&keys::source_checkpoints(&mapping.uuid)))?;
            if let Some(reference) = mapping.reference() {
                tx.delete(&keys::mapping_of(&reference.id, &mapping.qualifier, &mapping.source))?;
            }
            Ok::<_, Error>(mapping)
        })
        .await?;
    lambda.mappings_changed.notify_one();
    Ok(gone.shown("Deleting", None))
}
