//! What a client is answered instead of its answer: the gateway responses, as the API sets them or by default.

use super::call::Call;
use super::compiled::Compiled;
use super::mapping;
use crate::gateway_responses::{DEFAULT_TEMPLATE, by_default};
use crate::vtl::{Scene, Template};
use danbi_core::{Body, full_body};
use http::{HeaderName, HeaderValue, Response, StatusCode};
use serde_json::Value;
use std::collections::BTreeMap;

/// A request that is refused or has failed.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Failure {
    /// The type of gateway response.
    pub kind: &'static str,
    pub status: u16,
    /// `x-amzn-ErrorType`.
    pub error_type: &'static str,
    /// What the client reads; `None` is a null.
    pub message: Option<String>,
    /// What was wrong with a body or its parameters.
    pub validation: Option<String>,
    /// For the logs alone.
    pub cause: Option<String>,
}

impl Failure {
    const fn new(kind: &'static str, status: u16, error_type: &'static str) -> Self {
        Self {
            kind,
            status,
            error_type,
            message: None,
            validation: None,
            cause: None,
        }
    }

    fn saying(self, message: impl Into<String>) -> Self {
        Self {
            message: Some(message.into()),
            ..self
        }
    }

    /// Adds what the logs tell of it.
    pub(crate) fn because(self, cause: impl Into<String>) -> Self {
        Self {
            cause: Some(cause.into()),
            ..self
        }
    }

    pub(crate) fn forbidden() -> Self {
        Self::new("ACCESS_DENIED", 403, "ForbiddenException").saying("Forbidden")
    }

    pub(crate) fn missing_token() -> Self {
        Self::new(
            "MISSING_AUTHENTICATION_TOKEN",
            403,
            "MissingAuthenticationTokenException",
        )
        .saying("Missing Authentication Token")
    }

    pub(crate) fn access_denied(message: impl Into<String>) -> Self {
        Self::new("ACCESS_DENIED", 403, "AccessDeniedException").saying(message)
    }

    pub(crate) fn unauthorized() -> Self {
        Self::new("UNAUTHORIZED", 401, "UnauthorizedException").saying("Unauthorized")
    }

    pub(crate) fn expired_token() -> Self {
        Self::new("UNAUTHORIZED", 401, "UnauthorizedException").saying("The incoming token has expired")
    }

    pub(crate) fn invalid_signature(message: impl Into<String>) -> Self {
        Self::new("INVALID_SIGNATURE", 403, "InvalidSignatureException").saying(message)
    }

    pub(crate) fn authorizer_failure(cause: impl Into<String>) -> Self {
        Self::new("AUTHORIZER_FAILURE", 500, "AuthorizerConfigurationException").because(cause)
    }

    pub(crate) fn authorizer_configuration(cause: impl Into<String>) -> Self {
        Self::new(
            "AUTHORIZER_CONFIGURATION_ERROR",
            500,
            "AuthorizerConfigurationException",
        )
        .because(cause)
    }

    pub(crate) fn invalid_api_key() -> Self {
        Self::new("INVALID_API_KEY", 403, "ForbiddenException").saying("Forbidden")
    }

    pub(crate) fn throttled() -> Self {
        Self::new("THROTTLED", 429, "TooManyRequestsException").saying("Too Many Requests")
    }

    pub(crate) fn quota_exceeded() -> Self {
        Self::new("QUOTA_EXCEEDED", 429, "LimitExceededException").saying("Limit Exceeded")
    }

    pub(crate) fn too_large() -> Self {
        Self::new("REQUEST_TOO_LARGE", 413, "RequestTooLargeException").saying("Request Too Long")
    }

    pub(crate) fn bad_parameters(message: impl Into<String>) -> Self {
        Self::new("BAD_REQUEST_PARAMETERS", 400, "BadRequestException").saying(message)
    }

    pub(crate) fn bad_body(why: impl Into<String>) -> Self {
        Self {
            validation: Some(why.into()),
            ..Self::new("BAD_REQUEST_BODY", 400, "BadRequestException").saying("Invalid request body")
        }
    }

    pub(crate) fn unsupported_media() -> Self {
        Self::new("UNSUPPORTED_MEDIA_TYPE", 415, "UnsupportedMediaTypeException").saying("Unsupported Media Type")
    }

    /// 500: the API is set up wrongly.
    pub(crate) fn configuration(cause: impl Into<String>) -> Self {
        Self::new("API_CONFIGURATION_ERROR", 500, "InternalServerErrorException")
            .saying("Internal server error")
            .because(cause)
    }

    /// 502: the integration answered what cannot be passed on.
    pub(crate) fn malformed(cause: impl Into<String>) -> Self {
        Self {
            status: 502,
            ..Self::configuration(cause)
        }
    }

    /// 504: the integration could not be reached.
    pub(crate) fn unreachable(cause: impl Into<String>) -> Self {
        Self::new("INTEGRATION_FAILURE", 504, "InternalServerErrorException")
            .saying("Internal server error")
            .because(cause)
    }

    pub(crate) fn timeout() -> Self {
        Self::new("INTEGRATION_TIMEOUT", 504, "InternalServerErrorException")
            .saying("Endpoint request timed out")
            .because("Execution failed due to a timeout error")
    }

    /// The response where no API's own ones apply.
    pub(crate) fn bare(&self) -> Response<Body> {
        let body = serde_json::json!({ (self.member()): self.message });
        let mut response = Response::new(full_body(body.to_string()));
        *response.status_mut() = StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let headers = response.headers_mut();
        headers.insert(http::header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        headers.insert(
            HeaderName::from_static("x-amzn-errortype"),
            HeaderValue::from_static(self.error_type),
        );
        response
    }

    /// AWS writes what policies refuse with a capital letter.
    fn member(&self) -> &'static str {
        if self.error_type == "AccessDeniedException" {
            "Message"
        } else {
            "message"
        }
    }

    /// The response that the API has for it.
    pub(crate) fn response(&self, compiled: &Compiled, call: &Call) -> Response<Body> {
        let by_status = if self.status < 500 {
            "DEFAULT_4XX"
        } else {
            "DEFAULT_5XX"
        };
        let set = compiled
            .gateway_responses
            .get(self.kind)
            .or_else(|| compiled.gateway_responses.get(by_status));
        let Some(set) = set else {
            return self.bare();
        };
        let default = by_default(self.kind);
        let status = set.status_code.as_deref().and_then(|status| status.parse().ok());
        let none = BTreeMap::new();
        let templates = set
            .response_templates
            .as_ref()
            .or(default.response_templates.as_ref())
            .unwrap_or(&none);
        let accept = call.header("accept").unwrap_or_default();
        let wanted = accept.split([',', ';']).next().unwrap_or_default().trim();
        let chosen = templates
            .get_key_value(wanted)
            .or_else(|| templates.get_key_value("application/json"))
            .or_else(|| templates.iter().next());
        let (kind, template) = chosen.map_or(("application/json", DEFAULT_TEMPLATE), |(kind, text)| {
            (kind.as_str(), text.as_str())
        });
        let mut context = call.context();
        let message = Value::from(self.message.clone());
        context["error"] = serde_json::json!({
            "message": self.message,
            "messageString": message.to_string(),
            "responseType": self.kind,
            "validationErrorString": self.validation,
        });
        let scene = Scene {
            body: "",
            params: Some(&call.params()),
            context: &context,
            stage_variables: compiled.stage.variables.as_ref(),
        };
        let text = Template::parse(template).and_then(|template| template.render(&scene));
        let text = text.map(|rendered| rendered.text).unwrap_or_default();
        let mut response = Response::new(full_body(text));
        *response.status_mut() =
            StatusCode::from_u16(status.unwrap_or(self.status)).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let headers = response.headers_mut();
        if let Ok(kind) = HeaderValue::try_from(kind) {
            headers.insert(http::header::CONTENT_TYPE, kind);
        }
        headers.insert(
            HeaderName::from_static("x-amzn-errortype"),
            HeaderValue::from_static(self.error_type),
        );
        for (target, source) in set.response_parameters.iter().flatten() {
            let name = target
                .strip_prefix("gatewayresponse.header.")
                .and_then(|name| HeaderName::try_from(name).ok());
            let value = mapping::source(source, call, &context, compiled.stage.variables.as_ref());
            if let (Some(name), Some(value)) = (name, value.and_then(|value| HeaderValue::try_from(value).ok())) {
                headers.insert(name, value);
            }
        }
        response
    }
}
