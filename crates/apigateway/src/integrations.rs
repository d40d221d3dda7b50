use crate::methods::Place;
use crate::patch::{self, ANY, Holds, REPLACE, Rule, Words, rule};
use crate::shapes::*;
use crate::{ApiGateway, Error};
use danbi_core::{Arn, RequestContext};
use danbi_wire::Empty;
use std::collections::BTreeMap;
use std::sync::Arc;

/// Milliseconds that an integration may be given; AWS's bounds and default.
const TIMEOUT_MS: std::ops::RangeInclusive<i32> = 50..=29_000;

const RULES: &[Rule] = &[
    rule("/httpMethod", Holds::Text, REPLACE),
    rule("/uri", Holds::Text, REPLACE),
    rule("/credentials", Holds::Text, REPLACE),
    rule("/connectionType", Holds::Text, REPLACE),
    rule("/connectionId", Holds::Text, REPLACE),
    rule("/passthroughBehavior", Holds::Text, REPLACE),
    rule("/contentHandling", Holds::Text, REPLACE),
    rule("/timeoutInMillis", Holds::Int, REPLACE),
    rule("/cacheNamespace", Holds::Text, REPLACE),
    rule("/cacheKeyParameters/*", Holds::Set, ANY).member("/cacheKeyParameters"),
    rule("/requestParameters/*", Holds::Text, ANY),
    rule("/requestTemplates/*", Holds::Text, ANY),
    rule("/tlsConfig/insecureSkipVerification", Holds::Bool, REPLACE),
];

const RESPONSE_RULES: &[Rule] = &[
    rule("/statusCode", Holds::Text, REPLACE),
    rule("/selectionPattern", Holds::Text, REPLACE),
    rule("/contentHandling", Holds::Text, REPLACE),
    rule("/responseParameters/*", Holds::Text, ANY),
    rule("/responseTemplates/*", Holds::Text, ANY),
];

/// PutIntegration.
pub(crate) async fn put(
    gateway: Arc<ApiGateway>,
    context: RequestContext,
    input: PutIntegrationRequest,
) -> Result<Integration, Error> {
    let place = Place {
        scope: &context.scope,
        api: &input.rest_api_id,
        resource: &input.resource_id,
        method: &input.http_method,
    };
    let integration = &with_defaults(
        Integration {
            r#type: Some(input.r#type.clone()),
            http_method: input.integration_http_method.clone(),
            uri: input.uri.clone(),
            connection_type: input.connection_type.clone(),
            connection_id: input.connection_id.clone(),
            credentials: input.credentials.clone(),
            request_parameters: input.request_parameters.clone(),
            request_templates: input.request_templates.clone(),
            passthrough_behavior: input.passthrough_behavior.clone(),
            content_handling: input.content_handling.clone(),
            timeout_in_millis: input.timeout_in_millis,
            cache_namespace: input.cache_namespace.clone(),
            cache_key_parameters: input.cache_key_parameters.clone(),
            tls_config: input.tls_config.clone(),
            response_transfer_mode: input.response_transfer_mode.clone(),
            integration_target: input.integration_target.clone(),
            integration_responses: None,
        },
        &input.resource_id,
    );
    place
        .change(&gateway, |method| {
            check(integration)?;
            method.method_integration = Some(integration.clone());
            Ok(integration.clone())
        })
        .await
}

/// An integration with what AWS adds to it.
pub(crate) fn with_defaults(given: Integration, resource: &str) -> Integration {
    let is_http = matches!(given.r#type.as_deref(), Some("HTTP" | "HTTP_PROXY"));
    Integration {
        connection_type: given.connection_type.or_else(|| is_http.then(|| "INTERNET".into())),
        passthrough_behavior: Some(
            given
                .passthrough_behavior
                .unwrap_or_else(|| "WHEN_NO_MATCH".into())
                .to_ascii_uppercase(),
        ),
        timeout_in_millis: Some(given.timeout_in_millis.unwrap_or(*TIMEOUT_MS.end())),
        cache_namespace: Some(given.cache_namespace.unwrap_or_else(|| resource.into())),
        cache_key_parameters: Some(given.cache_key_parameters.unwrap_or_default()),
        request_parameters: given.request_parameters.filter(|map| !map.is_empty()),
        request_templates: given.request_templates.filter(|map| !map.is_empty()),
        ..given
    }
}

/// What must hold of every integration.
pub(crate) fn check(integration: &Integration) -> Result<(), Error> {
    let kind = integration.r#type.as_deref().unwrap_or_default();
    if integration.response_transfer_mode.as_deref() == Some("STREAM") {
        return Err(Error::NotBuilt("responseTransferMode STREAM is not built yet.".into()));
    }
    if !TIMEOUT_MS.contains(&integration.timeout_in_millis.unwrap_or(*TIMEOUT_MS.end())) {
        return Err(Error::bad("Timeout should be between 50 ms and 29000 ms"));
    }
    let passthrough = integration.passthrough_behavior.as_deref();
    if !matches!(
        passthrough,
        None | Some("WHEN_NO_MATCH" | "WHEN_NO_TEMPLATES" | "NEVER")
    ) {
        return Err(Error::bad(
            "Invalid passthroughBehavior specified. Valid options are WHEN_NO_MATCH, WHEN_NO_TEMPLATES and NEVER",
        ));
    }
    check_mappings(integration.request_parameters.as_ref(), "integration.request.")?;
    check_content_types(integration.request_templates.as_ref())?;
    if kind == "MOCK" {
        return Ok(());
    }
    if integration.http_method.as_deref().is_none_or(str::is_empty) {
        return Err(Error::bad("Enumeration value for HttpMethod must be non-empty"));
    }
    let uri = integration.uri.as_deref().unwrap_or_default();
    match kind {
        "HTTP" | "HTTP_PROXY" => {
            let is_http = uri.starts_with("http://") || uri.starts_with("https://");
            let is_later = uri.contains("${stageVariables.");
            if is_http || is_later {
                Ok(())
            } else {
                Err(Error::bad("Invalid HTTP endpoint specified for URI"))
            }
        }
        "AWS" | "AWS_PROXY" => check_aws(kind, uri),
        _ => Err(Error::bad("Invalid integration type specified")),
    }
}

fn check_aws(kind: &str, uri: &str) -> Result<(), Error> {
    let arn: Arn = uri
        .parse()
        .map_err(|_| Error::bad("Invalid ARN specified in the request"))?;
    // arn:aws:apigateway:REGION:SERVICE:path/… keeps the service in the account's place.
    let is_path = arn.resource.starts_with("path/") || arn.resource.starts_with("action/");
    if arn.service != "apigateway" || !is_path {
        return Err(Error::bad("AWS ARN for integration must contain path or action"));
    }
    if kind == "AWS_PROXY" && function_of(uri).is_none() {
        return Err(Error::bad(
            "Integrations of type 'AWS_PROXY' currently only supports Lambda function and Firehose stream invocations.",
        ));
    }
    Ok(())
}

/// The function's ARN inside the URI of a Lambda integration; stage variables in it are still to be put in.
pub(crate) fn function_of(uri: &str) -> Option<&str> {
    let (head, rest) = uri.split_once(":lambda:path/")?;
    if !head.starts_with("arn:") || head.split(':').nth(2) != Some("apigateway") {
        return None;
    }
    let (_version, rest) = rest.trim_start_matches('/').split_once("/functions/")?;
    let arn = rest
        .strip_suffix("/invocations")
        .or_else(|| rest.strip_suffix("/response-streaming-invocations"))?;
    (arn.contains(":function:") || arn.starts_with("${stageVariables.")).then_some(arn)
}

/// Names of parameter mappings, and sources that can be one.
pub(crate) fn check_mappings(mappings: Option<&BTreeMap<String, String>>, prefix: &str) -> Result<(), Error> {
    for (target, source) in mappings.into_iter().flatten() {
        let invalid = |what: &str| {
            Error::bad(format!(
                "Invalid mapping expression specified: Validation Result: warnings : [], errors : [Invalid mapping expression specified: {what}]"
            ))
        };
        let place = target.strip_prefix(prefix).and_then(|rest| rest.split_once('.'));
        if !place.is_some_and(|(place, name)| matches!(place, "header" | "querystring" | "path") && !name.is_empty()) {
            return Err(invalid(target));
        }
        let is_static = source.len() >= 2 && source.starts_with('\'') && source.ends_with('\'');
        let is_known = [
            "method.request.",
            "integration.response.",
            "context.",
            "stageVariables.",
        ]
        .iter()
        .any(|known| source.starts_with(known));
        if !is_static && !is_known {
            return Err(invalid(source));
        }
    }
    Ok(())
}

pub(crate) fn check_content_types(templates: Option<&BTreeMap<String, String>>) -> Result<(), Error> {
    match templates
        .into_iter()
        .flatten()
        .find(|(kind, _)| !kind.contains('/') && *kind != "$default")
    {
        Some((kind, _)) => Err(Error::bad(format!(
            "Validation Result: warnings : [], errors : [Invalid content type specified: {kind}]"
        ))),
        None => Ok(()),
    }
}

/// GetIntegration.
pub(crate) async fn get(
    gateway: Arc<ApiGateway>,
    context: RequestContext,
    input: GetIntegrationRequest,
) -> Result<Integration, Error> {
    let place = Place {
        scope: &context.scope,
        api: &input.rest_api_id,
        resource: &input.resource_id,
        method: &input.http_method,
    };
    place
        .read(&gateway)
        .await?
        .method_integration
        .ok_or_else(Error::integration)
}

/// DeleteIntegration.
pub(crate) async fn delete(
    gateway: Arc<ApiGateway>,
    context: RequestContext,
    input: DeleteIntegrationRequest,
) -> Result<Empty, Error> {
    let place = Place {
        scope: &context.scope,
        api: &input.rest_api_id,
        resource: &input.resource_id,
        method: &input.http_method,
    };
    place
        .change(&gateway, |method| {
            method.method_integration.take().ok_or_else(Error::integration)?;
            Ok(Empty {})
        })
        .await
}

/// UpdateIntegration.
pub(crate) async fn update(
    gateway: Arc<ApiGateway>,
    context: RequestContext,
    input: UpdateIntegrationRequest,
) -> Result<Integration, Error> {
    let place = Place {
        scope: &context.scope,
        api: &input.rest_api_id,
        resource: &input.resource_id,
        method: &input.http_method,
    };
    let operations = input.patch_operations.as_deref();
    place
        .change(&gateway, |method| {
            let old = method.method_integration.as_ref().ok_or_else(Error::integration)?;
            let mut new = patch::apply(old, operations, RULES, Words::Short)?;
            new.request_parameters = new.request_parameters.filter(|map| !map.is_empty());
            new.request_templates = new.request_templates.filter(|map| !map.is_empty());
            new.cache_key_parameters.get_or_insert_default();
            new.credentials = new.credentials.filter(|text| !text.is_empty());
            new.content_handling = new.content_handling.filter(|text| !text.is_empty());
            check(&new)?;
            method.method_integration = Some(new.clone());
            Ok(new)
        })
        .await
}

/// PutIntegrationResponse.
pub(crate) async fn put_response(
    gateway: Arc<ApiGateway>,
    context: RequestContext,
    input: PutIntegrationResponseRequest,
) -> Result<IntegrationResponse, Error> {
    let place = Place {
        scope: &context.scope,
        api: &input.rest_api_id,
        resource: &input.resource_id,
        method: &input.http_method,
    };
    let response = &IntegrationResponse {
        status_code: Some(input.status_code.clone()),
        selection_pattern: input.selection_pattern,
        response_parameters: input.response_parameters,
        response_templates: input.response_templates,
        content_handling: input.content_handling,
    };
    place
        .change(&gateway, |method| {
            check_response(method, response)?;
            let integration = method.method_integration.as_mut().ok_or_else(Error::integration)?;
            let responses = integration.integration_responses.get_or_insert_default();
            responses.insert(input.status_code.clone(), response.clone());
            Ok(response.clone())
        })
        .await
}

fn check_response(method: &Method, response: &IntegrationResponse) -> Result<(), Error> {
    check_mappings(response.response_parameters.as_ref(), "method.response.")?;
    check_content_types(response.response_templates.as_ref())?;
    if let Some(pattern) = &response.selection_pattern
        && crate::plane::selection(pattern).is_none()
    {
        return Err(Error::bad(format!("Invalid selection pattern specified: {pattern}")));
    }
    let status = response.status_code.as_deref().unwrap_or_default();
    let declared = method
        .method_responses
        .as_ref()
        .and_then(|responses| responses.get(status));
    let Some(mappings) = response
        .response_parameters
        .as_ref()
        .filter(|mappings| !mappings.is_empty())
    else {
        return Ok(());
    };
    let refused = |what: String| {
        Error::bad(format!(
            "Invalid mapping expression specified: Validation Result: warnings : [], errors : [{what}]"
        ))
    };
    let declared = declared.ok_or_else(|| refused("No method response exists for method.".into()))?;
    for target in mappings.keys() {
        let known = declared
            .response_parameters
            .as_ref()
            .is_some_and(|known| known.contains_key(target));
        if !known {
            return Err(refused(format!(
                "Invalid mapping expression parameter specified: {target}"
            )));
        }
    }
    Ok(())
}

fn responses(method: Method) -> Result<BTreeMap<String, IntegrationResponse>, Error> {
    let integration = method.method_integration.ok_or_else(Error::integration)?;
    Ok(integration.integration_responses.unwrap_or_default())
}

/// GetIntegrationResponse.
pub(crate) async fn get_response(
    gateway: Arc<ApiGateway>,
    context: RequestContext,
    input: GetIntegrationResponseRequest,
) -> Result<IntegrationResponse, Error> {
    let place = Place {
        scope: &context.scope,
        api: &input.rest_api_id,
        resource: &input.resource_id,
        method: &input.http_method,
    };
    let mut responses = responses(place.read(&gateway).await?)?;
    responses.remove(&input.status_code).ok_or_else(Error::status_code)
}

/// DeleteIntegrationResponse.
pub(crate) async fn delete_response(
    gateway: Arc<ApiGateway>,
    context: RequestContext,
    input: DeleteIntegrationResponseRequest,
) -> Result<Empty, Error> {
    let place = Place {
        scope: &context.scope,
        api: &input.rest_api_id,
        resource: &input.resource_id,
        method: &input.http_method,
    };
    let done = place
        .change(&gateway, |method| {
            let integration = method.method_integration.as_mut().ok_or_else(Error::integration)?;
            let responses = integration.integration_responses.get_or_insert_default();
            responses.remove(&input.status_code).ok_or_else(Error::status_code)?;
            if responses.is_empty() {
                integration.integration_responses = None;
            }
            Ok(Empty {})
        })
        .await;
    // AWS looks for the integration before it looks for the method.
    done.map_err(|error| match error {
        Error::NotFound(text) if text == Error::method().to_string() => Error::integration(),
        other => other,
    })
}

/// UpdateIntegrationResponse.
pub(crate) async fn update_response(
    gateway: Arc<ApiGateway>,
    context: RequestContext,
    input: UpdateIntegrationResponseRequest,
) -> Result<IntegrationResponse, Error> {
    let place = Place {
        scope: &context.scope,
        api: &input.rest_api_id,
        resource: &input.resource_id,
        method: &input.http_method,
    };
    let operations = input.patch_operations.as_deref();
    place
        .change(&gateway, |method| {
            let responses = method
                .method_integration
                .as_ref()
                .ok_or_else(Error::integration)?
                .integration_responses
                .clone();
            let mut responses = responses.unwrap_or_default();
            let old = responses.remove(&input.status_code).ok_or_else(Error::status_code)?;
            let new = patch::apply(&old, operations, RESPONSE_RULES, Words::Short)?;
            check_response(method, &new)?;
            let status = new.status_code.clone().unwrap_or_else(|| input.status_code.clone());
            responses.insert(status, new.clone());
            let integration = method.method_integration.as_mut().ok_or_else(Error::integration)?;
            integration.integration_responses = Some(responses);
            Ok(new)
        })
        .await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn functions_are_found_in_integration_uris() {
        let arn = "arn:aws:lambda:us-east-1:000000000000:function:f:live";
        let uri = format!("arn:aws:apigateway:us-east-1:lambda:path/2015-03-31/functions/{arn}/invocations");
        assert_eq!(function_of(&uri), Some(arn));
        assert_eq!(function_of(&uri.replace("path/", "path//")), Some(arn));
        assert_eq!(function_of("arn:aws:apigateway:us-east-1:s3:path/b/k"), None);
        assert_eq!(
            function_of("arn:aws:apigateway:us-east-1:lambda:path/2015-03-31/functions/bad/invocations"),
            None
        );
    }
}
