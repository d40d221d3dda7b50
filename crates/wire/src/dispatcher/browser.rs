//! What only browsers ask: preflights, answers across origins, and posted forms.

use super::exchange::{Exchange, with_body};
use super::streamed;
use crate::protocol::Encoded;
use crate::{CrossOriginRequest, FormRequest, FormSigner, Service, s3};
use danbi_core::{Body, ServiceError, full_body};
use http::header::{
    ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_ALLOW_ORIGIN,
    ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE, ACCESS_CONTROL_REQUEST_HEADERS,
    ACCESS_CONTROL_REQUEST_METHOD, CONTENT_TYPE, HOST, ORIGIN,
};
use http::uri::Authority;
use http::{HeaderMap, HeaderValue, Method, Response};

/// What DynamoDB lets scripts of other origins read.
const DYNAMODB_EXPOSES: &str = "x-amzn-RequestId,x-amzn-ErrorType,x-amzn-ErrorMessage,Date";

impl Exchange<'_> {
    /// Answers a preflight or a form; gives the body back when the request is neither.
    pub(super) async fn answer_browser(
        &self,
        service: &Service,
        body: Body,
    ) -> Result<Result<Response<Body>, Body>, ServiceError> {
        let parts = self.parts;
        if self.of_dynamodb() {
            return Ok(self.answer_browser_of_dynamodb().ok_or(body));
        }
        if !s3::is_s3(service.model.get()) {
            return Ok(Err(body));
        }
        if parts.method == Method::OPTIONS
            && let Some(rules) = &service.cross_origin
        {
            let address = s3::Address::of(parts)?;
            let headers = rules.preflight(self.across_origins(&address)).await?;
            return Ok(Ok(answer(200, headers)));
        }
        let Some(form) = service.form.as_ref().filter(|_| self.posts()) else {
            return Ok(Err(body));
        };
        let address = s3::Address::of(parts)?;
        let (Some(bucket), None) = (address.bucket, address.key) else {
            return Ok(Err(body));
        };
        if !self.bears_form() {
            let message = "At least one of the pre-conditions you specified did not hold";
            let condition = "Bucket POST must be of the enclosure-type multipart/form-data";
            let error = ServiceError::client("PreconditionFailed", 412, message);
            return Err(error.with("Condition", condition));
        }
        let message = "Your proposed upload exceeds the maximum allowed size";
        let too_large = ServiceError::client("EntityTooLarge", 400, message);
        let request = FormRequest {
            bucket,
            headers: parts.headers.clone(),
            body: streamed::bounded(body, form.limit, too_large),
            signer: FormSigner(self.dispatcher.verifier.clone()),
        };
        let context = self.context_of_nobody(address.region);
        let (document, answered) = self.handle((form.handler)(context, request)).await?;
        let mut response = answer(answered.status.unwrap_or(204), answered.headers);
        if !document.is_empty() {
            let kind = HeaderValue::from_static("application/xml");
            response.headers_mut().entry(CONTENT_TYPE).or_insert(kind);
            *response.body_mut() = full_body(document);
        }
        Ok(Ok(response))
    }

    /// DynamoDB lets every origin ask, and tells who visits its endpoint that it is there.
    fn answer_browser_of_dynamodb(&self) -> Option<Response<Body>> {
        let parts = self.parts;
        if parts.method == Method::OPTIONS {
            let mut headers = HeaderMap::new();
            if parts.headers.contains_key(ORIGIN) {
                headers.insert(ACCESS_CONTROL_MAX_AGE, HeaderValue::from_static("172800"));
                let asked = [
                    (ACCESS_CONTROL_REQUEST_METHOD, ACCESS_CONTROL_ALLOW_METHODS),
                    (ACCESS_CONTROL_REQUEST_HEADERS, ACCESS_CONTROL_ALLOW_HEADERS),
                ];
                for (asked, allowed) in asked {
                    if let Some(value) = parts.headers.get(asked) {
                        headers.insert(allowed, value.clone());
                    }
                }
            }
            return Some(answer(200, headers));
        }
        let visited = parts.method == Method::GET && !parts.headers.contains_key("x-amz-target");
        if !visited {
            return None;
        }
        let (status, text) = match parts.uri.path() {
            "/" | "/ping" => {
                let host = parts.headers.get(HOST).and_then(|host| host.to_str().ok());
                let authority = parts.uri.authority().map(Authority::as_str);
                (200, format!("healthy: {} ", host.or(authority).unwrap_or_default()))
            }
            _ => (404, "<UnknownOperationException/>\n".to_owned()),
        };
        let mut response = answer(status, HeaderMap::new());
        *response.body_mut() = full_body(text);
        Some(response)
    }

    /// Whether something is posted that no subresource takes.
    fn posts(&self) -> bool {
        let query = self.parts.uri.query().unwrap_or_default();
        self.parts.method == Method::POST && !s3::has_subresource(self.model, query)
    }

    fn bears_form(&self) -> bool {
        let kind = self
            .parts
            .headers
            .get(CONTENT_TYPE)
            .and_then(|value| value.to_str().ok());
        kind.is_some_and(|kind| {
            let kind = kind.split(';').next().unwrap_or_default();
            kind.trim().eq_ignore_ascii_case("multipart/form-data")
        })
    }

    /// Adds what a browser wants to see on an answer to a request across origins.
    pub(super) async fn answer_across_origins(&self, response: &mut Response<Body>) {
        let parts = self.parts;
        if self.of_dynamodb() && parts.headers.contains_key(ORIGIN) {
            let headers = response.headers_mut();
            headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
            headers.insert(
                ACCESS_CONTROL_EXPOSE_HEADERS,
                HeaderValue::from_static(DYNAMODB_EXPOSES),
            );
            return;
        }
        let Some(rules) = self.service.and_then(|service| service.cross_origin.as_ref()) else {
            return;
        };
        if parts.method == Method::OPTIONS || !parts.headers.contains_key(ORIGIN) {
            return;
        }
        let Ok(address) = s3::Address::of(parts) else { return };
        response
            .headers_mut()
            .extend(rules.headers(self.across_origins(&address)).await);
    }

    fn across_origins<'r>(&'r self, address: &'r s3::Address) -> CrossOriginRequest<'r> {
        CrossOriginRequest {
            bucket: address.bucket.as_deref().unwrap_or_default(),
            key: address.key.as_deref(),
            method: &self.parts.method,
            headers: &self.parts.headers,
        }
    }
}

fn answer(status: u16, headers: HeaderMap) -> Response<Body> {
    let encoded = Encoded {
        status,
        headers,
        body: bytes::Bytes::new(),
    };
    with_body(encoded, danbi_core::empty_body())
}
