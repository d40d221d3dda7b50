use crate::patch::{self, ANY, Holds, REPLACE, Rule, Words, rule};
use crate::records::{self, Read};
use crate::shapes::*;
use crate::{ApiGateway, Error, ids, keys, models, policy_text};
use danbi_core::{RequestContext, Scope};
use danbi_store::Transaction;
use danbi_wire::Empty;
use std::sync::Arc;

/// REST APIs that an account may have in a region; AWS's quota for regional ones.
const MAX_APIS: usize = 600;
const MAX_COMPRESSION: i32 = 10_485_760;

const RULES: &[Rule] = &[
    rule("/name", Holds::Text, REPLACE),
    rule("/description", Holds::Text, &["replace", "remove"]),
    rule("/version", Holds::Text, &["replace", "remove"]),
    rule("/apiKeySource", Holds::Text, REPLACE),
    rule("/minimumCompressionSize", Holds::Int, REPLACE),
    rule("/disableExecuteApiEndpoint", Holds::Bool, REPLACE),
    rule("/policy", Holds::Text, &["replace", "remove"]),
    rule("/securityPolicy", Holds::Text, REPLACE),
    rule("/endpointAccessMode", Holds::Text, REPLACE),
    rule("/binaryMediaTypes/*", Holds::Set, ANY).member("/binaryMediaTypes"),
    rule("/endpointConfiguration/types/*", Holds::Set, ANY).member("/endpointConfiguration/types"),
    rule("/endpointConfiguration/ipAddressType", Holds::Text, REPLACE),
    rule("/endpointConfiguration/vpcEndpointIds", Holds::Set, ANY),
];

/// The caller's API with this id.
pub(crate) async fn find(view: &impl Read, scope: &Scope, id: &str) -> Result<RestApi, Error> {
    let api = view.record(&keys::api(scope, id)).await?;
    api.ok_or_else(|| Error::missing(format!("Invalid API identifier specified {}:{id}", scope.account)))
}

/// As [`find`], for what answers that a part is missing when the API is.
pub(crate) async fn find_or(
    view: &impl Read,
    scope: &Scope,
    id: &str,
    missing: fn() -> Error,
) -> Result<RestApi, Error> {
    view.record(&keys::api(scope, id)).await?.ok_or_else(missing)
}

/// As a client sees it.
pub(crate) fn shown(api: RestApi) -> RestApi {
    RestApi {
        tags: api.tags.filter(|tags| !tags.is_empty()),
        policy: api.policy.as_deref().map(policy_text::escaped),
        ..api
    }
}

/// The same, with its tags even when there are none, as AWS shows one API by itself.
pub(crate) fn with_tags(api: RestApi) -> RestApi {
    RestApi {
        tags: Some(api.tags.clone().unwrap_or_default()),
        ..shown(api)
    }
}

/// CreateRestApi.
pub(crate) async fn create(
    gateway: Arc<ApiGateway>,
    context: RequestContext,
    input: CreateRestApiRequest,
) -> Result<RestApi, Error> {
    if input.description.as_deref() == Some("") {
        return Err(Error::bad("Description cannot be an empty string"));
    }
    if input.clone_from.is_some() {
        return Err(Error::NotBuilt(
            "cloneFrom of CreateRestApi is not built yet: export the API and import it.".into(),
        ));
    }
    let id = ids::id()?;
    let scope = &context.scope;
    let policy = input.policy.as_deref().filter(|text| !text.is_empty());
    let api = RestApi {
        name: Some(input.name),
        description: input.description,
        version: input.version,
        created_date: Some(gateway.now()),
        binary_media_types: input.binary_media_types.filter(|types| !types.is_empty()),
        minimum_compression_size: input.minimum_compression_size,
        api_key_source: Some(input.api_key_source.unwrap_or_else(|| "HEADER".into())),
        endpoint_configuration: Some(endpoint(input.endpoint_configuration.unwrap_or_default())?),
        policy: policy
            .map(|text| policy_text::expanded(&gateway, scope, &id, text))
            .transpose()?,
        tags: input.tags.filter(|tags| !tags.is_empty()),
        disable_execute_api_endpoint: Some(input.disable_execute_api_endpoint.unwrap_or(false)),
        root_resource_id: Some(ids::id()?),
        security_policy: input.security_policy,
        endpoint_access_mode: input.endpoint_access_mode,
        id: Some(id),
        ..RestApi::default()
    };
    check(&api)?;
    let api = &api;
    gateway
        .store
        .transact(async |tx| {
            let count = tx
                .page(danbi_store::KeyRange::prefix(keys::apis(scope).build()), MAX_APIS)
                .await?;
            if count.entries.len() >= MAX_APIS {
                return Err(Error::LimitExceeded(
                    "Maximum number of Rest APIs for this account has been reached.".into(),
                ));
            }
            write_new(&tx, scope, api)
        })
        .await?;
    Ok(shown(api.clone()))
}

/// Writes an API that was not there, with its root resource and the models that every API begins with.
pub(crate) fn write_new(tx: &Transaction, scope: &Scope, api: &RestApi) -> Result<(), Error> {
    let (Some(id), Some(root)) = (api.id.as_deref(), api.root_resource_id.as_deref()) else {
        return Err(Error::internal("an API without ids"));
    };
    records::put(tx, &keys::api(scope, id), api)?;
    let resource = Resource {
        id: Some(root.into()),
        path: Some("/".into()),
        ..Resource::default()
    };
    records::put(tx, &keys::child(id, keys::Kind::Resource, root), &resource)?;
    for model in models::defaults()? {
        let name = model.name.clone().unwrap_or_default();
        records::put(tx, &keys::child(id, keys::Kind::Model, &name), &model)?;
    }
    Ok(())
}

/// An endpoint configuration with AWS's defaults.
fn endpoint(given: EndpointConfiguration) -> Result<EndpointConfiguration, Error> {
    let types = match given.types {
        None => vec!["EDGE".to_owned()],
        Some(types) if types.is_empty() => {
            return Err(Error::bad(
                "REGIONAL Configuration and EDGE Configuration cannot be both DISABLED.",
            ));
        }
        Some(types) if types.len() > 1 => return Err(Error::bad("Cannot create an api with multiple Endpoint Types.")),
        Some(types) => types,
    };
    let is_private = types[0] == "PRIVATE";
    let address = given.ip_address_type.filter(|text| !text.is_empty());
    Ok(EndpointConfiguration {
        ip_address_type: Some(address.unwrap_or_else(|| if is_private { "dualstack" } else { "ipv4" }.into())),
        types: Some(types),
        vpc_endpoint_ids: given.vpc_endpoint_ids.filter(|ids| !ids.is_empty()),
    })
}

/// What must hold of every API.
fn check(api: &RestApi) -> Result<(), Error> {
    if api.name.as_deref().is_none_or(str::is_empty) {
        return Err(Error::bad("API name cannot be null or empty"));
    }
    if api
        .minimum_compression_size
        .is_some_and(|size| !(0..=MAX_COMPRESSION).contains(&size))
    {
        return Err(compression_size());
    }
    if !matches!(api.api_key_source.as_deref(), Some("HEADER" | "AUTHORIZER")) {
        return Err(Error::bad(
            "Invalid API Key Source specified. Valid options are HEADER, AUTHORIZER",
        ));
    }
    let endpoint = api.endpoint_configuration.clone().unwrap_or_default();
    let kind = endpoint.types.unwrap_or_default().pop().unwrap_or_default();
    if !matches!(kind.as_str(), "EDGE" | "REGIONAL" | "PRIVATE") {
        return Err(Error::bad(
            "Invalid EndpointTypes specified. Valid options are REGIONAL,EDGE,PRIVATE",
        ));
    }
    match endpoint.ip_address_type.as_deref() {
        Some("ipv4") if kind == "PRIVATE" => Err(Error::bad(
            "Only dualstack ipAddressType is supported for Private APIs.",
        )),
        None | Some("ipv4" | "dualstack") => Ok(()),
        Some(_) => Err(Error::bad("ipAddressType must be either ipv4 or dualstack.")),
    }
}

fn compression_size() -> Error {
    Error::bad("Invalid minimum compression size, must be between 0 and 10485760")
}

/// GetRestApi.
pub(crate) async fn get(
    gateway: Arc<ApiGateway>,
    context: RequestContext,
    input: GetRestApiRequest,
) -> Result<RestApi, Error> {
    let view = gateway.store.snapshot().await?;
    Ok(with_tags(find(&view, &context.scope, &input.rest_api_id).await?))
}

/// GetRestApis.
pub(crate) async fn list(
    gateway: Arc<ApiGateway>,
    context: RequestContext,
    input: GetRestApisRequest,
) -> Result<RestApis, Error> {
    let view = gateway.store.snapshot().await?;
    let prefix = keys::apis(&context.scope);
    let (items, position) = records::list(&view, prefix, input.position.as_deref(), input.limit, |_| true).await?;
    Ok(RestApis {
        position,
        items: Some(items.into_iter().map(shown).collect()),
    })
}

/// DeleteRestApi.
pub(crate) async fn delete(
    gateway: Arc<ApiGateway>,
    context: RequestContext,
    input: DeleteRestApiRequest,
) -> Result<Empty, Error> {
    let (scope, id) = (&context.scope, &input.rest_api_id);
    gateway
        .store
        .transact(async |tx| {
            find(&tx, scope, id).await?;
            tx.delete(&keys::api(scope, id))?;
            for range in keys::whole(id) {
                tx.delete_range(range)?;
            }
            Ok::<_, Error>(Empty {})
        })
        .await
}

/// UpdateRestApi.
pub(crate) async fn update(
    gateway: Arc<ApiGateway>,
    context: RequestContext,
    input: UpdateRestApiRequest,
) -> Result<RestApi, Error> {
    let (scope, id, gateway) = (&context.scope, &input.rest_api_id, &*gateway);
    let operations = input.patch_operations.as_deref();
    let api = gateway
        .store
        .transact(async |tx| {
            let api = find(&tx, scope, id).await?;
            let api = patched(gateway, scope, api, operations.unwrap_or_default())?;
            records::put(&tx, &keys::api(scope, id), &api)?;
            Ok::<_, Error>(api)
        })
        .await?;
    Ok(with_tags(api))
}

fn patched(
    gateway: &ApiGateway,
    scope: &Scope,
    mut api: RestApi,
    operations: &[PatchOperation],
) -> Result<RestApi, Error> {
    for operation in operations {
        let (path, op) = (patch::path(operation)?, patch::op(operation));
        let is_type = path.starts_with("/endpointConfiguration/types");
        if is_type && !matches!(op, "add" | "remove" | "replace") {
            return Err(Error::bad(
                "Invalid patch operation specified. Must be 'add'|'remove'|'replace'",
            ));
        }
        if path == "/minimumCompressionSize" && op == "replace" {
            let text = operation.value.as_deref().unwrap_or_default();
            if !text.is_empty() && text.parse::<i32>().is_err() {
                return Err(compression_size());
            }
        }
        if is_type && op == "replace" {
            let kind = operation.value.clone().unwrap_or_default();
            let endpoint = api.endpoint_configuration.get_or_insert_default();
            if kind == "PRIVATE" {
                endpoint.ip_address_type = Some("dualstack".into());
            }
            endpoint.types = Some(vec![kind]);
        } else {
            api = patch::apply(&api, Some(std::slice::from_ref(operation)), RULES, Words::Short)?;
        }
    }
    let touches_policy = operations
        .iter()
        .any(|operation| operation.path.as_deref() == Some("/policy"));
    if touches_policy {
        let id = api.id.clone().unwrap_or_default();
        let policy = api.policy.as_deref().filter(|text| !text.is_empty());
        api.policy = policy
            .map(|text| policy_text::expanded(gateway, scope, &id, text))
            .transpose()?;
    }
    check(&api)?;
    Ok(api)
}
