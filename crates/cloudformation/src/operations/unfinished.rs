//! Work that is under way or stopped half-way: the ways out.

use super::prepare;
use crate::engine::CloudFormation;
use crate::records::{self, Operation, Phase, Resource};
use crate::shapes::*;
use crate::{Error, Result, keys, names};
use danbi_core::RequestContext;
use danbi_wire::Empty;
use std::sync::Arc;

/// CancelUpdateStack.
pub(super) async fn cancel(
    engine: Arc<CloudFormation>,
    context: RequestContext,
    input: CancelUpdateStackInput,
) -> Result<Empty> {
    let uuid = engine
        .store
        .transact(async |tx| {
            let mut stack = names::existing(&tx, &context.scope, &input.stack_name).await?;
            match &mut stack.operation {
                Some(operation) if operation.phase == Phase::Update => operation.cancelled = true,
                _ => {
                    return Err(Error::validation(format!(
                        "CancelUpdateStack cannot be called from current stack status {}",
                        stack.status
                    )));
                }
            }
            records::put(&tx, &keys::stack(&context.scope, &stack.uuid), &stack).await?;
            Ok(stack.uuid)
        })
        .await?;
    engine.nudge(&uuid);
    Ok(Empty::default())
}

/// ContinueUpdateRollback.
pub(super) async fn go_on(
    engine: Arc<CloudFormation>,
    context: RequestContext,
    input: ContinueUpdateRollbackInput,
) -> Result<ContinueUpdateRollbackOutput> {
    let scope = context.scope.clone();
    let uuid = engine
        .store
        .transact(async |tx| {
            let mut stack = names::existing(&tx, &scope, &input.stack_name).await?;
            let halted = stack
                .halted
                .clone()
                .filter(|_| stack.status == "UPDATE_ROLLBACK_FAILED");
            let Some(halted) = halted else {
                return Err(Error::validation(format!(
                    "Stack:{} is in {} state and can not be rolled back. ContinueUpdateRollback needs \
                     UPDATE_ROLLBACK_FAILED.",
                    stack.id(),
                    stack.status
                )));
            };
            let skip = input.resources_to_skip.clone().unwrap_or_default();
            for name in &skip {
                let record: Option<Resource> = records::get(&tx, &keys::resource(&stack.uuid, name)).await?;
                if record.is_none_or(|record| record.status != "UPDATE_FAILED") {
                    return Err(Error::validation(format!(
                        "ResourcesToSkip: [{name}] is not a resource of the stack in the state UPDATE_FAILED"
                    )));
                }
            }
            let fresh = again(&context, &input.role_arn, halted, input.client_request_token.clone());
            let operation = Operation {
                skip,
                phase: Phase::UpdateRollback,
                ..fresh
            };
            engine
                .begin(&tx, &scope, &mut stack, operation, "UPDATE_ROLLBACK_IN_PROGRESS")
                .await?;
            Ok(stack.uuid)
        })
        .await?;
    engine.drive(scope, &uuid);
    Ok(ContinueUpdateRollbackOutput {})
}

/// The same work once more, as whoever asks now.
fn again(context: &RequestContext, role: &Option<String>, halted: Operation, token: Option<String>) -> Operation {
    let mut target = halted.target.clone();
    if role.is_some() {
        target.role_arn.clone_from(role);
    }
    Operation {
        base: halted.base,
        previous: halted.previous,
        ..prepare::operation(context, halted.phase, target, token)
    }
}

/// RollbackStack: where rollback was switched off.
pub(super) async fn roll_back(
    engine: Arc<CloudFormation>,
    context: RequestContext,
    input: RollbackStackInput,
) -> Result<RollbackStackOutput> {
    let scope = context.scope.clone();
    let (uuid, id) = engine
        .store
        .transact(async |tx| {
            let mut stack = names::existing(&tx, &scope, &input.stack_name).await?;
            let Some(halted) = stack.halted.clone() else {
                return Err(Error::validation(format!(
                    "Stack:{} is in {} state and can not be rolled back.",
                    stack.id(),
                    stack.status
                )));
            };
            let (phase, status) = match halted.previous {
                Some(_) => (Phase::UpdateRollback, "UPDATE_ROLLBACK_IN_PROGRESS"),
                None => (Phase::CreateRollback, "ROLLBACK_IN_PROGRESS"),
            };
            let fresh = again(&context, &input.role_arn, halted, input.client_request_token.clone());
            let operation = Operation {
                phase,
                retain_except_on_create: input.retain_except_on_create == Some(true),
                ..fresh
            };
            engine.begin(&tx, &scope, &mut stack, operation, status).await?;
            Ok((stack.uuid.clone(), stack.id()))
        })
        .await?;
    engine.drive(scope, &uuid);
    Ok(RollbackStackOutput {
        stack_id: Some(id),
        ..RollbackStackOutput::default()
    })
}

/// SignalResource.
pub(super) async fn signal(
    engine: Arc<CloudFormation>,
    context: RequestContext,
    input: SignalResourceInput,
) -> Result<Empty> {
    let snapshot = engine.store.snapshot().await?;
    let stack = names::existing(&snapshot, &context.scope, &input.stack_name).await?;
    let record: Option<Resource> =
        records::get(&snapshot, &keys::resource(&stack.uuid, &input.logical_resource_id)).await?;
    let record = record.ok_or_else(|| {
        Error::validation(format!(
            "Resource {} does not exist for stack {}",
            input.logical_resource_id, input.stack_name
        ))
    })?;
    let refuse = || {
        Error::validation(format!(
            "Resource {} is in {} state and can not be signaled",
            input.logical_resource_id, record.status
        ))
    };
    let step = record
        .step
        .as_ref()
        .filter(|_| record.status.ends_with("_IN_PROGRESS"))
        .ok_or_else(refuse)?;
    let handle = step
        .properties
        .get("Handle")
        .and_then(serde_json::Value::as_str)
        .ok_or_else(refuse)?;
    let token = handle.rsplit('/').next().unwrap_or_default();
    let document = serde_json::json!({
        "Status": input.status, "UniqueId": input.unique_id, "Data": "", "Reason": "SignalResource",
    });
    if !engine
        .keep_answer(token, &input.unique_id, document.to_string())
        .await?
    {
        return Err(refuse());
    }
    Ok(Empty::default())
}
