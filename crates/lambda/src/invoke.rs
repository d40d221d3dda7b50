//! Invoke, and what every way of invoking shares: which version runs, and whether it may run now.

use crate::concurrency::{Permit, Share};
use crate::lambda::{Lambda, Resolved, resolve, version};
use crate::names::{FunctionId, FunctionRef, Qualifier};
use crate::records::{Alias, Function, Read, State, Version};
use crate::shapes::{InvocationRequest, InvocationResponse};
use crate::{Error, keys, measured, payload, provisioned};
use async_trait::async_trait;
use base64::Engine;
use bytes::Bytes;
use danbi_core::{
    Access, InvocationType, InvokeRequest, InvokeResponse, Invoker, Principal, RequestContext, ServiceError,
};
use danbi_runtime::{EnvironmentChoice, FunctionSpec, Invocation, LogFormat};
use danbi_store::Snapshot;
use std::sync::Arc;
use std::time::Duration;

/// A version that may run one event now.
pub(crate) struct Admitted {
    pub spec: Arc<FunctionSpec>,
    /// Counts the event against the limits until it is dropped.
    _permit: Permit,
}

/// The version that one request is for, and the state of things in which it was chosen.
pub(crate) struct Chosen {
    view: Snapshot,
    function: Function,
    pub version: Version,
}

impl Lambda {
    /// Finds the version that `reference` means, and takes leave to run it once.
    pub(crate) async fn admit(&self, reference: &FunctionRef) -> Result<Admitted, Error> {
        self.admit_chosen(reference, self.choose(reference).await?).await
    }

    /// Waits for a version that is being prepared, and takes leave to run it once.
    pub(crate) async fn admit_chosen(&self, reference: &FunctionRef, chosen: Chosen) -> Result<Admitted, Error> {
        let Chosen {
            view,
            function,
            version,
        } = chosen;
        let version = if version.state == State::Active {
            version
        } else {
            self.wait_until_active(reference).await?
        };
        let usage = match function.reserved_concurrency {
            None => view.usage(&reference.id.scope).await?,
            Some(_) => crate::records::Usage::default(),
        };
        let share = Share {
            reserved: function.reserved_concurrency,
            provisioned: function.provisioned,
            of_version: provisioned::of_version(&view, &reference.id, &function, version.number).await?,
            version: version.number,
        };
        let permit = self.concurrency.acquire(&reference.id, &share, &usage);
        let permit = permit.map_err(|reason| {
            if let Some(metrics) = &self.metrics {
                measured::throttled(&**metrics, &*self.clock, reference);
            }
            Error::Throttled(reason)
        })?;
        let spec = self.spec(&reference.id, version, function.reserved_concurrency).await?;
        Ok(Admitted {
            spec: Arc::new(spec),
            _permit: permit,
        })
    }

    /// Finds the version that `reference` means; an alias chooses by its weights.
    pub(crate) async fn choose(&self, reference: &FunctionRef) -> Result<Chosen, Error> {
        let view = self.snapshot().await?;
        if let Some(Qualifier::Alias(name)) = &reference.qualifier {
            let alias: Option<Alias> = view.record(&keys::alias(&reference.id, name)).await?;
            if let Some((second, weight)) = alias.and_then(|alias| alias.second)
                && random_share() < weight
            {
                let missing = || Error::function_not_found(reference.id.qualified_arn(second));
                let function = view.function(&reference.id).await?.ok_or_else(missing)?;
                let version = version(&view, &reference.id, second).await?.ok_or_else(missing)?;
                return Ok(Chosen {
                    view,
                    function,
                    version,
                });
            }
        }
        let Resolved { function, version, .. } = resolve(&view, reference).await?;
        Ok(Chosen {
            view,
            function,
            version,
        })
    }

    /// A new function is invoked before its preparation has ended: it waits a moment, as a client would have to.
    async fn wait_until_active(&self, reference: &FunctionRef) -> Result<Version, Error> {
        self.settled(&reference.id).await?;
        let version = resolve(&self.snapshot().await?, reference).await?.version;
        if version.state == State::Active {
            Ok(version)
        } else {
            Err(Error::state(version.state.as_str()))
        }
    }

    /// Has an environment of the version (`None` is `$LATEST`) started before an event needs it, in the background.
    pub(crate) fn anticipate(self: &Arc<Self>, id: &FunctionId, number: Option<u64>) {
        let (lambda, id) = (self.clone(), id.clone());
        self.spawn(async move {
            let found = async {
                let view = lambda.snapshot().await?;
                let Some(function) = view.function(&id).await? else {
                    return Ok(None);
                };
                if provisioned::of_version(&view, &id, &function, number).await? > 0 {
                    // What is provisioned for is kept, and what this would start is none of that.
                    return Ok(None);
                }
                let found = match number {
                    None => Some(function.latest),
                    Some(number) => version(&view, &id, number).await?,
                };
                match found.filter(|version| version.state == State::Active) {
                    Some(version) => lambda.spec(&id, version, function.reserved_concurrency).await.map(Some),
                    None => Ok::<_, Error>(None),
                }
            };
            match found.await {
                Ok(Some(spec)) => lambda.executor.anticipate(Arc::new(spec)),
                Ok(None) => {}
                Err(error) => tracing::debug!(function = %id.arn(), %error, "nothing was started ahead"),
            }
        });
    }

    pub(crate) async fn spec(
        &self,
        id: &FunctionId,
        version: Version,
        reserved: Option<u32>,
    ) -> Result<FunctionSpec, Error> {
        let code_dir = self.code.folder(&version.configuration.code).await?;
        let layers_dir = self.code.merged(&version.configuration.layers).await?;
        let label = version.label();
        let configuration = version.configuration;
        let level = |text: &Option<String>| text.as_ref().and_then(|text| text.parse().ok());
        Ok(FunctionSpec {
            function_arn: id.qualified_arn(&label),
            name: id.name.to_string(),
            version: label,
            // A change of policy or tags alone must not cost the warm environments; published versions never change.
            revision: revision(&version.number, version.modified_ms, &configuration.code.digest),
            scope: id.scope.clone(),
            runtime: configuration.runtime,
            handler: configuration.handler,
            code_dir,
            layers_dir,
            environment: configuration.environment.unwrap_or_default(),
            role: configuration.role.parse().map_err(Error::internal)?,
            memory_mib: configuration.memory_mib,
            timeout: Duration::from_secs(configuration.timeout_secs.into()),
            ephemeral_storage_mib: configuration.storage_mib,
            application_log_level: level(&configuration.logging.application_level),
            system_log_level: level(&configuration.logging.system_level),
            log_format: if configuration.logging.json {
                LogFormat::Json
            } else {
                LogFormat::Text
            },
            log_group: configuration.logging.group,
            tracing_active: configuration.tracing_active,
            max_concurrency: reserved,
        })
    }
}

/// What an environment was made of: every update sets the time anew.
fn revision(number: &Option<u64>, modified_ms: i64, digest: &str) -> String {
    format!(
        "{}-{modified_ms}-{}",
        number.unwrap_or(0),
        &digest[..16.min(digest.len())]
    )
}

/// A random number from 0 (included) to 1 (excluded).
fn random_share() -> f64 {
    // 53 bits of a version 4 UUID's 62 random low ones: all that an f64 holds.
    let bits = uuid::Uuid::new_v4().as_u64_pair().1 & ((1 << 53) - 1);
    #[expect(clippy::cast_precision_loss, reason = "53 bits are exact in an f64")]
    let share = bits as f64 / (1_u64 << 53) as f64;
    share
}

/// Invoke.
pub(crate) async fn invoke(
    lambda: Arc<Lambda>,
    context: RequestContext,
    input: InvocationRequest,
) -> Result<InvocationResponse, Error> {
    let reference = FunctionRef::parse(&context.scope, &input.function_name, input.qualifier.as_deref())?;
    if input.tenant_id.is_some() {
        return Err(Error::Unsupported("TenantId is not supported by this platform.".into()));
    }
    if input.durable_execution_name.is_some() {
        return Err(Error::Unsupported(
            "DurableExecutionName is not supported by this platform.".into(),
        ));
    }
    let client_context = payload::client_context(input.client_context.as_deref())?;
    let payload = input.payload.map(Bytes::from);
    match input.invocation_type.as_deref() {
        Some("DryRun") => {
            lambda.check_runnable(&reference).await?;
            Ok(InvocationResponse {
                status_code: Some(204),
                ..InvocationResponse::default()
            })
        }
        Some("Event") => {
            let payload = payload::asynchronous(payload)?;
            lambda
                .enqueue(
                    &reference,
                    context.request_id.to_string(),
                    payload,
                    client_context,
                    None,
                )
                .await?;
            Ok(InvocationResponse {
                status_code: Some(202),
                ..InvocationResponse::default()
            })
        }
        _ => {
            let invocation = Invocation {
                request_id: context.request_id.to_string(),
                payload: payload::synchronous(payload)?,
                client_context,
                invoked_arn: reference.arn().to_string(),
                log_tail: input.log_type.as_deref() == Some("Tail"),
                environment: environment(context.facts.environment.as_deref())?,
                ..Invocation::default()
            };
            let admitted = lambda.admit(&reference).await?;
            let outcome = lambda.executor.invoke(admitted.spec.clone(), invocation).await?;
            Ok(InvocationResponse {
                status_code: Some(200),
                executed_version: Some(admitted.spec.version.clone()),
                function_error: outcome.function_error.map(Into::into),
                log_result: outcome
                    .log_tail
                    .map(|tail| base64::engine::general_purpose::STANDARD.encode(tail)),
                payload: Some(outcome.payload.into()),
                durable_execution_arn: None,
            })
        }
    }
}

/// Which environment the header `X-Danbi-Environment` asks for.
fn environment(asked: Option<&str>) -> Result<EnvironmentChoice, Error> {
    match asked {
        None => Ok(EnvironmentChoice::Any),
        Some("fresh") => Ok(EnvironmentChoice::Fresh),
        Some("new") => Ok(EnvironmentChoice::New),
        Some(_) => Err(Error::InvalidParameter(
            "The header X-Danbi-Environment is neither `fresh` nor `new`.".into(),
        )),
    }
}

impl Lambda {
    /// For DryRun: that what would run is there.
    async fn check_runnable(&self, reference: &FunctionRef) -> Result<(), Error> {
        resolve(&self.snapshot().await?, reference).await.map(|_| ())
    }
}

#[async_trait]
impl Invoker for Lambda {
    async fn invoke(&self, context: &RequestContext, request: InvokeRequest) -> Result<InvokeResponse, ServiceError> {
        let reference = FunctionRef::from_arn(&request.function)
            .ok_or_else(|| Error::function_not_found(&request.function))
            .map_err(ServiceError::from)?;
        let access = Access::new("lambda:InvokeFunction", reference.arn());
        if context.principal != Principal::Root(reference.id.scope.account.clone()) {
            self.authorizer.authorize(context, &access).await?;
        }
        Ok(self.invoke_for_service(context, reference, request).await?)
    }
}

impl Lambda {
    async fn invoke_for_service(
        &self,
        context: &RequestContext,
        reference: FunctionRef,
        request: InvokeRequest,
    ) -> Result<InvokeResponse, Error> {
        let answer = |status, payload, function_error: Option<&str>, executed_version: &str| InvokeResponse {
            status,
            payload,
            function_error: function_error.map(Into::into),
            executed_version: executed_version.into(),
        };
        match request.invocation_type {
            InvocationType::DryRun => {
                self.check_runnable(&reference).await?;
                Ok(answer(204, Bytes::new(), None, ""))
            }
            InvocationType::Event => {
                let payload = payload::asynchronous(Some(request.payload))?;
                self.enqueue(
                    &reference,
                    context.request_id.to_string(),
                    payload,
                    None,
                    request.trace_id,
                )
                .await?;
                Ok(answer(202, Bytes::new(), None, ""))
            }
            InvocationType::RequestResponse => {
                let invocation = Invocation {
                    request_id: context.request_id.to_string(),
                    payload: payload::synchronous(Some(request.payload))?,
                    trace_id: request.trace_id,
                    invoked_arn: reference.arn().to_string(),
                    ..Invocation::default()
                };
                let admitted = self.admit(&reference).await?;
                let outcome = self.executor.invoke(admitted.spec.clone(), invocation).await?;
                Ok(answer(
                    200,
                    outcome.payload,
                    outcome.function_error,
                    &admitted.spec.version,
                ))
            }
        }
    }
}
