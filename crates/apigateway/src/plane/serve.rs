//! A request from its arrival to its answer.

use super::authorize::authorize;
use super::call::{Call, Origin};
use super::compiled::{Compiled, CompiledMethod};
use super::failure::Failure;
use super::integrate::{Outcome, Work};
use super::journal::{self, Journal};
use super::throttle::Rate;
use super::{compression, domain, logs, plans, validate};
use crate::{ApiGateway, Error};
use bytes::Bytes;
use danbi_core::{Body, Principal, ReadBodyError, full_body, read_body};
use danbi_wire::Dispatcher;
use http::request::Parts;
use http::{HeaderName, HeaderValue, Request, Response, StatusCode};
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

/// Largest body of a request; AWS's limit.
const MAX_BODY: usize = 10 * 1024 * 1024;
/// How long a client may take to send it.
const BODY_TIMEOUT: Duration = Duration::from_secs(60);

/// Where a request came in.
#[derive(Debug, Clone, Copy)]
pub struct Visit<'a> {
    /// The host that was addressed, with its port if it has one.
    pub host: &'a str,
    /// The peer's address.
    pub source_ip: IpAddr,
    /// Whether the request came over TLS.
    pub secure: bool,
}

/// What became of a request that may have been one to a custom domain name.
#[derive(Debug)]
pub enum DomainVisit {
    /// It was.
    Answered(Response<Body>),
    /// The host is no custom domain name.
    Elsewhere(Request<Body>),
}

/// The stage that a request addresses, and the path below it.
struct Place<'p> {
    compiled: Arc<Compiled>,
    path: &'p str,
    full_path: String,
}

impl ApiGateway {
    /// Answers a request to an API by its id. `path` is the stage and what follows, as it was sent.
    ///
    /// Signatures of methods with `AWS_IAM` are verified by `dispatcher`. Never fails: what goes wrong is a response.
    pub async fn serve(
        &self,
        api_id: &str,
        path: &str,
        request: Request<Body>,
        visit: Visit<'_>,
        dispatcher: &Dispatcher,
    ) -> Response<Body> {
        let below = path.trim_start_matches('/');
        let (stage, rest) = match below.find('/') {
            Some(at) => below.split_at(at),
            None => (below, "/"),
        };
        let found = self.cache.stage(&self.store, &api_id.to_ascii_lowercase(), stage).await;
        let place = found.map(|compiled| {
            let compiled =
                compiled.filter(|compiled| compiled.definition.api.disable_execute_api_endpoint != Some(true))?;
            let full_path = format!("/{stage}{rest}");
            Some(Place {
                compiled,
                path: rest,
                full_path,
            })
        });
        self.at(place, request, visit, dispatcher).await
    }

    /// Answers a request to a custom domain name; hands it back when the host is none.
    pub async fn serve_domain(&self, request: Request<Body>, visit: Visit<'_>, dispatcher: &Dispatcher) -> DomainVisit {
        let owner = match domain::owner(self, visit.host).await {
            Ok(Some(owner)) => owner,
            Ok(None) => return DomainVisit::Elsewhere(request),
            Err(error) => return DomainVisit::Answered(signed_off(failed(&error).bare(), None)),
        };
        let path = request.uri().path().to_owned();
        let mapped = match domain::mapping(self, &owner, &path).await {
            Ok(mapped) => mapped,
            Err(error) => return DomainVisit::Answered(signed_off(failed(&error).bare(), None)),
        };
        let Some(mapped) = mapped else {
            return DomainVisit::Answered(signed_off(Failure::forbidden().bare(), None));
        };
        let found = self.cache.stage(&self.store, &mapped.api, &mapped.stage).await;
        let place = found.map(|compiled| {
            Some(Place {
                compiled: compiled?,
                path: &mapped.path,
                full_path: path.clone(),
            })
        });
        DomainVisit::Answered(self.at(place, request, visit, dispatcher).await)
    }

    async fn at(
        &self,
        place: Result<Option<Place<'_>>, Error>,
        request: Request<Body>,
        visit: Visit<'_>,
        dispatcher: &Dispatcher,
    ) -> Response<Body> {
        let place = match place {
            Ok(Some(place)) => place,
            Ok(None) => return signed_off(Failure::forbidden().bare(), None),
            Err(error) => return signed_off(failed(&error).bare(), None),
        };
        let (parts, body) = request.into_parts();
        let origin = Origin {
            host: visit.host,
            path: place.path,
            full_path: place.full_path,
            source_ip: visit.source_ip,
            secure: visit.secure,
            now: self.now(),
        };
        let compiled = &place.compiled;
        let mut call = Call::new(&parts, Bytes::new(), &origin);
        call.at(compiled);
        let mut method = None;
        if let Some((found, parameters)) = compiled.route(&call.path, &call.http_method) {
            call.found(found, parameters);
            method = Some(found);
        }
        let journal = Journal::of(compiled, method);
        let answered = self
            .answer(compiled, method, &mut call, (&parts, body), dispatcher, &journal)
            .await;
        let answered = match answered {
            Ok(outcome) => {
                let at_least = compiled.definition.api.minimum_compression_size;
                Ok(compression::compressed(outcome, at_least, call.header("accept-encoding")).await)
            }
            Err(failure) => Err(failure),
        };
        let response = match &answered {
            Ok(outcome) => response(outcome),
            Err(failure) => failure.response(compiled, &call),
        };
        journal.note(|| format!("Method completed with status: {}", response.status().as_u16()));
        journal::write(self, compiled, &call, method, answered.as_ref().err(), &journal);
        logs::access(self, compiled, &call, &response, answered.as_ref().err());
        self.count(
            compiled,
            response.status().as_u16(),
            self.now().as_millis() - call.time.as_millis(),
        );
        signed_off(response, Some(&call))
    }

    async fn answer(
        &self,
        compiled: &Compiled,
        method: Option<&CompiledMethod>,
        call: &mut Call,
        (parts, body): (&Parts, Body),
        dispatcher: &Dispatcher,
        journal: &Journal,
    ) -> Result<Outcome, Failure> {
        let method = method.ok_or_else(Failure::missing_token)?;
        let is_signed = method.method.authorization_type.as_deref() == Some("AWS_IAM");
        let (caller, body) = if is_signed {
            signature(call, parts, body, dispatcher).await?
        } else {
            (Principal::Anonymous, body)
        };
        call.body = whole(body).await?;
        let usage_key = authorize(self, compiled, method, call, &caller).await?;
        plans::check(self, compiled, method, call, usage_key).await?;
        self.throttle(compiled, method, call)?;
        validate::check(call, method)?;
        let work = Work {
            gateway: self,
            compiled,
            method,
            call,
            caller: &caller,
            journal,
        };
        work.run().await
    }

    /// The stage's own throttling of the method.
    fn throttle(&self, compiled: &Compiled, method: &CompiledMethod, call: &Call) -> Result<(), Failure> {
        let Some(setting) = compiled.setting(method) else {
            return Ok(());
        };
        let (Some(rate), Some(burst)) = (setting.throttling_rate_limit, setting.throttling_burst_limit) else {
            return Ok(());
        };
        // -1 stands for no limit.
        if rate < 0.0 || burst < 0 {
            return Ok(());
        }
        let name = format!(
            "{}/{}/{}/{}",
            compiled.api_id, compiled.stage_name, method.resource_id, call.http_method
        );
        let rate = Rate {
            per_second: rate,
            burst: burst.into(),
        };
        if self.throttle.admits(name, rate, call.time) {
            Ok(())
        } else {
            Err(Failure::throttled())
        }
    }
}

/// Who signed the request; what signs and does so wrongly is refused.
async fn signature(
    call: &mut Call,
    parts: &Parts,
    body: Body,
    dispatcher: &Dispatcher,
) -> Result<(Principal, Body), Failure> {
    let verified = dispatcher.authenticate(parts, body, "execute-api", MAX_BODY).await;
    let (signer, body) = verified.map_err(|error| match error.code {
        "RequestEntityTooLargeException" => Failure::too_large(),
        _ => Failure::invalid_signature(error.message),
    })?;
    if let Principal::Identity { arn, id, .. } = &signer.principal {
        call.identity.user_arn = Some(arn.to_string());
        call.identity.account = Some(arn.account.clone());
        call.identity.caller = Some(id.clone());
        call.identity.user = Some(id.clone());
    } else if let Principal::Root(account) = &signer.principal {
        call.identity.user_arn = signer.principal.arn();
        call.identity.account = Some(account.as_str().to_owned());
        call.identity.caller = Some(account.as_str().to_owned());
        call.identity.user = Some(account.as_str().to_owned());
    }
    let credential = call
        .header("authorization")
        .and_then(|text| text.split("Credential=").nth(1));
    call.identity.access_key = credential.and_then(|text| text.split('/').next()).map(Into::into);
    Ok((signer.principal, body))
}

async fn whole(body: Body) -> Result<Bytes, Failure> {
    match tokio::time::timeout(BODY_TIMEOUT, read_body(body, MAX_BODY)).await {
        Ok(Ok(body)) => Ok(body),
        Ok(Err(ReadBodyError::TooLarge(_))) => Err(Failure::too_large()),
        Ok(Err(ReadBodyError::Broken(_))) | Err(_) => Err(Failure::bad_parameters("The request's body broke off")),
    }
}

fn failed(error: &Error) -> Failure {
    Failure::configuration(error.to_string())
}

fn response(outcome: &Outcome) -> Response<Body> {
    let mut response = Response::new(full_body(outcome.body.clone()));
    *response.status_mut() = StatusCode::from_u16(outcome.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    for (name, value) in &outcome.headers {
        if let (Ok(name), Ok(value)) = (
            HeaderName::try_from(name.as_str()),
            HeaderValue::try_from(value.as_str()),
        ) {
            response.headers_mut().append(name, value);
        }
    }
    response
}

/// Adds what every answer carries.
fn signed_off(mut response: Response<Body>, call: Option<&Call>) -> Response<Body> {
    let fresh = (
        danbi_core::RequestId::new().to_string(),
        crate::ids::extended_request_id(),
    );
    let (request_id, extended) = match call {
        Some(call) => (call.request_id.to_string(), call.extended_request_id.clone()),
        None => fresh,
    };
    let headers = response.headers_mut();
    for (name, value) in [("x-amzn-requestid", request_id), ("x-amz-apigw-id", extended)] {
        if let Ok(value) = HeaderValue::try_from(value) {
            headers.insert(HeaderName::from_static(name), value);
        }
    }
    response
}
