//! Resources taken away, users before what they use.

use super::deploy::in_time;
use super::drive::Ended;
use super::dynamic;
use super::plan;
use super::run::{Run, StepFailure};
use crate::providers::Work;
use crate::records::{Leftover, Phase, Policy, Resource, State};
use crate::{Error, Result};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use tokio::task::JoinSet;

/// Removes what the phase is to remove.
pub(super) async fn all(run: &Arc<Run>) -> Result<Ended<()>> {
    let doomed: BTreeMap<String, Resource> = run
        .all()
        .into_iter()
        .filter(|record| is_doomed(run, record))
        .map(|r| (r.logical_id.clone(), r))
        .collect();
    // Who has to go first: all that depend on it.
    let mut users = BTreeMap::<String, BTreeSet<String>>::new();
    for name in doomed.keys() {
        users.entry(name.clone()).or_default();
    }
    for (name, record) in &doomed {
        let states = record
            .state
            .iter()
            .chain(record.leftovers.iter().map(|leftover| &leftover.state));
        for need in states.flat_map(|state| &state.depends_on) {
            if let Some(users) = users.get_mut(need).filter(|_| need != name) {
                users.insert(name.clone());
            }
        }
    }
    let (mut steps, mut running, mut failures) = (JoinSet::new(), BTreeSet::new(), Vec::<StepFailure>::new());
    loop {
        if !run.is_interrupted() {
            let mut free: Vec<String> = users
                .iter()
                .filter(|(name, users)| users.is_empty() && !running.contains(*name))
                .map(|(name, _)| name.clone())
                .take(run.engine.options.parallel.saturating_sub(steps.len()))
                .collect();
            // Leftovers of different times may seem to need each other; then the order does not matter.
            if free.is_empty() && steps.is_empty() && failures.is_empty() {
                free.extend(users.keys().next().cloned());
            }
            for name in free {
                running.insert(name.clone());
                let run = Arc::clone(run);
                steps.spawn(async move {
                    let done = one(&run, &name).await;
                    (name, done)
                });
            }
        }
        let Some((name, done)) = run.next(&mut steps).await? else {
            break;
        };
        running.remove(&name);
        match done? {
            Ok(()) => {}
            Err(failure) => {
                failures.push(failure);
                if run.operation.phase == Phase::Delete || run.operation.phase == Phase::CreateRollback {
                    // What it uses stays, too.
                    running.insert(name);
                    continue;
                }
            }
        }
        users.remove(&name);
        users.values_mut().for_each(|users| {
            users.remove(&name);
        });
    }
    if !failures.is_empty() {
        let mut names: Vec<&str> = failures.iter().map(|failure| failure.logical_id.as_str()).collect();
        names.sort_unstable();
        return Ok(Ended::Failed(format!(
            "The following resource(s) failed to delete: [{}]. ",
            names.join(", ")
        )));
    }
    Ok(if users.is_empty() {
        Ended::Done(())
    } else {
        Ended::Interrupted
    })
}

fn is_doomed(run: &Run, record: &Resource) -> bool {
    let operation = &run.operation;
    match operation.phase {
        Phase::Delete | Phase::CreateRollback => record.status != "DELETE_COMPLETE" || record.state.is_some(),
        Phase::UpdateCleanup => {
            let deployed = format!("{}/{:?}", operation.id, Phase::Update);
            record.settled.as_deref() != Some(&deployed) || !record.leftovers.is_empty()
        }
        Phase::UpdateRollbackCleanup => !record.leftovers.is_empty() || is_new(run, record),
        _ => false,
    }
}

/// Whether the resource came with the update that is taken back.
fn is_new(run: &Run, record: &Resource) -> bool {
    record
        .before
        .as_ref()
        .is_some_and(|before| before.base == run.operation.base && before.state.is_none())
}

async fn one(run: &Run, name: &str) -> Result<Result<(), StepFailure>> {
    let Some(mut record) = run.resource(name) else {
        return Ok(Ok(()));
    };
    let phase = run.operation.phase;
    while let Some(leftover) = record.leftovers.first().cloned() {
        if let Err(failure) = physical(run, &mut record, &leftover.state, fate_of(&leftover), true).await? {
            // A leftover that cannot be removed does not hold up an update, but a stack is not gone while it is there.
            if phase == Phase::Delete || phase == Phase::CreateRollback {
                return Ok(Err(failure));
            }
        }
        record.leftovers.remove(0);
        run.save(&record, &[]).await?;
    }
    let goes = match phase {
        Phase::Delete | Phase::CreateRollback => true,
        Phase::UpdateCleanup => record.settled.as_deref() != Some(&format!("{}/{:?}", run.operation.id, Phase::Update)),
        _ => is_new(run, &record),
    };
    if !goes {
        return Ok(Ok(()));
    }
    let Some(state) = record.state.clone() else {
        // It was never made.
        if matches!(phase, Phase::Delete | Phase::CreateRollback) {
            record.status = "DELETE_COMPLETE".to_owned();
            record.reason = None;
            record.changed = run.moment(&record);
            let event = run.event_of(&record, None, None);
            run.save(&record, &[event]).await?;
        } else {
            run.forget(name, &[]).await?;
        }
        return Ok(Ok(()));
    };
    let is_creation = matches!(phase, Phase::CreateRollback | Phase::UpdateRollbackCleanup);
    let retained = run.operation.retain.iter().any(|retained| retained == name);
    let fate = match state.deletion {
        _ if retained => Fate::Kept,
        Policy::Retain if !(is_creation && run.operation.retain_except_on_create) => Fate::Kept,
        Policy::RetainExceptOnCreate if !is_creation => Fate::Kept,
        Policy::Snapshot if !is_creation => Fate::RemovedAfterSnapshot,
        _ => Fate::Removed,
    };
    match physical(run, &mut record, &state, fate, false).await? {
        Err(failure) if run.operation.force && phase == Phase::Delete => {
            tracing::warn!(
                resource = name,
                reason = failure.reason,
                "a resource is left, because the deletion is forced"
            );
            Ok(Ok(()))
        }
        Err(failure) => Ok(Err(failure)),
        Ok(()) => {
            if matches!(phase, Phase::UpdateCleanup | Phase::UpdateRollbackCleanup) {
                run.forget(name, &[]).await?;
            }
            Ok(Ok(()))
        }
    }
}

/// What becomes of a physical resource.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fate {
    Kept,
    Removed,
    RemovedAfterSnapshot,
}

fn fate_of(leftover: &Leftover) -> Fate {
    match leftover.state.replacement {
        Policy::Retain | Policy::RetainExceptOnCreate if leftover.by_policy => Fate::Kept,
        Policy::Snapshot if leftover.by_policy => Fate::RemovedAfterSnapshot,
        _ => Fate::Removed,
    }
}

/// Removes one physical resource and tells it.
async fn physical(
    run: &Run,
    record: &mut Resource,
    state: &State,
    fate: Fate,
    is_leftover: bool,
) -> Result<Result<(), StepFailure>> {
    let (status, reason) = (record.status.clone(), record.reason.clone());
    if fate == Fate::Kept {
        record.status = "DELETE_SKIPPED".to_owned();
    } else {
        record.status = "DELETE_IN_PROGRESS".to_owned();
        record.reason = None;
        record.changed = run.moment(record);
        let begun = run.event_of(record, Some(state), Some(&state.properties));
        run.save(record, &[begun]).await?;
        let (step, resumed) = run.step_for(record, false, &Value::Null);
        let stacked = run.stacked();
        // What a reference cannot be found for any more does not hold up the removal.
        let properties = dynamic::resolved(run, &state.kind, &state.properties)
            .await
            .unwrap_or_else(|_| state.properties.clone());
        let work = Work {
            engine: &run.engine,
            context: &run.context,
            stack: &stacked,
            logical_id: &record.logical_id.clone(),
            kind: &state.kind,
            properties: &properties,
            old: None,
            tags: &state.tags,
            old_tags: &[],
            token: &step.token,
            started: step.started,
            resumed,
            snapshot: fate == Fate::RemovedAfterSnapshot,
            interrupt: run.driven.interrupt.subscribe(),
        };
        let done = match plan::provider(&state.kind) {
            Ok(provider) => in_time(run, provider.delete(&work, &state.id))
                .await
                .map_err(|failure| (failure.is_stop(), failure.reason(&work))),
            Err(reason) => Err((false, reason)),
        };
        match done {
            Ok(()) => record.status = "DELETE_COMPLETE".to_owned(),
            Err((true, _)) => return Err(Error::LeaseLost),
            Err((false, reason)) => {
                record.status = "DELETE_FAILED".to_owned();
                record.reason = Some(reason.clone());
                record.changed = run.moment(record);
                let event = run.event_of(record, Some(state), Some(&state.properties));
                run.save(record, &[event]).await?;
                return Ok(Err(StepFailure {
                    logical_id: record.logical_id.clone(),
                    reason,
                }));
            }
        }
    }
    record.reason = None;
    record.changed = run.moment(record);
    let event = run.event_of(record, Some(state), Some(&state.properties));
    if is_leftover {
        // The resource itself is as it was.
        (record.status, record.reason) = (status, reason);
    } else {
        record.state = None;
        record.step = None;
        record.last_id = Some(state.id.clone());
    }
    run.save(record, &[event]).await?;
    Ok(Ok(()))
}
