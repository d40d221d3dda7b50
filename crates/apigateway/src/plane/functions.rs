//! Integrations with Lambda functions.

use super::event;
use super::failure::Failure;
use super::integrate::{Answer, Asked, Work, cut};
use super::mapping;
use crate::integrations::function_of;
use bytes::Bytes;
use danbi_core::{Arn, InvocationType, InvokeRequest, InvokeResponse, ServiceError};
use serde_json::Value;

fn function(work: &Work<'_>) -> Result<Arn, Failure> {
    let uri = work.with_variables(work.method.integration.uri.as_deref().unwrap_or_default());
    let arn = function_of(&uri).and_then(|arn| arn.parse().ok());
    arn.ok_or_else(|| {
        Failure::configuration("Execution failed due to configuration error: Invalid function ARN or invalid URI")
    })
}

async fn invoke(
    work: &Work<'_>,
    function: Arn,
    kind: InvocationType,
    payload: Bytes,
) -> Result<InvokeResponse, Failure> {
    let context = work.acting().await?;
    work.journal.note(|| format!("Sending request to {function}"));
    let request = InvokeRequest {
        function: function.clone(),
        invocation_type: kind,
        payload,
        trace_id: Some(work.call.trace_id.clone()),
    };
    let answered = work.gateway.parts.invoker.invoke(&context, request).await;
    answered.map_err(|error| refused(&function, &error))
}

/// What a client is answered when the function was not run.
fn refused(function: &Arn, error: &ServiceError) -> Failure {
    match error.code {
        "AccessDeniedException" => Failure::configuration(format!(
            "Execution failed due to configuration error: Invalid permissions on Lambda function: {}",
            error.message
        )),
        "TooManyRequestsException" => {
            Failure::configuration(format!("Lambda invocation failed with status: 429. {}", error.message))
        }
        _ => Failure::configuration(format!(
            "Invocation of {function} failed with status: {}. {}",
            error.status, error.message
        )),
    }
}

/// Invokes with the whole request as the event, as far as the mappings leave it.
pub(super) async fn proxy(work: &Work<'_>) -> Result<InvokeResponse, Failure> {
    let integration = &work.method.integration;
    if integration.http_method.as_deref() != Some("POST") {
        return Err(Failure::configuration(
            "Execution failed due to configuration error: the integration's HTTP method for a Lambda function must be POST",
        ));
    }
    let function = function(work)?;
    let types = work
        .compiled
        .definition
        .api
        .binary_media_types
        .as_deref()
        .unwrap_or_default();
    let event = match &integration.request_parameters {
        Some(mappings) => {
            let mut call = work.call.clone();
            for (name, value) in mapping::request(Some(mappings), work.call, &work.context()).headers {
                call.headers.retain(|(own, _)| *own != name);
                call.headers.push((name, value));
            }
            event::proxy(&call, types)
        }
        None => event::proxy(work.call, types),
    };
    let payload = event.to_string();
    work.journal
        .note(|| format!("Endpoint request body after transformations: {}", cut(&payload)));
    let is_async = integration
        .request_parameters
        .as_ref()
        .and_then(|mappings| mappings.get("integration.request.header.X-Amz-Invocation-Type"))
        .is_some_and(|kind| kind == "'Event'");
    let kind = if is_async {
        InvocationType::Event
    } else {
        InvocationType::RequestResponse
    };
    invoke(work, function, kind, payload.into()).await
}

/// Invokes with what the template made. The answer's selector is the function's error message.
pub(super) async fn custom(work: &Work<'_>, asked: &Asked) -> Result<Answer, Failure> {
    let function = function(work)?;
    let wants_async = asked.mapped.headers.iter().any(|(name, value)| {
        let name = name.to_ascii_lowercase();
        matches!(name.as_str(), "x-amz-invocation-type" | "invocationtype") && value == "Event"
    });
    let kind = if wants_async {
        InvocationType::Event
    } else {
        InvocationType::RequestResponse
    };
    let body = if asked.body.is_empty() {
        Bytes::from_static(b"{}")
    } else {
        asked.body.clone()
    };
    let answered = invoke(work, function, kind, body).await?;
    work.journal.note(|| {
        format!(
            "Endpoint response body before transformations: {}",
            cut(&String::from_utf8_lossy(&answered.payload))
        )
    });
    let selector = if answered.function_error.is_some() {
        let error: Value = serde_json::from_slice(&answered.payload).unwrap_or_default();
        error["errorMessage"].as_str().unwrap_or_default().to_owned()
    } else {
        String::new()
    };
    Ok(Answer {
        status: answered.status,
        headers: vec![("X-Amzn-Trace-Id".into(), work.call.trace_id.clone())],
        body: answered.payload,
        selector,
    })
}
