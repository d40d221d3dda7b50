//! Requests to function URLs and to apps: who may, what runs, and how its answer becomes HTTP.

use crate::invoke::Admitted;
use crate::lambda::Lambda;
use crate::names::{FunctionRef, Qualifier};
use crate::payload::MAX_SYNCHRONOUS;
use crate::records::{Read, Version};
use crate::static_site::StaticSite;
use crate::url_configs::{LATEST, Url, UrlOwner};
use crate::{Error, cors, http_event, keys, prepare};
use bytes::Bytes;
use danbi_core::{
    Access, Arn, Body, BodyError, Principal, ReadBodyError, RequestContext, RequestId, ServiceError, full_body,
    read_body,
};
use danbi_runtime::{Invocation, StreamEnd};
use danbi_store::Direction;
use danbi_store::key::KeyReader;
use http::request::Parts;
use http::{HeaderName, HeaderValue, Request, Response, StatusCode, header};
use http_body::{Frame, SizeHint};
use http_body_util::BodyExt;
use std::future::Future as _;
use std::net::IpAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::time::timeout;

/// The variable that makes a function a static site: a folder of its code.
const STATIC_DIR: &str = "DANBI_STATIC_DIR";
/// How long a client may take to send the body of a request that is handed over whole.
const BODY_TIMEOUT: Duration = Duration::from_secs(60);
/// The alias that an app's requests go to.
const APP_ALIAS: &str = "live";
const FORBIDDEN: &str = r#"{"Message":"Forbidden. For troubleshooting Function URL authorization issues, see: https://docs.aws.amazon.com/lambda/latest/dg/urls-auth.html"}"#;

/// Answers requests to function URLs and apps; what the gateway calls.
#[derive(Clone, Debug)]
pub struct FunctionUrls {
    lambda: Arc<Lambda>,
}

/// A function URL that was found.
#[derive(Debug, Clone)]
pub struct UrlEndpoint {
    reference: FunctionRef,
    url: Url,
}

impl UrlEndpoint {
    /// Whether callers have to sign (`AWS_IAM`): then the gateway verifies the signature for service `lambda` and hands
    /// over the principal; otherwise everyone is [`Principal::Anonymous`].
    pub fn requires_signature(&self) -> bool {
        self.url.auth_type == "AWS_IAM"
    }

    /// The function, qualified with the alias when the URL is an alias's.
    pub fn function_arn(&self) -> Arn {
        self.reference.arn()
    }

    /// Whose it is and where: the scope that signatures are verified for.
    pub fn scope(&self) -> &danbi_core::Scope {
        &self.reference.id.scope
    }
}

/// Who makes a request to a function URL.
#[derive(Debug, Clone)]
pub struct UrlCaller {
    /// Verified by the gateway; [`Principal::Anonymous`] without a signature.
    pub principal: Principal,
    /// The peer's address.
    pub source_ip: IpAddr,
    /// Whether the request came over TLS.
    pub secure: bool,
    /// The `Host` that was addressed, with its port if it has one.
    pub host: String,
}

impl UrlCaller {
    /// The port that was addressed; that of the scheme when the host names none.
    fn port(&self) -> u16 {
        let (_, port) = danbi_core::host::split(&self.host);
        port.unwrap_or(if self.secure { 443 } else { 80 })
    }
}

impl FunctionUrls {
    /// The doors to `lambda`'s functions.
    pub fn new(lambda: Arc<Lambda>) -> Self {
        Self { lambda }
    }

    /// The function URL with this id (`{url-id}.lambda-url.{region}.…`).
    pub async fn by_url_id(&self, url_id: &str) -> Result<Option<UrlEndpoint>, ServiceError> {
        Ok(self.find_url(url_id).await?)
    }

    /// The app with this name: the function that has the tag `danbi:app` with it, at its alias `live`, by that alias's
    /// URL configuration.
    pub async fn by_app(&self, app: &str) -> Result<Option<UrlEndpoint>, ServiceError> {
        let found = self.find_app(app).await?;
        if found.is_some() || !app.bytes().any(|byte| byte.is_ascii_uppercase()) {
            return Ok(found);
        }
        // Host names have no case.
        Ok(self.find_app(&app.to_ascii_lowercase()).await?)
    }

    async fn find_url(&self, url_id: &str) -> Result<Option<UrlEndpoint>, Error> {
        let view = self.lambda.snapshot().await?;
        let Some(owner) = view
            .record::<UrlOwner>(&keys::url_id(&url_id.to_ascii_lowercase()))
            .await?
        else {
            return Ok(None);
        };
        let Some(reference) = owner.arn.parse().ok().and_then(|arn: Arn| FunctionRef::from_arn(&arn)) else {
            return Ok(None);
        };
        let qualifier = reference
            .qualifier
            .as_ref()
            .map_or_else(|| LATEST.into(), ToString::to_string);
        let url: Option<Url> = view.record(&keys::url(&reference.id, &qualifier)).await?;
        Ok(url.map(|url| UrlEndpoint { reference, url }))
    }

    async fn find_app(&self, app: &str) -> Result<Option<UrlEndpoint>, Error> {
        let view = self.lambda.snapshot().await?;
        let prefix = keys::apps(app);
        let page = view.scan(keys::below(&prefix), Direction::Forward, 100).await?;
        let mut tagged = Vec::new();
        for (key, _) in &page.entries {
            let mut reader = KeyReader::after_prefix(key, &prefix).map_err(Error::internal)?;
            tagged.extend(prepare::read_id(&mut reader));
        }
        // Whoever may tag any function must not be able to take over another one's name.
        tagged.sort_by_key(|id| id.name.as_str() != app);
        for id in tagged {
            if let Some(url) = view.record::<Url>(&keys::url(&id, APP_ALIAS)).await? {
                let reference = FunctionRef {
                    id,
                    qualifier: Some(Qualifier::Alias(APP_ALIAS.into())),
                };
                return Ok(Some(UrlEndpoint { reference, url }));
            }
        }
        Ok(None)
    }

    /// What AWS answers at a URL that is nobody's.
    pub fn unknown() -> Response<Body> {
        denied(r#"{"Message":null}"#)
    }

    /// What AWS answers to who may not.
    pub fn forbidden() -> Response<Body> {
        denied(FORBIDDEN)
    }

    /// Answers one request: the preflight, the refusal, or what the function says.
    pub async fn serve(&self, endpoint: &UrlEndpoint, request: Request<Body>, caller: UrlCaller) -> Response<Body> {
        let request_id = RequestId::new();
        let (parts, body) = request.into_parts();
        if let Some(cors) = &endpoint.url.cors
            && let Some(response) = cors::preflight(cors, &parts)
        {
            return finish(response, request_id);
        }
        if self.authorize(endpoint, &caller, request_id).await.is_err() {
            return finish(Self::forbidden(), request_id);
        }
        let origin_headers = parts.headers.clone();
        let mut response = match self
            .answer(endpoint, Request::from_parts(parts, body), &caller, request_id)
            .await
        {
            Ok(response) => response,
            Err(error) => refusal(error),
        };
        if let Some(cors) = &endpoint.url.cors {
            cors::apply(cors, &origin_headers, response.headers_mut());
        }
        finish(response, request_id)
    }

    async fn authorize(
        &self,
        endpoint: &UrlEndpoint,
        caller: &UrlCaller,
        request_id: RequestId,
    ) -> Result<(), ServiceError> {
        let principal = if endpoint.requires_signature() {
            caller.principal.clone()
        } else {
            Principal::Anonymous
        };
        let context = RequestContext {
            request_id,
            scope: endpoint.reference.id.scope.clone(),
            principal,
            source_ip: caller.source_ip,
            secure: caller.secure,
            host: caller.host.clone(),
            user_agent: String::new(),
            facts: Default::default(),
        };
        let access = Access::new("lambda:InvokeFunctionUrl", endpoint.function_arn())
            .with("lambda:FunctionUrlAuthType", endpoint.url.auth_type.clone());
        self.lambda.authorizer.authorize(&context, &access).await
    }

    async fn answer(
        &self,
        endpoint: &UrlEndpoint,
        request: Request<Body>,
        caller: &UrlCaller,
        request_id: RequestId,
    ) -> Result<Response<Body>, Error> {
        let lambda = &self.lambda;
        let (parts, body) = request.into_parts();
        let chosen = lambda.choose(&endpoint.reference).await?;
        if let Some(response) = self.static_file(&chosen.version, &parts).await? {
            return Ok(response);
        }
        let admitted = lambda.admit_chosen(&endpoint.reference, chosen).await?;
        if admitted.spec.http_command().is_some() {
            return self.proxy(Request::from_parts(parts, body), caller, admitted).await;
        }
        let body = read_whole(body).await?;
        let (domain, _) = danbi_core::host::split(&caller.host);
        let origin = http_event::Origin {
            request_id,
            url_id: &endpoint.url.id,
            domain,
            principal: if endpoint.requires_signature() {
                &caller.principal
            } else {
                &Principal::Anonymous
            },
            source_ip: caller.source_ip,
            secure: caller.secure,
            port: caller.port(),
            now: lambda.clock.now(),
        };
        let event = http_event::event(&parts, &body, &origin);
        let trace_id = event["headers"]["x-amzn-trace-id"].as_str().map(Into::into);
        let invocation = Invocation {
            request_id: request_id.to_string(),
            payload: serde_json::to_vec(&event).map_err(Error::internal)?.into(),
            trace_id,
            invoked_arn: endpoint.function_arn().to_string(),
            ..Invocation::default()
        };
        if endpoint.url.invoke_mode.as_deref() == Some("RESPONSE_STREAM") {
            return self.stream(invocation, admitted).await;
        }
        let outcome = lambda.executor.invoke(admitted.spec.clone(), invocation).await?;
        if outcome.function_error.is_some() {
            return Ok(bad_gateway());
        }
        Ok(http_event::response(&outcome.payload).unwrap_or_else(bad_gateway))
    }

    /// Serves a file when the function is a static site.
    async fn static_file(&self, version: &Version, request: &Parts) -> Result<Option<Response<Body>>, Error> {
        let configuration = &version.configuration;
        let Some(folder) = configuration
            .environment
            .as_ref()
            .and_then(|variables| variables.get(STATIC_DIR))
        else {
            return Ok(None);
        };
        let code = self.lambda.code.folder(&configuration.code).await?;
        let site = StaticSite::open(&code, folder, &configuration.code.digest).await;
        let site =
            site.ok_or_else(|| Error::InvalidParameter(format!("{STATIC_DIR}={folder} is no folder of the code.")))?;
        Ok(Some(site.serve(request).await))
    }

    /// Hands the request to an HTTP-server app; the leave to run lasts as long as the answer's body.
    async fn proxy(
        &self,
        mut request: Request<Body>,
        caller: &UrlCaller,
        admitted: Admitted,
    ) -> Result<Response<Body>, Error> {
        let scheme = if caller.secure { "https" } else { "http" };
        let headers = request.headers_mut();
        for forgeable in ["forwarded", "x-forwarded-prefix", "x-forwarded-server", "x-real-ip"] {
            headers.remove(forgeable);
        }
        let port = caller.port();
        for (name, value) in [
            ("x-forwarded-for", caller.source_ip.to_string()),
            ("x-forwarded-proto", scheme.into()),
            ("x-forwarded-host", caller.host.clone()),
            ("x-forwarded-port", port.to_string()),
        ] {
            if let Ok(value) = HeaderValue::from_str(&value) {
                headers.insert(HeaderName::from_static(name), value);
            }
        }
        let spec = admitted.spec.clone();
        match self.lambda.executor.http(spec, request).await {
            Ok(response) => Ok(response.map(|body| {
                Held {
                    body,
                    _admitted: admitted,
                }
                .boxed_unsync()
            })),
            Err(danbi_runtime::RuntimeError::App(reason)) => {
                tracing::warn!(function = %admitted.spec.function_arn, %reason, "an app did not answer");
                Ok(bad_gateway())
            }
            Err(error) => Err(error.into()),
        }
    }

    async fn stream(&self, invocation: Invocation, admitted: Admitted) -> Result<Response<Body>, Error> {
        let streaming = self
            .lambda
            .executor
            .invoke_streaming(admitted.spec.clone(), invocation)
            .await?;
        if streaming.failed {
            return Ok(bad_gateway());
        }
        let mut head = match &streaming.prelude {
            Some(prelude) => match http_event::prelude(prelude) {
                Some(head) => head,
                None => return Ok(bad_gateway()),
            },
            None => {
                let mut head = Response::new(danbi_core::empty_body());
                if let Ok(kind) = HeaderValue::from_str(&streaming.content_type) {
                    head.headers_mut().insert(header::CONTENT_TYPE, kind);
                }
                head
            }
        };
        let rest = Streamed {
            body: streaming.body,
            end: Some(streaming.end),
            _admitted: admitted,
        };
        *head.body_mut() = rest.boxed_unsync();
        Ok(head)
    }
}

/// A body that keeps its invocation's leave to run.
struct Held {
    body: Body,
    _admitted: Admitted,
}

impl http_body::Body for Held {
    type Data = Bytes;
    type Error = BodyError;
    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        Pin::new(&mut self.body).poll_frame(cx)
    }
    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }
    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// A streamed answer: breaks off, rather than ending as if it were whole, when the function fails on the way.
struct Streamed {
    body: Body,
    end: Option<tokio::sync::oneshot::Receiver<StreamEnd>>,
    _admitted: Admitted,
}

impl http_body::Body for Streamed {
    type Data = Bytes;
    type Error = BodyError;
    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        match Pin::new(&mut self.body).poll_frame(cx) {
            Poll::Ready(None) => {}
            other => return other,
        }
        let Some(end) = &mut self.end else {
            return Poll::Ready(None);
        };
        let end = std::task::ready!(Pin::new(end).poll(cx));
        self.end = None;
        match end {
            Ok(StreamEnd { error_code: None, .. }) => Poll::Ready(None),
            _ => Poll::Ready(Some(Err("the function failed in the middle of its answer".into()))),
        }
    }
}

async fn read_whole(body: Body) -> Result<Bytes, Error> {
    match timeout(BODY_TIMEOUT, read_body(body, MAX_SYNCHRONOUS)).await {
        Ok(Ok(whole)) => Ok(whole),
        Ok(Err(ReadBodyError::TooLarge(limit))) => Err(Error::TooLarge(format!(
            "Request must be smaller than {limit} bytes for the InvokeFunction operation"
        ))),
        Ok(Err(ReadBodyError::Broken(_))) => Err(Error::InvalidParameter("The request's body broke off.".into())),
        Err(_) => Err(Error::Other(ServiceError::client(
            "RequestTimeoutException",
            408,
            "The request's body did not arrive in time.",
        ))),
    }
}

fn finish(mut response: Response<Body>, request_id: RequestId) -> Response<Body> {
    if let Ok(value) = HeaderValue::from_str(&request_id.to_string()) {
        response
            .headers_mut()
            .insert(HeaderName::from_static("x-amzn-requestid"), value);
    }
    response
}

fn denied(body: &'static str) -> Response<Body> {
    json(
        StatusCode::FORBIDDEN,
        "AccessDeniedException",
        Bytes::from_static(body.as_bytes()),
    )
}

/// What AWS answers for a function that failed.
fn bad_gateway() -> Response<Body> {
    let mut response = Response::new(full_body("Internal Server Error"));
    *response.status_mut() = StatusCode::BAD_GATEWAY;
    response
        .headers_mut()
        .insert(header::CONTENT_TYPE, HeaderValue::from_static("text/plain"));
    response
}

/// The platform's own refusals, as JSON.
fn refusal(error: Error) -> Response<Body> {
    // The alias or version that the URL belongs to is gone: AWS then denies access.
    if matches!(error, Error::NotFound(_)) {
        return FunctionUrls::forbidden();
    }
    let error = ServiceError::from(error);
    let status = StatusCode::from_u16(error.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let body = serde_json::json!({ "Message": error.message }).to_string();
    let mut response = json(status, error.code, body.into());
    if let Some(seconds) = error.retry_after_secs {
        response.headers_mut().insert(header::RETRY_AFTER, seconds.into());
    }
    response
}

fn json(status: StatusCode, code: &'static str, body: Bytes) -> Response<Body> {
    let mut response = Response::new(full_body(body));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(
        HeaderName::from_static("x-amzn-errortype"),
        HeaderValue::from_static(code),
    );
    response
}
