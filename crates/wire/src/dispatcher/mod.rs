//! From an HTTP request to an operation and back: route → authenticate → decode → validate → authorize → handler → encode.

mod budget;
mod find;
mod read;

use crate::model::Model;
use crate::protocol::{EVENT_STREAM, Encoded, encode_initial};
use crate::protocol::{
    ErrorContext, Protocol, RoutedRequest, decode_request, encode_response, event_body, format_timestamp,
};
use crate::service::{Answer, Registered};
use crate::sigv4::{Claim, Dialect, Payload, RequestView, Rules, SigV4Error, Verifier, sha256};
use crate::value::Value;
use crate::{Service, validate};
use budget::{Budget, Held};
use bytes::Bytes;
use danbi_core::{
    AccountId, Authorizer, Body, Clock, CredentialSource, Principal, Region, RequestContext, RequestId, Scope,
    ServiceError, full_body,
};
use find::{Found, Target};
use futures_util::FutureExt;
use http::header::{CONTENT_TYPE, DATE, HOST, HeaderName, USER_AGENT};
use http::request::Parts;
use http::{HeaderValue, Request, Response, StatusCode};
use std::net::IpAddr;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;

const REQUEST_ID: HeaderName = HeaderName::from_static("x-amzn-requestid");

/// The most bytes of all header names and values together.
pub const MAX_HEADER_BYTES: usize = 64 * 1024;
/// The most bytes of a `User-Agent` that a context keeps.
const MAX_USER_AGENT: usize = 1024;

/// Who is at the other end of the connection.
#[derive(Debug, Clone, Copy)]
pub struct Peer {
    /// The peer's address.
    pub ip: IpAddr,
    /// Whether the connection is TLS.
    pub secure: bool,
}

/// Who signed a request, and for which region.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Authenticated {
    /// The signer; [`Principal::Anonymous`] when the request is not signed.
    pub principal: Principal,
    /// The region of the credential scope.
    pub region: Option<Region>,
}

/// Takes AWS API requests to the operations of its services.
pub struct Dispatcher {
    services: Vec<Service>,
    verifier: Verifier,
    authorizer: Arc<dyn Authorizer>,
    clock: Arc<dyn Clock>,
    account: AccountId,
    bodies: Budget,
}

impl Dispatcher {
    /// A dispatcher over `services` for the requests of `account`.
    pub fn new(
        services: Vec<Service>,
        credentials: Arc<dyn CredentialSource>,
        authorizer: Arc<dyn Authorizer>,
        clock: Arc<dyn Clock>,
        account: AccountId,
    ) -> Self {
        Self {
            services,
            verifier: Verifier::new(credentials, clock.clone()),
            authorizer,
            clock,
            account,
            bodies: Budget::default(),
        }
    }

    /// Every built operation as (service, operation).
    pub fn operations(&self) -> impl Iterator<Item = (&'static str, &'static str)> + '_ {
        self.services
            .iter()
            .flat_map(|service| service.operations.keys().map(|name| (service.model.name(), *name)))
    }

    /// Answers one request. Every mistake of the client is a 4xx of the request's protocol; a handler that panics
    /// answers 500.
    pub async fn call(&self, request: Request<Body>, peer: Peer) -> Response<Body> {
        let request_id = RequestId::new();
        let (parts, body) = request.into_parts();
        let mut exchange = Exchange {
            dispatcher: self,
            parts: &parts,
            peer,
            request_id,
            model: None,
            protocol: find::guess_protocol(&parts),
        };
        let mut response = match exchange.run(body).await {
            Ok(response) => response,
            Err(error) => exchange.refuse(&error),
        };
        let service = exchange.model.map_or("", |model| &model.metadata.signing_name);
        tracing::debug!(%request_id, service, path = parts.uri.path(), status = response.status().as_u16(), "answered");
        let headers = response.headers_mut();
        // A UUID and a date are header text by their grammar.
        if let Ok(value) = HeaderValue::try_from(request_id.to_string()) {
            headers.insert(REQUEST_ID, value);
        }
        let now = format_timestamp(self.clock.now().as_millis(), crate::model::TimestampFormat::HttpDate);
        if let Ok(value) = HeaderValue::try_from(now) {
            headers.insert(DATE, value);
        }
        response
    }

    /// Verifies the signature alone, for requests that are no API calls (function URLs with `AWS_IAM`). `service` is
    /// the signing name. An unsigned request is [`Principal::Anonymous`], and its body comes back unread; so does no
    /// body of more than `limit` bytes come back at all, and none whose key is unknown is read.
    ///
    /// # Errors
    /// AWS's answer to a bad signature, worded as restJson services word it; `RequestEntityTooLargeException` (413);
    /// what a broken body is answered.
    pub async fn authenticate(
        &self,
        parts: &Parts,
        body: Body,
        service: &str,
        limit: usize,
    ) -> Result<(Authenticated, Body), ServiceError> {
        let worded = |error: SigV4Error| error.into_service_error(Dialect::RestJson);
        let view = RequestView::from(parts);
        let Some(claim) = Claim::parse(&view).map_err(worded)? else {
            let stranger = Authenticated {
                principal: Principal::Anonymous,
                region: None,
            };
            return Ok((stranger, body));
        };
        let rules = Rules::for_service(service);
        let payload = Payload::declared(&view, &claim, &rules).map_err(worded)?;
        let vouched = self.verifier.vouch(&view, &claim, &rules).await.map_err(worded)?;
        let mut held = self.bodies.open(vouched.claimed());
        let body = read::whole(parts, body, &mut held, limit, || find::too_large(limit, None)).await?;
        let verified = vouched.verify(payload, Some(sha256(&body))).map_err(worded)?;
        verified.check(&body).map_err(worded)?;
        let signer = Authenticated {
            principal: verified.principal,
            region: claim.scope.region.parse().ok(),
        };
        Ok((signer, full_body(body)))
    }
}

/// One request on its way.
struct Exchange<'d> {
    dispatcher: &'d Dispatcher,
    parts: &'d Parts,
    peer: Peer,
    request_id: RequestId,
    model: Option<&'static Model>,
    protocol: Protocol,
}

impl<'d> Exchange<'d> {
    async fn run(&mut self, body: Body) -> Result<Response<Body>, ServiceError> {
        self.check_headers()?;
        let view = RequestView::from(self.parts);
        let claim = Claim::parse(&view);
        let scope = claim
            .as_ref()
            .ok()
            .and_then(Option::as_ref)
            .map(|claim| claim.scope.service.as_str());
        let service = match find::service(&self.dispatcher.services, self.parts, scope) {
            Some(service) => service,
            // Without a service there is no one to verify for; a signature is asked for all the same.
            None => {
                let claim = claim.map_err(|error| self.worded(error))?;
                let claim = claim.ok_or_else(|| self.worded(SigV4Error::NotSigned))?;
                return Err(find::unknown_service(&claim.scope.service));
            }
        };
        let model = service.model.get();
        self.model = Some(model);
        self.protocol = find::protocol(model, self.parts);
        let claim = claim.map_err(|error| self.worded(error))?;
        let target = find::target(model, self.protocol, self.parts)?;
        if claim.is_none() && !target.may_be_unsigned(service) {
            return Err(self.worded(SigV4Error::NotSigned));
        }
        let limit = body_limit(service, &target);
        let too_large = || find::too_large(limit, target.name());
        let (principal, region, body, held) = match &claim {
            None => {
                let mut held = self.dispatcher.bodies.open(&Principal::Anonymous);
                let body = read::whole(self.parts, body, &mut held, limit, too_large).await?;
                (Principal::Anonymous, None, body, held)
            }
            Some(claim) => {
                let (principal, body, held) = self.authenticate(&view, claim, model, body, limit, too_large).await?;
                (principal, claim.scope.region.parse().ok(), body, held)
            }
        };
        let Found { operation, labels } = target.resolve(model, self.parts, &body)?;
        if claim.is_none() && !operation.unsigned {
            return Err(self.worded(SigV4Error::NotSigned));
        }
        let registered = service.operations.get(operation.name.as_str());
        let registered = registered.ok_or_else(|| find::not_built(service.model.name(), &operation.name))?;
        if body.len() > registered.body_limit.unwrap_or(service.body_limit) {
            return Err(find::too_large(
                registered.body_limit.unwrap_or(service.body_limit),
                Some(&operation.name),
            ));
        }
        let request = RoutedRequest {
            labels: &labels,
            query: self.parts.uri.query().unwrap_or_default(),
            headers: &self.parts.headers,
            body: &body,
        };
        let input = decode_request(model, operation, self.protocol, request);
        let input = input.map_err(|error| self.malformed(&error.0))?;
        // A handler may run for minutes, and what it needs of the body is in its input.
        drop((body, held));
        if let Some(member) = &operation.input {
            validate::validate(model, member, &input)
                .map_err(|message| ServiceError::client(service.model.code_of_validation(), 400, message))?;
        }
        let answer = self.handle(registered, self.context(principal, region), input).await?;
        Ok(self.succeed(model, operation, answer))
    }

    fn check_headers(&self) -> Result<(), ServiceError> {
        let size: usize = self
            .parts
            .headers
            .iter()
            .map(|(name, value)| name.as_str().len() + value.len())
            .sum();
        if size <= MAX_HEADER_BYTES {
            return Ok(());
        }
        let message = format!("Your request headers take {size} bytes; the limit is {MAX_HEADER_BYTES}.");
        Err(ServiceError::client("RequestHeaderSectionTooLarge", 431, message))
    }

    async fn authenticate(
        &self,
        view: &RequestView<'_>,
        claim: &Claim,
        model: &Model,
        body: Body,
        limit: usize,
        too_large: impl Fn() -> ServiceError,
    ) -> Result<(Principal, Bytes, Held), ServiceError> {
        let rules = Rules::for_service(&model.metadata.signing_name);
        let payload = Payload::declared(view, claim, &rules).map_err(|error| self.worded(error))?;
        let vouched = self.dispatcher.verifier.vouch(view, claim, &rules).await;
        let vouched = vouched.map_err(|error| self.worded(error))?;
        let mut held = self.dispatcher.bodies.open(vouched.claimed());
        if payload == Payload::Whole {
            let body = read::whole(self.parts, body, &mut held, limit, too_large).await?;
            let verified = vouched.verify(payload, Some(sha256(&body)));
            let verified = verified.map_err(|error| self.worded(error))?;
            return Ok((verified.principal, body, held));
        }
        let verified = vouched.verify(payload, None).map_err(|error| self.worded(error))?;
        let principal = verified.principal.clone();
        let body = read::whole(self.parts, verified.guard(body), &mut held, limit, too_large).await;
        Ok((principal, body?, held))
    }

    /// Runs the handler; its panic is a fault of the platform, not of the connection.
    async fn handle(
        &self,
        registered: &Registered,
        context: RequestContext,
        input: Value,
    ) -> Result<Answer, ServiceError> {
        let future = (registered.call)(context, input, self.dispatcher.authorizer.clone());
        match AssertUnwindSafe(future).catch_unwind().await {
            Ok(answer) => answer,
            Err(_) => {
                tracing::error!(request_id = %self.request_id, "a handler panicked");
                Err(internal_failure())
            }
        }
    }

    fn context(&self, principal: Principal, region: Option<Region>) -> RequestContext {
        let text = |name: HeaderName| self.parts.headers.get(name).and_then(|value| value.to_str().ok());
        let account = match &principal {
            Principal::Root(account) => account.clone(),
            Principal::Identity { arn, .. } => arn.account.parse().unwrap_or_else(|_| self.dispatcher.account.clone()),
            Principal::Service(_) | Principal::Anonymous => self.dispatcher.account.clone(),
        };
        let authority = self.parts.uri.authority().map(http::uri::Authority::as_str);
        let user_agent = text(USER_AGENT).unwrap_or_default();
        RequestContext {
            request_id: self.request_id,
            scope: Scope {
                account,
                region: region.unwrap_or_default(),
            },
            principal,
            source_ip: self.peer.ip,
            secure: self.peer.secure,
            host: text(HOST).or(authority).unwrap_or_default().to_owned(),
            // Header text is ASCII, so every cut is at a character.
            user_agent: user_agent[..user_agent.len().min(MAX_USER_AGENT)].to_owned(),
        }
    }

    fn succeed(
        &self,
        model: &'static Model,
        operation: &'static crate::model::OperationModel,
        answer: Answer,
    ) -> Response<Body> {
        let request_id = self.request_id.to_string();
        let mut encoded = encode_response(model, operation, self.protocol, &answer.output, &request_id);
        let output = operation.output.as_ref().and_then(|member| model.structure(member));
        let (Some(events), Some(output)) = (answer.events, output) else {
            return respond(encoded);
        };
        encoded
            .headers
            .insert(CONTENT_TYPE, HeaderValue::from_static(EVENT_STREAM));
        let initial = encode_initial(model, operation, self.protocol, &answer.output);
        let body = event_body(model, output, self.protocol, self.request_id, initial, events);
        let mut response = respond(Encoded {
            body: Bytes::new(),
            ..encoded
        });
        *response.body_mut() = body;
        response
    }

    fn refuse(&self, error: &ServiceError) -> Response<Body> {
        let request_id = self.request_id.to_string();
        let query_mode = self
            .parts
            .headers
            .get("x-amzn-query-mode")
            .is_some_and(|value| value == "true");
        let context = ErrorContext {
            model: self.model,
            protocol: self.protocol,
            request_id: &request_id,
            query_mode,
        };
        respond(context.encode(error))
    }

    fn worded(&self, error: SigV4Error) -> ServiceError {
        let s3 = self.model.is_some_and(|model| model.metadata.signing_name == "s3");
        error.into_service_error(match self.protocol {
            Protocol::Json10 | Protocol::Json11 | Protocol::RpcV2Cbor => Dialect::Json,
            Protocol::RestJson => Dialect::RestJson,
            Protocol::RestXml if s3 => Dialect::S3,
            Protocol::RestXml | Protocol::Query | Protocol::Ec2 => Dialect::Query,
        })
    }

    fn malformed(&self, message: &str) -> ServiceError {
        let code = match self.protocol {
            Protocol::RestXml => "MalformedXML",
            Protocol::Query | Protocol::Ec2 => "MalformedInput",
            _ => "SerializationException",
        };
        ServiceError::client(code, 400, message)
    }
}

fn body_limit(service: &Service, target: &Target<'_>) -> usize {
    let known = target.name().and_then(|name| service.operations.get(name));
    known
        .and_then(|registered| registered.body_limit)
        .unwrap_or(service.body_limit)
}

fn internal_failure() -> ServiceError {
    let message = "The request processing has failed because of an unknown error, exception or failure.";
    ServiceError::server("InternalFailure", 500, message)
}

fn respond(encoded: Encoded) -> Response<Body> {
    let mut response = Response::new(full_body(encoded.body));
    *response.status_mut() = StatusCode::from_u16(encoded.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    *response.headers_mut() = encoded.headers;
    response
}
