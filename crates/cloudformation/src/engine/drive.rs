//! A stack led through its phases, from the request to its end.

use super::deploy::{self, Plans};
use super::run::Run;
use super::{CloudFormation, Driven, remove, restore};
use crate::records::{Event, Export, OnFailure, Operation, Output, Phase, Stack};
use crate::template::{Template, TemplateError, references};
use crate::{Error, Result, keys, records};
use danbi_core::Scope;
use danbi_store::Transaction;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use tokio::task::JoinSet;
use uuid::Uuid;

/// How a phase ended.
#[derive(Debug)]
pub(super) enum Ended<T> {
    Done(T),
    Failed(String),
    /// Somebody wanted it to end, or the platform stops.
    Interrupted,
}

/// What a deployment leaves to be written down.
#[derive(Debug, Default)]
pub(super) struct Results {
    outputs: Vec<Output>,
    imports: BTreeSet<String>,
}

impl Run {
    /// Whether no further steps are to begin.
    pub(super) fn is_interrupted(&self) -> bool {
        self.halted.load(Ordering::Relaxed) || self.engine.is_stopping()
    }

    /// The next step that ends; meanwhile the lease is renewed and the stack's record looked at.
    pub(super) async fn next<T: Send + 'static>(&self, steps: &mut JoinSet<T>) -> Result<Option<T>> {
        loop {
            if steps.is_empty() {
                return Ok(None);
            }
            tokio::select! {
                joined = steps.join_next() => return match joined {
                    Some(Ok(done)) => Ok(Some(done)),
                    Some(Err(_)) => Err(Error::Damaged("a step of a stack panicked".into())),
                    None => Ok(None),
                },
                () = self.driven.wake.notified() => {}
                () = tokio::time::sleep(self.engine.options.lease / 3) => {
                    self.engine.renew(&self.scope, &self.stack.uuid).await?;
                }
            }
            self.look().await?;
        }
    }

    /// Sees whether somebody wants the work to end.
    async fn look(&self) -> Result<()> {
        let snapshot = self.engine.store.snapshot().await?;
        let stack: Option<Stack> = records::get(&snapshot, &keys::stack(&self.scope, &self.stack.uuid)).await?;
        let operation = stack.and_then(|stack| stack.operation);
        let is_forward = matches!(self.operation.phase, Phase::Create | Phase::Update);
        let is_late = self
            .operation
            .deadline
            .is_some_and(|deadline| deadline <= self.engine.now());
        let is_unwanted = operation.is_none_or(|operation| operation.cancelled || operation.then_delete.is_some());
        if is_forward && (is_late || is_unwanted) || self.engine.is_stopping() {
            self.halted.store(true, Ordering::Relaxed);
            self.driven.interrupt.send_replace(true);
        }
        Ok(())
    }
}

/// Works on a stack until nothing is left to do.
pub(super) async fn to_the_end(engine: &Arc<CloudFormation>, scope: &Scope, uuid: &str, driven: &Driven) -> Result<()> {
    loop {
        if engine.is_stopping() {
            return release(engine, scope, uuid).await;
        }
        let stack = engine
            .store
            .transact(async |tx| {
                engine.still_ours(&tx, uuid).await?;
                let stack: Option<Stack> = records::get(&tx, &keys::stack(scope, uuid)).await?;
                if stack.as_ref().is_none_or(|stack| stack.operation.is_none()) {
                    records::delete(&tx, &keys::lease(uuid))?;
                }
                Ok::<_, Error>(stack)
            })
            .await?;
        let Some((stack, operation)) = stack.and_then(|stack| Some((stack.clone(), stack.operation?))) else {
            return Ok(());
        };
        driven.interrupt.send_replace(false);
        let phase = operation.phase;
        let begun = Run::begin(engine, scope, stack.clone(), operation.clone(), driven).await;
        let (results, ended) = match begun {
            Ok(run) => {
                let run = Arc::new(run);
                run.look().await?;
                phase_of(&run, phase).await?
            }
            // The role cannot be worked as.
            Err(error @ (Error::Asked(_) | Error::Validation(_))) => {
                (Results::default(), Ended::Failed(format!("{error}. ")))
            }
            Err(error) => return Err(error),
        };
        if engine.is_stopping() && matches!(ended, Ended::Interrupted) {
            return release(engine, scope, uuid).await;
        }
        turn(engine, scope, uuid, phase, &results, ended).await?;
        engine.tell_settled();
    }
}

/// Lets any node go on at once.
async fn release(engine: &CloudFormation, scope: &Scope, uuid: &str) -> Result<()> {
    let free = records::Lease {
        holder: Uuid::nil(),
        until: 0,
        account: scope.account.to_string(),
        region: scope.region.to_string(),
    };
    engine
        .store
        .transact(async |tx| {
            engine.still_ours(&tx, uuid).await?;
            records::put(&tx, &keys::lease(uuid), &free).await
        })
        .await
}

async fn phase_of(run: &Arc<Run>, phase: Phase) -> Result<(Results, Ended<()>)> {
    let bare = |ended| (Results::default(), ended);
    Ok(match phase {
        Phase::Create | Phase::Update => match plans(run).await? {
            Err(error) => bare(Ended::Failed(format!("{error}. "))),
            Ok(plans) => match deploy::all(run, &plans).await? {
                Ended::Done(outputs) => {
                    let imports = imports(run, &plans);
                    (Results { outputs, imports }, Ended::Done(()))
                }
                Ended::Interrupted if run.operation.deadline.is_some_and(|at| at <= run.engine.now()) => bare(
                    Ended::Failed("Stack creation time exceeded the specified timeout. ".into()),
                ),
                Ended::Failed(reason) => bare(Ended::Failed(reason)),
                Ended::Interrupted => bare(Ended::Interrupted),
            },
        },
        Phase::UpdateRollback => bare(restore::all(run).await?),
        Phase::CreateRollback | Phase::Delete | Phase::UpdateCleanup | Phase::UpdateRollbackCleanup => {
            bare(remove::all(run).await?)
        }
    })
}

async fn plans(run: &Run) -> Result<Result<Arc<Plans>, TemplateError>> {
    let snapshot = run.engine.store.snapshot().await?;
    let key = keys::template(&run.stack.uuid, &run.operation.target.template);
    let text: Option<String> = records::get(&snapshot, &key).await?;
    let text = text.ok_or_else(|| Error::Damaged("the template of a stack is missing".into()))?;
    let exports = exports(&snapshot, &run.scope).await?;
    let given = &run.operation.target.parameters;
    let value_of = |name: &str| given.get(name).map(|given| given.value.clone());
    Ok(Template::read_with(&text, &value_of).map(|template| Arc::new(Plans { template, exports })))
}

/// All exports of an account in a region.
pub(crate) async fn exports(view: &impl records::View, scope: &Scope) -> Result<BTreeMap<String, String>> {
    let prefix = keys::exports(scope);
    let all = records::list::<Export>(view, &prefix, None, usize::MAX).await?;
    all.into_iter()
        .map(|(key, export)| Ok((records::last_text(&key, &prefix)?, export.value)))
        .collect()
}

/// The exports that the stack takes.
fn imports(run: &Run, plans: &Plans) -> BTreeSet<String> {
    fn walk(value: &Value, found: &mut Vec<Value>) {
        match references::call(value) {
            Some(("Fn::ImportValue", argument)) => found.push(argument.clone()),
            _ => match value {
                Value::Array(items) => items.iter().for_each(|item| walk(item, found)),
                Value::Object(map) => map.values().for_each(|item| walk(item, found)),
                _ => {}
            },
        }
    }
    let mut found = Vec::new();
    plans
        .template
        .resources
        .values()
        .for_each(|resource| walk(&resource.properties, &mut found));
    plans
        .template
        .outputs
        .values()
        .for_each(|output| walk(&output.value, &mut found));
    let pseudo = run.pseudo();
    let evaluator = run.evaluator(plans, &pseudo);
    // A name in a branch that is not taken may have no value.
    let names = found
        .iter()
        .filter_map(|argument| evaluator.value(argument).ok().flatten());
    names.filter_map(|name| name.as_str().map(str::to_owned)).collect()
}

/// Writes down how a phase ended, and what follows.
async fn turn(
    engine: &CloudFormation,
    scope: &Scope,
    uuid: &str,
    phase: Phase,
    results: &Results,
    ended: Ended<()>,
) -> Result<()> {
    let key = keys::stack(scope, uuid);
    engine
        .store
        .transact(async |tx| {
            engine.still_ours(&tx, uuid).await?;
            let stack: Option<Stack> = records::get(&tx, &key).await?;
            let Some(mut stack) = stack else { return Ok(()) };
            let Some(mut operation) = stack.operation.take().filter(|operation| operation.phase == phase) else {
                return Err(Error::LeaseLost);
            };
            let mut reason = match &ended {
                Ended::Failed(reason) => Some(reason.clone()),
                _ => None,
            };
            let mut done = matches!(ended, Ended::Done(()));
            if done && matches!(phase, Phase::Create | Phase::Update) {
                match export(&tx, scope, &stack, &results.outputs).await? {
                    Ok(()) => {
                        record_imports(&tx, scope, &stack, &results.imports).await?;
                        stack.outputs.clone_from(&results.outputs);
                        stack.imports.clone_from(&results.imports);
                        stack.target = operation.target.clone();
                    }
                    Err(refusal) => (done, reason) = (false, Some(refusal)),
                }
            }
            let follow = follow(&operation, phase, done, &ended);
            if let Some(delete) = operation.then_delete.take() {
                stack.status = "DELETE_IN_PROGRESS".to_owned();
                stack.reason = Some("User Initiated".to_owned());
                stack.operation = Some(*delete);
            } else {
                let suffix = match follow.status {
                    "ROLLBACK_IN_PROGRESS" | "UPDATE_ROLLBACK_IN_PROGRESS" => "Rollback requested by user.",
                    _ => "",
                };
                stack.status = follow.status.to_owned();
                stack.reason = match (reason, operation.cancelled) {
                    (Some(reason), _) => Some(format!("{reason}{suffix}").trim_end().to_owned()),
                    (None, true) if follow.status == "UPDATE_ROLLBACK_IN_PROGRESS" => Some("User Initiated".to_owned()),
                    _ => None,
                };
                operation.cancelled = false;
                match follow.next {
                    Some(next) => {
                        operation.phase = next;
                        operation.deadline = None;
                        stack.operation = Some(operation);
                    }
                    None => {
                        stack.halted = follow.halts.then_some(operation);
                    }
                }
            }
            if stack.status == "DELETE_COMPLETE" {
                gone(&tx, engine, scope, &mut stack).await?;
            }
            if stack.status == "UPDATE_ROLLBACK_COMPLETE" || stack.status == "UPDATE_COMPLETE" {
                stack.updated = Some(engine.now());
            }
            let event = engine.stack_event(&stack);
            engine.event(&tx, uuid, event).await?;
            records::put(&tx, &key, &stack).await
        })
        .await
}

struct Follow {
    status: &'static str,
    next: Option<Phase>,
    halts: bool,
}

/// What follows a phase. Every way that ends has a way out: see the table in the operations.
fn follow(operation: &Operation, phase: Phase, done: bool, ended: &Ended<()>) -> Follow {
    let end = |status| Follow {
        status,
        next: None,
        halts: false,
    };
    let halt = |status| Follow {
        halts: true,
        ..end(status)
    };
    let on = |status, next| Follow {
        status,
        next: Some(next),
        halts: false,
    };
    match (phase, done) {
        (Phase::Create, true) => end("CREATE_COMPLETE"),
        (Phase::Create, false) => match operation.on_failure {
            OnFailure::Rollback => on("ROLLBACK_IN_PROGRESS", Phase::CreateRollback),
            OnFailure::Delete => on("DELETE_IN_PROGRESS", Phase::Delete),
            OnFailure::DoNothing => halt("CREATE_FAILED"),
        },
        (Phase::CreateRollback, true) => end("ROLLBACK_COMPLETE"),
        (Phase::CreateRollback, false) => end("ROLLBACK_FAILED"),
        (Phase::Update, true) => on("UPDATE_COMPLETE_CLEANUP_IN_PROGRESS", Phase::UpdateCleanup),
        (Phase::Update, false) => match (operation.on_failure, &operation.previous) {
            (OnFailure::DoNothing, _) if !matches!(ended, Ended::Interrupted) => halt("UPDATE_FAILED"),
            (_, Some(_)) => on("UPDATE_ROLLBACK_IN_PROGRESS", Phase::UpdateRollback),
            // It never was whole: there is nothing to go back to.
            (_, None) => on("ROLLBACK_IN_PROGRESS", Phase::CreateRollback),
        },
        // What could not be removed is left, as AWS leaves it; its event says so.
        (Phase::UpdateCleanup, _) => end("UPDATE_COMPLETE"),
        (Phase::UpdateRollback, true) => on(
            "UPDATE_ROLLBACK_COMPLETE_CLEANUP_IN_PROGRESS",
            Phase::UpdateRollbackCleanup,
        ),
        (Phase::UpdateRollback, false) => halt("UPDATE_ROLLBACK_FAILED"),
        (Phase::UpdateRollbackCleanup, _) => end("UPDATE_ROLLBACK_COMPLETE"),
        (Phase::Delete, true) => end("DELETE_COMPLETE"),
        (Phase::Delete, false) => end("DELETE_FAILED"),
    }
}

impl CloudFormation {
    /// What the stack's own event says, as its record is now.
    pub(crate) fn stack_event(&self, stack: &Stack) -> Event {
        Event {
            id: Uuid::new_v4().to_string(),
            logical_id: stack.name.clone(),
            physical_id: stack.id(),
            kind: "AWS::CloudFormation::Stack".to_owned(),
            time: self.now(),
            status: stack.status.clone(),
            reason: stack.reason.clone(),
            properties: None,
            token: stack.operation.as_ref().and_then(|operation| operation.token.clone()),
        }
    }
}

/// Writes the exports of a stack in place of those it had; says why not.
async fn export(tx: &Transaction, scope: &Scope, stack: &Stack, outputs: &[Output]) -> Result<Result<(), String>> {
    let id = stack.id();
    let new: BTreeMap<&str, &str> = outputs
        .iter()
        .filter_map(|output| Some((output.export.as_deref()?, output.value.as_str())))
        .collect();
    for output in &stack.outputs {
        let Some(name) = &output.export else { continue };
        let now = new.get(name.as_str()).copied();
        if now == Some(output.value.as_str()) {
            continue;
        }
        if let Some(user) = importers(tx, scope, name)
            .await?
            .into_iter()
            .find(|user| *user != stack.name)
        {
            let what = if now.is_some() { "update" } else { "delete" };
            return Ok(Err(format!("Cannot {what} export {name} as it is in use by {user}. ")));
        }
        records::delete(tx, &keys::export(scope, name))?;
    }
    for (name, value) in new {
        let key = keys::export(scope, name);
        if let Some(there) = records::get::<Export>(tx, &key).await?
            && there.stack != id
        {
            return Ok(Err(format!(
                "Export with name {name} is already exported by stack {}. ",
                name_of(&there.stack)
            )));
        }
        let export = Export {
            value: value.to_owned(),
            stack: id.clone(),
        };
        records::put(tx, &key, &export).await?;
    }
    Ok(Ok(()))
}

fn name_of(stack_id: &str) -> &str {
    stack_id.split('/').nth(1).unwrap_or(stack_id)
}

/// The names of the stacks that import `export`.
pub(crate) async fn importers(view: &impl records::View, scope: &Scope, export: &str) -> Result<Vec<String>> {
    let all = records::list::<String>(view, &keys::imports(scope, export), None, 1000).await?;
    Ok(all.into_iter().map(|(_, name)| name).collect())
}

async fn record_imports(tx: &Transaction, scope: &Scope, stack: &Stack, imports: &BTreeSet<String>) -> Result<()> {
    for name in stack.imports.difference(imports) {
        records::delete(tx, &keys::import(scope, name, &stack.uuid))?;
    }
    for name in imports {
        records::put(tx, &keys::import(scope, name, &stack.uuid), &stack.name).await?;
    }
    Ok(())
}

/// What a stack that is gone leaves: its record, its resources and its events, found by its id.
async fn gone(tx: &Transaction, engine: &CloudFormation, scope: &Scope, stack: &mut Stack) -> Result<()> {
    let now = engine.now();
    stack.deleted = Some(now);
    tx.put(&keys::gone(now, scope, &stack.uuid), Vec::new())?;
    let name = keys::name(scope, &stack.name);
    if records::get::<String>(tx, &name).await?.as_deref() == Some(&stack.uuid) {
        records::delete(tx, &name)?;
    }
    for export in stack.outputs.iter().filter_map(|output| output.export.as_ref()) {
        records::delete(tx, &keys::export(scope, export))?;
    }
    for import in &stack.imports {
        records::delete(tx, &keys::import(scope, import, &stack.uuid))?;
    }
    for (_, set) in records::list::<records::ChangeSet>(tx, &keys::change_sets(&stack.uuid), None, usize::MAX).await? {
        records::delete(tx, &keys::stack_of_change_set(&set.uuid))?;
    }
    records::delete(tx, &keys::change_sets(&stack.uuid))?;
    stack.imports.clear();
    Ok(())
}
