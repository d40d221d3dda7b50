//! Stacks, resources and events as they are shown.

use crate::engine::CloudFormation;
use crate::records::{self, Event, Resource, Stack as Record};
use crate::shapes::*;
use crate::template::parameters::Given;
use crate::{Error, Result, keys, names};
use danbi_core::RequestContext;
use std::collections::BTreeMap;
use std::sync::Arc;

/// Entries of one answer. Source: the API's own 1 MB or 100.
const PAGE: usize = 100;

/// The part of a list that a token asks for, and the token of the next one.
pub(super) fn page<T>(all: Vec<T>, token: Option<&String>, most: usize) -> Result<(Vec<T>, Option<String>)> {
    let start = match token {
        None => 0,
        Some(token) => token
            .parse::<usize>()
            .map_err(|_| Error::validation("Invalid NextToken"))?,
    };
    let most = most.clamp(1, 1000);
    let more = start.saturating_add(most) < all.len();
    let part = all.into_iter().skip(start).take(most).collect();
    Ok((part, more.then(|| (start + most).to_string())))
}

/// Parameters as they are shown.
pub(super) fn parameters(given: &BTreeMap<String, Given>) -> Vec<Parameter> {
    given
        .iter()
        .map(|(key, given)| Parameter {
            parameter_key: Some(key.clone()),
            parameter_value: Some(if given.no_echo {
                "****".to_owned()
            } else {
                given.value.clone()
            }),
            resolved_value: given.resolved.clone().map(|value| match given.no_echo {
                true => "****".to_owned(),
                false => value,
            }),
            ..Parameter::default()
        })
        .collect()
}

pub(super) fn tags(tags: &[records::Tag]) -> Vec<Tag> {
    tags.iter()
        .map(|tag| Tag {
            key: tag.key.clone(),
            value: tag.value.clone(),
        })
        .collect()
}

fn shown(stack: Record) -> Stack {
    let target = &stack.target;
    let outputs: Vec<Output> = stack
        .outputs
        .iter()
        .map(|output| Output {
            output_key: Some(output.key.clone()),
            output_value: Some(output.value.clone()),
            description: output.description.clone(),
            export_name: output.export.clone(),
        })
        .collect();
    Stack {
        stack_id: Some(stack.id()),
        stack_name: stack.name.clone(),
        change_set_id: stack.change_set.clone(),
        description: target.description.clone(),
        parameters: Some(parameters(&target.parameters)).filter(|list| !list.is_empty()),
        creation_time: stack.created,
        deletion_time: stack.deleted,
        last_updated_time: stack.updated,
        rollback_configuration: Some(
            stack
                .rollback
                .clone()
                .and_then(|one| serde_json::from_value(one).ok())
                .unwrap_or_default(),
        ),
        stack_status: stack.status.clone(),
        stack_status_reason: stack.reason.clone().filter(|reason| reason != "User Initiated"),
        disable_rollback: Some(stack.disable_rollback),
        notification_arns: Some(target.notification_arns.clone()),
        timeout_in_minutes: stack.timeout_minutes,
        capabilities: Some(target.capabilities.clone()).filter(|list| !list.is_empty()),
        outputs: Some(outputs).filter(|list| !list.is_empty()),
        role_arn: target.role_arn.clone(),
        tags: Some(tags(&target.tags)),
        enable_termination_protection: Some(stack.protected),
        parent_id: stack.parent.clone(),
        root_id: stack.root.clone(),
        drift_information: Some(StackDriftInformation {
            stack_drift_status: "NOT_CHECKED".to_owned(),
            ..StackDriftInformation::default()
        }),
        deletion_mode: stack.deletion_mode.clone(),
        ..Stack::default()
    }
}

async fn all(engine: &CloudFormation, context: &RequestContext) -> Result<Vec<Record>> {
    let snapshot = engine.store.snapshot().await?;
    let found = records::list::<Record>(&snapshot, &keys::stacks(&context.scope), None, usize::MAX).await?;
    let mut all: Vec<Record> = found.into_iter().map(|(_, stack)| stack).collect();
    all.sort_by(|a, b| b.created.cmp(&a.created).then_with(|| a.name.cmp(&b.name)));
    Ok(all)
}

/// DescribeStacks.
pub(super) async fn stacks(
    engine: Arc<CloudFormation>,
    context: RequestContext,
    input: DescribeStacksInput,
) -> Result<DescribeStacksOutput> {
    if let Some(name) = &input.stack_name {
        let snapshot = engine.store.snapshot().await?;
        let stack = names::existing(&snapshot, &context.scope, name).await?;
        return Ok(DescribeStacksOutput {
            stacks: Some(vec![shown(stack)]),
            next_token: None,
        });
    }
    let live = all(&engine, &context)
        .await?
        .into_iter()
        .filter(|stack| stack.deleted.is_none())
        .map(shown)
        .collect();
    let (stacks, next_token) = page(live, input.next_token.as_ref(), PAGE)?;
    Ok(DescribeStacksOutput {
        stacks: Some(stacks),
        next_token,
    })
}

/// ListStacks: deleted ones too.
pub(super) async fn list(
    engine: Arc<CloudFormation>,
    context: RequestContext,
    input: ListStacksInput,
) -> Result<ListStacksOutput> {
    let wanted = input.stack_status_filter.unwrap_or_default();
    let fits = |stack: &Record| wanted.is_empty() || wanted.contains(&stack.status);
    let summary = |stack: Record| StackSummary {
        stack_id: Some(stack.id()),
        stack_name: stack.name.clone(),
        template_description: stack.target.description.clone(),
        creation_time: stack.created,
        last_updated_time: stack.updated,
        deletion_time: stack.deleted,
        stack_status: stack.status.clone(),
        stack_status_reason: stack.reason.clone().filter(|reason| reason != "User Initiated"),
        parent_id: stack.parent.clone(),
        root_id: stack.root.clone(),
        drift_information: Some(StackDriftInformationSummary {
            stack_drift_status: "NOT_CHECKED".to_owned(),
            ..StackDriftInformationSummary::default()
        }),
        ..StackSummary::default()
    };
    let all = all(&engine, &context)
        .await?
        .into_iter()
        .filter(fits)
        .map(summary)
        .collect();
    let (summaries, next_token) = page(all, input.next_token.as_ref(), PAGE)?;
    Ok(ListStacksOutput {
        stack_summaries: Some(summaries),
        next_token,
    })
}

/// DescribeStackEvents.
pub(super) async fn events(
    engine: Arc<CloudFormation>,
    context: RequestContext,
    input: DescribeStackEventsInput,
) -> Result<DescribeStackEventsOutput> {
    let snapshot = engine.store.snapshot().await?;
    let stack = names::find(&snapshot, &context.scope, &input.stack_name).await?;
    let stack = stack.ok_or_else(|| Error::no_stack(&input.stack_name))?;
    let start = match &input.next_token {
        None => 0,
        Some(token) => token
            .parse::<usize>()
            .map_err(|_| Error::validation("Invalid NextToken"))?,
    };
    let most = start.saturating_add(PAGE + 1);
    let found = records::list::<Event>(&snapshot, &keys::events(&stack.uuid), None, most).await?;
    let more = found.len() == most;
    let id = stack.id();
    let shown = found.into_iter().skip(start).take(PAGE).map(|(_, event)| StackEvent {
        stack_id: id.clone(),
        event_id: event.id,
        stack_name: stack.name.clone(),
        logical_resource_id: Some(event.logical_id),
        physical_resource_id: Some(event.physical_id),
        resource_type: Some(event.kind),
        timestamp: event.time,
        resource_status: Some(event.status),
        resource_status_reason: event.reason,
        resource_properties: event.properties,
        client_request_token: event.token,
        ..StackEvent::default()
    });
    Ok(DescribeStackEventsOutput {
        stack_events: Some(shown.collect()),
        next_token: more.then(|| (start + PAGE).to_string()),
    })
}

async fn of_stack(engine: &CloudFormation, stack: &Record) -> Result<Vec<Resource>> {
    let snapshot = engine.store.snapshot().await?;
    let found = records::list::<Resource>(&snapshot, &keys::resources(&stack.uuid), None, usize::MAX).await?;
    // A record without a status is of a resource that was looked at and not begun.
    Ok(found
        .into_iter()
        .map(|(_, record)| record)
        .filter(|record| !record.status.is_empty())
        .collect())
}

/// DescribeStackResource.
pub(super) async fn resource(
    engine: Arc<CloudFormation>,
    context: RequestContext,
    input: DescribeStackResourceInput,
) -> Result<DescribeStackResourceOutput> {
    let snapshot = engine.store.snapshot().await?;
    let stack = names::find(&snapshot, &context.scope, &input.stack_name).await?;
    let stack = stack.ok_or_else(|| Error::validation(format!("Stack '{}' does not exist", input.stack_name)))?;
    let record: Option<Resource> =
        records::get(&snapshot, &keys::resource(&stack.uuid, &input.logical_resource_id)).await?;
    let record = record.filter(|record| !record.status.is_empty()).ok_or_else(|| {
        Error::validation(format!(
            "Resource {} does not exist for stack {}",
            input.logical_resource_id, input.stack_name
        ))
    })?;
    let metadata = record.state.as_ref().and_then(|state| state.metadata.as_ref());
    let detail = StackResourceDetail {
        stack_name: Some(stack.name.clone()),
        stack_id: Some(stack.id()),
        logical_resource_id: record.logical_id.clone(),
        physical_resource_id: record.physical_id(),
        metadata: Some(metadata.map_or_else(|| "{}".to_owned(), ToString::to_string)),
        resource_type: record.kind,
        last_updated_timestamp: record.changed,
        resource_status: record.status,
        resource_status_reason: record.reason,
        drift_information: Some(StackResourceDriftInformation {
            stack_resource_drift_status: "NOT_CHECKED".to_owned(),
            ..StackResourceDriftInformation::default()
        }),
        ..StackResourceDetail::default()
    };
    Ok(DescribeStackResourceOutput {
        stack_resource_detail: Some(detail),
    })
}

/// DescribeStackResources: of a stack, or of the stack that a physical resource belongs to.
pub(super) async fn resources(
    engine: Arc<CloudFormation>,
    context: RequestContext,
    input: DescribeStackResourcesInput,
) -> Result<DescribeStackResourcesOutput> {
    let (stack, found) = match (&input.stack_name, &input.physical_resource_id) {
        (Some(_), Some(_)) => {
            return Err(Error::validation(
                "You cannot specify both StackName and PhysicalResourceId.",
            ));
        }
        (Some(name), None) => {
            let snapshot = engine.store.snapshot().await?;
            let stack = names::existing(&snapshot, &context.scope, name).await?;
            let found = of_stack(&engine, &stack).await?;
            (stack, found)
        }
        (None, Some(physical)) => {
            let mut owner = None;
            for stack in all(&engine, &context)
                .await?
                .into_iter()
                .filter(|stack| stack.deleted.is_none())
            {
                let found = of_stack(&engine, &stack).await?;
                if found
                    .iter()
                    .any(|record| record.physical_id().as_ref() == Some(physical))
                {
                    owner = Some((stack, found));
                    break;
                }
            }
            owner.ok_or_else(|| Error::validation(format!("Stack for {physical} does not exist")))?
        }
        (None, None) => {
            return Err(Error::validation(
                "Either StackName or PhysicalResourceId must be specified.",
            ));
        }
    };
    let fits = |record: &Resource| {
        input
            .logical_resource_id
            .as_ref()
            .is_none_or(|id| *id == record.logical_id)
    };
    let shown = found.into_iter().filter(fits).map(|record| StackResource {
        stack_name: Some(stack.name.clone()),
        stack_id: Some(stack.id()),
        logical_resource_id: record.logical_id.clone(),
        physical_resource_id: record.physical_id(),
        resource_type: record.kind,
        timestamp: record.changed,
        resource_status: record.status,
        resource_status_reason: record.reason,
        drift_information: Some(StackResourceDriftInformation {
            stack_resource_drift_status: "NOT_CHECKED".to_owned(),
            ..StackResourceDriftInformation::default()
        }),
        ..StackResource::default()
    });
    Ok(DescribeStackResourcesOutput {
        stack_resources: Some(shown.take(PAGE).collect()),
    })
}

/// ListStackResources.
pub(super) async fn list_resources(
    engine: Arc<CloudFormation>,
    context: RequestContext,
    input: ListStackResourcesInput,
) -> Result<ListStackResourcesOutput> {
    let snapshot = engine.store.snapshot().await?;
    let stack = names::existing(&snapshot, &context.scope, &input.stack_name).await?;
    let shown = of_stack(&engine, &stack)
        .await?
        .into_iter()
        .map(|record| StackResourceSummary {
            logical_resource_id: record.logical_id.clone(),
            physical_resource_id: record.physical_id(),
            resource_type: record.kind,
            last_updated_timestamp: record.changed,
            resource_status: record.status,
            resource_status_reason: record.reason,
            drift_information: Some(StackResourceDriftInformationSummary {
                stack_resource_drift_status: "NOT_CHECKED".to_owned(),
                ..StackResourceDriftInformationSummary::default()
            }),
            ..StackResourceSummary::default()
        });
    let (summaries, next_token) = page(shown.collect(), input.next_token.as_ref(), PAGE)?;
    Ok(ListStackResourcesOutput {
        stack_resource_summaries: Some(summaries),
        next_token,
    })
}
