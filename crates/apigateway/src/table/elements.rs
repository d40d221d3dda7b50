//! Models, validators, authorizers, gateway responses and documentation.

use crate::access::{DELETE, GET, PATCH, POST, PUT, ask};
use crate::shapes::operations as op;
use crate::{ApiGateway, authorizers, documentation, gateway_responses, models, test_invoke, validators};
use danbi_wire::ServiceBuilder;

pub(super) fn add(service: ServiceBuilder<ApiGateway>) -> ServiceBuilder<ApiGateway> {
    service
        // Models, validators, authorizers, gateway responses, documentation.
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
        )
}
