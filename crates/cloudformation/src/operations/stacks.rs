//! Stacks made, changed and removed.

use super::prepare::{self, Wanted};
use crate::engine::{CloudFormation, changes, drive};
use crate::records::{self, OnFailure, Operation, Phase, Resource, Stack, Target};
use crate::shapes::*;
use crate::template::Template;
use crate::{Error, Result, keys, names};
use danbi_core::RequestContext;
use danbi_wire::Empty;
use serde_json::Value;
use std::collections::BTreeMap;
use std::sync::Arc;
use uuid::Uuid;

/// CreateStack.
pub(super) async fn create(
    engine: Arc<CloudFormation>,
    context: RequestContext,
    input: CreateStackInput,
) -> Result<CreateStackOutput> {
    let text = engine
        .template_text(&context, input.template_body.as_ref(), input.template_url.as_ref())
        .await?;
    let text = text.ok_or_else(|| Error::validation("Either Template URL or Template Body must be specified."))?;
    if input.disable_rollback.is_some() && input.on_failure.is_some() {
        return Err(Error::validation(
            "You can specify either OnFailure or DisableRollback, but not both.",
        ));
    }
    check_triggers(input.rollback_configuration.as_ref())?;
    let policy = engine
        .policy_text(
            &context,
            input.stack_policy_body.as_ref(),
            input.stack_policy_url.as_ref(),
        )
        .await?;
    let none = BTreeMap::new();
    let wanted = Wanted {
        text: &text,
        parameters: input.parameters.as_ref(),
        before: &none,
        tags: prepare::tags(input.tags.as_ref())?.unwrap_or_default(),
        capabilities: input.capabilities.as_ref(),
        resource_types: input.resource_types.as_ref(),
        notification_arns: input.notification_arns.unwrap_or_default(),
        role_arn: input.role_arn,
    };
    let (_, target) = prepare::target(&engine, &context, &input.stack_name, wanted).await?;
    let scope = context.scope.clone();
    let now = engine.now();
    let uuid = Uuid::new_v4().to_string();
    let disable_rollback = input.disable_rollback == Some(true);
    let parent = context
        .facts
        .source
        .as_ref()
        .map(|source| source.arn.clone())
        .filter(|arn| arn.contains(":stack/"));
    let on_failure = match input.on_failure.as_deref() {
        Some("DO_NOTHING") => OnFailure::DoNothing,
        Some("DELETE") => OnFailure::Delete,
        _ if disable_rollback => OnFailure::DoNothing,
        _ => OnFailure::Rollback,
    };
    let request = (
        "CreateStack".to_owned(),
        input.client_request_token.clone().unwrap_or_default(),
    );
    let uuid = engine
        .store
        .transact(async |tx| {
            let name_key = keys::name(&scope, &input.stack_name);
            if let Some(existing) = records::get::<String>(&tx, &name_key).await? {
                let there: Option<Stack> = records::get(&tx, &keys::stack(&scope, &existing)).await?;
                let is_repeated =
                    !request.1.is_empty() && there.and_then(|stack| stack.last_token).as_ref() == Some(&request);
                return if is_repeated {
                    Ok(existing)
                } else {
                    Err(Error::AlreadyExists(format!(
                        "Stack [{}] already exists",
                        input.stack_name
                    )))
                };
            }
            let root = match &parent {
                Some(parent) => names::find(&tx, &scope, parent)
                    .await?
                    .and_then(|stack| stack.root.or_else(|| Some(parent.clone()))),
                None => None,
            };
            let mut target = target.clone();
            target.template = engine.keep_template(&tx, &uuid, &text).await?;
            let operation = Operation {
                on_failure,
                deadline: prepare::deadline(now, input.timeout_in_minutes),
                retain_except_on_create: input.retain_except_on_create == Some(true),
                ..prepare::operation(
                    &context,
                    Phase::Create,
                    target.clone(),
                    input.client_request_token.clone(),
                )
            };
            let mut stack = Stack {
                uuid: uuid.clone(),
                name: input.stack_name.clone(),
                account: scope.account.to_string(),
                region: scope.region.to_string(),
                status: String::new(),
                reason: None,
                created: now,
                updated: None,
                deleted: None,
                target,
                operation: None,
                halted: None,
                outputs: Vec::new(),
                imports: Default::default(),
                disable_rollback: on_failure == OnFailure::DoNothing,
                timeout_minutes: input.timeout_in_minutes,
                protected: input.enable_termination_protection == Some(true),
                policy: policy.clone(),
                parent: parent.clone(),
                root,
                change_set: None,
                rollback: input
                    .rollback_configuration
                    .as_ref()
                    .and_then(|one| serde_json::to_value(one).ok()),
                deletion_mode: None,
                last_token: Some(request.clone()),
            };
            records::put(&tx, &name_key, &uuid).await?;
            engine
                .begin(&tx, &scope, &mut stack, operation, "CREATE_IN_PROGRESS")
                .await?;
            Ok(uuid.clone())
        })
        .await?;
    engine.drive(scope.clone(), &uuid);
    let id = format!(
        "arn:aws:cloudformation:{}:{}:stack/{}/{uuid}",
        scope.region, scope.account, input.stack_name
    );
    Ok(CreateStackOutput {
        stack_id: Some(id),
        ..CreateStackOutput::default()
    })
}

pub(super) fn check_triggers(configuration: Option<&RollbackConfiguration>) -> Result<()> {
    let triggers = configuration.and_then(|one| one.rollback_triggers.as_ref());
    let Some(trigger) = triggers.and_then(|triggers| triggers.first()) else {
        return Ok(());
    };
    Err(Error::validation(match trigger.r#type.as_str() {
        "AWS::CloudWatch::Alarm" | "AWS::CloudWatch::CompositeAlarm" => {
            "Rollback triggers need CloudWatch alarms, and this platform has none yet."
        }
        _ => "Rollback Trigger Type not supported",
    }))
}

/// Whether a stack may be updated, and what an update goes back to.
pub(super) fn check_updatable(stack: &Stack) -> Result<()> {
    match stack.status.as_str() {
        "CREATE_COMPLETE"
        | "UPDATE_COMPLETE"
        | "UPDATE_ROLLBACK_COMPLETE"
        | "UPDATE_FAILED"
        | "CREATE_FAILED"
        | "IMPORT_COMPLETE" => Ok(()),
        status => Err(Error::validation(format!(
            "Stack:{} is in {status} state and can not be updated.",
            stack.id()
        ))),
    }
}

/// From which state an update of `stack` can be taken back.
pub(super) fn base(stack: &Stack, operation: &mut Operation) {
    operation.previous = Some(stack.target.clone());
    if let Some(halted) = &stack.halted {
        operation.base.clone_from(&halted.base);
        operation.previous.clone_from(&halted.previous);
    }
}

/// The text of a template that a stack has.
pub(super) async fn text_of(view: &impl records::View, stack: &Stack, template: &str) -> Result<String> {
    let text = records::get(view, &keys::template(&stack.uuid, template)).await?;
    text.ok_or_else(|| Error::Damaged("the template of a stack is missing".into()))
}

/// UpdateStack.
pub(super) async fn update(
    engine: Arc<CloudFormation>,
    context: RequestContext,
    input: UpdateStackInput,
) -> Result<UpdateStackOutput> {
    let scope = context.scope.clone();
    let given = engine
        .template_text(&context, input.template_body.as_ref(), input.template_url.as_ref())
        .await?;
    let use_previous = input.use_previous_template == Some(true);
    if given.is_some() == use_previous {
        return Err(Error::validation(
            "Either Template URL or Template Body must be specified.",
        ));
    }
    check_triggers(input.rollback_configuration.as_ref())?;
    let policy = engine
        .policy_text(
            &context,
            input.stack_policy_body.as_ref(),
            input.stack_policy_url.as_ref(),
        )
        .await?;
    let policy_during = engine
        .policy_text(
            &context,
            input.stack_policy_during_update_body.as_ref(),
            input.stack_policy_during_update_url.as_ref(),
        )
        .await?;
    let snapshot = engine.store.snapshot().await?;
    let stack = names::find(&snapshot, &scope, &input.stack_name).await?;
    let stack = stack.ok_or_else(|| Error::no_stack(&input.stack_name))?;
    let request = (
        "UpdateStack".to_owned(),
        input.client_request_token.clone().unwrap_or_default(),
    );
    if !request.1.is_empty() && stack.last_token.as_ref() == Some(&request) {
        return Ok(UpdateStackOutput {
            stack_id: Some(stack.id()),
            ..UpdateStackOutput::default()
        });
    }
    check_updatable(&stack)?;
    let text = match given {
        Some(text) => text,
        None => text_of(&snapshot, &stack, &stack.target.template).await?,
    };
    let wanted = Wanted {
        text: &text,
        parameters: input.parameters.as_ref(),
        before: &stack.target.parameters,
        tags: prepare::tags(input.tags.as_ref())?.unwrap_or_else(|| stack.target.tags.clone()),
        capabilities: input.capabilities.as_ref(),
        resource_types: input.resource_types.as_ref(),
        notification_arns: input
            .notification_arns
            .clone()
            .unwrap_or_else(|| stack.target.notification_arns.clone()),
        role_arn: input.role_arn.clone().or_else(|| stack.target.role_arn.clone()),
    };
    let (template, target) = prepare::target(&engine, &context, &stack.name, wanted).await?;
    if stack.halted.is_none() && policy.is_none() && !differs(&engine, &context, &stack, &template, &target).await? {
        return Err(Error::validation("No updates are to be performed."));
    }
    drop(snapshot);
    let id = begin_update(&engine, &context, &stack, &text, target, |operation, stack| {
        operation.policy.clone_from(&policy_during);
        operation.retain_except_on_create = input.retain_except_on_create == Some(true);
        operation.token.clone_from(&input.client_request_token);
        if input.disable_rollback == Some(true) {
            operation.on_failure = OnFailure::DoNothing;
        }
        stack.last_token = Some(request.clone());
        if let Some(policy) = &policy {
            stack.policy = Some(policy.clone());
        }
    })
    .await?;
    Ok(UpdateStackOutput {
        stack_id: Some(id),
        ..UpdateStackOutput::default()
    })
}

/// Begins an update of a stack that is as it was read.
pub(super) async fn begin_update(
    engine: &Arc<CloudFormation>,
    context: &RequestContext,
    seen: &Stack,
    text: &str,
    target: Target,
    further: impl Fn(&mut Operation, &mut Stack) + Sync + Send,
) -> Result<String> {
    let scope = context.scope.clone();
    let key = keys::stack(&scope, &seen.uuid);
    engine
        .store
        .transact(async |tx| {
            let stack: Option<Stack> = records::get(&tx, &key).await?;
            let mut stack = stack.ok_or_else(|| Error::no_stack(&seen.name))?;
            check_updatable(&stack)?;
            let mut target = target.clone();
            target.template = engine.keep_template(&tx, &seen.uuid, text).await?;
            let mut operation = prepare::operation(context, Phase::Update, target, None);
            base(&stack, &mut operation);
            stack.updated = Some(engine.now());
            further(&mut operation, &mut stack);
            engine
                .begin(&tx, &scope, &mut stack, operation, "UPDATE_IN_PROGRESS")
                .await
        })
        .await?;
    engine.drive(scope, &seen.uuid);
    Ok(seen.id())
}

/// Whether there is anything to do.
pub(super) async fn differs(
    engine: &CloudFormation,
    context: &RequestContext,
    stack: &Stack,
    template: &Template,
    target: &Target,
) -> Result<bool> {
    let snapshot = engine.store.snapshot().await?;
    let given = &stack.target.parameters;
    let value_of = |name: &str| given.get(name).map(|given| given.value.clone());
    let old = Template::read_with(&text_of(&snapshot, stack, &stack.target.template).await?, &value_of)?;
    let outputs = |template: &Template| -> Vec<(String, Value, Option<Value>, Option<String>)> {
        let members = template.outputs.iter();
        members
            .map(|(key, one)| {
                (
                    key.clone(),
                    one.value.clone(),
                    one.export.clone(),
                    one.condition.clone(),
                )
            })
            .collect()
    };
    if outputs(&old) != outputs(template) {
        return Ok(true);
    }
    Ok(!planned(engine, context, stack, template, target).await?.is_empty())
}

/// What would happen to the stack's resources.
pub(super) async fn planned(
    engine: &CloudFormation,
    context: &RequestContext,
    stack: &Stack,
    template: &Template,
    target: &Target,
) -> Result<Vec<Change>> {
    let snapshot = engine.store.snapshot().await?;
    let found = records::list::<Resource>(&snapshot, &keys::resources(&stack.uuid), None, usize::MAX).await?;
    let found: Vec<Resource> = found.into_iter().map(|(_, record)| record).collect();
    let exports = drive::exports(&snapshot, &context.scope).await?;
    let pseudo = prepare::pseudo(&context.scope, &stack.id(), &stack.name, target);
    Ok(changes::of(stack, &found, template, target, &pseudo, &exports)?)
}

/// DeleteStack. A stack that is not there is deleted.
pub(super) async fn delete(
    engine: Arc<CloudFormation>,
    context: RequestContext,
    input: DeleteStackInput,
) -> Result<Empty> {
    let scope = context.scope.clone();
    let found = engine
        .store
        .transact(async |tx| {
            let Some(mut stack) = names::find(&tx, &scope, &input.stack_name).await? else {
                return Ok(None);
            };
            if stack.deleted.is_some() {
                return Ok(None);
            }
            if stack.protected {
                return Err(Error::validation(format!(
                    "Stack [{}] cannot be deleted while TerminationProtection is enabled",
                    stack.name
                )));
            }
            let retain = input.retain_resources.clone().unwrap_or_default();
            let force = input.deletion_mode.as_deref() == Some("FORCE_DELETE_STACK");
            if (!retain.is_empty() || force) && stack.status != "DELETE_FAILED" {
                return Err(Error::validation(format!(
                    "Invalid operation on stack [{}]. Resources can only be retained when the stack is in the \
                     DELETE_FAILED state.",
                    stack.id()
                )));
            }
            for output in &stack.outputs {
                let Some(export) = &output.export else { continue };
                let users = drive::importers(&tx, &scope, export).await?;
                if let Some(user) = users.into_iter().find(|user| *user != stack.name) {
                    return Err(Error::validation(format!(
                        "Delete canceled. Cannot delete export {export} as it is in use by {user}."
                    )));
                }
            }
            let mut target = stack.target.clone();
            if input.role_arn.is_some() {
                target.role_arn.clone_from(&input.role_arn);
            }
            let operation = Operation {
                retain,
                force,
                ..prepare::operation(&context, Phase::Delete, target, input.client_request_token.clone())
            };
            stack.deletion_mode.clone_from(&input.deletion_mode);
            match &mut stack.operation {
                Some(under_way) if under_way.phase == Phase::Delete => return Ok(None),
                Some(under_way) => {
                    under_way.then_delete = Some(Box::new(operation));
                    records::put(&tx, &keys::stack(&scope, &stack.uuid), &stack).await?;
                }
                None => {
                    engine
                        .begin(&tx, &scope, &mut stack, operation, "DELETE_IN_PROGRESS")
                        .await?
                }
            }
            Ok(Some(stack.uuid))
        })
        .await?;
    if let Some(uuid) = found {
        engine.nudge(&uuid);
        engine.drive(scope, &uuid);
    }
    Ok(Empty::default())
}

/// UpdateTerminationProtection.
pub(super) async fn protect(
    engine: Arc<CloudFormation>,
    context: RequestContext,
    input: UpdateTerminationProtectionInput,
) -> Result<UpdateTerminationProtectionOutput> {
    let stack = change(&engine, &context, &input.stack_name, |stack| {
        if stack.parent.is_some() {
            return Err(Error::validation(
                "Termination protection of a nested stack is its root stack's.",
            ));
        }
        stack.protected = input.enable_termination_protection;
        Ok(())
    })
    .await?;
    Ok(UpdateTerminationProtectionOutput {
        stack_id: Some(stack.id()),
    })
}

/// Changes a stack's record.
async fn change(
    engine: &CloudFormation,
    context: &RequestContext,
    name: &str,
    change: impl Fn(&mut Stack) -> Result<()> + Sync + Send,
) -> Result<Stack> {
    engine
        .store
        .transact(async |tx| {
            let mut stack = names::existing(&tx, &context.scope, name).await?;
            change(&mut stack)?;
            records::put(&tx, &keys::stack(&context.scope, &stack.uuid), &stack).await?;
            Ok(stack)
        })
        .await
}

/// GetStackPolicy.
pub(super) async fn get_policy(
    engine: Arc<CloudFormation>,
    context: RequestContext,
    input: GetStackPolicyInput,
) -> Result<GetStackPolicyOutput> {
    let snapshot = engine.store.snapshot().await?;
    let stack = names::existing(&snapshot, &context.scope, &input.stack_name).await?;
    Ok(GetStackPolicyOutput {
        stack_policy_body: stack.policy,
    })
}

/// SetStackPolicy.
pub(super) async fn set_policy(
    engine: Arc<CloudFormation>,
    context: RequestContext,
    input: SetStackPolicyInput,
) -> Result<Empty> {
    let policy = engine
        .policy_text(
            &context,
            input.stack_policy_body.as_ref(),
            input.stack_policy_url.as_ref(),
        )
        .await?;
    let policy =
        policy.ok_or_else(|| Error::validation("You must specify either StackPolicyURL or StackPolicyBody"))?;
    change(&engine, &context, &input.stack_name, |stack| {
        stack.policy = Some(policy.clone());
        Ok(())
    })
    .await?;
    Ok(Empty::default())
}
