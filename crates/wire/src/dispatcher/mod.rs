//! From an HTTP request to an operation and back: route → authenticate → decode → validate → authorize → handler → encode.

mod browser;
mod budget;
mod compressing;
mod decoding;
mod exchange;
mod find;
mod incoming;
mod inside;
mod read;
mod signed;
mod streamed;

use crate::Service;
use crate::sigv4::{Claim, Dialect, Payload, RequestView, Rules, SigV4Error, Verifier, sha256};
use budget::Budget;
use danbi_core::{
    AccountId, Authorizer, Body, Client, Clock, CredentialSource, Principal, Region, ServiceError, full_body,
};
use exchange::Exchange;
use http::request::Parts;
use http::{Request, Response};
use std::net::IpAddr;
use std::sync::Arc;

pub use inside::ApiDoor;

/// The most bytes of all header names and values together.
pub const MAX_HEADER_BYTES: usize = 64 * 1024;

/// Who is at the other end of the connection.
#[derive(Debug, Clone)]
pub struct Peer {
    /// The peer's address.
    pub ip: IpAddr,
    /// Whether the connection is TLS.
    pub secure: bool,
    /// Tells when it leaves.
    pub client: Client,
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
    verifier: Arc<Verifier>,
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
            verifier: Arc::new(Verifier::new(credentials, clock.clone())),
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
        let (parts, body) = request.into_parts();
        let mut exchange = Exchange::new(self, &parts, peer);
        let mut response = match exchange.run(body).await {
            Ok(response) => response,
            Err(error) => exchange.refuse(&error).await,
        };
        exchange.answer_across_origins(&mut response).await;
        exchange.sign_off(&mut response);
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
