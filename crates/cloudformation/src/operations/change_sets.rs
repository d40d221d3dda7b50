//! Change sets: what an update would do, looked at before it is done.

use super::describe::{page, parameters, tags};
use super::prepare::{self, Wanted};
use super::stacks;
use crate::engine::CloudFormation;
use crate::records::{self, Asker, ChangeSet, OnFailure, Operation, Phase, Stack, Target, View};
use crate::shapes::*;
use crate::{Error, Result, keys, names};
use danbi_core::{RequestContext, Scope};
use std::sync::Arc;
use uuid::Uuid;

fn id_of(scope: &Scope, set: &ChangeSet) -> String {
    format!(
        "arn:aws:cloudformation:{}:{}:changeSet/{}/{}",
        scope.region, scope.account, set.name, set.uuid
    )
}

/// The change set that is meant, and its stack.
pub(super) async fn find(
    view: &impl View,
    scope: &Scope,
    stack: Option<&String>,
    set: &str,
) -> Result<(Stack, ChangeSet)> {
    if set.starts_with("arn:") {
        let uuid = set.rsplit('/').next().unwrap_or_default();
        let owner: Option<String> = records::get(view, &keys::stack_of_change_set(uuid)).await?;
        let missing = || Error::NoChangeSet(set.to_owned());
        let owner = owner.ok_or_else(missing)?;
        let stack: Option<Stack> = records::get(view, &keys::stack(scope, &owner)).await?;
        let found: Option<ChangeSet> = records::get(view, &keys::change_set(&owner, uuid)).await?;
        return stack.zip(found).ok_or_else(missing);
    }
    let Some(name) = stack else {
        return Err(Error::validation(
            "StackName must be specified if ChangeSetName is not specified as an ARN.",
        ));
    };
    let stack = names::find(view, scope, name)
        .await?
        .ok_or_else(|| Error::no_stack(name))?;
    let sets = records::list::<ChangeSet>(view, &keys::change_sets(&stack.uuid), None, usize::MAX).await?;
    let found = sets.into_iter().map(|(_, found)| found).find(|found| found.name == set);
    found
        .map(|found| (stack, found))
        .ok_or_else(|| Error::NoChangeSet(set.to_owned()))
}

/// CreateChangeSet.
pub(super) async fn create(
    engine: Arc<CloudFormation>,
    context: RequestContext,
    input: CreateChangeSetInput,
) -> Result<CreateChangeSetOutput> {
    let scope = context.scope.clone();
    let kind = input.change_set_type.as_deref().unwrap_or("UPDATE");
    if kind == "IMPORT" || input.resources_to_import.is_some() || input.import_existing_resources == Some(true) {
        return Err(Error::validation(
            "Importing existing resources (change set type IMPORT) is not built on this platform.",
        ));
    }
    if input.deployment_mode.is_some() {
        return Err(Error::validation(
            "Drift-aware change sets (DeploymentMode) are not built on this platform.",
        ));
    }
    stacks::check_triggers(input.rollback_configuration.as_ref())?;
    let creates = kind == "CREATE";
    let given = engine
        .template_text(&context, input.template_body.as_ref(), input.template_url.as_ref())
        .await?;
    let snapshot = engine.store.snapshot().await?;
    let existing = names::find(&snapshot, &scope, &input.stack_name)
        .await?
        .filter(|stack| stack.deleted.is_none() || !creates);
    let existing = match existing {
        Some(stack) if creates && stack.status != "REVIEW_IN_PROGRESS" => {
            return Err(Error::validation(format!(
                "Stack [{}] already exists and cannot be created again with the changeSet [{}].",
                input.stack_name, input.change_set_name
            )));
        }
        Some(stack) if !creates => {
            stacks::check_updatable(&stack)?;
            Some(stack)
        }
        Some(stack) => Some(stack),
        None if creates => None,
        None => return Err(Error::no_stack(&input.stack_name)),
    };
    let text = match (given, input.use_previous_template == Some(true), &existing) {
        (Some(text), false, _) => text,
        (None, true, Some(stack)) if !creates => stacks::text_of(&snapshot, stack, &stack.target.template).await?,
        _ => {
            return Err(Error::validation(
                "Either Template URL or Template Body must be specified.",
            ));
        }
    };
    let nothing = Target::default();
    let before = existing.as_ref().map_or(&nothing, |stack| &stack.target);
    let wanted = Wanted {
        text: &text,
        parameters: input.parameters.as_ref(),
        before: &before.parameters,
        tags: prepare::tags(input.tags.as_ref())?.unwrap_or_else(|| before.tags.clone()),
        capabilities: input.capabilities.as_ref(),
        resource_types: input.resource_types.as_ref(),
        notification_arns: input
            .notification_arns
            .clone()
            .unwrap_or_else(|| before.notification_arns.clone()),
        role_arn: input.role_arn.clone().or_else(|| before.role_arn.clone()),
    };
    let (template, target) = prepare::target(&engine, &context, &input.stack_name, wanted).await?;
    let now = engine.now();
    let fresh = Stack {
        uuid: Uuid::new_v4().to_string(),
        name: input.stack_name.clone(),
        account: scope.account.to_string(),
        region: scope.region.to_string(),
        status: "REVIEW_IN_PROGRESS".to_owned(),
        reason: Some("User Initiated".to_owned()),
        created: now,
        updated: None,
        deleted: None,
        target: Target::default(),
        operation: None,
        halted: None,
        outputs: Vec::new(),
        imports: Default::default(),
        disable_rollback: false,
        timeout_minutes: None,
        protected: false,
        policy: None,
        parent: None,
        root: None,
        change_set: None,
        rollback: None,
        deletion_mode: None,
        last_token: None,
    };
    let stack = existing.clone().unwrap_or(fresh);
    let planned = stacks::planned(&engine, &context, &stack, &template, &target).await?;
    let is_empty =
        !creates && planned.is_empty() && !stacks::differs(&engine, &context, &stack, &template, &target).await?;
    let reason =
        "The submitted information didn't contain changes. Submit different information to create a change set.";
    let set = ChangeSet {
        uuid: Uuid::new_v4().to_string(),
        name: input.change_set_name.clone(),
        description: input.description.clone(),
        created: now,
        status: if is_empty { "FAILED" } else { "CREATE_COMPLETE" }.to_owned(),
        reason: is_empty.then(|| reason.to_owned()),
        execution: if is_empty { "UNAVAILABLE" } else { "AVAILABLE" }.to_owned(),
        creates,
        target,
        changes: planned,
        asker: Asker::of(&context.principal),
        nested: input.include_nested_stacks == Some(true),
        on_failure: input.on_stack_failure.clone(),
        token: input.client_token.clone(),
    };
    drop(snapshot);
    let (set_id, stack_id) = engine
        .store
        .transact(async |tx| {
            let (mut stack, mut set) = (stack.clone(), set.clone());
            let sets = keys::change_sets(&stack.uuid);
            for (_, there) in records::list::<ChangeSet>(&tx, &sets, None, usize::MAX).await? {
                if there.name != set.name {
                    continue;
                }
                if set.token.is_some() && there.token == set.token {
                    return Ok((id_of(&scope, &there), stack.id()));
                }
                return Err(Error::AlreadyExists(format!(
                    "ChangeSet {} already exists",
                    id_of(&scope, &there)
                )));
            }
            if existing.is_none() {
                let name = keys::name(&scope, &stack.name);
                if records::get::<String>(&tx, &name).await?.is_some() {
                    return Err(Error::AlreadyExists(format!("Stack [{}] already exists", stack.name)));
                }
                records::put(&tx, &name, &stack.uuid).await?;
                let event = engine.stack_event(&stack);
                engine.event(&tx, &stack.uuid, event).await?;
            }
            set.target.template = engine.keep_template(&tx, &stack.uuid, &text).await?;
            let id = id_of(&scope, &set);
            if creates {
                stack.change_set = Some(id.clone());
                // Shown while it is reviewed, as AWS shows it.
                stack.target.parameters.clone_from(&set.target.parameters);
                stack.target.description.clone_from(&set.target.description);
                stack.target.capabilities.clone_from(&set.target.capabilities);
                stack.target.tags.clone_from(&set.target.tags);
                records::put(&tx, &keys::stack(&scope, &stack.uuid), &stack).await?;
            }
            records::put(&tx, &keys::stack_of_change_set(&set.uuid), &stack.uuid).await?;
            records::put(&tx, &keys::change_set(&stack.uuid, &set.uuid), &set).await?;
            Ok((id, stack.id()))
        })
        .await?;
    Ok(CreateChangeSetOutput {
        id: Some(set_id),
        stack_id: Some(stack_id),
    })
}

/// DescribeChangeSet.
pub(super) async fn describe(
    engine: Arc<CloudFormation>,
    context: RequestContext,
    input: DescribeChangeSetInput,
) -> Result<DescribeChangeSetOutput> {
    let snapshot = engine.store.snapshot().await?;
    let (stack, set) = find(
        &snapshot,
        &context.scope,
        input.stack_name.as_ref(),
        &input.change_set_name,
    )
    .await?;
    let (changes, next_token) = page(set.changes.clone(), input.next_token.as_ref(), 100)?;
    let given = parameters(&set.target.parameters);
    Ok(DescribeChangeSetOutput {
        change_set_name: Some(set.name.clone()),
        change_set_id: Some(id_of(&context.scope, &set)),
        stack_id: Some(stack.id()),
        stack_name: Some(stack.name.clone()),
        description: set.description.clone(),
        parameters: Some(given).filter(|list| !list.is_empty()),
        creation_time: Some(set.created),
        execution_status: Some(set.execution.clone()),
        status: Some(set.status.clone()),
        status_reason: set.reason.clone(),
        notification_arns: Some(set.target.notification_arns.clone()),
        rollback_configuration: Some(RollbackConfiguration::default()),
        capabilities: Some(set.target.capabilities.clone()),
        tags: Some(tags(&set.target.tags)).filter(|list| !list.is_empty()),
        changes: Some(changes),
        next_token,
        include_nested_stacks: Some(set.nested),
        on_stack_failure: set.on_failure.clone(),
        ..DescribeChangeSetOutput::default()
    })
}

/// ListChangeSets.
pub(super) async fn list(
    engine: Arc<CloudFormation>,
    context: RequestContext,
    input: ListChangeSetsInput,
) -> Result<ListChangeSetsOutput> {
    let snapshot = engine.store.snapshot().await?;
    let stack = names::find(&snapshot, &context.scope, &input.stack_name).await?;
    let stack = stack.ok_or_else(|| Error::no_stack(&input.stack_name))?;
    let sets = records::list::<ChangeSet>(&snapshot, &keys::change_sets(&stack.uuid), None, usize::MAX).await?;
    let shown = sets.into_iter().map(|(_, set)| ChangeSetSummary {
        stack_id: Some(stack.id()),
        stack_name: Some(stack.name.clone()),
        change_set_id: Some(id_of(&context.scope, &set)),
        change_set_name: Some(set.name),
        execution_status: Some(set.execution),
        status: Some(set.status),
        status_reason: set.reason,
        creation_time: Some(set.created),
        description: set.description,
        include_nested_stacks: Some(set.nested),
        ..ChangeSetSummary::default()
    });
    let (summaries, next_token) = page(shown.collect(), input.next_token.as_ref(), 100)?;
    Ok(ListChangeSetsOutput {
        summaries: Some(summaries),
        next_token,
    })
}

/// ExecuteChangeSet.
pub(super) async fn execute(
    engine: Arc<CloudFormation>,
    context: RequestContext,
    input: ExecuteChangeSetInput,
) -> Result<ExecuteChangeSetOutput> {
    let scope = context.scope.clone();
    let uuid = engine
        .store
        .transact(async |tx| {
            let (mut stack, set) = find(&tx, &scope, input.stack_name.as_ref(), &input.change_set_name).await?;
            let id = id_of(&scope, &set);
            if set.execution != "AVAILABLE" {
                return Err(Error::ChangeSetStatus(format!(
                    "ChangeSet [{id}] cannot be executed in its current status of [{}]",
                    set.status
                )));
            }
            let phase = if set.creates { Phase::Create } else { Phase::Update };
            if set.creates && stack.status != "REVIEW_IN_PROGRESS" {
                return Err(Error::ChangeSetStatus(format!(
                    "Stack [{}] is not in the state REVIEW_IN_PROGRESS",
                    stack.name
                )));
            }
            if !set.creates {
                stacks::check_updatable(&stack)?;
            }
            let mut operation = Operation {
                // What was reviewed is done as whoever executes it.
                retain_except_on_create: input.retain_except_on_create == Some(true),
                ..prepare::operation(&context, phase, set.target.clone(), input.client_request_token.clone())
            };
            operation.on_failure = match (set.on_failure.as_deref(), input.disable_rollback) {
                (Some("DELETE"), _) if set.creates => OnFailure::Delete,
                (Some("DO_NOTHING"), _) | (_, Some(true)) => OnFailure::DoNothing,
                _ => OnFailure::Rollback,
            };
            if !set.creates {
                stacks::base(&stack, &mut operation);
            }
            stack.disable_rollback = operation.on_failure == OnFailure::DoNothing;
            stack.updated = Some(engine.now());
            stack.change_set = Some(id.clone());
            if set.creates {
                stack.target = set.target.clone();
            }
            // The others were made for the stack as it was.
            let sets = keys::change_sets(&stack.uuid);
            for (_, other) in records::list::<ChangeSet>(&tx, &sets, None, usize::MAX).await? {
                if other.uuid != set.uuid {
                    records::delete(&tx, &keys::stack_of_change_set(&other.uuid))?;
                    records::delete(&tx, &keys::change_set(&stack.uuid, &other.uuid))?;
                }
            }
            let executed = ChangeSet {
                execution: "EXECUTE_COMPLETE".to_owned(),
                ..set
            };
            records::put(&tx, &keys::change_set(&stack.uuid, &executed.uuid), &executed).await?;
            let status = if executed.creates {
                "CREATE_IN_PROGRESS"
            } else {
                "UPDATE_IN_PROGRESS"
            };
            engine.begin(&tx, &scope, &mut stack, operation, status).await?;
            Ok(stack.uuid)
        })
        .await?;
    engine.drive(scope, &uuid);
    Ok(ExecuteChangeSetOutput {})
}

/// DeleteChangeSet. One that is not there is deleted.
pub(super) async fn delete(
    engine: Arc<CloudFormation>,
    context: RequestContext,
    input: DeleteChangeSetInput,
) -> Result<DeleteChangeSetOutput> {
    let scope = context.scope.clone();
    engine
        .store
        .transact(async |tx| {
            let found = find(&tx, &scope, input.stack_name.as_ref(), &input.change_set_name).await;
            let (stack, set) = match found {
                Ok(found) => found,
                Err(Error::NoChangeSet(_)) => return Ok(()),
                Err(error) => return Err(error),
            };
            records::delete(&tx, &keys::stack_of_change_set(&set.uuid))?;
            records::delete(&tx, &keys::change_set(&stack.uuid, &set.uuid))
        })
        .await?;
    Ok(DeleteChangeSetOutput {})
}
