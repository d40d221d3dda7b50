//! Calling what a target is: a function, a topic, a queue, a bus, a log group, or any operation.

use danbi_core::{
    Api, ApiCall, Arn, Clock, InvocationType, InvokeRequest, Invoker, LogEvent, LogSink, LogStreamName, Principal,
    RequestContext, Scope, ServiceRoles, SourceResource,
};
use danbi_outbox::Failure;
use serde_json::{Value, json};
use std::sync::Arc;
use uuid::Uuid;

/// Where EventBridge may write without a role, as the policy that AWS's console attaches grants it.
const LOG_GROUPS: &str = "/aws/events/";

/// The other parts of the platform.
pub(crate) struct Deliveries {
    pub clock: Arc<dyn Clock>,
    pub invoker: Arc<dyn Invoker>,
    pub api: Arc<dyn Api>,
    pub roles: Option<Arc<dyn ServiceRoles>>,
    pub logs: Arc<dyn LogSink>,
}

/// What can be a target.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Function,
    Topic,
    Queue,
    Bus,
    LogGroup,
}

/// What an ARN can be called as; otherwise why not, by name.
pub(crate) fn kind_of(arn: &Arn) -> Result<Kind, String> {
    match (arn.service.as_str(), arn.resource.as_str()) {
        ("lambda", resource) if resource.starts_with("function:") => Ok(Kind::Function),
        ("sns", _) => Ok(Kind::Topic),
        ("sqs", _) => Ok(Kind::Queue),
        ("events", resource) if resource.starts_with("event-bus/") => Ok(Kind::Bus),
        ("logs", resource) if resource.starts_with("log-group:") => Ok(Kind::LogGroup),
        (service, _) => Err(format!(
            "A target of the service {service} is not built ({arn}): functions, topics, queues, event buses and log groups are."
        )),
    }
}

/// In whose name something is delivered.
pub(crate) struct Sender<'s> {
    /// `events.amazonaws.com` or `scheduler.amazonaws.com`.
    pub service: &'static str,
    pub scope: &'s Scope,
    /// The rule or schedule.
    pub source: &'s str,
    pub role: Option<&'s str>,
    /// The trace that it goes on with.
    pub trace: Option<&'s str>,
}

impl Deliveries {
    /// The context of a delivery: as the role when there is one, else as the service.
    pub(crate) async fn context(&self, sender: &Sender<'_>) -> Result<RequestContext, Failure> {
        let source = SourceResource {
            arn: sender.source.to_owned(),
            account: sender.scope.account.clone(),
        };
        let principal = match sender.role {
            None => Principal::Service(sender.service.to_owned()),
            Some(role) => {
                let role: Arn = role
                    .parse()
                    .map_err(|error| Failure::lasting("ValidationException", format!("{error}")))?;
                let Some(roles) = &self.roles else {
                    return Err(Failure::lasting(
                        "NotImplementedException",
                        "This platform does not work as roles yet.",
                    ));
                };
                let session = Uuid::new_v4().simple().to_string();
                let acting = roles.act_as(&role, sender.service, &session, Some(&source)).await;
                acting.map_err(|error| Failure::of(&error))?
            }
        };
        let mut context = RequestContext::inside(sender.scope.clone(), principal, Some(source));
        context.facts.trace = sender.trace.map(str::to_owned);
        Ok(context)
    }

    pub(crate) async fn function(&self, context: &RequestContext, arn: &Arn, payload: String) -> Result<(), Failure> {
        let request = InvokeRequest {
            function: arn.clone(),
            invocation_type: InvocationType::Event,
            payload: payload.into(),
            trace_id: context.facts.trace.clone(),
        };
        match self.invoker.invoke(context, request).await {
            Ok(_) => Ok(()),
            Err(error) => Err(Failure::of(&error)),
        }
    }

    pub(crate) async fn topic(&self, context: &RequestContext, arn: &Arn, message: String) -> Result<(), Failure> {
        self.ask(
            context,
            "sns",
            "Publish",
            json!({ "TopicArn": arn.to_string(), "Message": message }),
        )
        .await
    }

    /// Sends to a queue; `attributes` are text.
    pub(crate) async fn queue(
        &self,
        context: &RequestContext,
        arn: &Arn,
        message: String,
        group: Option<&str>,
        attributes: &[(&str, String)],
    ) -> Result<(), Failure> {
        let mut input = json!({
            "QueueUrl": arn.queue_url(),
            "MessageBody": message,
        });
        if let Some(group) = group {
            input["MessageGroupId"] = group.into();
        }
        if !attributes.is_empty() {
            let attributes = attributes.iter().map(|(name, value)| {
                (
                    (*name).to_owned(),
                    json!({ "DataType": "String", "StringValue": value }),
                )
            });
            input["MessageAttributes"] = Value::Object(attributes.collect());
        }
        self.ask(context, "sqs", "SendMessage", input).await
    }

    /// Puts one event; `entry` lacks the bus.
    pub(crate) async fn bus(&self, context: &RequestContext, arn: &Arn, mut entry: Value) -> Result<(), Failure> {
        entry["EventBusName"] = arn.to_string().into();
        let call = ApiCall::new("events", "PutEvents", json!({ "Entries": [entry] }));
        let answer = self
            .api
            .call(context, call)
            .await
            .map_err(|error| Failure::of(&error))?;
        match answer["Entries"][0]["ErrorCode"].as_str() {
            None => Ok(()),
            Some(code) => Err(Failure::lasting(
                code,
                answer["Entries"][0]["ErrorMessage"].as_str().unwrap_or_default(),
            )),
        }
    }

    pub(crate) fn log_group(&self, sender: &Sender<'_>, arn: &Arn, message: String) -> Result<(), Failure> {
        let name = arn.resource.trim_start_matches("log-group:").trim_end_matches(":*");
        if arn.scope().as_ref() != Some(sender.scope) || !name.starts_with(LOG_GROUPS) {
            let reason = format!("A rule writes to log groups of its own account and region below {LOG_GROUPS}.");
            return Err(Failure::lasting("AccessDeniedException", reason));
        }
        let stream = LogStreamName {
            scope: sender.scope.clone(),
            group: name.to_owned(),
            stream: Uuid::new_v4().to_string(),
        };
        self.logs.write(
            &stream,
            vec![LogEvent {
                timestamp: self.clock.now(),
                message,
            }],
        );
        Ok(())
    }

    pub(crate) async fn ask(
        &self,
        context: &RequestContext,
        service: &str,
        operation: &str,
        input: Value,
    ) -> Result<(), Failure> {
        match self.api.call(context, ApiCall::new(service, operation, input)).await {
            Ok(_) => Ok(()),
            Err(error) => Err(Failure::of(&error)),
        }
    }
}
