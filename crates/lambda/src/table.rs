use crate::lambda::Lambda;
use crate::shapes::operations::*;
use crate::{
    access, account, aliases, concurrency, event_invoke_config, event_sources, functions, invoke, layer_permissions,
    layers, permissions, provisioned, settings, streaming, tags, url_configs, versions,
};
use danbi_core::Access;
use danbi_wire::{Service, models};
use std::sync::Arc;

/// The largest request of this service, in bytes: AWS's limit for CreateFunction, a package of 50 MiB in base64.
const MAX_REQUEST_BYTES: usize = 70_167_211;

/// Every operation of the Lambda API that is built, with the permission it needs and the function that does it.
pub fn service(lambda: Arc<Lambda>) -> Service {
    Service::builder(&models::LAMBDA, lambda)
        .body_limit(MAX_REQUEST_BYTES)
        .on(
            CreateFunction,
            |_, context, input| access::new_function("lambda:CreateFunction", context, &input.function_name),
            functions::create,
        )
        .on(
            GetFunction,
            |_, context, input| {
                access::function(
                    "lambda:GetFunction",
                    context,
                    &input.function_name,
                    input.qualifier.as_deref(),
                )
            },
            functions::get,
        )
        .on(
            GetFunctionConfiguration,
            |_, context, input| {
                access::function(
                    "lambda:GetFunctionConfiguration",
                    context,
                    &input.function_name,
                    input.qualifier.as_deref(),
                )
            },
            functions::get_configuration,
        )
        .on(
            ListFunctions,
            |_, _, _| Ok(Access::any("lambda:ListFunctions")),
            functions::list,
        )
        .on(
            UpdateFunctionCode,
            |_, context, input| access::function("lambda:UpdateFunctionCode", context, &input.function_name, None),
            functions::update_code,
        )
        .on(
            UpdateFunctionConfiguration,
            |_, context, input| {
                access::function(
                    "lambda:UpdateFunctionConfiguration",
                    context,
                    &input.function_name,
                    None,
                )
            },
            functions::update_configuration,
        )
        .on(
            DeleteFunction,
            |_, context, input| {
                access::function(
                    "lambda:DeleteFunction",
                    context,
                    &input.function_name,
                    input.qualifier.as_deref(),
                )
            },
            functions::delete,
        )
        .on(
            PublishVersion,
            |_, context, input| access::function("lambda:PublishVersion", context, &input.function_name, None),
            versions::publish,
        )
        .on(
            ListVersionsByFunction,
            |_, context, input| access::function("lambda:ListVersionsByFunction", context, &input.function_name, None),
            versions::list,
        )
        .on(
            CreateAlias,
            |_, context, input| access::function("lambda:CreateAlias", context, &input.function_name, None),
            aliases::create,
        )
        .on(
            GetAlias,
            |_, context, input| access::function("lambda:GetAlias", context, &input.function_name, None),
            aliases::get,
        )
        .on(
            UpdateAlias,
            |_, context, input| access::function("lambda:UpdateAlias", context, &input.function_name, None),
            aliases::update,
        )
        .on(
            DeleteAlias,
            |_, context, input| access::function("lambda:DeleteAlias", context, &input.function_name, None),
            aliases::delete,
        )
        .on(
            ListAliases,
            |_, context, input| access::function("lambda:ListAliases", context, &input.function_name, None),
            aliases::list,
        )
        .on(
            AddPermission,
            |_, context, input| {
                access::function(
                    "lambda:AddPermission",
                    context,
                    &input.function_name,
                    input.qualifier.as_deref(),
                )
            },
            permissions::add,
        )
        .on(
            GetPolicy,
            |_, context, input| {
                access::function(
                    "lambda:GetPolicy",
                    context,
                    &input.function_name,
                    input.qualifier.as_deref(),
                )
            },
            permissions::get,
        )
        .on(
            RemovePermission,
            |_, context, input| {
                access::function(
                    "lambda:RemovePermission",
                    context,
                    &input.function_name,
                    input.qualifier.as_deref(),
                )
            },
            permissions::remove,
        )
        .on(
            CreateFunctionUrlConfig,
            |_, context, input| {
                access::url(
                    "lambda:CreateFunctionUrlConfig",
                    context,
                    &input.function_name,
                    input.qualifier.as_deref(),
                )
            },
            url_configs::create,
        )
        .on(
            GetFunctionUrlConfig,
            |_, context, input| {
                access::url(
                    "lambda:GetFunctionUrlConfig",
                    context,
                    &input.function_name,
                    input.qualifier.as_deref(),
                )
            },
            url_configs::get,
        )
        .on(
            UpdateFunctionUrlConfig,
            |_, context, input| {
                access::url(
                    "lambda:UpdateFunctionUrlConfig",
                    context,
                    &input.function_name,
                    input.qualifier.as_deref(),
                )
            },
            url_configs::update,
        )
        .on(
            DeleteFunctionUrlConfig,
            |_, context, input| {
                access::url(
                    "lambda:DeleteFunctionUrlConfig",
                    context,
                    &input.function_name,
                    input.qualifier.as_deref(),
                )
            },
            url_configs::delete,
        )
        .on(
            ListFunctionUrlConfigs,
            |_, context, input| access::function("lambda:ListFunctionUrlConfigs", context, &input.function_name, None),
            url_configs::list,
        )
        .on(
            PublishLayerVersion,
            |_, context, input| access::layer("lambda:PublishLayerVersion", context, &input.layer_name),
            layers::publish,
        )
        .on(
            GetLayerVersion,
            |_, context, input| {
                access::layer_version(
                    "lambda:GetLayerVersion",
                    context,
                    &input.layer_name,
                    input.version_number,
                )
            },
            layers::get,
        )
        .on(
            GetLayerVersionByArn,
            |_, _, input| access::layer_version_arn("lambda:GetLayerVersion", &input.arn),
            layers::get_by_arn,
        )
        .on(ListLayers, |_, _, _| Ok(Access::any("lambda:ListLayers")), layers::list)
        .on(
            ListLayerVersions,
            |_, context, input| access::layer("lambda:ListLayerVersions", context, &input.layer_name),
            layers::list_versions,
        )
        .on(
            DeleteLayerVersion,
            |_, context, input| {
                access::layer_version(
                    "lambda:DeleteLayerVersion",
                    context,
                    &input.layer_name,
                    input.version_number,
                )
            },
            layers::delete,
        )
        .on(
            AddLayerVersionPermission,
            |_, context, input| {
                access::layer_version(
                    "lambda:AddLayerVersionPermission",
                    context,
                    &input.layer_name,
                    input.version_number,
                )
            },
            layer_permissions::add,
        )
        .on(
            GetLayerVersionPolicy,
            |_, context, input| {
                access::layer_version(
                    "lambda:GetLayerVersionPolicy",
                    context,
                    &input.layer_name,
                    input.version_number,
                )
            },
            layer_permissions::get,
        )
        .on(
            RemoveLayerVersionPermission,
            |_, context, input| {
                access::layer_version(
                    "lambda:RemoveLayerVersionPermission",
                    context,
                    &input.layer_name,
                    input.version_number,
                )
            },
            layer_permissions::remove,
        )
        .on(
            TagResource,
            |_, _, input| access::resource("lambda:TagResource", &input.resource),
            tags::tag,
        )
        .on(
            UntagResource,
            |_, _, input| access::resource("lambda:UntagResource", &input.resource),
            tags::untag,
        )
        .on(
            ListTags,
            |_, _, input| access::resource("lambda:ListTags", &input.resource),
            tags::list,
        )
        .on(
            PutFunctionConcurrency,
            |_, context, input| access::function("lambda:PutFunctionConcurrency", context, &input.function_name, None),
            concurrency::put_reserved,
        )
        .on(
            GetFunctionConcurrency,
            |_, context, input| access::function("lambda:GetFunctionConcurrency", context, &input.function_name, None),
            concurrency::get_reserved,
        )
        .on(
            DeleteFunctionConcurrency,
            |_, context, input| {
                access::function("lambda:DeleteFunctionConcurrency", context, &input.function_name, None)
            },
            concurrency::delete_reserved,
        )
        .on(
            PutProvisionedConcurrencyConfig,
            |_, context, input| {
                access::function(
                    "lambda:PutProvisionedConcurrencyConfig",
                    context,
                    &input.function_name,
                    Some(&input.qualifier),
                )
            },
            provisioned::put_config,
        )
        .on(
            GetProvisionedConcurrencyConfig,
            |_, context, input| {
                access::function(
                    "lambda:GetProvisionedConcurrencyConfig",
                    context,
                    &input.function_name,
                    Some(&input.qualifier),
                )
            },
            provisioned::get_config,
        )
        .on(
            ListProvisionedConcurrencyConfigs,
            |_, context, input| {
                access::function(
                    "lambda:ListProvisionedConcurrencyConfigs",
                    context,
                    &input.function_name,
                    None,
                )
            },
            provisioned::list_configs,
        )
        .on(
            DeleteProvisionedConcurrencyConfig,
            |_, context, input| {
                access::function(
                    "lambda:DeleteProvisionedConcurrencyConfig",
                    context,
                    &input.function_name,
                    Some(&input.qualifier),
                )
            },
            provisioned::delete_config,
        )
        .on(
            PutFunctionEventInvokeConfig,
            |_, context, input| {
                access::function(
                    "lambda:PutFunctionEventInvokeConfig",
                    context,
                    &input.function_name,
                    input.qualifier.as_deref(),
                )
            },
            event_invoke_config::put_config,
        )
        .on(
            UpdateFunctionEventInvokeConfig,
            |_, context, input| {
                access::function(
                    "lambda:UpdateFunctionEventInvokeConfig",
                    context,
                    &input.function_name,
                    input.qualifier.as_deref(),
                )
            },
            event_invoke_config::update,
        )
        .on(
            GetFunctionEventInvokeConfig,
            |_, context, input| {
                access::function(
                    "lambda:GetFunctionEventInvokeConfig",
                    context,
                    &input.function_name,
                    input.qualifier.as_deref(),
                )
            },
            event_invoke_config::get,
        )
        .on(
            DeleteFunctionEventInvokeConfig,
            |_, context, input| {
                access::function(
                    "lambda:DeleteFunctionEventInvokeConfig",
                    context,
                    &input.function_name,
                    input.qualifier.as_deref(),
                )
            },
            event_invoke_config::delete,
        )
        .on(
            ListFunctionEventInvokeConfigs,
            |_, context, input| {
                access::function(
                    "lambda:ListFunctionEventInvokeConfigs",
                    context,
                    &input.function_name,
                    None,
                )
            },
            event_invoke_config::list,
        )
        .on(
            GetFunctionCodeSigningConfig,
            |_, context, input| {
                access::function(
                    "lambda:GetFunctionCodeSigningConfig",
                    context,
                    &input.function_name,
                    None,
                )
            },
            settings::code_signing,
        )
        .on(
            GetRuntimeManagementConfig,
            |_, context, input| {
                access::function(
                    "lambda:GetRuntimeManagementConfig",
                    context,
                    &input.function_name,
                    input.qualifier.as_deref(),
                )
            },
            settings::runtime_management,
        )
        .on(
            PutRuntimeManagementConfig,
            |_, context, input| {
                access::function(
                    "lambda:PutRuntimeManagementConfig",
                    context,
                    &input.function_name,
                    input.qualifier.as_deref(),
                )
            },
            settings::put_runtime_management,
        )
        .on(
            GetAccountSettings,
            |_, _, _| Ok(Access::any("lambda:GetAccountSettings")),
            account::settings,
        )
        .on(
            Invoke,
            |_, context, input| {
                access::function(
                    "lambda:InvokeFunction",
                    context,
                    &input.function_name,
                    input.qualifier.as_deref(),
                )
            },
            invoke::invoke,
        )
        .on_stream(
            InvokeWithResponseStream,
            |_, context, input| {
                access::function(
                    "lambda:InvokeFunction",
                    context,
                    &input.function_name,
                    input.qualifier.as_deref(),
                )
            },
            streaming::invoke,
        )
        .on(
            CreateEventSourceMapping,
            |_, _, _| Ok(Access::any("lambda:CreateEventSourceMapping")),
            event_sources::operations::create,
        )
        .on(
            GetEventSourceMapping,
            |_, context, input| Ok(access::mapping("lambda:GetEventSourceMapping", context, &input.uuid)),
            event_sources::operations::get,
        )
        .on(
            ListEventSourceMappings,
            |_, _, _| Ok(Access::any("lambda:ListEventSourceMappings")),
            event_sources::operations::list,
        )
        .on(
            UpdateEventSourceMapping,
            |_, context, input| Ok(access::mapping("lambda:UpdateEventSourceMapping", context, &input.uuid)),
            event_sources::operations::update,
        )
        .on(
            DeleteEventSourceMapping,
            |_, context, input| Ok(access::mapping("lambda:DeleteEventSourceMapping", context, &input.uuid)),
            event_sources::operations::delete,
        )
        .build()
}
