use crate::patch::{self, ANY, Holds, REPLACE, Rule, Words, rule};
use crate::records::{self, Read};
use crate::shapes::*;
use crate::{ApiGateway, Error, keys, rest_apis};
use danbi_core::RequestContext;
use danbi_wire::Empty;
use std::collections::BTreeMap;
use std::sync::Arc;

/// Every type with the status that it has by itself; the two defaults leave the status to what went wrong.
/// Source: <https://docs.aws.amazon.com/apigateway/latest/developerguide/supported-gateway-response-types.html>.
pub(crate) const TYPES: [(&str, Option<u16>); 21] = [
    ("ACCESS_DENIED", Some(403)),
    ("API_CONFIGURATION_ERROR", Some(500)),
    ("AUTHORIZER_CONFIGURATION_ERROR", Some(500)),
    ("AUTHORIZER_FAILURE", Some(500)),
    ("BAD_REQUEST_BODY", Some(400)),
    ("BAD_REQUEST_PARAMETERS", Some(400)),
    ("DEFAULT_4XX", None),
    ("DEFAULT_5XX", None),
    ("EXPIRED_TOKEN", Some(403)),
    ("INTEGRATION_FAILURE", Some(504)),
    ("INTEGRATION_TIMEOUT", Some(504)),
    ("INVALID_API_KEY", Some(403)),
    ("INVALID_SIGNATURE", Some(403)),
    ("MISSING_AUTHENTICATION_TOKEN", Some(403)),
    ("QUOTA_EXCEEDED", Some(429)),
    ("REQUEST_TOO_LARGE", Some(413)),
    ("RESOURCE_NOT_FOUND", Some(404)),
    ("THROTTLED", Some(429)),
    ("UNAUTHORIZED", Some(401)),
    ("UNSUPPORTED_MEDIA_TYPE", Some(415)),
    ("WAF_FILTERED", Some(403)),
];

pub(crate) const DEFAULT_TEMPLATE: &str = r#"{"message":$context.error.messageString}"#;

const RULES: &[Rule] = &[
    rule("/statusCode", Holds::Text, REPLACE),
    rule("/responseParameters/*", Holds::Text, ANY),
    rule("/responseTemplates/*", Holds::Text, ANY),
];

/// The response of this type as it is without being set.
pub(crate) fn by_default(kind: &str) -> GatewayResponse {
    let status = TYPES
        .iter()
        .find(|(name, _)| *name == kind)
        .and_then(|(_, status)| *status);
    GatewayResponse {
        response_type: Some(kind.into()),
        status_code: status.map(|status| status.to_string()),
        response_parameters: Some(BTreeMap::new()),
        response_templates: Some(BTreeMap::from([("application/json".into(), DEFAULT_TEMPLATE.into())])),
        default_response: Some(true),
    }
}

/// The response of this type where it is not set itself: the API's own default for such statuses, or by itself.
fn unset(kind: &str, set: &[GatewayResponse]) -> GatewayResponse {
    let mut response = by_default(kind);
    let family = match response
        .status_code
        .as_deref()
        .and_then(|status| status.as_bytes().first().copied())
    {
        Some(b'4') => "DEFAULT_4XX",
        Some(b'5') => "DEFAULT_5XX",
        _ => return response,
    };
    if let Some(own) = set.iter().find(|own| own.response_type.as_deref() == Some(family)) {
        response.status_code = own.status_code.clone().or(response.status_code);
        response.response_parameters.clone_from(&own.response_parameters);
        response.response_templates.clone_from(&own.response_templates);
    }
    response
}

fn check_type(kind: &str) -> Result<(), Error> {
    if TYPES.iter().any(|(name, _)| *name == kind) {
        Ok(())
    } else {
        Err(Error::bad(format!("Invalid gateway response type specified: {kind}")))
    }
}

/// What must hold of every response.
pub(crate) fn check(response: &GatewayResponse) -> Result<(), Error> {
    check_type(response.response_type.as_deref().unwrap_or_default())?;
    if let Some(status) = response.status_code.as_deref()
        && !status.parse::<u16>().is_ok_and(|status| (200..600).contains(&status))
    {
        return Err(Error::bad(format!("Invalid status code specified: {status}")));
    }
    for target in response.response_parameters.iter().flat_map(BTreeMap::keys) {
        if target.strip_prefix("gatewayresponse.header.").is_none_or(str::is_empty) {
            return Err(Error::bad(format!(
                "Invalid mapping expression specified: Validation Result: warnings : [], errors : [Invalid mapping expression parameter specified: {target}]"
            )));
        }
    }
    crate::integrations::check_content_types(response.response_templates.as_ref())
}

/// PutGatewayResponse.
pub(crate) async fn put(
    gateway: Arc<ApiGateway>,
    context: RequestContext,
    input: PutGatewayResponseRequest,
) -> Result<GatewayResponse, Error> {
    let default = by_default(&input.response_type);
    let response = &GatewayResponse {
        status_code: input.status_code.or(default.status_code),
        response_parameters: Some(input.response_parameters.unwrap_or_default()),
        response_templates: input.response_templates.or(default.response_templates),
        default_response: Some(false),
        response_type: default.response_type,
    };
    let (scope, api) = (&context.scope, &input.rest_api_id);
    gateway
        .store
        .transact(async |tx| {
            rest_apis::find(&tx, scope, api).await?;
            check(response)?;
            let kind = response.response_type.as_deref().unwrap_or_default();
            records::put(&tx, &keys::child(api, keys::Kind::GatewayResponse, kind), response)
        })
        .await?;
    Ok(response.clone())
}

/// GetGatewayResponse.
pub(crate) async fn get(
    gateway: Arc<ApiGateway>,
    context: RequestContext,
    input: GetGatewayResponseRequest,
) -> Result<GatewayResponse, Error> {
    let view = gateway.store.snapshot().await?;
    rest_apis::find(&view, &context.scope, &input.rest_api_id).await?;
    check_type(&input.response_type)?;
    let key = keys::child(&input.rest_api_id, keys::Kind::GatewayResponse, &input.response_type);
    if let Some(response) = view.record(&key).await? {
        return Ok(response);
    }
    let set: Vec<GatewayResponse> = view.children(&input.rest_api_id, keys::Kind::GatewayResponse).await?;
    Ok(unset(&input.response_type, &set))
}

/// GetGatewayResponses: all types, as they are set or as they are by default.
pub(crate) async fn list(
    gateway: Arc<ApiGateway>,
    context: RequestContext,
    input: GetGatewayResponsesRequest,
) -> Result<GatewayResponses, Error> {
    let view = gateway.store.snapshot().await?;
    rest_apis::find(&view, &context.scope, &input.rest_api_id).await?;
    let set: Vec<GatewayResponse> = view.children(&input.rest_api_id, keys::Kind::GatewayResponse).await?;
    let one = |kind: &str| {
        let own = set
            .iter()
            .find(|response| response.response_type.as_deref() == Some(kind));
        own.cloned().unwrap_or_else(|| unset(kind, &set))
    };
    Ok(GatewayResponses {
        position: None,
        items: Some(TYPES.iter().map(|(kind, _)| one(kind)).collect()),
    })
}

/// DeleteGatewayResponse.
pub(crate) async fn delete(
    gateway: Arc<ApiGateway>,
    context: RequestContext,
    input: DeleteGatewayResponseRequest,
) -> Result<Empty, Error> {
    let (scope, input) = (&context.scope, &input);
    gateway
        .store
        .transact(async |tx| {
            rest_apis::find(&tx, scope, &input.rest_api_id).await?;
            check_type(&input.response_type)?;
            let key = keys::child(&input.rest_api_id, keys::Kind::GatewayResponse, &input.response_type);
            let found = tx.bytes(&key).await?;
            found.ok_or_else(|| Error::missing("Gateway response type not defined on api"))?;
            tx.delete(&key)?;
            Ok(Empty {})
        })
        .await
}

/// UpdateGatewayResponse.
pub(crate) async fn update(
    gateway: Arc<ApiGateway>,
    context: RequestContext,
    input: UpdateGatewayResponseRequest,
) -> Result<GatewayResponse, Error> {
    let (scope, input) = (&context.scope, &input);
    gateway
        .store
        .transact(async |tx| {
            rest_apis::find(&tx, scope, &input.rest_api_id).await?;
            check_type(&input.response_type)?;
            let key = keys::child(&input.rest_api_id, keys::Kind::GatewayResponse, &input.response_type);
            let old = tx
                .record(&key)
                .await?
                .unwrap_or_else(|| by_default(&input.response_type));
            let operations = input.patch_operations.as_deref();
            for operation in operations.unwrap_or_default() {
                let (path, op) = (patch::path(operation)?, patch::op(operation));
                if path == "/statusCode" && op != "replace" {
                    return Err(Error::bad(format!("Invalid patch path {path}")));
                }
                let name = path
                    .strip_prefix("/responseParameters/")
                    .map(|name| patch::segments(name).concat());
                let known = |name: &String| {
                    old.response_parameters
                        .as_ref()
                        .is_some_and(|map| map.contains_key(name))
                };
                if op == "replace" && name.is_some_and(|name| !known(&name)) {
                    return Err(Error::missing("Invalid parameter name specified"));
                }
            }
            let mut new: GatewayResponse = patch::apply(&old, operations, RULES, Words::Short)?;
            new.default_response = Some(false);
            check(&new)?;
            records::put(&tx, &key, &new)?;
            Ok::<_, Error>(new)
        })
        .await
}
