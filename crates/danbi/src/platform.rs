//! What lies behind each door of the gateway.

use crate::gateway::route::{Door, door};
use crate::gateway::{Front, Handler, Peer};
use crate::outliving::Outliving;
use danbi_apigateway::{ApiGateway, DomainVisit, Visit};
use danbi_cloudformation::Callbacks;
use danbi_core::{Body, Principal, RequestId, ServiceError, full_body};
use danbi_lambda::{FunctionUrls, Lambda, UrlCaller, UrlEndpoint};
use danbi_runtime::{EnvironmentState, Runtime, StartCounts};
use danbi_s3::{S3, WebsiteRequest};
use danbi_wire::Dispatcher;
use http::header::{CONTENT_TYPE, HOST, HeaderName, HeaderValue};
use http::uri::PathAndQuery;
use http::{Method, Request, Response, StatusCode, Uri, Version};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

/// The largest body of a signed request to a function URL: its hash is checked before the function sees it.
/// Source: <https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html>.
const MAX_SIGNED_BODY: usize = 6 * 1024 * 1024;

/// The platform as the gateway sees it.
pub struct Platform {
    dispatcher: Arc<Dispatcher>,
    /// API calls are run to their end whatever becomes of their clients.
    calls: Outliving,
    lambda: Arc<Lambda>,
    urls: FunctionUrls,
    s3: Arc<S3>,
    apis: Arc<ApiGateway>,
    health: serde_json::Value,
    runtime: Option<Runtime>,
    callbacks: Option<Callbacks>,
    front: Front,
}

impl Platform {
    /// A platform that answers API calls with `dispatcher`, app requests with `lambda`, visits to websites with `s3` and
    /// requests to stages with `apis`.
    pub fn new(dispatcher: Arc<Dispatcher>, lambda: Arc<Lambda>, s3: Arc<S3>, apis: Arc<ApiGateway>) -> Self {
        let mut operations = BTreeMap::<_, Vec<_>>::new();
        for (service, operation) in dispatcher.operations() {
            operations.entry(service).or_default().push(operation);
        }
        let health =
            serde_json::json!({ "status": "ok", "version": env!("CARGO_PKG_VERSION"), "operations": operations });
        let urls = FunctionUrls::new(Arc::clone(&lambda));
        Self {
            dispatcher,
            calls: Outliving::default(),
            lambda,
            urls,
            s3,
            apis,
            health,
            runtime: None,
            callbacks: None,
            front: Front::default(),
        }
    }

    /// Says what stands before the platform.
    #[must_use]
    pub fn with_front(mut self, front: Front) -> Self {
        self.front = front;
        self
    }

    /// The same, which also takes the answers that stacks wait for.
    #[must_use]
    pub fn with_stacks(mut self, callbacks: Callbacks) -> Self {
        self.callbacks = Some(callbacks);
        self
    }

    /// The same, whose health says what its environments are doing.
    #[must_use]
    pub fn with_runtime(mut self, runtime: Runtime) -> Self {
        self.runtime = Some(runtime);
        self
    }

    /// What is built, and what environments there are and were. Numbers alone: whoever can connect may read it.
    fn health(&self) -> String {
        let mut health = self.health.clone();
        if let Some(runtime) = &self.runtime {
            let mut states = BTreeMap::from([("starting", 0), ("idle", 0), ("frozen", 0), ("busy", 0)]);
            for environment in runtime.environments() {
                let state = match environment.state {
                    EnvironmentState::Starting => "starting",
                    EnvironmentState::Idle => "idle",
                    EnvironmentState::Frozen => "frozen",
                    EnvironmentState::Busy => "busy",
                };
                *states.entry(state).or_insert(0) += 1;
            }
            let StartCounts {
                warm,
                restored,
                assigned,
                started,
                templates_made,
                templates_unfit,
                templates_evicted,
            } = runtime.counts();
            health["environments"] = serde_json::json!({
                "now": states,
                "templates": { "now": runtime.templates(), "made": templates_made, "unfit": templates_unfit, "evicted": templates_evicted },
                "workers": runtime.workers(),
                "events": { "warm": warm, "restored": restored, "assigned": assigned, "started": started },
            });
        }
        health.to_string()
    }

    /// Answers an API call. A client that leaves does not stop it half-way: what was begun is brought to its end.
    async fn call(&self, request: Request<Body>, peer: Peer) -> Response<Body> {
        let dispatcher = Arc::clone(&self.dispatcher);
        let call = move |client| async move {
            let peer = danbi_wire::Peer {
                ip: peer.ip,
                secure: peer.secure,
                client,
            };
            dispatcher.call(request, peer).await
        };
        self.calls.run(call, refusal).await
    }

    /// Waits at most `grace` for API calls whose clients have left, then drops them.
    pub async fn drain(&self, grace: Duration) {
        self.calls.drain(grace).await;
    }

    /// Answers a request to a function's URL or an app. `path` is the path as the function sees it.
    async fn endpoint(
        &self,
        found: Result<Option<UrlEndpoint>, ServiceError>,
        request: Request<Body>,
        host: String,
        path: &str,
        peer: Peer,
    ) -> Response<Body> {
        let endpoint = match found {
            Ok(Some(endpoint)) => endpoint,
            Ok(None) => return FunctionUrls::unknown(),
            Err(error) => return refusal(&error),
        };
        let (principal, request) = if endpoint.requires_signature() {
            match self.authenticated(&endpoint, request).await {
                Ok(verified) => verified,
                Err(response) => return response,
            }
        } else {
            (Principal::Anonymous, request)
        };
        let caller = UrlCaller {
            principal,
            source_ip: peer.ip,
            secure: peer.secure,
            host,
        };
        self.urls.serve(&endpoint, at_path(request, path), caller).await
    }

    /// Verifies the signature of a request to a function URL with `AWS_IAM`. A browser's preflight bears none.
    async fn authenticated(
        &self,
        endpoint: &UrlEndpoint,
        request: Request<Body>,
    ) -> Result<(Principal, Request<Body>), Response<Body>> {
        if request.method() == Method::OPTIONS && request.headers().contains_key("access-control-request-method") {
            return Ok((Principal::Anonymous, request));
        }
        let (parts, body) = request.into_parts();
        let (verified, body) = self
            .dispatcher
            .authenticate(&parts, body, "lambda", MAX_SIGNED_BODY)
            .await
            .map_err(|error| refusal(&error))?;
        let addressed = &endpoint.scope().region;
        if verified.region.as_ref().is_some_and(|region| region != addressed) {
            return Err(refusal(&ServiceError::client(
                "InvalidSignatureException",
                403,
                format!("Credential should be scoped to a valid region. The function is in {addressed}."),
            )));
        }
        Ok((verified.principal, Request::from_parts(parts, body)))
    }
}

impl Handler for Platform {
    async fn handle(&self, request: Request<Body>, peer: Peer) -> Response<Body> {
        let host = match addressed_host(&request) {
            Ok(host) => host,
            Err(why) => return answer(StatusCode::BAD_REQUEST, why),
        };
        if matches!(*request.method(), Method::CONNECT | Method::TRACE) {
            // An app behind the gateway is not to become a way round it.
            return answer(StatusCode::METHOD_NOT_ALLOWED, "CONNECT and TRACE are not served.");
        }
        let peer = self.front.client(request.headers(), peer);
        let path = request.uri().path().to_owned();
        let chosen = match self.front.app(&host) {
            Some(app) => Door::App { app, path: &path },
            None => door(&host, &path),
        };
        match chosen {
            // A host name that is nothing of the platform's own may be a custom domain of an API.
            Door::Aws => match self
                .apis
                .serve_domain(request, visit(&host, peer), &self.dispatcher)
                .await
            {
                DomainVisit::Answered(response) => response,
                DomainVisit::Elsewhere(request) => self.call(request, peer).await,
            },
            Door::FunctionUrl { url_id, region, path } => {
                let mut found = self.urls.by_url_id(url_id).await;
                if let (Ok(Some(endpoint)), Some(region)) = (&found, &region)
                    && endpoint.scope().region != *region
                {
                    found = Ok(None);
                }
                self.endpoint(found, request, host.clone(), path, peer).await
            }
            Door::App { app, path } => match self.urls.by_app(app).await {
                Ok(None) => answer(
                    StatusCode::NOT_FOUND,
                    &format!("There is no app named {app:?} here; `danbi status` lists those that are."),
                ),
                found => self.endpoint(found, request, host.clone(), path, peer).await,
            },
            Door::Health if request.method() == Method::GET || request.method() == Method::HEAD => {
                let mut response = Response::new(full_body(self.health()));
                response
                    .headers_mut()
                    .insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
                response
            }
            Door::Health => answer(StatusCode::METHOD_NOT_ALLOWED, "Only GET and HEAD."),
            Door::Website { bucket, path, base } => {
                let (parts, _body) = request.into_parts();
                let visit = WebsiteRequest {
                    bucket,
                    path,
                    parts: &parts,
                    base,
                    source_ip: peer.ip,
                    secure: peer.secure,
                };
                self.s3.website(visit).await
            }
            Door::Code => {
                let (parts, _body) = request.into_parts();
                self.lambda.downloads().serve(&parts).await
            }
            Door::ExecuteApi { api_id, path } => {
                let visit = visit(&host, peer);
                self.apis.serve(api_id, path, request, visit, &self.dispatcher).await
            }
            Door::Callback { token } => match &self.callbacks {
                Some(callbacks) => {
                    let (parts, body) = request.into_parts();
                    callbacks.serve(&parts.method, token, body).await
                }
                None => answer(StatusCode::NOT_FOUND, "Nothing is served at this path."),
            },
            Door::Nowhere => answer(StatusCode::NOT_FOUND, "Nothing is served at this path."),
        }
    }
}

/// The `Host` header, or HTTP/2's `:authority`. They may not disagree, nor leave the choice: what stands before this
/// platform would then think of another host than this platform does.
/// Source: <https://www.rfc-editor.org/rfc/rfc9112#section-3.2>.
fn addressed_host(request: &Request<Body>) -> Result<String, &'static str> {
    let mut headers = request.headers().get_all(HOST).iter();
    let header = headers.next();
    if headers.next().is_some() {
        return Err("The request has more than one Host header.");
    }
    let header = header.map(|value| value.to_str()).transpose();
    let header = header.map_err(|_| "The Host header is not text.")?;
    let authority = request.uri().authority().map(http::uri::Authority::as_str);
    match (header, authority) {
        (Some(header), Some(authority)) if !header.eq_ignore_ascii_case(authority) => {
            Err("The request names two hosts.")
        }
        (Some(host), _) | (None, Some(host)) => Ok(host.to_owned()),
        (None, None) if request.version() == Version::HTTP_10 => Ok(String::new()),
        (None, None) => Err("The request names no host."),
    }
}

/// The same request at another path; its query stays.
fn at_path(mut request: Request<Body>, path: &str) -> Request<Body> {
    if request.uri().path() == path {
        return request;
    }
    let wanted = match request.uri().query() {
        Some(query) => format!("{path}?{query}"),
        None => path.to_owned(),
    };
    let mut parts = request.uri().clone().into_parts();
    // `path` is the tail of a path that has been parsed, so it parses; otherwise the request stays as it came.
    if let Ok(path_and_query) = PathAndQuery::try_from(wanted) {
        parts.path_and_query = Some(path_and_query);
        if let Ok(uri) = Uri::from_parts(parts) {
            *request.uri_mut() = uri;
        }
    }
    request
}

fn visit(host: &str, peer: Peer) -> Visit<'_> {
    Visit {
        host,
        source_ip: peer.ip,
        secure: peer.secure,
    }
}

/// An answer of the platform itself to an app request.
fn answer(status: StatusCode, message: &str) -> Response<Body> {
    let mut response = Response::new(full_body(serde_json::json!({ "message": message }).to_string()));
    *response.status_mut() = status;
    response
        .headers_mut()
        .insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    // A UUID is header text.
    if let Ok(id) = HeaderValue::try_from(RequestId::new().to_string()) {
        response
            .headers_mut()
            .insert(HeaderName::from_static("x-amzn-requestid"), id);
    }
    response
}

/// A service's error on a path where no protocol shapes it.
fn refusal(error: &ServiceError) -> Response<Body> {
    let mut response = answer(
        StatusCode::from_u16(error.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR),
        &error.message,
    );
    response.headers_mut().insert(
        HeaderName::from_static("x-amzn-errortype"),
        HeaderValue::from_static(error.code),
    );
    response
}

#[cfg(test)]
mod tests {
    use super::*;
    use danbi_core::empty_body;

    #[test]
    fn the_host_is_one() {
        let host = |uri: &str, hosts: &[&str]| {
            let mut request = Request::builder().uri(uri);
            for host in hosts {
                request = request.header(HOST, *host);
            }
            addressed_host(&request.body(empty_body()).unwrap())
        };
        assert_eq!(host("/", &["a:1"]).unwrap(), "a:1");
        assert_eq!(host("http://a:1/", &[]).unwrap(), "a:1");
        assert_eq!(host("http://A:1/", &["a:1"]).unwrap(), "a:1");
        for (uri, hosts) in [
            ("/", [].as_slice()),
            ("/", &["a", "a"]),
            ("http://a/", &["b"]),
            ("http://u@a/", &["a"]),
        ] {
            assert!(host(uri, hosts).is_err(), "{uri} {hosts:?}");
        }
    }

    #[test]
    fn a_path_changes_and_its_query_stays() {
        let request = |uri: &str| Request::builder().uri(uri).body(empty_body()).unwrap();
        let uri = |uri, path| at_path(request(uri), path).uri().to_string();
        assert_eq!(uri("/_danbi/app/shop/a%20b?x=1", "/a%20b"), "/a%20b?x=1");
        assert_eq!(uri("http://h:1/_aws/lambda-url/u", "/"), "http://h:1/");
        assert_eq!(uri("/same?q", "/same"), "/same?q");
    }
}
