use crate::family::Family;
use crate::keys::Kind;
use crate::patch::{Holds, REPLACE, Words, rule};
use crate::shapes::*;
use crate::{ApiGateway, Error, ids};
use danbi_core::RequestContext;
use danbi_wire::Empty;
use std::sync::Arc;

const MAX_VALIDATORS: usize = 100;

const FAMILY: Family = Family {
    kind: Kind::Validator,
    unknown: |_| Error::missing("Invalid Request Validator identifier specified"),
    hides_api: true,
    rules: &[
        rule("/name", Holds::Text, REPLACE),
        rule("/validateRequestParameters", Holds::Bool, REPLACE),
        rule("/validateRequestBody", Holds::Bool, REPLACE),
    ],
    words: Words::Listing,
};

fn check(validator: &RequestValidator) -> Result<(), Error> {
    if validator.name.as_deref().is_none_or(|name| name.trim().is_empty()) {
        return Err(Error::bad("Request Validator name cannot be blank"));
    }
    Ok(())
}

/// CreateRequestValidator.
pub(crate) async fn create(
    gateway: Arc<ApiGateway>,
    context: RequestContext,
    input: CreateRequestValidatorRequest,
) -> Result<RequestValidator, Error> {
    let id = ids::id()?;
    let validator = RequestValidator {
        id: Some(id.clone()),
        name: input.name,
        validate_request_body: Some(input.validate_request_body.unwrap_or(false)),
        validate_request_parameters: Some(input.validate_request_parameters.unwrap_or(false)),
    };
    let place = (&context.scope, input.rest_api_id.as_str(), id.as_str());
    let made = FAMILY
        .create(&gateway, place, MAX_VALIDATORS, &validator, |_| Ok(()))
        .await;
    made.map_err(|error| match error {
        Error::NotFound(_) => Error::bad("Invalid REST API identifier specified"),
        other => other,
    })?;
    Ok(validator)
}

/// GetRequestValidator.
pub(crate) async fn get(
    gateway: Arc<ApiGateway>,
    context: RequestContext,
    input: GetRequestValidatorRequest,
) -> Result<RequestValidator, Error> {
    FAMILY
        .get(&gateway, &context, &input.rest_api_id, &input.request_validator_id)
        .await
}

/// GetRequestValidators.
pub(crate) async fn list(
    gateway: Arc<ApiGateway>,
    context: RequestContext,
    input: GetRequestValidatorsRequest,
) -> Result<RequestValidators, Error> {
    let position = input.position.as_deref();
    let (items, position) = FAMILY
        .list(&gateway, &context, &input.rest_api_id, position, input.limit)
        .await?;
    Ok(RequestValidators {
        position,
        items: Some(items),
    })
}

/// DeleteRequestValidator.
pub(crate) async fn delete(
    gateway: Arc<ApiGateway>,
    context: RequestContext,
    input: DeleteRequestValidatorRequest,
) -> Result<Empty, Error> {
    FAMILY
        .delete(&gateway, &context, &input.rest_api_id, &input.request_validator_id)
        .await
}

/// UpdateRequestValidator.
pub(crate) async fn update(
    gateway: Arc<ApiGateway>,
    context: RequestContext,
    input: UpdateRequestValidatorRequest,
) -> Result<RequestValidator, Error> {
    let place = (input.rest_api_id.as_str(), input.request_validator_id.as_str());
    FAMILY
        .update(&gateway, &context, place, input.patch_operations.as_deref(), check)
        .await
}
