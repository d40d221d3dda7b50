//! Resources made and changed, as far in parallel as their references allow.

use super::dynamic;
use super::plan::{self, Plan};
use super::run::{Run, StepFailure};
use super::stack_policy;
use crate::engine::drive::Ended;
use crate::providers::{Failure, Made, Work};
use crate::records::{Before, Leftover, Output, Phase, Resource, State};
use crate::template::evaluate::Evaluator;
use crate::template::parameters::text_of;
use crate::template::{MAX_PROPERTIES_BYTES, Template, TemplateError, references};
use crate::{Error, Result};
use serde_json::{Map, Value};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use tokio::task::JoinSet;

/// What a deployment reads of the target.
pub(crate) struct Plans {
    pub template: Template,
    pub exports: BTreeMap<String, String>,
}

impl Run {
    pub(crate) fn evaluator<'a>(
        &'a self,
        plans: &'a Plans,
        pseudo: &'a crate::template::evaluate::Pseudo,
    ) -> Evaluator<'a> {
        Evaluator::new(
            &plans.template,
            &self.operation.target.parameters,
            pseudo,
            &plans.exports,
            self,
        )
    }
}

/// Brings all resources of the target to what they are to be; gives the outputs.
pub(super) async fn all(run: &Arc<Run>, plans: &Arc<Plans>) -> Result<Ended<Vec<Output>>> {
    let pseudo = run.pseudo();
    let active: Result<BTreeSet<&String>, TemplateError> = {
        let evaluator = run.evaluator(plans, &pseudo);
        let names = plans.template.resources.keys();
        names
            .filter_map(|name| evaluator.is_active(name).map(|is| is.then_some(name)).transpose())
            .collect()
    };
    let active = match active {
        Ok(active) => active,
        Err(error) => return Ok(Ended::Failed(error.0)),
    };
    let mut waiting = references::graph(&plans.template, &|name| active.contains(&name.to_owned()));
    let edges = Arc::new(waiting.clone());
    let mut steps = JoinSet::new();
    let mut failures: Vec<StepFailure> = Vec::new();
    let mut running = BTreeSet::new();
    loop {
        if failures.is_empty() && !run.is_interrupted() {
            let room = run.engine.options.parallel.saturating_sub(steps.len());
            let free: Vec<String> = waiting
                .iter()
                .filter(|(name, needs)| needs.is_empty() && !running.contains(*name))
                .map(|(name, _)| name.clone())
                .take(room)
                .collect();
            for name in free {
                running.insert(name.clone());
                let (run, plans, edges) = (Arc::clone(run), Arc::clone(plans), Arc::clone(&edges));
                steps.spawn(async move {
                    let depends_on = edges.get(&name).cloned().unwrap_or_default();
                    let done = one(&run, &plans, &name, depends_on).await;
                    (name, done)
                });
            }
        }
        let Some(joined) = run.next(&mut steps).await? else {
            break;
        };
        let (name, done) = joined;
        running.remove(&name);
        match done? {
            Ok(()) => {
                waiting.remove(&name);
                waiting.values_mut().for_each(|needs| {
                    needs.remove(&name);
                });
            }
            Err(failure) => {
                failures.push(failure);
                // What waits for somebody else need not wait any more.
                run.driven.interrupt.send_replace(true);
            }
        }
    }
    if !failures.is_empty() {
        let names: Vec<&str> = failures.iter().map(|failure| failure.logical_id.as_str()).collect();
        let what = if run.operation.phase == Phase::Create {
            "create"
        } else {
            "update"
        };
        for failure in &failures {
            tracing::debug!(
                resource = failure.logical_id,
                reason = failure.reason,
                "a resource failed"
            );
        }
        return Ok(Ended::Failed(format!(
            "The following resource(s) failed to {what}: [{}]. ",
            names.join(", ")
        )));
    }
    if !waiting.is_empty() {
        return Ok(Ended::Interrupted);
    }
    let outputs = match outputs(run, plans) {
        Ok(mut outputs) => dynamic::outputs(run, &mut outputs)
            .await
            .map(|()| outputs)
            .map_err(TemplateError),
        Err(error) => Err(error),
    };
    Ok(match outputs {
        Ok(outputs) => Ended::Done(outputs),
        Err(error) => Ended::Failed(format!(
            "{}. ",
            error.0.trim_end_matches(". Rollback requested by user.")
        )),
    })
}

fn outputs(run: &Run, plans: &Plans) -> Result<Vec<Output>, TemplateError> {
    let pseudo = run.pseudo();
    let evaluator = run.evaluator(plans, &pseudo);
    let mut all = Vec::new();
    for (key, declared) in &plans.template.outputs {
        if let Some(condition) = &declared.condition
            && !evaluator.condition(condition)?
        {
            continue;
        }
        let at = |error: TemplateError| {
            let function = references::call(&declared.value)
                .map(|(name, _)| format!("/{name}"))
                .unwrap_or_default();
            TemplateError(format!("[Error] /Outputs/{key}/Value{function}: {}", error.0))
        };
        let text = |value: &Value| {
            let value = evaluator.value(value).map_err(at)?;
            Ok(value.map(|value| text_of(&value)))
        };
        let Some(value) = text(&declared.value)? else { continue };
        all.push(Output {
            key: key.clone(),
            value,
            description: declared.description.as_ref().map(text).transpose()?.flatten(),
            export: declared.export.as_ref().map(text).transpose()?.flatten(),
        });
    }
    Ok(all)
}

/// What the resource is to be, with every function computed.
fn wanted(run: &Run, plans: &Plans, name: &str, depends_on: BTreeSet<String>) -> Result<State, TemplateError> {
    let declared = &plans.template.resources[name];
    let pseudo = run.pseudo();
    let evaluator = run.evaluator(plans, &pseudo);
    let value = |value: &Value| evaluator.value(value);
    let properties = value(&declared.properties)?.unwrap_or_else(|| Value::Object(Map::new()));
    if properties.to_string().len() > MAX_PROPERTIES_BYTES {
        return Err(TemplateError(format!(
            "The properties of {name} are larger than {MAX_PROPERTIES_BYTES} bytes"
        )));
    }
    let (deletion, replacement) = plan::policies(declared, &value)?;
    Ok(State {
        kind: declared.kind.clone(),
        properties,
        tags: run.operation.target.tags.clone(),
        depends_on,
        deletion,
        replacement,
        metadata: declared.metadata.as_ref().map(value).transpose()?.flatten(),
        ..State::default()
    })
}

fn fail(name: &str, reason: impl Into<String>) -> StepFailure {
    StepFailure {
        logical_id: name.to_owned(),
        reason: reason.into(),
    }
}

type Step = Result<Result<(), StepFailure>>;

async fn one(run: &Run, plans: &Plans, name: &str, depends_on: BTreeSet<String>) -> Step {
    let kind = &plans.template.resources[name].kind;
    let mut record = run.resource(name).unwrap_or_else(|| Resource {
        logical_id: name.to_owned(),
        kind: kind.clone(),
        status: String::new(),
        reason: None,
        changed: run.engine.now(),
        state: None,
        step: None,
        settled: None,
        before: None,
        leftovers: Vec::new(),
        last_id: None,
    });
    if record.settled.as_deref() == Some(&run.mark()) {
        return Ok(Ok(()));
    }
    if record
        .before
        .as_ref()
        .is_none_or(|before| before.base != run.operation.base)
    {
        record.before = Some(Before {
            base: run.operation.base.clone(),
            state: record.state.clone(),
        });
    }
    let prepared = wanted(run, plans, name, depends_on)
        .map_err(|error| error.0)
        .and_then(|wanted| Ok((plan::provider(kind)?, wanted)));
    let (provider, wanted) = match prepared {
        Ok(prepared) => prepared,
        Err(reason) => {
            let status = if record.state.is_some() {
                "UPDATE_FAILED"
            } else {
                "CREATE_FAILED"
            };
            return failed(run, record, None, status, reason).await;
        }
    };
    let what = plan::plan(provider, record.state.as_ref(), kind, &wanted.properties, &wanted.tags);
    match what {
        Plan::Nothing => {
            // What only the template says of it may have changed.
            if let Some(state) = &mut record.state {
                (state.deletion, state.replacement) = (wanted.deletion, wanted.replacement);
                (state.metadata, state.depends_on) = (wanted.metadata, wanted.depends_on);
            }
            record.step = None;
            record.settled = Some(run.mark());
            run.save(&record, &[]).await?;
            Ok(Ok(()))
        }
        Plan::Create => create(run, record, wanted, None).await,
        Plan::Replace => {
            if let Err(reason) = stack_policy::allows(run, "Update:Replace", &record) {
                return failed(run, record, None, "UPDATE_FAILED", reason).await;
            }
            let given = |state: &State| {
                let property = provider.name_property().filter(|_| state.kind == *kind)?;
                state.properties.get(property).map(text_of)
            };
            let old = record.state.clone();
            if let Some(name) = given(&wanted).filter(|name| old.as_ref().and_then(given).as_ref() == Some(name)) {
                let reason = format!(
                    "CloudFormation cannot update a stack when a custom-named resource requires replacing. Rename {name} \
                     and update the stack again."
                );
                return failed(run, record, None, "UPDATE_FAILED", reason).await;
            }
            create(run, record, wanted, old).await
        }
        Plan::Update => {
            if let Err(reason) = stack_policy::allows(run, "Update:Modify", &record) {
                return failed(run, record, None, "UPDATE_FAILED", reason).await;
            }
            update(run, record, wanted).await
        }
    }
}

async fn failed(run: &Run, mut record: Resource, properties: Option<&Value>, status: &str, reason: String) -> Step {
    record.status = status.to_owned();
    record.reason = Some(reason.clone());
    record.changed = run.moment(&record);
    let event = run.event_of(&record, record.state.as_ref(), properties);
    run.save(&record, &[event]).await?;
    Ok(Err(fail(&record.logical_id, reason)))
}

async fn create(run: &Run, mut record: Resource, wanted: State, old: Option<State>) -> Step {
    let engine = &run.engine;
    let provider = match plan::provider(&wanted.kind) {
        Ok(provider) => provider,
        Err(reason) => return failed(run, record, None, "CREATE_FAILED", reason).await,
    };
    let (step, resumed) = run.step_for(&record, true, &wanted.properties);
    let resolved = dynamic::resolved(run, &wanted.kind, &wanted.properties).await;
    let (properties, unresolved) = match resolved {
        Ok(properties) => (properties, None),
        Err(reason) => (Value::Null, Some(reason)),
    };
    let verb = if old.is_some() { "UPDATE" } else { "CREATE" };
    let stacked = run.stacked();
    let work = Work {
        engine,
        context: &run.context,
        stack: &stacked,
        logical_id: &record.logical_id.clone(),
        kind: &wanted.kind.clone(),
        properties: &properties,
        old: None,
        tags: &wanted.tags.clone(),
        old_tags: &[],
        token: &step.token.clone(),
        started: step.started,
        resumed,
        snapshot: false,
        interrupt: run.driven.interrupt.subscribe(),
    };
    if !resumed {
        // Found out before it is recorded that something is made: afterwards what has that name is ours.
        let refusal = match (unresolved.clone(), work.missing(provider)) {
            (Some(reason), _) => Some(Failure::new("InvalidRequest", reason)),
            (None, Some(missing)) => Some(missing),
            (None, None) => work.taken(provider).await,
        };
        record.kind.clone_from(&wanted.kind);
        record.status = format!("{verb}_IN_PROGRESS");
        record.changed = run.moment(&record);
        record.reason = old.as_ref().map(|_| {
            "Requested update requires the creation of a new physical resource; hence creating one.".to_owned()
        });
        if let Some(refusal) = refusal {
            let begun = run.event_of(&record, old.as_ref(), Some(&wanted.properties));
            run.save(&record, &[begun]).await?;
            return failed(
                run,
                record,
                Some(&wanted.properties),
                &format!("{verb}_FAILED"),
                refusal.reason(&work),
            )
            .await;
        }
        record.step = Some(step.clone());
        let begun = run.event_of(&record, old.as_ref(), Some(&wanted.properties));
        run.save(&record, &[begun]).await?;
    }
    if let Some(reason) = unresolved {
        return failed(run, record, Some(&wanted.properties), &format!("{verb}_FAILED"), reason).await;
    }
    let made = in_time(run, provider.create(&work)).await;
    match made {
        Ok(made) => {
            let state = made.into_state(wanted);
            if let Some(old) = old {
                record.leftovers.push(Leftover {
                    state: old,
                    by_policy: true,
                });
            }
            record.reason = Some("Resource creation Initiated".to_owned());
            record.status = format!("{verb}_IN_PROGRESS");
            record.changed = run.moment(&record);
            let initiated = run.event_of(&record, Some(&state), Some(&state.properties));
            complete(run, record, state, verb, Some(initiated)).await
        }
        Err(failure) if failure.is_stop() => Err(Error::LeaseLost),
        Err(failure) => {
            let reason = failure.reason(&work);
            record.step = None;
            // Half made: it is taken away like what was made.
            if let Some(id) = failure.partial {
                let half = State { id, ..wanted.clone() };
                if let Some(old) = old {
                    let by_policy = false;
                    record.leftovers.push(Leftover { state: half, by_policy });
                    record.state = Some(old);
                } else {
                    record.state = Some(half);
                }
            }
            failed(run, record, Some(&wanted.properties), &format!("{verb}_FAILED"), reason).await
        }
    }
}

async fn update(run: &Run, mut record: Resource, wanted: State) -> Step {
    let engine = &run.engine;
    let Some(old) = record.state.clone() else {
        return create(run, record, wanted, None).await;
    };
    let provider = match plan::provider(&wanted.kind) {
        Ok(provider) => provider,
        Err(reason) => return failed(run, record, None, "UPDATE_FAILED", reason).await,
    };
    let (step, resumed) = run.step_for(&record, false, &wanted.properties);
    if !resumed {
        record.status = "UPDATE_IN_PROGRESS".to_owned();
        record.reason = None;
        record.changed = run.moment(&record);
        record.step = Some(step.clone());
        let begun = run.event_of(&record, Some(&old), Some(&wanted.properties));
        run.save(&record, &[begun]).await?;
    }
    let stacked = run.stacked();
    let (logical_id, kind, tags) = (record.logical_id.clone(), wanted.kind.clone(), wanted.tags.clone());
    let properties = match dynamic::resolved(run, &kind, &wanted.properties).await {
        Ok(properties) => properties,
        Err(reason) => return failed(run, record, Some(&wanted.properties), "UPDATE_FAILED", reason).await,
    };
    let work = Work {
        engine,
        context: &run.context,
        stack: &stacked,
        logical_id: &logical_id,
        kind: &kind,
        properties: &properties,
        old: Some(&old.properties),
        tags: &tags,
        old_tags: &old.tags,
        token: &step.token,
        started: step.started,
        resumed,
        snapshot: false,
        interrupt: run.driven.interrupt.subscribe(),
    };
    match in_time(run, provider.update(&work, &old.id)).await {
        Ok(made) if made.id != old.id => {
            // A custom resource that answers another id has made a new one.
            record.leftovers.push(Leftover {
                state: old,
                by_policy: true,
            });
            let state = made.into_state(wanted);
            complete(run, record, state, "UPDATE", None).await
        }
        Ok(made) => {
            let state = made.into_state_after(wanted, &old);
            complete(run, record, state, "UPDATE", None).await
        }
        Err(failure) if failure.is_stop() => Err(Error::LeaseLost),
        // The step stays in the record: what it may have changed has to be changed back.
        Err(failure) => {
            failed(
                run,
                record,
                Some(&wanted.properties),
                "UPDATE_FAILED",
                failure.reason(&work),
            )
            .await
        }
    }
}

async fn complete(
    run: &Run,
    mut record: Resource,
    state: State,
    verb: &str,
    initiated: Option<crate::records::Event>,
) -> Step {
    record.status = format!("{verb}_COMPLETE");
    record.reason = None;
    record.changed = run.moment(&record);
    record.kind.clone_from(&state.kind);
    record.step = None;
    record.settled = Some(run.mark());
    let done = run.event_of(&record, Some(&state), Some(&state.properties));
    record.last_id = Some(state.id.clone());
    record.state = Some(state);
    let events: Vec<_> = initiated.into_iter().chain([done]).collect();
    run.save(&record, &events).await?;
    Ok(Ok(()))
}

/// Waits for a provider's call, but not for ever.
pub(super) async fn in_time<T>(run: &Run, call: impl Future<Output = Result<T, Failure>>) -> Result<T, Failure> {
    match tokio::time::timeout(run.engine.options.resource_timeout, call).await {
        Ok(done) => done,
        Err(_) => Err(Failure::new("NotStabilized", "Exceeded attempts to wait")),
    }
}

impl Made {
    fn into_state(self, wanted: State) -> State {
        State {
            id: self.id,
            reference: self.reference,
            attributes: self.attributes,
            ..wanted
        }
    }

    /// After an update: attributes that it does not say are as before.
    pub(super) fn into_state_after(self, wanted: State, old: &State) -> State {
        let mut attributes = old.attributes.clone();
        attributes.extend(self.attributes);
        State {
            id: self.id,
            reference: self.reference.or_else(|| old.reference.clone()),
            attributes,
            ..wanted
        }
    }
}
