//! What an update would do: for change sets, and to know whether there is anything to do.

use super::plan::{self, Plan};
use super::stack_policy;
use crate::Result;
use crate::providers;
use crate::records::{Policy, Resource, Stack, State, Target};
use crate::shapes::{Change, ResourceChange, ResourceChangeDetail, ResourceTargetDefinition};
use crate::template::evaluate::{Evaluator, Pseudo, Resources, later, sources};
use crate::template::{Template, TemplateError, references};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, PoisonError};

/// The resources as they would be half-way through the update.
struct Planned<'a> {
    states: BTreeMap<&'a str, &'a State>,
    /// These get new ids.
    fresh: Mutex<BTreeSet<String>>,
}

impl Planned<'_> {
    fn state(&self, id: &str) -> Option<&State> {
        let is_fresh = self.fresh.lock().unwrap_or_else(PoisonError::into_inner).contains(id);
        self.states.get(id).copied().filter(|_| !is_fresh)
    }
}

impl Resources for Planned<'_> {
    fn reference(&self, id: &str) -> Result<Value, TemplateError> {
        Ok(match self.state(id) {
            Some(state) => Value::String(state.reference.clone().unwrap_or_else(|| state.id.clone())),
            None => later(id, None),
        })
    }

    fn attribute(&self, id: &str, attribute: &str) -> Result<Value, TemplateError> {
        let known = self
            .state(id)
            .and_then(|state| state.attributes.get(attribute).cloned());
        Ok(known.unwrap_or_else(|| later(id, Some(attribute))))
    }
}

/// The changes that bring `stack` to `target`, resources only.
pub(crate) fn of(
    stack: &Stack,
    records: &[Resource],
    template: &Template,
    target: &Target,
    pseudo: &Pseudo,
    exports: &BTreeMap<String, String>,
) -> Result<Vec<Change>, TemplateError> {
    let states = records
        .iter()
        .filter_map(|record| Some((record.logical_id.as_str(), record.state.as_ref()?)));
    let planned = Planned {
        states: states.collect(),
        fresh: Mutex::default(),
    };
    let evaluator = Evaluator::new(template, &target.parameters, pseudo, exports, &planned);
    let mut active = BTreeSet::new();
    for name in template.resources.keys() {
        if evaluator.is_active(name)? {
            active.insert(name.as_str());
        }
    }
    let mut changes = BTreeMap::new();
    let mut waiting = references::graph(template, &|name| active.contains(name));
    while let Some(name) = waiting
        .iter()
        .find(|(_, needs)| needs.is_empty())
        .map(|(name, _)| name.clone())
    {
        waiting.remove(&name);
        waiting.values_mut().for_each(|needs| {
            needs.remove(&name);
        });
        let (change, is_fresh) = one(&name, template, target, &evaluator, &planned, stack)?;
        if is_fresh {
            planned
                .fresh
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .insert(name.clone());
        }
        if let Some(change) = change {
            changes.insert(name, change);
        }
    }
    for (name, state) in &planned.states {
        if !active.contains(name) {
            let keeps = state.deletion == Policy::Retain || state.deletion == Policy::RetainExceptOnCreate;
            let change = ResourceChange {
                action: Some("Remove".to_owned()),
                policy_action: Some(if keeps { "Retain" } else { "Delete" }.to_owned()),
                logical_resource_id: Some((*name).to_owned()),
                physical_resource_id: Some(state.id.clone()),
                resource_type: Some(state.kind.clone()),
                scope: Some(Vec::new()),
                details: Some(Vec::new()),
                ..ResourceChange::default()
            };
            changes.insert((*name).to_owned(), change);
        }
    }
    Ok(changes
        .into_values()
        .map(|change| Change {
            r#type: Some("Resource".to_owned()),
            resource_change: Some(change),
            ..Change::default()
        })
        .collect())
}

fn one(
    name: &str,
    template: &Template,
    target: &Target,
    evaluator: &Evaluator<'_>,
    planned: &Planned<'_>,
    stack: &Stack,
) -> Result<(Option<ResourceChange>, bool), TemplateError> {
    let declared = &template.resources[name];
    let value = |value: &Value| evaluator.value(value);
    let properties = value(&declared.properties)?.unwrap_or(Value::Null);
    let metadata = declared.metadata.as_ref().map(value).transpose()?.flatten();
    let (deletion, replacement) = plan::policies(declared, &value)?;
    let base = ResourceChange {
        logical_resource_id: Some(name.to_owned()),
        resource_type: Some(declared.kind.clone()),
        scope: Some(Vec::new()),
        details: Some(Vec::new()),
        ..ResourceChange::default()
    };
    let Some(old) = planned.states.get(name).copied() else {
        let action = Some("Add".to_owned());
        return Ok((Some(ResourceChange { action, ..base }), true));
    };
    let Some(provider) = providers::find(&declared.kind) else {
        return Err(TemplateError::format(providers::unknown(&[&declared.kind])));
    };
    let what = plan::plan(provider, Some(old), &declared.kind, &properties, &target.tags);
    let mut scopes = Vec::new();
    let mut details = Vec::new();
    let changed = plan::changed(&old.properties, &properties);
    if !changed.is_empty() {
        scopes.push("Properties".to_owned());
    }
    let mut is_maybe = false;
    for property in &changed {
        let mut waits = Vec::new();
        if let Some(value) = properties.get(property) {
            sources(value, &mut waits);
        }
        let recreates = provider.replaces(property);
        is_maybe |= recreates && !waits.is_empty();
        let (source, entity) = match waits.first() {
            Some((id, Some(attribute))) => ("ResourceAttribute", Some(format!("{id}.{attribute}"))),
            Some((id, None)) => ("ResourceReference", Some(id.clone())),
            None => match declared.properties.get(property).and_then(references::call) {
                Some(("Ref", Value::String(parameter))) if template.parameters.contains_key(parameter) => {
                    ("ParameterReference", Some(parameter.clone()))
                }
                _ => ("DirectModification", None),
            },
        };
        details.push(ResourceChangeDetail {
            target: Some(ResourceTargetDefinition {
                attribute: Some("Properties".to_owned()),
                name: Some(property.clone()),
                requires_recreation: Some(if recreates { "Always" } else { "Never" }.to_owned()),
                ..ResourceTargetDefinition::default()
            }),
            evaluation: Some(if waits.is_empty() { "Static" } else { "Dynamic" }.to_owned()),
            change_source: Some(source.to_owned()),
            causing_entity: entity,
        });
    }
    for (differs, scope) in [
        (provider.takes_tags() && old.tags != target.tags, "Tags"),
        (old.metadata != metadata, "Metadata"),
        (old.deletion != deletion, "DeletionPolicy"),
        (old.replacement != replacement, "UpdateReplacePolicy"),
    ] {
        if differs {
            scopes.push(scope.to_owned());
        }
    }
    if scopes.is_empty() && what == Plan::Nothing {
        return Ok((None, false));
    }
    let is_replaced = what == Plan::Replace;
    let replacement = match (is_replaced, is_maybe) {
        (true, false) => "True",
        (true, true) => "Conditional",
        _ => "False",
    };
    let action = if is_replaced { "Update:Replace" } else { "Update:Modify" };
    if let Some(policy) = &stack.policy
        && stack_policy::refuses(policy, action, name, &declared.kind)
    {
        tracing::debug!(resource = name, "the stack policy will refuse this change");
    }
    let change = ResourceChange {
        action: Some("Modify".to_owned()),
        physical_resource_id: Some(old.id.clone()),
        replacement: Some(replacement.to_owned()),
        policy_action: is_replaced.then(|| "ReplaceAndDelete".to_owned()),
        scope: Some(scopes),
        details: Some(details),
        ..base
    };
    Ok((Some(change), is_replaced))
}
