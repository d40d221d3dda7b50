//! An update taken back: every resource becomes what it was before.

use super::deploy::in_time;
use super::drive::Ended;
use super::dynamic;
use super::plan;
use super::run::{Run, StepFailure};
use crate::providers::Work;
use crate::records::{Leftover, Resource, State};
use crate::{Error, Result};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use tokio::task::JoinSet;

/// Restores all that the update changed, in the order in which it was made.
pub(super) async fn all(run: &Arc<Run>) -> Result<Ended<()>> {
    let touched: BTreeMap<String, Resource> = run
        .all()
        .into_iter()
        .filter(|record| {
            let before = record
                .before
                .as_ref()
                .filter(|before| before.base == run.operation.base);
            before.is_some_and(|before| before.state.is_some())
        })
        .map(|record| (record.logical_id.clone(), record))
        .collect();
    let mut waiting: BTreeMap<String, BTreeSet<String>> = touched
        .iter()
        .map(|(name, record)| {
            let state = record.before.as_ref().and_then(|before| before.state.as_ref());
            let needs = state.map(|state| state.depends_on.clone()).unwrap_or_default();
            (
                name.clone(),
                needs.into_iter().filter(|need| touched.contains_key(need)).collect(),
            )
        })
        .collect();
    let (mut steps, mut running, mut failures) = (JoinSet::new(), BTreeSet::new(), Vec::<StepFailure>::new());
    loop {
        if !run.is_interrupted() {
            let ready =
                |needs: &BTreeSet<String>| needs.iter().all(|need| failures.iter().all(|f| f.logical_id != *need));
            let free: Vec<String> = waiting
                .iter()
                .filter(|(name, needs)| needs.is_empty() && ready(needs) && !running.contains(*name))
                .map(|(name, _)| name.clone())
                .take(run.engine.options.parallel.saturating_sub(steps.len()))
                .collect();
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
        // What failed is not waited for: as much as can be is restored.
        waiting.remove(&name);
        waiting.values_mut().for_each(|needs| {
            needs.remove(&name);
        });
        running.remove(&name);
        if let Err(failure) = done? {
            failures.push(failure);
        }
    }
    if !failures.is_empty() {
        let names: Vec<&str> = failures.iter().map(|failure| failure.logical_id.as_str()).collect();
        return Ok(Ended::Failed(format!(
            "The following resource(s) failed to update: [{}]. ",
            names.join(", ")
        )));
    }
    Ok(if waiting.is_empty() {
        Ended::Done(())
    } else {
        Ended::Interrupted
    })
}

async fn one(run: &Run, name: &str) -> Result<Result<(), StepFailure>> {
    let Some(mut record) = run.resource(name) else {
        return Ok(Ok(()));
    };
    let old = record.before.as_ref().and_then(|before| before.state.clone());
    if record.settled.as_deref() == Some(&run.mark()) {
        return Ok(Ok(()));
    }
    let Some(old) = old else { return Ok(Ok(())) };
    if run.operation.skip.iter().any(|skipped| skipped == name) {
        // It is taken to be what it was, whatever it is.
        return settle(run, record, old, true).await;
    }
    let Some(now) = record.state.clone() else {
        return settle(run, record, old, true).await;
    };
    if now.id != old.id {
        // The old one is among the leftovers, where it must not be removed.
        record.leftovers.retain(|leftover| leftover.state.id != old.id);
        let by_policy = false;
        record.leftovers.push(Leftover { state: now, by_policy });
        return settle(run, record, old, true).await;
    }
    let tried = record
        .step
        .as_ref()
        .filter(|step| !step.creates)
        .map(|step| step.properties.clone());
    let from = tried.unwrap_or_else(|| now.properties.clone());
    if from == old.properties && now.tags == old.tags {
        let is_failed = record.status.ends_with("FAILED");
        return settle(run, record, old, is_failed).await;
    }
    let provider = match plan::provider(&old.kind) {
        Ok(provider) => provider,
        Err(reason) => return failed(run, record, reason).await,
    };
    let (step, resumed) = run.step_for(&record, false, &from);
    // The step keeps what was tried: it is what there may be, until the old properties are in force again.
    if !resumed {
        record.status = "UPDATE_IN_PROGRESS".to_owned();
        record.reason = None;
        record.changed = run.moment(&record);
        record.step = Some(step.clone());
        let begun = run.event_of(&record, Some(&old), Some(&old.properties));
        run.save(&record, &[begun]).await?;
    }
    let stacked = run.stacked();
    let (kind, tags) = (old.kind.clone(), old.tags.clone());
    let properties = match dynamic::resolved(run, &kind, &old.properties).await {
        Ok(properties) => properties,
        Err(reason) => return failed(run, record, reason).await,
    };
    let work = Work {
        engine: &run.engine,
        context: &run.context,
        stack: &stacked,
        logical_id: name,
        kind: &kind,
        properties: &properties,
        old: Some(&from),
        tags: &tags,
        old_tags: &now.tags,
        token: &step.token,
        started: step.started,
        resumed,
        snapshot: false,
        interrupt: run.driven.interrupt.subscribe(),
    };
    match in_time(run, provider.update(&work, &old.id)).await {
        Ok(made) => {
            let old_state = old.clone();
            settle(run, record, made.into_state_after(old, &old_state), true).await
        }
        Err(failure) if failure.is_stop() => Err(Error::LeaseLost),
        Err(failure) => {
            let reason = failure.reason(&work);
            failed(run, record, reason).await
        }
    }
}

async fn failed(run: &Run, mut record: Resource, reason: String) -> Result<Result<(), StepFailure>> {
    record.status = "UPDATE_FAILED".to_owned();
    record.reason = Some(reason.clone());
    record.changed = run.moment(&record);
    let event = run.event_of(&record, record.state.as_ref(), None);
    run.save(&record, &[event]).await?;
    Ok(Err(StepFailure {
        logical_id: record.logical_id,
        reason,
    }))
}

async fn settle(run: &Run, mut record: Resource, state: State, tell: bool) -> Result<Result<(), StepFailure>> {
    record.kind.clone_from(&state.kind);
    record.state = Some(state);
    record.step = None;
    record.settled = Some(run.mark());
    let mut events = Vec::new();
    if tell {
        record.status = "UPDATE_COMPLETE".to_owned();
        record.reason = None;
        record.changed = run.moment(&record);
        let state = record.state.as_ref();
        events.push(run.event_of(&record, state, state.map(|state| &state.properties)));
    }
    run.save(&record, &events).await?;
    Ok(Ok(()))
}
