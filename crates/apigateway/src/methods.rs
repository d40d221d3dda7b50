use crate::patch::{self, ANY, Holds, REPLACE, Rule, Words, rule};
use crate::records::{self, Read};
use crate::rest_apis::find_or;
use crate::shapes::*;
use crate::{ApiGateway, Error, keys};
use danbi_core::{RequestContext, Scope};
use danbi_store::Transaction;
use danbi_wire::Empty;
use std::collections::BTreeMap;
use std::sync::Arc;

pub(crate) const HTTP_METHODS: [&str; 8] = ["GET", "PUT", "POST", "DELETE", "PATCH", "OPTIONS", "HEAD", "ANY"];

const RULES: &[Rule] = &[
    rule("/authorizationType", Holds::Text, REPLACE),
    rule("/authorizerId", Holds::Text, REPLACE),
    rule("/authorizationScopes", Holds::Set, ANY),
    rule("/apiKeyRequired", Holds::Bool, REPLACE),
    rule("/operationName", Holds::Text, REPLACE),
    rule("/requestValidatorId", Holds::Text, REPLACE),
    rule("/requestParameters/*", Holds::Bool, ANY),
    rule("/requestModels/*", Holds::Text, ANY),
];

const RESPONSE_RULES: &[Rule] = &[
    rule("/statusCode", Holds::Text, REPLACE),
    rule("/responseParameters/*", Holds::Bool, patch::ANY_STRICT),
    rule("/responseModels/*", Holds::Text, patch::ANY_STRICT),
];

/// The method's record.
pub(crate) async fn find(view: &impl Read, api: &str, resource: &str, method: &str) -> Result<Method, Error> {
    records::resource(view, api, resource)
        .await?
        .ok_or_else(Error::resource)?;
    view.record(&keys::method(api, resource, method))
        .await?
        .ok_or_else(Error::method)
}

/// Where a method is: what its operations have in common.
pub(crate) struct Place<'a> {
    pub scope: &'a Scope,
    pub api: &'a str,
    pub resource: &'a str,
    pub method: &'a str,
}

impl Place<'_> {
    pub(crate) async fn read(&self, gateway: &ApiGateway) -> Result<Method, Error> {
        let view = gateway.store.snapshot().await?;
        find_or(&view, self.scope, self.api, Error::resource).await?;
        find(&view, self.api, self.resource, self.method).await
    }

    /// Changes the method's record; answers what `change` answers.
    pub(crate) async fn change<T: Send>(
        &self,
        gateway: &ApiGateway,
        change: impl Fn(&mut Method) -> Result<T, Error> + Sync,
    ) -> Result<T, Error> {
        let change = &change;
        gateway
            .store
            .transact(async |tx| {
                find_or(&tx, self.scope, self.api, Error::resource).await?;
                let mut method = find(&tx, self.api, self.resource, self.method).await?;
                let answer = change(&mut method)?;
                records::put(&tx, &keys::method(self.api, self.resource, self.method), &method)?;
                Ok(answer)
            })
            .await
    }
}

/// PutMethod.
pub(crate) async fn put(
    gateway: Arc<ApiGateway>,
    context: RequestContext,
    input: PutMethodRequest,
) -> Result<Method, Error> {
    let (scope, api, resource) = (&context.scope, &input.rest_api_id, &input.resource_id);
    let method = &Method {
        http_method: Some(input.http_method.clone()),
        authorization_type: Some(input.authorization_type.clone()),
        authorizer_id: input.authorizer_id.clone(),
        api_key_required: Some(input.api_key_required.unwrap_or(false)),
        operation_name: input.operation_name.clone(),
        request_parameters: input.request_parameters.clone().filter(|map| !map.is_empty()),
        request_models: input.request_models.clone().filter(|map| !map.is_empty()),
        request_validator_id: input.request_validator_id.clone(),
        authorization_scopes: input.authorization_scopes.clone(),
        ..Method::default()
    };
    gateway
        .store
        .transact(async |tx| {
            find_or(&tx, scope, api, Error::resource).await?;
            records::resource(&tx, api, resource)
                .await?
                .ok_or_else(Error::resource)?;
            let name = method.http_method.as_deref().unwrap_or_default();
            let key = keys::method(api, resource, name);
            if tx.record::<Method>(&key).await?.is_some() {
                return Err(Error::Conflict("Method already exists for this resource".into()));
            }
            check(&tx, api, method).await?;
            records::put(&tx, &key, method)?;
            Ok(method.clone())
        })
        .await
}

/// What must hold of every method.
pub(crate) async fn check(tx: &Transaction, api: &str, method: &Method) -> Result<(), Error> {
    if !method
        .http_method
        .as_deref()
        .is_some_and(|name| HTTP_METHODS.contains(&name))
    {
        return Err(Error::bad(
            "Invalid HttpMethod specified. Valid options are GET,PUT,POST,DELETE,PATCH,OPTIONS,HEAD,ANY",
        ));
    }
    let kind = method.authorization_type.as_deref().unwrap_or_default();
    if !matches!(kind, "NONE" | "AWS_IAM" | "CUSTOM" | "COGNITO_USER_POOLS") {
        return Err(Error::bad(
            "Invalid authorization type specified. Valid options are NONE,AWS_IAM,CUSTOM,COGNITO_USER_POOLS",
        ));
    }
    if matches!(kind, "CUSTOM" | "COGNITO_USER_POOLS") {
        let id = method.authorizer_id.as_deref().unwrap_or_default();
        let found: Option<Authorizer> = tx.record(&keys::child(api, keys::Kind::Authorizer, id)).await?;
        let fits =
            found.is_some_and(|found| (found.r#type.as_deref() == Some("COGNITO_USER_POOLS")) == (kind != "CUSTOM"));
        if !fits {
            return Err(Error::bad(
                "Invalid authorizer ID specified. Setting the authorization type to CUSTOM or COGNITO_USER_POOLS requires a valid authorizer.",
            ));
        }
    }
    if let Some(id) = method.request_validator_id.as_deref().filter(|id| !id.is_empty()) {
        let found: Option<RequestValidator> = tx.record(&keys::child(api, keys::Kind::Validator, id)).await?;
        found.ok_or_else(|| Error::bad("Invalid Request Validator identifier specified"))?;
    }
    for name in method.request_models.iter().flat_map(BTreeMap::values) {
        let found: Option<Model> = tx.record(&keys::child(api, keys::Kind::Model, name)).await?;
        found.ok_or_else(|| Error::bad(format!("Invalid model identifier specified: {name}")))?;
    }
    check_parameters(method)
}

fn check_parameters(method: &Method) -> Result<(), Error> {
    let mut seen = Vec::new();
    for location in method.request_parameters.iter().flat_map(BTreeMap::keys) {
        let name = location
            .strip_prefix("method.request.")
            .and_then(|rest| rest.split_once('.'))
            .filter(|(place, name)| matches!(*place, "querystring" | "path" | "header") && !name.is_empty());
        let (_, name) = name.ok_or_else(|| {
            Error::bad(format!(
                "Invalid mapping expression specified: Validation Result: warnings : [], errors : [Invalid mapping expression specified: {location}]"
            ))
        })?;
        if seen.contains(&name) {
            return Err(Error::bad(
                "Parameter names must be unique across querystring, header and path",
            ));
        }
        seen.push(name);
    }
    Ok(())
}

/// GetMethod.
pub(crate) async fn get(
    gateway: Arc<ApiGateway>,
    context: RequestContext,
    input: GetMethodRequest,
) -> Result<Method, Error> {
    let place = Place {
        scope: &context.scope,
        api: &input.rest_api_id,
        resource: &input.resource_id,
        method: &input.http_method,
    };
    place.read(&gateway).await
}

/// DeleteMethod.
pub(crate) async fn delete(
    gateway: Arc<ApiGateway>,
    context: RequestContext,
    input: DeleteMethodRequest,
) -> Result<Empty, Error> {
    let (scope, input) = (&context.scope, &input);
    gateway
        .store
        .transact(async |tx| {
            find_or(&tx, scope, &input.rest_api_id, Error::resource).await?;
            find(&tx, &input.rest_api_id, &input.resource_id, &input.http_method).await?;
            tx.delete(&keys::method(
                &input.rest_api_id,
                &input.resource_id,
                &input.http_method,
            ))?;
            Ok::<_, Error>(Empty {})
        })
        .await
}

/// UpdateMethod.
pub(crate) async fn update(
    gateway: Arc<ApiGateway>,
    context: RequestContext,
    input: UpdateMethodRequest,
) -> Result<Method, Error> {
    let (scope, input) = (&context.scope, &input);
    gateway
        .store
        .transact(async |tx| {
            let api = &input.rest_api_id;
            find_or(&tx, scope, api, Error::resource).await?;
            let method = find(&tx, api, &input.resource_id, &input.http_method).await?;
            let mut method = patch::apply(&method, input.patch_operations.as_deref(), RULES, Words::Short)?;
            method.request_parameters = method.request_parameters.filter(|map| !map.is_empty());
            method.request_models = method.request_models.filter(|map| !map.is_empty());
            if matches!(method.authorization_type.as_deref(), Some("NONE" | "AWS_IAM")) {
                method.authorizer_id = None;
            }
            check(&tx, api, &method).await?;
            records::put(&tx, &keys::method(api, &input.resource_id, &input.http_method), &method)?;
            Ok::<_, Error>(method)
        })
        .await
}

/// PutMethodResponse.
pub(crate) async fn put_response(
    gateway: Arc<ApiGateway>,
    context: RequestContext,
    input: PutMethodResponseRequest,
) -> Result<MethodResponse, Error> {
    let place = Place {
        scope: &context.scope,
        api: &input.rest_api_id,
        resource: &input.resource_id,
        method: &input.http_method,
    };
    let response = &MethodResponse {
        status_code: Some(input.status_code.clone()),
        response_parameters: input.response_parameters,
        response_models: input.response_models,
    };
    let status = &input.status_code;
    place
        .change(&gateway, |method| {
            let responses = method.method_responses.get_or_insert_default();
            if responses.contains_key(status) {
                return Err(Error::Conflict("Response already exists for this resource".into()));
            }
            responses.insert(status.clone(), response.clone());
            Ok(response.clone())
        })
        .await
}

/// GetMethodResponse.
pub(crate) async fn get_response(
    gateway: Arc<ApiGateway>,
    context: RequestContext,
    input: GetMethodResponseRequest,
) -> Result<MethodResponse, Error> {
    let place = Place {
        scope: &context.scope,
        api: &input.rest_api_id,
        resource: &input.resource_id,
        method: &input.http_method,
    };
    let responses = place.read(&gateway).await?.method_responses.unwrap_or_default();
    responses
        .get(&input.status_code)
        .cloned()
        .ok_or_else(Error::status_code)
}

/// DeleteMethodResponse.
pub(crate) async fn delete_response(
    gateway: Arc<ApiGateway>,
    context: RequestContext,
    input: DeleteMethodResponseRequest,
) -> Result<Empty, Error> {
    let place = Place {
        scope: &context.scope,
        api: &input.rest_api_id,
        resource: &input.resource_id,
        method: &input.http_method,
    };
    let status = &input.status_code;
    place
        .change(&gateway, |method| {
            let responses = method.method_responses.get_or_insert_default();
            responses.remove(status).ok_or_else(Error::status_code)?;
            if responses.is_empty() {
                method.method_responses = None;
            }
            Ok(Empty {})
        })
        .await
}

/// UpdateMethodResponse.
pub(crate) async fn update_response(
    gateway: Arc<ApiGateway>,
    context: RequestContext,
    input: UpdateMethodResponseRequest,
) -> Result<MethodResponse, Error> {
    let place = Place {
        scope: &context.scope,
        api: &input.rest_api_id,
        resource: &input.resource_id,
        method: &input.http_method,
    };
    let (status, operations) = (&input.status_code, input.patch_operations.as_deref());
    place
        .change(&gateway, |method| {
            let responses = method.method_responses.get_or_insert_default();
            let old = responses.remove(status).ok_or_else(Error::status_code)?;
            let mut new = patch::apply(&old, operations, RESPONSE_RULES, Words::Short)?;
            new.response_parameters = new.response_parameters.filter(|map| !map.is_empty());
            new.response_models = new.response_models.filter(|map| !map.is_empty());
            let status = new.status_code.clone().unwrap_or_else(|| status.clone());
            responses.insert(status, new.clone());
            Ok(new)
        })
        .await
}
