//! OpenAPI 2 and 3 with API Gateway's extensions: ImportRestApi, PutRestApi and GetExport. Source:
//! <https://docs.aws.amazon.com/apigateway/latest/developerguide/api-gateway-swagger-extensions.html>.

mod document;
mod read;
mod write;

use crate::definition::Definition;
use crate::keys::Kind;
use crate::records::{self, Read, StageRecord};
use crate::shapes::*;
use crate::{ApiGateway, Error, authorizers, gateway_responses, ids, integrations, keys, methods, rest_apis};
use danbi_core::{RequestContext, Scope};
use danbi_store::{KeyRange, Transaction};
use document::Document;
use std::collections::BTreeMap;
use std::sync::Arc;

/// What an import writes anew.
const KINDS: [Kind; 6] = [
    Kind::Resource,
    Kind::Method,
    Kind::Authorizer,
    Kind::Model,
    Kind::Validator,
    Kind::GatewayResponse,
];

/// ImportRestApi.
pub(crate) async fn import(
    gateway: Arc<ApiGateway>,
    context: RequestContext,
    input: ImportRestApiRequest,
) -> Result<RestApi, Error> {
    let document = Document::parse(&input.body)?;
    let parameters = input.parameters.unwrap_or_default();
    let root = ids::id()?;
    let kind = parameters
        .get("endpointConfigurationTypes")
        .cloned()
        .unwrap_or_else(|| "EDGE".into());
    let api = RestApi {
        id: Some(ids::id()?),
        name: Some(String::new()),
        created_date: Some(gateway.now()),
        api_key_source: Some("HEADER".into()),
        endpoint_configuration: Some(EndpointConfiguration {
            ip_address_type: Some(if kind == "PRIVATE" { "dualstack" } else { "ipv4" }.into()),
            types: Some(vec![kind]),
            vpc_endpoint_ids: None,
        }),
        disable_execute_api_endpoint: Some(false),
        root_resource_id: Some(root.clone()),
        ..RestApi::default()
    };
    let base = Definition {
        api,
        resources: vec![root_resource(&root)],
        ..Definition::default()
    };
    let (definition, warnings) = made(&gateway, &context.scope, &document, base, &parameters)?;
    refuse_warnings(input.fail_on_warnings, &warnings)?;
    let (scope, definition) = (&context.scope, &definition);
    gateway
        .store
        .transact(async |tx| write_all(&tx, scope, definition).await)
        .await?;
    Ok(answered(definition.api.clone(), warnings))
}

/// PutRestApi.
pub(crate) async fn put(
    gateway: Arc<ApiGateway>,
    context: RequestContext,
    input: PutRestApiRequest,
) -> Result<RestApi, Error> {
    let document = Document::parse(&input.body)?;
    let parameters = input.parameters.unwrap_or_default();
    let overwrites = match input.mode.as_deref() {
        None | Some("merge") => false,
        Some("overwrite") => true,
        Some(other) => return Err(Error::bad(format!("Invalid mode specified: {other}"))),
    };
    let (scope, gateway, document, parameters) = (&context.scope, &*gateway, &document, &parameters);
    let (api, warnings) = gateway
        .store
        .transact(async |tx| {
            let api = rest_apis::find(&tx, scope, &input.rest_api_id).await?;
            let mut base = Definition::load(&tx, api).await?;
            if overwrites {
                let root = base.api.root_resource_id.clone().unwrap_or_default();
                base = Definition {
                    api: RestApi {
                        description: None,
                        version: None,
                        binary_media_types: None,
                        minimum_compression_size: None,
                        policy: None,
                        ..base.api
                    },
                    resources: vec![root_resource(&root)],
                    ..Definition::default()
                };
            }
            let (definition, warnings) = made(gateway, scope, document, base, parameters)?;
            refuse_warnings(input.fail_on_warnings, &warnings)?;
            write_all(&tx, scope, &definition).await?;
            Ok::<_, Error>((definition.api, warnings))
        })
        .await?;
    Ok(RestApi {
        warnings: Some(warnings).filter(|warnings| !warnings.is_empty()),
        ..rest_apis::with_tags(api)
    })
}

fn answered(api: RestApi, warnings: Vec<String>) -> RestApi {
    RestApi {
        warnings: Some(warnings).filter(|warnings| !warnings.is_empty()),
        ..rest_apis::shown(api)
    }
}

fn refuse_warnings(fails: Option<bool>, warnings: &[String]) -> Result<(), Error> {
    if fails == Some(true) && !warnings.is_empty() {
        return Err(Error::bad(format!(
            "Warnings found during import:\n\tCORE : {}",
            warnings.join("\n\tCORE : ")
        )));
    }
    Ok(())
}

fn root_resource(id: &str) -> Resource {
    Resource {
        id: Some(id.into()),
        path: Some("/".into()),
        ..Resource::default()
    }
}

/// The definition that a document makes of `base`, with what could not be taken over.
fn made(
    gateway: &ApiGateway,
    scope: &Scope,
    document: &Document,
    base: Definition,
    parameters: &BTreeMap<String, String>,
) -> Result<(Definition, Vec<String>), Error> {
    let (mut definition, warnings) = read::apply(document, base, parameters)?;
    let id = definition.api.id.clone().unwrap_or_default();
    let policy = definition.api.policy.as_deref().filter(|text| !text.is_empty());
    definition.api.policy = policy
        .map(|text| crate::policy_text::expanded(gateway, scope, &id, text))
        .transpose()?;
    if definition.api.name.as_deref().is_none_or(str::is_empty) {
        return Err(Error::bad("Invalid OpenAPI input."));
    }
    for authorizer in &definition.authorizers {
        authorizers::check(authorizer)?;
    }
    for response in &definition.gateway_responses {
        gateway_responses::check(response)?;
    }
    for method in definition.methods.values().flatten() {
        if let Some(integration) = &method.method_integration {
            integrations::check(integration)?;
        }
    }
    Ok((definition, warnings))
}

/// Writes everything of a definition, and nothing else stays.
async fn write_all(tx: &Transaction, scope: &Scope, definition: &Definition) -> Result<(), Error> {
    let api = definition.api.id.as_deref().unwrap_or_default();
    for kind in KINDS {
        tx.delete_range(KeyRange::prefix(keys::children(api, kind).build()))?;
    }
    records::put(tx, &keys::api(scope, api), &definition.api)?;
    let name = |name: &Option<String>| name.clone().unwrap_or_default();
    for resource in &definition.resources {
        records::put(tx, &keys::child(api, Kind::Resource, &name(&resource.id)), resource)?;
    }
    for authorizer in &definition.authorizers {
        records::put(
            tx,
            &keys::child(api, Kind::Authorizer, &name(&authorizer.id)),
            authorizer,
        )?;
    }
    for model in &definition.models {
        records::put(tx, &keys::child(api, Kind::Model, &name(&model.name)), model)?;
    }
    for validator in &definition.validators {
        records::put(tx, &keys::child(api, Kind::Validator, &name(&validator.id)), validator)?;
    }
    for response in &definition.gateway_responses {
        records::put(
            tx,
            &keys::child(api, Kind::GatewayResponse, &name(&response.response_type)),
            response,
        )?;
    }
    for (resource, all) in &definition.methods {
        for method in all {
            methods::check(tx, api, method).await?;
            records::put(tx, &keys::method(api, resource, &name(&method.http_method)), method)?;
        }
    }
    Ok(())
}

/// GetExport: the API as the stage serves it.
pub(crate) async fn export(
    gateway: Arc<ApiGateway>,
    context: RequestContext,
    input: GetExportRequest,
) -> Result<ExportResponse, Error> {
    let view = gateway.store.snapshot().await?;
    let api = rest_apis::find(&view, &context.scope, &input.rest_api_id).await?;
    let key = keys::child(&input.rest_api_id, Kind::Stage, &input.stage_name);
    let record: Option<StageRecord> = view.record(&key).await?;
    let record = record.ok_or_else(|| Error::missing("Invalid stage identifier specified"))?;
    let deployment = record.stage.deployment_id.clone().unwrap_or_default();
    let definition = Definition::frozen(&view, &input.rest_api_id, &deployment).await?;
    let definition = definition.ok_or_else(|| Error::missing("Invalid Deployment identifier specified"))?;
    let extensions = input
        .parameters
        .and_then(|parameters| parameters.get("extensions").cloned())
        .unwrap_or_default();
    let region = context.scope.region.as_str();
    let target = write::Target {
        stage: &input.stage_name,
        region,
        extensions: &extensions,
    };
    let (document, name) = match input.export_type.as_str() {
        "oas30" => (write::openapi(&definition, &target), "oas30"),
        "swagger" => (write::swagger(&definition, &target), "swagger"),
        other => return Err(Error::bad(format!("No API exporter for type '{other}'"))),
    };
    let date = gateway.now().to_datetime().date();
    let date = format!("{:04}-{:02}-{:02}", date.year(), u8::from(date.month()), date.day());
    let version = api.version.clone().unwrap_or(date);
    // JSON is YAML, too.
    let ending = if input.accepts.as_deref() == Some("application/yaml") {
        "yaml"
    } else {
        "json"
    };
    let body = serde_json::to_string_pretty(&document)?;
    Ok(ExportResponse {
        content_type: Some("application/octet-stream".into()),
        content_disposition: Some(format!("attachment; filename=\"{name}_{version}.{ending}\"")),
        body: Some(bytes::Bytes::from(body).into()),
    })
}
