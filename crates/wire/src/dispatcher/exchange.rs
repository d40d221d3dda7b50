//! One request on its way: route → authenticate → decode → validate → authorize → handler → encode.

use super::budget::Held;
use super::decoding::{Coding, UnknownCoding};
use super::find::{self, Found, Target};
use super::signed::Signed;
use super::{Dispatcher, MAX_HEADER_BYTES, Peer, compressing, incoming, read, streamed};
use crate::handler::{Answer, Call, Incoming};
use crate::model::{Model, OperationModel, TimestampFormat};
use crate::protocol::{
    EVENT_STREAM, Encoded, ErrorContext, Protocol, RoutedRequest, decode_request, encode_initial, encode_response,
    event_body, format_timestamp,
};
use crate::sigv4::{Dialect, Payload, RequestView, Rules, SigV4Error, sha256};
use crate::{Service, s3, sqs};
use bytes::Bytes;
use danbi_core::{Body, Principal, Region, RequestContext, RequestId, Scope, ServiceError, empty_body, full_body};
use futures_util::FutureExt;
use http::header::{CONTENT_LENGTH, CONTENT_TYPE, DATE, HOST, HeaderName, SERVER, USER_AGENT};
use http::request::Parts;
use http::{HeaderValue, Method, Response, StatusCode};
use std::panic::AssertUnwindSafe;

const REQUEST_ID: HeaderName = HeaderName::from_static("x-amzn-requestid");
const CRC32: HeaderName = HeaderName::from_static("x-amz-crc32");
/// The most bytes of a `User-Agent` that a context keeps.
const MAX_USER_AGENT: usize = 1024;
/// The most bytes of DynamoDB's headers, and of its request line.
const MAX_DYNAMODB_HEAD: usize = 16 * 1024;

pub(super) struct Exchange<'d> {
    pub(super) dispatcher: &'d Dispatcher,
    pub(super) parts: &'d Parts,
    peer: Peer,
    request_id: RequestId,
    pub(super) service: Option<&'d Service>,
    pub(super) model: Option<&'static Model>,
    protocol: Protocol,
}

/// A body whose sender is known.
enum Source {
    /// Read whole, and proven. Its memory is accounted for until it is dropped.
    Whole(Bytes, Held),
    /// Still to be read.
    Streaming(Body),
}

impl<'d> Exchange<'d> {
    pub(super) fn new(dispatcher: &'d Dispatcher, parts: &'d Parts, peer: Peer) -> Self {
        Self {
            dispatcher,
            parts,
            peer,
            request_id: RequestId::new(),
            service: None,
            model: None,
            protocol: find::guess_protocol(parts),
        }
    }

    pub(super) async fn run(&mut self, body: Body) -> Result<Response<Body>, ServiceError> {
        self.check_headers()?;
        let view = RequestView::from(self.parts);
        let claim = Signed::parse(&view);
        let service = match find::service(&self.dispatcher.services, self.parts, claim.scope()) {
            Some(service) => service,
            // Without a service there is no one to verify for; a signature is asked for all the same.
            None => {
                return Err(match claim.by_nobody() {
                    true => self.worded(SigV4Error::NotSigned),
                    false => claim.check(|error| self.worded(error)).map_or_else(
                        |error| error,
                        |claim| find::unknown_service(claim.scope().unwrap_or_default()),
                    ),
                });
            }
        };
        let model = service.model.get();
        self.service = Some(service);
        self.model = Some(model);
        self.protocol = find::protocol(model, self.parts);
        self.check_head_of_dynamodb()?;
        let body = match self.answer_browser(service, body).await? {
            Ok(response) => return Ok(response),
            Err(body) => body,
        };
        let claim = claim.check(|error| self.worded(error))?;
        let (target, host_region) = find::target(service, model, self.protocol, self.parts)?;
        if claim.by_nobody() && !service.anonymous && !target.may_be_unsigned(service) {
            return Err(self.worded(SigV4Error::NotSigned));
        }
        let (principal, source) = self.authenticate(&view, &claim, service, &target, body).await?;
        let region = claim.region().or(host_region);
        let (whole, held, body) = match source {
            Source::Whole(whole, mut held) => {
                let whole = self.decode_content(service, &target, whole, &mut held).await?;
                (whole, Some(held), None)
            }
            Source::Streaming(body) => (Bytes::new(), None, Some(body)),
        };
        let Found { operation, labels } = target.resolve(model, self.parts, &whole)?;
        if claim.by_nobody() && !service.anonymous && !operation.unsigned {
            return Err(self.worded(SigV4Error::NotSigned));
        }
        let registered = service.operations.get(operation.name.as_str());
        let registered = registered.ok_or_else(|| find::not_built(service, &operation.name))?;
        let limit = registered.body_limit.unwrap_or(service.body_limit);
        if whole.len() > limit {
            return Err(self.too_large(limit, Some(&operation.name), None));
        }
        let context = self.context(principal, region, &claim);
        let call = match &registered.call {
            Call::Json(call) => {
                let answer = self
                    .handle(call(context, whole, self.dispatcher.authorizer.clone()))
                    .await?;
                return Ok(self.succeed_with_json(operation, answer).await);
            }
            Call::Modelled(call) => call,
        };
        let headers = incoming::headers(model, &self.parts.headers);
        let request = RoutedRequest {
            labels: &labels,
            query: self.parts.uri.query().unwrap_or_default(),
            headers: &headers,
            body: &whole,
        };
        let input = decode_request(model, operation, self.protocol, request);
        let mut input = input.map_err(|error| incoming::malformed(model, self.protocol, error))?;
        sqs::address(model, operation, self.protocol, self.parts.uri.path(), &mut input)?;
        if s3::is_s3(model) {
            if body.is_none() {
                incoming::check_md5(self.parts, &whole)?;
            }
            incoming::check_document(model, operation, &input, &whole)?;
        } else if let Some(member) = &operation.input {
            service.validate(&operation.name, member, &input)?;
        }
        // A handler may run for minutes, and what it needs of a whole body is in its input.
        drop((whole, held));
        let incoming = Incoming { input, body };
        let answer = self
            .handle(call(context, incoming, self.dispatcher.authorizer.clone()))
            .await?;
        Ok(self.succeed(model, operation, answer).await)
    }

    fn check_headers(&self) -> Result<(), ServiceError> {
        let size = self.header_bytes();
        if size <= MAX_HEADER_BYTES {
            return Ok(());
        }
        let message = format!("Your request headers take {size} bytes; the limit is {MAX_HEADER_BYTES}.");
        Err(ServiceError::client("RequestHeaderSectionTooLarge", 431, message))
    }

    /// DynamoDB takes less than the platform does, as much of the request line as of all headers.
    fn check_head_of_dynamodb(&self) -> Result<(), ServiceError> {
        let line = self.parts.uri.path_and_query().map_or(0, |path| path.as_str().len());
        if !self.of_dynamodb() || (line <= MAX_DYNAMODB_HEAD && self.header_bytes() <= MAX_DYNAMODB_HEAD) {
            return Ok(());
        }
        let message = format!("The request line and the headers may have {MAX_DYNAMODB_HEAD} bytes each.");
        Err(ServiceError::client("BadRequest", 400, message))
    }

    fn header_bytes(&self) -> usize {
        let headers = self.parts.headers.iter();
        headers.map(|(name, value)| name.as_str().len() + value.len()).sum()
    }

    /// Who sends the request, and its body: proven and whole, or guarded and still to be read.
    async fn authenticate(
        &self,
        view: &RequestView<'_>,
        claim: &Signed,
        service: &Service,
        target: &Target<'_>,
        body: Body,
    ) -> Result<(Principal, Source), ServiceError> {
        let model = service.model.get();
        let streams = target.streams(service);
        let limit = target.body_limit(service);
        let name = target.name();
        let too_large = || self.too_large(limit, name, None);
        // Of these two the body is no part of what was signed.
        let unbound = match claim {
            Signed::V4(_) => None,
            Signed::V2(claim) => Some(self.dispatcher.verifier.verify_v2(view, claim).await?),
            Signed::No | Signed::Wrongly(_) | Signed::WronglyV2(_) => Some(Principal::Anonymous),
        };
        if let Some(principal) = unbound {
            if streams {
                let body = self.bound(body, Payload::Unsigned, limit, name)?;
                return Ok((principal, Source::Streaming(body)));
            }
            let mut held = self.dispatcher.bodies.open(&principal);
            let body = read::whole(self.parts, body, &mut held, limit, too_large).await?;
            return Ok((principal, Source::Whole(body, held)));
        }
        let Signed::V4(claim) = claim else {
            // Not reached: every other claim has been dealt with.
            return Err(self.worded(SigV4Error::NotSigned));
        };
        let rules = Rules::for_service(&model.metadata.signing_name);
        let payload = Payload::declared(view, claim, &rules).map_err(|error| self.worded(error))?;
        let vouched = self.dispatcher.verifier.vouch(view, claim, &rules).await;
        let vouched = vouched.map_err(|error| self.worded(error))?;
        let mut held = self.dispatcher.bodies.open(vouched.claimed());
        if payload == Payload::Whole {
            let body = read::whole(self.parts, body, &mut held, limit, too_large).await?;
            let verified = vouched.verify(payload, Some(sha256(&body)));
            let verified = verified.map_err(|error| self.worded(error))?;
            let source = match streams {
                true => Source::Streaming(full_body(body)),
                false => Source::Whole(body, held),
            };
            return Ok((verified.principal, source));
        }
        let verified = vouched.verify(payload, None).map_err(|error| self.worded(error))?;
        let principal = verified.principal.clone();
        if streams {
            let body = self.bound(verified.guard(body), payload, limit, name)?;
            return Ok((principal, Source::Streaming(body)));
        }
        let body = read::whole(self.parts, verified.guard(body), &mut held, limit, too_large).await;
        Ok((principal, Source::Whole(body?, held)))
    }

    /// What a verified body says once it is decompressed, where its `Content-Encoding` is not the content's own.
    async fn decode_content(
        &self,
        service: &Service,
        target: &Target<'_>,
        body: Bytes,
        held: &mut Held,
    ) -> Result<Bytes, ServiceError> {
        if s3::is_s3(service.model.get()) || target.takes_bytes(service) {
            return Ok(body);
        }
        let coding = Coding::of(&self.parts.headers).map_err(|UnknownCoding| {
            let message = "The Content-Encoding of the request is not supported.";
            self.undecodable(415, "UnsupportedMediaTypeException", message)
        })?;
        let limit = target.body_limit(service);
        let too_large = || self.too_large(limit, target.name(), None);
        let corrupt = || {
            let message = "The request body is not what its Content-Encoding says.";
            self.undecodable(400, "SerializationException", message)
        };
        coding.decode(body, held, limit, too_large, corrupt).await
    }

    /// DynamoDB answers a body that it cannot decompress as if the fault were its own.
    fn undecodable(&self, status: u16, code: &'static str, message: &'static str) -> ServiceError {
        match self.of_dynamodb() {
            true => ServiceError::server("InternalServerError", 500, message),
            false => ServiceError::client(code, status, message),
        }
    }

    /// The body of a request that streams, once its declared length is known to be within bounds.
    fn bound(&self, body: Body, payload: Payload, limit: usize, name: Option<&str>) -> Result<Body, ServiceError> {
        let declared = incoming::declared_length(self.parts, payload)?;
        if let Some(declared) = declared.filter(|declared| *declared > limit as u64) {
            return Err(self.too_large(limit, name, Some(declared)));
        }
        Ok(streamed::bounded(
            body,
            limit as u64,
            self.too_large(limit, name, declared),
        ))
    }

    fn too_large(&self, limit: usize, operation: Option<&str>, proposed: Option<u64>) -> ServiceError {
        match self.model.filter(|model| s3::is_s3(model)) {
            Some(model) => find::too_large_for_s3(model, limit, operation, proposed),
            None => find::too_large(limit, operation),
        }
    }

    /// Runs a handler; its panic is a fault of the platform, not of the connection.
    pub(super) async fn handle<A>(
        &self,
        future: impl Future<Output = Result<A, ServiceError>>,
    ) -> Result<A, ServiceError> {
        let answer = guarded(self.request_id, future).await;
        answer.unwrap_or_else(|_| Err(self.internal_failure()))
    }

    /// The context of a request that is judged by what stands in it.
    pub(super) fn context_of_nobody(&self, region: Option<String>) -> RequestContext {
        let region = region.and_then(|region| region.parse().ok());
        self.context(Principal::Anonymous, region, &Signed::No)
    }

    fn context(&self, principal: Principal, region: Option<Region>, claim: &Signed) -> RequestContext {
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
            facts: incoming::facts(self.parts, claim, self.peer.client.clone(), self.dispatcher.clock.now()),
        }
    }

    async fn succeed(
        &self,
        model: &'static Model,
        operation: &'static OperationModel,
        answer: Answer,
    ) -> Response<Body> {
        let request_id = self.request_id.to_string();
        let mut encoded = encode_response(model, operation, self.protocol, &answer.output, &request_id);
        if let Some(status) = answer.parts.status {
            encoded.status = status;
        }
        for (name, value) in answer.parts.headers {
            // A header that is given twice comes without its name the second time; none is here.
            if let Some(name) = name {
                encoded.headers.insert(name, value);
            }
        }
        let output = operation.output.as_ref().and_then(|member| model.structure(member));
        if let (Some(events), Some(output)) = (answer.events, output) {
            encoded
                .headers
                .insert(CONTENT_TYPE, HeaderValue::from_static(EVENT_STREAM));
            let initial = encode_initial(model, operation, self.protocol, &answer.output);
            let body = event_body(model, output, self.protocol, self.request_id, initial, events);
            return with_body(encoded, body);
        }
        match answer.body {
            Some(_) if matches!(encoded.status, 204 | 304) => {
                encoded.headers.remove(CONTENT_LENGTH);
                with_body(encoded, empty_body())
            }
            Some(body) => with_body(encoded, body),
            None => self.respond(encoded).await,
        }
    }

    async fn succeed_with_json(&self, operation: &OperationModel, body: Bytes) -> Response<Body> {
        // An operation without output answers nothing, not even an empty object.
        let body = if operation.output.is_some() { body } else { Bytes::new() };
        let mut encoded = Encoded {
            status: operation.status,
            headers: http::HeaderMap::new(),
            body,
        };
        let content_type = self.protocol.content_type();
        encoded
            .headers
            .insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
        self.respond(encoded).await
    }

    pub(super) fn of_dynamodb(&self) -> bool {
        self.model
            .is_some_and(|model| model.metadata.signing_name == "dynamodb")
    }

    async fn respond(&self, mut encoded: Encoded) -> Response<Body> {
        let mut body = std::mem::take(&mut encoded.body);
        if self.of_dynamodb() {
            body = compressing::compress(&self.parts.headers, &mut encoded.headers, body).await;
            // Of the bytes as sent: clients check it before they decompress.
            let checksum = crc32fast::hash(&body);
            encoded.headers.insert(CRC32, HeaderValue::from(checksum));
        }
        with_body(encoded, full_body(body))
    }

    pub(super) async fn refuse(&self, error: &ServiceError) -> Response<Body> {
        let of_s3 = self.model.is_some_and(s3::is_s3);
        let request_id = match of_s3 {
            true => s3::request_id(self.request_id),
            false => self.request_id.to_string(),
        };
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
        let mut encoded = context.encode(error);
        if matches!(encoded.status, 204 | 304) {
            encoded.body = Bytes::new();
            encoded.headers.remove(CONTENT_TYPE);
        }
        self.respond(encoded).await
    }

    /// The last touches: what every answer bears, and that an answer to HEAD has no body.
    pub(super) fn sign_off(&self, response: &mut Response<Body>) {
        let service = self.model.map_or("", |model| &model.metadata.signing_name);
        let (request_id, path) = (self.request_id, self.parts.uri.path());
        tracing::debug!(%request_id, service, path, status = response.status().as_u16(), "answered");
        if self.parts.method == Method::HEAD {
            *response.body_mut() = empty_body();
        }
        let headers = response.headers_mut();
        let mut put = |name: HeaderName, value: String| {
            // Ids and dates are header text by their grammar.
            if let Ok(value) = HeaderValue::try_from(value) {
                headers.insert(name, value);
            }
        };
        if self.model.is_some_and(s3::is_s3) {
            let id = s3::request_id(request_id);
            put(s3::HOST_ID, s3::host_id(&id));
            put(s3::REQUEST_ID, id);
            put(SERVER, s3::SERVER.into());
        } else {
            put(REQUEST_ID, request_id.to_string());
            if self.of_dynamodb() {
                put(SERVER, "Server".into());
            }
        }
        let now = self.dispatcher.clock.now().as_millis();
        put(DATE, format_timestamp(now, TimestampFormat::HttpDate));
    }

    fn worded(&self, error: SigV4Error) -> ServiceError {
        let of_s3 = self.model.is_some_and(s3::is_s3);
        error.into_service_error(match self.protocol {
            Protocol::Json10 | Protocol::Json11 | Protocol::RpcV2Cbor => Dialect::Json,
            Protocol::RestJson => Dialect::RestJson,
            Protocol::RestXml if of_s3 => Dialect::S3,
            Protocol::RestXml | Protocol::Query | Protocol::Ec2 => Dialect::Query,
        })
    }

    fn internal_failure(&self) -> ServiceError {
        if self.model.is_some_and(s3::is_s3) {
            let message = "We encountered an internal error. Please try again.";
            return ServiceError::server("InternalError", 500, message);
        }
        let message = "The request processing has failed because of an unknown error, exception or failure.";
        ServiceError::server("InternalFailure", 500, message)
    }
}

/// A handler panicked.
pub(super) struct Panicked;

/// Runs a handler, whose panic is kept from the caller's task and told to the platform's log.
pub(super) async fn guarded<A>(request_id: RequestId, handler: impl Future<Output = A>) -> Result<A, Panicked> {
    AssertUnwindSafe(handler).catch_unwind().await.map_err(|_| {
        tracing::error!(%request_id, "a handler panicked");
        Panicked
    })
}

pub(super) fn with_body(encoded: Encoded, body: Body) -> Response<Body> {
    let mut response = Response::new(body);
    *response.status_mut() = StatusCode::from_u16(encoded.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    *response.headers_mut() = encoded.headers;
    response
}
