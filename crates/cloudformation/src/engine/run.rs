//! What the steps of one phase of a stack share.

use super::{CloudFormation, Driven};
use crate::providers::Stacked;
use crate::records::{Event, Operation, Resource, Stack, State, Step};
use crate::template::TemplateError;
use crate::template::evaluate::{Pseudo, Resources};
use crate::{Error, Result, keys, records};
use danbi_core::{RequestContext, Scope, SourceResource, Timestamp};
use serde_json::Value;
use std::collections::BTreeMap;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex, PoisonError};
use uuid::Uuid;

/// One phase of work on a stack.
pub(crate) struct Run {
    pub engine: Arc<CloudFormation>,
    pub scope: Scope,
    pub stack: Stack,
    pub operation: Operation,
    /// As whom the providers call.
    pub context: RequestContext,
    pub driven: Driven,
    /// No further steps are to begin.
    pub halted: AtomicBool,
    resources: Mutex<BTreeMap<String, Resource>>,
}

/// Why a resource's step failed.
#[derive(Debug)]
pub(crate) struct StepFailure {
    pub logical_id: String,
    pub reason: String,
}

impl Run {
    /// Reads what the phase needs.
    pub(crate) async fn begin(
        engine: &Arc<CloudFormation>,
        scope: &Scope,
        stack: Stack,
        operation: Operation,
        driven: &Driven,
    ) -> Result<Self> {
        let snapshot = engine.store.snapshot().await?;
        let found = records::list::<Resource>(&snapshot, &keys::resources(&stack.uuid), None, usize::MAX).await?;
        let source = SourceResource {
            arn: stack.id(),
            account: scope.account.clone(),
        };
        let principal = match (&operation.target.role_arn, &engine.roles) {
            (Some(role), Some(roles)) => {
                let role = role
                    .parse()
                    .map_err(|_| Error::validation(format!("Role {role} is invalid or cannot be assumed")))?;
                roles
                    .act_as(
                        &role,
                        "cloudformation.amazonaws.com",
                        "AWSCloudFormation",
                        Some(&source),
                    )
                    .await?
            }
            _ => operation.asker.principal(),
        };
        let mut context = RequestContext::inside(scope.clone(), principal, Some(source));
        context.host.clone_from(&operation.host);
        context.secure = operation.secure;
        context.user_agent = "cloudformation.amazonaws.com".to_owned();
        Ok(Self {
            engine: Arc::clone(engine),
            scope: scope.clone(),
            stack,
            operation,
            context,
            driven: driven.clone(),
            halted: AtomicBool::new(false),
            resources: Mutex::new(
                found
                    .into_iter()
                    .map(|(_, record)| (record.logical_id.clone(), record))
                    .collect(),
            ),
        })
    }

    pub(crate) fn pseudo(&self) -> Pseudo {
        Pseudo {
            account: self.scope.account.to_string(),
            region: self.scope.region.to_string(),
            stack_id: self.stack.id(),
            stack_name: self.stack.name.clone(),
            notification_arns: self.operation.target.notification_arns.clone(),
        }
    }

    /// What providers know of the stack.
    pub(crate) fn stacked(&self) -> Stacked {
        Stacked {
            id: self.stack.id(),
            name: self.stack.name.clone(),
            uuid: self.stack.uuid.clone(),
            capabilities: self.operation.target.capabilities.clone(),
            notification_arns: self.operation.target.notification_arns.clone(),
            role_arn: self.operation.target.role_arn.clone(),
        }
    }

    /// How a resource that this phase is done with is marked.
    pub(crate) fn mark(&self) -> String {
        format!("{}/{:?}", self.operation.id, self.operation.phase)
    }

    pub(crate) fn resource(&self, id: &str) -> Option<Resource> {
        self.resources
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .get(id)
            .cloned()
    }

    pub(crate) fn all(&self) -> Vec<Resource> {
        self.resources
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .values()
            .cloned()
            .collect()
    }

    /// The token of the call that is under way for this operation, when the platform ended in its middle; else a new one.
    pub(crate) fn step_for(&self, record: &Resource, creates: bool, properties: &Value) -> (Step, bool) {
        match &record.step {
            Some(step) if step.operation == self.mark() && step.creates == creates => (step.clone(), true),
            _ => (
                Step {
                    operation: self.mark(),
                    token: Uuid::new_v4().to_string(),
                    started: self.engine.now(),
                    creates,
                    properties: properties.clone(),
                },
                false,
            ),
        }
    }

    /// Now, and after the last change of `record`: who reads events sorts them by their times.
    pub(crate) fn moment(&self, record: &Resource) -> Timestamp {
        self.engine.now().max(record.changed.plus_millis(1))
    }

    /// An event of a resource as its record is now.
    pub(crate) fn event_of(&self, record: &Resource, state: Option<&State>, properties: Option<&Value>) -> Event {
        let id = format!(
            "{}-{}-{}",
            record.logical_id,
            record.status,
            crate::names::iso(record.changed)
        );
        Event {
            id,
            logical_id: record.logical_id.clone(),
            physical_id: state.map(|state| state.id.clone()).unwrap_or_default(),
            kind: state.map_or_else(|| record.kind.clone(), |state| state.kind.clone()),
            time: record.changed,
            status: record.status.clone(),
            reason: record.reason.clone(),
            properties: properties.map(Value::to_string),
            token: self.operation.token.clone(),
        }
    }

    /// Writes a record and what happened, unless another node has the stack.
    pub(crate) async fn save(&self, record: &Resource, events: &[Event]) -> Result<()> {
        let uuid = &self.stack.uuid;
        self.engine
            .store
            .transact(async |tx| {
                self.engine.still_ours(&tx, uuid).await?;
                records::put(&tx, &keys::resource(uuid, &record.logical_id), record).await?;
                for event in events {
                    self.engine.event(&tx, uuid, event.clone()).await?;
                }
                Ok::<_, Error>(())
            })
            .await?;
        let mut all = self.resources.lock().unwrap_or_else(PoisonError::into_inner);
        all.insert(record.logical_id.clone(), record.clone());
        Ok(())
    }

    /// Takes a record away.
    pub(crate) async fn forget(&self, logical_id: &str, events: &[Event]) -> Result<()> {
        let uuid = &self.stack.uuid;
        self.engine
            .store
            .transact(async |tx| {
                self.engine.still_ours(&tx, uuid).await?;
                records::delete(&tx, &keys::resource(uuid, logical_id))?;
                for event in events {
                    self.engine.event(&tx, uuid, event.clone()).await?;
                }
                Ok::<_, Error>(())
            })
            .await?;
        self.resources
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .remove(logical_id);
        Ok(())
    }
}

/// References to the resources that are there already.
impl Resources for Run {
    fn reference(&self, id: &str) -> Result<Value, TemplateError> {
        let all = self.resources.lock().unwrap_or_else(PoisonError::into_inner);
        let state = all.get(id).and_then(|record| record.state.as_ref());
        let state = state.ok_or_else(|| TemplateError::error(format!("the resource {id} is not there")))?;
        Ok(Value::String(
            state.reference.clone().unwrap_or_else(|| state.id.clone()),
        ))
    }

    fn attribute(&self, id: &str, attribute: &str) -> Result<Value, TemplateError> {
        let all = self.resources.lock().unwrap_or_else(PoisonError::into_inner);
        let state = all.get(id).and_then(|record| record.state.as_ref());
        let state = state.ok_or_else(|| TemplateError::error(format!("the resource {id} is not there")))?;
        if let Some(value) = state.attributes.get(attribute) {
            return Ok(value.clone());
        }
        let nested = attribute.split_once('.').and_then(|(first, rest)| {
            let start = state.attributes.get(first)?;
            rest.split('.').try_fold(start, |value, name| value.get(name))
        });
        match nested {
            Some(value) => Ok(value.clone()),
            None if state.kind.starts_with("Custom::") || state.kind == "AWS::CloudFormation::CustomResource" => {
                Err(TemplateError(format!(
                    "Vendor response doesn't contain {attribute} attribute in object {id}"
                )))
            }
            None => Err(TemplateError(format!(
                "Resource type {} does not support attribute {{{attribute}}}",
                state.kind
            ))),
        }
    }
}
