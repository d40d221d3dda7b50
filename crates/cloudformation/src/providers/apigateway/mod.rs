//! AWS::ApiGateway

mod account;
mod api_key;
mod authorizer;
mod base_path_mapping;
mod deployment;
mod domain_name;
mod gateway_response;
mod method;
mod model;
mod patch;
mod request_validator;
mod resource;
mod rest_api;
mod stage;
mod usage_plan;
mod usage_plan_key;

use super::Provider;

pub(super) const ALL: &[&dyn Provider] = &[
    &rest_api::RestApi,
    &resource::Resource,
    &method::Method,
    &deployment::Deployment,
    &stage::Stage,
    &model::Model,
    &request_validator::RequestValidator,
    &authorizer::Authorizer,
    &api_key::ApiKey,
    &usage_plan::UsagePlan,
    &usage_plan_key::UsagePlanKey,
    &gateway_response::GatewayResponse,
    &domain_name::DomainName,
    &base_path_mapping::BasePathMapping,
    &account::Account,
];
