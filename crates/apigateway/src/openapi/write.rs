//! From a definition to a document.

use super::read::schema_of;
use crate::definition::Definition;
use crate::shapes::*;
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;

/// For which stage, and with what besides the standard.
pub(super) struct Target<'a> {
    pub stage: &'a str,
    pub region: &'a str,
    /// `integrations`, `authorizers` or `apigateway`, with commas.
    pub extensions: &'a str,
}

impl Target<'_> {
    fn has(&self, extension: &str) -> bool {
        self.extensions
            .split(',')
            .any(|own| own.trim() == extension || own.trim() == "apigateway")
    }

    fn host(&self, definition: &Definition) -> String {
        format!(
            "{}.execute-api.{}.amazonaws.com",
            definition.api.id.as_deref().unwrap_or_default(),
            self.region
        )
    }
}

fn put(members: &mut Map<String, Value>, name: &str, value: Option<impl Into<Value>>) {
    if let Some(value) = value {
        members.insert(name.into(), value.into());
    }
}

fn info(definition: &Definition) -> Value {
    let mut info = Map::new();
    put(&mut info, "title", definition.api.name.clone());
    put(&mut info, "description", definition.api.description.clone());
    let version = definition.api.version.clone();
    let made = definition.api.created_date.unwrap_or_default().to_datetime();
    put(&mut info, "version", Some(version.unwrap_or_else(|| made.to_string())));
    Value::Object(info)
}

/// Everything that versions 2 and 3 have in common, by path and method.
fn paths(definition: &Definition, of: impl Fn(&Method) -> Value) -> Value {
    let mut resources: Vec<&Resource> = definition.resources.iter().collect();
    resources.sort_by(|a, b| a.path.cmp(&b.path));
    let mut all = Map::new();
    for resource in resources {
        let id = resource.id.as_deref().unwrap_or_default();
        let Some(methods) = definition.methods.get(id) else {
            continue;
        };
        let mut item = Map::new();
        for method in methods {
            let name = match method.http_method.as_deref().unwrap_or_default() {
                "ANY" => "x-amazon-apigateway-any-method".to_owned(),
                name => name.to_ascii_lowercase(),
            };
            item.insert(name, of(method));
        }
        all.insert(resource.path.clone().unwrap_or_default(), Value::Object(item));
    }
    Value::Object(all)
}

/// Name, place and need of a method's parameters.
fn parameters(method: &Method) -> Vec<(String, &'static str, bool)> {
    let all = method
        .request_parameters
        .iter()
        .flatten()
        .filter_map(|(location, required)| {
            let (place, name) = location.strip_prefix("method.request.")?.split_once('.')?;
            let place = match place {
                "querystring" => "query",
                "header" => "header",
                _ => "path",
            };
            Some((name.to_owned(), place, *required || place == "path"))
        });
    all.collect()
}

fn security(definition: &Definition, method: &Method) -> Option<Value> {
    let mut needed = Vec::new();
    if method.api_key_required == Some(true) {
        needed.push(json!({ "api_key": [] }));
    }
    if method.authorization_type.as_deref() == Some("AWS_IAM") {
        needed.push(json!({ "sigv4": [] }));
    }
    let authorizer = definition
        .authorizers
        .iter()
        .find(|own| own.id.is_some() && own.id == method.authorizer_id);
    if let Some(name) = authorizer.and_then(|authorizer| authorizer.name.clone()) {
        let scopes = method.authorization_scopes.clone().unwrap_or_default();
        needed.push(json!({ name: scopes }));
    }
    (!needed.is_empty()).then(|| Value::from(needed))
}

fn integration(method: &Method) -> Option<Value> {
    let integration = method.method_integration.as_ref()?;
    let mut all = Map::new();
    put(
        &mut all,
        "type",
        integration.r#type.as_deref().map(str::to_ascii_lowercase),
    );
    put(&mut all, "httpMethod", integration.http_method.clone());
    put(&mut all, "uri", integration.uri.clone());
    put(&mut all, "credentials", integration.credentials.clone());
    put(
        &mut all,
        "connectionType",
        integration.connection_type.clone().filter(|kind| kind != "INTERNET"),
    );
    put(&mut all, "connectionId", integration.connection_id.clone());
    let responses = integration
        .integration_responses
        .iter()
        .flatten()
        .map(|(status, response)| {
            let pattern = response.selection_pattern.clone().filter(|pattern| !pattern.is_empty());
            let mut members = Map::new();
            members.insert("statusCode".into(), status.clone().into());
            put(
                &mut members,
                "responseParameters",
                response.response_parameters.as_ref().map(|map| json!(map)),
            );
            put(
                &mut members,
                "responseTemplates",
                response.response_templates.as_ref().map(|map| json!(map)),
            );
            put(&mut members, "contentHandling", response.content_handling.clone());
            (pattern.unwrap_or_else(|| "default".into()), Value::Object(members))
        });
    let responses: Map<String, Value> = responses.collect();
    if !responses.is_empty() {
        all.insert("responses".into(), Value::Object(responses));
    }
    put(
        &mut all,
        "requestParameters",
        integration.request_parameters.as_ref().map(|map| json!(map)),
    );
    put(
        &mut all,
        "requestTemplates",
        integration.request_templates.as_ref().map(|map| json!(map)),
    );
    put(
        &mut all,
        "passthroughBehavior",
        integration.passthrough_behavior.as_deref().map(str::to_ascii_lowercase),
    );
    put(&mut all, "contentHandling", integration.content_handling.clone());
    put(
        &mut all,
        "timeoutInMillis",
        integration.timeout_in_millis.filter(|millis| *millis != 29_000),
    );
    Some(Value::Object(all))
}

fn extend(definition: &Definition, target: &Target<'_>, method: &Method, operation: &mut Map<String, Value>) {
    put(operation, "operationId", method.operation_name.clone());
    put(operation, "security", security(definition, method));
    let validator = definition
        .validators
        .iter()
        .find(|own| own.id.is_some() && own.id == method.request_validator_id);
    if target.has("validators") {
        put(
            operation,
            "x-amazon-apigateway-request-validator",
            validator.and_then(|validator| validator.name.clone()),
        );
    }
    if target.has("integrations") {
        put(operation, "x-amazon-apigateway-integration", integration(method));
    }
}

fn security_schemes(definition: &Definition, target: &Target<'_>) -> Map<String, Value> {
    let mut schemes = Map::new();
    let methods = || definition.methods.values().flatten();
    if methods().any(|method| method.api_key_required == Some(true)) {
        schemes.insert(
            "api_key".into(),
            json!({ "type": "apiKey", "name": "x-api-key", "in": "header" }),
        );
    }
    if methods().any(|method| method.authorization_type.as_deref() == Some("AWS_IAM")) {
        schemes.insert(
            "sigv4".into(),
            json!({ "type": "apiKey", "name": "Authorization", "in": "header", "x-amazon-apigateway-authtype": "awsSigv4" }),
        );
    }
    for authorizer in &definition.authorizers {
        let header = authorizer
            .identity_source
            .as_deref()
            .and_then(|source| source.strip_prefix("method.request.header."));
        let mut scheme = Map::new();
        scheme.insert("type".into(), "apiKey".into());
        scheme.insert("name".into(), header.unwrap_or("Unused").into());
        scheme.insert("in".into(), "header".into());
        put(
            &mut scheme,
            "x-amazon-apigateway-authtype",
            authorizer.auth_type.clone(),
        );
        if target.has("authorizers") {
            let mut own = Map::new();
            put(
                &mut own,
                "type",
                authorizer.r#type.as_deref().map(str::to_ascii_lowercase),
            );
            put(&mut own, "authorizerUri", authorizer.authorizer_uri.clone());
            put(
                &mut own,
                "authorizerCredentials",
                authorizer.authorizer_credentials.clone(),
            );
            put(
                &mut own,
                "authorizerResultTtlInSeconds",
                authorizer.authorizer_result_ttl_in_seconds,
            );
            put(&mut own, "identitySource", authorizer.identity_source.clone());
            put(
                &mut own,
                "identityValidationExpression",
                authorizer.identity_validation_expression.clone(),
            );
            put(&mut own, "providerARNs", authorizer.provider_arns.clone());
            scheme.insert("x-amazon-apigateway-authorizer".into(), Value::Object(own));
        }
        schemes.insert(authorizer.name.clone().unwrap_or_default(), Value::Object(scheme));
    }
    schemes
}

fn root_extensions(definition: &Definition, target: &Target<'_>, root: &mut Map<String, Value>) {
    if !target.has("apigateway") {
        return;
    }
    put(
        root,
        "x-amazon-apigateway-binary-media-types",
        definition.api.binary_media_types.clone(),
    );
    put(
        root,
        "x-amazon-apigateway-minimum-compression-size",
        definition.api.minimum_compression_size,
    );
    let policy = definition
        .api
        .policy
        .as_deref()
        .and_then(|text| serde_json::from_str::<Value>(text).ok());
    put(root, "x-amazon-apigateway-policy", policy);
    let validators = definition.validators.iter().map(|validator| {
        let settings = json!({
            "validateRequestBody": validator.validate_request_body,
            "validateRequestParameters": validator.validate_request_parameters,
        });
        (validator.name.clone().unwrap_or_default(), settings)
    });
    let validators: Map<String, Value> = validators.collect();
    if !validators.is_empty() {
        root.insert(
            "x-amazon-apigateway-request-validators".into(),
            Value::Object(validators),
        );
    }
    let responses = definition.gateway_responses.iter().map(|response| {
        let mut members = Map::new();
        put(
            &mut members,
            "statusCode",
            response
                .status_code
                .as_deref()
                .and_then(|status| status.parse::<u16>().ok()),
        );
        put(
            &mut members,
            "responseParameters",
            response.response_parameters.as_ref().map(|map| json!(map)),
        );
        put(
            &mut members,
            "responseTemplates",
            response.response_templates.as_ref().map(|map| json!(map)),
        );
        (
            response.response_type.clone().unwrap_or_default(),
            Value::Object(members),
        )
    });
    let responses: Map<String, Value> = responses.collect();
    if !responses.is_empty() {
        root.insert("x-amazon-apigateway-gateway-responses".into(), Value::Object(responses));
    }
}

fn models(definition: &Definition, prefix: &str) -> Map<String, Value> {
    let all = definition.models.iter();
    all.map(|model| (model.name.clone().unwrap_or_default(), schema_of(model, prefix)))
        .collect()
}

fn headers(response: &MethodResponse) -> impl Iterator<Item = String> + '_ {
    let names = response.response_parameters.iter().flat_map(BTreeMap::keys);
    names.filter_map(|name| name.strip_prefix("method.response.header.").map(str::to_owned))
}

/// OpenAPI 3.
pub(super) fn openapi(definition: &Definition, target: &Target<'_>) -> Value {
    let prefix = "#/components/schemas/";
    let link = |name: &String| json!({ "schema": { "$ref": format!("{prefix}{name}") } });
    let content = |models: &Option<BTreeMap<String, String>>| -> Value {
        let models = models.iter().flatten();
        Value::Object(models.map(|(kind, name)| (kind.clone(), link(name))).collect())
    };
    let of = |method: &Method| {
        let mut operation = Map::new();
        let parameters: Vec<Value> = parameters(method)
            .into_iter()
            .map(|(name, place, required)| {
                let mut parameter = json!({ "name": name, "in": place });
                if required {
                    parameter["required"] = true.into();
                }
                parameter["schema"] = json!({ "type": "string" });
                parameter
            })
            .collect();
        if !parameters.is_empty() {
            operation.insert("parameters".into(), parameters.into());
        }
        if method.request_models.is_some() {
            operation.insert(
                "requestBody".into(),
                json!({ "content": content(&method.request_models), "required": true }),
            );
        }
        let responses = method.method_responses.iter().flatten().map(|(status, response)| {
            let mut members = json!({ "description": format!("{status} response") });
            let headers: Map<String, Value> = headers(response)
                .map(|name| (name, json!({ "schema": { "type": "string" } })))
                .collect();
            if !headers.is_empty() {
                members["headers"] = Value::Object(headers);
            }
            members["content"] = content(&response.response_models);
            (status.clone(), members)
        });
        let responses: Map<String, Value> = responses.collect();
        if !responses.is_empty() {
            operation.insert("responses".into(), Value::Object(responses));
        }
        extend(definition, target, method, &mut operation);
        Value::Object(operation)
    };
    let mut components = Map::new();
    let models = models(definition, prefix);
    if !models.is_empty() {
        components.insert("schemas".into(), Value::Object(models));
    }
    let schemes = security_schemes(definition, target);
    if !schemes.is_empty() {
        components.insert("securitySchemes".into(), Value::Object(schemes));
    }
    let mut root = Map::new();
    root.insert("openapi".into(), "3.0.1".into());
    root.insert("info".into(), info(definition));
    let url = format!("https://{}/{{basePath}}", target.host(definition));
    root.insert(
        "servers".into(),
        json!([{ "url": url, "variables": { "basePath": { "default": target.stage } } }]),
    );
    root.insert("paths".into(), paths(definition, of));
    root.insert("components".into(), Value::Object(components));
    root_extensions(definition, target, &mut root);
    Value::Object(root)
}

/// OpenAPI 2.
pub(super) fn swagger(definition: &Definition, target: &Target<'_>) -> Value {
    let prefix = "#/definitions/";
    let link = |name: &String| json!({ "$ref": format!("{prefix}{name}") });
    let of = |method: &Method| {
        let mut operation = Map::new();
        let mut all: Vec<Value> = parameters(method)
            .into_iter()
            .map(|(name, place, required)| json!({ "name": name, "in": place, "required": required, "type": "string" }))
            .collect();
        if let Some((kind, model)) = method.request_models.as_ref().and_then(|models| models.iter().next()) {
            operation.insert("consumes".into(), json!([kind]));
            all.push(json!({ "in": "body", "name": model, "required": true, "schema": link(model) }));
        }
        let produces = method
            .method_responses
            .iter()
            .flatten()
            .flat_map(|(_, response)| response.response_models.iter().flat_map(BTreeMap::keys));
        let mut produces: Vec<&String> = produces.collect();
        produces.sort_unstable();
        produces.dedup();
        if !produces.is_empty() {
            operation.insert("produces".into(), json!(produces));
        }
        if !all.is_empty() {
            operation.insert("parameters".into(), all.into());
        }
        let responses = method.method_responses.iter().flatten().map(|(status, response)| {
            let mut members = json!({ "description": format!("{status} response") });
            if let Some(model) = response
                .response_models
                .as_ref()
                .and_then(|models| models.values().next())
            {
                members["schema"] = link(model);
            }
            let headers: Map<String, Value> = headers(response)
                .map(|name| (name, json!({ "type": "string" })))
                .collect();
            if !headers.is_empty() {
                members["headers"] = Value::Object(headers);
            }
            (status.clone(), members)
        });
        let responses: Map<String, Value> = responses.collect();
        if !responses.is_empty() {
            operation.insert("responses".into(), Value::Object(responses));
        }
        extend(definition, target, method, &mut operation);
        Value::Object(operation)
    };
    let mut root = Map::new();
    root.insert("swagger".into(), "2.0".into());
    root.insert("info".into(), info(definition));
    root.insert("host".into(), target.host(definition).into());
    root.insert("basePath".into(), format!("/{}", target.stage).into());
    root.insert("schemes".into(), json!(["https"]));
    root.insert("paths".into(), paths(definition, of));
    let schemes = security_schemes(definition, target);
    if !schemes.is_empty() {
        root.insert("securityDefinitions".into(), Value::Object(schemes));
    }
    let models = models(definition, prefix);
    if !models.is_empty() {
        root.insert("definitions".into(), Value::Object(models));
    }
    root_extensions(definition, target, &mut root);
    Value::Object(root)
}
