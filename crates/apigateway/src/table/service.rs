//! Deployments, stages, API keys, usage plans, domain names, tags and the account's settings.

use crate::access::{DELETE, GET, PATCH, POST, PUT, ask, ask_tags};
use crate::shapes::operations as op;
use crate::{ApiGateway, account, api_keys, deployments, domains, stages, tags, usage, usage_plans};
use danbi_wire::ServiceBuilder;

pub(super) fn add(service: ServiceBuilder<ApiGateway>) -> ServiceBuilder<ApiGateway> {
    service
        // Deployments, stages.
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
        )
        // API keys, usage plans.
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
        )
        // Domain names.
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
        )
        // The account.
        .on(op::GetAccount, |_, c, _| ask(c, GET, &["account"]), account::get)
        .on(
            op::UpdateAccount,
            |_, c, _| ask(c, PATCH, &["account"]),
            account::update,
        )
        // Tags.
        .on(op::GetTags, |_, c, i| ask_tags(c, GET, &i.resource_arn), tags::get)
        .on(op::TagResource, |_, c, i| ask_tags(c, PUT, &i.resource_arn), tags::tag)
        .on(
            op::UntagResource,
            |_, c, i| ask_tags(c, DELETE, &i.resource_arn),
            tags::untag,
        )
}
