use crate::family::Family;
use crate::integrations::function_of;
use crate::keys::Kind;
use crate::patch::{ANY, Holds, REPLACE, Words, rule};
use crate::shapes::*;
use crate::{ApiGateway, Error, ids};
use danbi_core::{Arn, RequestContext};
use danbi_wire::Empty;
use std::sync::Arc;

/// Authorizers of an API; AWS's quota.
const MAX_AUTHORIZERS: usize = 10;
/// Seconds for which an authorizer's answer may be kept.
const MAX_TTL: i32 = 3600;

const FAMILY: Family = Family {
    kind: Kind::Authorizer,
    unknown: |_| Error::missing("Invalid Authorizer identifier specified"),
    hides_api: true,
    rules: &[
        rule("/name", Holds::Text, REPLACE),
        rule("/type", Holds::Text, REPLACE),
        rule("/authType", Holds::Text, REPLACE),
        rule("/authorizerUri", Holds::Text, REPLACE),
        rule("/authorizerCredentials", Holds::Text, REPLACE),
        rule("/identitySource", Holds::Text, REPLACE),
        rule("/identityValidationExpression", Holds::Text, REPLACE),
        rule("/authorizerResultTtlInSeconds", Holds::Int, REPLACE),
        rule("/providerARNs/*", Holds::Set, ANY).member("/providerARNs"),
        rule("/providerARNs", Holds::Set, ANY),
    ],
    words: Words::Listing,
};

/// What must hold of every authorizer.
pub(crate) fn check(authorizer: &Authorizer) -> Result<(), Error> {
    let ttl = authorizer.authorizer_result_ttl_in_seconds.unwrap_or(300);
    if !(0..=MAX_TTL).contains(&ttl) {
        return Err(Error::bad("Authorizer result TTL must be between 0 and 3600 seconds"));
    }
    let pattern = authorizer.identity_validation_expression.as_deref().unwrap_or_default();
    if crate::plane::selection(pattern).is_none() {
        return Err(Error::bad("Invalid identity validation expression specified"));
    }
    let source = authorizer.identity_source.as_deref().unwrap_or_default();
    match authorizer.r#type.as_deref() {
        Some("COGNITO_USER_POOLS") => {
            let arns = authorizer.provider_arns.as_deref().unwrap_or_default();
            if arns.is_empty() || arns.iter().any(|arn| arn.parse::<Arn>().is_err()) {
                return Err(Error::bad("Invalid Authorizer Provider ARN specified"));
            }
            Ok(())
        }
        Some(kind @ ("TOKEN" | "REQUEST")) => {
            let uri = authorizer.authorizer_uri.as_deref().unwrap_or_default();
            if function_of(uri).is_none() {
                return Err(Error::bad(
                    "Invalid Authorizer URI: it must be the invocation ARN of a Lambda function",
                ));
            }
            let is_header = |part: &str| part.starts_with("method.request.header.");
            let known = |part: &str| {
                is_header(part)
                    || ["method.request.querystring.", "stageVariables.", "context."]
                        .iter()
                        .any(|known| part.starts_with(known))
            };
            let fits = match kind {
                "TOKEN" => is_header(source),
                _ if source.is_empty() => ttl == 0,
                _ => source.split(',').all(|part| known(part.trim())),
            };
            if !fits {
                return Err(Error::bad("Invalid identity source specified"));
            }
            Ok(())
        }
        _ => Err(Error::bad("Invalid authorizer type specified")),
    }
}

/// An authorizer with what AWS adds to it.
pub(crate) fn with_defaults(given: Authorizer) -> Authorizer {
    let source = match given.r#type.as_deref() {
        Some("TOKEN" | "COGNITO_USER_POOLS") => Some("method.request.header.Authorization".to_owned()),
        _ => None,
    };
    let auth_type = if given.r#type.as_deref() == Some("COGNITO_USER_POOLS") {
        "cognito_user_pools"
    } else {
        "custom"
    };
    Authorizer {
        auth_type: Some(given.auth_type.unwrap_or_else(|| auth_type.into())),
        identity_source: given.identity_source.filter(|text| !text.is_empty()).or(source),
        ..given
    }
}

/// CreateAuthorizer.
pub(crate) async fn create(
    gateway: Arc<ApiGateway>,
    context: RequestContext,
    input: CreateAuthorizerRequest,
) -> Result<Authorizer, Error> {
    let id = ids::id()?;
    let authorizer = with_defaults(Authorizer {
        id: Some(id.clone()),
        name: Some(input.name),
        r#type: Some(input.r#type),
        provider_arns: input.provider_arns,
        auth_type: input.auth_type,
        authorizer_uri: input.authorizer_uri,
        authorizer_credentials: input.authorizer_credentials,
        identity_source: input.identity_source,
        identity_validation_expression: input.identity_validation_expression,
        authorizer_result_ttl_in_seconds: input.authorizer_result_ttl_in_seconds,
    });
    check(&authorizer)?;
    let place = (&context.scope, input.rest_api_id.as_str(), id.as_str());
    let made = FAMILY
        .create(&gateway, place, MAX_AUTHORIZERS, &authorizer, |all| {
            if all.iter().any(|other: &Authorizer| other.name == authorizer.name) {
                return Err(Error::bad("Authorizer name must be unique"));
            }
            Ok(())
        })
        .await;
    // AWS's own words for an API that is not there.
    made.map_err(|error| match error {
        Error::NotFound(_) => Error::Conflict(
            "Unable to complete operation due to concurrent modification. Please try again later.".into(),
        ),
        other => other,
    })?;
    Ok(authorizer)
}

/// GetAuthorizer.
pub(crate) async fn get(
    gateway: Arc<ApiGateway>,
    context: RequestContext,
    input: GetAuthorizerRequest,
) -> Result<Authorizer, Error> {
    FAMILY
        .get(&gateway, &context, &input.rest_api_id, &input.authorizer_id)
        .await
}

/// GetAuthorizers.
pub(crate) async fn list(
    gateway: Arc<ApiGateway>,
    context: RequestContext,
    input: GetAuthorizersRequest,
) -> Result<Authorizers, Error> {
    let position = input.position.as_deref();
    let (items, position) = FAMILY
        .list(&gateway, &context, &input.rest_api_id, position, input.limit)
        .await?;
    Ok(Authorizers {
        position,
        items: Some(items),
    })
}

/// DeleteAuthorizer.
pub(crate) async fn delete(
    gateway: Arc<ApiGateway>,
    context: RequestContext,
    input: DeleteAuthorizerRequest,
) -> Result<Empty, Error> {
    FAMILY
        .delete(&gateway, &context, &input.rest_api_id, &input.authorizer_id)
        .await
}

/// UpdateAuthorizer.
pub(crate) async fn update(
    gateway: Arc<ApiGateway>,
    context: RequestContext,
    input: UpdateAuthorizerRequest,
) -> Result<Authorizer, Error> {
    let place = (input.rest_api_id.as_str(), input.authorizer_id.as_str());
    FAMILY
        .update(&gateway, &context, place, input.patch_operations.as_deref(), check)
        .await
}
