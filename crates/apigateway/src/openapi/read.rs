//! From a document to a definition.

use super::document::Document;
use crate::definition::Definition;
use crate::deployments::non_empty;
use crate::shapes::*;
use crate::{Error, authorizers, gateway_responses, ids, integrations, resources};
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;

const METHODS: [(&str, &str); 8] = [
    ("get", "GET"),
    ("put", "PUT"),
    ("post", "POST"),
    ("delete", "DELETE"),
    ("options", "OPTIONS"),
    ("head", "HEAD"),
    ("patch", "PATCH"),
    ("x-amazon-apigateway-any-method", "ANY"),
];
/// Links in schemas that are followed.
const MAX_DEPTH: usize = 64;

struct Reader<'d> {
    document: &'d Document,
    definition: Definition,
    warnings: Vec<String>,
    /// Names of security schemes, with what they mean.
    schemes: BTreeMap<String, Scheme>,
}

#[derive(Debug, Clone)]
enum Scheme {
    ApiKey,
    SigV4,
    Authorizer(Box<Authorizer>),
}

fn text(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        Value::Bool(bool) => Some(bool.to_string()),
        _ => None,
    }
}

fn texts(value: &Value) -> Vec<String> {
    value.as_array().into_iter().flatten().filter_map(text).collect()
}

fn text_map(value: &Value) -> Option<BTreeMap<String, String>> {
    let members = value.as_object()?;
    let as_text = |value: &Value| text(value).unwrap_or_else(|| value.to_string());
    Some(
        members
            .iter()
            .map(|(name, value)| (name.clone(), as_text(value)))
            .collect(),
    )
}

fn number(value: &Value) -> Option<i32> {
    value.as_i64().and_then(|number| i32::try_from(number).ok())
}

/// Applies a document to a definition.
pub(super) fn apply(
    document: &Document,
    base: Definition,
    parameters: &BTreeMap<String, String>,
) -> Result<(Definition, Vec<String>), Error> {
    let mut reader = Reader {
        document,
        definition: base,
        warnings: Vec::new(),
        schemes: BTreeMap::new(),
    };
    reader.api();
    reader.models()?;
    reader.validators()?;
    reader.security()?;
    reader.gateway_responses();
    reader.paths(parameters)?;
    Ok((reader.definition, reader.warnings))
}

impl Reader<'_> {
    fn api(&mut self) {
        let root = &self.document.root;
        let api = &mut self.definition.api;
        let info = &root["info"];
        api.name = text(&info["title"]).or(api.name.take());
        api.version = text(&info["version"]).or(api.version.take());
        api.description = text(&info["description"]).or(api.description.take());
        api.api_key_source = text(&root["x-amazon-apigateway-api-key-source"]).or(api.api_key_source.take());
        api.minimum_compression_size =
            number(&root["x-amazon-apigateway-minimum-compression-size"]).or(api.minimum_compression_size);
        let types = texts(&root["x-amazon-apigateway-binary-media-types"]);
        if !types.is_empty() {
            let mut all = api.binary_media_types.take().unwrap_or_default();
            all.extend(types.into_iter().filter(|kind| !all.contains(kind)).collect::<Vec<_>>());
            api.binary_media_types = Some(all);
        }
        let policy = &root["x-amazon-apigateway-policy"];
        if policy.is_object() {
            api.policy = Some(policy.to_string());
        }
        let endpoint = &root["x-amazon-apigateway-endpoint-configuration"];
        if endpoint["disableExecuteApiEndpoint"] == true {
            api.disable_execute_api_endpoint = Some(true);
        }
    }

    fn models(&mut self) -> Result<(), Error> {
        let api = self.definition.api.id.clone().unwrap_or_default();
        for (name, schema) in self.document.schemas().as_object().into_iter().flatten() {
            if !name.chars().all(|c| c.is_ascii_alphanumeric()) {
                self.warnings.push(format!(
                    "Model name '{name}' must be alphanumeric; the model was left out."
                ));
                continue;
            }
            let mut schema = schema.clone();
            link_to_models(&mut schema, &api, 0);
            let model = Model {
                id: Some(ids::id()?),
                name: Some(name.clone()),
                description: text(&schema["description"]),
                schema: Some(serde_json::to_string_pretty(&schema)?),
                content_type: Some("application/json".into()),
            };
            self.definition.models.retain(|own| own.name != model.name);
            self.definition.models.push(model);
        }
        Ok(())
    }

    fn validators(&mut self) -> Result<(), Error> {
        let all = &self.document.root["x-amazon-apigateway-request-validators"];
        for (name, given) in all.as_object().into_iter().flatten() {
            let validator = RequestValidator {
                id: Some(ids::id()?),
                name: Some(name.clone()),
                validate_request_body: Some(given["validateRequestBody"] == true),
                validate_request_parameters: Some(given["validateRequestParameters"] == true),
            };
            self.definition.validators.retain(|own| own.name != validator.name);
            self.definition.validators.push(validator);
        }
        Ok(())
    }

    fn security(&mut self) -> Result<(), Error> {
        for (name, scheme) in self.document.security().as_object().into_iter().flatten() {
            let extension = &scheme["x-amazon-apigateway-authorizer"];
            let auth_type = text(&scheme["x-amazon-apigateway-authtype"]);
            let meaning = if auth_type.as_deref() == Some("awsSigv4") {
                Scheme::SigV4
            } else if extension.is_object() {
                let authorizer = authorizer(name, scheme, extension, auth_type)?;
                self.definition.authorizers.retain(|own| own.name != authorizer.name);
                self.definition.authorizers.push(authorizer.clone());
                Scheme::Authorizer(Box::new(authorizer))
            } else if scheme["type"] == "apiKey" {
                Scheme::ApiKey
            } else {
                continue;
            };
            self.schemes.insert(name.clone(), meaning);
        }
        Ok(())
    }

    fn gateway_responses(&mut self) {
        let all = &self.document.root["x-amazon-apigateway-gateway-responses"];
        for (kind, given) in all.as_object().into_iter().flatten() {
            let default = gateway_responses::by_default(kind);
            let response = GatewayResponse {
                status_code: text(&given["statusCode"]).or(default.status_code),
                response_parameters: Some(text_map(&given["responseParameters"]).unwrap_or_default()),
                response_templates: text_map(&given["responseTemplates"]).or(default.response_templates),
                default_response: Some(false),
                response_type: Some(kind.clone()),
            };
            self.definition
                .gateway_responses
                .retain(|own| own.response_type != response.response_type);
            self.definition.gateway_responses.push(response);
        }
    }

    fn paths(&mut self, parameters: &BTreeMap<String, String>) -> Result<(), Error> {
        let base = self.document.base_path();
        let prefix = match parameters.get("basepath").map(String::as_str) {
            Some("prepend") => base,
            Some("split") => base.split_once('/').map_or(String::new(), |(_, rest)| rest.to_owned()),
            _ => String::new(),
        };
        for (path, item) in self.document.root["paths"].as_object().into_iter().flatten() {
            let item = self.document.resolved(item);
            let whole = format!("/{prefix}/{}", path.trim_matches('/'));
            let resource = self.resource(&whole)?;
            let shared = item["parameters"].as_array().cloned().unwrap_or_default();
            for (name, http_method) in METHODS {
                if let Some(operation) = item.get(name) {
                    let method = self.method(http_method, operation, &shared, &resource)?;
                    let all = self.definition.methods.entry(resource.clone()).or_default();
                    all.retain(|own| own.http_method != method.http_method);
                    all.push(method);
                }
            }
        }
        Ok(())
    }

    /// The id of the resource at `path`, made with all above it when it is not there.
    fn resource(&mut self, path: &str) -> Result<String, Error> {
        let all = &mut self.definition.resources;
        let root = all
            .iter()
            .find(|resource| resource.parent_id.is_none())
            .and_then(|resource| resource.id.clone());
        let mut at = root.ok_or_else(|| Error::internal("an API without a root"))?;
        for part in path.split('/').filter(|part| !part.is_empty()) {
            let found = all.iter().find(|resource| {
                resource.parent_id.as_deref() == Some(&*at) && resource.path_part.as_deref() == Some(part)
            });
            at = match found.and_then(|resource| resource.id.clone()) {
                Some(id) => id,
                None => {
                    let id = ids::id()?;
                    let resource = resources::child(all, &at, part, &id)?;
                    all.push(resource);
                    id
                }
            };
        }
        Ok(at)
    }

    fn method(
        &mut self,
        http_method: &str,
        operation: &Value,
        shared: &[Value],
        resource: &str,
    ) -> Result<Method, Error> {
        let mut method = Method {
            http_method: Some(http_method.into()),
            authorization_type: Some("NONE".into()),
            api_key_required: Some(false),
            operation_name: text(&operation["operationId"]),
            ..Method::default()
        };
        self.secure(&mut method, operation);
        self.parameters(&mut method, operation, shared)?;
        let validator = text(&operation["x-amazon-apigateway-request-validator"])
            .or_else(|| text(&self.document.root["x-amazon-apigateway-request-validator"]));
        let named = self
            .definition
            .validators
            .iter()
            .find(|own| validator.is_some() && own.name == validator);
        method.request_validator_id = named.and_then(|validator| validator.id.clone());
        method.method_responses = self.responses(operation)?;
        let integration = &operation["x-amazon-apigateway-integration"];
        if integration.is_object() {
            method.method_integration = Some(integration_of(integration, resource));
        }
        Ok(method)
    }

    fn secure(&self, method: &mut Method, operation: &Value) {
        if let Some(kind) = operation["x-amazon-apigateway-auth"]["type"].as_str() {
            method.authorization_type = Some(kind.to_ascii_uppercase());
        }
        let security = operation.get("security").unwrap_or(&self.document.root["security"]);
        let requirements = security
            .as_array()
            .into_iter()
            .flatten()
            .filter_map(Value::as_object)
            .flatten();
        for (name, scopes) in requirements {
            match self.schemes.get(name) {
                Some(Scheme::ApiKey) => method.api_key_required = Some(true),
                Some(Scheme::SigV4) => method.authorization_type = Some("AWS_IAM".into()),
                Some(Scheme::Authorizer(authorizer)) => {
                    let is_pool = authorizer.r#type.as_deref() == Some("COGNITO_USER_POOLS");
                    method.authorization_type = Some(if is_pool { "COGNITO_USER_POOLS" } else { "CUSTOM" }.into());
                    method.authorizer_id = authorizer.id.clone();
                    method.authorization_scopes = Some(texts(scopes)).filter(|scopes| !scopes.is_empty());
                }
                None => {}
            }
        }
    }

    fn parameters(&mut self, method: &mut Method, operation: &Value, shared: &[Value]) -> Result<(), Error> {
        let own = operation["parameters"].as_array().cloned().unwrap_or_default();
        let mut known = BTreeMap::new();
        let mut models = BTreeMap::new();
        for parameter in shared.iter().chain(&own) {
            let parameter = self.document.resolved(parameter).clone();
            let name = parameter["name"].as_str().unwrap_or_default();
            let place = match parameter["in"].as_str() {
                Some("query") => "querystring",
                Some("header") => "header",
                Some("path") => "path",
                Some("body") => {
                    let consumes = texts(operation.get("consumes").unwrap_or(&self.document.root["consumes"]));
                    let kind = consumes.into_iter().next().unwrap_or_else(|| "application/json".into());
                    if let Some(model) = self.model(&parameter["schema"])? {
                        models.insert(kind, model);
                    }
                    continue;
                }
                _ => continue,
            };
            known.insert(format!("method.request.{place}.{name}"), parameter["required"] == true);
        }
        let body = self.document.resolved(&operation["requestBody"]).clone();
        for (kind, content) in body["content"].as_object().into_iter().flatten() {
            if let Some(model) = self.model(&content["schema"])? {
                models.insert(kind.clone(), model);
            }
        }
        method.request_parameters = Some(known).filter(|known| !known.is_empty());
        method.request_models = non_empty(Some(models));
        Ok(())
    }

    /// The name of the model that a schema refers to; one is made of a schema that stands by itself.
    fn model(&mut self, schema: &Value) -> Result<Option<String>, Error> {
        if let Some(link) = schema["$ref"].as_str() {
            let name = link.rsplit('/').next().unwrap_or_default();
            let known = self
                .definition
                .models
                .iter()
                .any(|model| model.name.as_deref() == Some(name));
            return Ok(known.then(|| name.to_owned()));
        }
        if !schema.is_object() {
            return Ok(None);
        }
        let mut schema = schema.clone();
        link_to_models(&mut schema, self.definition.api.id.as_deref().unwrap_or_default(), 0);
        let id = ids::id()?;
        let name = format!("MODEL{id}");
        self.definition.models.push(Model {
            id: Some(id),
            name: Some(name.clone()),
            description: None,
            schema: Some(serde_json::to_string_pretty(&schema)?),
            content_type: Some("application/json".into()),
        });
        Ok(Some(name))
    }

    fn responses(&mut self, operation: &Value) -> Result<Option<BTreeMap<String, MethodResponse>>, Error> {
        let mut all = BTreeMap::new();
        for (status, response) in operation["responses"].as_object().into_iter().flatten() {
            let response = self.document.resolved(response).clone();
            let status = if status == "default" { "200" } else { status };
            if status.len() != 3 || !status.bytes().all(|digit| digit.is_ascii_digit()) {
                continue;
            }
            let headers = response["headers"].as_object().into_iter().flatten();
            let headers: BTreeMap<String, bool> = headers
                .map(|(name, _)| (format!("method.response.header.{name}"), false))
                .collect();
            let mut models = BTreeMap::new();
            if let Some(model) = self.model(&response["schema"])? {
                let produces = texts(operation.get("produces").unwrap_or(&self.document.root["produces"]));
                models.insert(
                    produces.into_iter().next().unwrap_or_else(|| "application/json".into()),
                    model,
                );
            }
            for (kind, content) in response["content"].as_object().into_iter().flatten() {
                if let Some(model) = self.model(&content["schema"])? {
                    models.insert(kind.clone(), model);
                }
            }
            all.insert(
                status.to_owned(),
                MethodResponse {
                    status_code: Some(status.into()),
                    response_parameters: Some(headers).filter(|headers| !headers.is_empty()),
                    response_models: non_empty(Some(models)),
                },
            );
        }
        Ok(Some(all).filter(|all| !all.is_empty()))
    }
}

fn authorizer(name: &str, scheme: &Value, extension: &Value, auth_type: Option<String>) -> Result<Authorizer, Error> {
    let kind = text(&extension["type"]).unwrap_or_default().to_ascii_uppercase();
    let header = text(&scheme["name"]).filter(|_| scheme["in"] == "header");
    let is_request = kind == "REQUEST";
    let source = text(&extension["identitySource"]).or_else(|| {
        header
            .filter(|_| !is_request)
            .map(|name| format!("method.request.header.{name}"))
    });
    let providers = texts(&extension["providerARNs"]);
    Ok(authorizers::with_defaults(Authorizer {
        id: Some(ids::id()?),
        name: Some(name.into()),
        r#type: Some(kind),
        provider_arns: Some(providers).filter(|providers| !providers.is_empty()),
        auth_type,
        authorizer_uri: text(&extension["authorizerUri"]),
        authorizer_credentials: text(&extension["authorizerCredentials"]),
        identity_source: source,
        identity_validation_expression: text(&extension["identityValidationExpression"]),
        authorizer_result_ttl_in_seconds: number(&extension["authorizerResultTtlInSeconds"]),
    }))
}

fn integration_of(given: &Value, resource: &str) -> Integration {
    let kind = text(&given["type"]).unwrap_or_default().to_ascii_uppercase();
    let responses = given["responses"]
        .as_object()
        .into_iter()
        .flatten()
        .map(|(pattern, response)| {
            let status = text(&response["statusCode"]).unwrap_or_else(|| "200".into());
            let integration_response = IntegrationResponse {
                status_code: Some(status.clone()),
                selection_pattern: Some(pattern.clone()).filter(|pattern| pattern != "default"),
                response_parameters: text_map(&response["responseParameters"]),
                response_templates: text_map(&response["responseTemplates"]),
                content_handling: text(&response["contentHandling"]),
            };
            (status, integration_response)
        });
    let responses: BTreeMap<String, IntegrationResponse> = responses.collect();
    integrations::with_defaults(
        Integration {
            r#type: Some(kind),
            http_method: text(&given["httpMethod"]).map(|method| method.to_ascii_uppercase()),
            uri: text(&given["uri"]),
            connection_type: text(&given["connectionType"]),
            connection_id: text(&given["connectionId"]),
            credentials: text(&given["credentials"]),
            request_parameters: text_map(&given["requestParameters"]),
            request_templates: text_map(&given["requestTemplates"]),
            passthrough_behavior: text(&given["passthroughBehavior"]),
            content_handling: text(&given["contentHandling"]),
            timeout_in_millis: number(&given["timeoutInMillis"]),
            cache_namespace: text(&given["cacheNamespace"]),
            cache_key_parameters: Some(texts(&given["cacheKeyParameters"])),
            integration_responses: Some(responses).filter(|responses| !responses.is_empty()),
            tls_config: None,
            response_transfer_mode: text(&given["responseTransferMode"]),
            integration_target: None,
        },
        resource,
    )
}

/// Turns links inside the document into links to the API's models.
fn link_to_models(value: &mut Value, api: &str, depth: usize) {
    if depth > MAX_DEPTH {
        return;
    }
    match value {
        Value::Object(members) => {
            if let Some(Value::String(link)) = members.get_mut("$ref")
                && link.starts_with('#')
            {
                let name = link.rsplit('/').next().unwrap_or_default();
                *link = format!("https://apigateway.amazonaws.com/restapis/{api}/models/{name}");
            }
            members
                .values_mut()
                .for_each(|value| link_to_models(value, api, depth + 1));
        }
        Value::Array(items) => items.iter_mut().for_each(|value| link_to_models(value, api, depth + 1)),
        _ => {}
    }
}

/// The reverse, for exports.
pub(super) fn link_inside(value: &mut Value, prefix: &str, depth: usize) {
    if depth > MAX_DEPTH {
        return;
    }
    match value {
        Value::Object(members) => {
            if let Some(Value::String(link)) = members.get_mut("$ref")
                && let Some((_, name)) = link.split_once("/models/")
            {
                *link = format!("{prefix}{name}");
            }
            members
                .values_mut()
                .for_each(|value| link_inside(value, prefix, depth + 1));
        }
        Value::Array(items) => items.iter_mut().for_each(|value| link_inside(value, prefix, depth + 1)),
        _ => {}
    }
}

/// A model's schema as it stands in a document.
pub(super) fn schema_of(model: &Model, prefix: &str) -> Value {
    let schema = serde_json::from_str(model.schema.as_deref().unwrap_or("{}"));
    let mut schema: Value = schema.unwrap_or_else(|_| json!({}));
    link_inside(&mut schema, prefix, 0);
    if let Value::Object(members) = &mut schema {
        let known: Map<String, Value> = std::mem::take(members);
        members.extend(known.into_iter().filter(|(name, _)| name != "$schema"));
    }
    schema
}
