//! The table of operations: what each one asks for, and who answers it.

use crate::access::{DELETE, GET, PATCH, POST, PUT, ask, ask_tags};
use crate::shapes::operations as op;
use crate::{ApiGateway, account, api_keys, authorizers, deployments, documentation, domains, gateway_responses};
use crate::{integrations, methods, models, openapi, resources, rest_apis, stages, tags, test_invoke};
use crate::{usage, usage_plans, validators};
use danbi_wire::Service;
use std::sync::Arc;

/// The control plane, for the wire.
pub(crate) fn service(gateway: &Arc<ApiGateway>) -> Service {
    let service = Service::builder(&danbi_wire::models::APIGATEWAY, Arc::clone(gateway));
    // REST APIs.
    let service = service
        .on(
            op::CreateRestApi,
            |_, c, _| ask(c, POST, &["restapis"]),
            rest_apis::create,
        )
        .on(
            op::GetRestApi,
            |_, c, i| ask(c, GET, &["restapis", &i.rest_api_id]),
            rest_apis::get,
        )
        .on(op::GetRestApis, |_, c, _| ask(c, GET, &["restapis"]), rest_apis::list)
        .on(
            op::UpdateRestApi,
            |_, c, i| ask(c, PATCH, &["restapis", &i.rest_api_id]),
            rest_apis::update,
        )
        .on(
            op::DeleteRestApi,
            |_, c, i| ask(c, DELETE, &["restapis", &i.rest_api_id]),
            rest_apis::delete,
        )
        .on(
            op::ImportRestApi,
            |_, c, _| ask(c, POST, &["restapis"]),
            openapi::import,
        )
        .on(
            op::PutRestApi,
            |_, c, i| ask(c, PUT, &["restapis", &i.rest_api_id]),
            openapi::put,
        )
        .on(
            op::GetExport,
            |_, c, i| {
                ask(
                    c,
                    GET,
                    &[
                        "restapis",
                        &i.rest_api_id,
                        "stages",
                        &i.stage_name,
                        "exports",
                        &i.export_type,
                    ],
                )
            },
            openapi::export,
        );
    // Resources, methods, integrations.
    let service = service
        .on(
            op::CreateResource,
            |_, c, i| ask(c, POST, &["restapis", &i.rest_api_id, "resources", &i.parent_id]),
            resources::create,
        )
        .on(
            op::GetResource,
            |_, c, i| ask(c, GET, &["restapis", &i.rest_api_id, "resources", &i.resource_id]),
            resources::get,
        )
        .on(
            op::GetResources,
            |_, c, i| ask(c, GET, &["restapis", &i.rest_api_id, "resources"]),
            resources::list,
        )
        .on(
            op::UpdateResource,
            |_, c, i| ask(c, PATCH, &["restapis", &i.rest_api_id, "resources", &i.resource_id]),
            resources::update,
        )
        .on(
            op::DeleteResource,
            |_, c, i| ask(c, DELETE, &["restapis", &i.rest_api_id, "resources", &i.resource_id]),
            resources::delete,
        )
        .on(
            op::PutMethod,
            |_, c, i| {
                ask(
                    c,
                    PUT,
                    &[
                        "restapis",
                        &i.rest_api_id,
                        "resources",
                        &i.resource_id,
                        "methods",
                        &i.http_method,
                    ],
                )
            },
            methods::put,
        )
        .on(
            op::GetMethod,
            |_, c, i| {
                ask(
                    c,
                    GET,
                    &[
                        "restapis",
                        &i.rest_api_id,
                        "resources",
                        &i.resource_id,
                        "methods",
                        &i.http_method,
                    ],
                )
            },
            methods::get,
        )
        .on(
            op::UpdateMethod,
            |_, c, i| {
                ask(
                    c,
                    PATCH,
                    &[
                        "restapis",
                        &i.rest_api_id,
                        "resources",
                        &i.resource_id,
                        "methods",
                        &i.http_method,
                    ],
                )
            },
            methods::update,
        )
        .on(
            op::DeleteMethod,
            |_, c, i| {
                ask(
                    c,
                    DELETE,
                    &[
                        "restapis",
                        &i.rest_api_id,
                        "resources",
                        &i.resource_id,
                        "methods",
                        &i.http_method,
                    ],
                )
            },
            methods::delete,
        )
        .on(
            op::PutMethodResponse,
            |_, c, i| {
                ask(
                    c,
                    PUT,
                    &[
                        "restapis",
                        &i.rest_api_id,
                        "resources",
                        &i.resource_id,
                        "methods",
                        &i.http_method,
                        "responses",
                        &i.status_code,
                    ],
                )
            },
            methods::put_response,
        )
        .on(
            op::GetMethodResponse,
            |_, c, i| {
                ask(
                    c,
                    GET,
                    &[
                        "restapis",
                        &i.rest_api_id,
                        "resources",
                        &i.resource_id,
                        "methods",
                        &i.http_method,
                        "responses",
                        &i.status_code,
                    ],
                )
            },
            methods::get_response,
        )
        .on(
            op::UpdateMethodResponse,
            |_, c, i| {
                ask(
                    c,
                    PATCH,
                    &[
                        "restapis",
                        &i.rest_api_id,
                        "resources",
                        &i.resource_id,
                        "methods",
                        &i.http_method,
                        "responses",
                        &i.status_code,
                    ],
                )
            },
            methods::update_response,
        )
        .on(
            op::DeleteMethodResponse,
            |_, c, i| {
                ask(
                    c,
                    DELETE,
                    &[
                        "restapis",
                        &i.rest_api_id,
                        "resources",
                        &i.resource_id,
                        "methods",
                        &i.http_method,
                        "responses",
                        &i.status_code,
                    ],
                )
            },
            methods::delete_response,
        )
        .on(
            op::PutIntegration,
            |_, c, i| {
                ask(
                    c,
                    PUT,
                    &[
                        "restapis",
                        &i.rest_api_id,
                        "resources",
                        &i.resource_id,
                        "methods",
                        &i.http_method,
                        "integration",
                    ],
                )
            },
            integrations::put,
        )
        .on(
            op::GetIntegration,
            |_, c, i| {
                ask(
                    c,
                    GET,
                    &[
                        "restapis",
                        &i.rest_api_id,
                        "resources",
                        &i.resource_id,
                        "methods",
                        &i.http_method,
                        "integration",
                    ],
                )
            },
            integrations::get,
        )
        .on(
            op::UpdateIntegration,
            |_, c, i| {
                ask(
                    c,
                    PATCH,
                    &[
                        "restapis",
                        &i.rest_api_id,
                        "resources",
                        &i.resource_id,
                        "methods",
                        &i.http_method,
                        "integration",
                    ],
                )
            },
            integrations::update,
        )
        .on(
            op::DeleteIntegration,
            |_, c, i| {
                ask(
                    c,
                    DELETE,
                    &[
                        "restapis",
                        &i.rest_api_id,
                        "resources",
                        &i.resource_id,
                        "methods",
                        &i.http_method,
                        "integration",
                    ],
                )
            },
            integrations::delete,
        )
        .on(
            op::PutIntegrationResponse,
            |_, c, i| {
                ask(
                    c,
                    PUT,
                    &[
                        "restapis",
                        &i.rest_api_id,
                        "resources",
                        &i.resource_id,
                        "methods",
                        &i.http_method,
                        "integration",
                        "responses",
                        &i.status_code,
                    ],
                )
            },
            integrations::put_response,
        )
        .on(
            op::GetIntegrationResponse,
            |_, c, i| {
                ask(
                    c,
                    GET,
                    &[
                        "restapis",
                        &i.rest_api_id,
                        "resources",
                        &i.resource_id,
                        "methods",
                        &i.http_method,
                        "integration",
                        "responses",
                        &i.status_code,
                    ],
                )
            },
            integrations::get_response,
        )
        .on(
            op::UpdateIntegrationResponse,
            |_, c, i| {
                ask(
                    c,
                    PATCH,
                    &[
                        "restapis",
                        &i.rest_api_id,
                        "resources",
                        &i.resource_id,
                        "methods",
                        &i.http_method,
                        "integration",
                        "responses",
                        &i.status_code,
                    ],
                )
            },
            integrations::update_response,
        )
        .on(
            op::DeleteIntegrationResponse,
            |_, c, i| {
                ask(
                    c,
                    DELETE,
                    &[
                        "restapis",
                        &i.rest_api_id,
                        "resources",
                        &i.resource_id,
                        "methods",
                        &i.http_method,
                        "integration",
                        "responses",
                        &i.status_code,
                    ],
                )
            },
            integrations::delete_response,
        )
        .on(
            op::TestInvokeMethod,
            |_, c, i| {
                ask(
                    c,
                    POST,
                    &[
                        "restapis",
                        &i.rest_api_id,
                        "resources",
                        &i.resource_id,
                        "methods",
                        &i.http_method,
                    ],
                )
            },
            test_invoke::method,
        );
    // Deployments, stages.
    let service = service
        .on(
            op::CreateDeployment,
            |_, c, i| ask(c, POST, &["restapis", &i.rest_api_id, "deployments"]),
            deployments::create,
        )
        .on(
            op::GetDeployment,
            |_, c, i| ask(c, GET, &["restapis", &i.rest_api_id, "deployments", &i.deployment_id]),
            deployments::get,
        )
        .on(
            op::GetDeployments,
            |_, c, i| ask(c, GET, &["restapis", &i.rest_api_id, "deployments"]),
            deployments::list,
        )
        .on(
            op::UpdateDeployment,
            |_, c, i| ask(c, PATCH, &["restapis", &i.rest_api_id, "deployments", &i.deployment_id]),
            deployments::update,
        )
        .on(
            op::DeleteDeployment,
            |_, c, i| {
                ask(
                    c,
                    DELETE,
                    &["restapis", &i.rest_api_id, "deployments", &i.deployment_id],
                )
            },
            deployments::delete,
        )
        .on(
            op::CreateStage,
            |_, c, i| ask(c, POST, &["restapis", &i.rest_api_id, "stages"]),
            stages::create,
        )
        .on(
            op::GetStage,
            |_, c, i| ask(c, GET, &["restapis", &i.rest_api_id, "stages", &i.stage_name]),
            stages::get,
        )
        .on(
            op::GetStages,
            |_, c, i| ask(c, GET, &["restapis", &i.rest_api_id, "stages"]),
            stages::list,
        )
        .on(
            op::UpdateStage,
            |_, c, i| ask(c, PATCH, &["restapis", &i.rest_api_id, "stages", &i.stage_name]),
            stages::update,
        )
        .on(
            op::DeleteStage,
            |_, c, i| ask(c, DELETE, &["restapis", &i.rest_api_id, "stages", &i.stage_name]),
            stages::delete,
        )
        .on(
            op::FlushStageCache,
            |_, c, i| {
                ask(
                    c,
                    DELETE,
                    &["restapis", &i.rest_api_id, "stages", &i.stage_name, "cache", "data"],
                )
            },
            stages::flush_cache,
        )
        .on(
            op::FlushStageAuthorizersCache,
            |_, c, i| {
                ask(
                    c,
                    DELETE,
                    &[
                        "restapis",
                        &i.rest_api_id,
                        "stages",
                        &i.stage_name,
                        "cache",
                        "authorizers",
                    ],
                )
            },
            stages::flush_authorizers,
        );
    // Models, validators, authorizers, gateway responses, documentation.
    let service = service
        .on(
            op::CreateModel,
            |_, c, i| ask(c, POST, &["restapis", &i.rest_api_id, "models"]),
            models::create,
        )
        .on(
            op::GetModel,
            |_, c, i| ask(c, GET, &["restapis", &i.rest_api_id, "models", &i.model_name]),
            models::get,
        )
        .on(
            op::GetModels,
            |_, c, i| ask(c, GET, &["restapis", &i.rest_api_id, "models"]),
            models::list,
        )
        .on(
            op::GetModelTemplate,
            |_, c, i| {
                ask(
                    c,
                    GET,
                    &["restapis", &i.rest_api_id, "models", &i.model_name, "default_template"],
                )
            },
            models::template,
        )
        .on(
            op::UpdateModel,
            |_, c, i| ask(c, PATCH, &["restapis", &i.rest_api_id, "models", &i.model_name]),
            models::update,
        )
        .on(
            op::DeleteModel,
            |_, c, i| ask(c, DELETE, &["restapis", &i.rest_api_id, "models", &i.model_name]),
            models::delete,
        )
        .on(
            op::CreateRequestValidator,
            |_, c, i| ask(c, POST, &["restapis", &i.rest_api_id, "requestvalidators"]),
            validators::create,
        )
        .on(
            op::GetRequestValidator,
            |_, c, i| {
                ask(
                    c,
                    GET,
                    &["restapis", &i.rest_api_id, "requestvalidators", &i.request_validator_id],
                )
            },
            validators::get,
        )
        .on(
            op::GetRequestValidators,
            |_, c, i| ask(c, GET, &["restapis", &i.rest_api_id, "requestvalidators"]),
            validators::list,
        )
        .on(
            op::UpdateRequestValidator,
            |_, c, i| {
                ask(
                    c,
                    PATCH,
                    &["restapis", &i.rest_api_id, "requestvalidators", &i.request_validator_id],
                )
            },
            validators::update,
        )
        .on(
            op::DeleteRequestValidator,
            |_, c, i| {
                ask(
                    c,
                    DELETE,
                    &["restapis", &i.rest_api_id, "requestvalidators", &i.request_validator_id],
                )
            },
            validators::delete,
        )
        .on(
            op::CreateAuthorizer,
            |_, c, i| ask(c, POST, &["restapis", &i.rest_api_id, "authorizers"]),
            authorizers::create,
        )
        .on(
            op::GetAuthorizer,
            |_, c, i| ask(c, GET, &["restapis", &i.rest_api_id, "authorizers", &i.authorizer_id]),
            authorizers::get,
        )
        .on(
            op::GetAuthorizers,
            |_, c, i| ask(c, GET, &["restapis", &i.rest_api_id, "authorizers"]),
            authorizers::list,
        )
        .on(
            op::UpdateAuthorizer,
            |_, c, i| ask(c, PATCH, &["restapis", &i.rest_api_id, "authorizers", &i.authorizer_id]),
            authorizers::update,
        )
        .on(
            op::DeleteAuthorizer,
            |_, c, i| {
                ask(
                    c,
                    DELETE,
                    &["restapis", &i.rest_api_id, "authorizers", &i.authorizer_id],
                )
            },
            authorizers::delete,
        )
        .on(
            op::TestInvokeAuthorizer,
            |_, c, i| ask(c, POST, &["restapis", &i.rest_api_id, "authorizers", &i.authorizer_id]),
            test_invoke::authorizer,
        )
        .on(
            op::PutGatewayResponse,
            |_, c, i| {
                ask(
                    c,
                    PUT,
                    &["restapis", &i.rest_api_id, "gatewayresponses", &i.response_type],
                )
            },
            gateway_responses::put,
        )
        .on(
            op::GetGatewayResponse,
            |_, c, i| {
                ask(
                    c,
                    GET,
                    &["restapis", &i.rest_api_id, "gatewayresponses", &i.response_type],
                )
            },
            gateway_responses::get,
        )
        .on(
            op::GetGatewayResponses,
            |_, c, i| ask(c, GET, &["restapis", &i.rest_api_id, "gatewayresponses"]),
            gateway_responses::list,
        )
        .on(
            op::UpdateGatewayResponse,
            |_, c, i| {
                ask(
                    c,
                    PATCH,
                    &["restapis", &i.rest_api_id, "gatewayresponses", &i.response_type],
                )
            },
            gateway_responses::update,
        )
        .on(
            op::DeleteGatewayResponse,
            |_, c, i| {
                ask(
                    c,
                    DELETE,
                    &["restapis", &i.rest_api_id, "gatewayresponses", &i.response_type],
                )
            },
            gateway_responses::delete,
        )
        .on(
            op::CreateDocumentationPart,
            |_, c, i| ask(c, POST, &["restapis", &i.rest_api_id, "documentation", "parts"]),
            documentation::create_part,
        )
        .on(
            op::GetDocumentationPart,
            |_, c, i| {
                ask(
                    c,
                    GET,
                    &[
                        "restapis",
                        &i.rest_api_id,
                        "documentation",
                        "parts",
                        &i.documentation_part_id,
                    ],
                )
            },
            documentation::get_part,
        )
        .on(
            op::GetDocumentationParts,
            |_, c, i| ask(c, GET, &["restapis", &i.rest_api_id, "documentation", "parts"]),
            documentation::list_parts,
        )
        .on(
            op::UpdateDocumentationPart,
            |_, c, i| {
                ask(
                    c,
                    PATCH,
                    &[
                        "restapis",
                        &i.rest_api_id,
                        "documentation",
                        "parts",
                        &i.documentation_part_id,
                    ],
                )
            },
            documentation::update_part,
        )
        .on(
            op::DeleteDocumentationPart,
            |_, c, i| {
                ask(
                    c,
                    DELETE,
                    &[
                        "restapis",
                        &i.rest_api_id,
                        "documentation",
                        "parts",
                        &i.documentation_part_id,
                    ],
                )
            },
            documentation::delete_part,
        )
        .on(
            op::CreateDocumentationVersion,
            |_, c, i| ask(c, POST, &["restapis", &i.rest_api_id, "documentation", "versions"]),
            documentation::create_version,
        )
        .on(
            op::GetDocumentationVersion,
            |_, c, i| {
                ask(
                    c,
                    GET,
                    &[
                        "restapis",
                        &i.rest_api_id,
                        "documentation",
                        "versions",
                        &i.documentation_version,
                    ],
                )
            },
            documentation::get_version,
        )
        .on(
            op::GetDocumentationVersions,
            |_, c, i| ask(c, GET, &["restapis", &i.rest_api_id, "documentation", "versions"]),
            documentation::list_versions,
        )
        .on(
            op::UpdateDocumentationVersion,
            |_, c, i| {
                ask(
                    c,
                    PATCH,
                    &[
                        "restapis",
                        &i.rest_api_id,
                        "documentation",
                        "versions",
                        &i.documentation_version,
                    ],
                )
            },
            documentation::update_version,
        )
        .on(
            op::DeleteDocumentationVersion,
            |_, c, i| {
                ask(
                    c,
                    DELETE,
                    &[
                        "restapis",
                        &i.rest_api_id,
                        "documentation",
                        "versions",
                        &i.documentation_version,
                    ],
                )
            },
            documentation::delete_version,
        );
    // API keys, usage plans.
    let service = service
        .on(op::CreateApiKey, |_, c, _| ask(c, POST, &["apikeys"]), api_keys::create)
        .on(
            op::ImportApiKeys,
            |_, c, _| ask(c, POST, &["apikeys"]),
            api_keys::import,
        )
        .on(
            op::GetApiKey,
            |_, c, i| ask(c, GET, &["apikeys", &i.api_key]),
            api_keys::get,
        )
        .on(op::GetApiKeys, |_, c, _| ask(c, GET, &["apikeys"]), api_keys::list)
        .on(
            op::UpdateApiKey,
            |_, c, i| ask(c, PATCH, &["apikeys", &i.api_key]),
            api_keys::update,
        )
        .on(
            op::DeleteApiKey,
            |_, c, i| ask(c, DELETE, &["apikeys", &i.api_key]),
            api_keys::delete,
        )
        .on(
            op::CreateUsagePlan,
            |_, c, _| ask(c, POST, &["usageplans"]),
            usage_plans::create,
        )
        .on(
            op::GetUsagePlan,
            |_, c, i| ask(c, GET, &["usageplans", &i.usage_plan_id]),
            usage_plans::get,
        )
        .on(
            op::GetUsagePlans,
            |_, c, _| ask(c, GET, &["usageplans"]),
            usage_plans::list,
        )
        .on(
            op::UpdateUsagePlan,
            |_, c, i| ask(c, PATCH, &["usageplans", &i.usage_plan_id]),
            usage_plans::update,
        )
        .on(
            op::DeleteUsagePlan,
            |_, c, i| ask(c, DELETE, &["usageplans", &i.usage_plan_id]),
            usage_plans::delete,
        )
        .on(
            op::CreateUsagePlanKey,
            |_, c, i| ask(c, POST, &["usageplans", &i.usage_plan_id, "keys"]),
            usage_plans::create_key,
        )
        .on(
            op::GetUsagePlanKey,
            |_, c, i| ask(c, GET, &["usageplans", &i.usage_plan_id, "keys", &i.key_id]),
            usage_plans::get_key,
        )
        .on(
            op::GetUsagePlanKeys,
            |_, c, i| ask(c, GET, &["usageplans", &i.usage_plan_id, "keys"]),
            usage_plans::list_keys,
        )
        .on(
            op::DeleteUsagePlanKey,
            |_, c, i| ask(c, DELETE, &["usageplans", &i.usage_plan_id, "keys", &i.key_id]),
            usage_plans::delete_key,
        )
        .on(
            op::GetUsage,
            |_, c, i| ask(c, GET, &["usageplans", &i.usage_plan_id, "usage"]),
            usage::get,
        )
        .on(
            op::UpdateUsage,
            |_, c, i| ask(c, PATCH, &["usageplans", &i.usage_plan_id, "keys", &i.key_id, "usage"]),
            usage::update,
        );
    // Domain names.
    let service = service
        .on(
            op::CreateDomainName,
            |_, c, _| ask(c, POST, &["domainnames"]),
            domains::create,
        )
        .on(
            op::GetDomainName,
            |_, c, i| ask(c, GET, &["domainnames", &i.domain_name]),
            domains::get,
        )
        .on(
            op::GetDomainNames,
            |_, c, _| ask(c, GET, &["domainnames"]),
            domains::list,
        )
        .on(
            op::UpdateDomainName,
            |_, c, i| ask(c, PATCH, &["domainnames", &i.domain_name]),
            domains::update,
        )
        .on(
            op::DeleteDomainName,
            |_, c, i| ask(c, DELETE, &["domainnames", &i.domain_name]),
            domains::delete,
        )
        .on(
            op::CreateBasePathMapping,
            |_, c, i| ask(c, POST, &["domainnames", &i.domain_name, "basepathmappings"]),
            domains::create_mapping,
        )
        .on(
            op::GetBasePathMapping,
            |_, c, i| {
                ask(
                    c,
                    GET,
                    &["domainnames", &i.domain_name, "basepathmappings", &i.base_path],
                )
            },
            domains::get_mapping,
        )
        .on(
            op::GetBasePathMappings,
            |_, c, i| ask(c, GET, &["domainnames", &i.domain_name, "basepathmappings"]),
            domains::list_mappings,
        )
        .on(
            op::UpdateBasePathMapping,
            |_, c, i| {
                ask(
                    c,
                    PATCH,
                    &["domainnames", &i.domain_name, "basepathmappings", &i.base_path],
                )
            },
            domains::update_mapping,
        )
        .on(
            op::DeleteBasePathMapping,
            |_, c, i| {
                ask(
                    c,
                    DELETE,
                    &["domainnames", &i.domain_name, "basepathmappings", &i.base_path],
                )
            },
            domains::delete_mapping,
        );
    // The account.
    let service = service
        .on(op::GetAccount, |_, c, _| ask(c, GET, &["account"]), account::get)
        .on(
            op::UpdateAccount,
            |_, c, _| ask(c, PATCH, &["account"]),
            account::update,
        );
    // Tags.
    service
        .on(op::GetTags, |_, c, i| ask_tags(c, GET, &i.resource_arn), tags::get)
        .on(op::TagResource, |_, c, i| ask_tags(c, PUT, &i.resource_arn), tags::tag)
        .on(
            op::UntagResource,
            |_, c, i| ask_tags(c, DELETE, &i.resource_arn),
            tags::untag,
        )
        .build()
}
