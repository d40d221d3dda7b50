//! Whether a call may be made: by signature, by an authorizer function, by a token of an identity provider, and by the
//! API's own policy.

use super::call::Call;
use super::compiled::{Compiled, CompiledMethod};
use super::event;
use super::failure::Failure;
use super::tokens::TokenError;
use crate::ApiGateway;
use crate::integrations::function_of;
use crate::shapes::Authorizer;
use danbi_core::{
    Access, Arn, InvocationType, InvokeRequest, Principal, RequestContext, SourceResource, Timestamp, Verdict,
};
use serde_json::{Map, Value, json};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

const ACTION: &str = "execute-api:Invoke";
/// Answers of authorizers that are kept.
const MAX_KEPT: usize = 10_000;
/// Seconds that an answer is kept unless the authorizer says otherwise.
const DEFAULT_TTL: i32 = 300;

/// What an authorizer function answered.
#[derive(Debug, Clone)]
pub(crate) struct Grant {
    principal: Option<String>,
    policy: String,
    context: Map<String, Value>,
    /// For APIs whose keys come from their authorizer.
    pub usage_key: Option<String>,
    /// Milliseconds that the function took; 0 when the answer was kept.
    latency: i64,
}

/// Answers of authorizers, by stage version, authorizer and identity.
#[derive(Debug, Default)]
pub(crate) struct Grants {
    kept: Mutex<HashMap<String, (Timestamp, Arc<Grant>)>>,
}

impl Grants {
    fn find(&self, name: &str, now: Timestamp) -> Option<Arc<Grant>> {
        let kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.get(name)
            .filter(|(until, _)| now < *until)
            .map(|(_, grant)| Arc::clone(grant))
    }

    fn keep(&self, name: String, until: Timestamp, now: Timestamp, grant: Arc<Grant>) {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.len() >= MAX_KEPT {
            kept.retain(|_, (until, _)| now < *until);
            if kept.len() >= MAX_KEPT {
                kept.clear();
            }
        }
        kept.insert(name, (until, grant));
    }
}

/// Checks everything, and tells the call who it is. Answers the API key that an authorizer gave.
pub(crate) async fn authorize(
    gateway: &ApiGateway,
    compiled: &Compiled,
    method: &CompiledMethod,
    call: &mut Call,
    caller: &Principal,
) -> Result<Option<String>, Failure> {
    match method.method.authorization_type.as_deref().unwrap_or("NONE") {
        "AWS_IAM" => {
            if *caller == Principal::Anonymous {
                return Err(Failure::missing_token());
            }
            ask_policies(gateway, compiled, call, caller).await?;
            Ok(None)
        }
        kind => {
            if compiled.definition.api.policy.is_some() {
                ask_policies(gateway, compiled, call, &Principal::Anonymous).await?;
            }
            let authorizer = method.authorizer.as_ref();
            match kind {
                "NONE" => Ok(None),
                "COGNITO_USER_POOLS" => {
                    let authorizer =
                        authorizer.ok_or_else(|| Failure::authorizer_configuration("the authorizer is gone"))?;
                    let scopes = method.method.authorization_scopes.as_deref().unwrap_or_default();
                    let claims = token(gateway, authorizer, call, scopes).await?;
                    call.authorizer = Some(json!({ "claims": claims }));
                    Ok(None)
                }
                _ => {
                    let authorizer =
                        authorizer.ok_or_else(|| Failure::authorizer_configuration("the authorizer is gone"))?;
                    let grant = function(gateway, compiled, authorizer, call).await?;
                    judge(gateway, compiled, call, &grant)?;
                    call.authorizer = Some(Value::Object(shown(&grant)));
                    Ok(grant.usage_key.clone())
                }
            }
        }
    }
}

/// Identity policies and the API's own, over the authorizer.
async fn ask_policies(
    gateway: &ApiGateway,
    compiled: &Compiled,
    call: &Call,
    principal: &Principal,
) -> Result<(), Failure> {
    let arn = call.arn(compiled.scope.region.as_str());
    let context = RequestContext {
        request_id: call.request_id,
        source_ip: call.source_ip,
        secure: call.secure,
        host: call.domain.clone(),
        user_agent: call
            .header("user-agent")
            .unwrap_or_default()
            .chars()
            .take(1024)
            .collect(),
        ..RequestContext::inside(compiled.scope.clone(), principal.clone(), None)
    };
    let asked = gateway
        .parts
        .authorizer
        .authorize(&context, &Access::new(ACTION, &arn))
        .await;
    asked.map_err(|error| {
        // AWS hides most of the account's id here.
        let account = compiled.scope.account.as_str();
        let hidden = format!("********{}", &account[account.len().saturating_sub(4)..]);
        let words = error.message.replace(
            &format!(":{account}:{}/", compiled.api_id),
            &format!(":{hidden}:{}/", compiled.api_id),
        );
        let words = words.split(" because no ").next().unwrap_or(&words).to_owned();
        Failure::access_denied(words)
    })
}

/// The identity sources' values, when all are there and valid.
fn identity(authorizer: &Authorizer, call: &Call) -> Result<Vec<String>, Failure> {
    let sources = authorizer.identity_source.as_deref().unwrap_or_default();
    let context = call.context();
    let mut values = Vec::new();
    for source in sources.split(',').map(str::trim).filter(|source| !source.is_empty()) {
        let value = super::mapping::source(source, call, &context, call.stage_variables.as_ref());
        values.push(
            value
                .filter(|value| !value.is_empty())
                .ok_or_else(Failure::unauthorized)?,
        );
    }
    let pattern = authorizer.identity_validation_expression.as_deref().unwrap_or_default();
    if let (Some(first), false) = (values.first(), pattern.is_empty())
        && !super::selection(pattern).is_some_and(|pattern| pattern.is_match(first))
    {
        return Err(Failure::unauthorized());
    }
    Ok(values)
}

async fn token(
    gateway: &ApiGateway,
    authorizer: &Authorizer,
    call: &Call,
    scopes: &[String],
) -> Result<Map<String, Value>, Failure> {
    let values = identity(authorizer, call)?;
    let token = values.first().ok_or_else(Failure::unauthorized)?;
    let token = token.strip_prefix("Bearer ").unwrap_or(token);
    let issuers = authorizer.provider_arns.as_deref().unwrap_or_default();
    let claims = gateway
        .tokens
        .verify(&gateway.outbound, token, issuers, gateway.now())
        .await;
    let claims = claims.map_err(|error| match error {
        TokenError::Expired => Failure::expired_token(),
        TokenError::Keys(why) => Failure::authorizer_failure(why),
        TokenError::Invalid(_) => Failure::unauthorized(),
    })?;
    if !scopes.is_empty() {
        let granted = claims.get("scope").and_then(Value::as_str).unwrap_or_default();
        if !granted
            .split(' ')
            .any(|granted| scopes.iter().any(|scope| scope == granted))
        {
            return Err(Failure::unauthorized());
        }
    }
    // The context holds texts alone.
    let text = |value: Value| match value {
        Value::String(text) => text,
        Value::Array(items) => items
            .iter()
            .map(|item| item.as_str().map_or_else(|| item.to_string(), Into::into))
            .collect::<Vec<_>>()
            .join(","),
        other => other.to_string(),
    };
    Ok(claims
        .into_iter()
        .map(|(name, value)| (name, Value::from(text(value))))
        .collect())
}

async fn function(
    gateway: &ApiGateway,
    compiled: &Compiled,
    authorizer: &Authorizer,
    call: &Call,
) -> Result<Arc<Grant>, Failure> {
    let values = identity(authorizer, call)?;
    let id = authorizer.id.as_deref().unwrap_or_default();
    let name = json!([compiled.api_id, compiled.stage_name, compiled.version, id, values]).to_string();
    let now = gateway.now();
    let ttl = authorizer.authorizer_result_ttl_in_seconds.unwrap_or(DEFAULT_TTL);
    let keeps = ttl > 0 && !values.is_empty();
    if keeps && let Some(grant) = gateway.grants.find(&name, now) {
        return Ok(grant);
    }
    let event = event_for(authorizer, compiled, call, values.first());
    let answer = ask(gateway, compiled, authorizer, call, event).await?;
    let mut grant = read(&answer)?;
    grant.latency = gateway.now().as_millis() - now.as_millis();
    let grant = Arc::new(grant);
    if keeps {
        let kept = Grant {
            latency: 0,
            ..(*grant).clone()
        };
        gateway
            .grants
            .keep(name, now.plus_millis(i64::from(ttl) * 1000), now, Arc::new(kept));
    }
    Ok(grant)
}

fn event_for(authorizer: &Authorizer, compiled: &Compiled, call: &Call, token: Option<&String>) -> Value {
    let arn = call.arn(compiled.scope.region.as_str());
    if authorizer.r#type.as_deref() == Some("TOKEN") {
        json!({ "type": "TOKEN", "methodArn": arn, "authorizationToken": token })
    } else {
        event::authorizer(call, &arn)
    }
}

/// Asks the authorizer's function.
pub(crate) async fn ask(
    gateway: &ApiGateway,
    compiled: &Compiled,
    authorizer: &Authorizer,
    call: &Call,
    event: Value,
) -> Result<Value, Failure> {
    let scope = compiled.scope.clone();
    let id = authorizer.id.as_deref().unwrap_or_default();
    let uri = super::substituted(
        authorizer.authorizer_uri.as_deref().unwrap_or_default(),
        compiled.stage.variables.as_ref(),
    );
    let function: Option<Arn> = function_of(&uri).and_then(|arn| arn.parse().ok());
    let function = function.ok_or_else(|| Failure::authorizer_configuration("Invalid authorizer URI"))?;
    let source = SourceResource {
        arn: format!(
            "arn:aws:execute-api:{}:{}:{}/authorizers/{id}",
            scope.region, scope.account, compiled.api_id
        ),
        account: scope.account.clone(),
    };
    let service = "apigateway.amazonaws.com";
    let principal = match authorizer
        .authorizer_credentials
        .as_deref()
        .filter(|role| !role.is_empty())
    {
        None => Principal::Service(service.into()),
        Some(role) => {
            let role = role
                .parse()
                .map_err(|_| Failure::authorizer_configuration("Invalid authorizer credentials"))?;
            let acting = gateway
                .parts
                .roles
                .act_as(&role, service, "ApiGatewayAuthorizer", Some(&source))
                .await;
            acting.map_err(|error| Failure::authorizer_configuration(error.message))?
        }
    };
    let context = RequestContext::inside(scope, principal, Some(source));
    let request = InvokeRequest {
        function,
        invocation_type: InvocationType::RequestResponse,
        payload: event.to_string().into(),
        trace_id: Some(call.trace_id.clone()),
    };
    let invoked = gateway.parts.invoker.invoke(&context, request);
    let answered = tokio::time::timeout(super::AUTHORIZER_TIMEOUT, invoked).await;
    let answered =
        answered.map_err(|_| Failure::authorizer_failure("Execution failed due to an authorizer timeout"))?;
    let answered = answered.map_err(|error| {
        Failure::authorizer_configuration(format!(
            "Execution failed due to configuration error: {}",
            error.message
        ))
    })?;
    let answer: Value = serde_json::from_slice(&answered.payload).unwrap_or_default();
    if answered.function_error.is_some() {
        // The one error that functions say no with.
        if answer["errorMessage"] == "Unauthorized" {
            return Err(Failure::unauthorized());
        }
        return Err(Failure::authorizer_failure(format!(
            "The authorizer function failed: {answer}"
        )));
    }
    Ok(answer)
}

/// Reads what an authorizer function answered.
pub(crate) fn read(answer: &Value) -> Result<Grant, Failure> {
    let invalid = |why: &str| {
        Failure::authorizer_configuration(format!(
            "Execution failed due to configuration error: Authorizer response is invalid: {why}"
        ))
    };
    let policy = &answer["policyDocument"];
    if !policy.is_object() {
        return Err(invalid("it has no policyDocument"));
    }
    let principal = match &answer["principalId"] {
        Value::String(id) if !id.is_empty() => id.clone(),
        Value::Number(id) => id.to_string(),
        _ => return Err(invalid("it has no principalId")),
    };
    let mut context = Map::new();
    match &answer["context"] {
        Value::Null => {}
        Value::Object(members) => {
            for (name, value) in members {
                let text = match value {
                    Value::String(text) => text.clone(),
                    Value::Number(_) | Value::Bool(_) => value.to_string(),
                    Value::Null => continue,
                    _ => return Err(invalid("a value of its context is neither text nor number nor boolean")),
                };
                context.insert(name.clone(), text.into());
            }
        }
        _ => return Err(invalid("its context is not an object")),
    }
    Ok(Grant {
        principal: Some(principal),
        policy: policy.to_string(),
        context,
        usage_key: answer["usageIdentifierKey"].as_str().map(Into::into),
        latency: 0,
    })
}

fn judge(gateway: &ApiGateway, compiled: &Compiled, call: &Call, grant: &Grant) -> Result<(), Failure> {
    let arn = call.arn(compiled.scope.region.as_str());
    let conditions = [
        ("aws:SourceIp", call.source_ip.to_string()),
        (
            "aws:UserAgent",
            call.header("user-agent").unwrap_or_default().to_owned(),
        ),
        ("aws:SecureTransport", call.secure.to_string()),
    ];
    match gateway.parts.language.judge(&grant.policy, ACTION, &arn, &conditions) {
        Ok(Verdict::Allowed) => Ok(()),
        Ok(Verdict::Denied) => Err(Failure::access_denied(
            "User is not authorized to access this resource with an explicit deny",
        )),
        Ok(Verdict::Silent) => Err(Failure::access_denied("User is not authorized to access this resource")),
        Err(why) => Err(Failure::authorizer_configuration(format!(
            "Execution failed due to configuration error: Invalid policy document: {why}"
        ))),
    }
}

/// `requestContext.authorizer`.
fn shown(grant: &Grant) -> Map<String, Value> {
    let mut members = Map::new();
    members.insert("principalId".into(), grant.principal.clone().into());
    members.extend(grant.context.clone());
    members.insert("integrationLatency".into(), grant.latency.into());
    members
}

impl Grant {
    /// The principal and policy, as TestInvokeAuthorizer shows them.
    pub(crate) fn parts(&self) -> (Option<String>, String) {
        (self.principal.clone(), self.policy.clone())
    }
}
