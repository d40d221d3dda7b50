use crate::Service;
use danbi_core::{AccountId, Authorizer, Body, Clock, CredentialSource};
use std::net::IpAddr;
use std::sync::Arc;

/// Who is at the other end of the connection.
#[derive(Debug, Clone, Copy)]
pub struct Peer {
    /// The peer's address.
    pub ip: IpAddr,
    /// Whether the connection is TLS.
    pub secure: bool,
}

/// Takes AWS API requests to the operations of its services.
pub struct Dispatcher {
    services: Vec<Service>,
    #[expect(dead_code)]
    credentials: Arc<dyn CredentialSource>,
    #[expect(dead_code)]
    authorizer: Arc<dyn Authorizer>,
    #[expect(dead_code)]
    clock: Arc<dyn Clock>,
    #[expect(dead_code)]
    account: AccountId,
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
        Self { services, credentials, authorizer, clock, account }
    }

    /// Answers one request. Never fails: every mistake is a response of the request's protocol.
    pub async fn call(&self, _request: http::Request<Body>, _peer: Peer) -> http::Response<Body> {
        let mut response = http::Response::new(danbi_core::empty_body());
        *response.status_mut() = http::StatusCode::NOT_IMPLEMENTED;
        response
    }

    /// Every built operation as (service, operation).
    pub fn operations(&self) -> impl Iterator<Item = (&'static str, &'static str)> + '_ {
        self.services.iter().flat_map(|service| service.operations.keys().map(|name| (service.model.name(), *name)))
    }
}
